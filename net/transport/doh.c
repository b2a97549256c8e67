/* application/dns-message is the only media type; its parameters are ignored. */
#include "net/transport/doh.h"

enum { SOA_TAIL_LEN = 20, SOA_MINIMUM_AT = 16 };

static const char media_type[] = "application/dns-message";

static bool is_media_type(const struct http_text *type)
{
    size_t len = sizeof(media_type) - 1;

    if (type->len < len ||
        !util_is_same((const uint8_t *)type->at, (const uint8_t *)media_type, len))
        return false;
    return type->len == len || type->at[len] == ';' || type->at[len] == ' ' ||
           type->at[len] == '\t';
}

/* ---- the request target (RFC 3986 2.1) ---- */

static int hex_value(char c)
{
    if (util_is_digit(c))
        return c - '0';
    int lower = c | ('a' - 'A');
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Read the next octet, percent-decoded. -1 at the end, at a malformed escape, and at an encoded
 * slash, which separates no path segments. */
static int read_octet(struct http_text *text)
{
    if (text->len == 0)
        return -1;
    int octet = (uint8_t)*text->at;
    size_t len = 1;
    if (octet == '%') {
        int high = text->len >= 3 ? hex_value(text->at[1]) : -1;
        int low = text->len >= 3 ? hex_value(text->at[2]) : -1;
        octet = high < 0 || low < 0 ? -1 : high << 4 | low;
        len = 3;
    }
    if (octet < 0 || (len == 3 && octet == '/'))
        return -1;
    text->at += len;
    text->len -= len;
    return octet;
}

/* Skip `wanted`.  False if the text does not begin with it. */
static bool skip_literal(struct http_text *text, const char *wanted)
{
    for (; *wanted; wanted++)
        if (read_octet(text) != (uint8_t)*wanted)
            return false;
    return true;
}

static int base64url_value(int c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Decode base64url (RFC 4648 5) without padding (RFC 8484 6).  Bits left over must be zero: a
 * message has one encoding.  Return what is wrong, or NULL. */
static const char *read_base64url(const struct http_text *text, uint8_t *out, size_t *len)
{
    struct http_text left = *text;
    uint32_t bits = 0;
    size_t put = 0;
    unsigned have = 0;

    while (left.len > 0) {
        int octet = read_octet(&left), digit = base64url_value(octet);
        if (octet == '=')
            return "dns= must be base64url without padding (RFC 8484 6): omit the =";
        if (digit < 0)
            return "dns= is not base64url (RFC 4648 5: - and _ in place of + and /)";
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[put++] = (uint8_t)(bits >> have);
        }
        bits &= (1U << have) - 1;
    }
    *len = put;
    return have < 6 && bits == 0 ? NULL : "dns= is base64url of an incomplete octet";
}

/* Find the value of the variable `dns` of the URI's query. */
static bool find_dns_variable(const struct http_text *query, struct http_text *out)
{
    const char *at = query->at, *end = at + query->len;

    while (at < end) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        struct http_text variable = {.at = at, .len = (size_t)((stop ? stop : end) - at)};
        if (skip_literal(&variable, "dns=")) {
            *out = variable;
            return true;
        }
        at = stop ? stop + 1 : end;
    }
    return false;
}

static struct http_verdict read_dns_variable(const struct http_text *query, uint8_t *buffer,
                                             size_t *len)
{
    struct http_text text;

    if (!find_dns_variable(query, &text) || text.len == 0)
        return (struct http_verdict){400, "the URI has no dns=, a DNS message in base64url"};
    if (text.len > (size_t)MESSAGE_MAX / 3 * 4)
        return (struct http_verdict){413, "a DNS message has at most 65535 octets"};
    const char *why = read_base64url(&text, buffer, len);
    return (struct http_verdict){why ? 400 : 200, why};
}

struct http_verdict doh_read(const struct http_request *request, const char *path,
                             uint8_t *buffer, const uint8_t **wire, size_t *len)
{
    const struct http_text *target = &request->target;
    const char *mark = memchr(target->at ? target->at : "", '?', target->len);
    struct http_text own = {.at = target->at,
                            .len = mark ? (size_t)(mark - target->at) : target->len};
    struct http_text query = {.at = mark ? mark + 1 : "",
                              .len = mark ? target->len - own.len - 1 : 0};

    if (request->method == HTTP_OPTIONS && own.len == 1 && *own.at == '*')
        return (struct http_verdict){204, NULL}; /* RFC 9110 9.3.7: the server as a whole */
    if (!skip_literal(&own, path) || own.len > 0)
        return (struct http_verdict){404, "this server has DNS over HTTPS at another path"};
    *wire = buffer;
    switch (request->method) {
    case HTTP_OPTIONS: return (struct http_verdict){204, NULL};
    case HTTP_GET: return read_dns_variable(&query, buffer, len);
    case HTTP_POST: break;
    case HTTP_HEAD:
    case HTTP_OTHER: return (struct http_verdict){405, NULL};
    }
    if (!is_media_type(&request->type))
        return (struct http_verdict){415,
                                     "a POST requires Content-Type: application/dns-message"};
    if (request->body.len > MESSAGE_MAX)
        return (struct http_verdict){413, "a DNS message has at most 65535 octets"};
    if (request->body.len == 0)
        return (struct http_verdict){400, "the body is empty: send a DNS message"};
    *wire = (const uint8_t *)request->body.at;
    *len = request->body.len;
    return (struct http_verdict){200, NULL};
}

/* ---- max-age ---- */

/* Skip a name, compressed or not, of a message that we wrote. */
static void skip_message_name(struct cursor *c)
{
    for (;;) {
        uint8_t len = cursor_u8(c);
        if (len == 0 || cursor_failed(c))
            return;
        if (len >= 0xc0) {
            (void)cursor_u8(c);
            return;
        }
        (void)cursor_bytes(c, len);
    }
}

uint32_t doh_max_age(const uint8_t *wire, size_t len)
{
    struct cursor c = cursor_over(wire, len);
    uint32_t least = UINT32_MAX;

    (void)cursor_u16(&c);
    uint16_t flags = cursor_u16(&c);
    unsigned questions = cursor_u16(&c), answers = cursor_u16(&c), authority = cursor_u16(&c);
    unsigned rcode = flags & 15;
    (void)cursor_u16(&c);
    if ((rcode != RRTYPE_RCODE_NOERROR && rcode != RRTYPE_RCODE_NXDOMAIN) ||
        (flags & MESSAGE_TC))
        return 0;
    while (questions-- > 0 && !cursor_failed(&c)) {
        skip_message_name(&c);
        (void)cursor_u32(&c);
    }
    bool is_negative = answers == 0 || rcode == RRTYPE_RCODE_NXDOMAIN;
    for (unsigned i = 0; i < answers + (is_negative ? authority : 0) && !cursor_failed(&c);
         i++) {
        skip_message_name(&c);
        uint16_t type = cursor_u16(&c);
        (void)cursor_u16(&c);
        uint32_t ttl = cursor_u32(&c);
        uint16_t rdata_len = cursor_u16(&c);
        const uint8_t *rdata = cursor_bytes(&c, rdata_len);
        if (!rdata || (i >= answers && type != RRTYPE_SOA))
            continue;
        if (i >= answers && rdata_len >= SOA_TAIL_LEN)
            ttl = (uint32_t)util_min(
                ttl, util_get_u32(rdata + rdata_len - SOA_TAIL_LEN + SOA_MINIMUM_AT));
        least = (uint32_t)util_min(least, ttl);
    }
    return cursor_failed(&c) || least == UINT32_MAX ? 0 : least;
}
