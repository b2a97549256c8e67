/* net/transport/doh.h | DNS messages in HTTP requests and answers (RFC 8484)
 *
 * Owner:    the caller.
 * Thread:   any.
 */
#pragma once

#include "dns/message.h"
#include "net/transport/http.h"

/* Find the DNS message of a request to `path`.  With status 200, *wire and *len are the
 * message: in `buffer` (MESSAGE_MAX octets) or in the request.  Other results are 204 for
 * OPTIONS, 400, 404, 405, 413 and 415. */
struct http_verdict doh_read(const struct http_request *request, const char *path,
                             uint8_t *buffer, const uint8_t **wire, size_t *len);

/* Return how long an answer may be cached, in seconds: the smallest TTL of the answer section,
 * for a negative answer that of its SOA (RFC 8484 5.1, RFC 2308 5), 0 for an error or a
 * truncated answer. */
uint32_t doh_max_age(const uint8_t *wire, size_t len);
