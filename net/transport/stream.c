/* Connections use the buffers of the hub in turn, so an idle connection keeps only its struct
 * and what TLS needs. */
#define _GNU_SOURCE
#include "net/transport/stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/now.h"
#include "net/loop/loop.h"
#include "net/request/client.h"
#include "net/transport/proxy.h"

enum {
    POOLED_SIZE_MAX = 16384,
    SEALED_KEPT_MAX = 65536,
    BATCH_OCTETS = 65536,
    RELEASE_MS = 1000,
    DRAIN_TURNS = 16
};

/* A deferred query.  Lifetime: until its answer is sent or dropped. */
struct deferred_request {
    struct exchange_deferred copy;
    struct list link; /* stream->deferred */
    struct stream_hub *hub;
    struct stream *stream; /* NULL: the connection was closed */
    uint32_t request;
};

/* ---- memory ---- */

/* Get memory for a queue that is about to be filled.  Memory in the pool is not counted,
 * because closing a connection would not free it. */
static void take_from_pool(struct stream_hub *hub, struct buffer *b)
{
    if (b->at || hub->pool_cnt == 0)
        return;
    struct buffer *spare = &hub->pool[--hub->pool_cnt];
    conn_limit_add_memory(b->conn_limit, spare->size);
    b->at = spare->at;
    b->size = spare->size;
    *spare = (struct buffer){0};
}

/* Return the memory of an empty queue to the pool, or free it. */
static void release_queue_memory(struct stream_hub *hub, struct buffer *b)
{
    if (!b->at || b->len > 0)
        return;
    if (b->size > POOLED_SIZE_MAX || hub->pool_cnt == ARRAY_LEN(hub->pool)) {
        buffer_fini(b);
        return;
    }
    hub->pool[hub->pool_cnt++] = (struct buffer){.at = b->at, .size = b->size};
    conn_limit_subtract_memory(b->conn_limit, b->size);
    b->at = NULL;
    b->size = 0;
}

enum err stream_hub_init(struct stream_hub *hub)
{
    list_init(&hub->streams);
    list_init(&hub->dirty);
    for (size_t i = 0; i < STREAM_CLIENTS; i++)
        list_init(&hub->clients[i]);
    hub->reply = malloc(MESSAGE_MAX);
    hub->chunk = malloc(STREAM_CHUNK);
    hub->plain = malloc(STREAM_CHUNK);
    hub->decoded = malloc(MESSAGE_MAX);
    if (hub->reply && hub->chunk && hub->plain && hub->decoded)
        return ERR_OK;
    stream_hub_fini(hub);
    return ERR_NOMEM;
}

void stream_hub_fini(struct stream_hub *hub)
{
    while (hub->pool_cnt > 0)
        buffer_fini(&hub->pool[--hub->pool_cnt]);
    buffer_fini(&hub->sealed);
    free(hub->reply);
    free(hub->chunk);
    free(hub->plain);
    free(hub->decoded);
    hub->reply = hub->chunk = hub->plain = hub->decoded = NULL;
}

/* ---- end ---- */

static void end_protocol(struct stream *s)
{
    if (s->inner && s->protocol->free)
        s->protocol->free(s);
    s->inner = NULL;
}

static void on_stream_closed(uv_handle_t *handle)
{
    struct stream *s = handle->data;
    struct stream_hub *hub = s->hub;

    end_protocol(s);
    if (s->tls) {
        conn_limit_subtract_memory(hub->settings->conn_limit, TLS_MEMORY);
        tls_free(&s->tls);
    }
    buffer_fini(&s->in);
    buffer_fini(&s->out);
    buffer_fini(&s->wire);
    conn_limit_subtract_memory(hub->settings->conn_limit, s->flight_size);
    free(s->flight);
    free(s);
    hub->stream_cnt--;
    hub->on_released(hub);
}

void stream_close(struct stream *s)
{
    struct stream_hub *hub = s->hub;

    if (s->is_closing)
        return;
    s->is_closing = true;
    if (s->is_counted) {
        hub->counted_cnt--;
        conn_limit_leave(hub->settings->conn_limit, s->is_proxy ? NULL : &s->peer, s->entry);
    }
    while (!list_is_empty(&s->deferred)) {
        struct deferred_request *deferred =
            container_of(s->deferred.next, struct deferred_request, link);
        list_remove(&deferred->link);
        deferred->stream = NULL;
    }
    idle_queue_remove(hub->idle_queue, &s->handshake);
    list_remove(&s->link);
    list_remove(&s->of_client);
    list_remove(&s->dirty);
    uv_close((uv_handle_t *)&s->tcp, on_stream_closed);
}

/* An active connection moves to the end of the list and is the last to be evicted. */
void stream_touch(struct stream *s)
{
    s->active_ms = now_mono_ms();
    list_remove(&s->link);
    list_add(&s->hub->streams, &s->link);
    if (s->is_counted && !s->is_proxy)
        stream_list_client(s);
}

void stream_list_client(struct stream *s)
{
    list_remove(&s->of_client);
    list_add(stream_clients(s->hub, &s->peer), &s->of_client);
}

struct list *stream_clients(struct stream_hub *hub, const struct addr *client)
{
    return &hub->clients[client_hash(client) % STREAM_CLIENTS];
}

/* ---- writing ---- */

static void on_stream_written(uv_write_t *write, int status);

/* Send the octets of `b` and empty it.  What the kernel does not accept goes through uv_write,
 * and later octets wait behind it. */
static void send_stream_octets(struct stream *s, struct buffer *b)
{
    if (s->is_closing || b->len == 0) {
        b->len = 0;
        return;
    }
    if (s->is_writing) {
        take_from_pool(s->hub, &s->wire);
        if (!buffer_append(&s->wire, b->at, b->len))
            stream_close(s);
        b->len = 0;
        return;
    }
    uv_buf_t buf = uv_buf_init((char *)b->at, (unsigned)b->len);
    int sent = uv_try_write((uv_stream_t *)&s->tcp, &buf, 1);
    if (sent < 0 && sent != UV_EAGAIN) {
        b->len = 0;
        stream_close(s);
        return;
    }
    size_t done = sent > 0 ? (size_t)sent : 0, left = b->len - done;
    if (left > 0) {
        s->flight = malloc(left);
        if (s->flight) {
            memcpy(s->flight, b->at + done, left);
            s->flight_size = left;
            conn_limit_add_memory(s->hub->settings->conn_limit, left);
            buf = uv_buf_init((char *)s->flight, (unsigned)left);
            s->is_writing =
                loop_admit((uv_handle_t *)&s->tcp) == ERR_OK &&
                uv_write(&s->write, (uv_stream_t *)&s->tcp, &buf, 1, on_stream_written) == 0;
        }
    }
    b->len = 0;
    if (left > 0 && !s->is_writing)
        stream_close(s);
}

static void send_stream_records(struct stream *s)
{
    struct buffer *sealed = &s->hub->sealed;

    send_stream_octets(s, sealed);
    if (sealed->size > SEALED_KEPT_MAX)
        buffer_fini(sealed);
}

/* Seal the queued answers. */
static void seal_queued(struct stream *s)
{
    if (!s->tls || s->out.len == 0 || s->is_closing)
        return;
    if (!tls_write(s->tls, s->out.at, s->out.len, &s->hub->sealed))
        stream_close(s);
    s->out.len = 0;
}

/* Send queued answers and those of the protocol handler until the kernel accepts no more. */
static void flush_stream(struct stream *s)
{
    bool is_all = true;

    list_remove(&s->dirty);
    if (s->is_closing || s->is_writing)
        return;
    /* the client reads answers, or the kernel will soon accept no more */
    if (s->out.len > 0)
        stream_touch(s);
    do {
        do {
            if (s->protocol->append_pending) {
                take_from_pool(s->hub, &s->out);
                if (!s->protocol->append_pending(s, BATCH_OCTETS, &is_all))
                    stream_finish(s);
            }
            seal_queued(s);
        } while (!is_all && !s->is_closing && s->out.len + s->hub->sealed.len < BATCH_OCTETS);
        if (s->tls)
            send_stream_records(s);
        else
            send_stream_octets(s, &s->out);
    } while (!is_all && !s->is_closing && !s->is_writing);
    release_queue_memory(s->hub, &s->out);
}

static void on_stream_written(uv_write_t *write, int status)
{
    struct stream *s = write->data;

    conn_limit_subtract_memory(s->hub->settings->conn_limit, s->flight_size);
    free(s->flight);
    s->flight = NULL;
    s->flight_size = 0;
    s->is_writing = false;
    if (s->is_closing)
        return;
    if (status < 0) {
        stream_close(s);
        return;
    }
    send_stream_octets(s, &s->wire);
    release_queue_memory(s->hub, &s->wire);
    if (!s->is_writing && !s->is_closing)
        stream_work(s); /* queries that waited for room */
}

static void flush_dirty_streams(uv_prepare_t *prepare)
{
    struct stream_hub *hub = prepare->data;

    while (!list_is_empty(&hub->dirty))
        stream_work(container_of(hub->dirty.next, struct stream, dirty));
    uv_prepare_stop(prepare);
}

/* Answers of one turn leave together, before the loop waits. */
static void mark_dirty(struct stream *s)
{
    if (s->is_closing || s->is_working || !list_is_empty(&s->dirty))
        return;
    if (list_is_empty(&s->hub->dirty))
        uv_prepare_start(&s->hub->prepare, flush_dirty_streams);
    list_add(&s->hub->dirty, &s->dirty);
}

size_t stream_memory(const struct stream *s)
{
    return s->in.size + s->out.size + s->wire.size + s->flight_size +
           (s->protocol->memory && s->inner ? s->protocol->memory(s) : 0);
}

/* ---- answers ---- */

static void append_stream_answer(struct stream *s, const struct exchange *ex, uint32_t request,
                                 bool is_deferred)
{
    if (s->is_closing)
        return;
    take_from_pool(s->hub, &s->out);
    if (!s->protocol->append_answer(s, ex, request, is_deferred))
        stream_close(s);
}

static void send_prompt_answer(struct exchange *ex)
{
    struct stream_hub *hub = container_of(ex, struct stream_hub, ex);
    append_stream_answer(hub->ex_stream, ex, hub->ex_request, false);
}

/* RFC 7766 6.2.1.1: answers leave in the order in which they are ready. */
static void send_deferred_answer(struct exchange *ex)
{
    struct deferred_request *deferred = container_of(ex, struct deferred_request, copy.ex);
    struct stream *s = deferred->stream;
    struct stream_hub *hub = deferred->hub;

    list_remove(&deferred->link);
    if (s) {
        s->deferred_cnt--;
        append_stream_answer(s, ex, deferred->request, true);
        mark_dirty(s);
    }
    free(deferred);
    hub->deferred_cnt--;
    hub->on_released(hub);
}

static struct exchange *defer_request(struct exchange *ex)
{
    struct stream_hub *hub = container_of(ex, struct stream_hub, ex);
    struct stream *s = hub->ex_stream;
    struct deferred_request *deferred = s->is_closing ? NULL : malloc(sizeof(*deferred));

    if (!deferred)
        return NULL;
    list_init(&deferred->link);
    struct exchange *copy =
        exchange_defer(&deferred->copy, ex, hub->reply, MESSAGE_MAX, send_deferred_answer);
    deferred->hub = hub;
    deferred->stream = s;
    deferred->request = hub->ex_request;
    list_add(&s->deferred, &deferred->link);
    s->deferred_cnt++;
    hub->deferred_cnt++; /* the front is not freed before it is answered */
    return copy;
}

struct exchange *stream_exchange(struct stream *s, uint32_t request)
{
    struct stream_hub *hub = s->hub;
    struct exchange *ex = &hub->ex;

    hub->ex_stream = s;
    hub->ex_request = request;
    ex->settings = hub->settings;
    ex->transport = hub->transport;
    ex->peer = s->client;
    ex->buffer = hub->reply;
    ex->size = MESSAGE_MAX;
    ex->turn = hub->turn++;
    ex->send = send_prompt_answer;
    ex->defer = defer_request;
    idle_queue_note_work(hub->idle_queue);
    return ex;
}

bool stream_is_paused(const struct stream *s)
{
    return s->is_closing || s->is_writing || s->out.len > STREAM_QUEUE_MAX ||
           s->deferred_cnt >= s->protocol->deferred_max;
}

/* ---- requests ---- */

/* True if answers wait for the window of HTTP/2, which the client can still open. */
static bool has_pending_answers(const struct stream *s)
{
    return s->protocol->has_answers && s->inner && !s->is_ended && s->protocol->has_answers(s);
}

/* True if octets of the client still matter. */
static bool wants_requests(const struct stream *s)
{
    return !s->is_closing && (!s->is_finishing || has_pending_answers(s));
}

/* Skip a PROXY header, if there is one.  False: it is incomplete, or the connection was closed
 * because the header is malformed or from an untrusted peer. */
static bool skip_proxy_header(struct stream *s, bool *may_be_proxied, const uint8_t *octets,
                              size_t len, size_t *used)
{
    enum proxy_result result =
        proxy_parse_trusted(octets, len, &s->hub->settings->trusted_proxies, &s->client, used);

    if (result == PROXY_MORE)
        return false;
    *may_be_proxied = false;
    if (result != PROXY_WRONG && !proxy_is_header(octets + *used, len - *used))
        return true;
    exchange_count_proxy_header(s->hub->settings);
    stream_close(s);
    return false;
}

/* Process the requests that begin `octets`; *used octets are done with. */
static void process_requests(struct stream *s, const uint8_t *octets, size_t len, size_t *used)
{
    const struct stream_protocol *before;

    *used = 0;
    bool *may_be_proxied = s->tls ? &s->may_be_proxied_inside : &s->may_be_proxied;
    if (*may_be_proxied &&
        (!skip_proxy_header(s, may_be_proxied, octets, len, used) || *used == len))
        return;
    do {
        size_t done = 0;
        before = s->protocol;
        s->is_working = true;
        bool goes_on = s->protocol->read_requests(s, octets + *used, len - *used, &done);
        s->is_working = false;
        *used += done;
        if (!goes_on)
            stream_finish(s);
    } while (s->protocol != before && !s->is_closing && !s->is_finishing);
    if (s->out.len > STREAM_QUEUE_MAX)
        flush_stream(s);
}

/* Note when the request at the start of the queue began.  A request that waits for the client
 * to read answers has no deadline. */
static void note_partial(struct stream *s, bool is_new)
{
    if (s->in.len == 0 || stream_is_paused(s))
        s->partial_ms = 0;
    else if (s->partial_ms == 0 || is_new)
        s->partial_ms = now_mono_ms();
}

/* Process the requests in s->in. */
static void process_queued(struct stream *s)
{
    size_t used = 0;

    while (s->in.len > 0 && !stream_is_paused(s) && wants_requests(s)) {
        process_requests(s, s->in.at, s->in.len, &used);
        if (s->is_closing || used == 0)
            break;
        buffer_remove(&s->in, used);
        note_partial(s, true);
    }
    if (s->is_closing)
        return;
    if (!wants_requests(s))
        s->in.len = 0;
    note_partial(s, false);
    release_queue_memory(s->hub, &s->in);
}

/* Process octets that were just read: most often they are whole requests, and nothing is
 * copied. */
static void process_fresh(struct stream *s, const uint8_t *octets, size_t len)
{
    size_t used = 0;

    while (s->in.len == 0 && used < len && !stream_is_paused(s) && wants_requests(s)) {
        size_t done;
        process_requests(s, octets + used, len - used, &done);
        used += done;
        if (done == 0 || s->is_closing)
            break;
    }
    if (!wants_requests(s) || used == len)
        return;
    take_from_pool(s->hub, &s->in);
    if (!buffer_append(&s->in, octets + used, len - used)) {
        stream_close(s);
        return;
    }
    note_partial(s, used > 0);
}

/* ---- TLS ---- */

static bool process_opened(struct tls_sink *sink, size_t len)
{
    struct stream *s = sink->data;

    send_stream_records(s);
    if (!s->is_closing && len > 0) {
        process_fresh(s, sink->plain, len);
        if (s->in.len > 0 && !s->is_closing)
            process_queued(s);
    }
    return !s->is_closing;
}

/* Open octets that were just read.  All are opened, also while the stream is paused: TLS must
 * not queue them. */
static void open_octets(struct stream *s, const uint8_t *sealed, size_t len)
{
    struct tls_sink sink = {.plain = s->hub->plain,
                            .size = STREAM_CHUNK,
                            .out = &s->hub->sealed,
                            .opened = process_opened,
                            .data = s};

    if (!tls_pump(s->tls, sealed, len, &sink))
        return;
    if (tls_state(s->tls) == TLS_ENDED)
        s->is_ended = true;
    else if (tls_state(s->tls) == TLS_BROKEN)
        stream_close(s);
}

static void run_handshake(struct idle_queue_job *job)
{
    struct stream *s = container_of(job, struct stream, handshake);
    struct buffer sealed = {.conn_limit = s->in.conn_limit};

    buffer_move(&sealed, &s->in);
    open_octets(s, sealed.at, sealed.len);
    buffer_fini(&sealed);
    stream_work(s);
}

static bool is_opening(const struct stream *s)
{
    return s->tls && tls_state(s->tls) == TLS_OPENING;
}

/* Queue octets of a handshake. */
static void queue_handshake(struct stream *s, const uint8_t *sealed, size_t len)
{
    size_t used = 0;

    if (!buffer_append(&s->in, sealed, len)) {
        stream_close(s);
        return;
    }
    if (s->may_be_proxied) { /* HAProxy and nginx send the header before the handshake, dnsdist
                                inside TLS */
        if (!skip_proxy_header(s, &s->may_be_proxied, s->in.at, s->in.len, &used))
            return;
        buffer_remove(&s->in, used);
    }
    if (s->in.len > 0)
        idle_queue_put(s->hub->idle_queue, &s->handshake);
}

enum err stream_begin_tls(struct stream *s, struct tls_server *server,
                          const struct tls_server_alpn *offered)
{
    enum err err = tls_accept(server, offered, &s->tls);

    if (!err)
        conn_limit_add_memory(s->hub->settings->conn_limit, TLS_MEMORY);
    s->handshake.run = run_handshake;
    return err;
}

/* ---- reading ---- */

/* Return how many octets of the hub's chunk may be read. */
static size_t chunk_room(const struct stream *s)
{
    return is_opening(s) ? STREAM_HELLO_MAX - s->in.len : STREAM_CHUNK;
}

static void on_stream_read(uv_stream_t *tcp, ssize_t got, const uv_buf_t *buf);
static void alloc_chunk(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);

/* False if the system has no memory for it: caller must close the connection. */
static bool start_reading(struct stream *s)
{
    s->is_reading = loop_admit((uv_handle_t *)&s->tcp) == ERR_OK &&
                    uv_read_start((uv_stream_t *)&s->tcp, alloc_chunk, on_stream_read) == 0;
    return s->is_reading;
}

static void alloc_chunk(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct stream *s = handle->data;
    (void)suggested;
    *buf = uv_buf_init((char *)s->hub->chunk, (unsigned)chunk_room(s));
}

/* Process `len` octets of the hub's chunk, as read from the socket. */
static void process_octets(struct stream *s, size_t len)
{
    if (is_opening(s))
        queue_handshake(s, s->hub->chunk, len);
    else if (s->tls)
        open_octets(s, s->hub->chunk, len);
    else
        process_fresh(s, s->hub->chunk, len);
}

static void on_stream_read(uv_stream_t *tcp, ssize_t got, const uv_buf_t *buf)
{
    struct stream *s = tcp->data;

    (void)buf; /* the hub's chunk */
    if (s->is_closing)
        return;
    if (got < 0) {
        if (got != UV_EOF) {
            stream_close(s);
            return;
        }
        s->is_ended = true; /* half-closed: queries are still answered */
        got = 0;
    }
    if (s->is_discarding) {
        if (s->is_ended)
            stream_close(s);
        return;
    }
    if (got > 0)
        process_octets(s, (size_t)got);
    stream_work(s);
    if (conn_limit_is_memory_full(s->hub->settings->conn_limit))
        s->hub->on_memory_full(s);
}

/* Shut down our side (FIN) and wait for the client to close: closing with unread octets would
 * reset the connection and discard the last answers. */
static void shut_down_stream(struct stream *s)
{
    s->is_discarding = true;
    s->discard_ms = now_mono_ms();
    s->in.len = 0;
    if (s->tls) {
        tls_end(s->tls, &s->hub->sealed);
        send_stream_records(s);
    }
    if (s->is_closing)
        return;
    bool is_ready =
        s->is_reading ? loop_admit((uv_handle_t *)&s->tcp) == ERR_OK : start_reading(s);
    if (!is_ready || uv_shutdown(&s->shutdown, (uv_stream_t *)&s->tcp, NULL) != 0)
        stream_close(s);
}

/* When the daemon stops, read what has arrived meanwhile.  False if there is nothing. */
static bool read_arrived(struct stream *s)
{
    struct stream_hub *hub = s->hub;
    uv_os_fd_t fd;
    ssize_t got = -1;

    if (now_mono_ms() < hub->drain_until_ms && !s->is_finishing &&
        uv_fileno((uv_handle_t *)&s->tcp, &fd) == 0)
        got = recv(fd, hub->chunk, chunk_room(s), MSG_DONTWAIT);
    if (got < 0)
        return false;
    s->is_ended |= got == 0;
    if (got > 0)
        process_octets(s, (size_t)got);
    return true;
}

static bool is_stream_done(const struct stream *s)
{
    return !s->is_closing && !s->is_writing && s->out.len == 0 && s->deferred_cnt == 0 &&
           !s->is_discarding && !s->handshake.is_waiting && !has_pending_answers(s);
}

/* Close if everything is answered and sent, and either side wants to.  When the daemon stops,
 * what has arrived meanwhile is answered too, until nothing is left or the time is up. */
static void close_if_done(struct stream *s)
{
    for (int turns = 0; is_stream_done(s) && turns < DRAIN_TURNS; turns++) {
        if (s->is_ended) {
            stream_close(s);
            return;
        }
        if (!s->is_finishing && !s->hub->is_draining)
            return;
        if (s->is_finishing || !read_arrived(s)) {
            if (!s->is_finishing) {
                stream_finish(s);
                flush_stream(s);
                if (!is_stream_done(s))
                    return;
            }
            shut_down_stream(s);
            return;
        }
        process_queued(s);
        flush_stream(s);
    }
}

void stream_work(struct stream *s)
{
    list_remove(&s->dirty);
    if (s->is_closing || s->is_discarding)
        return;
    if (!is_opening(s))
        process_queued(s);
    flush_stream(s);
    if (s->is_closing)
        return;
    bool is_ending = (s->is_finishing || s->hub->is_draining) && !has_pending_answers(s);
    bool wants = !stream_is_paused(s) && !s->is_ended && !is_ending &&
                 !(is_opening(s) && s->in.len >= STREAM_HELLO_MAX);

    if (wants && !s->is_reading && !start_reading(s)) {
        stream_close(s);
        return;
    }
    if (!wants && s->is_reading) {
        uv_read_stop((uv_stream_t *)&s->tcp);
        s->is_reading = false;
    }
    close_if_done(s);
}

void stream_finish(struct stream *s)
{
    if (s->is_finishing || s->is_closing)
        return;
    s->is_finishing = true;
    if (s->protocol->finish)
        s->protocol->finish(s);
}

void stream_tick(struct stream *s, uint64_t now_ms, unsigned idle_ms)
{
    const struct stream_hub *hub = s->hub;

    if (s->tls && s->active_ms + RELEASE_MS < now_ms)
        tls_release_buffers(s->tls);
    if (s->protocol->tick && !s->is_finishing && s->protocol->tick(s, now_ms))
        mark_dirty(s);
    size_t unsent = uv_stream_get_write_queue_size((uv_stream_t *)&s->tcp);
    if (unsent < s->unsent) /* a slow reader, but it reads */
        stream_touch(s);
    s->unsent = unsent;
    /* `active_ms` may be newer than now_ms */
    bool is_idle =
        s->active_ms + idle_ms < now_ms && s->deferred_cnt == 0 && list_is_empty(&s->dirty);
    if ((is_idle && (s->is_finishing || is_opening(s))) ||
        (s->is_discarding && s->discard_ms + STREAM_DRAIN_MS < now_ms) ||
        (s->partial_ms && s->partial_ms + STREAM_PARTIAL_MS < now_ms) ||
        (is_opening(s) && s->since_ms + STREAM_HANDSHAKE_MS < now_ms) ||
        (hub->is_draining && now_ms > hub->drain_until_ms)) {
        stream_close(s);
    } else if (is_idle) { /* tell the client: a request that it sends now would be lost */
        stream_finish(s);
        flush_stream(s);
        if (is_stream_done(
                s)) /* else it is closed at the next tick, unless it becomes active */
            shut_down_stream(s);
    } else {
        close_if_done(s);
    }
}

/* ---- begin ---- */

enum err stream_change_protocol(struct stream *s, const struct stream_protocol *protocol)
{
    end_protocol(s);
    s->protocol = protocol;
    return protocol->begin ? protocol->begin(s) : ERR_OK;
}

struct stream *stream_new(struct stream_hub *hub, int fd, const struct addr *peer,
                          const struct stream_protocol *protocol)
{
    struct stream *s = calloc(1, sizeof(*s));
    struct conn_limit *conn_limit = hub->settings->conn_limit;

    if (!s) {
        close(fd);
        return NULL;
    }
    s->hub = hub;
    s->peer = s->client = *peer;
    s->may_be_proxied = s->may_be_proxied_inside = true;
    s->in.conn_limit = s->out.conn_limit = s->wire.conn_limit = conn_limit;
    list_init(&s->deferred);
    list_init(&s->dirty);
    list_init(&s->of_client);
    s->tcp.data = s->write.data = s;
    s->active_ms = s->since_ms = now_mono_ms();
    uv_tcp_init(hub->loop, &s->tcp);
    hub->stream_cnt++;
    list_add(&hub->streams, &s->link);
    if (uv_tcp_open(&s->tcp, fd) != 0)
        close(fd);
    else if (stream_change_protocol(s, protocol) == ERR_OK)
        return s;
    stream_close(s);
    return NULL;
}
