/* net/loop/listen.h | bind the addresses that the configuration names
 *
 * Thread:   the main thread, before workers start.
 */
#pragma once

#include "base/addr.h"

/* Prove that nobody holds `addr`: bind TCP, and UDP when `has_udp`, once without SO_REUSEPORT,
 * then let go. On failure `why` tells the cause and the holder. */
MUST_USE enum err listen_probe(const struct addr *addr, bool has_udp, char *why, size_t size);

/* A bound TCP socket that shares the address with the other workers', and a UDP one when
 * `udp_fd` is not NULL. */
MUST_USE enum err listen_open(const struct addr *addr, int *udp_fd, int *tcp_fd, char *why,
                              size_t size);
