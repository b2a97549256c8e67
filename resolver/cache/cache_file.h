/* resolver/cache/cache_file.h | the check of an LMDB file before LMDB opens it
 *
 * LMDB trusts its file: one flipped bit can be a crash or an endless loop.  So every page is
 * checked before the file is opened: each page is where it belongs and used once, keys are in
 * order, and no pointer leads outside.  The check cannot tell whether a value is as it was
 * written: values have checksums of their own (resolver/cache/cache_lmdb.h).  The layout is
 * that of LMDB 0.9, data version 1; docs/CACHE.md describes it.
 *
 * Thread:   any.
 */
#pragma once

#include "base/fault.h"

/* Called for each entry; the key is borrowed for the call. */
typedef void (*cache_file_note)(void *data, const uint8_t *key, size_t key_len,
                                size_t value_len);

/* Check the `len` octets of a file at `map`, which is aligned to 8.  `page_size` is this
 * machine's, in octets.  `note` may be NULL.  ERR_FORMAT: `fault` has what is wrong;
 * ERR_NOMEM. */
MUST_USE enum err cache_file_check(const uint8_t *map, size_t len, size_t page_size,
                                   cache_file_note note, void *data, struct fault *fault);
