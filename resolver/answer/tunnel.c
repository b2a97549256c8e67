/* Two tables.  `labels` has fingerprints of the labels that clients have sent: a bucket is one
 * word of four, and the oldest leaves.  `slots` has the buckets that leak; if a set is full,
 * the lightest leaves, so a client cannot hide a heavy flow behind many light ones.  Level,
 * time and owner of a slot are one word, so that workers never add a weight to another
 * client's. */
#include "resolver/answer/tunnel.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/hash.h"
#include "resolver/limits/quota.h"

enum {
    LABEL_WORDS_LOG2 = 15, /* 131,072 labels */
    FINGERPRINT_BITS = 16,
    FINGERPRINTS = 64 / FINGERPRINT_BITS,
    SETS_LOG2 = 10,
    WAYS = 4,
    /* the state of a slot: tag, tick, level */
    LEVEL_BITS = 20,
    TICK_BITS = 20, /* 74 hours; then a slot that was not used seems to be a new one */
    TICK_MS = 256,
    TICKS_LATE = 256, /* a worker's clock may be that far behind another's */
    LOG_BITS = 8,     /* of the fraction of a logarithm */
    SQUARE_BITS = 6,  /* bits squared to octets squared */
};

static const uint64_t level_mask = (1U << LEVEL_BITS) - 1, tick_mask = (1U << TICK_BITS) - 1;

_Static_assert(TUNNEL_FULL < 1 << LEVEL_BITS, "a full bucket must fit into its slot");

struct slot {
    _Atomic uint64_t state;
    _Atomic uint32_t names, octets, since; /* since: tick */
    _Atomic uint32_t quiet;                /* tick until which no alert is due; 0: none was */
};

/* Lifetime: process. */
struct tunnel {
    _Atomic uint64_t labels[1 << LABEL_WORDS_LOG2];
    struct slot slots[1 << SETS_LOG2][WAYS];
    uint16_t logs[DNAME_MAX]; /* logs[n]: log2(n), with LOG_BITS of fraction */
    pthread_mutex_t lock;     /* of what follows */
    uint64_t alert_cnt;
    struct tunnel_alert
        alerts[TUNNEL_KEPT]; /* the newest is at (alert_cnt - 1) % TUNNEL_KEPT */
};

/* Return log2(n) with LOG_BITS of fraction, by squaring the mantissa. */
static uint16_t make_log(unsigned n)
{
    const unsigned whole = 31 - (unsigned)__builtin_clz(n);
    uint64_t mantissa = ((uint64_t)n << 32) >> whole; /* 1.0 is 1 << 32 */
    unsigned fraction = 0;

    for (unsigned i = 0; i < LOG_BITS; i++) {
        mantissa = (mantissa >> 16) * (mantissa >> 16);
        fraction = fraction << 1 | (mantissa >> 33 != 0);
        if (mantissa >> 33)
            mantissa >>= 1;
    }
    return (uint16_t)(whole << LOG_BITS | fraction);
}

enum err tunnel_new(struct tunnel **out)
{
    struct tunnel *t = calloc(1, sizeof(*t));

    if (!t)
        return ERR_NOMEM;
    for (unsigned n = 1; n < ARRAY_LEN(t->logs); n++)
        t->logs[n] = make_log(n);
    pthread_mutex_init(&t->lock, NULL);
    *out = t;
    return ERR_OK;
}

void tunnel_free(struct tunnel **tunnel)
{
    if (*tunnel)
        pthread_mutex_destroy(&(*tunnel)->lock);
    free(*tunnel);
    *tunnel = NULL;
}

/* ---- what a name carries ---- */

/* Return true if the client has sent the label to this domain before, as far as is remembered.
 */
static bool remember_label(struct tunnel *t, uint64_t key, const uint8_t *label)
{
    const uint64_t hash = hash_more(key, label, 1U + *label);
    _Atomic uint64_t *word = &t->labels[hash >> (64 - LABEL_WORDS_LOG2)];
    const uint64_t known = atomic_load_explicit(word, memory_order_relaxed);
    const uint16_t mine = (uint16_t)(hash | 1); /* 0 is a free place */

    for (unsigned i = 0; i < FINGERPRINTS; i++)
        if ((uint16_t)(known >> i * FINGERPRINT_BITS) == mine)
            return true;
    atomic_store_explicit(word, known << FINGERPRINT_BITS | mine, memory_order_relaxed);
    return false;
}

/* Return the bits of information in a label: its length times the entropy of its octets.  That
 * is too little for short random labels, and never too much. */
static unsigned measure_label(const struct tunnel *t, const uint8_t *label)
{
    const unsigned len = *label;
    uint8_t cnt[256] = {0};
    unsigned sum = len * t->logs[len];

    for (unsigned i = 1; i <= len; i++)
        cnt[label[i]]++;
    for (unsigned i = 1; i <= len; i++)
        sum -= t->logs[cnt[label[i]]];
    return sum >> LOG_BITS;
}

struct tunnel_flow tunnel_measure(struct tunnel *t, const struct addr *client,
                                  const struct dname_parts *name)
{
    struct tunnel_flow flow = {0};
    const unsigned domain = dname_org_labels(name);
    unsigned known_bits = 0;

    if (name->labels <= domain)
        return flow;
    const uint64_t who = quota_client(client, true);
    flow.key = hash_more(name->hash[domain], (const uint8_t *)&who, sizeof(who));
    for (unsigned n = name->labels; n > domain; n--) {
        const uint8_t *label = name->lower + name->at[n];
        if (*label <= TUNNEL_SHORT_MAX || remember_label(t, flow.key, label))
            known_bits += TUNNEL_KNOWN_BITS;
        else
            flow.bits += measure_label(t, label);
    }
    if (known_bits > TUNNEL_ADDRESS_BITS)
        flow.bits += known_bits - TUNNEL_ADDRESS_BITS;
    return flow;
}

/* ---- what a client has sent ---- */

static uint64_t flow_tag(uint64_t key) { return key << SETS_LOG2 >> (LEVEL_BITS + TICK_BITS); }

static bool has_tag(uint64_t state, uint64_t key)
{
    return state >> (LEVEL_BITS + TICK_BITS) == flow_tag(key);
}

/* Return the level of a slot at `tick`, and in *latest the later of that and its own time. */
static uint64_t level_at(uint64_t state, uint64_t tick, uint64_t *latest)
{
    const uint64_t last = state >> LEVEL_BITS & tick_mask, level = state & level_mask;
    const uint64_t passed = (tick - last) & tick_mask;
    const uint64_t leaked = passed * TUNNEL_FULL * TICK_MS / (TUNNEL_LEAK_S * 1000);

    *latest = tick;
    if (passed > tick_mask - TICKS_LATE) {
        *latest = last;
        return level;
    }
    return level - util_min(level, leaked);
}

static struct slot *find_slot(struct tunnel *t, uint64_t key, uint64_t tick)
{
    struct slot *set = t->slots[key >> (64 - SETS_LOG2)], *lightest = set;
    uint64_t least = UINT64_MAX, latest;

    for (unsigned i = 0; i < WAYS; i++) {
        const uint64_t state = atomic_load_explicit(&set[i].state, memory_order_relaxed);
        if (has_tag(state, key))
            return &set[i];
        const uint64_t level = level_at(state, tick, &latest);
        if (level < least) {
            least = level;
            lightest = &set[i];
        }
    }
    return lightest;
}

/* Pour a weight into the bucket of `key`.  Return its level before in *before, and after. */
static uint64_t pour(struct slot *slot, uint64_t key, uint64_t weight, uint64_t tick,
                     uint64_t *before)
{
    uint64_t state = atomic_load_explicit(&slot->state, memory_order_relaxed), level, latest,
             next;

    do {
        const uint64_t left = level_at(state, tick, &latest);
        *before = has_tag(state, key) ? left : 0;
        if (!has_tag(state, key))
            latest = tick;
        level = util_min(*before + weight, level_mask);
        next = flow_tag(key) << (LEVEL_BITS + TICK_BITS) | latest << LEVEL_BITS | level;
    } while (!atomic_compare_exchange_weak_explicit(
        &slot->state, &state, next, memory_order_relaxed, memory_order_relaxed));
    return level;
}

static bool note_weight(struct tunnel *t, uint64_t key, uint64_t weight, uint32_t names,
                        uint32_t octets, uint64_t now_ms, struct tunnel_sum *sum)
{
    const uint32_t now = (uint32_t)(now_ms / TICK_MS);
    struct slot *slot = find_slot(t, key, now & tick_mask);
    uint64_t before;
    const uint64_t level = pour(slot, key, weight, now & tick_mask, &before);

    if (before == 0) {
        atomic_store_explicit(&slot->names, 0, memory_order_relaxed);
        atomic_store_explicit(&slot->octets, 0, memory_order_relaxed);
        atomic_store_explicit(&slot->since, now, memory_order_relaxed);
        atomic_store_explicit(&slot->quiet, 0, memory_order_relaxed);
    }
    names += atomic_fetch_add_explicit(&slot->names, names, memory_order_relaxed);
    octets += atomic_fetch_add_explicit(&slot->octets, octets, memory_order_relaxed);
    if (level < TUNNEL_FULL)
        return false;
    uint32_t quiet = atomic_load_explicit(&slot->quiet, memory_order_relaxed);
    if ((quiet && (int32_t)(now - quiet) < 0) ||
        !atomic_compare_exchange_strong_explicit(&slot->quiet, &quiet,
                                                 (now + TUNNEL_QUIET_S * 1000 / TICK_MS) | 1,
                                                 memory_order_relaxed, memory_order_relaxed))
        return false;
    const uint32_t since = atomic_load_explicit(&slot->since, memory_order_relaxed);
    *sum = (struct tunnel_sum){.names = names,
                               .octets = octets,
                               .seconds =
                                   (uint32_t)((uint64_t)(now - since) * TICK_MS / 1000) + 1};
    return true;
}

bool tunnel_note_query(struct tunnel *t, const struct tunnel_flow *flow, uint64_t now_ms,
                       struct tunnel_sum *sum)
{
    const uint64_t bits = flow->bits;
    return note_weight(t, flow->key, bits * bits >> SQUARE_BITS, 1, flow->bits / 8, now_ms,
                       sum);
}

bool tunnel_is_payload(uint16_t type)
{
    enum { PRIVATE_USE = 65280 }; /* RFC 6895 3.1; iodine uses one */

    switch (type) {
    case RRTYPE_NULL:
    case RRTYPE_TXT:
    case RRTYPE_CNAME:
    case RRTYPE_MX:
    case RRTYPE_SRV: return true;
    default: return type >= PRIVATE_USE;
    }
}

/* The weight is that of query and reply together, without that of the query. */
bool tunnel_note_reply(struct tunnel *t, const struct tunnel_flow *flow, size_t octets,
                       uint64_t now_ms, struct tunnel_sum *sum)
{
    const uint64_t bits = flow->bits, more = util_min(8 * octets, bits);
    return note_weight(t, flow->key, (2 * bits + more) * more >> SQUARE_BITS, 0,
                       (uint32_t)more / 8, now_ms, sum);
}

/* ---- alerts ---- */

void tunnel_keep_alert(struct tunnel *t, const struct tunnel_alert *alert)
{
    pthread_mutex_lock(&t->lock);
    t->alerts[t->alert_cnt++ % TUNNEL_KEPT] = *alert;
    pthread_mutex_unlock(&t->lock);
}

bool tunnel_find_alert(struct tunnel *t, uint64_t back, struct tunnel_alert *out)
{
    pthread_mutex_lock(&t->lock);
    const bool is_kept = back < util_min(t->alert_cnt, TUNNEL_KEPT);
    if (is_kept)
        *out = t->alerts[(t->alert_cnt - 1 - back) % TUNNEL_KEPT];
    pthread_mutex_unlock(&t->lock);
    return is_kept;
}
