/* resolver/cache/cache_memory.h | a cache store in memory
 *
 * Owner:    the caller, until it calls store->free.
 * Thread:   one worker.
 */
#pragma once

#include "resolver/cache/cache_store.h"

/* Make an empty store of at most `bytes`.  ERR_NOMEM. */
MUST_USE enum err cache_memory_new(size_t bytes, struct cache_store **out);
