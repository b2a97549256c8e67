/* resolver/cache/answer_cache.h | finished answers of names that are asked again and again
 *
 * What the cache was asked for twice is kept as it goes on the wire, so that the next time it
 * is one copy and some TTLs.  An answer goes when the first of its TTLs ends - or its last
 * tenth begins, so that it can be asked for ahead of time - or when anything it was made of has
 * been written again.  One hit in some is let through to the cache, so that eviction sees what
 * is popular.
 *
 * Owner:    the engine's user.
 * Thread:   one worker.
 */
#pragma once

#include "net/request/exchange.h"
#include "resolver/cache/cache.h"

struct answer_cache;

/* A table of about `bytes`; ERR_NOMEM. */
MUST_USE enum err answer_cache_new(size_t bytes, struct answer_cache **out);

/* Forget everything: the configuration is another one. */
void answer_cache_clear(struct answer_cache *answer_cache);

/* Prefetch what answer_cache_answer will read for these. */
void answer_cache_probe(const struct answer_cache *answer_cache, struct exchange *const *batch,
                        size_t cnt);

/* Write the answer into `ex`, which intake has begun; false: it is not here, and nothing is
 * written.  `now_ms` is wall time. */
bool answer_cache_answer(struct answer_cache *answer_cache,
                         const struct cache_versions *versions, struct exchange *ex,
                         int64_t now_ms, unsigned *rcode);

/* Keep the answer that was written into `ex` out of what `cache` says was used, until
 * `until_ms` at most, if it is worth it and fits. */
void answer_cache_keep(struct answer_cache *answer_cache, const struct cache *cache,
                       const struct exchange *ex, unsigned rcode, int64_t now_ms,
                       int64_t until_ms);

/* Clears the pointer; NULL inside is fine. */
void answer_cache_free(struct answer_cache **answer_cache);
