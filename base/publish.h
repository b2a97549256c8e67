/* base/publish.h | one pointer for all workers, swapped between their turns
 *
 * The main thread builds a new version aside and puts it here; each worker takes it when it is
 * between two turns and so says that it no longer looks at the one before.  A version is freed
 * when every worker has taken a later one.
 *
 * Owner:    versions belong to the publish from publish_put on.
 * Thread:   put, collect and fini from the main thread; take from the worker with that number.
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
    struct publish_version *retired; /* waiting for acknowledgements; the main thread's */
    size_t worker_cnt;
    _Atomic uint64_t acked[PUBLISH_WORKERS_MAX]; /* release by the worker, acquire by main */
};

/* No version yet, `worker_cnt` readers. */
void publish_init(struct publish *publish, size_t worker_cnt);

/* Make `data` the version that workers take from now on.  On ERR_NOMEM nothing changed and
 * `data` stays the caller's. */
MUST_USE enum err publish_put(struct publish *publish, void *data,
                              void (*free_data)(void *data));

/* What a worker uses until it takes again; NULL before the first put. */
void *publish_take(struct publish *publish, size_t worker);

/* The newest version's data, for the main thread; NULL before the first put. */
void *publish_newest(struct publish *publish);

/* Free what every worker has moved past.  Returns how many versions still wait. */
size_t publish_collect(struct publish *publish);

/* Free everything; the workers have ended. */
void publish_fini(struct publish *publish);
