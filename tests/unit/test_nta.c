/* Negative trust anchors: which one holds for a name, and until when. */
#include "unit.h"

#include "resolver/validate/nta.h"

static void the_closest_anchor_decides(void **state)
{
    static const struct {
        const char *name, *nta;
    } rows[] = {
        {".", NULL},
        {"test.", NULL},
        {"a.test.", "a.test."},
        {"B.A.test.", "a.test."},
        {"x.a.test.", "x.a.test."},
        {"y.X.a.test.", "x.a.test."},
        {"old.a.test.", "a.test."}, /* its own has expired */
        {"old.test.", NULL},
        {"in.b.test.", NULL}, /* a trust anchor is closer */
        {"z.in.b.test.", NULL},
        {"out.b.test.", "b.test."},
        {"low.in.b.test.", "low.in.b.test."}, /* below the trust anchor */
        {"c.test.", "c.test."},               /* a trust anchor at the same name */
        {"ba.test.", NULL},
    };
    static const char trusted[] = ". DS 1 13 2 aa\nin.b.test. DS 1 13 2 aa\nc.test. DS 1 13 2 "
                                  "aa\n";
    static const char *const texts[] = {"a.test",
                                        "x.A.test. until 2040-01-01T00:00:00Z",
                                        "old.a.test until 2026-01-01T00:00:00Z",
                                        "old.test until 2026-01-01T00:00:01Z",
                                        "b.test",
                                        "low.in.b.test",
                                        "c.test"};
    enum { NOW_S = 1767225601 }; /* 2026-01-01T00:00:01Z */
    struct nta_set set = {.cnt = 0};
    struct anchor_set anchors = {.cnt = 0};
    uint8_t name[DNAME_MAX], expected[DNAME_MAX];
    struct fault fault;
    struct diag diag;

    (void)state;
    diag_init(&diag);
    assert_int_equal(anchor_read(&anchors, "x", trusted, strlen(trusted), &diag), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(nta_add(&set, texts[i], &fault), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unit_name(rows[i].name, name);
        const struct nta *nta =
            nta_find(&set, anchor_find(&anchors, name), name, NOW_S * INT64_C(1000));
        if ((nta != NULL) != (rows[i].nta != NULL))
            fail_msg("%s", rows[i].name);
        if (nta)
            assert_true(dname_is_equal(nta->name, unit_name(rows[i].nta, expected)));
    }
    unit_name("old.test.", name);
    assert_non_null(nta_find(&set, NULL, name, NOW_S * INT64_C(1000) - 1));
    nta_fini(&set);
    assert_null(nta_find(&set, NULL, name, 0));
    anchor_fini(&anchors);
    diag_fini(&diag);
}

static void the_root_may_be_one(void **state)
{
    struct nta_set set = {.cnt = 0};
    uint8_t name[DNAME_MAX];
    struct fault fault;
    (void)state;
    assert_int_equal(nta_add(&set, ".", &fault), ERR_OK);
    assert_non_null(nta_find(&set, NULL, unit_name("a.test.", name), 0));
    assert_non_null(nta_find(&set, NULL, unit_name(".", name), 0));
    nta_fini(&set);
}

static void the_verdict_names_the_anchor(void **state)
{
    struct nta_set set = {.cnt = 0};
    uint8_t name[DNAME_MAX];
    char text[VERDICT_TEXT_MAX];
    struct fault fault;
    (void)state;
    assert_int_equal(nta_add(&set, "b.TEST", &fault), ERR_OK);
    struct verdict v = nta_verdict(&set.at[0], unit_name("a.b.test.", name), RRTYPE_A);
    assert_int_equal(v.status, VERDICT_INSECURE);
    assert_int_equal(verdict_ede(v.reason), 33);
    assert_string_equal(verdict_reason_name(v.reason), "negative-anchor");
    verdict_print(&v, text);
    assert_string_equal(text, "the configuration has a negative trust anchor for b.test.");
    nta_fini(&set);
}

static void wrong_texts_say_why(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "is not a domain name"},
        {"a..b", "is not a domain name"},
        {"first.test", "first.test. is listed twice"},
        {"a.test until", "expected a name, or a name and a time"},
        {"a.test until ", "expected a name, or a name and a time"},
        {"a.test  until 2026-01-01T00:00:00Z", "expected a name, or a name and a time"},
        {"a.test 2026-01-01T00:00:00Z", "expected a name, or a name and a time"},
        {"a.test until 2026-01-01", "expected a name, or a name and a time"},
        {"a.test until 2026-01-01T00:00:00Z x", "expected a name, or a name and a time"},
    };
    struct nta_set set = {.cnt = 0};
    char text[40];
    struct fault fault;
    (void)state;
    assert_int_equal(nta_add(&set, "First.test", &fault), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(nta_add(&set, rows[i].text, &fault), ERR_CONFIG);
        if (!strstr(fault.text, rows[i].why))
            fail_msg("%s: %s", rows[i].text, fault.text);
    }
    for (size_t i = 1; i < NTA_MAX; i++) {
        snprintf(text, sizeof(text), "%zu.test", i);
        assert_int_equal(nta_add(&set, text, &fault), ERR_OK);
    }
    assert_int_equal(nta_add(&set, "last.test", &fault), ERR_CONFIG);
    assert_non_null(strstr(fault.text, "at most 256 negative trust anchors"));
    assert_int_equal(set.cnt, NTA_MAX);
    nta_fini(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_closest_anchor_decides),
        cmocka_unit_test(the_root_may_be_one),
        cmocka_unit_test(the_verdict_names_the_anchor),
        cmocka_unit_test(wrong_texts_say_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
