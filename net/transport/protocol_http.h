/* net/transport/protocol_http.h | DNS over HTTPS (RFC 8484), HTTP/2 or HTTP/1.1
 *
 * Owner:    static.
 * Thread:   any.
 */
#pragma once

#include "net/transport/stream.h"

/* Whatever comes first decides which HTTP it is. */
extern const struct stream_protocol protocol_http;
