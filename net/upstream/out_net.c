/* All UDP sockets of a worker are in an epoll set of their own: libuv watches one descriptor,
 * and a query costs connect, send, recv and a disconnect.  ICMP errors are ignored, because
 * anyone can forge them (docs/LIMITS.md section 1: SAD DNS, TuDoor). */
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
    IDLE_SOCKETS_MAX = 1024, /* idle UDP sockets kept per worker */
    EVENTS = 128,
    UDP_REPLY_MAX = 4096 + 1, /* one more octet than was advertised */
    TCP_IDLE_MS = 5000,
    TCP_SILENT_MS = 1000,  /* silence on a reused connection after which a new one is tried */
    TCP_QUERIES_MAX = 200, /* open queries of one connection */
    TCP_SERVERS_MAX = 1000,
    TLS_CHUNK = 65536,
    DRAIN_MAX = 64, /* datagrams that are read from a fixed port in one turn */
    ENDED_KEPT = 64,
    TICK_MS = 5,
    /* Slots of TICK_MS, about 5 s in all; later deadlines wait for another round. */
    WHEEL = 1024,
    IP_PMTUDISC_OMIT_MODE = 5 /* RFC 8085 3.2: ignore path MTU from ICMP */
};

/* A UDP socket and its current query.  Lifetime: worker. */
struct socket_slot {
    struct list link; /* net->idle_slots[family] or a slot of the wheel */
    int fd;
    bool is_v6;
    struct out_ask *ask;
    uint64_t deadline_ms;
    bool is_once;             /* bound to a port that we drew: closed with its query */
    struct fixed_port *fixed; /* laboratory: its query uses that socket, and `fd` is -1 */
    struct list sharing;      /* fixed->slots */
    struct addr last_to;      /* the previous query: a duplicate of its reply may be queued */
    uint8_t last_id[2];
    struct net *net;
};

/* Laboratory: the one socket of all queries over UDP of a family, with the port that they leave
 * from.  Lifetime: worker. */
struct fixed_port {
    struct socket_slot *socket; /* NULL: no query has needed it yet */
    struct list slots;          /* of the open queries: struct socket_slot.sharing */
    struct ended_query {
        struct addr to;
        uint8_t id[2];
    } ended[ENDED_KEPT]; /* the last queries: a late reply or a duplicate is no attack */
    unsigned ended_cnt;
};

/* A TCP or TLS connection to a server.  Lifetime: until libuv has closed the handle. */
struct server {
    uv_tcp_t tcp;
    uv_connect_t connect;
    struct list link; /* net->servers */
    struct list asks; /* struct tcp_ask */
    unsigned ask_cnt;
    int pending_cnt; /* queries sent, less messages received */
    struct addr addr;
    struct net *net;
    struct tls_client *tls_client; /* NULL: without TLS */
    struct tls *tls;
    unsigned generation; /* of tls_client, when the connection was opened */
    uint8_t *in;         /* received octets, at most MESSAGE_MAX + 2 */
    size_t in_len;
    uint64_t used_ms;     /* when a query was last answered, at first when it was opened */
    uint64_t received_ms; /* when octets were last received */
    uint64_t since_ms;    /* when it was opened */
    enum out_fault fault; /* why it was or will be closed */
    bool is_connected, is_closing;
    /* Silent for the whole timeout of a query: it gets no more queries. */
    bool is_silent;
};

/* A query on a connection, or waiting until that is open. */
struct tcp_ask {
    struct list link;  /* server->asks */
    struct list timer; /* in a slot of net->tcp_wheel */
    struct out_ask *ask;
    struct server *server;
    uint64_t deadline_ms;
    uint64_t sent_ms; /* when it was put on this connection */
    /* When to check it: at the deadline, or earlier on a reused connection. */
    uint64_t check_ms;
    uv_write_t write;
    uint8_t wire[2 + QUERY_MAX];
    size_t len;
    bool is_reused;  /* the connection is older than the query */
    bool is_writing; /* libuv is writing it: freed afterwards */
};

/* Lifetime: worker. */
struct net {
    struct out out;
    uv_loop_t *loop;
    uv_poll_t poll;
    uv_timer_t timer;
    uint64_t armed_ms; /* when `timer` fires */
    bool is_ticking;
    int epoll;
    struct list idle_slots[2];
    struct list closed_slots; /* of closed sockets; freed when no event can refer to them */
    const struct ports *ports;
    const atomic_bool *is_halted;
    struct rng rng;
    struct list wheel[WHEEL], tcp_wheel[WHEEL];
    uint64_t wheel_ms; /* deadlines up to this time were checked */
    size_t open_cnt;   /* open queries */
    size_t most;       /* limit of socket_cnt and server_cnt together */
    size_t socket_cnt; /* open UDP sockets */
    size_t idle_cnt;
    struct list servers;
    size_t server_cnt;
    bool is_closing;
    struct buffer sealed; /* records to be sent, of the current call */
    uint8_t *chunk;       /* TLS_CHUNK sealed octets; NULL until the first TLS connection */
    struct addr source[2];
    bool has_source[2];
    struct fixed_port fixed[2]; /* by family */
    uint16_t fixed_port;
    unsigned handle_cnt;
    uint8_t buffer[UDP_REPLY_MAX];
};

static bool is_net_halted(const struct net *n)
{
    return atomic_load_explicit(n->is_halted, memory_order_relaxed);
}

static struct net *get_net(struct out *out) { return container_of(out, struct net, out); }

/* ---- deadlines ---- */

static void on_deadline(uv_timer_t *timer);

/* Fire when the whole slot of `at_ms` is over: a timer that fires too early costs as much as a
 * query. */
static void start_deadline_timer(struct net *n, uint64_t at_ms)
{
    uint64_t now_ms = now_mono_ms();

    n->armed_ms = (at_ms / TICK_MS + 1) * TICK_MS;
    uv_timer_start(&n->timer, on_deadline, n->armed_ms > now_ms ? n->armed_ms - now_ms : 1, 0);
}

static void add_deadline(struct net *n, struct list *wheel, struct list *link, uint64_t at_ms)
{
    list_add(&wheel[(at_ms / TICK_MS) % WHEEL], link);
    if (n->open_cnt++ == 0) {
        n->wheel_ms = now_mono_ms();
        n->armed_ms = UINT64_MAX;
    }
    if (at_ms < n->armed_ms && !n->is_ticking)
        start_deadline_timer(n, at_ms);
}

static void remove_deadline(struct net *n, struct list *link)
{
    list_remove(link);
    if (--n->open_cnt > 0 || n->is_ticking)
        return;
    if (n->server_cnt > 0) /* idle connections are closed later */
        uv_timer_start(&n->timer, on_deadline, TCP_IDLE_MS, 0);
    else
        uv_timer_stop(&n->timer);
}

/* ---- UDP ---- */

static bool make_socket_room(struct net *n);

static struct socket_slot *open_udp_socket(struct net *n, bool is_v6)
{
    int mode = IP_PMTUDISC_OMIT_MODE, on = 1;
    struct socket_slot *s = make_socket_room(n) ? calloc(1, sizeof(*s)) : NULL;

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

static bool watch_udp_socket(struct net *n, struct socket_slot *s)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = s}};
    return epoll_ctl(n->epoll, EPOLL_CTL_ADD, s->fd, &event) == 0;
}

/* Close a socket.  It is freed later: an event that was already read may refer to it. */
static void close_udp_socket(struct net *n, struct socket_slot *s)
{
    close(s->fd);
    s->net->socket_cnt--;
    s->fd = -1;
    s->ask = NULL;
    list_remove(&s->link);
    list_add(&n->closed_slots, &s->link);
}

static void free_closed_sockets(struct net *n)
{
    while (!list_is_empty(&n->closed_slots)) {
        struct socket_slot *s = container_of(n->closed_slots.next, struct socket_slot, link);
        list_remove(&s->link);
        free(s);
    }
}

/* Free a socket that sent no query: no event can refer to it. */
static void free_unused_socket(struct net *n, struct socket_slot *s)
{
    close(s->fd);
    free(s);
    n->socket_cnt--;
}

/* Return the socket that has been idle longest, or NULL. */
static struct socket_slot *take_idle_socket(struct net *n, bool is_v6)
{
    struct list *idle_slots = &n->idle_slots[is_v6];

    if (list_is_empty(idle_slots))
        return NULL;
    struct socket_slot *s = container_of(idle_slots->next, struct socket_slot, link);
    list_remove(&s->link);
    n->idle_cnt--;
    return s;
}

static struct socket_slot *new_pooled_socket(struct net *n, bool is_v6)
{
    int on = 1;
    struct socket_slot *s = open_udp_socket(n, is_v6);

    if (!s)
        return NULL;
    /* connect draws the port, among those that are free towards that server */
    bool works = !n->ports->is_narrowed || ports_narrow(n->ports, s->fd);
    if (works && n->has_source[is_v6]) {
        (void)setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
        works = bind(s->fd, &n->source[is_v6].sock.any, addr_len(&n->source[is_v6])) == 0;
    }
    if (works && watch_udp_socket(n, s))
        return s;
    free_unused_socket(n, s);
    return NULL;
}

/* Open a socket on a port that the kernel would not draw.  Until it is connected it receives
 * datagrams from any source; match_reply rejects them. */
static struct socket_slot *new_bound_socket(struct net *n, bool is_v6)
{
    struct addr from = n->source[is_v6];
    struct socket_slot *s = open_udp_socket(n, is_v6);

    if (!s)
        return NULL;
    from.sock.any.sa_family = is_v6 ? AF_INET6 : AF_INET;
    s->is_once = true;
    for (int i = 0; i < OUT_NET_BIND_TRIES; i++) {
        addr_set_port(&from, n->ports->bound[rng_below(&n->rng, n->ports->bound_cnt)]);
        if (bind(s->fd, &from.sock.any, addr_len(&from)) == 0)
            return s;
        if (errno != EADDRINUSE && errno != EACCES)
            break;
    }
    free_unused_socket(n, s);
    return NULL;
}

/* Draw each port with the same probability, whether the kernel or we draw it. */
static struct socket_slot *choose_socket(struct net *n, const struct out_ask *ask)
{
    bool is_v6 = addr_is_v6(&ask->match.to);

    if (rng_below(&n->rng, ports_cnt(n->ports)) >= n->ports->kernel_cnt)
        return new_bound_socket(n, is_v6);
    struct socket_slot *s = take_idle_socket(n, is_v6);
    return s ? s : new_pooled_socket(n, is_v6);
}

/* Disconnect from the server and give up the port: an idle socket must not occupy one that
 * others could draw. */
static bool disconnect_socket(const struct socket_slot *s)
{
    static const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    return connect(s->fd, &nowhere, sizeof(nowhere)) == 0;
}

/* RFC 5452 9.2: every query has a new port, drawn by the kernel. */
static enum err connect_socket(struct net *n, struct socket_slot *s, const struct out_ask *ask)
{
    const struct addr *to = &ask->match.to;

    /* laboratory: for a connected socket the kernel would check the source */
    if (!ask->match.checks_source || connect(s->fd, &to->sock.any, addr_len(to)) == 0)
        return !s->is_once || watch_udp_socket(n, s) ? ERR_OK : ERR_LIMIT;
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

/* Return a socket to the pool, or close it. */
static void return_socket(struct net *n, struct socket_slot *s)
{
    if (s->is_once || n->idle_cnt >= IDLE_SOCKETS_MAX || !disconnect_socket(s)) {
        close_udp_socket(n, s);
        return;
    }
    n->idle_cnt++;
    list_add(&n->idle_slots[s->is_v6], &s->link);
}

/* ---- laboratory: one port for all queries ---- */

static struct socket_slot *open_fixed_port(struct net *n, bool is_v6)
{
    struct fixed_port *fixed = &n->fixed[is_v6];
    struct addr from = n->source[is_v6];

    if (fixed->socket)
        return fixed->socket;
    struct socket_slot *s = open_udp_socket(n, is_v6);
    if (!s)
        return NULL;
    from.sock.any.sa_family = is_v6 ? AF_INET6 : AF_INET;
    addr_set_port(&from, n->fixed_port);
    s->fixed = fixed;
    if (bind(s->fd, &from.sock.any, addr_len(&from)) == 0 && watch_udp_socket(n, s)) {
        fixed->socket = s;
        return s;
    }
    free_unused_socket(n, s);
    return NULL;
}

/* Make a slot for a query that shares the socket of the fixed port. */
static struct socket_slot *share_fixed_port(struct net *n, bool is_v6)
{
    struct socket_slot *s = open_fixed_port(n, is_v6) ? calloc(1, sizeof(*s)) : NULL;

    if (!s)
        return NULL;
    s->fd = -1;
    s->is_v6 = is_v6;
    s->net = n;
    s->fixed = &n->fixed[is_v6];
    list_init(&s->link);
    list_add(&s->fixed->slots, &s->sharing);
    return s;
}

static void leave_fixed_port(struct socket_slot *s)
{
    list_remove(&s->sharing);
    free(s);
}

static void note_ended(struct fixed_port *fixed, const struct out_ask *ask)
{
    struct ended_query *ended = &fixed->ended[fixed->ended_cnt++ % ENDED_KEPT];

    ended->to = ask->match.to;
    memcpy(ended->id, ask->wire, sizeof(ended->id));
}

static bool has_ended(const struct fixed_port *fixed, const struct addr *from,
                      const uint8_t *wire)
{
    for (size_t i = 0; i < util_min(fixed->ended_cnt, ENDED_KEPT); i++)
        if (memcmp(fixed->ended[i].id, wire, sizeof(fixed->ended[i].id)) == 0 &&
            addr_is_equal(&fixed->ended[i].to, from))
            return true;
    return false;
}

/* Return the query that a datagram is most likely meant for: one with its ID and its question,
 * else with one of them, else any to that server.  NULL: there is none, or the datagram replies
 * to a query that has ended. */
static struct socket_slot *find_sharing(const struct fixed_port *fixed, const struct addr *from,
                                        const uint8_t *wire, size_t len)
{
    struct socket_slot *best = NULL;
    unsigned most = 0;

    list_for_each(struct socket_slot, s, &fixed->slots, sharing) {
        const struct match *m = &s->ask->match;
        if (m->checks_source && !addr_is_equal(&m->to, from))
            continue;
        bool has_id = len >= MESSAGE_HEADER_LEN && memcmp(wire, m->wire, 2) == 0;
        bool has_name = len >= MESSAGE_HEADER_LEN + m->question_len &&
                        util_is_same(wire + MESSAGE_HEADER_LEN, m->wire + MESSAGE_HEADER_LEN,
                                     m->question_len - 4);
        unsigned likeness = 1U + has_id + has_name;
        if (likeness <= most)
            continue;
        most = likeness;
        best = s;
    }
    bool may_be_late = most < 3 && len >= 2 && has_ended(fixed, from, wire);
    return may_be_late ? NULL : best;
}

/* ---- the use of a socket ---- */

/* Return the descriptor that the query of a slot is sent from. */
static int socket_of(const struct socket_slot *s)
{
    return s->fixed ? s->fixed->socket->fd : s->fd;
}

/* End the use of a socket by its query. */
static void release_socket(struct socket_slot *s)
{
    struct out_ask *ask = s->ask;

    remove_deadline(s->net, &s->link);
    ask->slot = NULL;
    if (s->fixed) {
        note_ended(s->fixed, ask);
        leave_fixed_port(s);
        return;
    }
    s->last_to = ask->match.to;
    memcpy(s->last_id, ask->wire, sizeof(s->last_id));
    s->ask = NULL;
    return_socket(s->net, s);
}

/* End the use of a socket that sent nothing. */
static void give_up_socket(struct net *n, struct socket_slot *s)
{
    if (s->fixed)
        leave_fixed_port(s);
    else
        s->is_once ? free_unused_socket(n, s) : return_socket(n, s);
}

/* The first send may report a pending error instead of sending. */
static enum err send_udp_query(const struct socket_slot *s, const struct out_ask *ask)
{
    bool is_connected = ask->match.checks_source && !s->fixed;
    const struct sockaddr *to = is_connected ? NULL : &ask->match.to.sock.any;
    socklen_t to_len = to ? addr_len(&ask->match.to) : 0;

    for (int i = 0; i < 2; i++)
        if (sendto(socket_of(s), ask->wire, ask->len, MSG_DONTWAIT, to, to_len) >= 0 ||
            errno == EAGAIN)
            return ERR_OK;
    return !is_connected && errno == ENETUNREACH ? ERR_IO : ERR_DENIED;
}

static enum err send_over_udp(struct net *n, struct out_ask *ask)
{
    if (is_net_halted(n))
        return ERR_DENIED;
    struct socket_slot *s = ask->is_port_fixed ? share_fixed_port(n, addr_is_v6(&ask->match.to))
                                               : choose_socket(n, ask);
    if (!s)
        return ERR_LIMIT;
    enum err err = s->fixed ? ERR_OK : connect_socket(n, s, ask);
    if (!err)
        err = send_udp_query(s, ask);
    if (err) {
        give_up_socket(n, s);
        return err;
    }
    if (ask->wants_from) {
        socklen_t len = sizeof(ask->from.sock);
        (void)getsockname(socket_of(s), &ask->from.sock.any, &len);
    }
    s->ask = ask;
    s->deadline_ms = now_mono_ms() + ask->timeout_ms;
    ask->slot = s;
    add_deadline(n, n->wheel, &s->link, s->deadline_ms);
    return ERR_OK;
}

/* True for a duplicate of the reply to the socket's previous query: networks duplicate
 * datagrams.  Nothing else of another server can be queued, because a connected socket receives
 * from its peer only. */
static bool is_duplicate_reply(const struct socket_slot *s, const struct addr *from,
                               const uint8_t *wire, size_t len)
{
    bool is_other = !addr_is_equal(&s->ask->match.to, &s->last_to);
    return s->last_to.sock.any.sa_family && addr_is_equal(from, &s->last_to) &&
           (is_other ||
            (len >= sizeof(s->last_id) && memcmp(wire, s->last_id, sizeof(s->last_id)) == 0 &&
             memcmp(wire, s->ask->wire, sizeof(s->last_id)) != 0));
}

/* Process the datagram in the buffer as a reply to the query of a slot. */
static void accept_datagram(struct net *n, struct socket_slot *s, const struct addr *from,
                            size_t len)
{
    struct out_ask *ask = s->ask;
    struct message reply;
    enum match_verdict verdict = match_reply(&ask->match, from, n->buffer, len, &reply);

    if (verdict == MATCH_OK) {
        release_socket(s);
        ask->done(ask, OUT_REPLY, &reply);
        return;
    }
    struct out_rejected rejected = {verdict, from, n->buffer, len};
    ask->rejected(ask, &rejected);
    if (!ask->ignores_mismatch) {
        release_socket(s);
        ask->done(ask, OUT_MISMATCH, NULL);
    }
}

/* Receive one datagram.  The socket is reported again if there are more.  False: there is none.
 */
static bool receive_reply(struct net *n, struct socket_slot *s)
{
    struct addr from = {0};
    socklen_t from_len = sizeof(from.sock);
    ssize_t got =
        recvfrom(s->fd, n->buffer, sizeof(n->buffer), MSG_DONTWAIT, &from.sock.any, &from_len);

    if (got < 0)
        return false; /* an ICMP error, or nothing */
    if (s->fixed)
        s = find_sharing(s->fixed, &from, n->buffer, (size_t)got);
    if (s && s->ask && (s->fixed || !is_duplicate_reply(s, &from, n->buffer, (size_t)got)))
        accept_datagram(n, s, &from, (size_t)got);
    return true; /* without a query: a duplicate, or a reply after the timeout */
}

static void on_replies(uv_poll_t *poll, int status, int events)
{
    struct net *n = poll->data;
    struct epoll_event ready[EVENTS];
    int cnt;

    (void)status;
    (void)events;
    cnt = epoll_wait(n->epoll, ready, EVENTS, 0);
    for (int i = 0; i < cnt; i++) {
        struct socket_slot *s = ready[i].data.ptr;
        for (int more = s->fixed ? DRAIN_MAX : 1; more > 0; more--)
            if (s->fd < 0 /* closed in this turn */ || !receive_reply(n, s))
                break;
    }
    free_closed_sockets(n);
    if (cnt > 0)
        n->out.settle(n->out.data);
}

/* ---- TCP ---- */

static bool close_idle_socket(struct net *n)
{
    struct socket_slot *s = take_idle_socket(n, false);

    if (!s)
        s = take_idle_socket(n, true);
    if (s)
        close_udp_socket(n, s);
    return s;
}

static void free_closed_net(struct net *n)
{
    if (--n->handle_cnt > 0)
        return;
    while (close_idle_socket(n))
        ;
    for (size_t i = 0; i < ARRAY_LEN(n->fixed); i++)
        if (n->fixed[i].socket)
            close_udp_socket(n, n->fixed[i].socket);
    free_closed_sockets(n);
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
    free_closed_net(n);
}

/* Remove a query from its connection and free it, unless libuv is writing it. */
static struct out_ask *detach_query(struct tcp_ask *t)
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

static enum err send_over_tcp(struct net *n, struct out_ask *ask, uint64_t deadline_ms,
                              uint64_t after_ms);

/* Close a connection.  Its queries fail, or are sent once more if they had reused it. */
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
        uint64_t deadline_ms = t->deadline_ms, after_ms = t->sent_ms;
        struct out_ask *ask = detach_query(t);
        /* RFC 7766 6.2.4: the server may have closed it for being idle before the query arrived
         */
        if (is_reused && send_over_tcp(s->net, ask, deadline_ms, after_ms) == ERR_OK)
            continue;
        ask->verify_error = s->tls ? tls_verify_error(s->tls) : "";
        ask->fault = s->fault ? s->fault : OUT_FAULT_CLOSED;
        ask->done(ask, OUT_FAILED, NULL);
    }
}

/* Close the connection if libuv could not write to it. */
static void close_after_write(struct server *s, int status)
{
    struct net *n = s->net;

    if (status >= 0 || s->is_closing)
        return;
    close_server(s);
    n->out.settle(n->out.data);
}

static void on_query_written(uv_write_t *write, int status)
{
    struct tcp_ask *t = write->data;
    struct server *s = t->server;

    t->is_writing = false;
    if (!t->ask)
        free(t);
    close_after_write(s, status);
}

/* Records that libuv is writing.  Lifetime: until they are written. */
struct sealed_write {
    uv_write_t write;
    struct server *server;
    struct buffer octets;
};

static void on_records_written(uv_write_t *write, int status)
{
    struct sealed_write *w = container_of(write, struct sealed_write, write);
    struct server *s = w->server;

    buffer_fini(&w->octets);
    free(w);
    close_after_write(s, status);
}

/* Send the records in net->sealed.  False: the connection must be closed. */
static bool send_records(struct server *s)
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
    if (uv_write(&w->write, (uv_stream_t *)&s->tcp, &buf, 1, on_records_written) == 0)
        return true;
    buffer_fini(&w->octets);
    free(w);
    return false;
}

static bool write_query(struct tcp_ask *t)
{
    struct server *s = t->server;

    if (is_net_halted(s->net))
        return false;
    if (s->tls) {
        bool is_written = tls_write(s->tls, t->wire, t->len, &s->net->sealed);
        if (!is_written)
            s->net->sealed.len = 0; /* no other connection may send them */
        return is_written && send_records(s);
    }

    uv_buf_t buf = uv_buf_init((char *)t->wire, (unsigned)t->len);
    t->write.data = t;
    if (uv_write(&t->write, (uv_stream_t *)&t->server->tcp, &buf, 1, on_query_written) != 0)
        return false;
    t->is_writing = true;
    return true;
}

/* Return the query with the ID of a reply, or NULL. */
static struct tcp_ask *find_query_by_id(struct server *s, const uint8_t *wire)
{
    list_for_each(struct tcp_ask, t, &s->asks, link) {
        if (memcmp(t->ask->wire, wire, 2) == 0)
            return t;
    }
    return NULL;
}

/* True if a message without a query may be the reply to a cancelled one.  It cannot be if no
 * query is open, or if more messages arrived than queries were sent. */
static bool may_be_cancelled(const struct server *s)
{
    return s->ask_cnt > 0 && s->pending_cnt >= -OUT_NET_EXTRA_MESSAGES;
}

/* Process a whole message.  False if it is invalid: the connection must be closed. */
static bool accept_message(struct server *s, uint8_t *wire, size_t len)
{
    struct message reply;
    struct tcp_ask *t = len >= 2 ? find_query_by_id(s, wire) : NULL;

    s->pending_cnt--;
    if (!t)
        return len >= 2 && may_be_cancelled(s);
    struct out_ask *ask = t->ask;
    enum match_verdict verdict = match_reply(&ask->match, &s->addr, wire, len, &reply);
    struct out_rejected rejected = {verdict, &s->addr, wire, len};
    if (verdict != MATCH_OK)
        ask->rejected(ask, &rejected);
    if (verdict == MATCH_QUESTION && reply.has_question)
        return may_be_cancelled(s); /* the reply to a cancelled query with the same ID */
    detach_query(t);
    s->used_ms = now_mono_ms();
    ask->fault = OUT_FAULT_BROKEN;
    ask->done(ask, verdict == MATCH_OK ? OUT_REPLY : OUT_FAILED, &reply);
    return true;
}

static void alloc_server_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct server *s = handle->data;
    (void)suggested;
    if (s->tls)
        *buf = uv_buf_init((char *)s->net->chunk, TLS_CHUNK);
    else
        *buf = uv_buf_init((char *)s->in + s->in_len, (unsigned)(MESSAGE_MAX + 2 - s->in_len));
}

/* Process the whole messages received.  False if one is invalid. */
static bool accept_messages(struct server *s)
{
    size_t pos = 0;
    bool is_valid = true;

    while (is_valid && !s->is_closing && s->in_len - pos >= 2) {
        size_t len = util_get_u16(s->in + pos);
        if (s->in_len - pos - 2 < len)
            break;
        is_valid = accept_message(s, s->in + pos + 2, len);
        pos += len + 2;
    }
    if (!is_valid)
        s->fault = OUT_FAULT_BROKEN;
    memmove(s->in, s->in + pos, s->in_len - pos);
    s->in_len -= pos;
    return is_valid;
}

static bool write_waiting_queries(struct server *s)
{
    bool works = true;
    s->is_connected = true;
    list_for_each(struct tcp_ask, t, &s->asks, link) {
        works = write_query(t);
        if (!works)
            break;
    }
    return works;
}

/* Let the sink write behind the incomplete message in s->in. */
static void set_room(struct tls_sink *sink, const struct server *s)
{
    sink->plain = s->in + s->in_len;
    sink->size = MESSAGE_MAX + 2 - s->in_len;
}

static bool accept_opened(struct tls_sink *sink, size_t len)
{
    struct server *s = sink->data;
    bool is_sent = send_records(s);

    if (!is_sent ||
        (tls_state(s->tls) == TLS_OPEN && !s->is_connected && !write_waiting_queries(s)))
        return false;
    s->in_len += len;
    if (len > 0 && !accept_messages(s))
        return false;
    set_room(sink, s);
    return !s->is_closing;
}

/* Process `len` sealed octets, none at first.  False: the connection must be closed, if it is
 * not. */
static bool accept_records(struct server *s, const uint8_t *octets, size_t len)
{
    struct tls_sink sink = {.out = &s->net->sealed, .opened = accept_opened, .data = s};

    set_room(&sink, s);
    return tls_pump(s->tls, octets, len, &sink) &&
           (tls_state(s->tls) == TLS_OPENING || tls_state(s->tls) == TLS_OPEN);
}

static void on_server_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct server *s = stream->data;
    struct net *n = s->net;
    bool is_valid = got >= 0;

    if (s->is_closing)
        return;
    s->received_ms = now_mono_ms();
    if (got > 0 && s->tls) {
        is_valid = accept_records(s, (const uint8_t *)buf->base, (size_t)got);
    } else if (got > 0) {
        s->in_len += (size_t)got;
        is_valid = accept_messages(s);
    }
    if (!is_valid)
        close_server(s);
    n->out.settle(n->out.data);
}

static enum out_fault classify_connect_fault(int status)
{
    switch (status) {
    case UV_ECONNREFUSED: return OUT_FAULT_REFUSED;
    case UV_ENETUNREACH:
    case UV_EHOSTUNREACH: return OUT_FAULT_UNREACHABLE;
    case UV_ETIMEDOUT: return OUT_FAULT_TIMEOUT;
    default: return OUT_FAULT_NONE;
    }
}

static void on_server_connected(uv_connect_t *connect, int status)
{
    struct server *s = connect->data;
    struct net *n = s->net;
    bool works = status == 0 && !s->is_closing &&
                 uv_read_start((uv_stream_t *)&s->tcp, alloc_server_room, on_server_read) == 0;

    if (s->is_closing)
        return;
    s->fault = classify_connect_fault(status);
    if (works)
        works = s->tls ? accept_records(s, NULL, 0) : write_waiting_queries(s);
    if (!works)
        close_server(s);
    n->out.settle(n->out.data);
}

/* Find a connection for a query.  Open connections that were opened before `after_ms` are
 * skipped: they may be dead too. */
static struct server *find_server(struct net *n, const struct out_ask *ask, uint64_t after_ms)
{
    uint64_t now_ms = now_mono_ms();

    list_for_each(struct server, s, &n->servers, link) {
        if (s->is_connected && s->since_ms < after_ms)
            continue;
        bool is_fresh = s->ask_cnt > 0 || now_ms - s->used_ms <= TCP_IDLE_MS;
        /* RFC 7766 6.2.1: IDs on one connection differ */
        if (addr_is_equal(&s->addr, &ask->match.to) && s->tls_client == ask->tls &&
            (!ask->tls || s->generation == tls_client_generation(ask->tls)) &&
            s->ask_cnt < TCP_QUERIES_MAX && is_fresh && !s->is_silent &&
            !find_query_by_id(s, ask->wire))
            return s;
    }
    return NULL;
}

/* Close one connection without queries, if there is one. */
static void close_one_idle(struct net *n)
{
    list_for_each(struct server, s, &n->servers, link) {
        if (s->ask_cnt == 0) {
            close_server(s);
            return;
        }
    }
}

/* Begin TLS, if there is a client.  False if there is no memory. */
static bool begin_server_tls(struct server *s, struct tls_client *client)
{
    struct net *n = s->net;

    if (!client)
        return true;
    s->tls_client = client;
    s->generation = tls_client_generation(client);
    if (!n->chunk)
        n->chunk = malloc(TLS_CHUNK);
    return n->chunk && tls_connect(client, &s->tls) == ERR_OK;
}

/* Return the error of a connection that cannot be opened. */
static enum err classify_connect_error(int status)
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

/* Make room for one more socket, UDP or TCP, by closing an idle one.  False if there is none.
 */
static bool make_socket_room(struct net *n)
{
    if (n->socket_cnt + n->server_cnt >= n->most && !close_idle_socket(n))
        close_one_idle(n);
    return n->socket_cnt + n->server_cnt < n->most;
}

static enum err new_server(struct net *n, const struct out_ask *ask, struct server **out)
{
    const struct addr *addr = &ask->match.to;
    bool is_v6 = addr_is_v6(addr);

    if (n->server_cnt >= TCP_SERVERS_MAX)
        close_one_idle(n);
    if (n->server_cnt >= TCP_SERVERS_MAX || !make_socket_room(n))
        return ERR_LIMIT;
    struct server *s = calloc(1, sizeof(*s));
    if (s) {
        s->net = n;
        s->in = malloc(MESSAGE_MAX + 2);
    }
    if (!s || !s->in || !begin_server_tls(s, ask->tls)) {
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
        uv_tcp_init_ex(n->loop, &s->tcp, addr->sock.any.sa_family); /* creates the socket */
    if (status != 0) {
        free(s->in);
        tls_free(&s->tls);
        free(s);
        return classify_connect_error(status);
    }
    n->handle_cnt++;
    n->server_cnt++;
    list_add(&n->servers, &s->link);
    if (loop_admit((uv_handle_t *)&s->tcp) != ERR_OK)
        status = UV_ENOBUFS;
    else if (n->has_source[is_v6])
        status = uv_tcp_bind(&s->tcp, &n->source[is_v6].sock.any, 0);
    if (status == 0)
        status = uv_tcp_connect(&s->connect, &s->tcp, &addr->sock.any, on_server_connected);
    if (status != 0) {
        close_server(s);
        return classify_connect_error(status);
    }
    uv_tcp_nodelay(&s->tcp, 1);
    *out = s;
    return ERR_OK;
}

static enum err send_over_tcp(struct net *n, struct out_ask *ask, uint64_t deadline_ms,
                              uint64_t after_ms)
{
    if (is_net_halted(n))
        return ERR_DENIED;
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
    t->deadline_ms = t->check_ms = deadline_ms;
    t->sent_ms = now_ms;
    if (is_reused)
        t->check_ms = util_min(deadline_ms, now_ms + TCP_SILENT_MS);
    if (s->is_connected && !write_query(t)) {
        free(t);
        s->is_silent = true;
        return is_reused ? send_over_tcp(n, ask, deadline_ms, now_ms) : ERR_IO;
    }
    ask->slot = t;
    s->ask_cnt++;
    s->pending_cnt++;
    list_add(&s->asks, &t->link);
    add_deadline(n, n->tcp_wheel, &t->timer, t->check_ms);
    return ERR_OK;
}

/* ---- time ---- */

static void expire_udp(struct list *slot, uint64_t now_ms)
{
    list_for_each_safe(struct socket_slot, s, slot, link) {
        struct out_ask *ask = s->ask;
        if (s->deadline_ms > now_ms)
            continue;
        release_socket(s);
        ask->done(ask, OUT_TIMEOUT, NULL);
    }
}

/* Check a query on a reused connection.  If nothing was received for a while, the connection
 * may be dead without a sign: send the query on a new one, with the time it has left.  Else
 * check again later. */
static void check_silence(struct tcp_ask *t, uint64_t now_ms)
{
    struct server *s = t->server;
    struct net *n = s->net;
    uint64_t received_ms = util_max(s->received_ms, t->sent_ms), deadline_ms = t->deadline_ms;

    if (received_ms + TCP_SILENT_MS > now_ms) {
        t->check_ms = util_min(deadline_ms, received_ms + TCP_SILENT_MS);
        list_remove(&t->timer);
        list_add(&n->tcp_wheel[(t->check_ms / TICK_MS) % WHEEL], &t->timer);
        return;
    }
    s->is_silent = true;
    uint64_t sent_ms = t->sent_ms;
    struct out_ask *ask = detach_query(t);
    if (send_over_tcp(n, ask, deadline_ms, sent_ms) != ERR_OK)
        ask->done(ask, OUT_FAILED, NULL);
}

static void expire_tcp(struct list *slot, uint64_t now_ms)
{
    list_for_each_safe(struct tcp_ask, t, slot, timer) {
        if (t->check_ms > now_ms)
            continue;
        if (t->deadline_ms > now_ms) {
            check_silence(t, now_ms);
            continue;
        }
        t->server->is_silent |= t->server->received_ms + t->ask->timeout_ms < now_ms;
        struct out_ask *ask = detach_query(t);
        ask->done(ask, OUT_TIMEOUT, NULL);
    }
}

static void close_idle_servers(struct net *n, uint64_t now_ms)
{
    list_for_each_safe(struct server, s, &n->servers, link) {
        if (s->ask_cnt == 0 && (s->is_silent || now_ms - s->used_ms > TCP_IDLE_MS))
            close_server(s);
    }
}

/* Return the deadline of the first slot that has a query. */
static uint64_t next_deadline(const struct net *n)
{
    uint64_t first = n->wheel_ms / TICK_MS;

    for (uint64_t at = first; at < first + WHEEL; at++)
        if (!list_is_empty(&n->wheel[at % WHEEL]) || !list_is_empty(&n->tcp_wheel[at % WHEEL]))
            return at * TICK_MS;
    return (first + WHEEL) * TICK_MS;
}

static void on_deadline(uv_timer_t *timer)
{
    struct net *n = timer->data;
    uint64_t now_ms = now_mono_ms();

    n->is_ticking = true;
    /* check each slot once at most, however late the timer fired */
    uint64_t from_ms = now_ms - n->wheel_ms > (uint64_t)TICK_MS * WHEEL
                           ? now_ms - (uint64_t)TICK_MS * WHEEL
                           : n->wheel_ms;

    for (uint64_t at = from_ms / TICK_MS; at <= now_ms / TICK_MS; at++) {
        expire_udp(&n->wheel[at % WHEEL], now_ms);
        expire_tcp(&n->tcp_wheel[at % WHEEL], now_ms);
    }
    n->wheel_ms = now_ms;
    close_idle_servers(n, now_ms);
    free_closed_sockets(n);
    n->out.settle(n->out.data);
    n->is_ticking = false;
    if (n->open_cnt > 0)
        start_deadline_timer(n, next_deadline(n));
    else if (n->server_cnt > 0)
        uv_timer_start(&n->timer, on_deadline, TCP_IDLE_MS, 0);
}

/* ---- the table ---- */

static enum err start_query(struct out *out, struct out_ask *a)
{
    struct net *n = get_net(out);
    return a->is_tcp ? send_over_tcp(n, a, now_mono_ms() + a->timeout_ms, 0)
                     : send_over_udp(n, a);
}

static void cancel_query(struct out *out, struct out_ask *a)
{
    (void)out;
    if (!a->slot)
        return;
    if (a->is_tcp) {
        detach_query(a->slot);
    } else {
        release_socket(a->slot);
    }
}

static void on_net_closed(uv_handle_t *handle) { free_closed_net(handle->data); }

enum err out_net_new(uv_loop_t *loop, const struct out_net_sources *sources, struct out **out)
{
    struct net *n = calloc(1, sizeof(*n));

    if (!n)
        return ERR_NOMEM;
    n->out = (struct out){.ask = start_query, .cancel = cancel_query};
    n->loop = loop;
    list_init(&n->idle_slots[0]);
    list_init(&n->idle_slots[1]);
    list_init(&n->fixed[0].slots);
    list_init(&n->fixed[1].slots);
    n->fixed_port = sources->fixed_port;
    list_init(&n->servers);
    list_init(&n->closed_slots);
    n->ports = sources->ports;
    n->most = sources->most;
    n->is_halted = sources->is_halted;
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
    uv_timer_init(loop, &n->timer);
    n->poll.data = n->timer.data = n;
    n->handle_cnt = 2;
    uv_poll_start(&n->poll, UV_READABLE, on_replies);
    *out = &n->out;
    return ERR_OK;
}

void out_net_close(struct out **out)
{
    if (!*out)
        return;
    struct net *n = get_net(*out);
    *out = NULL;
    n->is_closing = true;
    while (!list_is_empty(&n->servers))
        close_server(container_of(n->servers.next, struct server, link));
    uv_close((uv_handle_t *)&n->poll, on_net_closed);
    uv_close((uv_handle_t *)&n->timer, on_net_closed);
}
