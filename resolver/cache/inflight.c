/* A slot is one word: 31 bits of the hash, one bit that says it is taken, and one bit for each
 * worker that waits.  With more than 32 workers some share a bit, and are woken for nothing at
 * times. */
#include "resolver/cache/inflight.h"

#include <stdatomic.h>

enum { SLOTS = 1 << 16 };

/* Lifetime: process. */
struct inflight {
    void (*wake)(void *data, size_t worker);
    void *data;
    _Atomic uint64_t slots[SLOTS];
    /* Releases of each slot: an entry that is taken again at once counts as another one. */
    _Atomic uint32_t turns[SLOTS];
};

enum err inflight_new(void (*wake)(void *data, size_t worker), void *data,
                      struct inflight **out)
{
    struct inflight *c = calloc(1, sizeof(*c));
    if (!c)
        return ERR_NOMEM;
    c->wake = wake;
    c->data = data;
    *out = c;
    return ERR_OK;
}

void inflight_free(struct inflight **inflight)
{
    free(*inflight);
    *inflight = NULL;
}

static uint64_t taken_word(uint64_t hash) { return (hash | 0x80000000U) << INFLIGHT_WAITERS; }

static bool is_taken_by(uint64_t slot, uint64_t hash)
{
    return slot >> INFLIGHT_WAITERS == taken_word(hash) >> INFLIGHT_WAITERS;
}

static size_t slot_number(uint64_t hash) { return hash >> 48 & (SLOTS - 1); }

enum inflight_verdict inflight_take(struct inflight *c, uint64_t hash, size_t worker,
                                    uint32_t *turn)
{
    _Atomic uint64_t *slot = &c->slots[slot_number(hash)];
    uint64_t seen = 0;

    *turn = atomic_load(&c->turns[slot_number(hash)]);
    if (atomic_compare_exchange_strong(slot, &seen, taken_word(hash)))
        return INFLIGHT_OURS;
    while (is_taken_by(seen, hash))
        if (atomic_compare_exchange_weak(slot, &seen,
                                         seen | (uint64_t)1 << worker % INFLIGHT_WAITERS))
            return INFLIGHT_THEIRS;
    return INFLIGHT_NONE; /* another name's, or just released: no worker would wake this one */
}

bool inflight_is_held(const struct inflight *c, uint64_t hash, uint32_t turn)
{
    return atomic_load(&c->turns[slot_number(hash)]) == turn &&
           is_taken_by(atomic_load(&c->slots[slot_number(hash)]), hash);
}

bool inflight_has_waiters(const struct inflight *c, uint64_t hash)
{
    return atomic_load(&c->slots[slot_number(hash)]) & UINT32_MAX;
}

void inflight_release(struct inflight *c, uint64_t hash)
{
    atomic_fetch_add(&c->turns[slot_number(hash)], 1);
    uint64_t waiters = atomic_exchange(&c->slots[slot_number(hash)], 0) & UINT32_MAX;

    for (size_t bit = 0; waiters >> bit; bit++)
        if (waiters >> bit & 1)
            c->wake(c->data, bit);
}
