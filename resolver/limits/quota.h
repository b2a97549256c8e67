/* resolver/limits/quota.h | limits of queries in flight: per zone, per server and in all
 *
 * All workers share them: a flood of random names below one zone (water torture) sends its
 * servers only so many queries at a time, and other zones keep their share (docs/LIMITS.md
 * section 3).  A client may hold no more places than are still free for the others, so that a
 * later client finds one.  Clients with a proven address and clients whose address may be
 * spoofed are two classes; each gets at most three quarters, so that neither many spoofed
 * addresses nor many connections keep all others out.
 *
 * Workers announce for which keys their tasks wait, so that one that gives back a place can
 * leave it to the others.  A worker that announces, and only then finds no room, misses none:
 * either it sees the room, or the worker that gives back sees the announcement.
 *
 * Owner:    the daemon.
 * Thread:   new and free from the main thread, the others from any.
 * Words:    place - the right to have one query in flight.
 * Words:    exempt - a client that may hold all places.
 * Words:    worker - its number modulo QUOTA_WORKERS: workers that share it are woken together.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/addr.h"
#include "resolver/cache/inflight.h"

enum {
    QUOTA_WORKERS = INFLIGHT_WAITERS, /* resolver_main.c wakes workers for both */
    QUOTA_FORWARDER_MAX = 1000,       /* queries to one forwarder, which serves all zones */
    QUOTA_ALL_MAX = 8000,             /* queries in all */
    /* This part of a quota stays free for the other class of clients: those with a proven
     * address, and those whose address may be spoofed. */
    QUOTA_OTHER_CLASS_PART = 4,
};

struct quota;

/* The limits of the configuration; 0: no limit. */
struct quota_limits {
    uint32_t per_zone, per_server, per_forwarder, in_all;
};

/* Make a quota with all places free.  ERR_NOMEM. */
MUST_USE enum err quota_new(const struct quota_limits *limits, struct quota **out);

/* Clears the pointer; NULL inside is fine. */
void quota_free(struct quota **quota);

/* Wake workers through `wake`, which gets the number of a worker and runs on the thread that
 * leaves it a place.  Call it before the workers start; without it no worker is woken. */
void quota_set_wake(struct quota *quota, void (*wake)(void *data, size_t worker), void *data);

/* Return the number of the client that queries count for: an IPv4 address or the /64 of an IPv6
 * address.  The same address, proven, is another client, which spoofed queries cannot harm.
 * Never 0, which stands for no client. */
uint64_t quota_client(const struct addr *addr, bool is_proven);
static inline bool quota_is_proven(uint64_t client) { return client & 1; }

/* Return the counter of a client's deferred queries in all workers.  Clients that share a
 * counter share its limit. */
_Atomic uint32_t *quota_waiting(struct quota *quota, uint64_t client);

/* What a query counts against. */
enum quota_kind { QUOTA_ZONE, QUOTA_SERVER, QUOTA_ALL, QUOTA_KINDS };

/* The place that a query needs or holds.  A value. */
struct quota_place {
    uint64_t keys[QUOTA_KINDS];
    uint32_t most[QUOTA_KINDS];
    uint32_t left[QUOTA_KINDS]; /* free ones that an exempt client does not take, because the
                                   caller has left them to other workers */
    uint64_t client;
    bool is_exempt;
};

/* The client, the zone and the server of a query.  A value. */
struct quota_terms {
    uint64_t zone; /* dname_hash */
    const struct addr *server;
    bool is_forwarder;
    uint64_t client; /* quota_client; 0: no client */
    bool is_exempt;
};

/* Return the place that such a query needs. */
struct quota_place quota_place(const struct quota *quota, const struct quota_terms *terms);

/* Take a place.  Return QUOTA_KINDS if it was taken: quota_give_back gives it back.  Else
 * return the kind that is full; nothing was taken. */
enum quota_kind quota_spend(struct quota *quota, const struct quota_place *place);
void quota_give_back(struct quota *quota, const struct quota_place *place);

/* Return true if at this moment `kind` has room for the place. */
bool quota_has_room(struct quota *quota, const struct quota_place *place, enum quota_kind kind);

/* Announce that tasks of the worker wait for `kind` of the place, or that none does any more.
 * Keys that share a counter share the announcement, so the end of one hides the other's until
 * that is announced again. */
void quota_announce(struct quota *quota, const struct quota_place *place, enum quota_kind kind,
                    size_t worker);
void quota_end_announcement(struct quota *quota, const struct quota_place *place,
                            enum quota_kind kind, size_t worker);

/* Return true if tasks of other workers wait for `kind` of the place. */
bool quota_is_wanted(const struct quota *quota, const struct quota_place *place,
                     enum quota_kind kind, size_t worker);

/* Leave a place that was given back to the other workers whose tasks wait for `kind`: wake
 * those that have not yet seen that they were woken. */
void quota_leave(struct quota *quota, const struct quota_place *place, enum quota_kind kind,
                 size_t worker);

/* Return true if a place was left to the worker since the last call. */
bool quota_see_left(struct quota *quota, size_t worker);

/* The places that are held, by all clients, by each class and by single clients, the deferred
 * queries, and the announcements.  At rest all are 0.  A value. */
struct quota_sums {
    uint64_t all[QUOTA_KINDS], of_class[QUOTA_KINDS], own[QUOTA_KINDS], waiting, announced;
};

/* Add up all counters; that reads four megabytes. */
struct quota_sums quota_sums(const struct quota *quota);
