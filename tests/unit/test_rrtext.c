/* RDATA from text: each type against ldns reading the whole record, and the place of each
 * error. */
#include "unit.h"

#include <ldns/ldns.h>

#include "base/hash.h"
#include "dns/rrtext.h"
#include "samples.h"

static struct rrtext_scratch scratch;
static uint8_t rdata[RDATA_MAX];

/* Split at spaces outside quotes, which is enough for the samples. */
static size_t split(const char *text, struct rrtext_token *tokens, size_t max)
{
    size_t cnt = 0;
    while (*text) {
        text += strspn(text, " ");
        if (!*text)
            break;
        assert_true(cnt < max);
        const char *start = text;
        bool is_quoted = *text == '"';
        if (is_quoted) {
            start = ++text;
            while (*text != '"')
                text += *text == '\\' ? 2 : 1;
        } else {
            for (bool inside = false; *text && (inside || *text != ' '); text++)
                if (*text == '\\')
                    text++;
                else if (*text == '"')
                    inside = !inside;
        }
        tokens[cnt++] = (struct rrtext_token){
            .text = start, .len = (size_t)(text - start), .is_quoted = is_quoted};
        text += is_quoted;
    }
    return cnt;
}

static enum err read_sample(const char *text, uint16_t *type, size_t *len,
                            struct rrtext_fault *fault)
{
    struct rrtext_token tokens[32];
    static const uint8_t root[] = {0};
    size_t cnt = split(text, tokens, ARRAY_LEN(tokens));
    assert_int_equal(rrtype_read(tokens[0].text, tokens[0].len, type), ERR_OK);
    return rrtext_read(*type, tokens + 1, cnt - 1, root, &scratch, rdata, len, fault);
}

static void all_types_are_read_as_ldns_reads_them(void **state)
{
    size_t unread = 0; /* Debian builds ldns without some types */
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        char line[700];
        uint16_t type;
        size_t len;
        struct rrtext_fault fault;
        if (read_sample(samples[i], &type, &len, &fault) != ERR_OK)
            fail_msg("%s: word %zu: %s", samples[i], fault.token, fault.reason.text);

        snprintf(line, sizeof(line), "o.example. 3600 IN %s", samples[i]);
        ldns_rr *rr = NULL;
        if (ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL) != LDNS_STATUS_OK) {
            printf("ldns does not read: %s\n", samples[i]);
            unread++;
            continue;
        }
        ldns_buffer *buffer = ldns_buffer_new(65536);
        for (size_t n = 0; n < ldns_rr_rd_count(rr); n++)
            ldns_rdf2buffer_wire(buffer, ldns_rr_rdf(rr, n));
        if (len != ldns_buffer_position(buffer) ||
            memcmp(rdata, ldns_buffer_begin(buffer), len) != 0)
            fail_msg("%s: ldns reads it differently", samples[i]);
        ldns_buffer_free(buffer);
        ldns_rr_free(rr);
    }
    assert_in_range(unread, 0, 12);
}

static void errors_name_word_and_reason(void **state)
{
    static const struct {
        const char *text;
        size_t token, offset;
        const char *why;
    } cases[] = {
        {"A 192.0.2.256", 0, 0, "IPv4"},
        {"A 192.0.2", 0, 0, "IPv4"},
        {"A", 0, 0, "IPv4"},
        {"A 192.0.2.1 extra", 1, 0, "one word too many"},
        {"AAAA 2001:db8::1::2", 0, 0, "IPv6"},
        {"MX ten mail.", 0, 0, "preference"},
        {"MX 65536 mail.", 0, 0, "larger than 65535"},
        {"MX 10", 1, 0, "expected a name"},
        {"MX 10 a..b", 1, 2, "a label is empty"},
        {"NS a\\300.", 0, 1, "\\DDD"},
        {"SOA a. b. 1 2 3 4", 6, 0, "negative TTL"},
        {"SOA a. b. 4294967296 2 3 4 5", 2, 0, "larger than"},
        {"SOA a. b. 1 2x 3 4 5", 3, 0, "refresh"},
        {"TXT", 0, 0, "expected text"},
        {"TXT \"\\300\"", 0, 0, "\\DDD"},
        {"DS 1 5 1 zz", 3, 0, "hexadecimal"},
        {"DNSKEY 256 3 5 ***", 3, 0, "base64"},
        {"NSEC b.example. NOTATYPE", 1, 0, "record types"},
        {"SRV 1 2 70000 a.", 2, 0, "65535"},
        {"LOC 99 N 1 E 0m", 0, 0, "from 0 to 90"},
        {"LOC 9 N 1 E 0m x y z a", 4, 0, "altitude"},
        {"NSEC b. A FOOBAR", 2, 0, "record types"},
        {"RRSIG NOPE 13 3 1 20300101000000 20200101000000 1 e. AwEA", 0, 0, "record type"},
        {"SRV 0 1 -5 a.", 2, 0, "expected a number from 0 to 65535"},
        {"NSEC3PARAM x 0 0 -", 0, 0, "expected a number from 0 to 255"},
        {"CDNSKEY 0 3 0", 3, 0, "base64"},
        {"KEY 256 3 5", 3, 0, "base64"},
        {"RRSIG A 13 3 1 0 20200101000000 1 e. AwEA", 4, 0, "not 0"},
        {"RRSIG A 13 3 1 20300101000000 0 1 e. AwEA", 5, 0, "not 0"},
        {"WKS 192.0.2.1 6 nosuchservice", 2, 0, "services such as"},
        {"WKS 192.0.2.1 256 smtp", 1, 0, "protocol such as"},
        {"WKS 192.0.2.1 tcp 65536", 2, 0, "services such as"},
        {"WKS 192.0.2.1 tcp", 2, 0, "services such as"},
        {"DSYNC CDS NOTIFYX 5300 a.", 1, 0, "scheme such as NOTIFY"},
        {"SVCB 1 . key1=h2", 2, 5, "wire format"},
        {"SVCB 1 . key1=\"\\003h2\"", 2, 5, "wire format"},
        {"SVCB 1 . key1=\"\\000\"", 2, 5, "wire format"},
        {"SVCB 1 . key3=443", 2, 5, "wire format"},
        {"SVCB 1 . key3=\\001", 2, 5, "wire format"},
        {"SVCB 1 . key4=192.0.2.1", 2, 5, "wire format"},
        {"SVCB 1 . key0=alpn alpn=h2", 2, 0, "that is missing"},
        {"SVCB 1 . key2=x", 2, 5, "wire format"},
        {"TLSA 300 1 1 aabb", 0, 0, "255"},
        {"DNSKEY 257 3 300 AwEAAQ==", 2, 0, "255"},
        {"RRSIG A 13 3 1 99999999999 20200101000000 1 e. AwEA", 4, 0, "larger"},
        {"SSHFP 1 2 abc", 2, 0, "odd number"},
        {"SVCB 1 . port=99999", 2, 5, "65535"},
        {"SVCB 1 . alpn=a,,b", 2, 5, "empty item"},
        {"SVCB 1 . port", 2, 0, "needs a value"},
        {"SVCB 1 . no-default-alpn=x", 2, 16, "no value"},
        {"SVCB 1 . port=1 port=2", 2, 0, "duplicate parameter key3"},
        {"SVCB 1 . key99999=x", 2, 0, "expected a parameter"},
        {"SVCB 1 . mandatory=alpn,alpn alpn=h2", 2, 10, "duplicate parameter in the list"},
        {"HTTPS 1 . ipv6hint=1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa", 2, 9,
         "addresses"},
        {"APL 1:10.0.0.0/99", 0, 0, "prefixes"},
        {"APL 1:10.0.0.0/288", 0, 0, "prefixes"},
        {"APL 1:10.0.0.0/", 0, 0, "prefixes"},
        {"APL 65537:10.0.0.0/8", 0, 0, "prefixes"},
        {"DS 1 +300 2 ABCD", 1, 0, "algorithm"},
        {"DS 1 -5 2 ABCD", 1, 0, "algorithm"},
        {"TLSA 3 DANE-EE 1 AA", 1, 0, "selector"},
        {"LOC 1 N 1 E -200000m", 4, 0, "metres"},
        {"LOC 1 N 1 E 10k", 4, 0, "metres"},
        {"LOC 1 N 1 E 2m abc", 5, 0, "metres"},
        {"LOC 90 59 59 N 1 E 0m", 1, 0, "larger than 90"},
        {"NSAP 0xABC", 0, 0, "odd number"},
        {"EUI48 +0-0x-5e-00-53-2a", 0, 0, "six octets"},
        {"NID 1 12345:0:0:0", 1, 0, "four groups"},
        {"WKS 1.2.3.4 300 25", 1, 0, "protocol"},
        {"RRSIG A 13 3 1 20260230000000 20200101000000 1 e. AwEA", 4, 0, "no such time"},
        {"HTTPS 1 . mandatory=alpn port=1", 2, 0, "that is missing"},
        {"HTTPS 1 . no-default-alpn", 2, 0, "requires alpn"},
        {"WKS 10.0.0.1 tcp nosuchservice", 2, 0, "services"},
        {"IPSECKEY 10 03 2 a..b AQ==", 3, 2, "a label is empty"},
        {"A \\# 3 010203", 0, 0, "not valid RDATA of this type"},
        {"TYPE65280 \\# 4 0a0000", 1, 0, "the length is 4"},
        {"TYPE65280 \\# 1 0g", 2, 1, "hexadecimal"},
        {"TYPE65280 hello", 0, 0, "RFC 3597"},
        {"AMTRELAY 10 2 1 192.0.2.1", 1, 0, "discovery bit"},
        {"AMTRELAY 10 0 0 a.", 3, 0, "expected . for no relay"},
        {"AMTRELAY 10 0 4 a.", 2, 0, "larger than 3"},
        {"NXT a. A", 0, 0, "RFC 3597"},
        {"IPSECKEY 10 3 2 a..b AQ==", 3, 2, "a label is empty"},
        {"IPSECKEY 10 3", 2, 0, "algorithm"},
        {"EUI48 00-00", 0, 0, "six octets"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint16_t type;
        size_t len;
        struct rrtext_fault fault;
        if (read_sample(cases[i].text, &type, &len, &fault) == ERR_OK)
            fail_msg("%s was read", cases[i].text);
        if (fault.token != cases[i].token || fault.offset != cases[i].offset ||
            !strstr(fault.reason.text, cases[i].why))
            fail_msg("%s: word %zu byte %zu: %s", cases[i].text, fault.token, fault.offset,
                     fault.reason.text);
    }
}

static void short_forms_are_read(void **state)
{
    static const struct {
        const char *text;
        size_t len;
    } cases[] = {{"CAA 0 issue \"\"", 7},
                 {"CSYNC 66 3", 6},
                 {"IPSECKEY 10 0 0 .", 3},
                 {"KEY 49152 3 0", 4},
                 {"SINK 1 0 1", 3},
                 {"URI 1 2 \"\"", 4},
                 {"NSEC b.", 3},
                 {"TLSA DANE-EE SPKI SHA2-256 AA", 4},
                 {"ATMA +61200000000", 12},
                 {"ATMA 39246f0001", 6},
                 {"NSEC3PARAM 1 0 0 -", 5},
                 {"DSYNC CDS 1 5359 a.", 8},
                 {"CDNSKEY 0 3 0 AA==", 5}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint16_t type;
        size_t len;
        struct rrtext_fault fault;
        if (read_sample(cases[i].text, &type, &len, &fault) != ERR_OK)
            fail_msg("%s: word %zu: %s", cases[i].text, fault.token, fault.reason.text);
        assert_int_equal(len, cases[i].len);
    }
}

/* Pairs of texts that have the same wire format. */
static void other_spellings_have_the_same_wire_format(void **state)
{
    static const struct {
        const char *text, *same;
    } cases[] = {
        {"SVCB 1 . key1=\"\\002h2\"", "SVCB 1 . alpn=h2"},
        {"SVCB 1 . key3=\\001\\187", "SVCB 1 . port=443"},
        {"SVCB 1 . key4=\\192\\000\\002\\001", "SVCB 1 . ipv4hint=192.0.2.1"},
        {"HTTPS 1 . key0=\\000\\001 alpn=h2", "HTTPS 1 . mandatory=alpn alpn=h2"},
        {"SVCB 1 . key6=\" "
         "\\001\\013\\184\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\000\\001\"",
         "SVCB 1 . ipv6hint=2001:db8::1"},
        {"WKS 192.0.2.1 tcp smtp", "WKS 192.0.2.1 6 25"},
        {"WKS 192.0.2.1 UDP domain 53", "WKS 192.0.2.1 17 domain"},
        {"WKS 192.0.2.1 6 smtp 80", "WKS 192.0.2.1 tcp 25 80"},
        {"DSYNC CDS NOTIFY 5359 a.", "DSYNC CDS 1 5359 a."},
        {"DSYNC CSYNC notify 53 a.", "DSYNC CSYNC 1 53 a."},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t kept[400];
        uint16_t type;
        size_t len, same_len;
        struct rrtext_fault fault;
        if (read_sample(cases[i].text, &type, &len, &fault) != ERR_OK)
            fail_msg("%s: word %zu: %s", cases[i].text, fault.token, fault.reason.text);
        memcpy(kept, rdata, len);
        assert_int_equal(read_sample(cases[i].same, &type, &same_len, &fault), ERR_OK);
        if (len != same_len || memcmp(kept, rdata, len) != 0)
            fail_msg("%s is not %s", cases[i].text, cases[i].same);
    }
}

/* The test vectors of RFC 9460 D.2 with escapes. */
static void escaped_commas_stay_in_their_item(void **state)
{
    static const char *const texts[] = {"SVCB 16 foo. alpn=\"f\\\\\\\\oo\\\\,bar,h2\"",
                                        "SVCB 16 foo. alpn=f\\\\\\092oo\\092,bar,h2"};
    uint16_t type;
    size_t len;
    struct rrtext_fault fault;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(read_sample(texts[i], &type, &len, &fault), ERR_OK);
        assert_int_equal(len, 2 + 5 + 4 + 12);
        assert_memory_equal(rdata + 11, "\10f\\oo,bar\2h2", 12);
    }
}

static void missing_seconds_are_zero(void **state)
{
    uint8_t whole[RDATA_MAX];
    uint16_t type;
    size_t len;
    struct rrtext_fault fault;
    (void)state;
    assert_int_equal(read_sample("LOC 52 22 23.5 N 4 53 0 E 0m", &type, &len, &fault), ERR_OK);
    /* defaults of RFC 1876 3: 1 m, 10,000 m and 10 m */
    assert_memory_equal(rdata, "\0\22\26\23", 4);
    memcpy(whole, rdata, len);
    assert_int_equal(read_sample("LOC 52 22 23.5 N 4 53 E 0m 1m", &type, &len, &fault), ERR_OK);
    assert_memory_equal(whole, rdata, len);
}

static void strings_end_at_255(void **state)
{
    char text[300];
    struct rrtext_token token = {.text = text, .len = 255, .is_quoted = true};
    struct rrtext_fault fault;
    size_t len;
    (void)state;
    memset(text, 'x', sizeof(text));
    assert_int_equal(rrtext_read(RRTYPE_TXT, &token, 1, NULL, &scratch, rdata, &len, &fault),
                     ERR_OK);
    assert_int_equal(len, 256);
    token.len = 256;
    assert_int_equal(rrtext_read(RRTYPE_TXT, &token, 1, NULL, &scratch, rdata, &len, &fault),
                     ERR_FORMAT);
    assert_int_equal(fault.offset, 255);
}

static void ttls_have_units(void **state)
{
    static const char *const invalid[] = {"",           "x",           "1x", "h",
                                          "4294967296", "99999999999", "-1", "1hh"};
    uint32_t ttl;
    (void)state;
    assert_int_equal(rrtext_read_ttl("3600", 4, &ttl), ERR_OK);
    assert_int_equal(ttl, 3600);
    assert_int_equal(rrtext_read_ttl("1w2D3h4M5s", 10, &ttl), ERR_OK);
    assert_int_equal(ttl, 604800 + 2 * 86400 + 3 * 3600 + 4 * 60 + 5);
    assert_int_equal(rrtext_read_ttl("2147483647", 10, &ttl), ERR_OK);
    /* the caller applies RFC 2181 8 */
    assert_int_equal(rrtext_read_ttl("4294967295", 10, &ttl), ERR_OK);
    /* the last number may have no unit */
    assert_int_equal(rrtext_read_ttl("1h1", 3, &ttl), ERR_OK);
    assert_int_equal(ttl, 3601);
    for (size_t i = 0; i < ARRAY_LEN(invalid); i++)
        assert_int_equal(rrtext_read_ttl(invalid[i], strlen(invalid[i]), &ttl), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_types_are_read_as_ldns_reads_them),
        cmocka_unit_test(errors_name_word_and_reason),
        cmocka_unit_test(short_forms_are_read),
        cmocka_unit_test(other_spellings_have_the_same_wire_format),
        cmocka_unit_test(escaped_commas_stay_in_their_item),
        cmocka_unit_test(missing_seconds_are_zero),
        cmocka_unit_test(strings_end_at_255),
        cmocka_unit_test(ttls_have_units),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
