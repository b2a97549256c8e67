/* Configuration of the resolver: the suggestion for each misspelt or misplaced key. */
#include "unit.h"

#include "base/hash.h"
#include "resolver/res_conf.h"

static char *report;

static void read_text(const char *text)
{
    struct diag diag;
    struct res_conf *conf = NULL;
    size_t len;

    free(report);
    report = NULL;
    diag_init(&diag);
    assert_int_equal(res_conf_parse("c.yaml", text, strlen(text), &diag, &conf), ERR_CONFIG);
    FILE *stream = open_memstream(&report, &len);
    diag_print(&diag, stream, false);
    fclose(stream);
    diag_fini(&diag);
}

/* Expect the suggestion of a key for a word in a map.  `text` is the configuration up to the
 * word. */
static void expect_suggestion(const char *text, const char *word, const char *closing,
                              const char *key)
{
    char whole[300], expected[300];

    snprintf(whole, sizeof(whole), "%s%s: 1%s\n", text, word, closing);
    snprintf(expected, sizeof(expected), "unknown key \"%s\"", word);
    read_text(whole);
    if (!strstr(report, expected))
        fail_msg("%s\nis not reported for\n%s\nbut\n%s", expected, whole, report);
    snprintf(expected, sizeof(expected), "did you mean \"%s\"?", key);
    if (!strstr(report, expected))
        fail_msg("%s\nis not suggested for\n%s\nbut\n%s", expected, whole, report);
}

/* Misspell each key: drop a letter, double it, swap it with the next, replace it.  Return the
 * number of keys. */
static unsigned misspell_keys(const struct conf_key *keys, const char *text,
                              const char *closing)
{
    char word[60], inner[200], inner_closing[20];
    unsigned cnt = 0;

    for (; keys->name; keys++, cnt++) {
        int at = (int)strlen(keys->name) / 2;
        const char *rest = keys->name + at;
        snprintf(word, sizeof(word), "%.*s%s", at, keys->name, rest + 1);
        expect_suggestion(text, word, closing, keys->name);
        snprintf(word, sizeof(word), "%.*s%c%s", at, keys->name, *rest, rest);
        expect_suggestion(text, word, closing, keys->name);
        snprintf(word, sizeof(word), "%.*sX%s", at, keys->name, rest + 1);
        expect_suggestion(text, word, closing, keys->name);
        if (rest[1] && rest[1] != *rest) {
            snprintf(word, sizeof(word), "%.*s%c%c%s", at, keys->name, rest[1], *rest,
                     rest + 2);
            expect_suggestion(text, word, closing, keys->name);
        }
        if (!keys->keys)
            continue;
        bool is_list = keys->type == CONF_LIST;
        snprintf(inner, sizeof(inner), "%s%s: %s", text, keys->name, is_list ? "[{" : "{");
        snprintf(inner_closing, sizeof(inner_closing), "%s%s", is_list ? "}]" : "}", closing);
        cnt += misspell_keys(keys->keys, inner, inner_closing);
    }
    return cnt;
}

static void test_each_misspelt_key_gets_a_suggestion(void **state)
{
    (void)state;
    assert_true(misspell_keys(res_conf_keys, "", "") > 80);
    expect_suggestion("limits: {", "querys", "}", "queries");
    expect_suggestion("limits: {", "QUERIES", "}", "queries");
}

static void test_key_of_another_map_is_suggested_with_its_place(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"queries: 1\n", "did you mean \"queries\" in limits?"},
        {"server: {querys: 1}\n", "did you mean \"queries\" in limits?"},
        {"resolver: {per-secnd: 1}\n", "did you mean \"per-second\" in server.rate-limit?"},
        {"server: {stub-zone: []}\n", "did you mean \"stub-zones\" at the top level?"},
        {"stub-zones: [{tls-pins: []}]\n", "did you mean \"tls-pins\" in forward-zones?"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        read_text(cases[i].text);
        if (!strstr(report, cases[i].expected))
            fail_msg("expected\n%s\nin\n%s", cases[i].expected, report);
    }
    read_text("limits: {something-else: 1}\n");
    assert_null(strstr(report, "did you mean"));
}

/* Anchors with algorithms and digest types that are not supported, beside one that is. */
static void test_anchors_without_use_are_warned_of(void **state)
{
    static const char digest[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    char text[600];

    (void)state;
    snprintf(text, sizeof(text),
             "resolver:\n  wrong: 1\n  trust-anchor:\n  - old.test DS 1 5 2 %s\n"
             "  - odd.test DS 1 13 9 %s\n  - good.test DS 1 13 2 %s\n"
             "  - good.test DS 1 5 2 %s\n",
             digest, digest, digest, digest);
    read_text(text);
    assert_non_null(strstr(report, "the trust anchor of old.test. has a supported algorithm"));
    assert_non_null(strstr(report, "the trust anchor of odd.test. has a supported algorithm"));
    assert_null(strstr(report, "good.test"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_misspelt_key_gets_a_suggestion),
        cmocka_unit_test(test_key_of_another_map_is_suggested_with_its_place),
        cmocka_unit_test(test_anchors_without_use_are_warned_of),
    };
    hash_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(report);
    return failed;
}
