/* resolver/res_control.h | what the resolver's control socket knows besides what every daemon's
 * does
 *
 * Each call runs in a worker and adds what that worker knows to the result.
 *
 * Owner:    the daemon.
 * Thread:   the worker that has the call.
 */
#pragma once

#include "net/control/control.h"
#include "resolver/cache/cache_lmdb.h"
#include "resolver/explain/res_explain.h"

/* What a worker is to the calls: whatever the daemon calls its engine begins with it. Lifetime:
 * worker. */
struct res_control {
    struct res_serve *serve;
    struct res_explain *explain;
    struct cache_lmdb *cache;  /* the process's; NULL: each worker has one in memory */
    const struct ports *ports; /* that queries leave from */
    size_t worker;             /* its number */
    size_t worker_cnt;
};

/* status, stats, cache-stats, cache-show, cache-flush, explain, last; ended by a NULL name.
 * docs/EXPLAIN.md has what they take and give. */
extern const struct control_command res_control_commands[];
