/* net/upstream/ports.h | the UDP ports that queries may leave from
 *
 * The kernel draws a fresh port when a socket is connected, but only from
 * net.ipv4.ip_local_port_range.  The rest of the configured range is drawn by hand and bound. A
 * query takes a port from either part with the same probability for each port (RFC 5452 4.5).
 *
 * Owner:    ports_new gives it to the caller.
 * Thread:   any, once it is made.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

/* Both ends included. */
struct ports_range {
    uint16_t first, last;
};

/* Lifetime: the caller's. */
struct ports_terms {
    const struct ports_range *allowed; /* none: 1024 to 65535 */
    size_t allowed_cnt;
    const struct ports_range
        *except; /* besides well-known UDP services and the kernel's reserved ports */
    size_t except_cnt;
};

/* Lifetime: process. */
struct ports {
    uint16_t kernel_first, kernel_last; /* what the kernel draws from; kernel_cnt 0: nothing */
    bool is_narrowed; /* less than the system's range: each socket has to be told
                         (IP_LOCAL_PORT_RANGE) */
    uint32_t kernel_cnt;
    uint32_t bound_cnt;
    uint16_t bound[UINT16_MAX + 1]; /* drawn by hand, in ascending order */
};

/* Find out which ports there are.  ERR_NOMEM; ERR_CONFIG: none is left. */
MUST_USE enum err ports_new(const struct ports_terms *terms, struct ports **out);

/* Free it.  Clears the pointer; NULL inside is fine. */
void ports_free(struct ports **ports);

/* How many there are in all. */
uint32_t ports_cnt(const struct ports *ports);

/* Tenths of bits that an attacker has to guess of a port. */
unsigned ports_decibits(const struct ports *ports);

/* Tell a new socket which ports the kernel shall draw from.  False: the kernel cannot do that
 * (before Linux 6.3). */
bool ports_narrow(const struct ports *ports, int fd);
