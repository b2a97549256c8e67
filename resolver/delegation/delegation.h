/* resolver/delegation/delegation.h | a zone, its servers and their addresses
 *
 * What a referral, the hints or the configuration say: whom to ask about names below a zone.
 * Delegations are the parent's word (parent-centric): what the child says of its own servers is
 * data, not a way to it.
 *
 * Owner:    names stay where they are: in the task, the version or an arena.
 * Thread:   one worker; those of a version any.
 */
#pragma once

#include "base/addr.h"
#include "base/arena.h"
#include "dns/dname.h"
#include "net/transport/tls_client.h"

enum {
    DELEGATION_SERVERS_MAX = 13, /* docs/LIMITS.md section 3: NXNSAttack, NRDelegationAttack */
    DELEGATION_SERVER_ADDRS_MAX = 6, /* the same address counts once */
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

/* How far the lookup of a server's addresses of one family has come. */
enum delegation_lookup { DELEGATION_UNKNOWN, DELEGATION_ASKING, DELEGATION_KNOWN };

struct delegation_server {
    const uint8_t *name;
    uint8_t addr_cnt;
    uint8_t lookup[2]; /* enum delegation_lookup, for IPv4 and IPv6 */
};

struct delegation_addr {
    struct addr addr;
    uint8_t server;
    bool is_clear;   /* of a forwarder with TLS: TLS has failed, and it may be asked without */
    uint8_t tries;   /* questions of this task sent there */
    bool is_silent;  /* a query of this task timed out there, and none was answered */
    bool is_useless; /* what it said made it useless for this task */
    bool is_full;    /* it has as many questions as it may: others come first */
};

/* Lifetime: the task's, or the version's. */
struct delegation {
    const uint8_t *zone;
    enum delegation_source source;
    uint32_t
        tag; /* of a configured one: what tells it from others, over restarts too; else 0 */
    struct tls_client *tls; /* of a forwarder: ask over TLS; NULL: in the clear */
    bool tls_falls_back;    /* ask in the clear when TLS fails (RFC 8310, opportunistic) */
    bool is_signed;         /* the parent has sent a DS for it */
    bool is_crowded;        /* the referral named more servers than are kept */
    uint8_t labels;         /* of the zone */
    uint8_t server_cnt, addr_cnt;
    struct delegation_server servers[DELEGATION_SERVERS_MAX];
    struct delegation_addr addrs[DELEGATION_ADDRS_MAX];
};

/* An empty cut of `zone`, which stays the caller's. */
void delegation_init(struct delegation *delegation, const uint8_t *zone,
                     enum delegation_source source);

/* Copy a cut, its names into `names`, where none of them stands yet: it outlives what it comes
 * from. */
void delegation_copy(struct delegation *to, const struct delegation *from,
                     uint8_t names[DELEGATION_NAMES_MAX]);

/* Add a server; its number, or -1 when there are enough.  One that is there already is found.
 */
int delegation_add_server(struct delegation *delegation, const uint8_t *name);

/* Add an address of that server; one that is known, or too many, is left out. */
void delegation_add_addr(struct delegation *delegation, int server, const struct addr *addr);

/* Its servers and addresses as octets, and its flags (ports are not kept); at most
 * DELEGATION_BYTES_MAX. */
size_t delegation_write(const struct delegation *delegation, uint8_t out[DELEGATION_BYTES_MAX]);

/* Read that back into a cut made by delegation_init; names are copied into the arena, addresses
 * get `port`.  ERR_FORMAT, ERR_NOMEM. */
MUST_USE enum err delegation_parse(struct delegation *delegation, const uint8_t *bytes,
                                   size_t len, uint16_t port, struct arena *arena);
