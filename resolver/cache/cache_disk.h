/* resolver/cache/cache_disk.h | the cache's folder, its lock, and a file that is safe to open
 *
 * Owner:    the caller has the struct; the folder is locked until cache_disk_close.
 * Thread:   the main thread.
 */
#pragma once

#include <stdbool.h>

#include "resolver/cache/cache_file.h"

#define CACHE_DISK_FILE "cache.mdb"
#define CACHE_DISK_DAMAGED "cache.mdb.damaged"

/* Lifetime: process. */
struct cache_disk {
    int folder;          /* descriptor, locked; -1: closed */
    char *path;          /* of the file */
    bool is_new;         /* there is no file yet */
    struct fault notice; /* what was set aside and why, "" for nothing */
};

/* Make the folder if it is missing, lock it, and check the file.  A file that is damaged, or
 * larger than `size`, is renamed to CACHE_DISK_DAMAGED, and `disk->is_new` is true then. `note`
 * is called for each entry of the file; discard what it noted if `is_new` is true.  `fault`
 * gets the cause of an error.  ERR_DENIED if another process has the folder, or if this process
 * is root and other users may write there; ERR_NOMEM, ERR_IO, or an error of the system. */
MUST_USE enum err cache_disk_open(const char *directory, uint64_t size, cache_file_note note,
                                  void *data, struct cache_disk *disk, struct fault *fault);

/* Rename the file, so that a new one takes its place; `reason` goes into the notice.  ERR_IO.
 */
MUST_USE enum err cache_disk_set_aside(struct cache_disk *disk, const char *reason);

/* Reserve all `size` octets of the file now: under LMDB's writable map a full disk is a SIGBUS
 * later.  A file that was set aside earlier is deleted if the disk has no room otherwise.
 * ERR_SPACE, ERR_IO: `fault` gets the cause, and a file that existed stays. */
MUST_USE enum err cache_disk_reserve(struct cache_disk *disk, uint64_t size,
                                     struct fault *fault);

/* Unlock and close the folder; one that is closed already is fine. */
void cache_disk_close(struct cache_disk *disk);
