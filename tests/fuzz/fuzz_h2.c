/* An HTTP/2 connection without TLS, read in pieces.  Requests are answered at once, later or
 * never.  The output must be whole frames, and all memory must be freed.
 *
 * Input: the first octet is the size of the pieces, the rest the octets of the client. */
#include "base/hash.h"
#include "net/transport/doh.h"
#include "net/transport/h2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DEFERRED_MAX = 200, FRAME_HEAD = 9, TICK_MS = 100 };

static struct h2 *connection;
static struct conn_limit *conn_limit;
static uint32_t deferred[DEFERRED_MAX];
static size_t deferred_cnt;
static uint8_t decoded[MESSAGE_MAX];

static void on_request(void *data, uint32_t stream, const struct http_request *request)
{
    const uint8_t *wire;
    size_t len;

    (void)data;
    struct http_verdict verdict = doh_read(request, "/dns-query", decoded, &wire, &len);
    struct http_answer answer = {.status = verdict.status, .why = verdict.why};
    if (answer.status == 200) {
        if (stream % 3 == 0 && deferred_cnt < DEFERRED_MAX) {
            deferred[deferred_cnt++] = stream;
            return;
        }
        memmove(decoded, wire, len);
        answer.body = (struct http_text){.at = (const char *)decoded, .len = len};
        answer.max_age_s = doh_max_age(wire, len);
    }
    must(h2_answer(connection, stream, &answer));
}

static bool check_output(struct buffer *out)
{
    bool is_all = false, goes_on = true;

    while (goes_on && !is_all)
        goes_on = h2_write(connection, out, out->len + 100, &is_all);

    for (size_t at = 0; at < out->len;) {
        must(out->len - at >= FRAME_HEAD);
        size_t len = (size_t)out->at[at] << 16 | util_get_u16(out->at + at + 1);
        must(len <= out->len - at - FRAME_HEAD);
        at += FRAME_HEAD + len;
    }
    out->len = 0;
    return goes_on;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct conn_limit_conf limits = {.connections = 1, .memory = 1 << 30};
    struct http_answer answer = {.status = 200, .body = {.at = "late", .len = 4}};
    struct buffer out = {0};
    uint64_t now_ms = 1000000;
    bool goes_on = true;

    if (!conn_limit) {
        hash_init();
        must(conn_limit_new(&limits, 1, &conn_limit) == ERR_OK);
    }
    if (size < 2)
        return 0;
    size_t piece = data[0] ? data[0] : size;
    deferred_cnt = 0;
    must(h2_new(conn_limit, on_request, NULL, &connection) == ERR_OK);
    for (size_t at = 1; at < size && goes_on; at += piece, now_ms += TICK_MS) {
        goes_on = h2_read(connection, data + at, util_min(piece, size - at), at % 2, now_ms);
        if (deferred_cnt > 2)
            must(h2_answer(connection, deferred[--deferred_cnt], &answer));
        (void)h2_expire(connection, now_ms - 2000);
        goes_on &= check_output(&out);
    }
    if (goes_on) {
        h2_end(connection);
        (void)check_output(&out);
    }
    h2_free(&connection);
    buffer_fini(&out);
    must(conn_limit_counts(conn_limit).memory == 0);
    return 0;
}
