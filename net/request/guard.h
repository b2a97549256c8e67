/* net/request/guard.h | limits that hold for the whole process
 *
 * How many answers go to one network over UDP (response rate limiting), and how many
 * connections there are in all and from one client.  Shared arrays of atomics: no lock, and no
 * worker that owns a client.
 *
 * Owner:    the daemon.
 * Thread:   new and free from the main thread, everything else from any.
 * Words:    network - the /24 of an IPv4, the /56 of an IPv6 address; client - an IPv4 address,
 * the /64 of an IPv6 address; slip - every so many refused answers one goes out, cut short.
 */
#pragma once

#include <stdatomic.h>

#include "base/addr.h"

struct guard;

/* Lifetime: the configuration's. */
struct guard_conf {
    uint32_t per_second; /* answers to one network; 0: no limit */
    uint32_t slip;       /* 0: none goes out, 1: all do */
    bool is_log_only;    /* count, but let everything through */
    struct addr_prefixes exempt;
    uint32_t connections, connections_per_client;
    uint32_t idle_ms; /* of a connection when there are few */
    uint64_t memory;  /* octets that all connections may hold */
};

enum {
    GUARD_PER_SECOND_MAX = 10000,
    GUARD_CONNECTIONS_MAX = 100000,
    GUARD_PER_CLIENT_MAX = 60000,
    GUARD_IDLE_MIN_MS = 200,  /* when all connections are taken */
    GUARD_PACE_MAX_MS = 1900, /* an answer that has to wait longer is dropped */
};

/* What happened since the start. */
struct guard_counts {
    uint64_t paced;       /* deferred answers that were put off (DNSBomb) */
    uint64_t paced_drops; /* that were dropped, for they would have had to wait too long */
    uint64_t untrusted; /* datagrams and connections with a PROXY header of an untrusted peer */
    uint64_t dropped, slipped; /* answers refused, answers cut short instead */
    uint64_t crowded_total;    /* connections that found all taken */
    uint64_t crowded_client;   /* connections of a client that had its share */
    uint64_t crowded_memory;   /* connections closed because all held too much */
    uint64_t connections;      /* now */
    uint64_t memory;           /* octets that they hold now */
};

/* A guard with these limits, which it copies but for the exempt prefixes, for `front_cnt`
 * fronts that accept connections.  ERR_NOMEM. */
MUST_USE enum err guard_new(const struct guard_conf *conf, size_t front_cnt,
                            struct guard **out);

/* Free it.  Clears the pointer; NULL inside is fine. */
void guard_free(struct guard **guard);

enum guard_verdict { GUARD_PASS, GUARD_DROP, GUARD_SLIP };

/* Whether the rate of answers is limited at all. */
bool guard_limits_rate(const struct guard *guard);

/* Count one answer to `peer` at `now_us` of a clock that only runs forward; `turn` counts up
 * with the questions and decides who slips. */
enum guard_verdict guard_rate(struct guard *guard, const struct addr *peer, uint64_t now_us,
                              unsigned turn);

/* ---- deferred answers (DNSBomb) ---- */

/* A query of `peer` over UDP is answered later.  Return how many of the client's came in the
 * last GUARD_RATE_US, this one among them. */
unsigned guard_note_deferred(struct guard *guard, const struct addr *peer, uint64_t now_us);

/* Give a deferred answer its time, so that answers to a client do not leave faster than about
 * twice the rate at which their queries came; `rate` is what guard_note_deferred returned for
 * the query. A prompt answer waits only behind others that wait, and is never dropped. Exempt
 * clients are not paced.  False: drop it. */
bool guard_pace(struct guard *guard, const struct addr *peer, unsigned rate, bool is_prompt,
                uint64_t now_us, uint64_t *at_us);

/* Count a PROXY header of an untrusted peer. */
void guard_count_untrusted(struct guard *guard);

/* ---- connections ---- */

enum guard_entry {
    GUARD_ENTERED, /* in the share of its front */
    GUARD_POOLED,  /* in what is common to all fronts */
    GUARD_FULL,
    GUARD_CLIENT_FULL,
    GUARD_MEMORY_FULL, /* of guard_count_refusal only */
};

/* Count a connection of `peer` in, NULL for one of a proxy, behind which many clients stand; at
 * a front that has `front_connections` already.  Half of all connections is common, the other
 * half is shared out evenly among the fronts (what does not go round is common too), so that
 * what fills one of them cannot shut out another.  When it got in, guard_leave gives it back.
 */
enum guard_entry guard_enter(struct guard *guard, const struct addr *peer,
                             size_t front_connections);
void guard_leave(struct guard *guard, const struct addr *peer, enum guard_entry entry);

/* The connections hold `more` octets more, `less` fewer. */
void guard_spend_memory(struct guard *guard, size_t more);
void guard_give_back_memory(struct guard *guard, size_t less);

/* Whether they hold more than they may; whether by so much that somebody has to go who does not
 * hold it. */
bool guard_is_memory_full(const struct guard *guard);
bool guard_is_memory_overrun(const struct guard *guard);

/* Count a connection for which another had to go, or that was turned away, for this reason. */
void guard_count_refusal(struct guard *guard, enum guard_entry why);

/* A number that stands for the client: an address, or a /64 of IPv6. */
size_t guard_client(const struct addr *peer);

/* Whether both are one client. */
bool guard_is_same_client(const struct addr *a, const struct addr *b);

/* How long a connection may be idle now, in milliseconds: less the fewer are left. */
unsigned guard_idle_ms(const struct guard *guard);

/* The counts. */
struct guard_counts guard_counts(const struct guard *guard);
