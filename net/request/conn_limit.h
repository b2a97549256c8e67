/* net/request/conn_limit.h | limits on connections: number, memory, idle time
 *
 * The counts are atomics that all workers share: no lock, and no worker owns a client.
 *
 * Owner:    the daemon.
 * Thread:   new and free from the main thread, everything else from any.
 * Words:    front - one worker's listener; share - connections reserved for one front;
 *           pool - connections that any front may use.
 */
#pragma once

#include <stdatomic.h>

#include "base/addr.h"

struct conn_limit;

/* Lifetime: the configuration's. */
struct conn_limit_conf {
    uint32_t connections;            /* of the process */
    uint32_t connections_per_client; /* not for connections of a trusted proxy */
    uint32_t idle_ms;                /* idle time of a connection when there are few */
    uint64_t memory;                 /* octets that all connections together may hold */
};

enum {
    CONN_LIMIT_CONNECTIONS_MAX = 100000,
    CONN_LIMIT_PER_CLIENT_MAX = 60000,
    CONN_LIMIT_IDLE_MIN_MS = 200, /* idle time when no connection is left */
};

/* Why a connection was counted in, or was not; and which limit cost a connection. */
enum conn_limit_entry {
    CONN_LIMIT_SHARE, /* counted in, from the front's share */
    CONN_LIMIT_POOL,  /* counted in, from the pool */
    CONN_LIMIT_FULL,
    CONN_LIMIT_CLIENT_FULL,
    CONN_LIMIT_MEMORY_FULL, /* for conn_limit_count_closed only */
};

/* Connections that were evicted or rejected since the start, by limit, and what is open now. */
struct conn_limit_counts {
    uint64_t closed_total;  /* all connections were in use */
    uint64_t closed_client; /* the client had as many as it may have */
    uint64_t closed_memory; /* connections held too much memory */
    uint64_t connections;   /* now */
    uint64_t memory;        /* octets that they hold now */
};

/* Create the limits for `front_cnt` fronts; `conf` is copied.  ERR_NOMEM. */
MUST_USE enum err conn_limit_new(const struct conn_limit_conf *conf, size_t front_cnt,
                                 struct conn_limit **out);

/* Free *limit and set it to NULL; it may be NULL already. */
void conn_limit_free(struct conn_limit **limit);

/* Count a new connection of `peer` in, at a front that has `front_connections` already.  `peer`
 * is NULL for a trusted proxy, since many clients use its connections.  Half of all connections
 * is divided into shares of equal size and the rest is the pool, so filling one front never
 * locks clients out of another.  Caller must return a connection that was counted in with
 * conn_limit_leave. */
enum conn_limit_entry conn_limit_enter(struct conn_limit *limit, const struct addr *peer,
                                       size_t front_connections);

/* Count a closed connection out; `peer` and `entry` are those of conn_limit_enter. */
void conn_limit_leave(struct conn_limit *limit, const struct addr *peer,
                      enum conn_limit_entry entry);

/* Account for `len` octets more, or fewer, that connections hold. */
void conn_limit_add_memory(struct conn_limit *limit, size_t len);
void conn_limit_subtract_memory(struct conn_limit *limit, size_t len);

/* True if connections hold more memory than the limit: close large ones. */
bool conn_limit_is_memory_full(const struct conn_limit *limit);

/* True if usage exceeds the limit by 25 %: then small connections may be evicted too. */
bool conn_limit_is_memory_overrun(const struct conn_limit *limit);

/* Count a connection that was evicted or rejected because of the limit `why`. */
void conn_limit_count_closed(struct conn_limit *limit, enum conn_limit_entry why);

/* Return how long a connection may be idle now, in milliseconds: the fewer connections are
 * left, the shorter. */
unsigned conn_limit_idle_ms(const struct conn_limit *limit);

/* Return the counts. */
struct conn_limit_counts conn_limit_counts(const struct conn_limit *limit);
