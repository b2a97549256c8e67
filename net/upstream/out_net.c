/* All UDP sockets of a worker stand in one epoll set of their own, put there once: libuv sees
 * one descriptor, and a query costs connect, send, recv and a connect to nowhere.  ICMP errors
 * are not listened to: anybody can forge them (docs/LIMITS.md section 1: SAD DNS, TuDoor). */
#define _GNU_SOURCE
#include "net/upstream/out_net.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/list.h"
#include "base/now.h"
#include "base/rng.h"
#include "net/loop/loop.h"
#include "net/transport/tls.h"

enum {
    IDLE_MAX = 1024, /* UDP sockets that are kept after a peak */
    EVENTS = 128,
    BIND_TRIES = 16,
    UDP_REPLY_MAX = 4096 + 1, /* more was never asked for */
    TCP_IDLE_MS = 5000,
    TCP_DOUBT_MS = 1000, /* of silence on a kept connection: then a new one is tried */
    TCP_ASKS_MAX = 200,  /* open on one connection */
    TCP_SERVERS_MAX = 1000,
    SPARE_MESSAGES = 2, /* more than there were queries: a reply sent twice is no attack */
    CHUNK = 65536,
    FIXED_PORT = 33333,
    DRAIN_MAX = 64,
    TICK_MS = 5,
    WHEEL = 1024, /* slots of TICK_MS: deadlines are at most 5 s ahead, later ones wait another
                     round */
    IP_PMTUDISC_OMIT_MODE = 5 /* RFC 8085 3.2: no path MTU from ICMP */
};

/* A UDP socket, and the question it is used for now.  Lifetime: worker. */
struct socket_slot {
    struct list link; /* net->idle[family] or a slot of the wheel */
    int fd;
    bool is_v6;
    struct out_ask *ask;
    uint64_t deadline_ms;
    bool is_once;        /* bound to a port drawn by hand: closed with its query */
    bool is_fixed;       /* laboratory: its port stays */
    struct addr last_to; /* the query before: a second reply to it may still be queued */
    uint8_t last_id[2];
    struct net *net;
};

/* A TCP connection.  Lifetime: until it has been closed. */
struct server {
    uv_tcp_t tcp;
    uv_connect_t connect;
    struct list link; /* net->servers */
    struct list asks; /* struct tcp_ask */
    unsigned ask_cnt;
    int due; /* queries that were put on it, less the messages that came */
    struct addr addr;
    struct net *net;
    struct tls_client *tls_client; /* NULL: in the clear */
    struct tls *tls;
    unsigned generation; /* of tls_client */
    uint8_t *in;         /* messages as they come */
    size_t in_len;
    uint64_t used_ms;     /* when a question was answered, or it was made */
    uint64_t heard_ms;    /* when anything came */
    uint64_t since_ms;    /* when it was begun */
    enum out_fault fault; /* what ended it, or is going to */
    bool is_connected, is_closing;
    bool is_stale; /* silent for a question's whole time: it gets no more of them */
};

/* A question on a connection, or waiting for it. */
struct tcp_ask {
    struct list link;  /* server->asks */
    struct list timer; /* a slot of the wheel of TCP */
    struct out_ask *ask;
    struct server *server;
    uint64_t deadline_ms;
    uint64_t asked_ms; /* on this connection */
    uint64_t look_ms;  /* when to look at it: the deadline, or to doubt the connection before */
    uv_write_t write;
    uint8_t wire[2 + QUERY_MAX];
    size_t len;
    bool is_reused;  /* the connection was there before it */
    bool is_writing; /* libuv has it; freed when that is done */
};

/* Lifetime: worker. */
struct net {
    struct out out;
    uv_loop_t *loop;
    uv_poll_t poll;
    uv_timer_t tick;
    uint64_t armed_ms; /* when it fires */
    bool is_ticking;
    int epoll;
    struct list idle[2];
    struct list spent; /* closed sockets, freed when no event can name them */
    const struct ports *ports;
    struct rng rng;
    struct list wheel[WHEEL], tcp_wheel[WHEEL];
    uint64_t wheel_ms; /* the time up to which deadlines have been looked at */
    size_t open_cnt;   /* questions that are out */
    size_t most;       /* sockets and servers together */
    size_t socket_cnt; /* open ones */
    size_t idle_cnt;
    struct list servers;
    size_t server_cnt;
    bool is_closing;
    struct buffer sealed; /* what TLS wants sent, of the call that is under way */
    uint8_t *chunk;       /* CHUNK octets as they came, for TLS; NULL before the first */
    struct addr source[2];
    bool has_source[2];
    unsigned handle_cnt;
    uint8_t buffer[UDP_REPLY_MAX];
};

static struct net *net_of(struct out *out) { return container_of(out, struct net, out); }

/* ---- deadlines ---- */

static void tick(uv_timer_t *timer);

/* Wake when all of the slot of `at_ms` is over: a timer that fires for nothing costs as much as
 * a query. */
static void arm(struct net *n, uint64_t at_ms)
{
    uint64_t now_ms = now_mono_ms();

    n->armed_ms = (at_ms / TICK_MS + 1) * TICK_MS;
    uv_timer_start(&n->tick, tick, n->armed_ms > now_ms ? n->armed_ms - now_ms : 1, 0);
}

static void add_deadline(struct net *n, struct list *wheel, struct list *link, uint64_t at_ms)
{
    list_add(&wheel[(at_ms / TICK_MS) % WHEEL], link);
    if (n->open_cnt++ == 0) {
        n->wheel_ms = now_mono_ms();
        n->armed_ms = UINT64_MAX;
    }
    if (at_ms < n->armed_ms && !n->is_ticking)
        arm(n, at_ms);
}

static void remove_deadline(struct net *n, struct list *link)
{
    list_remove(link);
    if (--n->open_cnt > 0 || n->is_ticking)
        return;
    if (n->server_cnt > 0) /* they are closed when they have been idle for long */
        uv_timer_start(&n->tick, tick, TCP_IDLE_MS, 0);
    else
        uv_timer_stop(&n->tick);
}

/* ---- UDP ---- */

static bool make_room(struct net *n);

static struct socket_slot *open_socket(struct net *n, bool is_v6)
{
    int mode = IP_PMTUDISC_OMIT_MODE, on = 1;
    struct socket_slot *s = make_room(n) ? calloc(1, sizeof(*s)) : NULL;

    if (!s)
        return NULL;
    s->fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    s->is_v6 = is_v6;
    s->net = n;
    list_init(&s->link);
    if (s->fd < 0) {
        free(s);
        return NULL;
    }
    if (is_v6)
        (void)setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    (void)setsockopt(s->fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                     is_v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &mode, sizeof(mode));
    n->socket_cnt++;
    return s;
}

static bool watch_socket(struct net *n, struct socket_slot *s)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = s}};
    return epoll_ctl(n->epoll, EPOLL_CTL_ADD, s->fd, &event) == 0;
}

/* Close it.  Its memory stays for now: an event that was read already may name it. */
static void spend_socket(struct net *n, struct socket_slot *s)
{
    close(s->fd);
    s->net->socket_cnt--;
    s->fd = -1;
    s->ask = NULL;
    list_remove(&s->link);
    list_add(&n->spent, &s->link);
}

static void free_spent(struct net *n)
{
    while (!list_is_empty(&n->spent)) {
        struct socket_slot *s = container_of(n->spent.next, struct socket_slot, link);
        list_remove(&s->link);
        free(s);
    }
}

/* Close a socket that no query has left from: no event can name it. */
static void discard_socket(struct net *n, struct socket_slot *s)
{
    close(s->fd);
    free(s);
    n->socket_cnt--;
}

/* The socket that has been idle longest, or NULL. */
static struct socket_slot *take_idle(struct net *n, bool is_v6)
{
    struct list *idle = &n->idle[is_v6];

    if (list_is_empty(idle))
        return NULL;
    struct socket_slot *s = container_of(idle->next, struct socket_slot, link);
    list_remove(&s->link);
    n->idle_cnt--;
    return s;
}

static struct socket_slot *new_pooled(struct net *n, bool is_v6)
{
    int on = 1;
    struct socket_slot *s = open_socket(n, is_v6);

    if (!s)
        return NULL;
    /* the port is drawn by connect, among those that are free towards that server */
    bool works = !n->ports->is_narrowed || ports_narrow(n->ports, s->fd);
    if (works && n->has_source[is_v6]) {
        (void)setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
        works = bind(s->fd, &n->source[is_v6].sock.any, addr_len(&n->source[is_v6])) == 0;
    }
    if (works && watch_socket(n, s))
        return s;
    discard_socket(n, s);
    return NULL;
}

/* A socket on a port that the kernel would not draw.  Until it is connected it receives
 * datagrams from any source; the comparison of sources drops them. */
static struct socket_slot *new_bound(struct net *n, bool is_v6)
{
    struct addr from = n->source[is_v6];
    struct socket_slot *s = open_socket(n, is_v6);

    if (!s)
        return NULL;
    from.sock.any.sa_family = is_v6 ? AF_INET6 : AF_INET;
    s->is_once = true;
    for (int i = 0; i < BIND_TRIES; i++) {
        addr_set_port(&from, n->ports->bound[rng_below(&n->rng, n->ports->bound_cnt)]);
        if (bind(s->fd, &from.sock.any, addr_len(&from)) == 0)
            return s;
        if (errno != EADDRINUSE && errno != EACCES)
            break;
    }
    discard_socket(n, s);
    return NULL;
}

/* Each port of both parts is as likely. */
static struct socket_slot *take_socket(struct net *n, const struct out_ask *ask)
{
    bool is_v6 = addr_is_v6(&ask->match.to);

    if (!ask->is_port_fixed && rng_below(&n->rng, ports_cnt(n->ports)) >= n->ports->kernel_cnt)
        return new_bound(n, is_v6);
    struct socket_slot *s = take_idle(n, is_v6);
    return s ? s : new_pooled(n, is_v6);
}

/* Laboratory: what is queued on a port that stays open was sent before the query. */
static void drain(struct net *n, struct socket_slot *s)
{
    for (int i = 0; i < DRAIN_MAX; i++)
        if (recv(s->fd, n->buffer, 1, MSG_DONTWAIT) < 0 &&
            (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
}

/* Away from the server and the port: an idle socket holds none that others could draw. */
static void disconnect(const struct socket_slot *s)
{
    static const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    (void)connect(s->fd, &nowhere, sizeof(nowhere));
}

/* Laboratory: every question from the same port.  A socket that has it keeps it. */
static void bind_fixed(struct socket_slot *s)
{
    struct addr any = {0};
    int on = 1;

    any.sock.any.sa_family = s->is_v6 ? AF_INET6 : AF_INET;
    addr_set_port(&any, FIXED_PORT);
    (void)setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)bind(s->fd, &any.sock.any, addr_len(&any));
    s->is_fixed = true;
}

/* RFC 5452 9.2: away from the old port, and to one that the kernel draws. */
static enum err connect_anew(struct net *n, struct socket_slot *s, const struct out_ask *ask)
{
    const struct addr *to = &ask->match.to;

    if (s->is_fixed)
        drain(n, s);
    if (ask->is_port_fixed)
        bind_fixed(s);
    if (connect(s->fd, &to->sock.any, addr_len(to)) == 0)
        return !s->is_once || watch_socket(n, s) ? ERR_OK : ERR_LIMIT;
    switch (errno) {
    case ENETUNREACH:
    case EAFNOSUPPORT: return ERR_IO;
    case EAGAIN:
    case EADDRNOTAVAIL:
    case ENOMEM:
    case ENOBUFS: return ERR_LIMIT;
    default: return ERR_DENIED;
    }
}

/* An error that was pending is told once, in place of sending. */
static enum err send_wire(const struct socket_slot *s, const struct out_ask *ask)
{
    for (int i = 0; i < 2; i++)
        if (send(s->fd, ask->wire, ask->len, MSG_DONTWAIT) >= 0 || errno == EAGAIN)
            return ERR_OK;
    return ERR_DENIED;
}

/* It may be used for another query. */
static void give_back(struct net *n, struct socket_slot *s)
{
    if (s->is_once || n->idle_cnt >= IDLE_MAX) {
        spend_socket(n, s);
        return;
    }
    disconnect(s);
    n->idle_cnt++;
    list_add(&n->idle[s->is_v6], &s->link);
}

/* Take the socket from its query. */
static void release(struct socket_slot *s)
{
    remove_deadline(s->net, &s->link);
    s->last_to = s->ask->match.to;
    memcpy(s->last_id, s->ask->wire, sizeof(s->last_id));
    s->ask->slot = NULL;
    s->ask = NULL;
    give_back(s->net, s);
}

static enum err ask_udp(struct net *n, struct out_ask *ask)
{
    struct socket_slot *s = take_socket(n, ask);

    if (!s)
        return ERR_LIMIT;
    enum err err = connect_anew(n, s, ask);
    if (!err)
        err = send_wire(s, ask);
    if (err) {
        s->is_once ? discard_socket(n, s) : give_back(n, s);
        return err;
    }
    if (ask->wants_from) {
        socklen_t len = sizeof(ask->from.sock);
        (void)getsockname(s->fd, &ask->from.sock.any, &len);
    }
    s->ask = ask;
    s->deadline_ms = now_mono_ms() + ask->timeout_ms;
    ask->slot = s;
    add_deadline(n, n->wheel, &s->link, s->deadline_ms);
    return ERR_OK;
}

/* A second reply to the query that the socket had before: the network may send anything twice.
 * Nothing else can be queued that another server sent: a connected socket takes datagrams of
 * its peer only. */
static bool is_for_last(const struct socket_slot *s, const struct addr *from,
                        const uint8_t *wire, size_t len)
{
    bool is_other = !addr_is_equal(&s->ask->match.to, &s->last_to);
    return s->last_to.sock.any.sa_family && addr_is_equal(from, &s->last_to) &&
           (is_other ||
            (len >= sizeof(s->last_id) && memcmp(wire, s->last_id, sizeof(s->last_id)) == 0 &&
             memcmp(wire, s->ask->wire, sizeof(s->last_id)) != 0));
}

/* One datagram.  The socket is told of again if more are waiting. */
static void receive(struct net *n, struct socket_slot *s)
{
    struct addr from = {0};
    socklen_t from_len = sizeof(from.sock);
    struct message reply;
    ssize_t got =
        recvfrom(s->fd, n->buffer, sizeof(n->buffer), MSG_DONTWAIT, &from.sock.any, &from_len);

    struct out_ask *ask = s->ask;
    if (got < 0 || !ask || is_for_last(s, &from, n->buffer, (size_t)got))
        return; /* an error of ICMP, a second reply, or one that came too late */
    enum match_verdict verdict =
        match_reply(&ask->match, &from, n->buffer, (size_t)got, &reply);
    if (verdict == MATCH_OK) {
        release(s);
        ask->done(ask, OUT_REPLY, &reply);
        return;
    }
    ask->rejected(ask, verdict, &from);
    if (!ask->ignores_wrong) {
        release(s);
        ask->done(ask, OUT_SUSPECT, NULL);
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct net *n = poll->data;
    struct epoll_event ready[EVENTS];
    int cnt;

    (void)status;
    (void)events;
    cnt = epoll_wait(n->epoll, ready, EVENTS, 0);
    for (int i = 0; i < cnt; i++) {
        struct socket_slot *s = ready[i].data.ptr;
        if (s->fd >= 0) /* it was not closed in this turn */
            receive(n, s);
    }
    free_spent(n);
    if (cnt > 0)
        n->out.settle(n->out.data);
}

/* ---- TCP ---- */

static bool spend_idle(struct net *n)
{
    struct socket_slot *s = take_idle(n, false);

    if (!s)
        s = take_idle(n, true);
    if (s)
        spend_socket(n, s);
    return s;
}

static void free_if_last(struct net *n)
{
    if (--n->handle_cnt > 0)
        return;
    while (spend_idle(n))
        ;
    free_spent(n);
    buffer_fini(&n->sealed);
    free(n->chunk);
    close(n->epoll);
    free(n);
}

static void on_server_closed(uv_handle_t *handle)
{
    struct server *s = handle->data;
    struct net *n = s->net;
    tls_free(&s->tls);
    free(s->in);
    free(s);
    free_if_last(n);
}

/* Take the question off its connection; its memory goes, unless libuv is writing it. */
static struct out_ask *detach(struct tcp_ask *t)
{
    struct out_ask *ask = t->ask;

    remove_deadline(t->server->net, &t->timer);
    list_remove(&t->link);
    t->server->ask_cnt--;
    t->ask = NULL;
    ask->slot = NULL;
    if (!t->is_writing)
        free(t);
    return ask;
}

static enum err ask_tcp(struct net *n, struct out_ask *ask, uint64_t deadline_ms,
                        uint64_t after_ms);

/* Close; questions on it have failed, or are asked once more. */
static void close_server(struct server *s)
{
    if (s->is_closing)
        return;
    s->is_closing = true;
    s->net->server_cnt--;
    list_remove(&s->link);
    uv_close((uv_handle_t *)&s->tcp, on_server_closed);
    while (!list_is_empty(&s->asks)) {
        struct tcp_ask *t = container_of(s->asks.next, struct tcp_ask, link);
        bool is_reused = t->is_reused && !s->net->is_closing;
        uint64_t deadline_ms = t->deadline_ms, after_ms = t->asked_ms;
        struct out_ask *ask = detach(t);
        /* RFC 7766 6.2.4: the server may have closed it, for being idle, before the question
         * came */
        if (is_reused && ask_tcp(s->net, ask, deadline_ms, after_ms) == ERR_OK)
            continue;
        ask->distrust = s->tls ? tls_distrust(s->tls) : "";
        ask->fault = s->fault ? s->fault : OUT_FAULT_CLOSED;
        ask->done(ask, OUT_FAILED, NULL);
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct tcp_ask *t = write->data;
    struct server *s = t->server;

    t->is_writing = false;
    if (!t->ask)
        free(t);
    if (status < 0 && !s->is_closing) {
        struct net *n = s->net;
        close_server(s);
        n->out.settle(n->out.data);
    }
}

/* Octets of TLS on their way.  Lifetime: until libuv has written them. */
struct sealed_write {
    uv_write_t write;
    struct server *server;
    struct buffer octets;
};

static void on_sealed_written(uv_write_t *write, int status)
{
    struct sealed_write *w = container_of(write, struct sealed_write, write);
    struct server *s = w->server;

    buffer_fini(&w->octets);
    free(w);
    if (status < 0 && !s->is_closing) {
        struct net *n = s->net;
        close_server(s);
        n->out.settle(n->out.data);
    }
}

/* Send what TLS has made; false: the connection is of no use. */
static bool send_sealed(struct server *s)
{
    struct net *n = s->net;

    if (n->sealed.len == 0)
        return true;
    struct sealed_write *w = calloc(1, sizeof(*w));
    if (!w) {
        n->sealed.len = 0;
        return false;
    }
    w->server = s;
    buffer_move(&w->octets, &n->sealed);
    uv_buf_t buf = uv_buf_init((char *)w->octets.at, (unsigned)w->octets.len);
    if (uv_write(&w->write, (uv_stream_t *)&s->tcp, &buf, 1, on_sealed_written) == 0)
        return true;
    buffer_fini(&w->octets);
    free(w);
    return false;
}

static bool write_ask(struct tcp_ask *t)
{
    struct server *s = t->server;

    if (s->tls) {
        bool is_written = tls_write(s->tls, t->wire, t->len, &s->net->sealed);
        if (!is_written)
            s->net->sealed.len = 0; /* it is nobody else's */
        return is_written && send_sealed(s);
    }

    uv_buf_t buf = uv_buf_init((char *)t->wire, (unsigned)t->len);
    t->write.data = t;
    if (uv_write(&t->write, (uv_stream_t *)&t->server->tcp, &buf, 1, on_written) != 0)
        return false;
    t->is_writing = true;
    return true;
}

/* The question that a reply on a connection belongs to, by its ID. */
static struct tcp_ask *find_ask(struct server *s, const uint8_t *wire)
{
    for (struct list *l = s->asks.next; l != &s->asks; l = l->next) {
        struct tcp_ask *t = container_of(l, struct tcp_ask, link);
        if (memcmp(t->ask->wire, wire, 2) == 0)
            return t;
    }
    return NULL;
}

/* Whether a message that no query waits for can be the reply to one that was given up.  It
 * cannot when no query is open, or when more messages came than there were queries. */
static bool may_be_late(const struct server *s)
{
    return s->ask_cnt > 0 && s->due >= -SPARE_MESSAGES;
}

/* One whole message.  False: the server talks nonsense, and the connection is of no use. */
static bool take_message(struct server *s, uint8_t *wire, size_t len)
{
    struct message reply;
    struct tcp_ask *t = len >= 2 ? find_ask(s, wire) : NULL;

    s->due--;
    if (!t)
        return len >= 2 && may_be_late(s);
    struct out_ask *ask = t->ask;
    enum match_verdict verdict = match_reply(&ask->match, &s->addr, wire, len, &reply);
    if (verdict != MATCH_OK)
        ask->rejected(ask, verdict, &s->addr);
    if (verdict == MATCH_QUESTION && reply.has_question)
        return may_be_late(s); /* of a question that was given up and had the same ID */
    detach(t);
    s->used_ms = now_mono_ms();
    ask->fault = OUT_FAULT_BROKEN;
    ask->done(ask, verdict == MATCH_OK ? OUT_REPLY : OUT_FAILED, &reply);
    return true;
}

static void alloc_in(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct server *s = handle->data;
    (void)suggested;
    if (s->tls)
        *buf = uv_buf_init((char *)s->net->chunk, CHUNK);
    else
        *buf = uv_buf_init((char *)s->in + s->in_len, (unsigned)(MESSAGE_MAX + 2 - s->in_len));
}

/* Whole messages of what has come.  False: the server talks nonsense. */
static bool take_messages(struct server *s)
{
    size_t pos = 0;
    bool is_sane = true;

    while (is_sane && !s->is_closing && s->in_len - pos >= 2) {
        size_t len = util_get_u16(s->in + pos);
        if (s->in_len - pos - 2 < len)
            break;
        is_sane = take_message(s, s->in + pos + 2, len);
        pos += len + 2;
    }
    if (!is_sane)
        s->fault = OUT_FAULT_BROKEN;
    memmove(s->in, s->in + pos, s->in_len - pos);
    s->in_len -= pos;
    return is_sane;
}

static bool write_asks(struct server *s)
{
    bool works = true;
    s->is_connected = true;
    for (struct list *l = s->asks.next; works && l != &s->asks; l = l->next)
        works = write_ask(container_of(l, struct tcp_ask, link));
    return works;
}

/* Go on with TLS; `len` sealed octets have come.  False: the connection is of no use. */
static bool take_sealed(struct server *s, const uint8_t *octets, size_t len)
{
    enum tls_state state;
    size_t got;

    tls_feed(s->tls, octets, len);
    do {
        state = tls_read(s->tls, s->in + s->in_len, MESSAGE_MAX + 2 - s->in_len, &got,
                         &s->net->sealed);
        bool is_sent = send_sealed(s);
        if (!is_sent || (state == TLS_OPEN && !s->is_connected && !write_asks(s)))
            return false;
        s->in_len += got;
        if (got > 0 && !take_messages(s))
            return false;
    } while (got > 0 && !s->is_closing);
    return state == TLS_OPENING || state == TLS_OPEN;
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct server *s = stream->data;
    struct net *n = s->net;
    bool is_sane = got >= 0;

    if (s->is_closing)
        return;
    s->heard_ms = now_mono_ms();
    if (got > 0 && s->tls) {
        is_sane = take_sealed(s, (const uint8_t *)buf->base, (size_t)got);
    } else if (got > 0) {
        s->in_len += (size_t)got;
        is_sane = take_messages(s);
    }
    if (!is_sane)
        close_server(s);
    n->out.settle(n->out.data);
}

static enum out_fault judge_opening(int status)
{
    switch (status) {
    case UV_ECONNREFUSED: return OUT_FAULT_REFUSED;
    case UV_ENETUNREACH:
    case UV_EHOSTUNREACH: return OUT_FAULT_UNREACHABLE;
    case UV_ETIMEDOUT: return OUT_FAULT_TIMEOUT;
    default: return OUT_FAULT_NONE;
    }
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct server *s = connect->data;
    struct net *n = s->net;
    bool works = status == 0 && !s->is_closing &&
                 uv_read_start((uv_stream_t *)&s->tcp, alloc_in, on_read) == 0;

    if (s->is_closing)
        return;
    s->fault = judge_opening(status);
    if (works)
        works = s->tls ? take_sealed(s, NULL, 0) : write_asks(s);
    if (!works)
        close_server(s);
    n->out.settle(n->out.data);
}

/* Open connections that were begun before `after_ms` are passed over: they may be dead as well.
 */
static struct server *find_server(struct net *n, const struct out_ask *ask, uint64_t after_ms)
{
    uint64_t now_ms = now_mono_ms();

    for (struct list *l = n->servers.next; l != &n->servers; l = l->next) {
        struct server *s = container_of(l, struct server, link);
        if (s->is_connected && s->since_ms < after_ms)
            continue;
        bool is_fresh = s->ask_cnt > 0 || now_ms - s->used_ms <= TCP_IDLE_MS;
        /* RFC 7766 6.2.1: IDs on one connection differ */
        if (addr_is_equal(&s->addr, &ask->match.to) && s->tls_client == ask->tls &&
            (!ask->tls || s->generation == tls_client_generation(ask->tls)) &&
            s->ask_cnt < TCP_ASKS_MAX && is_fresh && !s->is_stale && !find_ask(s, ask->wire))
            return s;
    }
    return NULL;
}

/* Make room for another one: the first that has nothing to do goes. */
static void close_one_idle(struct net *n)
{
    for (struct list *l = n->servers.next; l != &n->servers; l = l->next) {
        struct server *s = container_of(l, struct server, link);
        if (s->ask_cnt == 0) {
            close_server(s);
            return;
        }
    }
}

/* What TLS needs; false: no memory. */
static bool equip_tls(struct server *s, struct tls_client *client)
{
    struct net *n = s->net;

    if (!client)
        return true;
    s->tls_client = client;
    s->generation = tls_client_generation(client);
    if (!n->chunk)
        n->chunk = malloc(CHUNK);
    return n->chunk && tls_connect(client, &s->tls) == ERR_OK;
}

/* What it means that a connection cannot be begun. */
static enum err judge_connect(int status)
{
    switch (status) {
    case UV_ENETUNREACH:
    case UV_EHOSTUNREACH:
    case UV_EAFNOSUPPORT: return ERR_IO;
    case UV_EMFILE:
    case UV_ENFILE:
    case UV_ENOMEM:
    case UV_ENOBUFS:
    case UV_EADDRNOTAVAIL:
    case UV_EAGAIN: return ERR_LIMIT;
    default: return ERR_DENIED;
    }
}

/* Room for one more socket of either kind: an idle one goes for it. */
static bool make_room(struct net *n)
{
    if (n->socket_cnt + n->server_cnt >= n->most && !spend_idle(n))
        close_one_idle(n);
    return n->socket_cnt + n->server_cnt < n->most;
}

static enum err new_server(struct net *n, const struct out_ask *ask, struct server **out)
{
    const struct addr *addr = &ask->match.to;
    bool is_v6 = addr_is_v6(addr);

    if (n->server_cnt >= TCP_SERVERS_MAX)
        close_one_idle(n);
    if (n->server_cnt >= TCP_SERVERS_MAX || !make_room(n))
        return ERR_LIMIT;
    struct server *s = calloc(1, sizeof(*s));
    if (s) {
        s->net = n;
        s->in = malloc(MESSAGE_MAX + 2);
    }
    if (!s || !s->in || !equip_tls(s, ask->tls)) {
        if (s) {
            free(s->in);
            tls_free(&s->tls);
        }
        free(s);
        return ERR_NOMEM;
    }
    s->addr = *addr;
    s->tcp.data = s->connect.data = s;
    s->used_ms = s->since_ms = now_mono_ms();
    list_init(&s->asks);
    int status =
        uv_tcp_init_ex(n->loop, &s->tcp, addr->sock.any.sa_family); /* makes the socket */
    if (status != 0) {
        free(s->in);
        tls_free(&s->tls);
        free(s);
        return judge_connect(status);
    }
    n->handle_cnt++;
    n->server_cnt++;
    list_add(&n->servers, &s->link);
    if (loop_admit((uv_handle_t *)&s->tcp) != ERR_OK)
        status = UV_ENOBUFS;
    else if (n->has_source[is_v6])
        status = uv_tcp_bind(&s->tcp, &n->source[is_v6].sock.any, 0);
    if (status == 0)
        status = uv_tcp_connect(&s->connect, &s->tcp, &addr->sock.any, on_connected);
    if (status != 0) {
        close_server(s);
        return judge_connect(status);
    }
    uv_tcp_nodelay(&s->tcp, 1);
    *out = s;
    return ERR_OK;
}

static enum err ask_tcp(struct net *n, struct out_ask *ask, uint64_t deadline_ms,
                        uint64_t after_ms)
{
    uint64_t now_ms = now_mono_ms();
    struct server *s = find_server(n, ask, after_ms);
    bool is_reused = s && s->is_connected;
    enum err err = s ? ERR_OK : new_server(n, ask, &s);

    if (err)
        return err;
    struct tcp_ask *t = calloc(1, sizeof(*t));
    if (!t)
        return ERR_NOMEM;
    util_put_u16(t->wire, (uint16_t)ask->len);
    memcpy(t->wire + 2, ask->wire, ask->len);
    t->len = 2 + ask->len;
    t->ask = ask;
    t->server = s;
    t->is_reused = is_reused;
    t->deadline_ms = t->look_ms = deadline_ms;
    t->asked_ms = now_ms;
    if (is_reused)
        t->look_ms = util_min(deadline_ms, now_ms + TCP_DOUBT_MS);
    if (s->is_connected && !write_ask(t)) {
        free(t);
        s->is_stale = true;
        return is_reused ? ask_tcp(n, ask, deadline_ms, now_ms) : ERR_IO;
    }
    ask->slot = t;
    s->ask_cnt++;
    s->due++;
    list_add(&s->asks, &t->link);
    add_deadline(n, n->tcp_wheel, &t->timer, t->look_ms);
    return ERR_OK;
}

/* ---- time ---- */

static void expire_udp(struct list *slot, uint64_t now_ms)
{
    struct list *next;
    for (struct list *l = slot->next; l != slot; l = next) {
        struct socket_slot *s = container_of(l, struct socket_slot, link);
        struct out_ask *ask = s->ask;
        next = l->next;
        if (s->deadline_ms > now_ms)
            continue;
        release(s);
        ask->done(ask, OUT_TIMEOUT, NULL);
    }
}

/* A query waits on a kept connection.  If nothing came on it for a while, it may be dead
 * without a sign: the query moves to a new connection with what is left of its time.  Else look
 * again later. */
static void doubt(struct tcp_ask *t, uint64_t now_ms)
{
    struct server *s = t->server;
    struct net *n = s->net;
    uint64_t heard_ms = util_max(s->heard_ms, t->asked_ms), deadline_ms = t->deadline_ms;

    if (heard_ms + TCP_DOUBT_MS > now_ms) {
        t->look_ms = util_min(deadline_ms, heard_ms + TCP_DOUBT_MS);
        list_remove(&t->timer);
        list_add(&n->tcp_wheel[(t->look_ms / TICK_MS) % WHEEL], &t->timer);
        return;
    }
    s->is_stale = true;
    uint64_t asked_ms = t->asked_ms;
    struct out_ask *ask = detach(t);
    if (ask_tcp(n, ask, deadline_ms, asked_ms) != ERR_OK)
        ask->done(ask, OUT_FAILED, NULL);
}

static void expire_tcp(struct list *slot, uint64_t now_ms)
{
    struct list *next;
    for (struct list *l = slot->next; l != slot; l = next) {
        struct tcp_ask *t = container_of(l, struct tcp_ask, timer);
        next = l->next;
        if (t->look_ms > now_ms)
            continue;
        if (t->deadline_ms > now_ms) {
            doubt(t, now_ms);
            continue;
        }
        t->server->is_stale |= t->server->heard_ms + t->ask->timeout_ms < now_ms;
        struct out_ask *ask = detach(t);
        ask->done(ask, OUT_TIMEOUT, NULL);
    }
}

static void close_idle_servers(struct net *n, uint64_t now_ms)
{
    struct list *next;
    for (struct list *l = n->servers.next; l != &n->servers; l = next) {
        struct server *s = container_of(l, struct server, link);
        next = l->next;
        if (s->ask_cnt == 0 && (s->is_stale || now_ms - s->used_ms > TCP_IDLE_MS))
            close_server(s);
    }
}

/* The first slot that has a query. */
static uint64_t next_deadline(const struct net *n)
{
    uint64_t first = n->wheel_ms / TICK_MS;

    for (uint64_t at = first; at < first + WHEEL; at++)
        if (!list_is_empty(&n->wheel[at % WHEEL]) || !list_is_empty(&n->tcp_wheel[at % WHEEL]))
            return at * TICK_MS;
    return (first + WHEEL) * TICK_MS;
}

static void tick(uv_timer_t *timer)
{
    struct net *n = timer->data;
    uint64_t now_ms = now_mono_ms();

    n->is_ticking = true;
    /* every slot once is enough, however late we are */
    uint64_t from_ms = now_ms - n->wheel_ms > (uint64_t)TICK_MS * WHEEL
                           ? now_ms - (uint64_t)TICK_MS * WHEEL
                           : n->wheel_ms;

    for (uint64_t at = from_ms / TICK_MS; at <= now_ms / TICK_MS; at++) {
        expire_udp(&n->wheel[at % WHEEL], now_ms);
        expire_tcp(&n->tcp_wheel[at % WHEEL], now_ms);
    }
    n->wheel_ms = now_ms;
    close_idle_servers(n, now_ms);
    free_spent(n);
    n->out.settle(n->out.data);
    n->is_ticking = false;
    if (n->open_cnt > 0)
        arm(n, next_deadline(n));
    else if (n->server_cnt > 0)
        uv_timer_start(&n->tick, tick, TCP_IDLE_MS, 0);
}

/* ---- the table ---- */

static enum err ask(struct out *out, struct out_ask *a)
{
    struct net *n = net_of(out);
    return a->is_tcp ? ask_tcp(n, a, now_mono_ms() + a->timeout_ms, 0) : ask_udp(n, a);
}

static void cancel(struct out *out, struct out_ask *a)
{
    (void)out;
    if (!a->slot)
        return;
    if (a->is_tcp) {
        detach(a->slot);
    } else {
        release(a->slot);
    }
}

static void on_closed(uv_handle_t *handle) { free_if_last(handle->data); }

enum err out_net_new(uv_loop_t *loop, const struct out_net_sources *sources, struct out **out)
{
    struct net *n = calloc(1, sizeof(*n));

    if (!n)
        return ERR_NOMEM;
    n->out = (struct out){.ask = ask, .cancel = cancel};
    n->loop = loop;
    list_init(&n->idle[0]);
    list_init(&n->idle[1]);
    list_init(&n->servers);
    list_init(&n->spent);
    n->ports = sources->ports;
    n->most = sources->most;
    rng_init(&n->rng);
    for (size_t i = 0; i < WHEEL; i++) {
        list_init(&n->wheel[i]);
        list_init(&n->tcp_wheel[i]);
    }
    for (size_t i = 0; i < sources->cnt; i++) {
        n->source[addr_is_v6(&sources->at[i])] = sources->at[i];
        n->has_source[addr_is_v6(&sources->at[i])] = true;
    }
    n->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (n->epoll < 0 || uv_poll_init(loop, &n->poll, n->epoll) != 0) {
        if (n->epoll >= 0)
            close(n->epoll);
        free(n);
        return ERR_IO;
    }
    uv_timer_init(loop, &n->tick);
    n->poll.data = n->tick.data = n;
    n->handle_cnt = 2;
    uv_poll_start(&n->poll, UV_READABLE, on_readable);
    *out = &n->out;
    return ERR_OK;
}

void out_net_close(struct out **out)
{
    if (!*out)
        return;
    struct net *n = net_of(*out);
    *out = NULL;
    n->is_closing = true;
    while (!list_is_empty(&n->servers))
        close_server(container_of(n->servers.next, struct server, link));
    uv_close((uv_handle_t *)&n->poll, on_closed);
    uv_close((uv_handle_t *)&n->tick, on_closed);
}
