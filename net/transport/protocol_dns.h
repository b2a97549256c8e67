/* net/transport/protocol_dns.h | the protocol handler of DNS over TCP and TLS
 *
 * Each message follows its length (RFC 1035 4.2.2, RFC 7766, RFC 7858).
 *
 * Owner:    static.
 * Thread:   any.
 */
#pragma once

#include "net/transport/stream.h"

extern const struct stream_protocol protocol_dns;
