/* resolver/res_control.h | the resolver's commands of the control socket
 *
 * net/daemon/daemon.c has the commands of both daemons.  A command visits one worker or all of
 * them, one after another, and each adds its facts to the result.
 *
 * Owner:    the daemon.
 * Thread:   the worker that the command visits.
 */
#pragma once

#include "net/control/control.h"
#include "resolver/cache/cache_lmdb.h"
#include "resolver/explain/res_explain.h"

/* The parts of a worker that the commands need.  The struct that the resolver passes to the
 * daemon as its engine begins with it.
 *
 * Lifetime: worker.
 */
struct res_control {
    struct res_serve *serve;
    struct res_explain *explain;
    struct cache_lmdb *cache;  /* shared by all workers; NULL: each has a cache in memory */
    const struct ports *ports; /* source ports of queries */
    struct tunnel *tunnel;     /* shared by all workers */
    size_t worker;             /* number of this worker, from 0 */
    size_t worker_cnt;
};

/* status, rejected, stats, cache-stats, cache-show, cache-flush, explain and last; the last
 * element has a NULL name.  docs/EXPLAIN.md describes their requests and results. */
extern const struct control_command res_control_commands[];
