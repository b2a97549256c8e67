/* Amplification (docs/LIMITS.md section 3): zones that make one query of a client cause many
 * queries to servers, and the limits that end it. */
#include "tests/unit/world.h"

static bool endless_chain(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") != 0)
        return world(server, name, type);
    unsigned n = (unsigned)strtoul(name + 1, NULL, 10);
    add(MESSAGE_ANSWER, "%s 3600 CNAME c%u.evil.example.", name, n + 1);
    return true;
}

static void test_cname_chains_end(void **state)
{
    unsigned with[2];
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        if (!is_on)
            stage.policy->limits.cnames = 60;
        stage_open(&stage, 7);
        ask("c0.evil.example");
        run(endless_chain);
        assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
        with[is_on] = asked_cnt - 2; /* those for the delegations */
        stage_fini(&stage);
    }
    assert_true(with[1] <= 12 && with[0] > 12);
}

/* NXNSAttack: a delegation to 1000 servers without addresses, whose names do not exist. */
static bool nxns(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") == 0 && ends_in(name, "many.evil.example.")) {
        reply.flags = MESSAGE_QR;
        for (int i = 0; i < 1000; i++) /* more would exceed the octets of one query's budget */
            add(MESSAGE_AUTHORITY, "many.evil.example. 3600 NS n%d.victim.example.", i);
        return true;
    }
    if (strcmp(server, "192.0.2.3") == 0) {
        reply.flags |= RRTYPE_RCODE_NXDOMAIN;
        add(MESSAGE_AUTHORITY, "victim.example. 300 SOA a. b. 1 2 3 4 300");
        return true;
    }
    return world(server, name, type);
}

static void test_nxns(void **state)
{
    unsigned with[2];
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        if (!is_on)
            stage.policy->limits.targets = stage.policy->limits.lookups = 1500;
        stage.asked = count_victim;
        victim_cnt = 0;
        stage_open(&stage, 7);
        ask("www.many.evil.example");
        run(nxns);
        assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
        with[is_on] = victim_cnt;
        stage_fini(&stage);
    }
    print_message("queries to the victim: %u, without the limit %u\n", with[1], with[0]);
    assert_true(with[1] <= 10 && with[0] > 10);
}

/* NRDelegationAttack: 500 servers with addresses where nothing answers. */
static bool nrdelegation(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") == 0 && ends_in(name, "many.evil.example.")) {
        reply.flags = MESSAGE_QR;
        for (int i = 0; i < 500; i++)
            add(MESSAGE_AUTHORITY, "many.evil.example. 3600 NS n%d.many.evil.example.", i);
        for (int i = 0; i < 500; i++)
            add(MESSAGE_ADDITIONAL, "n%d.many.evil.example. 3600 A 198.51.%d.%d", i,
                100 + i / 250, i % 250);
        return true;
    }
    return world(server, name, type);
}

static void test_delegations_to_silent_servers(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    ask("www.many.evil.example");
    run(nrdelegation);
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    print_message("queries: %u\n", asked_cnt);
    assert_true(asked_cnt > 10 && asked_cnt <= 40);
    asked_cnt = 0;
    ask("www.many.evil.example"); /* the failure is cached (RFC 9520) */
    assert_int_equal(asked_cnt, 0);
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    stage_fini(&stage);
}

/* iDNS: the servers of each zone are in two further zones, without end. */
static bool endless(const char *server, const char *name, uint16_t type)
{
    const char *at = strstr(name, ".evil.example.");
    if (strcmp(server, "192.0.2.4") != 0 || !at)
        return world(server, name, type);
    const char *label = at;
    while (label > name && label[-1] != '.')
        label--;
    unsigned n = (unsigned)strtoul(label + 1, NULL, 10);
    reply.flags = MESSAGE_QR;
    add(MESSAGE_AUTHORITY, "%s 3600 NS ns1.z%u.evil.example.", label, 2 * n + 1);
    add(MESSAGE_AUTHORITY, "%s 3600 NS ns2.z%u.evil.example.", label, 2 * n + 2);
    return true;
}

static void test_endless_delegations(void **state)
{
    unsigned with[2];
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        if (!is_on)
            stage.policy->limits.depth = stage.policy->limits.lookups =
                stage.policy->limits.queries = 200;
        stage_open(&stage, 7);
        ask("www.z1.evil.example");
        run(endless);
        assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
        with[is_on] = asked_cnt;
        stage_fini(&stage);
    }
    print_message("queries: %u, without the limit %u\n", with[1], with[0]);
    assert_true(with[1] <= 60);
    assert_true(with[0] > with[1]);
}

/* CAMP, Unchained: 13 servers with long names for each delegation. */
static bool unchained(const char *server, const char *name, uint16_t type)
{
    const char *at = strstr(name, ".evil.example.");
    if (strcmp(server, "192.0.2.4") != 0 || !at)
        return world(server, name, type);
    unsigned n = 0;
    const char *label = at;
    while (label > name && label[-1] != '.')
        label--;
    n = (unsigned)strtoul(label + 1, NULL, 10);
    if (*label == 'c') { /* a delegation to servers without glue */
        reply.flags = MESSAGE_QR;
        for (unsigned i = 0; i < DELEGATION_SERVERS_MAX; i++)
            add(MESSAGE_AUTHORITY, "%s 3600 NS a.b.c.d.e.f.g.h.i.j.k.n%ux%u.evil.example.",
                label, n, i);
        return true;
    }
    /* the names of the servers exist without addresses */
    add(MESSAGE_AUTHORITY, "evil.example. 300 SOA a. b. 1 2 3 4 300");
    return true;
}

static void test_one_budget(void **state)
{
    unsigned with[2];
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        stage.policy->limits.targets = stage.policy->limits.lookups =
            1000; /* leave only the limit of queries */
        if (!is_on)
            stage.policy->limits.queries = 10000;
        stage_open(&stage, 7);
        ask("x.c1.evil.example");
        run(unchained);
        assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
        with[is_on] = asked_cnt;
        stage_fini(&stage);
    }
    print_message("queries: %u, without the limit %u\n", with[1], with[0]);
    assert_true(with[1] <= 100 && with[0] > 100);
}

static bool empty_below(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") != 0)
        return world(server, name, type);
    add(MESSAGE_AUTHORITY, "evil.example. 300 SOA a. b. 1 2 3 4 300");
    return true;
}

static void test_many_labels(void **state)
{
    char name[300] = "";
    unsigned with[2];
    (void)state;
    for (int i = 0; i < 110; i++)
        strcat(name, "a.");
    strcat(name, "evil.example");
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        if (!is_on)
            stage.policy->limits.minimisation_steps = 127;
        stage.policy->limits.queries = 1000;
        stage_open(&stage, 7);
        ask(name);
        run(empty_below);
        with[is_on] = asked_cnt - 2;
        stage_fini(&stage);
    }
    assert_true(with[1] <= 12 && with[0] > 12);
}

/* TsuNAME: two zones, each with its server in the other one. */
static bool cyclic(const char *server, const char *name, uint16_t type)
{
    (void)type;
    if (strcmp(server, "192.0.2.1") == 0) {
        delegate("example.", "ns.example.", "192.0.2.2");
        return true;
    }
    reply.flags = MESSAGE_QR;
    if (ends_in(name, "a.example."))
        add(MESSAGE_AUTHORITY, "a.example. 3600 NS ns.b.example.");
    else if (ends_in(name, "b.example."))
        add(MESSAGE_AUTHORITY, "b.example. 3600 NS ns.a.example.");
    return true;
}

static void test_cyclic_delegations(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    for (int second = 0; second < 60; second++) {
        for (int i = 0; i < 100; i++) {
            ask("www.a.example");
            run(cyclic);
            assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
        }
        now_advance(1000);
    }
    assert_true(asked_cnt <= 60);
    stage_fini(&stage);
    /* without the cache of failures each query causes others */
    open_stage();
    stage.policy->defences.failure_cache = false;
    stage_open(&stage, 7);
    for (int i = 0; i < 100; i++) {
        ask("www.a.example");
        run(cyclic);
        assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    }
    assert_true(asked_cnt > 100);
    stage_fini(&stage);
}

/* Glue with addresses of this machine. */
static bool names_this_machine(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") == 0) {
        reply.flags = MESSAGE_QR;
        add(MESSAGE_AUTHORITY, "self.evil.example. 3600 NS n1.self.evil.example.");
        add(MESSAGE_ADDITIONAL, "n1.self.evil.example. 3600 A 127.0.0.1");
        add(MESSAGE_ADDITIONAL, "n1.self.evil.example. 3600 A 0.0.0.0");
        return true;
    }
    return world(server, name, type);
}

static unsigned inward_cnt;

static void count_inward(struct stage *s, const struct out_ask *a)
{
    (void)s;
    inward_cnt += addr_is_in(&(struct addr_prefixes){local_nets, 2}, &a->match.to);
}

static void test_glue_that_names_this_machine(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        if (!is_on)
            stage.policy->do_not_query.cnt = 0;
        stage.asked = count_inward;
        inward_cnt = 0;
        stage_open(&stage, 7);
        ask("www.self.evil.example");
        run(names_this_machine);
        assert_int_equal(inward_cnt > 0, !is_on);
        stage_fini(&stage);
    }
}

static bool same_address(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") != 0)
        return world(server, name, type);
    reply.flags = MESSAGE_QR;
    for (int i = 0; i < 10; i++)
        add(MESSAGE_AUTHORITY, "same.evil.example. 3600 NS n%d.same.evil.example.", i);
    for (int i = 0; i < 10; i++)
        add(MESSAGE_ADDITIONAL, "n%d.same.evil.example. 3600 A 192.0.2.77", i);
    return true;
}

static unsigned same_cnt;

static void count_same(struct stage *s, const struct out_ask *a)
{
    char text[ADDR_TEXT_MAX];
    (void)s;
    addr_print(&a->match.to, text);
    same_cnt += strncmp(text, "192.0.2.77@", 11) == 0;
}

static void test_an_address_counts_once(void **state)
{
    (void)state;
    open_stage();
    stage.asked = count_same;
    same_cnt = 0;
    stage_open(&stage, 7);
    ask("www.same.evil.example");
    run(same_address);
    print_message("queries there: %u\n", same_cnt);
    assert_true(same_cnt > 0 && same_cnt <= 4); /* as if the server had one name */
    stage_fini(&stage);
}

/* RRsets of 101 and of 60 addresses. */
static bool large_answers(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") != 0)
        return world(server, name, type);
    for (int i = 0; i < (strncmp(name, "many", 4) == 0 ? 101 : 60); i++)
        add(MESSAGE_ANSWER, "%s 3600 A 198.51.100.%d", name, i);
    return true;
}

static void test_large_rrsets(void **state)
{
    (void)state;
    open_stage();
    stage.policy->limits.rrset_records = 100;
    stage_open(&stage, 7);
    ask("many.evil.example");
    run(large_answers);
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    assert_true(explains(failure_text(FAILURE_RRSET_RECORDS)));
    assert_int_equal(stage.engine->counts.limited, 1);
    for (int i = 0; i < 40000; i++) { /* more than twice what the store holds */
        char name[60];
        snprintf(name, sizeof(name), "x%d.evil.example", i);
        ask(name);
        run(large_answers);
        assert_int_equal(rcode(), RRTYPE_RCODE_NOERROR);
        stage_forget(&stage);
    }
    unsigned known = 0;
    for (int i = 0; i < 40000; i += 100) {
        char name[60];
        unsigned asked = asked_cnt;
        snprintf(name, sizeof(name), "x%d.evil.example", i);
        ask(name);
        run(large_answers);
        known += asked_cnt == asked;
        stage_forget(&stage);
    }
    print_message("%u of 400 names are still cached\n", known);
    assert_true(known < 300); /* others were evicted */
    stage_fini(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cname_chains_end),
        cmocka_unit_test(test_nxns),
        cmocka_unit_test(test_delegations_to_silent_servers),
        cmocka_unit_test(test_endless_delegations),
        cmocka_unit_test(test_one_budget),
        cmocka_unit_test(test_many_labels),
        cmocka_unit_test(test_cyclic_delegations),
        cmocka_unit_test(test_glue_that_names_this_machine),
        cmocka_unit_test(test_an_address_counts_once),
        cmocka_unit_test(test_large_rrsets),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
