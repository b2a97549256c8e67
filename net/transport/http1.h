/* net/transport/http1.h | HTTP/1.1 requests and answers, as scripts and proxies use them (RFC
 * 9112)
 *
 * A request is a line, fields and as many octets as Content-Length says.  Anything that two
 * implementations could read in two ways - a transfer coding, two lengths, folded fields, bare
 * line feeds - is rejected: a proxy in front of us may read it the other way (request
 * smuggling).
 *
 * Owner:    the caller.
 * Thread:   any.
 */
#pragma once

#include "net/transport/buffer.h"
#include "net/transport/http.h"

enum http1_result {
    HTTP1_WHOLE, /* *out is the request, of *used octets */
    /* Incomplete. out->wants_continue: only the body is missing, and the client waits for a
       100. */
    HTTP1_MORE,
    /* *fault says why.  Caller must close the connection: the start of the next request is
       unknown. */
    HTTP1_WRONG,
};

/* Return the length of the empty lines before a request, in octets (RFC 9112 2.2). */
size_t http1_skip_lines(const uint8_t *octets, size_t len);

/* Parse the request that begins `octets`.  The texts of *out point into it. */
enum http1_result http1_parse(const uint8_t *octets, size_t len, struct http_request *out,
                              size_t *used, struct http_verdict *fault);

/* The form of an answer. */
struct http1_form {
    bool closes;  /* with "Connection: close" */
    bool is_head; /* without the body: the method is HEAD */
};

/* Append an answer.  False if there is no memory. */
MUST_USE bool http1_print(struct buffer *out, const struct http_answer *answer,
                          struct http1_form form);

/* Append the 100 (Continue) that a client with wants_continue waits for (RFC 9110 10.1.1).
 * False if there is no memory. */
MUST_USE bool http1_print_continue(struct buffer *out);
