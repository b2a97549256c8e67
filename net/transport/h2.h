/* net/transport/h2.h | the server side of an HTTP/2 connection (RFC 9113), without sockets
 *
 * nghttp2 handles frames, header compression and windows; this file adds limits and assembles
 * whole requests.  It knows no DNS.
 *
 * Owner:    the connection.
 * Thread:   its worker.
 */
#pragma once

#include "net/transport/buffer.h"
#include "net/transport/http.h"

struct h2;

enum {
    H2_STREAMS_MAX = 100,
    H2_WINDOW_MS = 10000,  /* the window of the counts below */
    H2_RESETS_MAX = 200,   /* streams reset by either side (CVE-2023-44487) */
    H2_CONTROLS_MAX = 100, /* SETTINGS and PING together */
    /* Frames that do not advance a request, beyond a few per request and answer. */
    H2_IDLE_FRAMES_MAX = 1000,
    H2_FRAMES_PER_REQUEST = 8,
    /* Octets read without completing a request; a hundred request bodies are fewer. */
    H2_IDLE_OCTETS_MAX = 16 << 20,
    /* Octets of answers that the client has not read; beyond, requests get 503. */
    H2_UNREAD_MAX = 2 << 20,
    H2_CONTINUATIONS_MAX = 8, /* CONTINUATION frames per field block */
    /* Octets that conn_limit counts for what nghttp2 allocates per connection. */
    H2_MEMORY = 12000,
};

/* Called for each whole request, which is answered by one h2_answer, at once or later.  The
 * request is lent for the call. */
typedef void h2_request_fn(void *data, uint32_t stream, const struct http_request *request);

/* Create the session of a new connection; conn_limit counts its memory unless it is NULL.
 * ERR_NOMEM. */
MUST_USE enum err h2_new(struct conn_limit *conn_limit, h2_request_fn *on_request, void *data,
                         struct h2 **out);

/* Free *h2 and set it to NULL; it may be NULL already.  Must not be called by on_request. */
void h2_free(struct h2 **h2);

/* Process these octets and call on_request for each whole request.  `is_one`: they came in one
 * TLS record, or without TLS in one read.  False: caller must send what h2_write appends, then
 * close the connection. */
MUST_USE bool h2_read(struct h2 *h2, const uint8_t *octets, size_t len, bool is_one,
                      uint64_t now_ms);

/* Answer a request; the body must not overlap the request's.  Does nothing if the stream was
 * closed.  False if there is no memory. */
MUST_USE bool h2_answer(struct h2 *h2, uint32_t stream, const struct http_answer *answer);

/* Append frames to be sent until `out` has `enough` octets, or after each whole answer if the
 * client has never put several requests into one record: such a client may read one answer per
 * record only (dnsperf), and gains nothing from fewer records.  *is_all: nothing is left to be
 * sent.  False: caller must close the connection, after sending what was appended if *is_all,
 * else at once. */
MUST_USE bool h2_write(struct h2 *h2, struct buffer *out, size_t enough, bool *is_all);

/* Return a count that grows with each answer that h2_write appends, so as long as the client
 * reads answers. */
uint64_t h2_sent(const struct h2 *h2);

/* Return the memory of requests and answers, in octets. */
size_t h2_memory(const struct h2 *h2);

/* True if the client has not read all answers. */
bool h2_has_answers(const struct h2 *h2);

/* Reset the streams of requests that began before `then_ms` and are incomplete.  True if there
 * were any. */
bool h2_expire(struct h2 *h2, uint64_t then_ms);

/* Queue a GOAWAY: new requests will not be answered (RFC 9113 6.8). */
void h2_end(struct h2 *h2);
