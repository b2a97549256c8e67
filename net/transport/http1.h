/* net/transport/http1.h | HTTP/1.1 as far as scripts and proxies speak it (RFC 9112)
 *
 * A request is a line, fields and as many octets as Content-Length says.  Whatever could be
 * understood in two ways - a transfer coding, two lengths, folded fields, bare line feeds - is
 * refused: a proxy in front of us may understand it the other way.
 *
 * Owner:    the caller.
 * Thread:   any.
 */
#pragma once

#include "net/transport/buffer.h"
#include "net/transport/http.h"

enum http1_result {
    HTTP1_WHOLE, /* `out` is there, `*used` octets are its */
    HTTP1_MORE, /* it goes on; `out` says wants_continue when only the body is missing and waits
                   for that */
    HTTP1_WRONG, /* `*fault` tells why; the connection has to end, for it is not known where the
                    next request begins */
};

/* How many octets of empty lines stand before a request (RFC 9112 2.2). */
size_t http1_skip_lines(const uint8_t *octets, size_t len);

/* Look at the first `len` octets of a connection, or of what is left of it. */
enum http1_result http1_parse(const uint8_t *octets, size_t len, struct http_request *out,
                              size_t *used, struct http_verdict *fault);

/* How an answer is written. */
struct http1_form {
    bool closes;  /* it is the last */
    bool is_head; /* without its body: the question was HEAD */
};

/* Append an answer.  False: no memory. */
MUST_USE bool http1_print(struct buffer *out, const struct http_answer *answer,
                          struct http1_form form);

/* Append what a client with wants_continue waits for (RFC 9110 10.1.1).  False: no memory. */
MUST_USE bool http1_print_continue(struct buffer *out);
