/* base/publish.h | an object that the main thread replaces and all workers read without locks
 *
 * The main thread builds a new version and publishes it.  A worker takes the newest version
 * between two batches, which acknowledges that it no longer uses the previous one.  A version
 * is freed when every worker has taken a later one.
 *
 * Owner:    the publish owns each version from publish_put on.
 * Thread:   the main thread, except publish_take: the worker of that number.
 * Words:    take - adopt the newest version and acknowledge it.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

enum { PUBLISH_WORKERS_MAX = 256 };

struct publish_version;

/* Lifetime: process. */
struct publish {
    _Atomic(struct publish_version *) current;
    struct publish_version *retired; /* not yet acknowledged by all; main thread only */
    size_t worker_cnt;
    _Atomic uint64_t acked[PUBLISH_WORKERS_MAX]; /* version taken; release, acquire by main */
};

/* Make a publish without a version, for `worker_cnt` workers. */
void publish_init(struct publish *publish, size_t worker_cnt);

/* Publish `data` as the newest version, to be freed with `free_data`.  ERR_NOMEM: nothing
 * changed, and the caller still owns `data`. */
MUST_USE enum err publish_put(struct publish *publish, void *data,
                              void (*free_data)(void *data));

/* Return the newest data, which the worker may use until its next take.  NULL before the first
 * put. */
void *publish_take(struct publish *publish, size_t worker);

/* Return the newest data to the main thread.  NULL before the first put. */
void *publish_newest(struct publish *publish);

/* Free each retired version that no worker uses any more.  Return the number of those left. */
size_t publish_collect(struct publish *publish);

/* Free all versions.  Workers must have ended. */
void publish_fini(struct publish *publish);
