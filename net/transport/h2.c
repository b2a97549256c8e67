/* The buffer of a stream has the fields and the body of the request, then the answer.  Ended
 * streams are reused, so a busy connection allocates nothing of ours. */
#include "net/transport/h2.h"

#include <nghttp2/nghttp2.h>

#include "base/list.h"

enum {
    SPARE_MAX = 8,
    SPARE_SIZE_MAX = 2048,
    NUMBER_MAX = 12,
    BOMB_FACTOR = 4, /* so many times HTTP_HEADER_MAX is an attack */
    SMALL_DATA = 64, /* a DATA frame with fewer octets is counted */
};

/* Where a text of the request is in the stream's buffer. */
struct span {
    size_t at, len;
};

/* Lifetime: from its first frame until it is closed; then reused. */
struct h2_stream {
    struct list link; /* h2->receiving, h2->answering or h2->spare */
    uint32_t id;
    enum http_method method;
    struct span target, type, forwarded, x_forwarded_for, body;
    bool is_too_large, is_answered;
    size_t fields_len; /* octets of all fields, also of those that are skipped */
    struct buffer text;
    size_t unread, sent; /* octets of the answer, and how many were sent */
    uint64_t since_ms;
};

/* Lifetime: the connection's. */
struct h2 {
    nghttp2_session *session;
    h2_request_fn *on_request;
    void *data;
    struct conn_limit *conn_limit;
    struct list receiving; /* struct h2_stream: requests, the oldest first */
    struct list answering, spare;
    size_t spare_cnt;
    uint64_t now_ms, window_ms; /* mono: now, and when the window began */
    unsigned resets, controls;
    size_t idle_frames,
        requests;         /* in the window; a DATA frame that was sent counts as a request */
    size_t idle_octets;   /* in the window: read without completing a request */
    size_t unread;        /* octets of unread answers */
    uint64_t sent;        /* a count that grows with each answer */
    bool joins_requests;  /* the client has put several requests into one record: it reads
                             several answers per record */
    bool is_answer_whole; /* the frame just written ends an answer */
    bool is_flooded;      /* flooded or failed: the connection ends */
};

static const char status_200[] = "200";

/* ---- streams ---- */

static struct h2_stream *new_h2_stream(struct h2 *h, uint32_t id)
{
    struct h2_stream *s;

    if (list_is_empty(&h->spare)) {
        s = calloc(1, sizeof(*s));
        if (!s)
            return NULL;
    } else {
        s = container_of(h->spare.next, struct h2_stream, link);
        list_remove(&s->link);
        h->spare_cnt--;
    }
    struct buffer text = s->text;
    *s =
        (struct h2_stream){.id = id, .method = HTTP_OTHER, .text = text, .since_ms = h->now_ms};
    s->text.len = 0;
    s->text.conn_limit = h->conn_limit;
    list_add(&h->receiving, &s->link);
    return s;
}

static void free_h2_stream(struct h2 *h, struct h2_stream *s)
{
    list_remove(&s->link);
    h->unread -= s->unread;
    if (h->spare_cnt < SPARE_MAX && s->text.size <= SPARE_SIZE_MAX) {
        list_add(&h->spare, &s->link);
        h->spare_cnt++;
        return;
    }
    buffer_fini(&s->text);
    free(s);
}

static struct h2_stream *find_h2_stream(struct h2 *h, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h->session, id);
}

/* ---- receiving ---- */

/* Count a frame that does not advance a request; too many end the connection. */
static int count_idle_frame(struct h2 *h)
{
    h->is_flooded |=
        ++h->idle_frames > H2_IDLE_FRAMES_MAX + H2_FRAMES_PER_REQUEST * h->requests;
    return h->is_flooded ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int count_frame(struct h2 *h, unsigned *counter, unsigned max)
{
    h->is_flooded |= ++*counter > max;
    return h->is_flooded ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_h2_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *data)
{
    struct h2 *h = data;

    switch (hd->type) {
    case NGHTTP2_RST_STREAM: return count_frame(h, &h->resets, H2_RESETS_MAX);
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PING: return count_frame(h, &h->controls, H2_CONTROLS_MAX);
    case NGHTTP2_HEADERS: /* of a closed stream: decoding them is wasted work */
        return hd->stream_id <= nghttp2_session_get_last_proc_stream_id(session)
                   ? count_idle_frame(h)
                   : 0;
    case NGHTTP2_DATA: {
        bool is_small = hd->length < SMALL_DATA && !(hd->flags & NGHTTP2_FLAG_END_STREAM);
        return is_small || !find_h2_stream(h, hd->stream_id) ? count_idle_frame(h) : 0;
    }
    default: return count_idle_frame(h);
    }
}

static int on_h2_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct h2 *h = data;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* trailers */
    struct h2_stream *s = new_h2_stream(h, (uint32_t)frame->hd.stream_id);
    if (!s || nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, s) != 0) {
        if (s)
            free_h2_stream(h, s);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    return 0;
}

static bool is_field_name(const uint8_t *name, size_t len, const char *wanted)
{
    return len == strlen(wanted) && memcmp(name, wanted, len) == 0;
}

static void store_field(struct h2_stream *s, struct span *to, const uint8_t *value, size_t len)
{
    if (!buffer_append(&s->text, value, len)) {
        s->is_too_large = true;
        return;
    }
    *to = (struct span){.at = s->text.len - len, .len = len};
}

static int on_h2_header(nghttp2_session *session, const nghttp2_frame *frame,
                        const uint8_t *name, size_t name_len, const uint8_t *value,
                        size_t value_len, uint8_t flags, void *data)
{
    struct h2 *h = data;
    struct h2_stream *s = find_h2_stream(h, frame->hd.stream_id);

    (void)session;
    (void)flags;
    if (!s || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    s->fields_len += name_len + value_len;
    s->is_too_large |= s->fields_len > HTTP_HEADER_MAX;
    /* HPACK bomb: a few octets can stand for a large field many times */
    h->is_flooded |= s->fields_len > (size_t)BOMB_FACTOR * HTTP_HEADER_MAX;
    if (h->is_flooded)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (s->is_too_large)
        return 0;
    if (is_field_name(name, name_len, ":path")) {
        store_field(s, &s->target, value, value_len);
    } else if (is_field_name(name, name_len, ":method")) {
        s->method = is_field_name(value, value_len, "GET")       ? HTTP_GET
                    : is_field_name(value, value_len, "POST")    ? HTTP_POST
                    : is_field_name(value, value_len, "HEAD")    ? HTTP_HEAD
                    : is_field_name(value, value_len, "OPTIONS") ? HTTP_OPTIONS
                                                                 : HTTP_OTHER;
    } else if (is_field_name(name, name_len, "content-type")) {
        store_field(s, &s->type, value, value_len);
    } else if (is_field_name(name, name_len, "forwarded")) {
        store_field(s, &s->forwarded, value, value_len);
    } else if (is_field_name(name, name_len, "x-forwarded-for")) {
        store_field(s, &s->x_forwarded_for, value, value_len);
    }
    return 0;
}

static int on_h2_data(nghttp2_session *session, uint8_t flags, int32_t id,
                      const uint8_t *octets, size_t len, void *data)
{
    struct h2_stream *s = find_h2_stream(data, id);

    (void)session;
    (void)flags;
    if (!s || s->is_answered)
        return 0;
    if (s->body.len == 0)
        s->body.at = s->text.len;
    if (s->body.len + len > HTTP_BODY_MAX || !buffer_append(&s->text, octets, len))
        s->is_too_large = true;
    else
        s->body.len += len;
    return 0;
}

static struct http_text span_text(const struct h2_stream *s, const struct span *span)
{
    return (struct http_text){.at = span->len > 0 ? (const char *)s->text.at + span->at : "",
                              .len = span->len};
}

static void complete_request(struct h2 *h, struct h2_stream *s)
{
    struct http_request request = {.method = s->method,
                                   .target = span_text(s, &s->target),
                                   .type = span_text(s, &s->type),
                                   .forwarded = span_text(s, &s->forwarded),
                                   .x_forwarded_for = span_text(s, &s->x_forwarded_for),
                                   .body = span_text(s, &s->body)};
    struct http_answer refusal = {.status = s->body.len > 0 ? 413 : 431,
                                  .why = s->body.len > 0
                                             ? "a DNS message has at most 65535 octets"
                                             : "the header fields are longer than 8192 octets"};

    list_remove(&s->link);
    list_add(&h->answering, &s->link);
    h->requests++;
    if (!s->is_too_large)
        h->on_request(h->data, s->id, &request);
    else if (!h2_answer(h, s->id, &refusal))
        h->is_flooded = true;
}

static int on_h2_frame(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct h2 *h = data;
    bool is_request = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;

    (void)session;
    if (!is_request || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    struct h2_stream *s = find_h2_stream(h, frame->hd.stream_id);
    if (s && !s->is_answered)
        complete_request(h, s);
    return 0;
}

/* A frame that nghttp2 rejected, such as one that opens too many streams. */
static int on_h2_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                               void *data)
{
    struct h2 *h = data;

    (void)session;
    (void)frame;
    (void)error;
    return count_frame(h, &h->resets, H2_RESETS_MAX);
}

/* Count streams that the client makes us reset, too. */
static int on_h2_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
    struct h2 *h = data;

    (void)session;
    if (frame->hd.type == NGHTTP2_DATA) {
        h->requests++;
        h->is_answer_whole = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    }
    if (frame->hd.type == NGHTTP2_HEADERS) /* an answer may have no DATA */
        h->sent++;
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        (void)count_frame(h, &h->resets, H2_RESETS_MAX);
    return 0;
}

static int on_h2_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *data)
{
    struct h2_stream *s = find_h2_stream(data, id);

    (void)session;
    (void)error;
    if (s)
        free_h2_stream(data, s);
    return 0;
}

/* ---- sending ---- */

static ssize_t read_h2_answer(nghttp2_session *session, int32_t id, uint8_t *to, size_t size,
                              uint32_t *flags, nghttp2_data_source *source, void *data)
{
    struct h2_stream *s = source->ptr;
    struct h2 *h = data;
    size_t len = util_min(size, s->text.len - s->sent);

    (void)session;
    (void)id;
    h->sent += len;
    if (len > 0)
        memcpy(to, s->text.at + s->sent, len);
    s->sent += len;
    if (s->sent == s->text.len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

#define FIELD(n, v, l)                                                                   \
    (nghttp2_nv)                                                                         \
    {                                                                                    \
        .name = (uint8_t *)(uintptr_t)(n), .value = (uint8_t *)(uintptr_t)(v),           \
        .namelen = sizeof(n) - 1, .valuelen = (l), .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME \
    }

#define FIXED_FIELD(n, v)                                                      \
    (nghttp2_nv)                                                               \
    {                                                                          \
        .name = (uint8_t *)(uintptr_t)(n), .value = (uint8_t *)(uintptr_t)(v), \
        .namelen = sizeof(n) - 1, .valuelen = sizeof(v) - 1,                   \
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE  \
    }

bool h2_answer(struct h2 *h, uint32_t stream, const struct http_answer *answer)
{
    static const struct http_answer too_many_unread = {.status = 503};
    struct h2_stream *s = find_h2_stream(h, (int32_t)stream);
    char status[NUMBER_MAX], length[NUMBER_MAX], age[NUMBER_MAX + 10];
    const char *text = http_answer_text(answer);
    bool is_ok = answer->status == 200, has_text = answer->status != 204;
    nghttp2_nv fields[9];
    size_t cnt = 0;

    if (!s)
        return true;
    if (is_ok && h->unread + answer->body.len > H2_UNREAD_MAX)
        return h2_answer(h, stream, &too_many_unread);
    s->is_answered = true;
    s->text.len = s->sent = 0;
    bool has_body = s->method != HTTP_HEAD && has_text;
    const void *body = is_ok ? (const void *)answer->body.at : text;
    if (has_text && !buffer_append(&s->text, body, is_ok ? answer->body.len : strlen(text)))
        return false;
    if (!is_ok && has_text && !buffer_append(&s->text, "\n", 1))
        return false;
    s->unread = s->text.len;
    h->unread += s->unread;
    size_t status_len = (size_t)snprintf(status, sizeof(status), "%u", answer->status);
    size_t length_len = (size_t)snprintf(length, sizeof(length), "%zu", s->text.len);
    size_t age_len =
        (size_t)snprintf(age, sizeof(age), "max-age=%u", (unsigned)answer->max_age_s);
    fields[cnt++] = FIELD(":status", is_ok ? status_200 : status, status_len);
    if (is_ok)
        fields[cnt++] = FIXED_FIELD("content-type", "application/dns-message");
    else if (has_text)
        fields[cnt++] = FIXED_FIELD("content-type", "text/plain");
    if (has_text)
        fields[cnt++] = FIELD("content-length", length, length_len);
    if (is_ok)
        fields[cnt++] = FIELD("cache-control", age, age_len);
    if (answer->status == 405 || !has_text)
        fields[cnt++] = FIXED_FIELD("allow", HTTP_ALLOWED_METHODS);
    fields[cnt++] = FIXED_FIELD("access-control-allow-origin", "*");
    if (!has_text) {
        fields[cnt++] = FIXED_FIELD("access-control-allow-methods", HTTP_CORS_METHODS);
        fields[cnt++] = FIXED_FIELD("access-control-allow-headers", HTTP_CORS_HEADERS);
        fields[cnt++] = FIXED_FIELD("access-control-max-age", HTTP_CORS_MAX_AGE);
    }
    if (answer->date)
        fields[cnt++] = FIELD("date", answer->date, strlen(answer->date));
    nghttp2_data_provider provider = {.source = {.ptr = s}, .read_callback = read_h2_answer};
    return nghttp2_submit_response(h->session, (int32_t)stream, fields, cnt,
                                   has_body ? &provider : NULL) == 0;
}

bool h2_write(struct h2 *h, struct buffer *out, size_t enough, bool *is_all)
{
    const uint8_t *octets;
    ssize_t len = 0;

    *is_all = h->is_answer_whole = false;
    while (out->len < enough && !(h->is_answer_whole && !h->joins_requests) &&
           (len = nghttp2_session_mem_send(h->session, &octets)) > 0)
        if (!buffer_append(out, octets, (size_t)len))
            return false;
    if (out->len >= enough || (h->is_answer_whole && !h->joins_requests))
        return true;
    *is_all = true;
    h->is_flooded |= len < 0 || (!nghttp2_session_want_read(h->session) &&
                                 !nghttp2_session_want_write(h->session));
    return !h->is_flooded;
}

uint64_t h2_sent(const struct h2 *h) { return h->sent; }

static size_t sum_text_sizes(const struct list *streams)
{
    size_t size = 0;
    for (const struct list *l = streams->next; l != streams; l = l->next)
        size += container_of(l, struct h2_stream, link)->text.size;
    return size;
}

size_t h2_memory(const struct h2 *h)
{
    return sum_text_sizes(&h->receiving) + sum_text_sizes(&h->answering);
}

bool h2_has_answers(const struct h2 *h) { return h->unread > 0 && !h->is_flooded; }

/* ---- the connection ---- */

static nghttp2_session *new_h2_session(struct h2 *h)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, H2_STREAMS_MAX},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEADER_MAX}};
    nghttp2_session_callbacks *calls = NULL;
    nghttp2_option *option = NULL;
    nghttp2_session *session = NULL;

    if (nghttp2_session_callbacks_new(&calls) == 0 && nghttp2_option_new(&option) == 0) {
        nghttp2_session_callbacks_set_on_begin_frame_callback(calls, on_h2_begin_frame);
        nghttp2_session_callbacks_set_on_begin_headers_callback(calls, on_h2_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(calls, on_h2_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_h2_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(calls, on_h2_frame);
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(calls,
                                                                     on_h2_invalid_frame);
        nghttp2_session_callbacks_set_on_frame_send_callback(calls, on_h2_frame_sent);
        nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_h2_stream_close);
        nghttp2_option_set_max_outbound_ack(option, H2_CONTROLS_MAX);
        nghttp2_option_set_no_closed_streams(option, 1);
        nghttp2_option_set_max_continuations(option, H2_CONTINUATIONS_MAX);
        if (nghttp2_session_server_new2(&session, calls, h, option) == 0 &&
            nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings,
                                    ARRAY_LEN(settings)) != 0) {
            nghttp2_session_del(session);
            session = NULL;
        }
    }
    nghttp2_session_callbacks_del(calls);
    nghttp2_option_del(option);
    return session;
}

enum err h2_new(struct conn_limit *conn_limit, h2_request_fn *on_request, void *data,
                struct h2 **out)
{
    struct h2 *h = calloc(1, sizeof(*h));

    if (!h)
        return ERR_NOMEM;
    h->on_request = on_request;
    h->data = data;
    h->conn_limit = conn_limit;
    list_init(&h->receiving);
    list_init(&h->answering);
    list_init(&h->spare);
    h->session = new_h2_session(h);
    if (!h->session) {
        free(h);
        return ERR_NOMEM;
    }
    if (conn_limit)
        conn_limit_add_memory(conn_limit, H2_MEMORY);
    *out = h;
    return ERR_OK;
}

static void free_h2_streams(struct list *streams)
{
    while (!list_is_empty(streams)) {
        struct h2_stream *s = container_of(streams->next, struct h2_stream, link);
        list_remove(&s->link);
        buffer_fini(&s->text);
        free(s);
    }
}

void h2_free(struct h2 **h2)
{
    struct h2 *h = *h2;

    if (!h)
        return;
    *h2 = NULL;
    nghttp2_session_del(h->session);
    free_h2_streams(&h->receiving);
    free_h2_streams(&h->answering);
    free_h2_streams(&h->spare);
    if (h->conn_limit)
        conn_limit_subtract_memory(h->conn_limit, H2_MEMORY);
    free(h);
}

bool h2_read(struct h2 *h, const uint8_t *octets, size_t len, bool is_one, uint64_t now_ms)
{
    h->now_ms = now_ms;
    if (h->now_ms - h->window_ms > H2_WINDOW_MS) {
        h->window_ms = h->now_ms;
        h->resets = h->controls = 0;
        h->idle_frames = h->requests = h->idle_octets = 0;
    }
    size_t requests = h->requests;
    ssize_t used = nghttp2_session_mem_recv(h->session, octets, len);
    h->joins_requests |= is_one && h->requests > requests + 1;
    /* nghttp2 drops some frames silently */
    if (h->requests == requests)
        h->idle_octets += len;
    h->is_flooded |= used < 0 || h->idle_octets > H2_IDLE_OCTETS_MAX;
    if (h->is_flooded)
        /* without memory the connection ends without GOAWAY */
        (void)nghttp2_session_terminate_session(h->session, NGHTTP2_ENHANCE_YOUR_CALM);
    return !h->is_flooded && used == (ssize_t)len;
}

bool h2_expire(struct h2 *h, uint64_t then_ms)
{
    bool is_some = false;

    list_for_each(struct h2_stream, s, &h->receiving, link) {
        if (s->since_ms > then_ms)
            break;
        if (s->is_answered)
            continue;
        s->is_answered = is_some = true;
        /* a stream that cannot be reset would keep its place forever */
        h->is_flooded |= nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE,
                                                   (int32_t)s->id, NGHTTP2_CANCEL) != 0;
    }
    return is_some;
}

void h2_end(struct h2 *h)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(h->session);
    /* without memory the connection ends without GOAWAY */
    (void)nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
}
