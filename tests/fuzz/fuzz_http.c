/* HTTP/1.1 requests, PROXY headers and DNS messages for DoH, parsed whole and truncated.  A
 * request must be complete at exactly one length, and all fields must lie inside it.
 *
 * Input: the first octet selects the parser, the rest is its input. */
#include "net/transport/doh.h"
#include "net/transport/http1.h"
#include "net/transport/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KINDS = 3 };

static uint8_t decoded[MESSAGE_MAX];

static void check_inside(const struct http_text *text, const uint8_t *octets, size_t len)
{
    const uint8_t *at = (const uint8_t *)text->at;
    must(text->len == 0 ||
         (at >= octets && text->len <= len && at + text->len <= octets + len));
}

static void ask(const struct http_request *request)
{
    static const struct addr_prefixes no_address = {0};
    const uint8_t *wire = NULL;
    struct addr client;
    size_t len = 0;

    struct http_verdict verdict = doh_read(request, "/dns-query", decoded, &wire, &len);
    unsigned status = verdict.status;
    must(!verdict.why || strlen(verdict.why) <= HTTP_WHY_MAX);
    must(status == 200 || *http_reason(status) != 'E'); /* the status has a reason phrase */
    must(status != 200 || (wire && len > 0 && len <= MESSAGE_MAX));
    if (status == 200)
        (void)doh_max_age(wire, len);
    (void)proxy_read_fields(request, &no_address, &client);
}

static void answer(struct http_verdict verdict, bool closes)
{
    struct buffer out = {0};
    struct http_answer a = {.status = verdict.status,
                            .why = verdict.why,
                            .body = {.at = "body", .len = 4},
                            .max_age_s = UINT32_MAX};

    must(http1_print(&out, &a, (struct http1_form){.closes = closes}) && out.len > 20 &&
         memcmp(out.at, "HTTP/1.1 ", 9) == 0);
    buffer_fini(&out);
}

static void parse_http(const uint8_t *octets, size_t len)
{
    struct http_request request, again;
    size_t used = 0, other = 0;
    struct http_verdict fault, same;

    enum http1_result result = http1_parse(octets, len, &request, &used, &fault);
    if (result == HTTP1_WRONG) {
        must(*http_reason(fault.status) != 'E' && fault.why &&
             strlen(fault.why) <= HTTP_WHY_MAX);
        answer(fault, true);
    }
    if (result != HTTP1_WHOLE)
        return;
    must(used <= len && used >= 16);
    check_inside(&request.target, octets, used);
    check_inside(&request.type, octets, used);
    check_inside(&request.forwarded, octets, used);
    check_inside(&request.x_forwarded_for, octets, used);
    check_inside(&request.body, octets, used);
    must(http1_parse(octets, used, &again, &other, &same) == HTTP1_WHOLE && other == used);
    for (size_t short_len = used; short_len-- > used - util_min(used, 64);)
        must(http1_parse(octets, short_len, &again, &other, &same) == HTTP1_MORE);
    ask(&request);
    answer((struct http_verdict){.status = 200}, request.wants_close);
}

static void parse_proxy_header(const uint8_t *octets, size_t len)
{
    struct addr client = {0};
    char text[ADDR_TEXT_MAX];
    size_t used = 0;

    struct addr_prefix every_address = {.bits = 0};
    struct addr_prefixes trusted = {&every_address, 1}, no_address = {NULL, 0};
    struct addr peer = {0};
    size_t passed = 0;

    if (proxy_parse(octets, len, &client, &used) != PROXY_WHOLE)
        return;
    must(proxy_parse_trusted(octets, len, &no_address, &peer, &passed) == PROXY_WRONG);
    peer.sock.any.sa_family = every_address.addr.sock.any.sa_family = AF_INET;
    must(proxy_parse_trusted(octets, len, &trusted, &peer, &passed) == PROXY_WHOLE &&
         passed == used);
    must(!addr_is_v6(&peer) || !IN6_IS_ADDR_V4MAPPED(&peer.sock.v6.sin6_addr));
    must(used >= 16 && used <= len && used <= PROXY_LEN_MAX);
    if (client.sock.any.sa_family)
        addr_print(&client, text);
    for (size_t short_len = 0; short_len < used; short_len++)
        must(proxy_parse(octets, short_len, &client, &used) == PROXY_MORE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    uint8_t *octets = malloc(size - 1); /* of exact size: a read past the end is found */
    must(octets);
    memcpy(octets, data + 1, size - 1);
    switch (data[0] % KINDS) {
    case 0: parse_http(octets, size - 1); break;
    case 1: parse_proxy_header(octets, size - 1); break;
    default: (void)doh_max_age(octets, size - 1); break;
    }
    free(octets);
    return 0;
}
