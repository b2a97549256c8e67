/* net/loop/listen.h | binding of the addresses that the configuration names
 *
 * Thread:   the main thread, before workers start.
 */
#pragma once

#include "base/addr.h"
#include "base/fault.h"

/* Check that no other process uses `addr`: bind TCP, and UDP if `has_udp`, without
 * SO_REUSEPORT, and close again.  ERR_DENIED, ERR_IO: `fault` has the cause and
 * the process. */
MUST_USE enum err listen_probe(const struct addr *addr, bool has_udp, struct fault *fault);

/* Bind a TCP socket, and a UDP socket if `udp_fd` is not NULL, that share the address with
 * those of the other workers.  Caller must close them.  Errors as above; then none is open. */
MUST_USE enum err listen_open(const struct addr *addr, int *udp_fd, int *tcp_fd,
                              struct fault *fault);
