/* resolver/limits/quota.h | how many questions are out, to one zone, to one server and in all
 *
 * Shared by all workers: a flood of random names below one zone (water torture) reaches its
 * servers as so many questions at a time and no more, and the other zones keep their share
 * (docs/LIMITS.md section 3).  No client may hold more of anything than is still free for the
 * others: who comes late finds a place.  Clients whose address is proven and those whose may be
 * forged have at most three quarters each: neither many forged sources nor many connections
 * keep all others out.
 *
 * Owner:    the daemon.
 * Thread:   new and free from the main thread, the others from any.
 * Words:    exempt - a client that may hold all there is.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/addr.h"

enum {
    QUOTA_FORWARDER_MAX = 1000, /* out to one forwarder, whom all zones share */
    QUOTA_ALL_MAX = 8000,       /* out in all */
};

struct quota;

/* Of the configuration; 0: no limit. */
struct quota_limits {
    uint32_t per_zone, per_server, per_forwarder, in_all;
};

/* A quota with nothing spent; ERR_NOMEM. */
MUST_USE enum err quota_new(const struct quota_limits *limits, struct quota **out);

/* Free it.  Clears the pointer; NULL inside is fine. */
void quota_free(struct quota **quota);

/* Whom questions count for: an IPv4 address or the /64 of an IPv6 address, apart for those
 * whose address is proven, whom a forged source cannot harm.  Never 0, which is nobody. */
uint64_t quota_client(const struct addr *addr, bool is_proven);
static inline bool quota_is_proven(uint64_t client) { return client & 1; }

/* How many questions of that client wait, in all workers; clients that share a counter share
 * its limit. */
_Atomic uint32_t *quota_waiting(struct quota *quota, uint64_t client);

/* What a question counts against. */
enum quota_kind { QUOTA_ZONE, QUOTA_SERVER, QUOTA_ALL, QUOTA_KINDS };

/* A place that a question wants or has.  A value. */
struct quota_place {
    uint64_t keys[QUOTA_KINDS];
    uint32_t most[QUOTA_KINDS];
    uint64_t client;
    bool is_exempt;
};

/* The client, the zone and the server of a query. A value. */
struct quota_terms {
    uint64_t zone; /* dname_hash */
    const struct addr *server;
    bool is_forwarder;
    uint64_t client; /* 0: nobody's */
    bool is_exempt;
};

struct quota_place quota_place(const struct quota *quota, const struct quota_terms *terms);

/* Spend one question there.  QUOTA_KINDS: it is spent, and quota_give_back gives it back; else
 * what was full. */
enum quota_kind quota_spend(struct quota *quota, const struct quota_place *place);
void quota_give_back(struct quota *quota, const struct quota_place *place);

/* Whether there is room for it in that respect, as things are now. */
bool quota_has_room(struct quota *quota, const struct quota_place *place, enum quota_kind kind);

/* How many places are held now, by all clients, by each class and by single clients, and how
 * many questions of clients wait.  A walk over all counters; at rest each is 0.  A value. */
struct quota_sums {
    uint64_t all[QUOTA_KINDS], of_class[QUOTA_KINDS], own[QUOTA_KINDS], waiting;
};

struct quota_sums quota_sums(const struct quota *quota);
