/* net/upstream/ports.h | the UDP ports that queries leave from
 *
 * The kernel draws a fresh port when a socket is connected, but only from
 * net.ipv4.ip_local_port_range.  The other configured ports are drawn by us and bound.  A query
 * takes each port of either part with the same probability (RFC 5452 4.5).
 *
 * Owner:    ports_new gives it to the caller.
 * Thread:   any, once it is created.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

enum { PORTS_FIRST = 1024, PORTS_LAST = UINT16_MAX }; /* used unless others are configured */

/* A range of ports, both ends included. */
struct ports_range {
    uint16_t first, last;
};

/* Lifetime: the caller's. */
struct ports_terms {
    const struct ports_range
        *allowed; /* allowed_cnt of them; none: PORTS_FIRST to PORTS_LAST */
    size_t allowed_cnt;
    /* Ports to avoid, besides well-known UDP services and the kernel's reserved ports. */
    const struct ports_range *except;
    size_t except_cnt;
};

/* Lifetime: process. */
struct ports {
    uint16_t kernel_first,
        kernel_last; /* the kernel draws from these; kernel_cnt 0: from none */
    /* Smaller than the system's range: ports_narrow is called for each socket. */
    bool is_narrowed;
    uint32_t kernel_cnt;
    uint32_t bound_cnt;
    uint16_t bound[UINT16_MAX + 1]; /* drawn by us; in ascending order */
};

/* Create the set of ports.  ERR_NOMEM; ERR_CONFIG: no port is left. */
MUST_USE enum err ports_new(const struct ports_terms *terms, struct ports **out);

/* Free *ports and set it to NULL; it may be NULL already. */
void ports_free(struct ports **ports);

/* Return the number of ports. */
uint32_t ports_cnt(const struct ports *ports);

/* Return the entropy of a port, in tenths of bits. */
unsigned ports_decibits(const struct ports *ports);

/* Set the range from which the kernel draws the port of this socket.  False if the kernel
 * cannot do it (before Linux 6.3). */
bool ports_narrow(const struct ports *ports, int fd);
