/* resolver/delegation/cut.h | a zone, its servers and their addresses
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
    CUT_SERVERS_MAX = 13,     /* docs/LIMITS.md section 3: NXNSAttack, NRDelegationAttack */
    CUT_SERVER_ADDRS_MAX = 6, /* the same address counts once */
    CUT_ADDRS_MAX = 40,
    CUT_NAMES_MAX = (CUT_SERVERS_MAX + 1) * DNAME_MAX,
    CUT_BYTES_MAX = 1 + CUT_SERVERS_MAX * (DNAME_MAX + 1) + CUT_ADDRS_MAX * 17
};

enum cut_source { CUT_DELEGATION, CUT_HINTS, CUT_STUB, CUT_FORWARD };

/* How far the lookup of a server's addresses of one family has come. */
enum cut_lookup { CUT_UNKNOWN, CUT_ASKING, CUT_KNOWN };

struct cut_server {
    const uint8_t *name;
    uint8_t addr_cnt;
    uint8_t lookup[2]; /* enum cut_lookup, for IPv4 and IPv6 */
};

struct cut_addr {
    struct addr addr;
    uint8_t server;
    bool is_clear;   /* of a forwarder with TLS: TLS has failed, and it may be asked without */
    uint8_t tries;   /* questions of this task sent there */
    bool is_silent;  /* a query of this task timed out there, and none was answered */
    bool is_useless; /* what it said made it useless for this task */
    bool is_full;    /* it has as many questions as it may: others come first */
};

/* Lifetime: the task's, or the version's. */
struct cut {
    const uint8_t *zone;
    enum cut_source source;
    uint32_t
        tag; /* of a configured one: what tells it from others, over restarts too; else 0 */
    struct tls_client *tls; /* of a forwarder: ask over TLS; NULL: in the clear */
    bool tls_falls_back;    /* ask in the clear when TLS fails (RFC 8310, opportunistic) */
    bool is_signed;         /* the parent has sent a DS for it */
    bool is_crowded;        /* the referral named more servers than are kept */
    uint8_t labels;         /* of the zone */
    uint8_t server_cnt, addr_cnt;
    struct cut_server servers[CUT_SERVERS_MAX];
    struct cut_addr addrs[CUT_ADDRS_MAX];
};

/* An empty cut of `zone`, which stays the caller's. */
void cut_init(struct cut *cut, const uint8_t *zone, enum cut_source source);

/* Copy a cut, its names into `names`, where none of them stands yet: it outlives what it comes
 * from. */
void cut_copy(struct cut *to, const struct cut *from, uint8_t names[CUT_NAMES_MAX]);

/* Add a server; its number, or -1 when there are enough.  One that is there already is found.
 */
int cut_add_server(struct cut *cut, const uint8_t *name);

/* Add an address of that server; one that is known, or too many, is left out. */
void cut_add_addr(struct cut *cut, int server, const struct addr *addr);

/* Its servers and addresses as octets, and its flags (ports are not kept); at most
 * CUT_BYTES_MAX. */
size_t cut_write(const struct cut *cut, uint8_t out[CUT_BYTES_MAX]);

/* Read that back into a cut made by cut_init; names are copied into the arena, addresses get
 * `port`.  ERR_FORMAT, ERR_NOMEM. */
MUST_USE enum err cut_parse(struct cut *cut, const uint8_t *bytes, size_t len, uint16_t port,
                            struct arena *arena);
