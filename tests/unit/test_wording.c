/* Identifiers: each list has a text and a unique identifier for each value, and the schemas in
 * docs/schema have the same identifiers. */
#include "unit.h"

#include "base/json.h"
#include "resolver/explain/cause.h"
#include "resolver/iterate/engine.h"
#include "resolver/iterate/wording.h"
#include "resolver/iterate/classify.h"
#include "net/daemon/daemon.h"
#include "net/upstream/match.h"

static const struct {
    const char *name;
    const struct wording_list *list;
    size_t first; /* the first value of the enumeration */
} lists[] = {{"notes", &wording_notes, 0},           {"purposes", &wording_purposes, 0},
             {"transports", &wording_transports, 0}, {"silences", &wording_silences, 0},
             {"replies", &wording_replies, 0},       {"rejections", &wording_rejections, 0},
             {"omissions", &wording_omissions, 0},   {"picks", &wording_picks, 0},
             {"sources", &wording_sources, 0},       {"endings", &wording_endings, 0},
             {"outcomes", &wording_outcomes, 0},     {"cached", &wording_cached, 0},
             {"local", &wording_local, 0},           {"ranks", &wording_ranks, 1},
             {"security", &wording_security, 0},     {"acts", &wording_acts, 0},
             {"subjects", &wording_subjects, 0}};

static void check_id(const char *id)
{
    assert_non_null(id);
    assert_true(*id >= 'a' && *id <= 'z');
    assert_int_equal(strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(id));
}

static void test_lists(void **state)
{
    (void)state;
    for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
        const struct wording_list *list = lists[l].list;
        assert_true(list->cnt > lists[l].first + 1);
        for (size_t i = lists[l].first; i < list->cnt; i++) {
            check_id(wording_id(list, (unsigned)i));
            assert_true(*wording_text(list, (unsigned)i));
            assert_ptr_equal(wording_text_of(list, wording_id(list, (unsigned)i)),
                             wording_text(list, (unsigned)i));
            for (size_t n = lists[l].first; n < i; n++)
                assert_string_not_equal(wording_id(list, (unsigned)n),
                                        wording_id(list, (unsigned)i));
        }
        assert_string_equal(wording_text_of(list, "no-such-thing"), "no-such-thing");
    }
}

/* `rootline explain` looks a result up in both lists. */
static void test_replies_and_silences_differ(void **state)
{
    (void)state;
    for (size_t r = 0; r < wording_replies.cnt; r++)
        for (size_t s = 0; s < wording_silences.cnt; s++)
            assert_string_not_equal(wording_id(&wording_replies, (unsigned)r),
                                    wording_id(&wording_silences, (unsigned)s));
}

static void test_failures(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAILURE_CNT; i++) {
        check_id(failure_id((enum failure)i));
        assert_true(i == FAILURE_NONE || *failure_text((enum failure)i));
        assert_string_equal(failure_text_of(failure_id((enum failure)i)),
                            failure_text((enum failure)i));
        for (size_t n = 0; n < i; n++)
            assert_string_not_equal(failure_id((enum failure)n), failure_id((enum failure)i));
    }
}

static void test_counters(void **state)
{
    (void)state;
    for (size_t i = 0; i < ENGINE_COUNTERS; i++) {
        check_id(engine_counters[i].id);
        assert_true(*engine_counters[i].help);
        for (size_t n = 0; n < i; n++)
            assert_string_not_equal(engine_counters[n].id, engine_counters[i].id);
    }
}

/* ---- schemas ---- */

static char text[1 << 18];

static const char *read_schema(const char *name)
{
    char path[200];
    snprintf(path, sizeof(path), ROOTLINE_SCHEMAS "/%s.json", name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t len = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[len] = '\0';
    return text;
}

static void expect_in(const char *schema, const char *id)
{
    char quoted[100];
    snprintf(quoted, sizeof(quoted), "\"%s\"", id);
    if (!strstr(schema, quoted))
        fail_msg("the schema does not have %s", quoted);
}

static void test_schemas(void **state)
{
    (void)state;
    const char *schema = read_schema("explain");
    for (size_t l = 0; l < ARRAY_LEN(lists); l++)
        for (size_t i = lists[l].first; i < lists[l].list->cnt; i++) {
            const char *id = wording_id(lists[l].list, (unsigned)i);
            bool is_absent = (lists[l].list == &wording_rejections &&
                              (i == MATCH_OK || i >= MATCH_VERDICTS)) ||
                             (lists[l].list == &wording_omissions && i == 0) ||
                             (lists[l].list == &wording_local && i == 0) ||
                             lists[l].list == &wording_outcomes;
            if (!is_absent)
                expect_in(schema, id);
        }
    for (size_t i = FAILURE_NONE + 1; i < FAILURE_CNT; i++)
        expect_in(schema, failure_id((enum failure)i));
    for (size_t i = 0; i < CAUSE_KINDS; i++)
        expect_in(schema, cause_id((enum cause_kind)i));
    for (size_t i = VERDICT_NONE + 1; i < VERDICT_REASONS; i++)
        expect_in(schema, verdict_reason_name((enum verdict_reason)i));
    for (size_t i = VERDICT_UNKNOWN; i <= VERDICT_BOGUS; i++)
        expect_in(schema, verdict_status_name((enum verdict_status)i));
    schema = read_schema("last");
    for (size_t i = 0; i < wording_outcomes.cnt; i++)
        expect_in(schema, wording_id(&wording_outcomes, (unsigned)i));
    schema = read_schema("stats");
    for (size_t i = 0; i < daemon_counter_cnt; i++) {
        expect_in(schema, daemon_counters[i].id);
        expect_in(schema, daemon_counters[i].help);
    }
    for (size_t i = 0; i < ENGINE_COUNTERS; i++)
        expect_in(schema, engine_counters[i].id);
    schema = read_schema("status");
    for (size_t i = 0; i < ENGINE_COUNTERS; i++)
        expect_in(schema, engine_counters[i].id);
    for (size_t i = MATCH_OK + 1; i < wording_rejections.cnt; i++)
        expect_in(schema, wording_id(&wording_rejections, (unsigned)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),    cmocka_unit_test(test_replies_and_silences_differ),
        cmocka_unit_test(test_failures), cmocka_unit_test(test_counters),
        cmocka_unit_test(test_schemas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
