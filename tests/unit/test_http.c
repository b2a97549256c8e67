/* DNS over HTTP of either version: requests, statuses, max-age, and the client that a proxy
 * names. */
#include "unit.h"

#include "dns/builder.h"
#include "net/transport/doh.h"
#include "net/transport/http1.h"
#include "net/transport/proxy.h"

static uint8_t decoded[MESSAGE_MAX];

static struct http_text make_text(const char *text)
{
    return (struct http_text){.at = text, .len = strlen(text)};
}

/* ---- messages in requests ---- */

static unsigned read_message(enum http_method method, const char *target, const char *type,
                             const char *body, size_t *len)
{
    struct http_request r = {.method = method,
                             .target = make_text(target),
                             .type = make_text(type),
                             .body = make_text(body)};
    const uint8_t *wire = NULL;
    *len = 0;
    return doh_read(&r, "/dns-query", decoded, &wire, len).status;
}

static void test_statuses(void **state)
{
    static const char type[] = "application/dns-message";
    static const struct {
        unsigned status;
        enum http_method method;
        const char *target, *type, *body;
        size_t len;
    } cases[] = {
        {200, HTTP_POST, "/dns-query", type, "message", 7},
        {200, HTTP_POST, "/dns-query?dns=AAAA", "Application/DNS-Message;a=b", "m", 1},
        {200, HTTP_GET, "/dns-query?dns=AAAA", "", "", 3},
        {200, HTTP_GET, "/dns-query?dns=-_8", "", "", 2},
        {200, HTTP_GET, "/dns-query?x&dns=AAAA&y", "", "", 3},
        {200, HTTP_GET, "/dns-query?dns=AA", "", "", 1},
        {400, HTTP_GET, "/dns-query?dns=A", "", "", 0},
        {400, HTTP_GET, "/dns-query?dns=AB", "", "", 0},
        {400, HTTP_GET, "/dns-query?dns=AA==", "", "", 0},
        {400, HTTP_GET, "/dns-query?dns=", "", "", 0},
        {400, HTTP_GET, "/dns-query?xdns=AAAA", "", "", 0},
        {400, HTTP_GET, "/dns-query?dns=+/8", "", "", 0},
        {400, HTTP_GET, "/dns-query", "", "", 0},
        {400, HTTP_POST, "/dns-query", type, "", 0},
        {404, HTTP_GET, "/dns-query/", "", "", 0},
        {404, HTTP_POST, "/", type, "m", 0},
        {404, HTTP_OTHER, "", type, "m", 0},
        {405, HTTP_OTHER, "/dns-query", type, "m", 0},
        {415, HTTP_POST, "/dns-query", "", "m", 0},
        {415, HTTP_POST, "/dns-query", "application/dns-messages", "m", 0},
    };
    size_t len;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(
            read_message(cases[i].method, cases[i].target, cases[i].type, cases[i].body, &len),
            cases[i].status);
        if (cases[i].status == 200)
            assert_int_equal(len, cases[i].len);
    }
    assert_int_equal(read_message(HTTP_GET, "/dns-query?dns=-_8", "", "", &len), 200);
    assert_memory_equal(decoded, "\xfb\xff", 2);
}

static void test_too_large(void **state)
{
    char *target = malloc(100000);
    size_t len;

    (void)state;
    strcpy(target, "/dns-query?dns=");
    memset(target + 15, 'A', 90000);
    target[15 + 87380] = 0; /* 65,535 octets */
    assert_int_equal(read_message(HTTP_GET, target, "", "", &len), 200);
    assert_int_equal(len, MESSAGE_MAX);
    target[15 + 87380] = 'A';
    target[15 + 87384] = 0;
    assert_int_equal(read_message(HTTP_GET, target, "", "", &len), 413);
    free(target);
}

/* ---- max-age ---- */

/* Return the max-age of a message with these flags and counts: records of the owner "a." with
 * these TTLs, of which a SOA has this minimum. */
static uint32_t max_age(unsigned flags, unsigned answers, unsigned authority,
                        const uint32_t *ttls, unsigned type, uint32_t minimum)
{
    uint8_t wire[512] = {0,
                         0,
                         (uint8_t)(flags >> 8),
                         (uint8_t)flags,
                         0,
                         1,
                         0,
                         (uint8_t)answers,
                         0,
                         (uint8_t)authority,
                         0,
                         0,
                         1,
                         'a',
                         0,
                         0,
                         1,
                         0,
                         1};
    size_t at = 19;

    for (unsigned i = 0; i < answers + authority; i++) {
        bool is_soa = i >= answers;
        size_t rdata_len = is_soa ? 22 : 4;
        util_put_u16(wire + at, 0xc00c);
        util_put_u16(wire + at + 2, (uint16_t)(is_soa ? type : RRTYPE_A));
        util_put_u16(wire + at + 4, 1);
        util_put_u32(wire + at + 6, ttls[i]);
        util_put_u16(wire + at + 10, (uint16_t)rdata_len);
        if (is_soa)
            util_put_u32(wire + at + 12 + 18, minimum);
        at += 12 + rdata_len;
    }
    uint32_t age = doh_max_age(wire, at);
    for (size_t short_len = 0; short_len < 19 + 16 * answers && age > 0; short_len++)
        assert_int_equal(doh_max_age(wire, short_len), 0);
    return age;
}

static void test_max_age(void **state)
{
    static const uint32_t ttls[] = {300, 60, 900};

    (void)state;
    assert_int_equal(max_age(0x8400, 1, 0, ttls, 0, 0), 300);
    assert_int_equal(max_age(0x8400, 3, 0, ttls, 0, 0), 60);
    assert_int_equal(max_age(0x8400, 1, 1, ttls, RRTYPE_NS, 0),
                     300); /* the authority section of an answer does not count */
    assert_int_equal(max_age(0x8403, 0, 1, ttls, RRTYPE_SOA, 30), 30); /* RFC 2308 5 */
    assert_int_equal(max_age(0x8403, 0, 1, ttls, RRTYPE_SOA, 3000), 300);
    assert_int_equal(max_age(0x8400, 0, 1, ttls, RRTYPE_SOA, 7), 7);
    assert_int_equal(max_age(0x8400, 0, 1, ttls, RRTYPE_NS, 7), 0); /* a referral */
    assert_int_equal(max_age(0x8403, 1, 1, ttls, RRTYPE_SOA, 7),
                     7);                                    /* a CNAME to a nonexistent name */
    assert_int_equal(max_age(0x8402, 1, 0, ttls, 0, 0), 0); /* SERVFAIL */
    assert_int_equal(max_age(0x8600, 1, 0, ttls, 0, 0), 0); /* truncated */
    assert_int_equal(max_age(0x8400, 0, 0, ttls, 0, 0), 0);
}

/* ---- HTTP/1.1 in pieces ---- */

static void test_http1_in_pieces(void **state)
{
    static const char requests[] = "POST /dns-query HTTP/1.1\r\nHost: x\r\nContent-Length: "
                                   "3\r\nConnection: x, Close\r\n\r\nabcGET / HTTP/1.0\r\n\r\n";
    const uint8_t *octets = (const uint8_t *)requests;
    struct http_request r;
    struct http_verdict status;
    size_t used = 0;

    (void)state;
    for (size_t len = 0; len + 18 < sizeof(requests) - 1; len++)
        assert_int_equal(http1_parse(octets, len, &r, &used, &status), HTTP1_MORE);
    assert_int_equal(http1_parse(octets, sizeof(requests) - 1, &r, &used, &status),
                     HTTP1_WHOLE);
    assert_true(r.method == HTTP_POST && r.wants_close && r.body.len == 3 &&
                memcmp(r.body.at, "abc", 3) == 0);
    assert_int_equal(
        http1_parse(octets + used, sizeof(requests) - 1 - used, &r, &used, &status),
        HTTP1_WHOLE);
    assert_true(r.method == HTTP_GET && r.wants_close && used == 18); /* HTTP/1.0 */
}

/* ---- proxies ---- */

static const char *find_client(const char *forwarded, const char *x_forwarded_for)
{
    static char text[ADDR_TEXT_MAX];
    static struct addr_prefix trusted[2];
    struct addr_prefixes list = {trusted, 2};
    struct http_request r = {.forwarded = make_text(forwarded),
                             .x_forwarded_for = make_text(x_forwarded_for)};
    struct addr client;

    assert_int_equal(addr_read_prefix("10.0.0.0/8", &trusted[0]), ERR_OK);
    assert_int_equal(addr_read_prefix("fd00::/8", &trusted[1]), ERR_OK);
    enum proxy_result result = proxy_read_fields(&r, &list, &client);
    if (result != PROXY_WHOLE)
        return result == PROXY_NONE ? "" : "wrong";
    addr_print(&client, text);
    return text;
}

static void test_forwarded_fields(void **state)
{
    (void)state;
    assert_string_equal(find_client("", "192.0.2.1"), "192.0.2.1@0");
    assert_string_equal(find_client("", " 192.0.2.1 "), "192.0.2.1@0");
    assert_string_equal(find_client("", "192.0.2.1:4711"), "192.0.2.1@0");
    assert_string_equal(find_client("", "2001:db8::1"), "2001:db8::1@0");
    assert_string_equal(find_client("", "[2001:db8::1]:80"), "2001:db8::1@0");
    assert_string_equal(find_client("", "198.51.100.9, 192.0.2.1"), "192.0.2.1@0");
    assert_string_equal(find_client("", "198.51.100.9, 192.0.2.1, 10.1.1.1,10.1.1.2"),
                        "192.0.2.1@0");
    assert_string_equal(find_client("", "10.1.1.1, 10.1.1.2"), "10.1.1.1@0");
    assert_string_equal(find_client("", "192.0.2.1, unknown"), "wrong");
    assert_string_equal(find_client("", "unknown, 10.1.1.1"), "wrong");
    assert_string_equal(find_client("for=192.0.2.1", "198.51.100.9"), "wrong");
    assert_string_equal(find_client("For=\"[2001:db8::1]:80\";by=10.0.0.1", ""),
                        "2001:db8::1@0");
    assert_string_equal(find_client("proto=https; for=192.0.2.1", ""), "192.0.2.1@0");
    assert_string_equal(find_client("for=192.0.2.9, for=192.0.2.1;by=x", ""), "192.0.2.1@0");
    assert_string_equal(find_client("for=192.0.2.1", "10.1.1.1, 192.0.2.1"), "192.0.2.1@0");
    assert_string_equal(find_client("by=192.0.2.1", ""), "wrong");
    assert_string_equal(find_client("for=_x", "192.0.2.1"), "wrong");
    assert_string_equal(find_client("", "192.0.2.1@53"), "wrong");
    assert_string_equal(find_client("", ""), "");
    assert_string_equal(find_client(",", ","), "wrong");
}

static void test_proxy_header(void **state)
{
    uint8_t octets[28] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\x7f\0\0\1\x12\x67\0\x35";
    struct addr client;
    char text[ADDR_TEXT_MAX];
    size_t used;

    (void)state;
    for (size_t len = 0; len < sizeof(octets); len++)
        assert_int_equal(proxy_parse(octets, len, &client, &used), PROXY_MORE);
    assert_int_equal(proxy_parse(octets, sizeof(octets), &client, &used), PROXY_WHOLE);
    addr_print(&client, text);
    assert_string_equal(text, "192.0.2.1@4711");
    assert_int_equal(used, 28);
    octets[12] = 0x11; /* version 1 */
    assert_int_equal(proxy_parse(octets, sizeof(octets), &client, &used), PROXY_WRONG);
    octets[12] = 0x21;
    octets[15] = 11; /* an address does not fit */
    assert_int_equal(proxy_parse(octets, sizeof(octets), &client, &used), PROXY_WRONG);
    octets[14] = 0xff;
    assert_int_equal(proxy_parse(octets, sizeof(octets), &client, &used), PROXY_WRONG);
    assert_int_equal(proxy_parse((const uint8_t *)"GET ", 4, &client, &used), PROXY_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statuses),         cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_max_age),          cmocka_unit_test(test_http1_in_pieces),
        cmocka_unit_test(test_forwarded_fields), cmocka_unit_test(test_proxy_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
