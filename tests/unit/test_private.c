/* Answers of public names have no private address (DNS rebinding): addresses, hints of HTTPS
 * records, the additional section, CNAMEs to internal names, and the zones that may. */
#include "tests/unit/world.h"

static struct addr_prefix internal[3];
static const char *record; /* of each name of victim.example, after its owner */

static bool rebinding(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.3") != 0 || !record)
        return world(server, name, type);
    if (strncmp(name, "alias.", 6) == 0)
        add(MESSAGE_ANSWER, "%s 300 CNAME in.victim.example.", name);
    else if (strncmp(name, "mail.", 5) == 0 && type == RRTYPE_MX)
        add(MESSAGE_ANSWER, "%s 300 MX 1 in.victim.example.", name);
    else
        add(MESSAGE_ANSWER, "%s 300 %s", name, record);
    return true;
}

static void open_guarded(void)
{
    static const char *const prefixes[] = {"10.0.0.0/8", "203.0.113.0/25", "fd00::/8"};

    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        assert_int_equal(addr_read_prefix(prefixes[i], &internal[i]), ERR_OK);
    open_stage();
    stage.policy->private.prefixes = (struct addr_prefixes){internal, ARRAY_LEN(internal)};
    stage_open(&stage, 7);
}

/* Ask for a record of victim.example and return whether the answer is blocked. */
static bool is_blocked(const char *text, const char *name, uint16_t type)
{
    const uint64_t before = stage.engine->counts.blocked;

    record = text;
    ask_as(name, type, NULL);
    run(rebinding);
    bool is_refused = rcode() == RRTYPE_RCODE_REFUSED;
    const struct stage_answer *a = &stage.answers[stage.answer_cnt - 1];
    assert_int_equal(explains(" is in private-addresses"), is_refused);
    assert_int_equal(util_get_u16(a->wire + 6) == 0, is_refused); /* records in the answer */
    assert_int_equal(stage.engine->counts.blocked - before, is_refused);
    return is_refused;
}

static void test_private_records(void **state)
{
    static const struct {
        const char *text;
        uint16_t type;
        bool is_blocked;
    } cases[] = {
        {"A 10.0.0.1", RRTYPE_A, true},
        {"A 203.0.113.127", RRTYPE_A, true},
        {"A 203.0.113.128", RRTYPE_A, false},
        {"AAAA fd00::1", RRTYPE_AAAA, true},
        {"AAAA ::ffff:10.0.0.1", RRTYPE_AAAA, true},
        {"AAAA 2001:db8::1", RRTYPE_AAAA, false},
        {"HTTPS 1 . ipv4hint=192.0.2.1,10.0.0.1", RRTYPE_HTTPS, true},
        {"HTTPS 1 . alpn=h2 ipv6hint=fd00::1", RRTYPE_HTTPS, true},
        {"HTTPS 1 . port=10 ipv4hint=192.0.2.1", RRTYPE_HTTPS, false},
        {"SVCB 1 x.victim.example. ipv4hint=10.0.0.1", RRTYPE_SVCB, true},
        {"TXT \"10.0.0.1\"", RRTYPE_TXT, false},
    };
    char name[60];

    (void)state;
    open_guarded();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(name, sizeof(name), "n%zu.victim.example", i);
        for (int round = 0; round < 3; round++) /* from the cache too */
            if (is_blocked(cases[i].text, name, cases[i].type) != cases[i].is_blocked)
                fail_msg("%s", cases[i].text);
    }
    stage_fini(&stage);
}

/* One private address of many is enough. */
static bool several(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.3") != 0)
        return world(server, name, type);
    for (int i = 0; i < 9; i++)
        add(MESSAGE_ANSWER, "%s 300 A %s.%d", name, i == 7 ? "10.0.0" : "192.0.2", i);
    return true;
}

static void test_one_of_several(void **state)
{
    (void)state;
    open_guarded();
    ask("www.victim.example");
    run(several);
    assert_int_equal(rcode(), RRTYPE_RCODE_REFUSED);
    assert_true(explains("10.0.0.7 is in private-addresses"));
    stage_fini(&stage);
}

/* What counts is the name that is asked for, not the one that the CNAME leads to. */
static void test_excepted_zones(void **state)
{
    uint8_t zone[DNAME_MAX];
    const uint8_t *except[] = {zone};

    (void)state;
    open_guarded();
    stage.policy->private.except = except;
    stage.policy->private.except_cnt = 1;
    unit_name("in.victim.example", zone);
    assert_false(is_blocked("A 10.0.0.1", "in.victim.example", RRTYPE_A));
    assert_false(is_blocked("A 10.0.0.1", "host.in.victim.example", RRTYPE_A));
    assert_true(is_blocked("A 10.0.0.1", "other.victim.example", RRTYPE_A));
    assert_true(is_blocked("A 10.0.0.1", "alias.victim.example", RRTYPE_A));
    stage_fini(&stage);
}

/* The additional section is left without them; the answer is given. */
static void test_additional(void **state)
{
    (void)state;
    open_guarded();
    assert_true(is_blocked("A 10.0.0.1", "in.victim.example", RRTYPE_A));
    assert_false(is_blocked("A 10.0.0.1", "mail.victim.example", RRTYPE_MX));
    assert_int_equal(util_get_u16(stage.answers[stage.answer_cnt - 1].wire + 10), 1); /* OPT */
    stage_fini(&stage);
}

/* Without the key nothing is blocked. */
static void test_default(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    assert_false(is_blocked("A 10.0.0.1", "in.victim.example", RRTYPE_A));
    assert_false(is_blocked("A 10.0.0.1", "mail.victim.example", RRTYPE_MX));
    assert_int_equal(util_get_u16(stage.answers[stage.answer_cnt - 1].wire + 10), 2);
    stage_fini(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_private_records), cmocka_unit_test(test_one_of_several),
        cmocka_unit_test(test_excepted_zones),  cmocka_unit_test(test_additional),
        cmocka_unit_test(test_default),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
