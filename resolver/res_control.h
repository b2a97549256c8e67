/* layer 41 | resolver/res_control.h | what the resolver's control socket knows besides what every daemon's does
 *
 * Each call runs in a worker and adds what that worker knows to the result.
 *
 * Owner:    the daemon.
 * Thread:   the worker that has the call.
 */
#pragma once

#include "net/control.h"
#include "resolver/cache_lmdb.h"
#include "resolver/res_explain.h"

/* What a worker is to the calls.  Lifetime: worker. */
struct res_control {
    struct res_serve *serve;
    struct res_explain *explain;
    struct cache_lmdb *cache; /* the process's; NULL: each worker has one in memory */
    size_t worker;
};

void res_control_status(struct control_call *call, const struct res_control *worker);
void res_control_stats(struct control_call *call, const struct res_control *worker);
void res_control_cache_stats(struct control_call *call, const struct res_control *worker);
void res_control_cache_show(struct control_call *call, const struct res_control *worker);
void res_control_cache_flush(struct control_call *call, const struct res_control *worker);
void res_control_explain(struct control_call *call, const struct res_control *worker);

/* What has happened to a name of late. */
void res_control_last(struct control_call *call, const struct res_control *worker);
