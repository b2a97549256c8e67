/* Fairness among clients: which queries are sent, in which order, and which are rejected, while
 * some clients flood and one does not. */
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

static bool answer_unless_slow(const char *server, const char *name, uint16_t type)
{
    (void)server;
    (void)type;
    if (strstr(name, "slow"))
        return false;
    reply.flags = MESSAGE_QR | MESSAGE_RA;
    add(MESSAGE_ANSWER, "%s 3600 A %s", name, GOOD);
    return true;
}

/* 10 clients send 600 queries below one slow domain to a forwarder; a query for another domain
 * is sent at once. */
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

/* Three slow domains need more than the forwarder's limit of 400. */
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

/* Iteration: the flood is below the zone that the benign client queries too. */
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

/* A free place goes to a query that has waited, not to the retry of the query that had it. */
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

/* The same if many queries time out in one turn: all that have waited go before the retries. */
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

/* A free place wakes a query that waits for the same zone, and no other. */
static void test_wakeup_is_for_the_same_zone(void **state)
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
    ask_of(2, "b.evil.example"); /* waits for another zone, first in its queue */
    ask_of(3, "b.victim.example");
    assert_true(is_out("a.victim.example.", &at));
    assert_true(answer(world, at));
    assert_true(is_out("b.victim.example.", NULL));
    stage_fini(&stage);
}

/* One client has 50 queries waiting, the other has one: that is sent second, not 51st. */
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

/* When the queue is full, the client with most waiting queries loses its oldest, and a new
 * client waits. */
static void test_the_largest_client_loses_its_oldest(void **state)
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

/* Another worker has all places, so no reply here wakes a waiting query. */
static void test_another_worker_has_the_places(void **state)
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

/* The place of a query to victim.example of another worker. */
static struct quota_place other_place(void)
{
    uint8_t zone[DNAME_MAX];
    struct addr server;
    assert_int_equal(addr_read("192.0.2.3", 53, &server), ERR_OK);
    struct quota_terms terms = {.zone = dname_hash(unit_name("victim.example", zone)),
                                .server = &server,
                                .client = 77,
                                .is_exempt = true};
    return quota_place(stage.quota, &terms);
}

static unsigned woken;

static void count_wake(void *data, size_t worker)
{
    (void)data;
    woken += worker == 1;
}

/* Exempt clients only; a zone has four places, and its servers are known. */
static void open_exempt(void)
{
    static struct addr_prefix all_clients;
    open_stage_with(&(struct quota_limits){.per_zone = 4, .per_server = 400});
    assert_int_equal(addr_read_prefix("0.0.0.0/0", &all_clients), ERR_OK);
    stage.policy->exempt = (struct addr_prefixes){&all_clients, 1};
    stage_open(&stage, 7);
    quota_set_wake(stage.quota, count_wake, NULL);
    woken = 0;
    ask("one.victim.example");
    run(world);
}

/* A task of another worker waits for the same zone: every second free place is left to it, and
 * new queries here do not take it.  It is taken after ENGINE_LOOK_MS. */
static void test_every_second_place_is_left_to_others(void **state)
{
    (void)state;
    open_exempt();
    struct quota_place place = other_place();
    for (unsigned i = 0; i < 10; i++)
        ask_of(i, "n%u.victim.example", i);
    assert_int_equal(stage.pending_cnt, 4);
    quota_announce(stage.quota, &place, QUOTA_ZONE, 1);
    now_advance(20);
    res_serve_settle(stage.serve);
    assert_true(answer(world, 0)); /* left */
    assert_int_equal(stage.pending_cnt, 3);
    assert_int_equal(woken, 1);
    ask_of(20, "new.victim.example");
    assert_int_equal(stage.pending_cnt, 3);
    assert_int_equal(quota_spend(stage.quota, &place), QUOTA_KINDS);
    assert_true(quota_see_left(stage.quota, 1));
    assert_true(answer(world, 0)); /* taken here */
    assert_int_equal(stage.pending_cnt, 3);
    assert_int_equal(woken, 1);
    assert_true(answer(world, 0)); /* left again, and not taken */
    assert_int_equal(stage.pending_cnt, 2);
    assert_int_equal(woken, 2);
    now_advance(ENGINE_LOOK_MS);
    res_serve_settle(stage.serve);
    assert_int_equal(stage.pending_cnt, 3);
    quota_end_announcement(stage.quota, &place, QUOTA_ZONE, 1);
    quota_give_back(stage.quota, &place);
    now_advance(ENGINE_LOOK_MS);
    run(world);
    res_serve_settle(stage.serve);
    run(world);
    assert_int_equal(stage.answer_cnt, 12);
    assert_int_equal(quota_sums(stage.quota).announced, 0);
    stage_fini(&stage);
}

/* Another worker leaves three places at once: all are taken when this one is woken, without
 * ENGINE_LOOK_MS. */
static void test_places_that_another_worker_leaves(void **state)
{
    (void)state;
    open_exempt();
    struct quota_place place = other_place();
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(quota_spend(stage.quota, &place), QUOTA_KINDS);
    for (unsigned i = 0; i < 5; i++)
        ask_of(i, "n%u.victim.example", i);
    assert_int_equal(stage.pending_cnt, 0);
    assert_true(quota_is_wanted(stage.quota, &place, QUOTA_ZONE, 1));
    for (unsigned i = 0; i < 3; i++) {
        quota_give_back(stage.quota, &place);
        quota_leave(stage.quota, &place, QUOTA_ZONE, 1);
    }
    res_serve_come_back(stage.serve);
    assert_int_equal(stage.pending_cnt, 3);
    quota_give_back(stage.quota, &place);
    run(world);
    assert_int_equal(stage.answer_cnt, 6);
    assert_int_equal(quota_sums(stage.quota).announced, 0);
    stage_fini(&stage);
}

/* A forwarder that does not answer for one domain is still used for others, even without recent
 * answers for them. */
static void test_a_forwarder_is_silent_for_one_domain(void **state)
{
    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 200, .per_server = 400});
    put_zone(stage.policy, ".", DELEGATION_FORWARD, (const char *[]){"192.0.2.9"}, 1);
    stage_open(&stage, 7);
    for (unsigned i = 0; i < 6; i++) {
        ask_of(1, "r%u.slow.example", i);
        run(answer_unless_slow);
    }
    ask_of(2, "www.other.example");
    assert_true(is_out("www.other.example.", NULL));
    stage_fini(&stage);
}

static bool answer_unless_13(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.13") == 0)
        return false;
    return answer_unless_slow(server, name, type);
}

/* A server at its limit is tried again later when the other one does not answer. */
static void test_a_server_at_its_limit_is_tried_again(void **state)
{
    unsigned failed = 0;
    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 200, .per_forwarder = 1});
    put_zone(stage.policy, ".", DELEGATION_FORWARD, (const char *[]){"192.0.2.9", "192.0.2.13"},
             2);
    stage_open(&stage, 7);
    for (unsigned i = 0; i < 6; i++)
        ask_of(i, "n%u.other%u.example%u", i, i, i);
    run(answer_unless_13);
    for (size_t i = 0; i < stage.answer_cnt; i++)
        failed += (stage.answers[i].wire[3] & 15) != 0;
    print_message("%u of %zu failed\n", failed, stage.answer_cnt);
    assert_int_equal(failed, 0);
    stage_fini(&stage);
}

/* evil.example has two servers, which answer only for names that begin with "n". */
static bool answer_two_servers(const char *server, const char *name, uint16_t type)
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

/* A lame server is no alternative to one at its limit: the query must not alternate between
 * them for ever. */
static void test_a_server_at_its_limit_beside_a_lame_one(void **state)
{
    uint8_t zone[DNAME_MAX];
    struct addr lame;

    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 200, .per_server = 1});
    stage_open(&stage, 7);
    ask_of(1, "n1.evil.example");
    run(answer_two_servers);
    assert_int_equal(addr_read("192.0.2.3", 53, &lame), ERR_OK);
    infra_note_lame(stage.engine->infra, &lame, unit_name("evil.example", zone), now_mono_ms());
    ask_of(1, "slow.evil.example");
    assert_true(is_out("slow.evil.example.", NULL));
    alarm(60); /* against an endless loop */
    ask_of(2, "n2.evil.example");
    alarm(0);
    assert_false(is_out("n2.evil.example.", NULL));
    run(answer_two_servers);
    assert_int_equal(stage.answer_cnt, 3);
    stage_fini(&stage);
}

/* A query for a name that another client has waiting does not wait in that client's queue. */
static void test_the_better_queue_counts(void **state)
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

/* It counts for the client that has fewer queries out, so it is sent at once. */
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

/* Without a free socket, waiting queries do not wake each other for ever. */
static void test_no_socket_is_free(void **state)
{
    struct addr_prefix all_clients;
    (void)state;
    open_stage_with(&(struct quota_limits){0});
    assert_int_equal(addr_read_prefix("0.0.0.0/0", &all_clients), ERR_OK);
    stage.policy->exempt = (struct addr_prefixes){&all_clients, 1};
    put_zone(stage.policy, ".", DELEGATION_FORWARD, (const char *[]){"192.0.2.9"}, 1);
    stage_open(&stage, 7);
    for (unsigned i = 0; i < STAGE_PENDING_MAX + 10; i++)
        ask_of(i % 10, "n%u.other.example", i);
    assert_int_equal(stage.pending_cnt, STAGE_PENDING_MAX);
    assert_true(answer(answer_unless_slow, 0));
    assert_int_equal(stage.pending_cnt, STAGE_PENDING_MAX);
    stage_fini(&stage);
}

static unsigned parent_cnt;

static void count_parent_queries(struct stage *s, const struct out_ask *a)
{
    char name[DNAME_TEXT_MAX];
    (void)s;
    dname_text_print(a->match.name, name);
    lower(name);
    parent_cnt += strcmp(name, "evil.example.") == 0;
}

/* Queries that waited look into the cache again before they are sent. */
static void test_waiting_queries_look_again(void **state)
{
    (void)state;
    open_stage_with(&(struct quota_limits){.per_zone = 1, .per_server = 400});
    stage.asked = count_parent_queries;
    parent_cnt = 0;
    stage_open(&stage, 7);
    ask("one.victim.example");
    run(world);
    ask_of(1, "stays.victim.example"); /* stays out */
    ask_of(1, "x.other.example");      /* has the place of zone example. */
    stage.is_tcp = true;               /* proven clients: any number may wait */
    for (unsigned i = 0; i < 20; i++)
        ask_of(2 + i, "r%u.evil.example", i);
    for (size_t i = 1; i < stage.pending_cnt;) /* the first stays out */
        i = answer(world, i) ? 1 : i + 1;
    print_message("the parent was queried %u times\n", parent_cnt);
    assert_int_equal(parent_cnt, 1);
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
        cmocka_unit_test(test_wakeup_is_for_the_same_zone),
        cmocka_unit_test(test_clients_take_turns),
        cmocka_unit_test(test_the_largest_client_loses_its_oldest),
        cmocka_unit_test(test_another_worker_has_the_places),
        cmocka_unit_test(test_every_second_place_is_left_to_others),
        cmocka_unit_test(test_places_that_another_worker_leaves),
        cmocka_unit_test(test_a_forwarder_is_silent_for_one_domain),
        cmocka_unit_test(test_a_server_at_its_limit_is_tried_again),
        cmocka_unit_test(test_a_server_at_its_limit_beside_a_lame_one),
        cmocka_unit_test(test_the_better_queue_counts),
        cmocka_unit_test(test_the_better_client_counts),
        cmocka_unit_test(test_no_socket_is_free),
        cmocka_unit_test(test_waiting_queries_look_again),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
