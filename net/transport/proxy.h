/* net/transport/proxy.h | what a proxy says of its client: the PROXY protocol, version 2, and
 * fields of HTTP
 *
 * Whom to believe is the caller's to know.
 *
 * Owner:    the caller.
 * Thread:   any.
 */
#pragma once

#include "base/addr.h"
#include "net/transport/http.h"

enum proxy_result {
    PROXY_NONE,  /* it does not begin with a preamble */
    PROXY_MORE,  /* so far it may be one */
    PROXY_WHOLE, /* `*used` octets are its; `client` is set unless the proxy speaks for itself
                    (LOCAL) */
    PROXY_WRONG,
};

enum {
    PROXY_LEN_MAX = 536
}; /* a longer preamble is wrong: addresses and a few attributes want less */

/* Look for a preamble at the beginning of a connection. */
enum proxy_result proxy_parse(const uint8_t *octets, size_t len, struct addr *client,
                              size_t *used);

/* The same for octets that came from *client: PROXY_WRONG too unless that is one of `trusted`.
 */
enum proxy_result proxy_pass(const uint8_t *octets, size_t len,
                             const struct addr_prefixes *trusted, struct addr *client,
                             size_t *used);

/* True if the octets begin with the whole signature of a header.  No DNS query that is worth an
 * answer does. */
bool proxy_is_header(const uint8_t *octets, size_t len);

/* The client of a request that came from a proxy: the address furthest to the right in
 * Forwarded (RFC 7239) or X-Forwarded-For that is none of `trusted`; what stands left of it
 * anybody can have written.  PROXY_NONE: there is neither field.  PROXY_WRONG: what stands
 * there is no address, or the two differ - proxies hand on the field that they do not write
 * themselves, as the client wrote it. */
enum proxy_result proxy_read_fields(const struct http_request *request,
                                    const struct addr_prefixes *trusted, struct addr *client);
