/* resolver/cache/answer_cache.h | the answer cache: finished answers of popular names
 *
 * An answer that the cache gave at least twice is kept in wire format: the next query for it
 * costs one copy and a few TTLs.  An answer is dropped when the first of its TTLs runs out,
 * when its prefetch is due, or when an entry that it was made of has been written again.  One
 * cache hit in 64 passes by to the cache, so that eviction learns which names are popular.
 *
 * Owner:    the user of the engine.
 * Thread:   one worker.
 */
#pragma once

#include "net/request/exchange.h"
#include "resolver/cache/cache.h"

struct answer_cache;

/* What the header of an answer says.  A value. */
struct answer_cache_header {
    unsigned rcode;
    bool is_secure; /* all records are validated: AD may be set */
    uint8_t ede;    /* INFO-CODE of its extended error (RFC 8914); 0: none */
};

/* Make an empty table of about `bytes`.  ERR_NOMEM. */
MUST_USE enum err answer_cache_new(size_t bytes, struct answer_cache **out);

/* Drop all answers; for a new configuration or a flushed cache. */
void answer_cache_clear(struct answer_cache *answer_cache);

/* Prefetch into the CPU's caches what answer_cache_answer will read for these queries. */
void answer_cache_probe(const struct answer_cache *answer_cache, struct exchange *const *batch,
                        size_t cnt);

/* Write the answer into `ex`, which intake has begun.  Return false, and write nothing, if
 * there is none.  `now_ms` is wall time. */
bool answer_cache_answer(struct answer_cache *answer_cache,
                         const struct cache_versions *versions, struct exchange *ex,
                         int64_t now_ms, struct answer_cache_header *header);

/* Keep the answer that was written into `ex`, until `until_ms` (wall) at most.  `cache->used`
 * lists the entries it was made of.  An answer that is not popular, depends on too many entries
 * or is too large is not kept. */
void answer_cache_keep(struct answer_cache *answer_cache, const struct cache *cache,
                       const struct exchange *ex, const struct answer_cache_header *header,
                       int64_t now_ms, int64_t until_ms);

/* Clears the pointer; NULL inside is fine. */
void answer_cache_free(struct answer_cache **answer_cache);
