/* net/transport/proxy.h | the client that a proxy names: PROXY headers, version 2, and fields
 * of HTTP
 *
 * Owner:    the caller.
 * Thread:   any.
 */
#pragma once

#include "base/addr.h"
#include "net/transport/http.h"

enum proxy_result {
    PROXY_NONE, /* no PROXY header, or no field */
    PROXY_MORE, /* perhaps an incomplete header */
    /* The header has *used octets.  *client is the client, unchanged if the proxy speaks for
       itself (LOCAL). */
    PROXY_WHOLE,
    PROXY_WRONG, /* malformed, or from an untrusted peer */
};

enum {
    /* A longer header is malformed: addresses and a few attributes need less. */
    PROXY_LEN_MAX = 536
};

/* Parse the PROXY header that begins `octets`. */
enum proxy_result proxy_parse(const uint8_t *octets, size_t len, struct addr *client,
                              size_t *used);

/* The same for octets that came from *client: PROXY_WRONG also unless *client is one of
 * `trusted`. */
enum proxy_result proxy_parse_trusted(const uint8_t *octets, size_t len,
                                      const struct addr_prefixes *trusted, struct addr *client,
                                      size_t *used);

/* True if `octets` begin with the whole signature of a PROXY header.  No query that deserves an
 * answer does. */
bool proxy_is_header(const uint8_t *octets, size_t len);

/* Find the client of a request from a trusted proxy: the rightmost address in Forwarded (RFC
 * 7239) or X-Forwarded-For that is not one of `trusted`; any client can have written what
 * stands left of it.  PROXY_NONE: neither field is there.  PROXY_WRONG: an address is
 * malformed, or the two fields differ - a proxy that writes only one of them hands on the other
 * as the client wrote it. */
enum proxy_result proxy_read_fields(const struct http_request *request,
                                    const struct addr_prefixes *trusted, struct addr *client);
