/* resolver/cache/cache_lmdb.h | the cache store on LMDB, one file for all workers and over
 * restarts
 *
 * Every worker has a view of it.  What a worker writes is kept beside, found by that worker at
 * once, and committed with what others wrote, by whoever gets the lock: nobody ever waits for
 * it.  The file never grows; when it is nearly full, what has ended and what is used least
 * goes.  Every value has a checksum: what does not fit it is not there.  docs/CACHE.md
 * describes the octets.
 *
 * Owner:    the daemon owns the cache, each worker its view.
 * Thread:   open and free: the main thread; a view: its worker.
 */
#pragma once

#include "resolver/cache/cache_disk.h"
#include "resolver/cache/cache_store.h"

enum {
    CACHE_LMDB_SHARE_PERCENT = 5
}; /* docs/LIMITS.md section 3: of the cache, for one domain, when it is full */

struct cache_lmdb;

struct cache_lmdb_conf {
    const char *directory;
    uint64_t size; /* octets of the file, once and for all */
    unsigned worker_cnt;
    /* Called by whichever worker commits, when all see what was written before `hash` was
     * announced.  May be NULL. */
    void (*announced)(void *data, uint64_t hash);
    void *data;
};

/* What has happened since the start. */
struct cache_lmdb_stats {
    uint64_t commits, written, trimmed, dropped; /* refused: for want of room */
    uint64_t broken;                             /* values that did not fit their checksum */
    uint64_t entries, used, size;                /* now; the last two in octets */
};

/* Open or make it.  `why` tells what went wrong, or what was set aside ("" for nothing).
 * ERR_DENIED, ERR_SPACE, ERR_NOMEM, else as the system says. */
MUST_USE enum err cache_lmdb_open(const struct cache_lmdb_conf *conf, struct cache_lmdb **out,
                                  char why[CACHE_DISK_WHY_MAX]);

/* A view for a worker; ERR_NOMEM. */
MUST_USE enum err cache_lmdb_view(struct cache_lmdb *cache, struct cache_store **out);

/* Count; from any thread. */
struct cache_lmdb_stats cache_lmdb_stats(struct cache_lmdb *cache);

/* Close it: all views have ended.  Clears the pointer; NULL inside is fine. */
void cache_lmdb_free(struct cache_lmdb **cache);
