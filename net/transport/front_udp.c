/* libuv's own UDP reads one datagram per call and allocates for each answer; here its poll
 * handle only reports that the socket is readable.  On a wildcard socket each answer gets the
 * control message of its query, so that it leaves from the address that was queried. */
#define _GNU_SOURCE
#include "net/transport/front_udp.h"

#include <unistd.h>

#include "base/log.h"
#include "base/slab.h"
#include "net/loop/loop.h"
#include "net/request/intake.h"
#include "net/transport/deferred.h"
#include "net/transport/proxy.h"
#include "net/transport/udp.h"

enum {
    UDP_IN_MAX = 4096, /* octets; a longer datagram is no query and gets FORMERR */
    UDP_OUT_MAX = DEFERRED_OUT_MAX,
    UDP_CONTROL_MAX = DEFERRED_CONTROL_MAX,
    UDP_BATCHES_PER_TURN = 4, /* then the loop serves its other handles */
    UDP_BATCHES_AT_END = 256,
};

struct slot {
    struct exchange ex;
    /* The source of the datagram and the destination of its answer: ex.peer, or its proxy. */
    struct addr from;
    struct iovec iov_in, iov_out;
    uint8_t in[UDP_IN_MAX];
    uint8_t out[UDP_OUT_MAX];
    uint8_t control[UDP_CONTROL_MAX];
    struct front_udp *front;
};

/* Lifetime: worker. */
struct front_udp {
    uv_poll_t poll;
    int fd;
    bool is_wildcard;
    const struct service *service;
    void *engine;
    struct idle_queue *idle_queue;
    struct slot *slots; /* INTAKE_BATCH_MAX */
    struct mmsghdr in[INTAKE_BATCH_MAX];
    struct mmsghdr out[INTAKE_BATCH_MAX];
    struct deferred *deferred;
    unsigned turn;
};

/* Replies are sent as a batch when all queries of the batch have been served. */
static void leave_reply_in_slot(struct exchange *ex) { (void)ex; }

static struct exchange *defer_datagram(struct exchange *ex)
{
    const struct slot *slot = container_of(ex, struct slot, ex);
    const struct front_udp *f = slot->front;
    size_t control_len = f->in[slot - f->slots].msg_hdr.msg_controllen;

    return deferred_add(f->deferred, ex, &slot->from, slot->control, control_len);
}

static void init_slot(struct front_udp *f, size_t i, const struct exchange_settings *settings)
{
    struct slot *slot = &f->slots[i];
    slot->ex.settings = settings;
    slot->ex.transport = EXCHANGE_UDP;
    slot->ex.buffer = slot->out;
    slot->ex.size = sizeof(slot->out);
    slot->ex.send = leave_reply_in_slot;
    slot->ex.defer = defer_datagram;
    slot->front = f;
    slot->iov_in = (struct iovec){.iov_base = slot->in, .iov_len = sizeof(slot->in)};
    f->in[i].msg_hdr = (struct msghdr){
        .msg_name = &slot->from.sock, .msg_iov = &slot->iov_in, .msg_iovlen = 1};
}

static int receive_queries(struct front_udp *f)
{
    for (size_t i = 0; i < INTAKE_BATCH_MAX; i++) {
        f->in[i].msg_hdr.msg_namelen = sizeof(f->slots[i].from.sock);
        if (f->is_wildcard) {
            f->in[i].msg_hdr.msg_control = f->slots[i].control;
            f->in[i].msg_hdr.msg_controllen = sizeof(f->slots[i].control);
        }
    }
    return recvmmsg(f->fd, f->in, INTAKE_BATCH_MAX, MSG_DONTWAIT, NULL);
}

static void send_replies(struct front_udp *f, size_t cnt)
{
    unsigned ready = 0;

    for (size_t i = 0; i < cnt; i++) {
        struct slot *slot = &f->slots[i];
        if (slot->ex.reply_len == 0)
            continue;
        slot->iov_out = (struct iovec){.iov_base = slot->out, .iov_len = slot->ex.reply_len};
        f->out[ready] = (struct mmsghdr){.msg_hdr = f->in[i].msg_hdr};
        f->out[ready].msg_hdr.msg_iov = &slot->iov_out;
        f->out[ready].msg_hdr.msg_flags = 0;
        if (f->is_wildcard)
            udp_forget_interface(&f->out[ready].msg_hdr);
        ready++;
    }
    udp_send(f->fd, f->out, ready);
}

/* Return the query of a datagram, behind the PROXY header of a trusted proxy, which sets
 * ex.peer.  NULL if the header is malformed or from an untrusted peer: drop the datagram. */
static const uint8_t *find_query(struct slot *slot, size_t *len)
{
    const struct addr_prefixes *trusted = &slot->ex.settings->trusted_proxies;
    size_t used = 0;

    slot->ex.peer = slot->from;
    slot->ex.reply_len = 0;
    if (__builtin_expect(!proxy_is_header(slot->in, *len), 1))
        return slot->in;
    if (proxy_parse_trusted(slot->in, *len, trusted, &slot->ex.peer, &used) != PROXY_WHOLE ||
        proxy_is_header(slot->in + used, *len - used)) {
        exchange_count_proxy_header(slot->ex.settings);
        return NULL;
    }
    *len -= used;
    return slot->in + used;
}

/* Serve a batch.  False if no more datagrams are queued. */
static bool serve_batch(struct front_udp *f)
{
    struct exchange *batch[INTAKE_BATCH_MAX];
    const uint8_t *wire[INTAKE_BATCH_MAX];
    size_t len[INTAKE_BATCH_MAX];

    int got = receive_queries(f);
    if (got <= 0)
        return false;
    idle_queue_note_work(f->idle_queue);
    size_t cnt = 0;
    for (int i = 0; i < got; i++) {
        struct slot *slot = &f->slots[i];
        len[cnt] = f->in[i].msg_len;
        wire[cnt] = find_query(slot, &len[cnt]);
        if (!wire[cnt])
            continue;
        /* of a truncated datagram only the header counts: FORMERR */
        if (f->in[i].msg_hdr.msg_flags & MSG_TRUNC)
            len[cnt] = util_min(len[cnt], MESSAGE_HEADER_LEN);
        batch[cnt] = &slot->ex;
        batch[cnt++]->turn = f->turn++;
    }
    if (cnt > 0)
        intake_batch(f->service, f->engine, batch, wire, len, cnt);
    send_replies(f, (size_t)got);
    return got == INTAKE_BATCH_MAX;
}

static void on_queries(uv_poll_t *poll, int status, int events);

/* libuv has stopped the handle because of a pending error on the socket.  Reading the error
 * clears it. */
static void clear_socket_error(struct front_udp *f, int status)
{
    int pending = 0;
    socklen_t len = sizeof(pending);
    (void)getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &pending, &len);
    log_warning("error on a UDP socket: %s; the socket is still in use",
                pending ? strerror(pending) : uv_strerror(status));
    if (loop_admit((uv_handle_t *)&f->poll) == ERR_OK)
        uv_poll_start(&f->poll, UV_READABLE, on_queries);
    else
        log_error("cannot watch a UDP socket: out of memory; restart the daemon to "
                  "receive_queries queries on it");
}

static void on_queries(uv_poll_t *poll, int status, int events)
{
    struct front_udp *f = poll->data;
    (void)events;
    if (status < 0) {
        clear_socket_error(f, status);
        return;
    }
    for (int i = 0; i < UDP_BATCHES_PER_TURN && serve_batch(f); i++)
        ;
}

static void free_front_udp(struct front_udp *f)
{
    if (!f)
        return;
    deferred_close(&f->deferred);
    slab_free_huge(f->slots, INTAKE_BATCH_MAX * sizeof(*f->slots));
    free(f);
}

enum err front_udp_new(const struct front_parts *parts, int fd, const struct addr *address,
                       struct front_udp **out)
{
    struct front_udp *f = calloc(1, sizeof(*f));
    if (f)
        f->slots = slab_alloc_huge(INTAKE_BATCH_MAX * sizeof(*f->slots));
    struct deferred_terms terms = {.loop = parts->loop,
                                   .fd = fd,
                                   .is_wildcard = addr_is_wildcard(address),
                                   .rate_limit = parts->settings->rate_limit};
    enum err err = f && f->slots ? deferred_new(&terms, &f->deferred) : ERR_NOMEM;
    if (err || uv_poll_init(parts->loop, &f->poll, fd) != 0) {
        free_front_udp(f);
        close(fd);
        return ERR_NOMEM;
    }
    f->poll.data = f;
    f->fd = fd;
    f->is_wildcard = terms.is_wildcard;
    f->service = parts->service;
    f->engine = parts->engine;
    f->idle_queue = parts->idle_queue;
    for (size_t i = 0; i < INTAKE_BATCH_MAX; i++)
        init_slot(f, i, parts->settings);
    uv_poll_start(&f->poll, UV_READABLE, on_queries);
    *out = f;
    return ERR_OK;
}

static void on_front_udp_closed(uv_handle_t *handle)
{
    struct front_udp *f = handle->data;
    close(f->fd);
    free_front_udp(f);
}

void front_udp_close(struct front_udp **front, bool drains)
{
    struct front_udp *f = *front;
    if (!f)
        return;
    /* answer what has arrived, but a flood must not delay the end */
    for (int i = 0; drains && i < UDP_BATCHES_AT_END && serve_batch(f); i++)
        ;
    deferred_close(&f->deferred);
    uv_close((uv_handle_t *)&f->poll, on_front_udp_closed);
    *front = NULL;
}
