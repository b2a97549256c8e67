/* authd/zone/zoneset.h | one read-only version of all zones that the server answers for
 *
 * Finds the zone of a name: the longest served suffix (RFC 1034 4.3.2 step 2).
 *
 * Owner:    `publish`; the set holds a reference to each zone.
 * Thread:   any once published.
 */
#pragma once

#include "authd/zone/zone.h"

struct zoneset_slot {
    uint64_t hash; /* dname_hash of the zone's name */
    struct zone *zone;
};

/* Lifetime: published version. */
struct zoneset {
    struct zoneset_slot *slots; /* hash table with open addressing */
    size_t slot_cnt;            /* a power of two, more than twice `cnt` */
    size_t cnt;
    uint64_t depths[2]; /* bit n: some zone has n labels */
    bool is_any_whole;  /* laboratory: ANY over UDP gets all RRsets of the name */
};

/* Make an empty set with room for `cnt` zones; caller frees it with zoneset_free.  ERR_NOMEM.
 */
MUST_USE enum err zoneset_new(size_t cnt, struct zoneset **out);

/* Add a zone whose name is not in the set; the set takes over the caller's reference. */
void zoneset_put(struct zoneset *set, struct zone *zone);

/* Return the zone whose name is the longest suffix of `name` with at most `labels` labels; NULL
 * if no zone matches. */
struct zone *zoneset_find(const struct zoneset *set, const struct dname_parts *name,
                          unsigned labels);

/* Prefetch what zoneset_find will read: first the slots, then the zones.  Caller makes the
 * first call for all names of a batch before the second. */
void zoneset_prefetch(const struct zoneset *set, const struct dname_parts *name);
void zoneset_prefetch_zones(const struct zoneset *set, const struct dname_parts *name);

/* Return the zone of exactly this name; NULL if it is not served. */
struct zone *zoneset_get(const struct zoneset *set, const uint8_t *name);

/* Drop the references to all zones, free the set and clear the pointer.  *set may be NULL. */
void zoneset_free(struct zoneset **set);
