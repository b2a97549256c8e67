/* resolver/cache/cache_disk.h | the cache's folder: ours alone, and its file whole
 *
 * Owner:    the caller holds the struct; the lock on the folder lasts until cache_disk_close.
 * Thread:   the main thread.
 */
#pragma once

#include <stdbool.h>

#include "resolver/cache/cache_file.h"

enum { CACHE_DISK_WHY_MAX = 400 };

#define CACHE_DISK_FILE "cache.mdb"
#define CACHE_DISK_DAMAGED "cache.mdb.damaged"

/* Lifetime: process. */
struct cache_disk {
    int folder;                      /* locked; -1: closed */
    char *path;                      /* of the file */
    bool is_new;                     /* there is no file yet */
    char notice[CACHE_DISK_WHY_MAX]; /* what was set aside and why, "" for nothing */
};

/* Make the folder if it is not there, lock it, and check the file: `note` hears of each entry,
 * and for nothing when the file is set aside then (is_new).  A file that is not whole, or
 * larger than `size`, is renamed.  ERR_DENIED: another process has it, or this is root and
 * others may write in the folder; else as the system says.  `why` tells. */
MUST_USE enum err cache_disk_open(const char *directory, uint64_t size, cache_file_note note,
                                  void *data, struct cache_disk *disk,
                                  char why[CACHE_DISK_WHY_MAX]);

/* Rename the file, so that a new one takes its place; `reason` goes into the notice. */
MUST_USE enum err cache_disk_set_aside(struct cache_disk *disk, const char *reason);

/* Give the file all of its `size` octets now: a full disk later would be a signal.  What was
 * set aside before makes room if it has to. ERR_SPACE, ERR_IO: `why` tells; a file that was
 * there stays. */
MUST_USE enum err cache_disk_reserve(struct cache_disk *disk, uint64_t size,
                                     char why[CACHE_DISK_WHY_MAX]);

/* Give back the lock; closed already is fine. */
void cache_disk_close(struct cache_disk *disk);
