/* A batch leaves after the loop has polled its sockets or before it waits, whichever comes
 * first: answers are made in callbacks of sockets and of timers alike.  The time at which a
 * paced answer leaves is set when the answer is made, so there is no queue per client. */
#define _GNU_SOURCE
#include "net/transport/deferred.h"

#include <errno.h>

#include "base/list.h"
#include "base/now.h"
#include "net/transport/udp.h"

enum {
    BATCH_MAX = 64,
    PACKED_MAX = 65536,
    PROMPT_US = 200 * 1000, /* an answer that took no longer is not paced */
    PACER_SLOTS = 2048,     /* one per millisecond: more than RATE_LIMIT_PACE_MAX_MS */
};

/* A deferred exchange.  Lifetime: until its answer is sent or dropped. */
struct deferred_item {
    struct exchange_deferred copy;
    struct deferred *deferred;
    struct list link; /* in a slot of the pacer */
    struct addr to;
    uint64_t since_us;
    unsigned rate;   /* its client's query rate on arrival (rate_limit_note_deferred) */
    uint8_t *packet; /* a copy of a paced answer; else NULL */
    size_t packet_len;
    size_t control_len;
    uint8_t control[DEFERRED_CONTROL_MAX];
};

/* Lifetime: worker. */
struct deferred {
    int fd;
    bool is_wildcard;
    struct rate_limit *rate_limit;
    size_t item_cnt;
    struct deferred_item *batch[BATCH_MAX];
    struct mmsghdr out[BATCH_MAX];
    struct iovec iov[BATCH_MAX];
    unsigned batch_cnt;
    size_t packed_len;
    struct list pacer[PACER_SLOTS];
    size_t paced_cnt;
    uint64_t pacer_ms; /* slots up to this time were emptied */
    uv_timer_t tick;
    uv_check_t after_poll;
    uv_prepare_t before_poll;
    unsigned handle_cnt;
    uint8_t buffer[DEFERRED_OUT_MAX]; /* one answer at a time is made here */
    uint8_t packed[PACKED_MAX];       /* and copied here until the batch is sent */
};

static void free_deferred_item(struct deferred *d, struct deferred_item *item)
{
    free(item->packet);
    free(item);
    d->item_cnt--;
}

/* ---- the batch of a turn ---- */

static void flush_deferred_batch(struct deferred *d)
{
    for (unsigned i = 0; i < d->batch_cnt; i++) {
        struct deferred_item *item = d->batch[i];
        struct msghdr *msg = &d->out[i].msg_hdr;
        *msg = (struct msghdr){.msg_name = &item->to.sock,
                               .msg_namelen = addr_len(&item->to),
                               .msg_iov = &d->iov[i],
                               .msg_iovlen = 1};
        if (d->is_wildcard) {
            msg->msg_control = item->control;
            msg->msg_controllen = item->control_len;
            udp_forget_interface(msg);
        }
    }
    udp_send(d->fd, d->out, d->batch_cnt);
    for (unsigned i = 0; i < d->batch_cnt; i++)
        free_deferred_item(d, d->batch[i]);
    d->batch_cnt = 0;
    d->packed_len = 0;
    uv_check_stop(&d->after_poll);
    uv_prepare_stop(&d->before_poll);
}

static void flush_after_poll(uv_check_t *check) { flush_deferred_batch(check->data); }
static void flush_before_poll(uv_prepare_t *prepare) { flush_deferred_batch(prepare->data); }

/* `octets` must stay in place until the batch is sent. */
static void add_to_deferred_batch(struct deferred *d, struct deferred_item *item,
                                  uint8_t *octets, size_t len)
{
    d->iov[d->batch_cnt] = (struct iovec){.iov_base = octets, .iov_len = len};
    d->batch[d->batch_cnt++] = item;
    if (d->batch_cnt == BATCH_MAX || PACKED_MAX - d->packed_len < DEFERRED_OUT_MAX) {
        flush_deferred_batch(d);
    } else if (d->batch_cnt == 1) {
        uv_check_start(&d->after_poll, flush_after_poll);
        uv_prepare_start(&d->before_poll, flush_before_poll);
    }
}

/* ---- the pacer ---- */

static void empty_pacer_slot(struct deferred *d, struct list *slot)
{
    while (!list_is_empty(slot)) {
        struct deferred_item *item = container_of(slot->next, struct deferred_item, link);
        list_remove(&item->link);
        d->paced_cnt--;
        add_to_deferred_batch(d, item, item->packet, item->packet_len);
    }
}

static void on_pacer_tick(uv_timer_t *timer)
{
    struct deferred *d = timer->data;
    uint64_t now_ms = now_mono_us() / 1000;

    for (uint64_t i = 0; d->pacer_ms < now_ms && i < PACER_SLOTS; i++)
        empty_pacer_slot(d, &d->pacer[++d->pacer_ms % PACER_SLOTS]);
    d->pacer_ms = now_ms;
    if (d->paced_cnt == 0)
        uv_timer_stop(timer);
}

/* Delay or drop the answer if it has to be paced.  False: send it now. */
static bool pace_answer(struct deferred *d, struct deferred_item *item)
{
    const struct exchange *ex = &item->copy.ex;
    uint64_t now_us = now_mono_us(), at_us;

    if (!exchange_may_be_spoofed(ex))
        return false;
    bool is_prompt = now_us - item->since_us < PROMPT_US;
    if (!rate_limit_pace(d->rate_limit, &ex->peer, item->rate, is_prompt, now_us, &at_us)) {
        free_deferred_item(d, item);
        return true;
    }
    if (at_us / 1000 <= now_us / 1000)
        return false;
    item->packet = malloc(ex->reply_len);
    if (!item->packet)
        return false;
    memcpy(item->packet, ex->buffer, ex->reply_len);
    item->packet_len = ex->reply_len;
    if (d->paced_cnt++ == 0) {
        d->pacer_ms = now_us / 1000;
        uv_timer_start(&d->tick, on_pacer_tick, 1, 1);
    }
    list_add(&d->pacer[at_us / 1000 % PACER_SLOTS], &item->link);
    return true;
}

/* ---- exchanges ---- */

static void send_deferred_datagram(struct exchange *ex)
{
    struct deferred_item *item = container_of(ex, struct deferred_item, copy.ex);
    struct deferred *d = item->deferred;

    if (ex->reply_len == 0) {
        free_deferred_item(d, item);
        return;
    }
    if (pace_answer(d, item))
        return;
    uint8_t *packed = d->packed + d->packed_len;
    memcpy(packed, ex->buffer, ex->reply_len);
    d->packed_len += ex->reply_len;
    add_to_deferred_batch(d, item, packed, ex->reply_len);
}

struct exchange *deferred_add(struct deferred *d, const struct exchange *ex,
                              const struct addr *to, const uint8_t *control, size_t control_len)
{
    struct deferred_item *item = malloc(sizeof(*item));

    if (!item)
        return NULL;
    list_init(&item->link);
    item->packet = NULL;
    struct exchange *copy =
        exchange_defer(&item->copy, ex, d->buffer, DEFERRED_OUT_MAX, send_deferred_datagram);
    item->deferred = d;
    item->to = *to;
    item->since_us = now_mono_us();
    item->rate = rate_limit_note_deferred(d->rate_limit, &ex->peer, item->since_us);
    item->control_len = d->is_wildcard ? util_min(control_len, DEFERRED_CONTROL_MAX) : 0;
    memcpy(item->control, control, item->control_len);
    d->item_cnt++;
    return copy;
}

enum err deferred_new(const struct deferred_terms *terms, struct deferred **out)
{
    struct deferred *d = calloc(1, sizeof(*d));
    if (!d)
        return ERR_NOMEM;
    d->fd = terms->fd;
    d->is_wildcard = terms->is_wildcard;
    d->rate_limit = terms->rate_limit;
    for (size_t i = 0; i < PACER_SLOTS; i++)
        list_init(&d->pacer[i]);
    uv_timer_init(terms->loop, &d->tick);
    uv_check_init(terms->loop, &d->after_poll);
    uv_prepare_init(terms->loop, &d->before_poll);
    d->tick.data = d->after_poll.data = d->before_poll.data = d;
    d->handle_cnt = 3;
    *out = d;
    return ERR_OK;
}

static void on_deferred_closed(uv_handle_t *handle)
{
    struct deferred *d = handle->data;

    if (--d->handle_cnt == 0)
        free(d);
}

void deferred_close(struct deferred **deferred)
{
    struct deferred *d = *deferred;

    if (!d)
        return;
    for (size_t i = 0; i < PACER_SLOTS; i++)
        empty_pacer_slot(d, &d->pacer[i]);
    flush_deferred_batch(d);
    must(d->item_cnt == 0); /* the engine was closed first */
    uv_close((uv_handle_t *)&d->tick, on_deferred_closed);
    uv_close((uv_handle_t *)&d->after_poll, on_deferred_closed);
    uv_close((uv_handle_t *)&d->before_poll, on_deferred_closed);
    *deferred = NULL;
}
