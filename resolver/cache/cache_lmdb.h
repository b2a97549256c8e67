/* resolver/cache/cache_lmdb.h | the cache store on LMDB: one file, shared by all workers
 *
 * The file outlives a restart.  Each worker has a view of it.  What a worker writes goes into a
 * batch, where that worker finds it at once; the worker that gets the lock commits the batches
 * of all, and no worker ever waits for the lock.  The file never grows: when it is nearly full,
 * expired entries and those that are used least are evicted.  Every value has a checksum, and
 * one that does not match is not found.  docs/CACHE.md describes the format.
 *
 * Owner:    the daemon owns the cache, each worker its view.
 * Thread:   open and free: the main thread; a view: its worker.
 */
#pragma once

#include "resolver/cache/cache_disk.h"
#include "resolver/cache/cache_store.h"

/* docs/LIMITS.md section 3: the share of a full file that one domain gets. */
enum { CACHE_LMDB_SHARE_PERCENT = 5 };

struct cache_lmdb;

struct cache_lmdb_conf {
    const char *directory;
    uint64_t size; /* octets of the file; they never change */
    unsigned worker_cnt;
    /* Called by the worker that commits, when all workers see what was written before `hash`
     * was announced.  May be NULL. */
    void (*announced)(void *data, uint64_t hash);
    void *data;
};

/* Counts since the start. */
struct cache_lmdb_stats {
    uint64_t commits, written, trimmed;
    uint64_t dropped;             /* not written, for want of room or memory */
    uint64_t broken;              /* values that did not match their checksum */
    uint64_t entries, used, size; /* at present; the last two in octets */
};

/* Open the cache, or make it.  `fault` gets the cause of an error or, with ERR_OK, what was set
 * aside ("" for nothing).  ERR_DENIED, ERR_SPACE, ERR_IO, ERR_NOMEM, or an error of the system.
 */
MUST_USE enum err cache_lmdb_open(const struct cache_lmdb_conf *conf, struct cache_lmdb **out,
                                  struct fault *fault);

/* Make the view of one worker.  ERR_NOMEM. */
MUST_USE enum err cache_lmdb_view(struct cache_lmdb *cache, struct cache_store **out);

/* Return the counts; from any thread. */
struct cache_lmdb_stats cache_lmdb_stats(struct cache_lmdb *cache);

/* Close the cache, after all of its views were freed.  Clears the pointer; NULL inside is fine.
 */
void cache_lmdb_free(struct cache_lmdb **cache);
