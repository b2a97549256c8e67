/* net/transport/protocol_http.h | the protocol handler of DNS over HTTPS (RFC 8484)
 *
 * Owner:    static.
 * Thread:   any.
 */
#pragma once

#include "net/transport/stream.h"

/* HTTP/2 if TLS has negotiated it or the connection begins with its preface, else HTTP/1.1. */
extern const struct stream_protocol protocol_http;
