/* net/loop/descriptors.h | division of the file descriptors among the parts of the process
 *
 * Connections of clients and sockets for queries to servers are limited, so that descriptors
 * remain for the control socket, zone files and the cache.
 *
 * Thread:   the main thread, at the start.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"

/* What the configuration asks for. */
struct descriptors_wish {
    unsigned workers, listeners;
    unsigned connections; /* of clients, in all workers */
    unsigned sockets;     /* of each worker, for queries to servers */
};

/* What the process gets; the fields mean the same. */
struct descriptors {
    unsigned limit; /* RLIMIT_NOFILE: every descriptor is below it */
    unsigned connections, sockets;
};

/* Divide `limit` descriptors.  False: too few to run. */
bool descriptors_divide(unsigned limit, const struct descriptors_wish *wish,
                        struct descriptors *out);

/* Set the soft limit RLIMIT_NOFILE to the number that `wish` needs, or to the hard limit if
 * that is lower, and divide it.  Log a warning if there are fewer than needed.  ERR_LIMIT: too
 * few to run; ERR_IO.  On error `fault` has the text. */
MUST_USE enum err descriptors_set(const struct descriptors_wish *wish, struct descriptors *out,
                                  struct fault *fault);
