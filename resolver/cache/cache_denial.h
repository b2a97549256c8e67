/* resolver/cache/cache_denial.h | the NSEC and NSEC3 records of signed zones, in their order
 *
 * For the aggressive use of RFC 8198: the record that matches or covers a name is the last one
 * of its zone that is not behind the name, and likewise for hashes.  Only validated records are
 * here, and no NSEC3 with the opt-out flag.  Each zone with records has an entry, with its SOA.
 *
 * Owner:    what a lookup returns is copied into the caller's arena.
 * Thread:   one worker.
 * Words:    denial - an NSEC or NSEC3 RRset with its signatures.
 */
#pragma once

#include "dns/nsec3.h"
#include "resolver/cache/cache.h"

enum {
    CACHE_DENIAL_ZONE_MAX = 20000, /* denials of one zone, about */
    CACHE_DENIAL_OBSOLETE_MAX = 4, /* that one lookup removes */
};

/* What is known of the denials of a zone.  Lifetime: that of the arena. */
struct cache_denial_zone {
    const struct cache_name *name; /* borrowed; the zone is its suffix */
    unsigned labels;               /* of that suffix */
    uint64_t hash;                 /* of the key of its entry */
    uint32_t route;
    bool has_nsec, has_nsec3;   /* there are, or were, such denials */
    struct nsec3_params params; /* has_nsec3: of the newest NSEC3 */
    int64_t since_ms;           /* older denials do not count */
    int64_t expire_ms;          /* when the last of the denials expires */
    uint32_t cnt;               /* denials cached since then */
    const struct rrset *soa;    /* NULL: not known */
    int64_t soa_cached_ms, soa_expire_ms;
};

/* Find the zone at the suffix of `labels` labels.  False if it has no denials.  `name` must
 * stay valid as long as `out` is used. */
bool cache_denial_find_zone(struct cache *cache, const struct cache_name *name, unsigned labels,
                            const struct cache_time *when, struct arena *arena,
                            struct cache_denial_zone *out);

/* A denial that was found.  Lifetime: that of the arena. */
struct cache_denial {
    struct cache_proof proof;
    uint64_t hash; /* of its key */
    int64_t cached_ms, expire_ms;
};

/* Find the last NSEC of the zone whose owner is `name`, which is in the zone, or before it. */
bool cache_denial_find_nsec(struct cache *cache, const struct cache_denial_zone *zone,
                            const struct cache_name *name, const struct cache_time *when,
                            struct arena *arena, struct cache_denial *out);

/* Find the last NSEC3 of the zone whose hash is `hash` or before it; if there is none, the last
 * of all, which may go round. */
bool cache_denial_find_nsec3(struct cache *cache, const struct cache_denial_zone *zone,
                             const uint8_t hash[NSEC3_HASH_LEN], const struct cache_time *when,
                             struct arena *arena, struct cache_denial *out);

enum { CACHE_DENIAL_SHOWN_MAX = 100 };

/* Call `show` for the denials at a name that has some of its own, which is a zone: the last
 * CACHE_DENIAL_SHOWN_MAX of them, from the last to the first.  For another name: for those of
 * the nearest zone above it that match or cover it, or with NSEC3 a name between the zone and
 * it.  Return about how many of a zone's denials are left out. */
size_t cache_denial_show(struct cache *cache, const struct cache_name *name,
                         struct arena *arena,
                         void (*show)(void *data, const struct cache_denial_zone *zone,
                                      const struct cache_denial *denial),
                         void *data);

/* Validated denials of one zone, with their TTLs capped.  Lifetime: the call. */
struct cache_denial_source {
    const uint8_t *zone;
    const struct cache_proof *denials;
    size_t cnt;
    const struct rrset *soa; /* of the zone, validated; NULL: not known */
    int64_t now_ms;          /* wall */
    uint32_t route;
};

/* Cache those that can be used aggressively, each no longer than its TTL and the SOA allow (RFC
 * 8198 5.4, RFC 9077 3).  What cannot be cached is left out. */
void cache_denial_put(struct cache *cache, const struct cache_denial_source *source,
                      struct arena *arena);

/* Use the denials of the zones at and above the name no longer. */
void cache_denial_forget(struct cache *cache, const struct cache_name *name);
