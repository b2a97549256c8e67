/* Many or hostile clients: what one of them asks for, uses up or leaves waiting does not harm
 * the others. */
#include "tests/unit/world.h"

/* A query with too many EDNS options is FORMERR, and causes no query to a server. */
static void test_many_options(void **state)
{
    uint8_t wire[MESSAGE_HEADER_LEN + DNAME_MAX + 4 + 11 + 4 * 300], dname[DNAME_MAX];
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    for (unsigned cnt = EDNS_OPTIONS_MAX; cnt <= 300; cnt += 300 - EDNS_OPTIONS_MAX) {
        struct query q = {.id = 1,
                          .flags = MESSAGE_RD,
                          .name = unit_name("www.victim.example", dname),
                          .type = RRTYPE_A};
        size_t len = query_write(&q, wire);
        memset(wire + len, 0, 11 + 4 * (size_t)cnt);
        wire[11] = 1;
        wire[len + 2] = RRTYPE_OPT;
        util_put_u16(wire + len + 3, 1232);
        util_put_u16(wire + len + 9, (uint16_t)(4 * cnt));
        for (unsigned i = 0; i < cnt; i++)
            util_put_u16(wire + len + 11 + 4 * (size_t)i, 65001);
        stage_ask(&stage, wire, len + 11 + 4 * (size_t)cnt, NULL);
        assert_int_equal(stage.pending_cnt, cnt <= EDNS_OPTIONS_MAX);
        run(world);
        assert_int_equal(rcode(),
                         cnt <= EDNS_OPTIONS_MAX ? RRTYPE_RCODE_NOERROR : RRTYPE_RCODE_FORMERR);
    }
    stage_fini(&stage);
}

/* The server of evil.example answers too. */
static bool both_answer(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") != 0)
        return world(server, name, type);
    add(MESSAGE_ANSWER, "%s 3600 A %s", name, BAD);
    return true;
}

/* Water torture: random names below one zone with slow servers leave room for other zones. */
static void test_water_torture(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        struct quota_limits limits = {.per_zone = is_on ? 200 : 100000, .per_server = 100000};
        open_stage_with(&limits);
        stage.asked = count_victim;
        stage_open(&stage, 7);
        ask("one.victim.example");
        run(world);
        for (int i = 0; i < 3000; i++) {
            char name[60];
            struct addr peer;
            snprintf(name, sizeof(name), "10.%d.%d.7", i / 200, i % 200);
            assert_int_equal(addr_read(name, 4000, &peer), ERR_OK);
            snprintf(name, sizeof(name), "r%d.victim.example", i);
            ask_as(name, RRTYPE_A, &peer);
        }
        assert_int_equal(stage.pending_cnt, is_on ? 150 : 3000);
        ask("www.evil.example");
        assert_int_equal(stage.pending_cnt, is_on ? 151 : 3001);
        run(both_answer);
        stage_fini(&stage);
    }
}

/* DNSBomb: queries of one address, which may be spoofed, wait behind a slow server.  1000 may
 * wait, and are answered (net/transport/deferred paces that); the others are asked at once to
 * use TCP. */
static void test_deferred_queries_are_limited(void **state)
{
    struct addr peer, other;
    (void)state;
    assert_int_equal(addr_read("198.51.100.9", 4000, &peer), ERR_OK);
    assert_int_equal(addr_read("198.51.100.10", 4000, &other), ERR_OK);
    for (int is_on = 0; is_on < 2; is_on++) {
        struct addr_prefix one;
        unsigned truncated = 0;
        open_stage();
        assert_int_equal(addr_read_prefix("198.51.100.9", &one), ERR_OK);
        if (!is_on)
            stage.policy->exempt = (struct addr_prefixes){&one, 1};
        stage_open(&stage, 7);
        ask_as("one.victim.example", RRTYPE_A, &other);
        run(world);
        size_t before = stage.answer_cnt;
        for (int i = 0; i < 1500; i++) {
            char name[60];
            snprintf(name, sizeof(name), "b%d.victim.example", i % 80);
            ask_as(name, RRTYPE_A, &peer);
        }
        assert_int_equal(stage.answer_cnt - before, is_on ? 500 : 0);
        now_advance(300);
        ask_as("fresh.victim.example", RRTYPE_A, &other);
        run(world);
        assert_int_equal(stage.answer_cnt - before, 1501);
        for (size_t i = before; i < stage.answer_cnt; i++)
            truncated += (stage.answers[i].wire[2] & 2) != 0;
        assert_int_equal(truncated, is_on ? 500 : 0);
        stage_fini(&stage);
    }
}

static unsigned denied_cnt;

static bool denies_short_names(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.3") != 0 || strcmp(name, "nx.victim.example.") != 0)
        return world(server, name, type);
    denied_cnt++;
    reply.flags |= RRTYPE_RCODE_NXDOMAIN;
    add(MESSAGE_AUTHORITY, "victim.example. 300 SOA a. b. 1 2 3 4 300");
    return true;
}

/* A minimised name is NXDOMAIN although names exist below it: of 90 tasks that wait for its
 * reply, none sends that query again. */
static void test_a_denied_ancestor_is_asked_for_once(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    denied_cnt = 0;
    for (int i = 0; i < 90; i++) {
        char name[60];
        snprintf(name, sizeof(name), "l%d.nx.victim.example", i);
        ask(name);
    }
    run(denies_short_names);
    assert_int_equal(stage.answer_cnt, 90);
    assert_true(has_address(GOOD));
    assert_int_equal(denied_cnt, 1);
    stage_fini(&stage);
}

/* A task whose budget another client has spent fails for that client only; the failure is not
 * cached. */
static void test_a_spent_budget_harms_no_other_client(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    ask("one.victim.example");
    run(world);
    /* the task begins with a spent budget; the next client follows it */
    struct budget *spent = budget_new(&stage.policy->limits, now_mono_ms());
    uint8_t name[DNAME_MAX];
    spent->queries_left = 0;
    assert_non_null(
        task_get(stage.engine, unit_name("www.victim.example", name), RRTYPE_A, spent, NULL));
    ask("www.victim.example");
    budget_unref(&spent);
    run(world);
    assert_true(has_address(GOOD));
    stage_fini(&stage);
}

/* Shutdown while 4000 tasks wait for one query frees everything. */
static void test_shutdown_under_load(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    for (int i = 0; i < 4000; i++) {
        char name[60];
        struct addr peer;
        snprintf(name, sizeof(name), "10.%d.%d.7", i / 200, i % 200);
        assert_int_equal(addr_read(name, 4000, &peer), ERR_OK);
        snprintf(name, sizeof(name), "x%d.victim.example", i);
        ask_as(name, RRTYPE_A, &peer);
    }
    assert_int_equal(stage.pending_cnt, 1);
    stage_fini(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_options),
        cmocka_unit_test(test_water_torture),
        cmocka_unit_test(test_deferred_queries_are_limited),
        cmocka_unit_test(test_a_denied_ancestor_is_asked_for_once),
        cmocka_unit_test(test_a_spent_budget_harms_no_other_client),
        cmocka_unit_test(test_shutdown_under_load),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
