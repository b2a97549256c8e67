/* net/upstream/out_net.h | questions to servers over UDP and TCP
 *
 * UDP: each query leaves from a port of its own.  If the kernel draws it, a socket of the pool
 * is connected anew; else a new socket is bound, and closed with the query.  TCP: one
 * connection to a server at a time, kept for a while, with many queries on it.
 *
 * Owner:    the worker.
 * Thread:   the worker.
 */
#pragma once

#include <uv.h>

#include "net/upstream/out.h"
#include "net/upstream/ports.h"

enum { OUT_NET_SOCKETS_MAX = 8192 }; /* more than a worker ever needs */

/* Source addresses to ask from; without one of a family the system chooses. */
struct out_net_sources {
    const struct addr *at;
    size_t cnt;
    const struct ports *ports; /* stay the caller's */
    unsigned most;             /* sockets at a time, UDP and TCP */
};

/* Make it on `loop`; its settle and data are the caller's to set.  ERR_NOMEM, ERR_IO. */
MUST_USE enum err out_net_new(uv_loop_t *loop, const struct out_net_sources *sources,
                              struct out **out);

/* Forget all questions and close; memory goes when the loop has closed the handles.  Clears the
 * pointer; NULL inside is fine. */
void out_net_close(struct out **out);
