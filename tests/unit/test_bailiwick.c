/* Records that a server may not speak of (docs/LIMITS.md section 2): out of its zone, in the
 * wrong section, or about its own delegation. */
#include "tests/unit/world.h"

/* The attacker's server adds records of victim.example to its answer. */
static bool out_of_zone(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") != 0)
        return world(server, name, type);
    add(MESSAGE_ANSWER, "%s 3600 A %s", name, BAD);
    add(MESSAGE_ANSWER, "www.victim.example. 3600 A %s", BAD);
    add(MESSAGE_AUTHORITY, "victim.example. 3600 NS ns.evil.example.");
    add(MESSAGE_AUTHORITY, "www.victim.example. 3600 MX 1 www.evil.example.");
    add(MESSAGE_ADDITIONAL, "www.victim.example. 3600 A %s", BAD);
    add(MESSAGE_ADDITIONAL, "ns.victim.example. 3600 A 192.0.2.4");
    return true;
}

static void test_bailiwick(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        stage.policy->defences.bailiwick = is_on;
        stage.policy->defences.sections = is_on; /* as in the resolvers of the 1990s */
        stage_open(&stage, 7);
        ask("www.evil.example");
        run(out_of_zone);
        ask("www.victim.example");
        run(out_of_zone);
        assert_int_equal(has_address(BAD), !is_on);
        stage_fini(&stage);
    }
}

/* The server of victim.example adds a record of its zone that was not asked for. */
static bool misplaced(const char *server, const char *name, uint16_t type)
{
    bool answers = world(server, name, type);
    if (answers && strcmp(server, "192.0.2.3") == 0 && strncmp(name, "one.", 4) == 0)
        add(MESSAGE_ADDITIONAL, "www.victim.example. 3600 A %s", BAD);
    return answers;
}

static void test_sections(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        stage.policy->defences.sections = is_on;
        stage_open(&stage, 7);
        ask("one.victim.example");
        run(misplaced);
        ask("www.victim.example");
        run(misplaced);
        assert_int_equal(has_address(BAD), !is_on);
        stage_fini(&stage);
    }
}

/* Records that were not asked for. */
static const char *const extras[] = {
    "A 198.51.100.66",         "AAAA 2001:db8::66",     "NS ns.evil.example.",
    "MX 1 www.evil.example.",  "SOA a. b. 1 2 3 4 5",   "TXT x",
    "CNAME www.evil.example.", "PTR www.evil.example.", "SRV 1 1 1 www.evil.example.",
    "DNAME evil.example."};

static size_t extra;

static enum message_section extra_section;

static bool with_extra(const char *server, const char *name, uint16_t type)
{
    bool answers = world(server, name, type);
    if (answers && strcmp(server, "192.0.2.3") == 0 && strncmp(name, "one.", 4) == 0)
        add(extra_section, "www.victim.example. 3600 %s", extras[extra]);
    return answers;
}

/* Of any type and in any section, only what was asked for is cached. */
static void test_types_in_sections(void **state)
{
    static const uint16_t types[] = {RRTYPE_A,   RRTYPE_AAAA, RRTYPE_NS,    RRTYPE_MX,
                                     RRTYPE_SOA, RRTYPE_TXT,  RRTYPE_CNAME, RRTYPE_PTR,
                                     RRTYPE_SRV, RRTYPE_DNAME};
    struct arena arena;
    (void)state;
    for (extra_section = MESSAGE_ANSWER; extra_section <= MESSAGE_ADDITIONAL; extra_section++)
        for (extra = 0; extra < ARRAY_LEN(extras); extra++) {
            uint8_t name[DNAME_MAX];
            struct cache_name key;
            struct cache_found found;
            struct cache_time when;
            open_stage();
            stage_open(&stage, 7);
            ask("one.victim.example");
            run(with_extra);
            assert_true(has_address(GOOD));
            when = engine_time(0);
            arena_init(&arena, 0);
            cache_name_init(&key, unit_name("www.victim.example", name));
            for (size_t i = 0; i < ARRAY_LEN(types); i++)
                assert_false(cache_find(&stage.engine->cache, &key, key.labels, types[i], &when,
                                        &arena, &found));
            arena_fini(&arena);
            stage_fini(&stage);
        }
}

/* An answer names other servers for its own zone. */
static bool taken_over(const char *server, const char *name, uint16_t type)
{
    bool answers = world(server, name, type);
    if (answers && strcmp(server, "192.0.2.3") == 0) {
        add(MESSAGE_AUTHORITY, "victim.example. 3600 NS ns.evil.example.");
        add(MESSAGE_ADDITIONAL, "ns.evil.example. 3600 A 192.0.2.4");
    }
    assert_string_not_equal(server, "192.0.2.4");
    return answers;
}

/* Servers that the zone itself names are data: queries go to those of the delegation. */
static void test_the_parent_names_the_servers(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    ask("one.victim.example");
    run(taken_over);
    ask("www.victim.example");
    run(taken_over);
    assert_true(has_address(GOOD));
    stage_fini(&stage);
}

/* MaginotDNS: the forwarder for evil.example adds records of other zones. */
static bool forwarder(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") != 0)
        return world(server, name, type);
    reply.flags = MESSAGE_QR | MESSAGE_RA;
    if (strncmp(name, "alias", 5) == 0) {
        add(MESSAGE_ANSWER, "%s 3600 CNAME www.victim.example.", name);
        add(MESSAGE_ANSWER, "www.victim.example. 3600 A %s", BAD);
    } else {
        add(MESSAGE_ANSWER, "%s 3600 A %s", name, BAD);
        add(MESSAGE_AUTHORITY, "example. 3600 NS ns.evil.example.");
        add(MESSAGE_ADDITIONAL, "ns.evil.example. 3600 A 192.0.2.4");
    }
    return true;
}

static void test_forwarders_keep_to_their_zone(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        stage.policy->defences.bailiwick = is_on;
        put_zone(stage.policy, "evil.example", DELEGATION_FORWARD,
                 (const char *[]){"192.0.2.4"}, 1);
        stage_open(&stage, 7);
        ask("one.evil.example");
        run(forwarder);
        ask("alias.evil.example");
        run(forwarder);
        assert_int_equal(has_address(GOOD), is_on);
        ask("www.victim.example");
        run(forwarder);
        assert_int_equal(has_address(BAD), !is_on);
        stage_fini(&stage);
    }
}

/* A zone with markup and control characters in its name, whose server is silent. */
static bool odd_zone(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") != 0)
        return world(server, name, type);
    delegate("<script>\\000\\010.evil.example.", "ns.evil.example.", NULL);
    add(MESSAGE_ADDITIONAL, "ns.evil.example. 3600 A 192.0.2.78");
    return true;
}

/* The extended error quotes the zone with its characters escaped. */
static void test_odd_names_are_escaped(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    ask("www.<script>\\000\\010.evil.example");
    run(odd_zone);
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    assert_true(explains("servers of <script>\\000\\010.evil.example."));
    stage_fini(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bailiwick),
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_types_in_sections),
        cmocka_unit_test(test_the_parent_names_the_servers),
        cmocka_unit_test(test_forwarders_keep_to_their_zone),
        cmocka_unit_test(test_odd_names_are_escaped),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
