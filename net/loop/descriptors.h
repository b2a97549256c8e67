/* net/loop/descriptors.h | how many descriptors each part of the process may hold
 *
 * Connections of clients and sockets that ask servers are bounded so that no part takes what
 * another one needs: the control socket, zone files, the cache.
 *
 * Thread:   the main thread, at the start.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/util.h"

/* What is wanted. */
struct descriptors_wish {
    unsigned workers, listeners;
    unsigned connections; /* of clients, in all */
    unsigned sockets;     /* that the engine of each worker asks servers with */
};

/* What there is. */
struct descriptors {
    unsigned limit; /* RLIMIT_NOFILE: every descriptor is below it */
    unsigned connections, sockets;
};

/* Divide `limit` descriptors; false: there are too few to run with. */
bool descriptors_divide(unsigned limit, const struct descriptors_wish *wish,
                        struct descriptors *out);

/* Set RLIMIT_NOFILE to what is wanted, as far as its hard limit goes, and divide it; the log is
 * warned if it does not go far enough.  ERR_LIMIT: too few to run with; `why` (size octets)
 * tells. */
MUST_USE enum err descriptors_set(const struct descriptors_wish *wish, struct descriptors *out,
                                  char *why, size_t size);
