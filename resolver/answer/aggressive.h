/* resolver/answer/aggressive.h | answers from cached NSEC and NSEC3 records (RFC 8198)
 *
 * A validated record that covers a name proves that no name is there, whichever query it was
 * cached for.  So names and types that do not exist are denied without a query to a server, and
 * names that a cached wildcard answers for are answered.
 *
 * Owner:    what is found is in the caller's arena.
 * Thread:   one worker.
 */
#pragma once

#include "resolver/cache/cache.h"
#include "resolver/validate/rules.h"

struct engine;

enum { AGGRESSIVE_HASHES = 32 }; /* of NSEC3, for one answer (docs/LIMITS.md section 6) */

/* What is asked.  Lifetime: the call. */
struct aggressive {
    struct cache *cache;
    const struct cache_name *name;
    uint16_t type;
    unsigned zone_labels; /* the zone is the suffix of so many labels */
    const struct cache_time *when;
    struct rules rules;
    struct rules_work *work; /* hashes are spent from it */
    struct arena *arena;
};

/* Answer from the denials of the zone.  False: they do not suffice, or data that are cached
 * contradict them.  *out gets NXDOMAIN or NODATA with the SOA, or the RRset of a wildcard, of
 * the type or a CNAME; with proofs, and as secure. */
bool aggressive_answer(const struct aggressive *in, struct cache_found *out);

/* Find the zone of the name, if it is below a trust anchor, and answer as above. */
bool aggressive_find(struct engine *engine, const struct cache_name *name, uint16_t type,
                     const struct cache_time *when, struct rules_work *work,
                     struct arena *arena, struct cache_found *out);
