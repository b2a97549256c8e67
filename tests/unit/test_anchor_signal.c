/* The query name that tells a zone which of its keys are trusted. */
#include "unit.h"

#include "resolver/validate/anchor_signal.h"

static struct anchor_set set;

static const struct anchor *read_anchor(const char *text)
{
    struct diag diag;

    anchor_fini(&set);
    diag_init(&diag);
    assert_int_equal(anchor_read(&set, "x", text, strlen(text), &diag), ERR_OK);
    assert_int_equal(set.cnt, 1);
    diag_fini(&diag);
    return &set.anchors[0];
}

static void tags_are_sorted(void **state)
{
    static const struct {
        const char *text, *name;
    } rows[] = {
        {anchor_root_text, "_ta-4f66-9728."},
        {". DS 1 8 2 aa\n", "_ta-0001."},
        {"a.Test. DS 65535 8 2 aa\na.test. DS 0 8 2 aa\na.test. DS 0 13 2 aa\n",
         "_ta-0000-ffff.a.test."},
        /* a DNSKEY and its DS are one key */
        {"a. DNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=\na. DS 3613 15 2 "
         "aa\na. DS 3612 15 2 aa\n",
         "_ta-0e1c-0e1d.a."},
    };
    uint8_t name[DNAME_MAX];
    char text[DNAME_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(anchor_signal_name(read_anchor(rows[i].text), name), ERR_OK);
        dname_text_print(name, text);
        assert_string_equal(text, rows[i].name);
    }
}

static void the_name_is_bounded(void **state)
{
    char text[4000], *at = text, name_text[DNAME_TEXT_MAX];
    uint8_t name[DNAME_MAX];
    (void)state;
    for (int i = 20; i > 0; i--)
        at += sprintf(at, "test. DS %d 8 2 aa\n", i);
    assert_int_equal(anchor_signal_name(read_anchor(text), name), ERR_OK);
    assert_int_equal(dname_check(name, sizeof(name)), dname_len(name));
    dname_text_print(name, name_text);
    assert_string_equal(
        name_text, "_ta-0001-0002-0003-0004-0005-0006-0007-0008-0009-000a-000b-000c.test.");
    char zone[260];
    snprintf(zone, sizeof(zone), "%060d.%060d.%060d.%059d.", 1, 1, 1, 1);
    snprintf(text, sizeof(text), "%s DS 1 8 2 aa\n", zone);
    assert_int_equal(anchor_signal_name(read_anchor(text), name), ERR_OK);
    assert_int_equal(dname_len(name), 244 + 9);
    snprintf(text, sizeof(text), "%s DS 1 8 2 aa\n%s DS 2 8 2 aa\n", zone, zone);
    assert_int_equal(anchor_signal_name(read_anchor(text), name), ERR_SPACE);
}

static int stop(void **state)
{
    (void)state;
    anchor_fini(&set);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_are_sorted),
        cmocka_unit_test(the_name_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, stop);
}
