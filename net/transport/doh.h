/* net/transport/doh.h | DNS messages in HTTP requests and answers (RFC 8484)
 *
 * Owner:    the caller.
 * Thread:   any.
 */
#pragma once

#include "dns/message.h"
#include "net/transport/http.h"

/* The DNS message of a request to `path`: *wire points into `buffer` (MESSAGE_MAX octets) or
 * into the request.  The status is 200, 204 for OPTIONS, or one of 400, 404, 405, 413, 415, and
 * then there is no message. */
struct http_verdict doh_read(const struct http_request *request, const char *path,
                             uint8_t *buffer, const uint8_t **wire, size_t *len);

/* How long an answer may be kept, in seconds: the smallest TTL of the answer section, or for a
 * negative one that of its SOA (RFC 8484 5.1, RFC 2308 5); 0 for errors and what is no answer.
 */
uint32_t doh_max_age(const uint8_t *wire, size_t len);
