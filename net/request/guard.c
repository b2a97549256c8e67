/* The rate is kept as one number a network, the time at which its bucket will be full again
 * (GCRA): a look-up, a comparison and one compare-and-swap.  A table of fixed size cannot be
 * made to grow; a network that was silent for a second leaves nothing behind, so its place can
 * be taken. */
#include "net/request/guard.h"

#include "base/hash.h"

enum {
    WAYS = 4,
    SETS = 1 << 15, /* times WAYS times 8 octets: 1 MB */
    TRIES = 4,
    CLIENT_SLOTS = 1 << 16,
    V4_NETWORK_LEN = 3,
    V6_NETWORK_LEN = 7,
    V6_CLIENT_LEN = 8,
    RATE_US = 50 * 1000,
    /* In RATE_US 1.8 answers for each query, and 9 more: a little less than twice the rate and
     * 10, for timers are late. */
    PACE_TENTHS = 18,
    PACE_BASE = 9,
};

#define TIME_BITS 44 /* microseconds: 203 days, then they begin anew */
#define TIME_MASK ((1ULL << TIME_BITS) - 1)
#define SECOND_US 1000000ULL

/* Lifetime: process. */
struct guard {
    struct guard_conf conf;
    uint64_t interval_us;           /* of answers at the limit */
    _Atomic uint64_t (*sets)[WAYS]; /* relaxed: a lost update lets one answer more through */
    uint32_t share;                 /* of each front; what is left is common */
    uint32_t common;
    _Atomic uint32_t connections, pooled; /* in all; of them in what is common */
    _Atomic uint16_t *clients;            /* connections of the clients that share a slot */
    _Atomic uint64_t dropped, slipped, crowded_total, crowded_client, crowded_memory;
    _Atomic uint64_t memory;
    _Atomic uint64_t
        *rates; /* of clients: the period, and the queries in it and in the one before */
    _Atomic uint64_t *paces; /* of clients: when the next deferred answer may leave */
    _Atomic uint64_t paced, paced_drops, untrusted;
};

enum err guard_new(const struct guard_conf *conf, size_t front_cnt, struct guard **out)
{
    struct guard *g = calloc(1, sizeof(*g));
    if (!g)
        return ERR_NOMEM;
    g->conf = *conf;
    g->share = (uint32_t)(conf->connections / 2 / util_max(front_cnt, 1));
    g->common = (uint32_t)(conf->connections - g->share * front_cnt);
    g->clients = calloc(CLIENT_SLOTS, sizeof(*g->clients));
    if (conf->per_second) {
        g->interval_us = SECOND_US / conf->per_second;
        g->sets = calloc(SETS, sizeof(*g->sets));
    }
    g->rates = calloc(CLIENT_SLOTS, sizeof(*g->rates));
    g->paces = calloc(CLIENT_SLOTS, sizeof(*g->paces));
    if (!g->clients || !g->rates || !g->paces || (conf->per_second && !g->sets)) {
        guard_free(&g);
        return ERR_NOMEM;
    }
    *out = g;
    return ERR_OK;
}

void guard_free(struct guard **guard)
{
    if (*guard) {
        free((*guard)->sets);
        free((*guard)->clients);
        free((*guard)->rates);
        free((*guard)->paces);
    }
    free(*guard);
    *guard = NULL;
}

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* The first octets of the address: `v4_len` or `v6_len`. */
static uint64_t hash_address(const struct addr *peer, size_t v4_len, size_t v6_len)
{
    size_t whole;
    const uint8_t *bytes = addr_bytes(peer, &whole);
    uint64_t hash = hash_more(hash_start(), bytes, addr_is_v6(peer) ? v6_len : v4_len);
    return hash_more(hash, NULL, 0); /* once over so few octets, neighbours may share places */
}

/* ---- rate ---- */

bool guard_limits_rate(const struct guard *g) { return g->conf.per_second > 0; }

/* How far ahead of now the time in `entry` is; times further than any answer can push it are of
 * the past. */
static uint64_t ahead_us(const struct guard *g, uint64_t entry, uint64_t now_us)
{
    uint64_t ahead = ((entry & TIME_MASK) - now_us) & TIME_MASK;
    return entry != 0 && ahead <= SECOND_US + g->interval_us ? ahead : 0;
}

/* The network's place in its set: the one with its tag, else one that has run full again, else
 * it shares one with another network. */
static unsigned choose_way(const struct guard *g, _Atomic uint64_t *set, uint64_t tag,
                           uint64_t now_us)
{
    unsigned silent = WAYS;

    for (unsigned i = 0; i < WAYS; i++) {
        uint64_t entry = atomic_load_explicit(&set[i], memory_order_relaxed);
        if (entry >> TIME_BITS == tag)
            return i;
        if (silent == WAYS && ahead_us(g, entry, now_us) == 0)
            silent = i;
    }
    return silent < WAYS ? silent : (unsigned)(tag % WAYS);
}

/* Whether one more answer may go to the network of `hash`. */
static bool spend(struct guard *g, uint64_t hash, uint64_t now_us)
{
    uint64_t tag = hash >> TIME_BITS;
    _Atomic uint64_t *set = g->sets[hash % SETS];

    for (unsigned tries = 0; tries < TRIES; tries++) {
        unsigned way = choose_way(g, set, tag, now_us);
        uint64_t entry = atomic_load_explicit(&set[way], memory_order_relaxed);
        uint64_t ahead = ahead_us(g, entry, now_us);
        if (ahead + g->interval_us > SECOND_US)
            return false;
        uint64_t later = tag << TIME_BITS | ((now_us + ahead + g->interval_us) & TIME_MASK);
        if (atomic_compare_exchange_strong_explicit(&set[way], &entry, later,
                                                    memory_order_relaxed, memory_order_relaxed))
            return true;
    }
    return true; /* workers quarrel over one network: it is let through once */
}

enum guard_verdict guard_rate(struct guard *g, const struct addr *peer, uint64_t now_us,
                              unsigned turn)
{
    if (addr_is_in(&g->conf.exempt, peer) ||
        spend(g, hash_address(peer, V4_NETWORK_LEN, V6_NETWORK_LEN), now_us))
        return GUARD_PASS;
    /* the time keeps networks that ask in turn from always meeting the same fate */
    bool is_slipping = g->conf.slip > 0 && (turn + (uint32_t)(now_us >> 3)) % g->conf.slip == 0;
    count(is_slipping ? &g->slipped : &g->dropped);
    if (g->conf.is_log_only)
        return GUARD_PASS;
    return is_slipping ? GUARD_SLIP : GUARD_DROP;
}

/* ---- deferred answers ---- */

size_t guard_client(const struct addr *peer)
{
    return hash_address(peer, sizeof(struct in_addr), V6_CLIENT_LEN) % CLIENT_SLOTS;
}

/* A cell holds the number of a period (32 bits), the queries in the period before (16) and in
 * it (16). */
unsigned guard_note_deferred(struct guard *g, const struct addr *peer, uint64_t now_us)
{
    _Atomic uint64_t *cell = &g->rates[guard_client(peer)];
    uint64_t old = atomic_load_explicit(cell, memory_order_relaxed), new;
    uint32_t period = (uint32_t)(now_us / RATE_US);
    uint64_t before, cnt;

    do {
        uint32_t passed = period - (uint32_t)(old >> 32);
        before = passed == 0 ? (old >> 16) & UINT16_MAX : passed == 1 ? old & UINT16_MAX : 0;
        cnt = util_min((passed == 0 ? old & UINT16_MAX : 0) + 1, UINT16_MAX);
        new = (uint64_t)period << 32 | before << 16 | cnt;
    } while (!atomic_compare_exchange_weak_explicit(cell, &old, new, memory_order_relaxed,
                                                    memory_order_relaxed));
    /* of the period before, as much as is not longer ago than one period */
    return (unsigned)(cnt + before * (RATE_US - now_us % RATE_US) / RATE_US);
}

bool guard_pace(struct guard *g, const struct addr *peer, unsigned rate, bool is_prompt,
                uint64_t now_us, uint64_t *at_us)
{
    *at_us = now_us;
    if (addr_is_in(&g->conf.exempt, peer))
        return true;
    _Atomic uint64_t *cell = &g->paces[guard_client(peer)];
    uint64_t next_us = atomic_load_explicit(cell, memory_order_relaxed);
    uint64_t interval_us =
        (uint64_t)RATE_US * 10 / (PACE_TENTHS * (uint64_t)rate + PACE_BASE * 10);

    do {
        *at_us = util_max(next_us, now_us);
        bool is_too_late = *at_us - now_us > GUARD_PACE_MAX_MS * 1000;
        if (is_prompt && (*at_us == now_us || is_too_late)) {
            *at_us = now_us;
            return true;
        }
        if (is_too_late) {
            count(&g->paced_drops);
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        cell, &next_us, *at_us + interval_us, memory_order_relaxed, memory_order_relaxed));
    if (*at_us > now_us)
        count(&g->paced);
    return true;
}

void guard_count_untrusted(struct guard *g) { count(&g->untrusted); }

/* ---- connections ---- */

static _Atomic uint16_t *client_slot(struct guard *g, const struct addr *peer)
{
    return &g->clients[guard_client(peer)];
}

static uint32_t up(_Atomic uint32_t *counter)
{
    return atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void down(_Atomic uint32_t *counter)
{
    atomic_fetch_sub_explicit(counter, 1, memory_order_relaxed);
}

/* One more of this client; false when it has its share. */
static bool enter_client(struct guard *g, const struct addr *peer)
{
    if (!peer)
        return true;
    _Atomic uint16_t *client = client_slot(g, peer);
    if (atomic_fetch_add_explicit(client, 1, memory_order_relaxed) <
        g->conf.connections_per_client)
        return true;
    atomic_fetch_sub_explicit(client, 1, memory_order_relaxed);
    return false;
}

static void leave_client(struct guard *g, const struct addr *peer)
{
    if (peer)
        atomic_fetch_sub_explicit(client_slot(g, peer), 1, memory_order_relaxed);
}

enum guard_entry guard_enter(struct guard *g, const struct addr *peer, size_t front_connections)
{
    if (!enter_client(g, peer))
        return GUARD_CLIENT_FULL;
    if (front_connections < g->share) {
        up(&g->connections);
        return GUARD_ENTERED;
    }
    if (up(&g->pooled) < g->common) {
        up(&g->connections);
        return GUARD_POOLED;
    }
    down(&g->pooled);
    leave_client(g, peer);
    return GUARD_FULL;
}

void guard_leave(struct guard *g, const struct addr *peer, enum guard_entry entry)
{
    down(&g->connections);
    if (entry == GUARD_POOLED)
        down(&g->pooled);
    leave_client(g, peer);
}

void guard_spend_memory(struct guard *g, size_t more)
{
    atomic_fetch_add_explicit(&g->memory, more, memory_order_relaxed);
}

void guard_give_back_memory(struct guard *g, size_t less)
{
    atomic_fetch_sub_explicit(&g->memory, less, memory_order_relaxed);
}

bool guard_is_memory_full(const struct guard *g)
{
    return atomic_load_explicit(&g->memory, memory_order_relaxed) > g->conf.memory;
}

bool guard_is_memory_overrun(const struct guard *g)
{
    return atomic_load_explicit(&g->memory, memory_order_relaxed) >
           g->conf.memory + g->conf.memory / 4;
}

bool guard_is_same_client(const struct addr *a, const struct addr *b)
{
    size_t a_len, b_len;
    const uint8_t *a_bytes = addr_bytes(a, &a_len), *b_bytes = addr_bytes(b, &b_len);
    return a_len == b_len && memcmp(a_bytes, b_bytes, util_min(a_len, V6_CLIENT_LEN)) == 0;
}

void guard_count_refusal(struct guard *g, enum guard_entry why)
{
    count(why == GUARD_CLIENT_FULL   ? &g->crowded_client
          : why == GUARD_MEMORY_FULL ? &g->crowded_memory
                                     : &g->crowded_total);
}

/* The whole time while half of the connections are free, then in proportion to what is left. */
unsigned guard_idle_ms(const struct guard *g)
{
    uint64_t used = atomic_load_explicit(&g->connections, memory_order_relaxed);
    uint64_t all = g->conf.connections;
    uint64_t left = used < all ? all - used : 0;
    uint64_t idle_ms = left * 2 >= all ? g->conf.idle_ms : g->conf.idle_ms * left * 2 / all;
    return (unsigned)util_max(idle_ms, GUARD_IDLE_MIN_MS);
}

struct guard_counts guard_counts(const struct guard *g)
{
    return (struct guard_counts){
        .dropped = atomic_load_explicit(&g->dropped, memory_order_relaxed),
        .slipped = atomic_load_explicit(&g->slipped, memory_order_relaxed),
        .crowded_total = atomic_load_explicit(&g->crowded_total, memory_order_relaxed),
        .crowded_client = atomic_load_explicit(&g->crowded_client, memory_order_relaxed),
        .crowded_memory = atomic_load_explicit(&g->crowded_memory, memory_order_relaxed),
        .connections = atomic_load_explicit(&g->connections, memory_order_relaxed),
        .paced = atomic_load_explicit(&g->paced, memory_order_relaxed),
        .paced_drops = atomic_load_explicit(&g->paced_drops, memory_order_relaxed),
        .untrusted = atomic_load_explicit(&g->untrusted, memory_order_relaxed),
        .memory = atomic_load_explicit(&g->memory, memory_order_relaxed)};
}
