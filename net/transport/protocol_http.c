/* HTTP/1.1 answers in the order of the requests: a request is read when the one before it has
 * been answered.  A query that would be dropped over UDP gets a status: over HTTP a request
 * without an answer never ends. */
#include "net/transport/protocol_http.h"

#include <time.h>

#include "base/now.h"
#include "net/request/intake.h"
#include "net/transport/doh.h"
#include "net/transport/h2.h"
#include "net/transport/http1.h"
#include "net/transport/proxy.h"

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"; /* RFC 9113 3.4 */

static const struct stream_protocol protocol_http1, protocol_http2;

/* RFC 9110 5.6.7 */
static const char *format_date(struct stream_hub *hub)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now_s = (time_t)(now_wall_ms() / 1000);
    struct tm tm;

    if (hub->date_s != now_s && gmtime_r(&now_s, &tm)) {
        hub->date_s = now_s;
        snprintf(hub->date, sizeof(hub->date), "%s, %02u %s %04u %02u:%02u:%02u GMT",
                 days[tm.tm_wday], (unsigned)tm.tm_mday % 100, months[tm.tm_mon],
                 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
                 (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
    }
    return hub->date;
}

static struct http_answer make_http_answer(const struct stream *s, const struct exchange *ex,
                                           bool is_deferred)
{
    struct http_answer answer = {
        .status = is_deferred ? 503 : 400,
        .why = is_deferred
                   ? NULL
                   : "the message is not a DNS query (shorter than a header, or a response)",
        .date = format_date(s->hub)};

    if (ex->reply_len > 0)
        answer =
            (struct http_answer){.status = 200,
                                 .date = answer.date,
                                 .body = {.at = (const char *)ex->buffer, .len = ex->reply_len},
                                 .max_age_s = doh_max_age(ex->buffer, ex->reply_len)};
    return answer;
}

/* Find the client: the one that a trusted proxy names, or the peer.  False if a field names no
 * address. */
static bool find_client(const struct stream *s, const struct http_request *request,
                        struct addr *client)
{
    const struct addr_prefixes *trusted = &s->hub->settings->trusted_proxies;

    *client = s->client;
    /* behind a PROXY header the fields are those of the client that it names */
    if (!s->is_proxy || !addr_is_in(trusted, &s->client))
        return true;
    struct addr named = {0};
    enum proxy_result result = proxy_read_fields(request, trusted, &named);
    if (result == PROXY_WHOLE)
        *client = named;
    return result != PROXY_WRONG;
}

/* Serve the query of a request.  Unless the status is 200 there was none. */
static struct http_verdict serve_http_request(struct stream *s, uint32_t number,
                                              const struct http_request *request)
{
    const uint8_t *wire;
    struct addr client;
    size_t len;

    if (!find_client(s, request, &client))
        return (struct http_verdict){
            400, "the proxy's Forwarded or X-Forwarded-For names no address"};
    if (s->deferred_cnt >= STREAM_DEFERRED_MAX)
        return (struct http_verdict){503, "too many queries of this connection are unanswered"};
    struct http_verdict verdict =
        doh_read(request, s->hub->settings->https_path, s->hub->decoded, &wire, &len);
    if (verdict.status == 200) {
        struct exchange *ex = stream_exchange(s, number);
        ex->peer = client;
        intake_batch(s->hub->service, s->hub->engine, &ex, &wire, &len, 1);
    }
    return verdict;
}

/* ---- HTTP/1.1 ---- */

/* The number of a request is 1 if the client wants to close the connection after it. */
static bool append_answer1(struct stream *s, const struct exchange *ex, uint32_t closes,
                           bool is_deferred)
{
    struct http_answer answer = make_http_answer(s, ex, is_deferred);
    if (closes)
        stream_finish(s);
    return http1_print(&s->out, &answer, (struct http1_form){.closes = closes});
}

static bool append_refusal(struct stream *s, struct http_verdict verdict,
                           struct http1_form form)
{
    struct http_answer answer = {
        .status = verdict.status, .why = verdict.why, .date = format_date(s->hub)};
    if (!http1_print(&s->out, &answer, form))
        stream_close(s);
    return !form.closes;
}

/* The client sends the body after a 100 (Continue), which is sent once: s->inner is set when it
 * was. */
static void send_continue(struct stream *s, const struct http_request *request)
{
    if (!request->wants_continue || s->inner)
        return;
    s->inner = s;
    if (!http1_print_continue(&s->out))
        stream_close(s);
}

static bool read_requests1(struct stream *s, const uint8_t *octets, size_t len, size_t *used)
{
    size_t at = 0;
    bool goes_on = true;

    while (goes_on && !stream_is_paused(s) && !s->is_finishing && at < len) {
        struct http_request request;
        struct http_verdict verdict;
        size_t done;

        at += http1_skip_lines(octets + at, len - at);
        if (at == len)
            break;
        enum http1_result result =
            http1_parse(octets + at, len - at, &request, &done, &verdict);
        if (result == HTTP1_MORE) {
            send_continue(s, &request);
            break;
        }
        if (result == HTTP1_WRONG) {
            *used = len;
            return append_refusal(s, verdict, (struct http1_form){.closes = true});
        }
        at += done;
        s->inner = NULL;
        struct http1_form form = {.closes = request.wants_close,
                                  .is_head = request.method == HTTP_HEAD};
        verdict = serve_http_request(s, request.wants_close, &request);
        if (verdict.status != 200)
            goes_on = append_refusal(s, verdict, form);
    }
    *used = at;
    return goes_on;
}

static const struct stream_protocol protocol_http1 = {
    .read_requests = read_requests1, .append_answer = append_answer1, .deferred_max = 1};

/* ---- HTTP/2 ---- */

static void serve_http2_request(void *data, uint32_t number, const struct http_request *request)
{
    struct stream *s = data;

    if (s->is_closing)
        return;
    struct http_verdict verdict = serve_http_request(s, number, request);
    struct http_answer refusal = {
        .status = verdict.status, .why = verdict.why, .date = format_date(s->hub)};

    if (verdict.status != 200 && !h2_answer(s->inner, number, &refusal))
        stream_close(s);
}

static enum err begin_h2(struct stream *s)
{
    struct h2 *h2;
    enum err err = h2_new(s->hub->settings->conn_limit, serve_http2_request, s, &h2);
    if (!err)
        s->inner = h2;
    return err;
}

static bool read_frames(struct stream *s, const uint8_t *octets, size_t len, size_t *used)
{
    *used = len;
    return h2_read(s->inner, octets, len, s->in.len == 0, now_mono_ms());
}

static bool append_answer2(struct stream *s, const struct exchange *ex, uint32_t number,
                           bool is_deferred)
{
    struct http_answer answer = make_http_answer(s, ex, is_deferred);
    return h2_answer(s->inner, number, &answer);
}

static bool append_frames(struct stream *s, size_t enough, bool *is_all)
{
    uint64_t before = h2_sent(s->inner);
    bool goes_on = h2_write(s->inner, &s->out, enough, is_all);

    if (!goes_on && !*is_all) /* no memory: the last frame is incomplete */
        stream_close(s);
    if (!s->is_closing &&
        h2_sent(s->inner) != before) /* the client reads answers; PINGs do not count */
        stream_touch(s);
    return goes_on;
}

static size_t get_h2_memory(const struct stream *s) { return h2_memory(s->inner); }

static bool has_answers2(const struct stream *s) { return h2_has_answers(s->inner); }

static bool expire_requests(struct stream *s, uint64_t now_ms)
{
    return h2_expire(s->inner, now_ms - STREAM_PARTIAL_MS);
}

static void send_goaway(struct stream *s) { h2_end(s->inner); }

static void free_h2(struct stream *s)
{
    struct h2 *h2 = s->inner;
    h2_free(&h2);
}

/* HTTP/2 bounds its streams itself. */
static const struct stream_protocol protocol_http2 = {.begin = begin_h2,
                                                      .read_requests = read_frames,
                                                      .append_answer = append_answer2,
                                                      .append_pending = append_frames,
                                                      .memory = get_h2_memory,
                                                      .has_answers = has_answers2,
                                                      .tick = expire_requests,
                                                      .finish = send_goaway,
                                                      .free = free_h2,
                                                      .deferred_max = 2 * H2_STREAMS_MAX};

/* ---- the version of HTTP ---- */

static bool change_protocol(struct stream *s, const struct stream_protocol *protocol)
{
    if (stream_change_protocol(s, protocol) == ERR_OK)
        return true;
    stream_close(s);
    return false;
}

static bool detect_version(struct stream *s, const uint8_t *octets, size_t len, size_t *used)
{
    size_t same = util_min(len, sizeof(preface) - 1);

    *used = 0;
    if (s->tls && tls_has_protocol(s->tls, "h2"))
        return change_protocol(s, &protocol_http2);
    if (memcmp(octets, preface, same) != 0)
        return change_protocol(s, &protocol_http1);
    return same < sizeof(preface) - 1 || change_protocol(s, &protocol_http2);
}

/* No query is served before the version of HTTP is known. */
static bool append_no_answer(struct stream *s, const struct exchange *ex, uint32_t request,
                             bool is_deferred)
{
    (void)s;
    (void)ex;
    (void)request;
    (void)is_deferred;
    return false;
}

const struct stream_protocol protocol_http = {
    .read_requests = detect_version, .append_answer = append_no_answer, .deferred_max = 1};
