/* The message type is the only one there is; parameters behind it change nothing. */
#include "net/doh.h"

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

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (util_is_digit(c))
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* RFC 4648 5, without padding (RFC 8484 6).  Bits left over have to be zero: each message has one form. */
static bool read_base64url(const struct http_text *text, uint8_t *out, size_t *len)
{
    uint32_t bits = 0;
    size_t put = 0;
    unsigned have = 0;

    for (size_t i = 0; i < text->len; i++) {
        int digit = digit_of(text->at[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[put++] = (uint8_t)(bits >> have);
        }
        bits &= (1U << have) - 1;
    }
    *len = put;
    return have < 6 && bits == 0;
}

/* The value of the variable `dns` of the query. */
static bool find_variable(const struct http_text *query, struct http_text *out)
{
    const char *at = query->at, *end = at + query->len;

    while (at < end) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        size_t len = (size_t)((stop ? stop : end) - at);
        if (len >= 4 && memcmp(at, "dns=", 4) == 0) {
            *out = (struct http_text){.at = at + 4, .len = len - 4};
            return true;
        }
        at = stop ? stop + 1 : end;
    }
    return false;
}

static unsigned read_get(const struct http_text *query, uint8_t *buffer, size_t *len)
{
    struct http_text text;

    if (!find_variable(query, &text) || text.len == 0)
        return 400;
    if (text.len > (size_t)MESSAGE_MAX / 3 * 4)
        return 413;
    return read_base64url(&text, buffer, len) ? 200 : 400;
}

unsigned doh_read(const struct http_request *request, const char *path, uint8_t *buffer,
                  const uint8_t **wire, size_t *len)
{
    const struct http_text *target = &request->target;
    const char *mark = memchr(target->at ? target->at : "", '?', target->len);
    size_t path_len = mark ? (size_t)(mark - target->at) : target->len;
    struct http_text query = {.at = mark ? mark + 1 : "",
                              .len = mark ? target->len - path_len - 1 : 0};

    if (path_len != strlen(path) || memcmp(target->at, path, path_len) != 0)
        return 404;
    *wire = buffer;
    if (request->method == HTTP_GET)
        return read_get(&query, buffer, len);
    if (request->method != HTTP_POST)
        return 405;
    if (!is_media_type(&request->type))
        return 415;
    if (request->body.len > MESSAGE_MAX)
        return 413;
    if (request->body.len == 0)
        return 400;
    *wire = (const uint8_t *)request->body.at;
    *len = request->body.len;
    return 200;
}

/* ---- how long ---- */

/* Behind a name of a message that we wrote, compressed or not. */
static void skip_name(struct cursor *c)
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
        skip_name(&c);
        (void)cursor_u32(&c);
    }
    bool is_negative = answers == 0 || rcode == RRTYPE_RCODE_NXDOMAIN;
    for (unsigned i = 0; i < answers + (is_negative ? authority : 0) && !cursor_failed(&c);
         i++) {
        skip_name(&c);
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
