/* Servers and networks that are old or half broken: what the resolver falls back to, and that
 * it remembers. */
#include "tests/unit/world.h"

static bool is_tcp_dead;

/* The server of victim.example copies names in lower case, over UDP and TCP. */
static bool lower_case(const char *server, const char *name, uint16_t type)
{
    bool answers = world(server, name, type), is_it = strcmp(server, "192.0.2.3") == 0;
    if (is_it && reply.ask->is_tcp && is_tcp_dead)
        return false;
    if (answers && is_it)
        memcpy(reply.wire + MESSAGE_HEADER_LEN, reply.ask->match.name,
               reply.ask->match.question_len - 4);
    return answers;
}

static void test_servers_that_change_the_case(void **state)
{
    (void)state;
    for (int dead = 0; dead < 2; dead++) {
        is_tcp_dead = dead;
        open_stage();
        stage_open(&stage, 7);
        ask("www.victim.example");
        run(lower_case);
        assert_true(has_address(GOOD));
        if (!dead) { /* the next query is in lower case at once */
            uint64_t before = stage.engine->counts.mismatches;
            ask("next.victim.example");
            run(lower_case);
            assert_true(has_address(GOOD));
            assert_int_equal(stage.engine->counts.mismatches, before);
        }
        stage_fini(&stage);
    }
}

/* The servers reply with FORMERR to an OPT record. */
static bool without_edns(const char *server, const char *name, uint16_t type)
{
    if (reply.ask->match.client_cookie) {
        reply.flags = MESSAGE_QR | RRTYPE_RCODE_FORMERR;
        return true;
    }
    return world(server, name, type);
}

static void test_servers_without_edns(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    ask("www.victim.example");
    run(without_edns);
    assert_true(has_address(GOOD));
    asked_cnt = 0;
    ask("next.victim.example");
    run(without_edns);
    assert_true(has_address(GOOD));
    assert_int_equal(asked_cnt, 1); /* without EDNS at once */
    stage_fini(&stage);
}

static bool with_v6(const char *server, const char *name, uint16_t type)
{
    bool answers = world(server, name, type);
    if (answers && reply.cnt[MESSAGE_AUTHORITY] && ends_in(name, "victim.example."))
        for (int i = 1; i < 6; i++)
            add(MESSAGE_ADDITIONAL, "ns.victim.example. 3600 AAAA 2001:db8::%d", i);
    return answers;
}

/* Without a route for IPv6 no time is lost; if IPv6 servers are silent, little is. */
static void test_a_broken_address_family(void **state)
{
    (void)state;
    for (int has_route = 0; has_route < 2; has_route++) {
        open_stage();
        stage.policy->uses_v6 = true;
        stage.has_no_v6 = !has_route;
        stage_open(&stage, 7);
        for (int i = 0; i < 40; i++) {
            char name[60];
            uint64_t before = now_mono_ms();
            snprintf(name, sizeof(name), "f%d.victim.example", i);
            ask(name);
            run(with_v6);
            assert_true(has_address(GOOD));
            uint64_t waited = now_mono_ms() - before;
            if (!has_route)
                assert_int_equal(waited, 0);
            else if (i >= 20) /* by now the family or its servers count as dead */
                assert_true(waited <= 400);
        }
        stage_fini(&stage);
    }
}

static bool priming(const char *server, const char *name, uint16_t type)
{
    if (strcmp(name, ".") == 0) {
        add(MESSAGE_ANSWER, ". 3600 NS real.root.");
        add(MESSAGE_ADDITIONAL, "real.root. 3600 A 192.0.2.11");
        return true;
    }
    return world(strcmp(server, "192.0.2.11") == 0 ? "192.0.2.1" : server, name, type);
}

static unsigned root_cnt;

/* Priming fails: queries for the root's NS are REFUSED. */
static bool priming_fails(const char *server, const char *name, uint16_t type)
{
    if (strcmp(name, ".") == 0) {
        root_cnt++;
        reply.flags = MESSAGE_QR | RRTYPE_RCODE_REFUSED;
        return true;
    }
    return world(server, name, type);
}

static void test_priming(void **state)
{
    uint8_t name[DNAME_MAX];
    struct cache_name key;
    struct cache_time when;
    struct arena arena;
    struct delegation delegation;
    int64_t expire_ms;
    (void)state;
    open_stage();
    stage.policy->is_priming = true;
    stage_open(&stage, 7);
    ask("www.victim.example");
    run(priming);
    assert_true(has_address(GOOD));
    arena_init(&arena, 0);
    when = engine_time(INT64_MAX);
    cache_name_init(&key, unit_name("other", name));
    assert_true(cache_find_delegation(&stage.engine->cache, &key, 1, 0, &when, 53, &arena,
                                      &delegation, &expire_ms));
    assert_true(delegation.labels == 0 && delegation.addr_cnt == 1);
    arena_fini(&arena);
    stage_fini(&stage);

    /* a wall clock that is set back by a year does not delay priming by a year */
    for (int is_back = 0; is_back < 2; is_back++) {
        open_stage();
        stage.policy->is_priming = true;
        stage_open(&stage, 7);
        root_cnt = 0;
        ask("www.victim.example");
        run(priming_fails);
        if (is_back)
            now_set_wall(now_wall_ms() - 365LL * 86400000);
        now_advance(61000);
        ask("www.elsewhere");
        run(priming_fails);
        assert_int_equal(root_cnt, 2);
        stage_fini(&stage);
    }
    now_freeze(STAGE_START_MS);
}

/* The root has no delegations. */
static bool without_delegations(const char *server, const char *name, uint16_t type)
{
    (void)name;
    (void)type;
    if (strcmp(server, "192.0.2.1") == 0) {
        reply.flags |= RRTYPE_RCODE_NXDOMAIN;
        add(MESSAGE_AUTHORITY, ". 300 SOA a. b. 1 2 3 4 300");
        return true;
    }
    return false;
}

/* The parent of a stub zone denies it when asked for its DS: that is asked once, and names in
 * the stub zone still resolve. */
static void test_the_ds_of_a_stub_zone(void **state)
{
    (void)state;
    open_stage();
    put_zone(stage.policy, "corp.example", DELEGATION_STUB, (const char *[]){"192.0.2.3"}, 1);
    stage_open(&stage, 7);
    for (int i = 0; i < 2; i++) {
        ask_as("corp.example", 43, NULL); /* DS */
        run(without_delegations);
        assert_int_equal(rcode(), RRTYPE_RCODE_NOERROR);
    }
    unsigned asked = asked_cnt;
    assert_true(asked <= 3);
    ask("www.corp.example");
    run(world);
    assert_true(has_address(GOOD));
    stage_fini(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers_that_change_the_case),
        cmocka_unit_test(test_servers_without_edns),
        cmocka_unit_test(test_a_broken_address_family),
        cmocka_unit_test(test_priming),
        cmocka_unit_test(test_the_ds_of_a_stub_zone),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
