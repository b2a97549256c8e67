/* Whole messages are served where they were read, without copying. */
#include "net/transport/protocol_dns.h"

#include "net/request/intake.h"

enum { LENGTH_LEN = 2 };

static bool read_messages(struct stream *s, const uint8_t *octets, size_t len, size_t *used)
{
    size_t at = 0;

    while (!stream_is_paused(s) && len - at >= LENGTH_LEN) {
        size_t frame = util_get_u16(octets + at);
        if (len - at - LENGTH_LEN < frame)
            break;
        const uint8_t *wire = octets + at + LENGTH_LEN;
        struct exchange *ex = stream_exchange(s, 0);
        intake_batch(s->hub->service, s->hub->engine, &ex, &wire, &frame, 1);
        at += LENGTH_LEN + frame;
    }
    *used = at;
    return true;
}

static bool append_message(struct stream *s, const struct exchange *ex, uint32_t request,
                           bool is_deferred)
{
    struct buffer *out = &s->out;

    (void)request;
    (void)is_deferred;
    if (ex->reply_len == 0)
        return true;
    if (!buffer_reserve(out, LENGTH_LEN + ex->reply_len))
        return false;
    util_put_u16(out->at + out->len, (uint16_t)ex->reply_len);
    memcpy(out->at + out->len + LENGTH_LEN, ex->buffer, ex->reply_len);
    out->len += LENGTH_LEN + ex->reply_len;
    return true;
}

const struct stream_protocol protocol_dns = {.read_requests = read_messages,
                                             .append_answer = append_message,
                                             .deferred_max = STREAM_DEFERRED_MAX};
