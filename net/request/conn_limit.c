#include "net/request/conn_limit.h"

#include "net/request/client.h"

enum { CLIENT_SLOTS = 1 << 16 };

/* Lifetime: process. */
struct conn_limit {
    struct conn_limit_conf conf;
    uint32_t share;                       /* connections reserved for each front */
    uint32_t pool;                        /* the others */
    _Atomic uint32_t connections, pooled; /* open now: in all, and from the pool */
    _Atomic uint16_t *clients;            /* open now, by slot: clients may share one */
    _Atomic uint64_t closed_total, closed_client, closed_memory;
    _Atomic uint64_t memory;
};

enum err conn_limit_new(const struct conn_limit_conf *conf, size_t front_cnt,
                        struct conn_limit **out)
{
    struct conn_limit *limit = calloc(1, sizeof(*limit));
    if (!limit)
        return ERR_NOMEM;
    limit->conf = *conf;
    limit->share = (uint32_t)(conf->connections / 2 / util_max(front_cnt, 1));
    limit->pool = (uint32_t)(conf->connections - limit->share * front_cnt);
    limit->clients = calloc(CLIENT_SLOTS, sizeof(*limit->clients));
    if (!limit->clients) {
        conn_limit_free(&limit);
        return ERR_NOMEM;
    }
    *out = limit;
    return ERR_OK;
}

void conn_limit_free(struct conn_limit **limit)
{
    if (*limit)
        free((*limit)->clients);
    free(*limit);
    *limit = NULL;
}

/* ---- number of connections ---- */

static uint32_t increment_connections(_Atomic uint32_t *counter)
{
    return atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void decrement_connections(_Atomic uint32_t *counter)
{
    atomic_fetch_sub_explicit(counter, 1, memory_order_relaxed);
}

static _Atomic uint16_t *find_client_slot(struct conn_limit *limit, const struct addr *peer)
{
    return &limit->clients[client_hash(peer) % CLIENT_SLOTS];
}

/* Count one connection more for the client; false if it has as many as it may have. */
static bool enter_client(struct conn_limit *limit, const struct addr *peer)
{
    if (!peer)
        return true;
    _Atomic uint16_t *slot = find_client_slot(limit, peer);
    if (atomic_fetch_add_explicit(slot, 1, memory_order_relaxed) <
        limit->conf.connections_per_client)
        return true;
    atomic_fetch_sub_explicit(slot, 1, memory_order_relaxed);
    return false;
}

static void leave_client(struct conn_limit *limit, const struct addr *peer)
{
    if (peer)
        atomic_fetch_sub_explicit(find_client_slot(limit, peer), 1, memory_order_relaxed);
}

enum conn_limit_entry conn_limit_enter(struct conn_limit *limit, const struct addr *peer,
                                       size_t front_connections)
{
    if (!enter_client(limit, peer))
        return CONN_LIMIT_CLIENT_FULL;
    if (front_connections < limit->share) {
        increment_connections(&limit->connections);
        return CONN_LIMIT_SHARE;
    }
    if (increment_connections(&limit->pooled) < limit->pool) {
        increment_connections(&limit->connections);
        return CONN_LIMIT_POOL;
    }
    decrement_connections(&limit->pooled);
    leave_client(limit, peer);
    return CONN_LIMIT_FULL;
}

void conn_limit_leave(struct conn_limit *limit, const struct addr *peer,
                      enum conn_limit_entry entry)
{
    decrement_connections(&limit->connections);
    if (entry == CONN_LIMIT_POOL)
        decrement_connections(&limit->pooled);
    leave_client(limit, peer);
}

void conn_limit_count_closed(struct conn_limit *limit, enum conn_limit_entry why)
{
    _Atomic uint64_t *counter = why == CONN_LIMIT_CLIENT_FULL   ? &limit->closed_client
                                : why == CONN_LIMIT_MEMORY_FULL ? &limit->closed_memory
                                                                : &limit->closed_total;
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- memory ---- */

void conn_limit_add_memory(struct conn_limit *limit, size_t len)
{
    atomic_fetch_add_explicit(&limit->memory, len, memory_order_relaxed);
}

void conn_limit_subtract_memory(struct conn_limit *limit, size_t len)
{
    atomic_fetch_sub_explicit(&limit->memory, len, memory_order_relaxed);
}

bool conn_limit_is_memory_full(const struct conn_limit *limit)
{
    return atomic_load_explicit(&limit->memory, memory_order_relaxed) > limit->conf.memory;
}

bool conn_limit_is_memory_overrun(const struct conn_limit *limit)
{
    return atomic_load_explicit(&limit->memory, memory_order_relaxed) >
           limit->conf.memory + limit->conf.memory / 4;
}

/* ---- idle time ---- */

/* The full time while half of the connections are free, then in proportion to what is left. */
unsigned conn_limit_idle_ms(const struct conn_limit *limit)
{
    uint64_t used = atomic_load_explicit(&limit->connections, memory_order_relaxed);
    uint64_t all = limit->conf.connections;
    uint64_t left = used < all ? all - used : 0;
    uint64_t idle_ms =
        left * 2 >= all ? limit->conf.idle_ms : limit->conf.idle_ms * left * 2 / all;
    return (unsigned)util_max(idle_ms, CONN_LIMIT_IDLE_MIN_MS);
}

struct conn_limit_counts conn_limit_counts(const struct conn_limit *limit)
{
    return (struct conn_limit_counts){
        .closed_total = atomic_load_explicit(&limit->closed_total, memory_order_relaxed),
        .closed_client = atomic_load_explicit(&limit->closed_client, memory_order_relaxed),
        .closed_memory = atomic_load_explicit(&limit->closed_memory, memory_order_relaxed),
        .connections = atomic_load_explicit(&limit->connections, memory_order_relaxed),
        .memory = atomic_load_explicit(&limit->memory, memory_order_relaxed)};
}
