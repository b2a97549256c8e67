/* Unknown options are ignored (RFC 6891 6.1.2). */
#include "dns/edns.h"

#include "dns/rrtype.h"

enum { KEEPALIVE_UNIT_MS = 100 };

/* A wrong length is FORMERR (RFC 7873 5.2.2), and so is a second cookie. */
static void read_cookie(const uint8_t *bytes, size_t len, struct edns *e)
{
    size_t server_len = len - COOKIE_CLIENT_LEN;
    if (e->cookie || len < COOKIE_CLIENT_LEN ||
        (server_len > 0 &&
         (server_len < COOKIE_SERVER_MIN || server_len > COOKIE_SERVER_MAX))) {
        e->is_broken = true;
        return;
    }
    e->cookie = bytes;
    e->cookie_len = (uint8_t)len;
}

static void read_option(struct cursor *opts, struct edns *e)
{
    uint16_t code = cursor_u16(opts);
    uint16_t len = cursor_u16(opts);
    const uint8_t *bytes = cursor_bytes(opts, len);

    if (!bytes)
        return;
    switch (code) {
    case EDNS_NSID: e->has_nsid = true; break;
    case EDNS_COOKIE: read_cookie(bytes, len, e); break;
    case EDNS_KEEPALIVE: e->has_keepalive = true; break;
    case EDNS_PADDING: e->has_padding = true; break;
    default: break;
    }
}

enum err edns_parse(struct cursor *c, struct edns *out)
{
    struct edns e = {0};
    unsigned options = 0;

    e.udp_size = cursor_u16(c);
    e.ext_rcode = cursor_u8(c);
    e.version = cursor_u8(c);
    e.is_do = cursor_u16(c) & EDNS_DO;
    struct cursor opts = cursor_sub(c, cursor_u16(c));
    while (cursor_more(&opts) && options++ < EDNS_OPTIONS_MAX)
        read_option(&opts, &e);
    if (cursor_failed(c))
        return ERR_FORMAT;
    e.is_broken |= cursor_failed(&opts) || cursor_more(&opts);
    *out = e;
    return ERR_OK;
}

static size_t nsid_len(const struct edns_answer *a)
{
    size_t len = strlen(a->nsid);
    return len ? EDNS_OPTION_LEN + len : 0;
}

static size_t cookie_len(const struct edns_answer *a)
{
    return a->client_cookie ? EDNS_OPTION_LEN + COOKIE_CLIENT_LEN + COOKIE_SERVER_LEN : 0;
}

static size_t keepalive_len(const struct edns_answer *a)
{
    return a->keepalive_ms ? EDNS_OPTION_LEN + 2 : 0;
}

static size_t ede_len(const struct edns_answer *a)
{
    return a->ede != EDNS_EDE_NONE ? EDNS_OPTION_LEN + 2 + strlen(a->ede_text) : 0;
}

static size_t notice_len(const struct edns_answer *a)
{
    return *a->notice ? EDNS_OPTION_LEN + 2 + strlen(a->notice) : 0;
}

static size_t padding_len(const struct edns_answer *a)
{
    return a->is_padded ? EDNS_OPTION_LEN + (size_t)a->padding_len : 0;
}

static size_t options_len(const struct edns_answer *a)
{
    return nsid_len(a) + cookie_len(a) + keepalive_len(a) + ede_len(a) + notice_len(a) +
           padding_len(a);
}

size_t edns_len(const struct edns_answer *answer)
{
    return EDNS_FIXED_LEN + options_len(answer);
}

static uint8_t *put_option(uint8_t *out, enum edns_option code, size_t len)
{
    util_put_u16(out, (uint16_t)code);
    util_put_u16(out + 2, (uint16_t)len);
    return out + EDNS_OPTION_LEN;
}

static uint8_t *put_bytes(uint8_t *out, const void *bytes, size_t len)
{
    memcpy(out, bytes, len);
    return out + len;
}

static uint8_t *put_ede(uint8_t *out, int code, const char *text)
{
    out = put_option(out, EDNS_EDE, 2 + strlen(text));
    util_put_u16(out, (uint16_t)code);
    return put_bytes(out + 2, text, strlen(text));
}

void edns_write(uint8_t *out, const struct edns_answer *a)
{
    out[0] = 0; /* owner: the root */
    util_put_u16(out + 1, RRTYPE_OPT);
    util_put_u16(out + 3, a->udp_size);
    out[5] = a->ext_rcode;
    out[6] = 0; /* version */
    util_put_u16(out + 7, a->is_do ? EDNS_DO : 0);
    util_put_u16(out + 9, (uint16_t)options_len(a));
    uint8_t *p = out + EDNS_FIXED_LEN;
    if (nsid_len(a)) {
        p = put_option(p, EDNS_NSID, strlen(a->nsid));
        p = put_bytes(p, a->nsid, strlen(a->nsid));
    }
    if (cookie_len(a)) {
        p = put_option(p, EDNS_COOKIE, COOKIE_CLIENT_LEN + COOKIE_SERVER_LEN);
        p = put_bytes(p, a->client_cookie, COOKIE_CLIENT_LEN);
        p = put_bytes(p, a->server_cookie, COOKIE_SERVER_LEN);
    }
    if (keepalive_len(a)) {
        p = put_option(p, EDNS_KEEPALIVE, 2);
        util_put_u16(p, (uint16_t)(a->keepalive_ms / KEEPALIVE_UNIT_MS));
        p += 2;
    }
    if (ede_len(a))
        p = put_ede(p, a->ede, a->ede_text);
    if (notice_len(a))
        p = put_ede(p, EDNS_EDE_OTHER, a->notice);
    if (a->is_padded) { /* with zeros (RFC 7830 3) */
        p = put_option(p, EDNS_PADDING, a->padding_len);
        memset(p, 0, a->padding_len);
    }
}
