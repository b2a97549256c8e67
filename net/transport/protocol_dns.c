/* Each frame that is whole is asked at once, in the place where it was read. */
#include "net/transport/protocol_dns.h"

#include "net/request/intake.h"

enum { PREFIX = 2 };

static bool take(struct stream *s, const uint8_t *octets, size_t len, size_t *used)
{
    size_t at = 0;

    while (!stream_is_clogged(s) && len - at >= PREFIX) {
        size_t frame = util_get_u16(octets + at);
        if (len - at - PREFIX < frame)
            break;
        const uint8_t *wire = octets + at + PREFIX;
        struct exchange *ex = stream_exchange(s, 0);
        intake_batch(s->hub->service, s->hub->engine, &ex, &wire, &frame, 1);
        at += PREFIX + frame;
    }
    *used = at;
    return true;
}

static bool put(struct stream *s, const struct exchange *ex, uint32_t request, bool is_deferred)
{
    struct buffer *out = &s->out;

    (void)request;
    (void)is_deferred;
    if (ex->reply_len == 0)
        return true;
    if (!buffer_reserve(out, PREFIX + ex->reply_len))
        return false;
    util_put_u16(out->at + out->len, (uint16_t)ex->reply_len);
    memcpy(out->at + out->len + PREFIX, ex->buffer, ex->reply_len);
    out->len += PREFIX + ex->reply_len;
    return true;
}

const struct stream_protocol protocol_dns = {
    .take = take, .put = put, .deferred_max = STREAM_DEFERRED_MAX};
