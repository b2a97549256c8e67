/* The memory per task and per worker is fixed.  Events are passed on and not stored. */
#include "resolver/iterate/trace.h"

void trace_begin(struct trace_attempts *attempts, const struct addr *server,
                 unsigned zone_labels, bool is_tcp)
{
    size_t len;
    const uint8_t *octets = addr_bytes(server, &len);
    struct trace_attempt *a = &attempts->at[attempts->cnt++ % TRACE_ATTEMPTS];

    *a = (struct trace_attempt){
        .octets_len = (uint8_t)len, .zone_labels = (uint8_t)zone_labels, .is_tcp = is_tcp};
    memcpy(a->octets, octets, len);
}

void trace_replied(struct trace_attempts *attempts, unsigned rtt_ms)
{
    attempts->at[(attempts->cnt - 1) % TRACE_ATTEMPTS].rtt_ms =
        (uint16_t)util_min(rtt_ms, UINT16_MAX);
}

void trace_end(struct trace_attempts *attempts, enum trace_outcome outcome, unsigned rcode)
{
    struct trace_attempt *a = &attempts->at[(attempts->cnt - 1) % TRACE_ATTEMPTS];
    a->outcome = (uint8_t)outcome;
    a->rcode = (uint8_t)util_min(rcode, UINT8_MAX);
}

struct addr trace_server(const struct trace_attempt *a)
{
    struct addr addr = {0};
    return addr_from_bytes(a->octets, a->octets_len, 0, &addr) == ERR_OK ? addr
                                                                         : (struct addr){0};
}

/* ---- events ---- */

void trace_listen(struct trace_listeners *to, const struct trace_sink *sink)
{
    for (uint8_t i = 0; i < to->cnt; i++)
        if (to->at[i] == sink)
            return;
    if (to->cnt < TRACE_LISTENERS_MAX)
        to->at[to->cnt++] = sink;
}

void trace_listen_all(struct trace_listeners *to, const struct trace_listeners *from)
{
    for (uint8_t i = 0; from && i < from->cnt; i++)
        trace_listen(to, from->at[i]);
}

bool trace_unlisten(struct trace_listeners *from, const struct trace_sink *sink)
{
    for (uint8_t i = 0; i < from->cnt; i++)
        if (from->at[i] == sink) {
            from->at[i] = from->at[--from->cnt];
            return true;
        }
    return false;
}

void trace_emit(const struct trace_listeners *to, const struct trace_event *event)
{
    for (uint8_t i = 0; i < to->cnt; i++)
        to->at[i]->note(to->at[i]->data, event);
}
