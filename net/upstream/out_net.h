/* net/upstream/out_net.h | queries to servers over UDP, TCP and TLS
 *
 * UDP: each query leaves from a port of its own.  If the kernel draws the port, a pooled socket
 * is connected anew; else a new socket is bound, and closed with its query.  TCP: a server has
 * one connection at a time, kept for a while, that carries many queries.
 *
 * Owner:    the worker.
 * Thread:   the worker.
 */
#pragma once

#include <stdatomic.h>

#include <uv.h>

#include "net/upstream/out.h"
#include "net/upstream/ports.h"

enum {
    OUT_NET_SOCKETS_MAX = 8192,      /* more than a worker needs */
    OUT_NET_SOCKETS_ALL_MAX = 65536, /* of all workers */
    OUT_NET_BIND_TRIES = 16,         /* ports that are tried for one query */
    /* Messages of a connection beyond the number of its queries: a duplicate is no attack. */
    OUT_NET_EXTRA_MESSAGES = 2,
    OUT_NET_FIXED_PORT = 33333, /* laboratory: fixed_port of the first worker */
};

/* The source addresses and ports of queries.  Without an address of a family the kernel
 * chooses. */
struct out_net_sources {
    const struct addr *at;
    size_t cnt;
    const struct ports *ports;    /* the caller's, and as long as the out exists */
    unsigned most;                /* open sockets at most, UDP and TCP */
    uint16_t fixed_port;          /* laboratory: of queries with is_port_fixed */
    const atomic_bool *is_halted; /* true: nothing is sent any more; the caller's */
};

/* Create it on `loop`.  Caller must set (*out)->settle and data.  ERR_NOMEM, ERR_IO. */
MUST_USE enum err out_net_new(uv_loop_t *loop, const struct out_net_sources *sources,
                              struct out **out);

/* Close, and set *out to NULL; it may be NULL already.  Caller should have cancelled its
 * queries: of those left, `done` is called for TCP only.  The memory is freed when the loop has
 * closed the handles. */
void out_net_close(struct out **out);
