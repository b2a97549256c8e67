/* Connections are accepted here and not by libuv: one that exceeds a limit is closed at once,
 * and the socket never stops listening. */
#define _GNU_SOURCE
#include "net/transport/front_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/now.h"
#include "base/peak.h"
#include "net/request/client.h"
#include "net/transport/protocol_dns.h"
#include "net/transport/protocol_http.h"
#include "net/transport/stream.h"

enum {
    STREAM_TICK_MS = 250,
    BACKLOG = 511,
    COUNT_IN_TRIES = 3,
    ACCEPTS_PER_TURN = 64,
    LARGE = 65536, /* memory of one connection, in octets, that is worth freeing */
    MANY = 64,     /* a peak of connections after which memory is trimmed */
};

/* The layers of a kind of listener, from its row of stack.def. */
struct stack {
    enum exchange_transport transport;
    struct tls_server_alpn alpn; /* empty: without TLS */
    const struct stream_protocol *protocol;
    bool is_private; /* accepts loopback addresses and trusted proxies only */
};

static const struct stack stacks[] = {
#define EXCHANGE_STACK_ROW(id, key, name, port, has_udp, transport_, alpn_, protocol_, \
                           private_)                                                   \
    [EXCHANGE_STACK_##id] = {.transport = transport_,                                  \
                             .alpn = {alpn_, sizeof(alpn_) - 1},                       \
                             .protocol = &protocol_,                                   \
                             .is_private = private_},
#include "net/request/stack.def"
#undef EXCHANGE_STACK_ROW
};

/* Lifetime: worker. */
struct front_stream {
    struct stream_hub hub;
    const struct stack *stack;
    uv_poll_t listener;
    uv_timer_t tick;
    int fd, reserve;     /* a descriptor to close when there are no others */
    struct peak peak;    /* of open connections */
    unsigned handle_cnt; /* handles of this front that are not closed yet */
};

static void free_closed_front(struct front_stream *f)
{
    if (f->handle_cnt > 0 || f->hub.stream_cnt > 0 || f->hub.deferred_cnt > 0)
        return;
    stream_hub_fini(&f->hub);
    if (f->reserve >= 0)
        close(f->reserve);
    free(f);
}

static void on_stream_released(struct stream_hub *hub)
{
    free_closed_front(container_of(hub, struct front_stream, hub));
}

/* Close the connection that has been idle longest.  False if there is none besides `newest`. */
static bool close_idlest(struct front_stream *f, const struct stream *newest)
{
    list_for_each(struct stream, s, &f->hub.streams, link) {
        if (s == newest)
            continue;
        stream_close(s);
        return true;
    }
    return false;
}

/* Close the connection of this client that has been idle longest.  False if there is none. */
static bool close_idlest_of(struct front_stream *f, const struct addr *client)
{
    struct list *all = stream_clients(&f->hub, client);

    list_for_each(struct stream, s, all, of_client) {
        if (!client_is_same(&s->peer, client))
            continue; /* another client with the same hash */
        stream_close(s);
        return true;
    }
    return false;
}

/* Close a large connection that is still reading; comparing all of them is left to the timer.
 */
static void on_memory_full(struct stream *s)
{
    struct front_stream *f = container_of(s->hub, struct front_stream, hub);
    struct conn_limit *conn_limit = s->hub->settings->conn_limit;
    bool is_large = !s->is_closing && stream_memory(s) > LARGE;

    if (is_large)
        stream_close(s);
    if (is_large || (conn_limit_is_memory_overrun(conn_limit) && close_idlest(f, NULL)))
        conn_limit_count_closed(conn_limit, CONN_LIMIT_MEMORY_FULL);
}

/* Close the connection with the most memory, if it is large; a small one only beyond the limit
 * plus 25 %. */
static void close_fullest(struct front_stream *f)
{
    struct conn_limit *conn_limit = f->hub.settings->conn_limit;
    struct stream *most = NULL;
    size_t most_memory = LARGE;

    list_for_each(struct stream, s, &f->hub.streams, link) {
        size_t memory = stream_memory(s);
        if (memory > most_memory) {
            most = s;
            most_memory = memory;
        }
    }
    if (most)
        stream_close(most);
    if (most || (conn_limit_is_memory_overrun(conn_limit) && close_idlest(f, NULL)))
        conn_limit_count_closed(conn_limit, CONN_LIMIT_MEMORY_FULL);
}

/* Count a new connection in.  If a limit is reached, evict the connection that has been idle
 * longest, of the same client if that client is at its limit.  False: close the new one. */
static bool count_in(struct front_stream *f, struct stream *s)
{
    struct conn_limit *conn_limit = f->hub.settings->conn_limit;

    for (int tries = 0; tries < COUNT_IN_TRIES; tries++) {
        s->entry =
            conn_limit_enter(conn_limit, s->is_proxy ? NULL : &s->peer, f->hub.counted_cnt);
        s->is_counted = s->entry == CONN_LIMIT_SHARE || s->entry == CONN_LIMIT_POOL;
        f->hub.counted_cnt += s->is_counted;
        if (s->is_counted && !s->is_proxy)
            stream_list_client(s);
        if (s->is_counted)
            return true;
        conn_limit_count_closed(conn_limit, s->entry);
        if (tries + 1 == COUNT_IN_TRIES)
            break;
        bool was_evicted = s->entry == CONN_LIMIT_CLIENT_FULL ? close_idlest_of(f, &s->peer)
                                                              : close_idlest(f, s);
        if (!was_evicted)
            break;
    }
    return false;
}

static bool is_loopback(const struct addr *addr)
{
    size_t len;
    const uint8_t *octets = addr_bytes(addr, &len);
    return addr_is_v6(addr) ? IN6_IS_ADDR_LOOPBACK(&addr->sock.v6.sin6_addr) : octets[0] == 127;
}

static void on_front_tick(uv_timer_t *timer);

static void begin_stream(struct front_stream *f, int fd, const struct addr *peer)
{
    const struct exchange_settings *settings = f->hub.settings;
    bool is_proxy = addr_is_in(&settings->trusted_proxies, peer);

    if (f->stack->is_private && !is_proxy && !is_loopback(peer)) {
        close(fd);
        return;
    }
    struct stream *s = stream_new(&f->hub, fd, peer, f->stack->protocol);
    if (!s)
        return;
    if (!uv_is_active((uv_handle_t *)&f->tick))
        uv_timer_start(&f->tick, on_front_tick, STREAM_TICK_MS, STREAM_TICK_MS);
    s->is_proxy = is_proxy;
    if (!count_in(f, s) || (f->stack->alpn.len > 0 &&
                            stream_begin_tls(s, settings->tls, &f->stack->alpn) != ERR_OK))
        stream_close(s);
    else
        stream_work(s);
}

/* No descriptor is left: accept and close one connection with the reserved descriptor, or the
 * loop would report the socket as readable again and again. */
static void turn_one_away(struct front_stream *f)
{
    if (f->reserve >= 0)
        close(f->reserve);
    int fd = accept(f->fd, NULL, NULL);
    if (fd >= 0)
        close(fd);
    f->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Accept up to `max` connections. */
static void accept_connections(struct front_stream *f, int max)
{
    for (int i = 0; i < max; i++) {
        struct addr peer = {0};
        socklen_t len = sizeof(peer.sock);
        int fd = accept4(f->fd, &peer.sock.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC), on = 1;
        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (fd < 0 && (errno == EMFILE || errno == ENFILE))
            turn_one_away(f);
        if (fd < 0)
            continue; /* this one was aborted; others may be behind it */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        begin_stream(f, fd, &peer);
    }
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    accept_connections(poll->data, ACCEPTS_PER_TURN);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct front_stream *f = handle->data;
    close(f->fd);
    f->handle_cnt--;
    free_closed_front(f);
}

static void on_front_closed(uv_handle_t *handle)
{
    struct front_stream *f = handle->data;
    f->handle_cnt--;
    free_closed_front(f);
}

static void on_prepare_closed(uv_handle_t *handle)
{
    struct front_stream *f = container_of(handle->data, struct front_stream, hub);
    f->handle_cnt--;
    free_closed_front(f);
}

/* Call `look` for each connection; it may close this one and others. */
static void for_each_stream(struct front_stream *f,
                            void (*look)(struct stream *s, uint64_t now_ms, unsigned idle_ms))
{
    uint64_t now_ms = now_mono_ms();
    unsigned idle_ms = conn_limit_idle_ms(f->hub.settings->conn_limit);
    struct list all;

    list_take(&all, &f->hub.streams);
    while (!list_is_empty(&all)) {
        struct stream *s = container_of(all.next, struct stream, link);
        list_remove(&s->link);
        list_add(&f->hub.streams, &s->link);
        look(s, now_ms, idle_ms);
    }
}

static void on_front_tick(uv_timer_t *timer)
{
    struct front_stream *f = timer->data;

    for_each_stream(f, stream_tick);
    if (conn_limit_is_memory_full(f->hub.settings->conn_limit))
        close_fullest(f);
    peak_note(&f->peak, f->hub.stream_cnt, MANY);
    if (f->hub.stream_cnt == 0 && f->peak.most < MANY) /* an idle daemon has no timers */
        uv_timer_stop(timer);
    if (f->hub.is_draining && list_is_empty(&f->hub.streams) &&
        !uv_is_closing((uv_handle_t *)timer)) {
        uv_close((uv_handle_t *)timer, on_front_closed);
        uv_close((uv_handle_t *)&f->hub.prepare, on_prepare_closed);
    }
}

enum err front_stream_new(const struct front_parts *parts, int fd, enum exchange_stack stack,
                          struct front_stream **out)
{
    struct front_stream *f = calloc(1, sizeof(*f));

    if (f) {
        f->hub = (struct stream_hub){.loop = parts->loop,
                                     .settings = parts->settings,
                                     .service = parts->service,
                                     .engine = parts->engine,
                                     .idle_queue = parts->idle_queue,
                                     .transport = stacks[stack].transport,
                                     .on_released = on_stream_released,
                                     .on_memory_full = on_memory_full};
        f->stack = &stacks[stack];
        f->fd = fd;
    }
    if (!f || stream_hub_init(&f->hub) != ERR_OK) {
        free(f);
        close(fd);
        return ERR_NOMEM;
    }
    f->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (listen(fd, BACKLOG) != 0 || uv_poll_init(parts->loop, &f->listener, fd) != 0) {
        log_error("cannot listen on a TCP socket: %s", strerror(errno));
        close(fd);
        free_closed_front(f);
        return ERR_IO;
    }
    uv_timer_init(parts->loop, &f->tick);
    uv_prepare_init(parts->loop, &f->hub.prepare);
    f->listener.data = f->tick.data = f;
    f->hub.prepare.data = &f->hub;
    f->handle_cnt = 3;
    uv_poll_start(&f->listener, UV_READABLE, on_connection);
    *out = f;
    return ERR_OK;
}

static void drain_stream(struct stream *s, uint64_t now_ms, unsigned idle_ms)
{
    (void)now_ms;
    (void)idle_ms;
    stream_work(s);
}

void front_stream_close(struct front_stream **front, bool drains)
{
    struct front_stream *f = *front;

    if (!f)
        return;
    /* clients that have connected expect an answer, and closing the listener would reset them
     */
    if (drains)
        accept_connections(f, BACKLOG);
    uv_close((uv_handle_t *)&f->listener, on_listener_closed);
    f->hub.is_draining = true;
    f->hub.drain_until_ms = now_mono_ms() + STREAM_DRAIN_MS;
    for_each_stream(f, drain_stream);
    on_front_tick(&f->tick);
    *front = NULL;
}
