/* Clients that flood, beside one that does not: whose question goes out, in which order, and
 * who is told that it is too much. */
#include "tests/unit/world.h"

#include <unistd.h>

#include "resolver/iterate/machine.h"

/* Whether a question for the name is out; its number. */
static bool is_out(const char *wanted, size_t *at)
{
    for (size_t i = 0; i < stage.pending_cnt; i++) {
        char name[DNAME_TEXT_MAX];
        dname_text_print(stage.pending[i]->match.name, name);
        lower(name);
        if (strcmp(name, wanted) == 0) {
            if (at)
                *at = i;
            return true;
        }
    }
    return false;
}

static bool upstream(const char *server, const char *name, uint16_t type)
{
    (void)server;
    (void)type;
    if (strstr(name, "slow"))
        return false;
    reply.flags = MESSAGE_QR | MESSAGE_RA;
    add(MESSAGE_ANSWER, "%s 3600 A %s", name, GOOD);
    return true;
}

/* 10 clients, 300 names a second below one slow domain, over one forwarder: another domain is
 * none of their business. */
static void test_one_slow_domain_behind_a_forwarder(void **state)
{
    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 200, .per_server = 400});
    put_zone(stage.policy, ".", DELEGATION_FORWARD, (const char *[]){"192.0.2.9"}, 1);
    stage_open(&stage, 7);
    for (unsigned i = 0; i < 600; i++)
        ask_of(i % 10, "r%u.slow.example", i);
    ask_of(99, "www.other.example");
    assert_true(is_out("www.other.example.", NULL));
    stage_fini(&stage);
}

/* Three slow domains are more than the server's 400. */
static void test_many_slow_domains_behind_a_forwarder(void **state)
{
    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 200, .per_forwarder = 400});
    put_zone(stage.policy, ".", DELEGATION_FORWARD, (const char *[]){"192.0.2.9"}, 1);
    stage_open(&stage, 7);
    for (unsigned i = 0; i < 3000; i++)
        ask_of(i % 10, "r%u.slow%u.example%u", i, i % 3, i % 300);
    ask_of(99, "www.other.example");
    assert_true(is_out("www.other.example.", NULL));
    stage_fini(&stage);
}

/* Plain recursion: the flood is below the zone that the benign client asks for as well. */
static void test_the_same_zone(void **state)
{
    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 200, .per_server = 400});
    stage_open(&stage, 7);
    ask("one.victim.example");
    run(world);
    for (unsigned i = 0; i < 600; i++)
        ask_of(i % 10, "r%u.victim.example", i);
    ask_of(99, "www.victim.example");
    assert_true(is_out("www.victim.example.", NULL));
    stage_fini(&stage);
}

/* A place that becomes free goes to whoever has waited, not to the next try of the one that had
 * it. */
static void test_a_retry_waits_as_well(void **state)
{
    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 1, .per_server = 400});
    stage_open(&stage, 7);
    ask("one.victim.example");
    run(world);
    ask_of(1, "a.victim.example");
    ask_of(2, "b.victim.example");
    assert_true(is_out("a.victim.example.", NULL) && !is_out("b.victim.example.", NULL));
    stage_time_out(&stage);
    assert_true(is_out("b.victim.example.", NULL));
    stage_fini(&stage);
}

/* Nor do many that time out in one turn take back what they gave: all that have waited go
 * before their next tries. */
static void test_many_retries_wait_as_well(void **state)
{
    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 4, .per_server = 400});
    stage_open(&stage, 7);
    ask("one.victim.example");
    run(world);
    for (unsigned i = 0; i < 6; i++)
        ask_of(i, "n%u.victim.example", i);
    assert_true(is_out("n0.victim.example.", NULL) && is_out("n1.victim.example.", NULL) &&
                is_out("n2.victim.example.", NULL));
    assert_int_equal(stage_time_out_all(&stage), 3);
    assert_int_equal(stage.pending_cnt, 3);
    assert_true(is_out("n3.victim.example.", NULL) && is_out("n4.victim.example.", NULL) &&
                is_out("n5.victim.example.", NULL));
    stage_fini(&stage);
}

/* It goes to one that waits for the same zone. */
static void test_who_waits_for_another_zone_is_not_woken(void **state)
{
    size_t at;
    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 1, .per_server = 400});
    stage_open(&stage, 7);
    ask("one.victim.example");
    run(world);
    ask("one.evil.example");
    while (stage.pending_cnt > 0 && !is_out("one.evil.example.", NULL))
        assert_true(answer(world, 0));
    ask_of(1, "a.victim.example");
    ask_of(2, "b.evil.example"); /* waits for its zone, the first in line */
    ask_of(3, "b.victim.example");
    assert_true(is_out("a.victim.example.", &at));
    assert_true(answer(world, at));
    assert_true(is_out("b.victim.example.", NULL));
    stage_fini(&stage);
}

/* One client has 50 waiting, the other one: it is the second that goes, not the 51st. */
static void test_clients_take_turns(void **state)
{
    size_t at;
    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 1, .per_server = 400});
    stage_open(&stage, 7);
    ask("one.victim.example");
    run(world);
    ask_of(1, "a.victim.example");
    for (unsigned i = 0; i < 50; i++)
        ask_of(1, "r%u.victim.example", i);
    ask_of(2, "b.victim.example");
    assert_true(is_out("a.victim.example.", &at));
    assert_true(answer(world, at));
    assert_true(is_out("r0.victim.example.", &at));
    assert_true(answer(world, at));
    assert_true(is_out("b.victim.example.", NULL));
    stage_fini(&stage);
}

/* Where thousands wait the one who has most loses its oldest, and the newcomer waits. */
static void test_the_largest_makes_room(void **state)
{
    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 1, .per_server = 400});
    stage_open(&stage, 7);
    ask("one.victim.example");
    run(world);
    size_t before = stage.answer_cnt;
    for (unsigned i = 0; i < 2001; i++)
        ask_of(i % 3, "r%u.victim.example", i);
    assert_int_equal(stage.answer_cnt, before);
    ask_of(99, "www.victim.example");
    assert_int_equal(stage.answer_cnt, before + 1);
    assert_true(stage.answers[before].wire[2] & 2); /* its address may be forged: TC */
    assert_true(explains(failure_text(FAILURE_CLIENT_QUERIES)));
    /* and it goes next but three at the latest */
    for (unsigned i = 0; i < 4 && !is_out("www.victim.example.", NULL); i++)
        assert_true(answer(world, 0));
    assert_true(is_out("www.victim.example.", NULL));
    stage_fini(&stage);
}

/* The places are taken by another worker, and nothing is out from here. */
static void test_a_worker_with_nothing_out_waits(void **state)
{
    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 1, .per_server = 400});
    stage_open(&stage, 7);
    ask("one.victim.example");
    run(world);
    size_t before = stage.answer_cnt;
    uint8_t zone[DNAME_MAX];
    struct addr server;
    assert_int_equal(addr_read("192.0.2.3", 53, &server), ERR_OK);
    struct quota_terms terms = {
        .zone = dname_hash(unit_name("victim.example", zone)), .server = &server, .client = 77};
    struct quota_place place = quota_place(stage.quota, &terms);
    assert_int_equal(quota_spend(stage.quota, &place), QUOTA_KINDS);
    ask_of(1, "www.victim.example");
    assert_int_equal(stage.answer_cnt, before);
    assert_int_equal(stage.pending_cnt, 0);
    quota_give_back(stage.quota, &place);
    assert_true(res_serve_wait_ms(stage.serve) <= 20);
    now_advance(20);
    res_serve_settle(stage.serve);
    assert_true(is_out("www.victim.example.", NULL));
    stage_fini(&stage);
}

/* A forwarder that is silent about one domain answers for the others, even if nobody asked for
 * those of late. */
static void test_a_forwarder_is_dead_for_a_domain(void **state)
{
    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 200, .per_server = 400});
    put_zone(stage.policy, ".", DELEGATION_FORWARD, (const char *[]){"192.0.2.9"}, 1);
    stage_open(&stage, 7);
    for (unsigned i = 0; i < 6; i++) {
        ask_of(1, "r%u.slow.example", i);
        run(upstream);
    }
    ask_of(2, "www.other.example");
    assert_true(is_out("www.other.example.", NULL));
    stage_fini(&stage);
}

/* A server that is full now is no reason to forget it: the other one is dead. */
static bool only_3(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.13") == 0)
        return false;
    return upstream(server, name, type);
}

static void test_a_full_server_comes_again(void **state)
{
    unsigned failed = 0;
    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 200, .per_forwarder = 1});
    put_zone(stage.policy, ".", DELEGATION_FORWARD, (const char *[]){"192.0.2.9", "192.0.2.13"},
             2);
    stage_open(&stage, 7);
    for (unsigned i = 0; i < 6; i++)
        ask_of(i, "n%u.other%u.example%u", i, i, i);
    run(only_3);
    for (size_t i = 0; i < stage.answer_cnt; i++)
        failed += (stage.answers[i].wire[3] & 15) != 0;
    print_message("%u of %zu failed\n", failed, stage.answer_cnt);
    assert_int_equal(failed, 0);
    stage_fini(&stage);
}

/* evil.example has two servers, which answer for names that begin with "n" only. */
static bool two_servers(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.3") != 0 && strcmp(server, "192.0.2.4") != 0) {
        if (!ends_in(name, "evil.example."))
            return world(server, name, type);
        reply.flags = MESSAGE_QR;
        add(MESSAGE_AUTHORITY, "evil.example. 3600 NS ns1.evil.example.");
        add(MESSAGE_AUTHORITY, "evil.example. 3600 NS ns2.evil.example.");
        add(MESSAGE_ADDITIONAL, "ns1.evil.example. 3600 A 192.0.2.3");
        add(MESSAGE_ADDITIONAL, "ns2.evil.example. 3600 A 192.0.2.4");
        return true;
    }
    add(MESSAGE_ANSWER, "%s 3600 A %s", name, GOOD);
    return name[0] == 'n';
}

/* A server that is known not to serve the zone is no reason to leave a full one: the query
 * would go to and fro between the two for ever. */
static void test_a_full_server_beside_a_lame_one(void **state)
{
    uint8_t zone[DNAME_MAX];
    struct addr lame;

    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 200, .per_server = 1});
    stage_open(&stage, 7);
    ask_of(1, "n1.evil.example");
    run(two_servers);
    assert_int_equal(addr_read("192.0.2.3", 53, &lame), ERR_OK);
    infra_note_lame(stage.engine->infra, &lame, unit_name("evil.example", zone), now_mono_ms());
    ask_of(1, "slow.evil.example");
    assert_true(is_out("slow.evil.example.", NULL));
    alarm(60); /* it would not end */
    ask_of(2, "n2.evil.example");
    alarm(0);
    assert_false(is_out("n2.evil.example.", NULL));
    run(two_servers);
    assert_int_equal(stage.answer_cnt, 3);
    stage_fini(&stage);
}

/* Whoever asks for what another one has asked already does not wait in the other's line. */
static void test_the_better_line_counts(void **state)
{
    size_t at;
    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 1, .per_server = 400});
    stage_open(&stage, 7);
    ask("one.victim.example");
    run(world);
    ask_of(1, "a.victim.example");
    for (unsigned i = 0; i < 50; i++)
        ask_of(1, "r%u.victim.example", i);
    ask_of(2, "r49.victim.example");
    assert_true(is_out("a.victim.example.", &at) && answer(world, at));
    assert_true(is_out("r0.victim.example.", &at) && answer(world, at));
    assert_true(is_out("r49.victim.example.", NULL));
    stage_fini(&stage);
}

/* And it counts for the one who has fewer out: it leaves at once. */
static void test_the_better_client_counts(void **state)
{
    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 200, .per_server = 400});
    stage_open(&stage, 7);
    ask("one.victim.example");
    run(world);
    for (unsigned i = 0; i < 600; i++)
        ask_of(i % 10, "r%u.victim.example", i);
    assert_true(!is_out("r599.victim.example.", NULL));
    ask_of(99, "r599.victim.example");
    assert_true(is_out("r599.victim.example.", NULL));
    stage_fini(&stage);
}

/* No socket is left: those that wait for one do not wake each other for ever. */
static void test_no_socket_is_left(void **state)
{
    struct addr_prefix everybody;
    (void)state;
    open_stage_with(&(struct quota_limits){0});
    assert_int_equal(addr_read_prefix("0.0.0.0/0", &everybody), ERR_OK);
    stage.policy->exempt = (struct addr_prefixes){&everybody, 1};
    put_zone(stage.policy, ".", DELEGATION_FORWARD, (const char *[]){"192.0.2.9"}, 1);
    stage_open(&stage, 7);
    for (unsigned i = 0; i < STAGE_PENDING_MAX + 10; i++)
        ask_of(i % 10, "n%u.other.example", i);
    assert_int_equal(stage.pending_cnt, STAGE_PENDING_MAX);
    assert_true(answer(upstream, 0));
    assert_int_equal(stage.pending_cnt, STAGE_PENDING_MAX);
    stage_fini(&stage);
}

/* What has been learnt meanwhile is not asked for again by everybody who waited. */
static unsigned short_cnt;

static void count_short(struct stage *s, const struct out_ask *a)
{
    char name[DNAME_TEXT_MAX];
    (void)s;
    dname_text_print(a->match.name, name);
    lower(name);
    short_cnt += strcmp(name, "evil.example.") == 0;
}

static void test_what_waited_looks_again(void **state)
{
    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 1, .per_server = 400});
    stage.asked = count_short;
    short_cnt = 0;
    stage_open(&stage, 7);
    ask("one.victim.example");
    run(world);
    ask_of(1, "stays.victim.example"); /* is out all the time */
    ask_of(1, "x.other.example");      /* has the place of example. */
    stage.is_tcp = true;               /* so that as many as like may wait */
    for (unsigned i = 0; i < 20; i++)
        ask_of(2 + i, "r%u.evil.example", i);
    for (size_t i = 1; i < stage.pending_cnt;) /* the first one stays */
        i = answer(world, i) ? 1 : i + 1;
    print_message("the parent was asked %u times\n", short_cnt);
    assert_int_equal(short_cnt, 1);
    stage_fini(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_slow_domain_behind_a_forwarder),
        cmocka_unit_test(test_many_slow_domains_behind_a_forwarder),
        cmocka_unit_test(test_the_same_zone),
        cmocka_unit_test(test_a_retry_waits_as_well),
        cmocka_unit_test(test_many_retries_wait_as_well),
        cmocka_unit_test(test_who_waits_for_another_zone_is_not_woken),
        cmocka_unit_test(test_clients_take_turns),
        cmocka_unit_test(test_the_largest_makes_room),
        cmocka_unit_test(test_a_worker_with_nothing_out_waits),
        cmocka_unit_test(test_a_forwarder_is_dead_for_a_domain),
        cmocka_unit_test(test_a_full_server_comes_again),
        cmocka_unit_test(test_a_full_server_beside_a_lame_one),
        cmocka_unit_test(test_the_better_line_counts),
        cmocka_unit_test(test_the_better_client_counts),
        cmocka_unit_test(test_no_socket_is_left),
        cmocka_unit_test(test_what_waited_looks_again),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
