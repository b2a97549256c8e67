/* Counters without keys: two zones that share one share its limit too, which errs on the safe side and
 * needs neither lock nor eviction. */
#include "resolver/quota.h"

#include "base/hash.h"

enum { CELLS = 1 << 16 };

/* Lifetime: process. */
struct quota {
    struct quota_limits limits;
    _Atomic uint32_t zones[CELLS], servers[CELLS],
        clients[CELLS]; /* relaxed: each stands for itself */
};

enum err quota_new(const struct quota_limits *limits, struct quota **out)
{
    struct quota *quota = calloc(1, sizeof(*quota));
    if (!quota)
        return ERR_NOMEM;
    quota->limits = *limits;
    *out = quota;
    return ERR_OK;
}

void quota_free(struct quota **quota)
{
    free(*quota);
    *quota = NULL;
}

static _Atomic uint32_t *zone_cell(struct quota *q, const uint8_t *zone)
{
    return &q->zones[dname_hash(zone) % CELLS];
}

static _Atomic uint32_t *server_cell(struct quota *q, const struct addr *server)
{
    size_t len;
    const uint8_t *octets = addr_bytes(server, &len);
    return &q->servers[hash_more(hash_start(), octets, len) % CELLS];
}

_Atomic uint32_t *quota_client(struct quota *q, const struct addr *client)
{
    size_t len;
    const uint8_t *octets = addr_bytes(client, &len);

    return &q->clients[hash_more(hash_start(), octets, len == 16 ? 8 : len) % CELLS];
}

static bool spend(_Atomic uint32_t *cell, uint32_t limit)
{
    if (atomic_fetch_add_explicit(cell, 1, memory_order_relaxed) < limit)
        return true;
    atomic_fetch_sub_explicit(cell, 1, memory_order_relaxed);
    return false;
}

enum quota_verdict quota_spend(struct quota *q, const uint8_t *zone, const struct addr *server)
{
    _Atomic uint32_t *of_zone = zone_cell(q, zone);
    if (!spend(of_zone, q->limits.per_zone))
        return QUOTA_ZONE_FULL;
    if (spend(server_cell(q, server), q->limits.per_server))
        return QUOTA_SPENT;
    atomic_fetch_sub_explicit(of_zone, 1, memory_order_relaxed);
    return QUOTA_SERVER_FULL;
}

void quota_give_back(struct quota *q, const uint8_t *zone, const struct addr *server)
{
    atomic_fetch_sub_explicit(zone_cell(q, zone), 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(server_cell(q, server), 1, memory_order_relaxed);
}
