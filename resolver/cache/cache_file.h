/* resolver/cache/cache_file.h | is this file a whole LMDB file of ours?
 *
 * LMDB believes its file: a flipped bit is a crash or an endless loop.  So every page is looked
 * at before the file is opened: each has its place, no page is used twice, keys are in order,
 * nothing points outside.  What it cannot show is whether a value is as it was written: values
 * have checksums of their own (resolver/cache_lmdb).  The layout is that of LMDB 0.9, data
 * version 1, and is described in docs/CACHE.md.
 *
 * Thread:   any.
 */
#pragma once

#include "base/err.h"
#include "base/util.h"

/* Called for each entry; the key is borrowed. */
typedef void (*cache_file_note)(void *data, const uint8_t *key, size_t key_len,
                                size_t value_len);

/* Check the `len` octets of a file at `map`, aligned to 8.  `page_size` is this machine's.
 * `note` may be NULL.  ERR_FORMAT: *why tells what is wrong (a static text); ERR_NOMEM. */
MUST_USE enum err cache_file_check(const uint8_t *map, size_t len, size_t page_size,
                                   cache_file_note note, void *data, const char **why);
