/* RDATA: that of ldns passes the check for each type, truncated or longer RDATA does not;
 * canonical order; printing and reading back. */
#include "unit.h"

#include <ldns/ldns.h>

#include "base/hash.h"
#include "dns/rdata_text.h"
#include "dns/rrline.h"
#include "samples.h"

/* Let ldns encode a sample and return its octets; 0 if this build of ldns does not know the
 * type. */
static size_t encode(const char *sample, uint16_t *type, uint8_t out[RDATA_MAX])
{
    char line[700];
    ldns_rr *rr = NULL;
    snprintf(line, sizeof(line), "o.example. 3600 IN %s", sample);
    if (ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL) != LDNS_STATUS_OK)
        return 0;
    ldns_buffer *buffer = ldns_buffer_new(65536);
    for (size_t n = 0; n < ldns_rr_rd_count(rr); n++)
        ldns_rdf2buffer_wire(buffer, ldns_rr_rdf(rr, n));
    size_t len = ldns_buffer_position(buffer);
    memcpy(out, ldns_buffer_begin(buffer), len);
    *type = (uint16_t)ldns_rr_get_type(rr);
    ldns_buffer_free(buffer);
    ldns_rr_free(rr);
    return len;
}

/* Return true if the type has a field of variable length. */
static bool is_open(uint16_t type)
{
    const struct rrtype_row *row = rrtype_find(type);
    return !row || strpbrk(row->wire, "rRtvbaimH");
}

static void each_type_passes_its_check(void **state)
{
    static uint8_t wire[RDATA_MAX + 1];
    size_t known = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        uint16_t type;
        size_t len = encode(samples[i], &type, wire);
        if (len == 0)
            continue;
        known++;
        if (rdata_check(type, wire, len) != ERR_OK)
            fail_msg("%s does not pass", samples[i]);
        for (size_t short_len = 0; short_len < len; short_len++) {
            uint8_t *exact = malloc(short_len + 1);
            memcpy(exact, wire, short_len);
            enum err err = rdata_check(type, exact, short_len);
            free(exact);
            if (!is_open(type) && err == ERR_OK)
                fail_msg("%s passes when truncated to %zu octets", samples[i], short_len);
        }
        wire[len] = 0;
        if (!is_open(type) && rdata_check(type, wire, len + 1) == ERR_OK)
            fail_msg("%s passes with one more octet", samples[i]);
        assert_int_equal(rdata_compare(type, wire, len, wire, len), 0);
        assert_true(rdata_compare(type, wire, len, wire, len - 1) > 0);
        assert_true(rdata_compare(type, wire, len - 1, wire, len) < 0);
    }
    assert_true(known > 70);
}

static void invalid_rdata_is_rejected(void **state)
{
    (void)state;
#define REJECTED(type, text) \
    assert_int_equal(rdata_check(type, (const uint8_t *)(text), sizeof(text) - 1), ERR_FORMAT)
    REJECTED(RRTYPE_A, "\1\2\3");
    REJECTED(RRTYPE_NS, "\1a\300\14");               /* compressed */
    REJECTED(RRTYPE_NS, "\1a\0x");                   /* an octet left over */
    REJECTED(RRTYPE_TXT, "");                        /* no string at all */
    REJECTED(RRTYPE_TXT, "\3ab");                    /* string too short */
    REJECTED(RRTYPE_NSEC, "\0\0\1");                 /* truncated bitmap */
    REJECTED(RRTYPE_NSEC, "\0\1\1\200\0\1\200");     /* descending windows */
    REJECTED(RRTYPE_NSEC, "\0\0\0");                 /* empty window */
    REJECTED(RRTYPE_SVCB, "\0\1\0\0\3\0\0\0\1\0\0"); /* descending keys */
    REJECTED(RRTYPE_SVCB, "\0\1\0\0\3\0\5a");        /* truncated value */
    REJECTED(RRTYPE_APL, "\0\1\41\0");               /* IPv4 prefix of 33 */
    REJECTED(RRTYPE_APL, "\0\1\40\5\1\2\3\4\5");
    REJECTED(RRTYPE_IPSECKEY, "\1\4\1");    /* gateway type 4 */
    REJECTED(RRTYPE_NSEC3, "\1\0\0\1\0\0"); /* empty hash */
    REJECTED(RRTYPE_HIP, "\0\1\0\1x");
#undef REJECTED
}

static void case_is_ignored_only_in_listed_types(void **state)
{
    (void)state;
#define ORDER(type, a, b)                                                          \
    rdata_compare(type, (const uint8_t *)(a), sizeof(a) - 1, (const uint8_t *)(b), \
                  sizeof(b) - 1)
    assert_int_equal(ORDER(RRTYPE_NS, "\1A\0", "\1a\0"), 0);
    assert_int_equal(ORDER(RRTYPE_SRV, "\0\0\0\0\0\0\1A\0", "\0\0\0\0\0\0\1a\0"), 0);
    assert_true(ORDER(RRTYPE_SVCB, "\0\1\1A\0", "\0\1\1a\0") <
                0); /* not in the list of RFC 4034 6.2 */
    assert_true(ORDER(RRTYPE_TXT, "\1A", "\1a") < 0);
    assert_true(ORDER(65280, "A", "a") < 0);
    assert_true(ORDER(RRTYPE_MX, "\0\2\1a\0", "\0\12\1a\0") < 0);
#undef ORDER
}

static void mnemonics_are_printed_and_read(void **state)
{
    uint16_t type;
    char text[RRTYPE_NAME_MAX];
    (void)state;
    for (unsigned i = 0; i <= UINT16_MAX; i++) {
        rrtype_print((uint16_t)i, text);
        assert_int_equal(rrtype_read(text, strlen(text), &type), ERR_OK);
        assert_int_equal(type, i);
    }
    assert_int_equal(rrtype_read("nsec3param", 10, &type), ERR_OK);
    assert_int_equal(type, RRTYPE_NSEC3PARAM);
    assert_int_equal(rrtype_read("TYPE65536", 9, &type), ERR_FORMAT);
    assert_int_equal(rrtype_read("TYPE", 4, &type), ERR_FORMAT);
    assert_int_equal(rrtype_read("AAAAA", 5, &type), ERR_FORMAT);
    assert_string_equal(rrtype_nearest("CNAM", 4), "CNAME");
    assert_null(rrtype_nearest("QQQ", 3));
    assert_int_equal(rrtype_read_class("class1", 6, &type), ERR_OK);
    assert_int_equal(type, RRTYPE_CLASS_IN);
}

/* Print RDATA and read it back from a line of a zone file. */
static void check_round_trip(uint16_t type, const uint8_t *rdata, size_t len)
{
    static struct rrline line;
    char text[RDATA_TEXT_MAX], name[RRTYPE_NAME_MAX], whole[RDATA_TEXT_MAX + 100];

    rdata_text_print(type, rdata, len, text);
    if (strlen(text) > RDATA_TEXT_MAX - 10)
        return; /* truncated */
    rrtype_print(type, name);
    int whole_len = snprintf(whole, sizeof(whole), "o.example. 3600 IN %s %s", name, text);
    if (rrline_read(whole, (size_t)whole_len, NULL, 0, &line) != ERR_OK)
        fail_msg("%s: %s", whole, line.fault.text);
    assert_int_equal(line.rdata_len, len);
    assert_memory_equal(line.rdata, rdata, len);
}

/* Return true if RDATA is printed in the format of its type, and fail if that is not as
 * rrtype.def says. */
static bool is_printed_by_type(uint16_t type, const uint8_t *rdata, size_t len)
{
    char text[RDATA_TEXT_MAX];
    const struct rrtype_row *row = rrtype_find(type);

    rdata_text_print(type, rdata, len, text);
    bool is_generic = strncmp(text, "\\#", 2) == 0;
    if (is_generic != (!row || !*row->text))
        fail_msg("type %u: %s", type, text);
    return !is_generic;
}

static void printed_rdata_can_be_read(void **state)
{
    static const uint8_t odd[] = {4, 0, 255, '"', '\\', 1, ' '};
    static uint8_t wire[RDATA_MAX + 1];
    size_t seen = 0, own_format_cnt = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        uint16_t type;
        size_t len = encode(samples[i], &type, wire);
        if (len == 0 || rdata_check(type, wire, len) != ERR_OK)
            continue;
        check_round_trip(type, wire, len);
        own_format_cnt += is_printed_by_type(type, wire, len);
        seen++;
    }
    print_message("%zu samples, %zu of them not in the generic format\n", seen, own_format_cnt);
    assert_true(seen > 80 && own_format_cnt > 78);
    check_round_trip(RRTYPE_TXT, odd, sizeof(odd));
    check_round_trip(65280, odd, sizeof(odd));
    char text[RDATA_TEXT_MAX];
    memset(wire, 7, sizeof(wire));
    rdata_text_print(65280, wire, 60000, text);
    assert_true(strlen(text) == RDATA_TEXT_MAX - 1 &&
                strcmp(text + RDATA_TEXT_MAX - 4, "...") == 0);
    rdata_text_print(RRTYPE_MX, wire, 3, text); /* not valid */
    assert_string_equal(text, "\\# 3 070707");
}

/* Types newer than ldns, and text that is printed in another way than it was written. */
static void newer_types_are_read_and_printed(void **state)
{
    static const struct {
        const char *text, *printed; /* NULL: as text */
    } cases[] = {
        {"AMTRELAY 10 0 0 .", NULL},
        {"AMTRELAY 10 1 1 203.0.113.15", NULL},
        {"AMTRELAY 128 1 2 2001:db8::15", NULL},
        {"AMTRELAY 10 0 3 amtrelays.example.com.", NULL},
        {"DSYNC CDS NOTIFY 5359 cds-scanner.example.net.", NULL},
        {"DSYNC TYPE1234 7 5359 a.", NULL},
        {"RESINFO qnamemin exterr=15-17", "RESINFO \"qnamemin\" \"exterr=15-17\""},
        {"WALLET \"ETH\" \"0x1\"", NULL},
        {"HHIT gwppM2ZmOTA4 gwppM2ZmOTA4", "HHIT gwppM2ZmOTA4gwppM2ZmOTA4"},
        {"BRID owAAAYIEVCABMAA=", NULL},
        {"DOA 1 2 3 \"text/plain\" aGVsbG8=", NULL},
        {"ATMA +61200000000", NULL},
        {"ATMA 39246f0001", NULL},
        {"WKS 192.0.2.1 tcp smtp 80", "WKS 192.0.2.1 6 25 80"},
        {"CDNSKEY 0 3 0 AA==", NULL},
        {"KEY 49152 3 0", NULL},
        {"SINK 1 0 1", NULL},
        {"NSEC b.", NULL},
        {"URI 1 2 \"\"", NULL},
        {"CAA 0 issue \"\"", NULL},
        {"HTTPS 1 . mandatory=alpn,port alpn=h2,h3 port=443 ech=AEX+DQ== "
         "dohpath=/dns-query{?dns} ohttp key65000=\"a b\"",
         "HTTPS 1 . mandatory=alpn,port alpn=\"h2,h3\" port=443 ech=AEX+DQ== "
         "dohpath=\"/dns-query{?dns}\" ohttp key65000=\"a b\""},
        {"SVCB 16 foo. alpn=\"f\\\\\\\\oo\\\\,bar,h2\"", NULL},
        {"LOC 0 0 0.001 S 179 59 59.999 W -100000.00m 90000000.00m 0.00m 1.00m", NULL},
        {"NSEC3PARAM 1 0 5 -", NULL},
        {"NXT \\# 4 01610040", NULL},
        {"TYPE65280 \\# 0", "TYPE65280 \\# 0 "},
    };
    static struct rrline line;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char whole[500], text[RDATA_TEXT_MAX], again[RDATA_TEXT_MAX + 20],
            type[RRTYPE_NAME_MAX];
        int len = snprintf(whole, sizeof(whole), "o.example. 3600 IN %s", cases[i].text);
        if (rrline_read(whole, (size_t)len, NULL, 0, &line) != ERR_OK)
            fail_msg("%s: %s", whole, line.fault.text);
        rrtype_print(line.type, type);
        rdata_text_print(line.type, line.rdata, line.rdata_len, text);
        snprintf(again, sizeof(again), "%s %s", type, text);
        assert_string_equal(again, cases[i].printed ? cases[i].printed : cases[i].text);
        check_round_trip(line.type, line.rdata, line.rdata_len);
    }
}

/* Valid RDATA without a presentation format is printed in the generic format. */
static void rdata_without_a_format_is_generic(void **state)
{
    (void)state;
#define GENERIC(type, octets)                                                              \
    do {                                                                                   \
        char text[RDATA_TEXT_MAX];                                                         \
        assert_int_equal(rdata_check(type, (const uint8_t *)(octets), sizeof(octets) - 1), \
                         ERR_OK);                                                          \
        rdata_text_print(type, (const uint8_t *)(octets), sizeof(octets) - 1, text);       \
        assert_memory_equal(text, "\\# ", 3);                                              \
        check_round_trip(type, (const uint8_t *)(octets), sizeof(octets) - 1);             \
    } while (0)
    GENERIC(RRTYPE_CAA, "\0\2a x");
    GENERIC(RRTYPE_CDNSKEY, "\1\0\3\15"); /* no key */
    GENERIC(RRTYPE_ATMA, "\1x");          /* not a digit */
    GENERIC(RRTYPE_ATMA, "\2"
                         "1");
    GENERIC(RRTYPE_LOC, "\1\0\0\0\200\0\0\0\200\0\0\0\0\0\0\0");   /* version 1 */
    GENERIC(RRTYPE_LOC, "\0\0\0\0\0\0\0\0\200\0\0\0\0\0\0\0");     /* beyond the pole */
    GENERIC(RRTYPE_LOC, "\0\xa0\0\0\200\0\0\0\200\0\0\0\0\0\0\0"); /* the digit 10 */
    GENERIC(RRTYPE_APL, "\0\1\10\2\12\0");                         /* trailing zeros */
    GENERIC(RRTYPE_APL, "\0\3\10\1\12");                           /* family 3 */
    GENERIC(RRTYPE_SVCB, "\0\1\0\0\3\0\1x");                       /* a port of one octet */
    GENERIC(RRTYPE_SVCB, "\0\1\0\0\1\0\3\5h2");                    /* a truncated item */
    GENERIC(RRTYPE_WKS, "\300\0\2\1\6");                           /* no service */
    GENERIC(RRTYPE_WKS, "\300\0\2\1\6\1\0");
#undef GENERIC
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_type_passes_its_check),
        cmocka_unit_test(invalid_rdata_is_rejected),
        cmocka_unit_test(case_is_ignored_only_in_listed_types),
        cmocka_unit_test(mnemonics_are_printed_and_read),
        cmocka_unit_test(printed_rdata_can_be_read),
        cmocka_unit_test(newer_types_are_read_and_printed),
        cmocka_unit_test(rdata_without_a_format_is_generic),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
