/* RDATA by shape: what ldns makes of every type passes, cut or lengthened octets do not;
 * canonical order. */
#include "unit.h"

#include <ldns/ldns.h>

#include "base/hash.h"
#include "dns/rdata_text.h"
#include "dns/rrline.h"
#include "samples.h"

/* The octets of a sample, by ldns; 0 when this build of ldns does not know the type. */
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

/* Whether the shape has a part that any number of octets satisfies. */
static bool is_open(uint16_t type)
{
    const struct rrtype_row *row = rrtype_find(type);
    return !row || strpbrk(row->wire, "rRtvbaimH");
}

static void every_type_fits_its_shape(void **state)
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
            fail_msg("%s does not fit", samples[i]);
        for (size_t delegation = 0; delegation < len; delegation++) {
            uint8_t *exact = malloc(delegation + 1);
            memcpy(exact, wire, delegation);
            enum err err = rdata_check(type, exact, delegation);
            free(exact);
            if (!is_open(type) && err == ERR_OK)
                fail_msg("%s fits when cut to %zu octets", samples[i], delegation);
        }
        wire[len] = 0;
        if (!is_open(type) && rdata_check(type, wire, len + 1) == ERR_OK)
            fail_msg("%s fits with an octet more", samples[i]);
        assert_int_equal(rdata_compare(type, wire, len, wire, len), 0);
        assert_true(rdata_compare(type, wire, len, wire, len - 1) > 0);
        assert_true(rdata_compare(type, wire, len - 1, wire, len) < 0);
    }
    assert_true(known > 70);
}

static void broken_rdata_is_refused(void **state)
{
    (void)state;
#define REFUSED(type, text) \
    assert_int_equal(rdata_check(type, (const uint8_t *)(text), sizeof(text) - 1), ERR_FORMAT)
    REFUSED(RRTYPE_A, "\1\2\3");
    REFUSED(RRTYPE_NS, "\1a\300\14");               /* compressed */
    REFUSED(RRTYPE_NS, "\1a\0x");                   /* left over */
    REFUSED(RRTYPE_TXT, "");                        /* no string */
    REFUSED(RRTYPE_TXT, "\3ab");                    /* string too short */
    REFUSED(RRTYPE_NSEC, "\0\0\1");                 /* bitmap cut */
    REFUSED(RRTYPE_NSEC, "\0\1\1\200\0\1\200");     /* windows fall */
    REFUSED(RRTYPE_NSEC, "\0\0\0");                 /* empty window */
    REFUSED(RRTYPE_SVCB, "\0\1\0\0\3\0\0\0\1\0\0"); /* keys fall */
    REFUSED(RRTYPE_SVCB, "\0\1\0\0\3\0\5a");        /* value cut */
    REFUSED(RRTYPE_APL, "\0\1\41\0");               /* IPv4 prefix of 33 */
    REFUSED(RRTYPE_APL, "\0\1\40\5\1\2\3\4\5");
    REFUSED(RRTYPE_IPSECKEY, "\1\4\1");    /* gateway of kind 4 */
    REFUSED(RRTYPE_NSEC3, "\1\0\0\1\0\0"); /* hash of no octets */
    REFUSED(RRTYPE_HIP, "\0\1\0\1x");
#undef REFUSED
}

static void case_counts_only_where_it_should(void **state)
{
    (void)state;
#define ORDER(type, a, b)                                                          \
    rdata_compare(type, (const uint8_t *)(a), sizeof(a) - 1, (const uint8_t *)(b), \
                  sizeof(b) - 1)
    assert_int_equal(ORDER(RRTYPE_NS, "\1A\0", "\1a\0"), 0);
    assert_int_equal(ORDER(RRTYPE_SRV, "\0\0\0\0\0\0\1A\0", "\0\0\0\0\0\0\1a\0"), 0);
    assert_true(ORDER(RRTYPE_SVCB, "\0\1\1A\0", "\0\1\1a\0") <
                0); /* RFC 9460 is newer than the list */
    assert_true(ORDER(RRTYPE_TXT, "\1A", "\1a") < 0);
    assert_true(ORDER(65280, "A", "a") < 0);
    assert_true(ORDER(RRTYPE_MX, "\0\2\1a\0", "\0\12\1a\0") < 0);
#undef ORDER
}

static void mnemonics_go_both_ways(void **state)
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

/* Read it back from a line, as it would stand in a zone file. */
static void reads_back(uint16_t type, const uint8_t *rdata, size_t len)
{
    static struct rrline line;
    char text[RDATA_TEXT_MAX], name[RRTYPE_NAME_MAX], whole[RDATA_TEXT_MAX + 100];

    rdata_text_print(type, rdata, len, text);
    if (strlen(text) > RDATA_TEXT_MAX - 10)
        return; /* it was cut */
    rrtype_print(type, name);
    int whole_len = snprintf(whole, sizeof(whole), "o.example. 3600 IN %s %s", name, text);
    if (rrline_read(whole, (size_t)whole_len, NULL, 0, &line) != ERR_OK)
        fail_msg("%s: %s", whole, line.why);
    assert_int_equal(line.rdata_len, len);
    assert_memory_equal(line.rdata, rdata, len);
}

/* Types that a master file has a form for are printed in it. */
static bool is_printed_plain(uint16_t type, const uint8_t *rdata, size_t len)
{
    char text[RDATA_TEXT_MAX];
    const struct rrtype_row *row = rrtype_find(type);

    rdata_text_print(type, rdata, len, text);
    bool is_generic = strncmp(text, "\\#", 2) == 0;
    if (is_generic != (!row || !*row->text))
        fail_msg("type %u: %s", type, text);
    return !is_generic;
}

static void what_is_printed_can_be_read(void **state)
{
    static const uint8_t odd[] = {4, 0, 255, '"', '\\', 1, ' '};
    static uint8_t wire[RDATA_MAX + 1];
    size_t seen = 0, plain_cnt = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        uint16_t type;
        size_t len = encode(samples[i], &type, wire);
        if (len == 0 || rdata_check(type, wire, len) != ERR_OK)
            continue;
        reads_back(type, wire, len);
        plain_cnt += is_printed_plain(type, wire, len);
        seen++;
    }
    print_message("%zu samples, %zu of them in a form of their own\n", seen, plain_cnt);
    assert_true(seen > 80 && plain_cnt > 78);
    reads_back(RRTYPE_TXT, odd, sizeof(odd));
    reads_back(65280, odd, sizeof(odd));
    char text[RDATA_TEXT_MAX];
    memset(wire, 7, sizeof(wire));
    rdata_text_print(65280, wire, 60000, text);
    assert_true(strlen(text) == RDATA_TEXT_MAX - 1 &&
                strcmp(text + RDATA_TEXT_MAX - 4, "...") == 0);
    rdata_text_print(RRTYPE_MX, wire, 3, text); /* breaks its format */
    assert_string_equal(text, "\\# 3 070707");
}

/* Types newer than ldns, and forms that read differently from how they are printed. */
static void newer_types_go_both_ways(void **state)
{
    static const struct {
        const char *text, *printed; /* NULL: the same */
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
            fail_msg("%s: %s", whole, line.why);
        rrtype_print(line.type, type);
        rdata_text_print(line.type, line.rdata, line.rdata_len, text);
        snprintf(again, sizeof(again), "%s %s", type, text);
        assert_string_equal(again, cases[i].printed ? cases[i].printed : cases[i].text);
        reads_back(line.type, line.rdata, line.rdata_len);
    }
}

/* RDATA that fits the wire and has no form in text is shown all the same. */
static void what_has_no_form_is_generic(void **state)
{
    (void)state;
#define GENERIC(type, octets)                                                              \
    do {                                                                                   \
        char text[RDATA_TEXT_MAX];                                                         \
        assert_int_equal(rdata_check(type, (const uint8_t *)(octets), sizeof(octets) - 1), \
                         ERR_OK);                                                          \
        rdata_text_print(type, (const uint8_t *)(octets), sizeof(octets) - 1, text);       \
        assert_memory_equal(text, "\\# ", 3);                                              \
        reads_back(type, (const uint8_t *)(octets), sizeof(octets) - 1);                   \
    } while (0)
    GENERIC(RRTYPE_CAA, "\0\2a x");
    GENERIC(RRTYPE_CDNSKEY, "\1\0\3\15"); /* no key */
    GENERIC(RRTYPE_ATMA, "\1x");          /* no digit */
    GENERIC(RRTYPE_ATMA, "\2"
                         "1");
    GENERIC(RRTYPE_LOC, "\1\0\0\0\200\0\0\0\200\0\0\0\0\0\0\0");   /* version 1 */
    GENERIC(RRTYPE_LOC, "\0\0\0\0\0\0\0\0\200\0\0\0\0\0\0\0");     /* beyond the pole */
    GENERIC(RRTYPE_LOC, "\0\xa0\0\0\200\0\0\0\200\0\0\0\0\0\0\0"); /* a digit of ten */
    GENERIC(RRTYPE_APL, "\0\1\10\2\12\0");                         /* zeros at the end */
    GENERIC(RRTYPE_APL, "\0\3\10\1\12");                           /* family 3 */
    GENERIC(RRTYPE_SVCB, "\0\1\0\0\3\0\1x");                       /* a port of one octet */
    GENERIC(RRTYPE_SVCB, "\0\1\0\0\1\0\3\5h2");                    /* an item that is cut */
    GENERIC(RRTYPE_WKS, "\300\0\2\1\6");                           /* no service */
    GENERIC(RRTYPE_WKS, "\300\0\2\1\6\1\0");
#undef GENERIC
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_fits_its_shape),
        cmocka_unit_test(broken_rdata_is_refused),
        cmocka_unit_test(case_counts_only_where_it_should),
        cmocka_unit_test(mnemonics_go_both_ways),
        cmocka_unit_test(what_is_printed_can_be_read),
        cmocka_unit_test(newer_types_go_both_ways),
        cmocka_unit_test(what_has_no_form_is_generic),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
