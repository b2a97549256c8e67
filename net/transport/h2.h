/* net/transport/h2.h | the server's side of an HTTP/2 connection (RFC 9113), as octets in and
 * octets out
 *
 * nghttp2 knows frames, header compression and windows; here are the limits and whole requests.
 * It knows no DNS and no sockets.
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
    H2_WINDOW_MS = 10000,      /* in which the following count */
    H2_RESETS_MAX = 200,       /* CVE-2023-44487 */
    H2_CONTROLS_MAX = 100,     /* SETTINGS and PING together */
    H2_IDLE_FRAMES_MAX = 1000, /* frames that bring no request further, above a few for each
                                  request and answer */
    H2_IDLE_OCTETS_MAX =
        16 << 20, /* read in a row without a request coming of it; a hundred bodies are less */
    H2_HELD_MAX =
        2 << 20, /* octets of answers that wait for a client; above that its requests get 503 */
    H2_CONTINUATIONS_MAX = 8, /* of one block of fields */
    H2_MEMORY =
        12000, /* octets that conn_limit counts for what nghttp2 allocates per connection */
};

/* What happens with a whole request: answered now or later with h2_answer, once. */
typedef void h2_request_fn(void *data, uint32_t stream, const struct http_request *request);

/* ERR_NOMEM. */
MUST_USE enum err h2_new(struct conn_limit *conn_limit, h2_request_fn *on_request, void *data,
                         struct h2 **out);

/* Clears the pointer; NULL inside is fine.  Not from inside on_request. */
void h2_free(struct h2 **h2);

/* Take all of these octets; calls on_request.  `is_one`: they came in one TLS record, or one
 * read without TLS.  False: the connection has to end once what h2_write brings has been sent.
 */
MUST_USE bool h2_read(struct h2 *h2, const uint8_t *octets, size_t len, bool is_one,
                      uint64_t now_ms);

/* Answer a request, with a body that lies elsewhere than the request's; one whose stream has
 * been given up is forgotten.  False: no memory. */
MUST_USE bool h2_answer(struct h2 *h2, uint32_t stream, const struct http_answer *answer);

/* Append what is to be sent, until `out` has `enough` octets, or ends with an answer and the
 * client has never put several requests into one record: it may read one answer per record only
 * (dnsperf), and has nothing to gain from fewer records.  *is_all: there is no more.  False:
 * the connection has to end, and when not all was appended it is of no use any more. */
MUST_USE bool h2_write(struct h2 *h2, struct buffer *out, size_t enough, bool *is_all);

/* Answers, counted in octets, that have been given to h2_write so far; that grows as long as
 * the client takes them. */
uint64_t h2_sent(const struct h2 *h2);

/* Octets of requests and answers that are here, and whether answers are among them. */
size_t h2_held(const struct h2 *h2);
bool h2_has_answers(const struct h2 *h2);

/* Give up requests that began before `then_ms` and are still not whole; true: there were some.
 */
bool h2_expire(struct h2 *h2, uint64_t then_ms);

/* Tell the client that new requests will not be answered (GOAWAY). */
void h2_end(struct h2 *h2);
