/* authd/zone/zoneset.h | all zones of the server, frozen
 *
 * Finds the zone that a name belongs to: the longest served suffix (RFC 1034 4.3.2 step 2).
 *
 * Owner:    published; holds a reference to each zone.
 * Thread:   any once published.
 */
#pragma once

#include "authd/zone/zone.h"

struct zoneset_slot {
    uint64_t hash; /* of the zone's name */
    struct zone *zone;
};

/* Lifetime: published version. */
struct zoneset {
    struct zoneset_slot *slots; /* open addressing by the hash */
    size_t slot_cnt;
    size_t cnt;
    uint64_t depths[2]; /* bit n: there is a zone of n labels */
};

/* An empty set with room for `cnt` zones. */
MUST_USE enum err zoneset_new(size_t cnt, struct zoneset **out);

/* Add a zone whose name is not in it; the set takes over the caller's reference. */
void zoneset_put(struct zoneset *set, struct zone *zone);

/* The zone with the longest suffix of at most `labels` labels of the name; NULL when none is
 * served. */
struct zone *zoneset_find(const struct zoneset *set, const struct dname_parts *name,
                          unsigned labels);

/* Ask for what zoneset_find will read: first the places in the table, then the zones; in two
 * passes over a batch. */
void zoneset_prefetch(const struct zoneset *set, const struct dname_parts *name);
void zoneset_prefetch_zones(const struct zoneset *set, const struct dname_parts *name);

/* The zone of exactly this name; NULL when it is not served. */
struct zone *zoneset_get(const struct zoneset *set, const uint8_t *name);

/* Let go of all zones.  Clears the pointer; NULL inside is fine. */
void zoneset_free(struct zoneset **set);
