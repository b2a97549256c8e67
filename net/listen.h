/* layer 22 | net/listen.h | bind the addresses that the configuration names
 *
 * Thread:   the main thread, before workers start.
 */
#pragma once

#include "base/addr.h"

/* Prove that nobody holds `addr`: bind both protocols once without SO_REUSEPORT, then let go.
 * On failure `why` tells the cause and the holder. */
MUST_USE enum err listen_probe(const struct addr *addr, char *why, size_t size);

/* A bound UDP and TCP socket that shares the address with the other workers'. */
MUST_USE enum err listen_open(const struct addr *addr, int *udp_fd, int *tcp_fd, char *why,
                              size_t size);
