/* resolver/delegation/route.h | the configured delegations: root hints, stub zones, forwarders
 *
 * Owner:    the version.
 * Thread:   any, once it is built.
 */
#pragma once

#include "base/fault.h"
#include "dns/names.h"
#include "resolver/delegation/delegation.h"

/* Lifetime: published version. */
struct route {
    struct delegation hints;
    struct names zones; /* struct delegation: stub zones and forwarders */
};

/* Use the built-in IANA root servers, at this port, as the hints.  ERR_NOMEM. */
MUST_USE enum err route_use_builtin_hints(struct route *route, uint16_t port,
                                          struct arena *arena);

/* Read the hints from a file's text: NS records of the root, and the addresses of their
 * targets. ERR_FORMAT: `fault` has the reason and the line.  ERR_NOMEM.  `fault` may be NULL.
 */
MUST_USE enum err route_read_hints(struct route *route, const char *text, size_t len,
                                   uint16_t port, struct arena *arena, struct fault *fault);

/* A stub zone or forward zone.  Lifetime: the call; the name is copied. */
struct route_zone {
    const uint8_t *name;
    enum delegation_source source;
    const struct addr *addrs;
    size_t addr_cnt;
    struct tls_client *tls; /* NULL: in the clear */
    bool tls_falls_back;
};

/* Add a configured zone.  ERR_LIMIT: more than DELEGATION_SERVERS_MAX addresses; ERR_DENIED:
 * the zone exists already; ERR_NOMEM. */
MUST_USE enum err route_put_zone(struct route *route, const struct route_zone *zone,
                                 struct arena *arena);

/* Give the hints and zones the tags by which the cache tells which configured servers an entry
 * came from.  Call it once, when all of them are complete. */
void route_seal(struct route *route);

/* Return the nearest configured zone at or above the suffix of `labels` labels, or the hints.
 */
const struct delegation *route_find(const struct route *route, const struct dname_parts *name,
                                    unsigned labels);

/* Return true if the configuration names this address: do-not-query does not apply to it. */
bool route_has_addr(const struct route *route, const struct addr *addr);

/* Free what is outside the arena. */
void route_fini(struct route *route);
