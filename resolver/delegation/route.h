/* resolver/delegation/route.h | where a name starts: root hints, stub zones, forwarders
 *
 * Owner:    the version.
 * Thread:   any, once it is built.
 */
#pragma once

#include "dns/names.h"
#include "resolver/delegation/delegation.h"

/* Lifetime: published version. */
struct route {
    struct delegation hints;
    struct names zones; /* struct cut: stubs and forwarders */
};

/* The IANA root servers as the hints, with this port. */
MUST_USE enum err route_use_builtin_hints(struct route *route, uint16_t port,
                                          struct arena *arena);

/* Hints of a file's text: NS records of the root and addresses of their targets.  ERR_FORMAT:
 * `why` (size octets) tells, with the line. */
MUST_USE enum err route_read_hints(struct route *route, const char *text, size_t len,
                                   uint16_t port, struct arena *arena, char *why, size_t size);

/* How names below a configured zone are asked for. */
struct route_zone {
    const uint8_t *name;
    enum delegation_source source;
    const struct addr *addrs;
    size_t addr_cnt;
    struct tls_client *tls; /* NULL: in the clear */
    bool tls_falls_back;
};

/* Have them asked so.  ERR_NOMEM; ERR_LIMIT: too many addresses; ERR_DENIED: that zone is there
 * already. */
MUST_USE enum err route_put_zone(struct route *route, const struct route_zone *zone,
                                 struct arena *arena);

/* Give hints and zones the tags by which the cache tells what came from whom.  Once, when all
 * is there. */
void route_seal(struct route *route);

/* The configured zone that is nearest above the suffix of `labels` labels; the hints when none
 * is. */
const struct delegation *route_find(const struct route *route, const struct dname_parts *name,
                                    unsigned labels);

/* Whether the configuration names this address: then do-not-query does not forbid it. */
bool route_has_addr(const struct route *route, const struct addr *addr);

/* Free what is outside the arena. */
void route_fini(struct route *route);
