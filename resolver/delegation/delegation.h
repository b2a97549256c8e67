/* resolver/delegation/delegation.h | a delegation: a zone, its servers and their addresses
 *
 * It comes from a referral, the root hints or the configuration, and says which servers to
 * query for names at and below a zone.  Delegations are parent-centric: the NS RRset of the
 * child is data, and is not used to reach it.
 *
 * Owner:    names are borrowed: they belong to the task, the version or an arena.
 * Thread:   one worker; those of a version any.
 */
#pragma once

#include "base/addr.h"
#include "base/arena.h"
#include "dns/dname.h"
#include "net/transport/tls_client.h"

enum {
    DELEGATION_SERVERS_MAX = 13, /* docs/LIMITS.md section 2: NXNSAttack, NRDelegationAttack */
    DELEGATION_SERVER_ADDRS_MAX = 6,
    DELEGATION_ADDRS_MAX = 40,
    DELEGATION_NAMES_MAX = (DELEGATION_SERVERS_MAX + 1) * DNAME_MAX,
    DELEGATION_BYTES_MAX =
        1 + DELEGATION_SERVERS_MAX * (DNAME_MAX + 1) + DELEGATION_ADDRS_MAX * 17
};

enum delegation_source {
    DELEGATION_REFERRAL,
    DELEGATION_HINTS,
    DELEGATION_STUB,
    DELEGATION_FORWARD
};

/* The state of the lookup of a server's addresses of one family. */
enum delegation_lookup { DELEGATION_UNKNOWN, DELEGATION_ASKING, DELEGATION_KNOWN };

struct delegation_server {
    const uint8_t *name;
    uint8_t addr_cnt;
    uint8_t lookup[2]; /* enum delegation_lookup, for IPv4 and IPv6 */
};

/* An address, and what the task that uses the delegation has found out about it. */
struct delegation_addr {
    struct addr addr;
    uint8_t server;  /* its number in `servers` */
    bool is_clear;   /* TLS to this forwarder failed, and queries may go in the clear */
    uint8_t tries;   /* queries of this task sent there */
    bool is_silent;  /* queries of this task timed out there, and none was answered */
    bool is_useless; /* its reply ruled it out for this task */
    bool is_full;    /* its query limit is reached: other addresses come first */
};

/* Lifetime: the task's, or the version's. */
struct delegation {
    const uint8_t *zone;
    enum delegation_source source;
    /* Hash of the configured servers, the same after a restart: route_seal sets it.  0 if the
     * delegation is not configured. */
    uint32_t tag;
    struct tls_client *tls; /* query this forwarder over TLS; NULL: in the clear */
    bool tls_falls_back;    /* query in the clear when TLS fails (RFC 8310, opportunistic) */
    bool is_signed;         /* the parent has a DS for the zone */
    bool is_oversized;      /* the referral had more servers than are kept */
    uint8_t labels;         /* of the zone */
    uint8_t server_cnt, addr_cnt;
    struct delegation_server servers[DELEGATION_SERVERS_MAX];
    struct delegation_addr addrs[DELEGATION_ADDRS_MAX];
};

/* Make `delegation` one of `zone` without servers.  `zone` stays the caller's. */
void delegation_init(struct delegation *delegation, const uint8_t *zone,
                     enum delegation_source source);

/* Copy a delegation, and its names into `names`, so that it outlives the original.  None of its
 * names may be in `names` already. */
void delegation_copy(struct delegation *to, const struct delegation *from,
                     uint8_t names[DELEGATION_NAMES_MAX]);

/* Add a server, unless it is there already.  Return its number, or -1 if there are
 * DELEGATION_SERVERS_MAX already. */
int delegation_add_server(struct delegation *delegation, const uint8_t *name);

/* Add an address of a server.  An address that is there already, or one too many, is left out.
 */
void delegation_add_addr(struct delegation *delegation, int server, const struct addr *addr);

/* Write the flags, servers and addresses for the cache, without ports (docs/CACHE.md).  Return
 * the number of octets. */
size_t delegation_write(const struct delegation *delegation, uint8_t out[DELEGATION_BYTES_MAX]);

/* Read what delegation_write wrote into a delegation made by delegation_init.  Names are copied
 * into the arena, and addresses get `port`.  ERR_FORMAT, ERR_NOMEM. */
MUST_USE enum err delegation_parse(struct delegation *delegation, const uint8_t *bytes,
                                   size_t len, uint16_t port, struct arena *arena);
