/* A query is small and always fits, so it needs none of the checks of dns/builder. */
#include "dns/query.h"

static uint8_t *add_query_u16(uint8_t *p, unsigned value)
{
    util_put_u16(p, (uint16_t)value);
    return p + 2;
}

/* `at` is the number of octets before the OPT record: padding depends on the whole length. */
static uint8_t *add_query_opt(uint8_t *p, const struct query *q, size_t at)
{
    size_t options = q->cookie ? EDNS_OPTION_LEN + q->cookie_len : 0;
    size_t padding = 0;

    if (q->is_padded) {
        size_t bare = at + EDNS_FIXED_LEN + options + EDNS_OPTION_LEN;
        padding = (QUERY_BLOCK - bare % QUERY_BLOCK) % QUERY_BLOCK;
        options += EDNS_OPTION_LEN + padding;
    }

    *p++ = 0; /* the owner is the root */
    p = add_query_u16(p, RRTYPE_OPT);
    p = add_query_u16(p, q->udp_size);
    p = add_query_u16(p, 0); /* extended RCODE and version */
    p = add_query_u16(p, q->is_do ? EDNS_DO : 0);
    p = add_query_u16(p, (unsigned)options);
    if (q->cookie) {
        p = add_query_u16(p, EDNS_COOKIE);
        p = add_query_u16(p, (unsigned)q->cookie_len);
        memcpy(p, q->cookie, q->cookie_len);
        p += q->cookie_len;
    }
    if (q->is_padded) {
        p = add_query_u16(p, EDNS_PADDING);
        p = add_query_u16(p, (unsigned)padding);
        memset(p, 0, padding);
        p += padding;
    }
    return p;
}

size_t query_write(const struct query *q, uint8_t out[QUERY_MAX])
{
    uint8_t *p = out;
    size_t name_len = dname_len(q->name);

    p = add_query_u16(p, q->id);
    p = add_query_u16(p, q->flags);
    p = add_query_u16(p, 1);
    p = add_query_u16(p, 0);
    p = add_query_u16(p, 0);
    p = add_query_u16(p, q->has_edns);
    memcpy(p, q->name, name_len);
    p = add_query_u16(p + name_len, q->type);
    p = add_query_u16(p, RRTYPE_CLASS_IN);
    if (q->has_edns)
        p = add_query_opt(p, q, (size_t)(p - out));
    return (size_t)(p - out);
}
