/* A connection keeps what is half read and what is half written, and nothing else.  Answers are
 * appended to its queue and leave in one write a turn; a client that does not read stops being
 * read. */
#define _GNU_SOURCE
#include "net/front_stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "base/now.h"
#include "net/intake.h"

enum { IN_FIRST = 2048, OUT_FIRST = 4096, TICK_MS = 250, BACKLOG = 511, ENTER_TRIES = 3 };

struct connection {
    uv_tcp_t tcp;
    struct list link; /* front->connections, the idlest first */
    struct front_stream *front;
    struct addr peer;
    uint64_t active_ms;  /* when a question was complete or an answer left */
    uint64_t partial_ms; /* when the message began that is still incomplete; 0: none is */
    uint8_t *in;
    size_t in_len, in_size;
    uint8_t *out; /* answers not yet given to the kernel */
    size_t out_len, out_size;
    uint8_t *flight; /* what uv_write has */
    uv_write_t write;
    uv_shutdown_t shutdown;
    bool is_counted; /* the guard knows of it */
    enum guard_entry entry;
    struct list waiting; /* its questions that are answered later */
    unsigned waiting_cnt;
    bool is_processing; /* answers that come at once are sent with the others */
    bool is_writing, is_reading, is_closing;
    bool is_ended;      /* the client sends nothing more */
    bool is_discarding; /* we send nothing more, and wait for the client to end */
};

/* A question that is answered later.  Lifetime: until then, and again. */
struct late {
    struct exchange_kept kept;
    struct list link; /* connection->waiting or front->spare */
    struct front_stream *front;
    struct connection *connection; /* NULL: the client has gone */
};

/* Lifetime: worker. */
struct front_stream {
    uv_tcp_t listener;
    uv_timer_t tick;
    struct list connections;
    size_t counted; /* of them that the guard knows of */
    const struct exchange_settings *settings;
    const struct service *service;
    void *engine;
    struct exchange ex;        /* for what is answered at once: one serves all connections */
    struct connection *asking; /* whose question ex is */
    uint8_t *reply;
    struct list spare; /* struct late */
    unsigned turn;
    unsigned handle_cnt; /* of this front, not yet closed */
    bool is_draining;
    uint64_t drain_until_ms;
};

static void free_front_if_last(struct front_stream *f)
{
    if (--f->handle_cnt == 0) {
        while (!list_is_empty(&f->spare)) {
            struct late *late = container_of(f->spare.next, struct late, link);
            list_remove(&late->link);
            free(late);
        }
        free(f->reply);
        free(f);
    }
}

static void on_connection_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    struct front_stream *f = c->front;
    free(c->in);
    free(c->out);
    free(c->flight);
    free(c);
    free_front_if_last(f);
}

static void close_connection(struct connection *c)
{
    if (c->is_closing)
        return;
    c->is_closing = true;
    if (c->is_counted) {
        c->front->counted--;
        guard_leave(c->front->settings->guard, &c->peer, c->entry);
    }
    while (!list_is_empty(&c->waiting)) {
        struct late *late = container_of(c->waiting.next, struct late, link);
        list_remove(&late->link);
        late->connection = NULL;
    }
    list_remove(&c->link);
    uv_close((uv_handle_t *)&c->tcp, on_connection_closed);
}

/* It has just done something: the last to be closed for want of room. */
static void touch(struct connection *c)
{
    c->active_ms = now_mono_ms();
    list_remove(&c->link);
    list_add(&c->front->connections, &c->link);
}

/* ---- writing ---- */

static bool reserve(uint8_t **buffer, size_t *size, size_t need, size_t first)
{
    size_t wanted = *size ? *size : first;
    while (wanted < need)
        wanted *= 2;
    if (wanted == *size)
        return true;
    uint8_t *larger = realloc(*buffer, wanted);
    if (!larger)
        return false;
    *buffer = larger;
    *size = wanted;
    return true;
}

static void work(struct connection *c);

static void on_written(uv_write_t *write, int status);

/* Give the queue to the kernel; what it does not take at once goes through uv_write. */
static void flush(struct connection *c)
{
    if (c->is_closing || c->is_writing || c->out_len == 0)
        return;
    uv_buf_t buf = uv_buf_init((char *)c->out, (unsigned)c->out_len);
    int sent = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
    if (sent < 0 && sent != UV_EAGAIN) {
        close_connection(c);
        return;
    }
    if (sent > 0)
        touch(c);
    if (sent == (int)c->out_len) {
        c->out_len = 0;
        return;
    }
    size_t done = sent > 0 ? (size_t)sent : 0;
    c->flight = c->out;
    buf = uv_buf_init((char *)c->flight + done, (unsigned)(c->out_len - done));
    c->out = NULL;
    c->out_len = c->out_size = 0;
    c->is_writing = true;
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0) {
        c->is_writing = false;
        close_connection(c);
    }
}

static void alloc_in(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf);

/* Say that nothing more comes (FIN) and wait for the client to see it: closing with unread
 * bytes would reset the connection and take the last answers along. */
static void discard_rest(struct connection *c)
{
    c->is_discarding = true;
    c->in_len = 0;
    if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, NULL) != 0 ||
        (!c->is_reading && uv_read_start((uv_stream_t *)&c->tcp, alloc_in, on_read) != 0))
        close_connection(c);
    c->is_reading = true;
}

static void process(struct connection *c);

/* Everything is answered and written: close what the client has ended.  At our own end, what
 * has arrived meanwhile is answered too, until nothing is left or the time is up. */
static void close_if_done(struct connection *c)
{
    uv_os_fd_t fd;

    while (!c->is_closing && !c->is_writing && c->out_len == 0 && c->waiting_cnt == 0 &&
           !c->is_discarding) {
        if (c->is_ended) {
            close_connection(c);
            return;
        }
        if (!c->front->is_draining)
            return;
        ssize_t got = -1;
        if (now_mono_ms() < c->front->drain_until_ms && c->in_len < c->in_size &&
            uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0)
            got = recv(fd, c->in + c->in_len, c->in_size - c->in_len, MSG_DONTWAIT);
        if (got < 0) {
            discard_rest(c);
            return;
        }
        c->is_ended = got == 0;
        c->in_len += (size_t)got;
        process(c);
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct connection *c = write->data;
    free(c->flight);
    c->flight = NULL;
    c->is_writing = false;
    if (c->is_closing)
        return;
    if (status < 0) {
        close_connection(c);
        return;
    }
    touch(c);
    flush(c);
    if (!c->is_writing && !c->is_closing)
        work(c); /* questions that waited for room */
}

static void queue(struct connection *c, const struct exchange *ex)
{
    if (ex->reply_len == 0 || c->is_closing)
        return;
    size_t need = c->out_len + 2 + ex->reply_len;
    if (!reserve(&c->out, &c->out_size, need, OUT_FIRST)) {
        close_connection(c);
        return;
    }
    util_put_u16(c->out + c->out_len, (uint16_t)ex->reply_len);
    memcpy(c->out + c->out_len + 2, ex->buffer, ex->reply_len);
    c->out_len = need;
}

static void queue_reply(struct exchange *ex)
{
    queue(container_of(ex, struct front_stream, ex)->asking, ex);
}

/* RFC 7766 6.2.1.1: answers leave as they are known, in whatever order that is. */
static void queue_late(struct exchange *ex)
{
    struct late *late = container_of(ex, struct late, kept.ex);
    struct connection *c = late->connection;
    struct front_stream *f = late->front;

    list_remove(&late->link);
    list_add(&f->spare, &late->link);
    if (c) {
        c->waiting_cnt--;
        queue(c, ex);
        if (!c->is_processing)
            flush(c);
        if (!c->is_processing && !c->is_closing && !c->is_writing)
            work(c);
    }
    free_front_if_last(f);
}

static struct exchange *hold(struct exchange *ex)
{
    struct front_stream *f = container_of(ex, struct front_stream, ex);
    struct connection *c = f->asking;
    struct late *late = NULL;

    if (list_is_empty(&f->spare)) {
        late = malloc(sizeof(*late));
    } else {
        late = container_of(f->spare.next, struct late, link);
        list_remove(&late->link);
    }
    if (!late)
        return NULL;
    exchange_keep(&late->kept, ex);
    late->kept.ex.send = queue_late;
    late->kept.ex.hold = NULL;
    late->front = f;
    late->connection = c;
    list_add(&c->waiting, &late->link);
    c->waiting_cnt++;
    f->handle_cnt++; /* the front stays until it is answered */
    return &late->kept.ex;
}

/* ---- reading ---- */

static void answer(struct connection *c, const uint8_t *wire, size_t len)
{
    struct front_stream *f = c->front;
    struct exchange *ex = &f->ex;
    f->asking = c;
    ex->settings = f->settings;
    ex->transport = EXCHANGE_TCP;
    ex->peer = c->peer;
    ex->buffer = f->reply;
    ex->size = MESSAGE_MAX;
    ex->turn = f->turn++;
    ex->send = queue_reply;
    ex->hold = hold;
    intake_batch(f->service, f->engine, &ex, &wire, &len, 1);
}

static bool is_clogged(const struct connection *c)
{
    return c->is_writing || c->out_len > FRONT_STREAM_QUEUE_MAX ||
           c->waiting_cnt >= FRONT_STREAM_WAITING_MAX;
}

static void alloc_in(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct connection *c = handle->data;
    (void)suggested;
    *buf = uv_buf_init((char *)c->in + c->in_len, (unsigned)(c->in_size - c->in_len));
}

/* What is left is the beginning of a message, unless it waits for the client to take answers. */
static void note_partial(struct connection *c, bool is_new)
{
    if (c->in_len == 0 || is_clogged(c))
        c->partial_ms = 0;
    else if (c->partial_ms == 0 || is_new)
        c->partial_ms = now_mono_ms();
}

/* Answer every whole message that has been read, as long as the client takes the answers. */
static void process(struct connection *c)
{
    size_t pos = 0;

    while (!c->is_closing && !is_clogged(c) && c->in_len - pos >= 2) {
        size_t len = util_get_u16(c->in + pos);
        if (c->in_len - pos - 2 < len) {
            if (!reserve(&c->in, &c->in_size, len + 2, IN_FIRST))
                close_connection(c);
            break;
        }
        size_t queued = c->out_len;
        c->is_processing = true;
        answer(c, c->in + pos + 2, len);
        c->is_processing = false;
        if (c->out_len > queued) /* what deserves no answer does not keep a connection alive */
            touch(c);
        pos += len + 2;
        if (c->out_len > FRONT_STREAM_QUEUE_MAX)
            flush(c);
    }
    if (c->is_closing)
        return;
    memmove(c->in, c->in + pos, c->in_len - pos);
    c->in_len -= pos;
    flush(c);
    note_partial(c, pos > 0);
}

/* Answer, then read on or not as the client takes the answers, then see whether it is done. */
static void work(struct connection *c)
{
    if (c->is_discarding)
        return;
    process(c);
    if (c->is_closing)
        return;
    bool wants =
        !is_clogged(c) && !c->is_ended && !c->front->is_draining && c->in_len < c->in_size;
    if (wants && !c->is_reading)
        uv_read_start((uv_stream_t *)&c->tcp, alloc_in, on_read);
    else if (!wants && c->is_reading)
        uv_read_stop((uv_stream_t *)&c->tcp);
    c->is_reading = wants;
    close_if_done(c);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct connection *c = stream->data;
    (void)buf;
    if (got < 0) {
        if (got != UV_EOF) {
            close_connection(c);
            return;
        }
        c->is_ended = true; /* half-closed: answers to what was asked still go out */
        got = 0;
    }
    if (c->is_discarding && c->is_ended)
        close_connection(c);
    else if (!c->is_discarding) {
        c->in_len += (size_t)got;
        work(c);
    }
}

/* ---- connections ---- */

static void read_peer(struct connection *c)
{
    int len = sizeof(c->peer.sock);
    if (uv_tcp_getpeername(&c->tcp, &c->peer.sock.any, &len) != 0)
        c->peer = (struct addr){0};
}

static struct connection *new_connection(struct front_stream *f, uv_loop_t *loop)
{
    struct connection *c = calloc(1, sizeof(*c));
    if (!c || !reserve(&c->in, &c->in_size, IN_FIRST, IN_FIRST)) {
        free(c);
        return NULL;
    }
    c->front = f;
    list_init(&c->waiting);
    c->tcp.data = c->write.data = c;
    c->active_ms = now_mono_ms();
    uv_tcp_init(loop, &c->tcp);
    f->handle_cnt++;
    list_add(&f->connections, &c->link);
    return c;
}

/* Close the connection that has been idle longest, of this client only when `of` is one; false
 * when there is none here but `newest`. */
static bool close_idlest(struct front_stream *f, const struct connection *newest,
                         const struct addr *of)
{
    for (struct list *l = f->connections.next; l != &f->connections; l = l->next) {
        struct connection *c = container_of(l, struct connection, link);
        if (c == newest || (of && !guard_is_same_client(&c->peer, of)))
            continue;
        close_connection(c);
        return true;
    }
    return false;
}

/* Have the guard count a new connection in; for want of room the idlest goes, of the same client
 * when that has its share.  False: the new one has to go. */
static bool enter(struct connection *c)
{
    struct front_stream *f = c->front;
    struct guard *guard = f->settings->guard;

    for (int tries = 0; tries < ENTER_TRIES; tries++) {
        c->entry = guard_enter(guard, &c->peer, f->counted);
        c->is_counted = c->entry == GUARD_ENTERED || c->entry == GUARD_POOLED;
        f->counted += c->is_counted;
        if (c->is_counted)
            return true;
        guard_count_refusal(guard, c->entry);
        if (tries + 1 == ENTER_TRIES ||
            !close_idlest(f, c, c->entry == GUARD_CLIENT_FULL ? &c->peer : NULL))
            break;
    }
    return false;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct front_stream *f = listener->data;
    if (status < 0)
        return;
    struct connection *c = new_connection(f, listener->loop);
    if (!c) { /* libuv would stop listening for good if nobody accepted */
        uv_os_fd_t fd;
        int dropped =
            uv_fileno((uv_handle_t *)listener, &fd) == 0 ? accept(fd, NULL, NULL) : -1;
        if (dropped >= 0)
            close(dropped);
        return;
    }
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0) {
        close_connection(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    read_peer(c);
    if (enter(c))
        work(c);
    else
        close_connection(c);
}

static void on_front_closed(uv_handle_t *handle) { free_front_if_last(handle->data); }

static void on_tick(uv_timer_t *timer)
{
    struct front_stream *f = timer->data;
    uint64_t now_ms = now_mono_ms();
    unsigned idle_ms = guard_idle_ms(f->settings->guard);
    struct list *next;

    for (struct list *l = f->connections.next; l != &f->connections; l = next) {
        struct connection *c = container_of(l, struct connection, link);
        next = l->next;
        /* what an earlier turn of this loop has touched is younger than now_ms */
        if ((c->active_ms + idle_ms < now_ms && c->waiting_cnt == 0) ||
            (c->partial_ms && c->partial_ms + FRONT_STREAM_PARTIAL_MS < now_ms) ||
            (f->is_draining && now_ms > f->drain_until_ms))
            close_connection(c);
        else
            close_if_done(c);
    }
    if (f->is_draining && list_is_empty(&f->connections) &&
        !uv_is_closing((uv_handle_t *)timer))
        uv_close((uv_handle_t *)timer, on_front_closed);
}

enum err front_stream_new(uv_loop_t *loop, int fd, const struct exchange_settings *settings,
                          const struct service *service, void *engine,
                          struct front_stream **out)
{
    struct front_stream *f = calloc(1, sizeof(*f));
    if (f)
        f->reply = malloc(MESSAGE_MAX);
    if (!f || !f->reply) {
        free(f);
        close(fd);
        return ERR_NOMEM;
    }
    list_init(&f->connections);
    list_init(&f->spare);
    f->settings = settings;
    f->service = service;
    f->engine = engine;
    uv_tcp_init(loop, &f->listener);
    uv_timer_init(loop, &f->tick);
    f->listener.data = f->tick.data = f;
    f->handle_cnt = 2;
    uv_timer_start(&f->tick, on_tick, TICK_MS, TICK_MS);
    int status = uv_tcp_open(&f->listener, fd);
    if (status != 0)
        close(fd);
    else
        status = uv_listen((uv_stream_t *)&f->listener, BACKLOG, on_connection);
    *out = f;
    if (status == 0)
        return ERR_OK;
    log_error("cannot listen for TCP: %s", uv_strerror(status));
    front_stream_close(out, false);
    return ERR_IO;
}

/* Take connections that the kernel has completed but nobody has accepted yet: their clients
 * count on an answer, and closing the listener would reset them. */
static void accept_rest(struct front_stream *f)
{
    uv_os_fd_t listener;
    if (uv_fileno((uv_handle_t *)&f->listener, &listener) != 0)
        return;
    for (int i = 0; i < BACKLOG; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (fd < 0)
            continue; /* that one has gone away; others may stand behind it */
        struct connection *c = new_connection(f, f->listener.loop);
        if (!c || uv_tcp_open(&c->tcp, fd) != 0) {
            close(fd);
            if (c)
                close_connection(c);
            continue;
        }
        read_peer(c);
        if (!enter(c))
            close_connection(c);
    }
}

void front_stream_close(struct front_stream **front, bool drains)
{
    struct front_stream *f = *front;
    struct list *next;
    if (!f)
        return;
    if (!uv_is_closing((uv_handle_t *)&f->listener)) {
        if (drains)
            accept_rest(f);
        uv_close((uv_handle_t *)&f->listener, on_front_closed);
    }
    f->is_draining = true;
    f->drain_until_ms = now_mono_ms() + FRONT_STREAM_DRAIN_MS;
    for (struct list *l = f->connections.next; l != &f->connections; l = next) {
        next = l->next;
        work(container_of(l, struct connection, link));
    }
    on_tick(&f->tick);
    *front = NULL;
}
