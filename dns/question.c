/* Answers go through dns/builder; a question is small and always fits. */
#include "dns/question.h"

static uint8_t *put_u16(uint8_t *p, unsigned value)
{
    util_put_u16(p, (uint16_t)value);
    return p + 2;
}

/* `at`: the octets before it. */
static uint8_t *put_opt(uint8_t *p, const struct question *q, size_t at)
{
    size_t options = q->cookie ? EDNS_OPTION_LEN + q->cookie_len : 0;
    size_t padding = 0;

    if (q->is_padded) {
        size_t bare = at + EDNS_FIXED_LEN + options + EDNS_OPTION_LEN;
        padding = (QUESTION_BLOCK - bare % QUESTION_BLOCK) % QUESTION_BLOCK;
        options += EDNS_OPTION_LEN + padding;
    }

    *p++ = 0; /* the root owns it */
    p = put_u16(p, RRTYPE_OPT);
    p = put_u16(p, q->udp_size);
    p = put_u16(p, 0); /* extended RCODE and version */
    p = put_u16(p, q->is_do ? EDNS_DO : 0);
    p = put_u16(p, (unsigned)options);
    if (q->cookie) {
        p = put_u16(p, EDNS_COOKIE);
        p = put_u16(p, (unsigned)q->cookie_len);
        memcpy(p, q->cookie, q->cookie_len);
        p += q->cookie_len;
    }
    if (q->is_padded) {
        p = put_u16(p, EDNS_PADDING);
        p = put_u16(p, (unsigned)padding);
        memset(p, 0, padding);
        p += padding;
    }
    return p;
}

size_t question_write(const struct question *q, uint8_t out[QUESTION_MAX])
{
    uint8_t *p = out;
    size_t name_len = dname_len(q->name);

    p = put_u16(p, q->id);
    p = put_u16(p, q->flags);
    p = put_u16(p, 1);
    p = put_u16(p, 0);
    p = put_u16(p, 0);
    p = put_u16(p, q->has_edns);
    memcpy(p, q->name, name_len);
    p = put_u16(p + name_len, q->type);
    p = put_u16(p, RRTYPE_CLASS_IN);
    if (q->has_edns)
        p = put_opt(p, q, (size_t)(p - out));
    return (size_t)(p - out);
}
