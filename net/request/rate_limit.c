/* The limiter keeps one number per network, the time at which its bucket will be full again
 * (GCRA): a lookup, a comparison and one compare-and-swap.  The table has a fixed size, so a
 * flood of networks cannot make it grow.  A network that has been silent for a second has a
 * full bucket again, so its slot can be reused. */
#include "net/request/rate_limit.h"

#include "base/hash.h"
#include "net/request/client.h"

enum {
    WAYS = 4,
    SETS = 1 << 15, /* times WAYS times 8 octets: 1 MB */
    TRIES = 4,
    CLIENT_SLOTS = 1 << 16,
    V4_NETWORK_LEN = 3,
    V6_NETWORK_LEN = 7,
    PERIOD_US = 50 * 1000,
    /* Per PERIOD_US, 1.8 answers per query (RATE_LIMIT_PACE_TENTHS) and 9 more.  The target is
     * twice the rate and 10; the difference makes up for timers that fire late. */
    PACE_BASE = 9,
};

#define TIME_BITS 44 /* microseconds: wraps after 203 days */
#define TIME_MASK ((1ULL << TIME_BITS) - 1)
#define SECOND_US 1000000ULL

/* Lifetime: process. */
struct rate_limit {
    struct rate_limit_conf conf;
    uint64_t interval_us;           /* between two answers at the limit */
    _Atomic uint64_t (*sets)[WAYS]; /* relaxed: a lost update lets one answer more through */
    /* by client slot: the number of the period, and the queries in it and in the one before */
    _Atomic uint64_t *rates;
    _Atomic uint64_t *paces; /* by client slot: when the next deferred answer may leave */
    _Atomic uint64_t dropped, slipped, paced, paced_dropped;
};

enum err rate_limit_new(const struct rate_limit_conf *conf, struct rate_limit **out)
{
    struct rate_limit *limit = calloc(1, sizeof(*limit));
    if (!limit)
        return ERR_NOMEM;
    limit->conf = *conf;
    if (conf->per_second) {
        limit->interval_us = SECOND_US / conf->per_second;
        limit->sets = calloc(SETS, sizeof(*limit->sets));
    }
    limit->rates = calloc(CLIENT_SLOTS, sizeof(*limit->rates));
    limit->paces = calloc(CLIENT_SLOTS, sizeof(*limit->paces));
    if (!limit->rates || !limit->paces || (conf->per_second && !limit->sets)) {
        rate_limit_free(&limit);
        return ERR_NOMEM;
    }
    *out = limit;
    return ERR_OK;
}

void rate_limit_free(struct rate_limit **limit)
{
    if (*limit) {
        free((*limit)->sets);
        free((*limit)->rates);
        free((*limit)->paces);
    }
    free(*limit);
    *limit = NULL;
}

static void count_answer(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* ---- rate ---- */

bool rate_limit_is_on(const struct rate_limit *limit)
{
    return limit && limit->conf.per_second > 0;
}

static uint64_t hash_network(const struct addr *peer)
{
    size_t whole;
    const uint8_t *octets = addr_bytes(peer, &whole);
    uint64_t hash =
        hash_more(hash_start(), octets, addr_is_v6(peer) ? V6_NETWORK_LEN : V4_NETWORK_LEN);

    return hash_more(hash, NULL, 0); /* after one round neighbours might share table slots */
}

/* Return by how much the time in `entry` is ahead of now.  A time further ahead than any answer
 * can push it lies in the past: the clock has wrapped. */
static uint64_t ahead_us(const struct rate_limit *limit, uint64_t entry, uint64_t now_us)
{
    uint64_t ahead = ((entry & TIME_MASK) - now_us) & TIME_MASK;
    return entry != 0 && ahead <= SECOND_US + limit->interval_us ? ahead : 0;
}

/* Return the network's way in its set: the one with its tag, else one whose bucket is full
 * again, else one that it shares with another network. */
static unsigned choose_network_way(const struct rate_limit *limit, _Atomic uint64_t *set,
                                   uint64_t tag, uint64_t now_us)
{
    unsigned silent = WAYS;

    for (unsigned i = 0; i < WAYS; i++) {
        uint64_t entry = atomic_load_explicit(&set[i], memory_order_relaxed);
        if (entry >> TIME_BITS == tag)
            return i;
        if (silent == WAYS && ahead_us(limit, entry, now_us) == 0)
            silent = i;
    }
    return silent < WAYS ? silent : (unsigned)(tag % WAYS);
}

/* True if the network of `hash` may have one more answer now; it is counted. */
static bool spend_answer(struct rate_limit *limit, uint64_t hash, uint64_t now_us)
{
    uint64_t tag = hash >> TIME_BITS;
    _Atomic uint64_t *set = limit->sets[hash % SETS];

    for (unsigned tries = 0; tries < TRIES; tries++) {
        unsigned way = choose_network_way(limit, set, tag, now_us);
        uint64_t entry = atomic_load_explicit(&set[way], memory_order_relaxed);
        uint64_t ahead = ahead_us(limit, entry, now_us);
        if (ahead + limit->interval_us > SECOND_US)
            return false;
        uint64_t later = tag << TIME_BITS | ((now_us + ahead + limit->interval_us) & TIME_MASK);
        if (atomic_compare_exchange_strong_explicit(&set[way], &entry, later,
                                                    memory_order_relaxed, memory_order_relaxed))
            return true;
    }
    return true; /* workers contend for one network: let this answer through */
}

enum rate_limit_verdict rate_limit_spend(struct rate_limit *limit, const struct addr *peer,
                                         uint64_t now_us, unsigned turn)
{
    if (addr_is_in(&limit->conf.exempt, peer) ||
        spend_answer(limit, hash_network(peer), now_us))
        return RATE_LIMIT_PASS;
    /* With `turn` alone, networks that query in turn would always get the same verdict. */
    bool is_slipping =
        limit->conf.slip > 0 && (turn + (uint32_t)(now_us >> 3)) % limit->conf.slip == 0;
    count_answer(is_slipping ? &limit->slipped : &limit->dropped);
    if (limit->conf.is_log_only)
        return RATE_LIMIT_PASS;
    return is_slipping ? RATE_LIMIT_SLIP : RATE_LIMIT_DROP;
}

/* ---- deferred answers ---- */

/* A cell holds the number of a period (32 bits), the queries in the period before it (16) and
 * the queries in it (16). */
unsigned rate_limit_note_deferred(struct rate_limit *limit, const struct addr *peer,
                                  uint64_t now_us)
{
    _Atomic uint64_t *cell = &limit->rates[client_hash(peer) % CLIENT_SLOTS];
    uint64_t old = atomic_load_explicit(cell, memory_order_relaxed), new;
    uint32_t period = (uint32_t)(now_us / PERIOD_US);
    uint64_t before, cnt;

    do {
        uint32_t passed = period - (uint32_t)(old >> 32);
        before = passed == 0 ? (old >> 16) & UINT16_MAX : passed == 1 ? old & UINT16_MAX : 0;
        cnt = util_min((passed == 0 ? old & UINT16_MAX : 0) + 1, UINT16_MAX);
        new = (uint64_t)period << 32 | before << 16 | cnt;
    } while (!atomic_compare_exchange_weak_explicit(cell, &old, new, memory_order_relaxed,
                                                    memory_order_relaxed));
    /* of the period before, only the part within the last PERIOD_US counts */
    return (unsigned)(cnt + before * (PERIOD_US - now_us % PERIOD_US) / PERIOD_US);
}

bool rate_limit_pace(struct rate_limit *limit, const struct addr *peer, unsigned rate,
                     bool is_prompt, uint64_t now_us, uint64_t *at_us)
{
    *at_us = now_us;
    if (addr_is_in(&limit->conf.exempt, peer))
        return true;
    _Atomic uint64_t *cell = &limit->paces[client_hash(peer) % CLIENT_SLOTS];
    uint64_t next_us = atomic_load_explicit(cell, memory_order_relaxed);
    uint64_t interval_us =
        (uint64_t)PERIOD_US * 10 / (RATE_LIMIT_PACE_TENTHS * (uint64_t)rate + PACE_BASE * 10);

    do {
        *at_us = util_max(next_us, now_us);
        bool is_too_late = *at_us - now_us > RATE_LIMIT_PACE_MAX_MS * 1000;
        if (is_prompt && (*at_us == now_us || is_too_late)) {
            *at_us = now_us;
            return true;
        }
        if (is_too_late) {
            count_answer(&limit->paced_dropped);
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        cell, &next_us, *at_us + interval_us, memory_order_relaxed, memory_order_relaxed));
    if (*at_us > now_us)
        count_answer(&limit->paced);
    return true;
}

struct rate_limit_counts rate_limit_counts(const struct rate_limit *limit)
{
    return (struct rate_limit_counts){
        .dropped = atomic_load_explicit(&limit->dropped, memory_order_relaxed),
        .slipped = atomic_load_explicit(&limit->slipped, memory_order_relaxed),
        .paced = atomic_load_explicit(&limit->paced, memory_order_relaxed),
        .paced_dropped = atomic_load_explicit(&limit->paced_dropped, memory_order_relaxed)};
}
