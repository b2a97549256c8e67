/* Names that test which root keys are trusted: 1, 20326 and 65535 here. */
#include "unit.h"

#include "dns/rrtype.h"
#include "resolver/validate/sentinel.h"

static void the_label_and_the_keys_decide(void **state)
{
    static const struct {
        const char *name;
        bool fails, fails_without_root;
    } rows[] = {
        {"root-key-sentinel-is-ta-20326.example.", false, true},
        {"Root-Key-Sentinel-IS-TA-20326.", false, true},
        {"root-key-sentinel-is-ta-20327.example.", true, true},
        {"root-key-sentinel-not-ta-20326.example.", true, false},
        {"root-key-sentinel-not-ta-20327.example.", false, false},
        {"root-key-sentinel-is-ta-00001.example.", false, true},
        {"root-key-sentinel-not-ta-00001.example.", true, false},
        {"root-key-sentinel-is-ta-65535.example.", false, true},
        {"root-key-sentinel-is-ta-00000.example.", true, true},
        /* ordinary names */
        {"root-key-sentinel-is-ta-1.example.", false, false},
        {"root-key-sentinel-is-ta-000002.example.", false, false},
        {"root-key-sentinel-is-ta-65536.example.", false, false},
        {"root-key-sentinel-is-ta-99999.example.", false, false},
        {"root-key-sentinel-is-ta-2032x.example.", false, false},
        {"root-key-sentinel-is-ta-+0001.example.", false, false},
        {"root-key-sentinel-is-ta-.example.", false, false},
        {"root-key-sentinel-is-tb-20327.example.", false, false},
        {"www.root-key-sentinel-is-ta-20327.example.", false, false},
        {"example.", false, false},
        {".", false, false},
    };
    static const uint16_t other_types[] = {RRTYPE_TXT, RRTYPE_CNAME, RRTYPE_ANY, RRTYPE_HTTPS};
    static const char text[] = ". DS 1 8 2 aa\n. DS 20326 8 2 aa\n. DS 65535 8 2 aa\n";
    struct anchor_set set = {.cnt = 0};
    struct diag diag;
    uint8_t name[DNAME_MAX];

    (void)state;
    diag_init(&diag);
    assert_int_equal(anchor_read(&set, "x", text, strlen(text), &diag), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        unit_name(rows[i].name, name);
        if (sentinel_fails(&set.anchors[0], name, RRTYPE_A) != rows[i].fails ||
            sentinel_fails(&set.anchors[0], name, RRTYPE_AAAA) != rows[i].fails ||
            sentinel_fails(NULL, name, RRTYPE_A) != rows[i].fails_without_root)
            fail_msg("%s", rows[i].name);
        for (size_t j = 0; j < ARRAY_LEN(other_types); j++)
            assert_false(sentinel_fails(&set.anchors[0], name, other_types[j]));
    }
    anchor_fini(&set);
    diag_fini(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_label_and_the_keys_decide)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
