/* libuv's own UDP reads one datagram a call and allocates for each answer; here the poll handle
 * only says "readable". A wildcard socket keeps the control message of each datagram and gives
 * it back with the answer, so that the answer leaves from the address that was asked. */
#define _GNU_SOURCE
#include "net/front_udp.h"

#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "base/slab.h"
#include "net/intake.h"

enum {
    UDP_IN_MAX = 4096,      /* questions are small; a longer datagram is cut and then FORMERR */
    UDP_OUT_MAX = 4096,     /* the largest udp-size */
    UDP_CONTROL_MAX = 64,   /* one pktinfo */
    UDP_BATCHES_A_TURN = 4, /* then the loop looks at its other handles */
    UDP_BATCHES_AT_END = 256,
    SPARE_MAX = 1000, /* held exchanges kept for the next ones */
};

struct slot {
    struct exchange ex;
    struct iovec iov_in, iov_out;
    uint8_t in[UDP_IN_MAX];
    uint8_t out[UDP_OUT_MAX];
    uint8_t control[UDP_CONTROL_MAX];
    struct front_udp *front;
};

/* A question that is answered later.  Lifetime: until then, and again. */
struct held {
    struct exchange_kept kept;
    struct front_udp *front;
    struct held *next; /* front->spare */
    uint8_t control[UDP_CONTROL_MAX];
    size_t control_len;
};

/* Lifetime: worker. */
struct front_udp {
    uv_poll_t poll;
    int fd;
    bool is_wildcard;
    const struct service *service;
    void *engine;
    struct leisure *leisure;
    struct slot *slots; /* INTAKE_BATCH_MAX */
    struct mmsghdr in[INTAKE_BATCH_MAX];
    struct mmsghdr out[INTAKE_BATCH_MAX];
    struct held *spare;
    size_t held_cnt, spare_cnt;
    uint8_t *late; /* UDP_OUT_MAX octets: answers that come later are made one at a time */
    unsigned turn;
};

/* The batch is sent as a whole when all have been served. */
static void keep_reply(struct exchange *ex) { (void)ex; }

static void forget_interface(struct msghdr *h);

/* The client is told as soon as the answer is known; a batch of its own would only delay it. */
static void send_late(struct exchange *ex)
{
    struct held *h = container_of(ex, struct held, kept.ex);
    struct front_udp *f = h->front;
    struct iovec iov = {.iov_base = ex->buffer, .iov_len = ex->reply_len};
    struct msghdr msg = {.msg_name = &ex->peer.sock,
                         .msg_namelen = addr_len(&ex->peer),
                         .msg_iov = &iov,
                         .msg_iovlen = 1};

    if (f->is_wildcard) {
        msg.msg_control = h->control;
        msg.msg_controllen = h->control_len;
        forget_interface(&msg);
    }
    if (ex->reply_len > 0) /* what cannot go out is asked again */
        (void)sendmsg(f->fd, &msg, MSG_DONTWAIT);
    f->held_cnt--;
    if (f->spare_cnt == SPARE_MAX) {
        free(h);
        return;
    }
    h->next = f->spare;
    f->spare = h;
    f->spare_cnt++;
}

static struct exchange *hold(struct exchange *ex)
{
    struct slot *slot = container_of(ex, struct slot, ex);
    struct front_udp *f = slot->front;
    struct held *h = f->spare;

    if (h) {
        f->spare = h->next;
        f->spare_cnt--;
    } else {
        h = malloc(sizeof(*h));
    }
    if (!h)
        return NULL;
    exchange_keep(&h->kept, ex);
    h->front = f;
    h->kept.ex.buffer = f->late;
    h->kept.ex.size = UDP_OUT_MAX;
    h->kept.ex.send = send_late;
    h->kept.ex.hold = NULL;
    const struct msghdr *from = &f->in[slot - f->slots].msg_hdr;
    h->control_len = f->is_wildcard ? util_min(from->msg_controllen, UDP_CONTROL_MAX) : 0;
    memcpy(h->control, slot->control, h->control_len);
    f->held_cnt++;
    return &h->kept.ex;
}

static void init_slot(struct front_udp *f, size_t i, const struct exchange_settings *settings)
{
    struct slot *slot = &f->slots[i];
    slot->ex.settings = settings;
    slot->ex.transport = EXCHANGE_UDP;
    slot->ex.buffer = slot->out;
    slot->ex.size = sizeof(slot->out);
    slot->ex.send = keep_reply;
    slot->ex.hold = hold;
    slot->front = f;
    slot->iov_in = (struct iovec){.iov_base = slot->in, .iov_len = sizeof(slot->in)};
    f->in[i].msg_hdr = (struct msghdr){
        .msg_name = &slot->ex.peer.sock, .msg_iov = &slot->iov_in, .msg_iovlen = 1};
}

static int receive(struct front_udp *f)
{
    for (size_t i = 0; i < INTAKE_BATCH_MAX; i++) {
        f->in[i].msg_hdr.msg_namelen = sizeof(f->slots[i].ex.peer.sock);
        if (f->is_wildcard) {
            f->in[i].msg_hdr.msg_control = f->slots[i].control;
            f->in[i].msg_hdr.msg_controllen = sizeof(f->slots[i].control);
        }
    }
    return recvmmsg(f->fd, f->in, INTAKE_BATCH_MAX, MSG_DONTWAIT, NULL);
}

/* The answer leaves from the address that was asked, by whatever way the routes say; only a
 * link-local address needs its link. */
static void forget_interface(struct msghdr *h)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo *info = (struct in_pktinfo *)(void *)CMSG_DATA(c);
            info->ipi_ifindex = 0;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo *info = (struct in6_pktinfo *)(void *)CMSG_DATA(c);
            if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr))
                info->ipi6_ifindex = 0;
        }
    }
}

static void send_all(struct front_udp *f, size_t cnt)
{
    unsigned ready = 0, sent = 0;

    for (size_t i = 0; i < cnt; i++) {
        struct slot *slot = &f->slots[i];
        if (slot->ex.reply_len == 0)
            continue;
        slot->iov_out = (struct iovec){.iov_base = slot->out, .iov_len = slot->ex.reply_len};
        f->out[ready] = (struct mmsghdr){.msg_hdr = f->in[i].msg_hdr};
        f->out[ready].msg_hdr.msg_iov = &slot->iov_out;
        f->out[ready].msg_hdr.msg_flags = 0;
        if (f->is_wildcard)
            forget_interface(&f->out[ready].msg_hdr);
        ready++;
    }
    while (sent < ready) {
        int n = sendmmsg(f->fd, f->out + sent, ready - sent, MSG_DONTWAIT);
        if (n > 0)
            sent += (unsigned)n;
        else if (errno != EINTR)
            sent++; /* that one cannot go out (full buffer, unreachable peer): its client asks
                       again */
    }
}

/* One batch; false when nothing was waiting. */
static bool work(struct front_udp *f)
{
    struct exchange *batch[INTAKE_BATCH_MAX];
    const uint8_t *wire[INTAKE_BATCH_MAX];
    size_t len[INTAKE_BATCH_MAX];

    int got = receive(f);
    if (got <= 0)
        return false;
    leisure_note_work(f->leisure);
    for (int i = 0; i < got; i++) {
        batch[i] = &f->slots[i].ex;
        batch[i]->turn = f->turn++;
        wire[i] = f->slots[i].in;
        /* of a datagram that was cut only the header is believed: FORMERR */
        bool is_cut = f->in[i].msg_hdr.msg_flags & MSG_TRUNC;
        len[i] = is_cut ? MESSAGE_HEADER_LEN : f->in[i].msg_len;
    }
    intake_batch(f->service, f->engine, batch, wire, len, (size_t)got);
    send_all(f, (size_t)got);
    return got == INTAKE_BATCH_MAX;
}

static void on_readable(uv_poll_t *poll, int status, int events);

/* libuv has stopped the handle: an error is pending on the socket.  Reading it clears it. */
static void recover(struct front_udp *f, int status)
{
    int pending = 0;
    socklen_t len = sizeof(pending);
    (void)getsockopt(f->fd, SOL_SOCKET, SO_ERROR, &pending, &len);
    log_warning("error on a UDP socket: %s", pending ? strerror(pending) : uv_strerror(status));
    uv_poll_start(&f->poll, UV_READABLE, on_readable);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct front_udp *f = poll->data;
    (void)events;
    if (status < 0) {
        recover(f, status);
        return;
    }
    for (int i = 0; i < UDP_BATCHES_A_TURN && work(f); i++)
        ;
}

static void free_front(struct front_udp *f)
{
    if (!f)
        return;
    must(f->held_cnt == 0); /* the engine has dropped them */
    while (f->spare) {
        struct held *next = f->spare->next;
        free(f->spare);
        f->spare = next;
    }
    free(f->late);
    slab_free_huge(f->slots, INTAKE_BATCH_MAX * sizeof(*f->slots));
    free(f);
}

enum err front_udp_new(const struct front_parts *parts, int fd, const struct addr *address,
                       struct front_udp **out)
{
    struct front_udp *f = calloc(1, sizeof(*f));
    if (f)
        f->slots = slab_alloc_huge(INTAKE_BATCH_MAX * sizeof(*f->slots));
    if (f)
        f->late = malloc(UDP_OUT_MAX);
    if (!f || !f->slots || !f->late || uv_poll_init(parts->loop, &f->poll, fd) != 0) {
        free_front(f);
        close(fd);
        return ERR_NOMEM;
    }
    f->poll.data = f;
    f->fd = fd;
    f->is_wildcard = addr_is_wildcard(address);
    f->service = parts->service;
    f->engine = parts->engine;
    f->leisure = parts->leisure;
    for (size_t i = 0; i < INTAKE_BATCH_MAX; i++)
        init_slot(f, i, parts->settings);
    uv_poll_start(&f->poll, UV_READABLE, on_readable);
    *out = f;
    return ERR_OK;
}

static void on_closed(uv_handle_t *handle)
{
    struct front_udp *f = handle->data;
    close(f->fd);
    free_front(f);
}

void front_udp_close(struct front_udp **front, bool drains)
{
    struct front_udp *f = *front;
    if (!f)
        return;
    /* what has arrived before the end is answered, but a flood does not put the end off */
    for (int i = 0; drains && i < UDP_BATCHES_AT_END && work(f); i++)
        ;
    uv_close((uv_handle_t *)&f->poll, on_closed);
    *front = NULL;
}
