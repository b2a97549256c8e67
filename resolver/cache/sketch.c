/* Conservative update: a use raises only the counters that equal the smallest of the four,
 * which keeps collisions from inflating the estimates. */
#include "resolver/cache/sketch.h"

#include <stdatomic.h>

enum { ROWS = 4, ROW_BITS = 19, ROW_BYTES = 1 << (ROW_BITS - 1) };

struct sketch {
    _Atomic uint8_t rows[ROWS][ROW_BYTES]; /* two counters an octet */
};

enum err sketch_new(struct sketch **out)
{
    struct sketch *s = calloc(1, sizeof(*s));
    if (!s)
        return ERR_NOMEM;
    *out = s;
    return ERR_OK;
}

static unsigned counter_number(uint64_t hash, unsigned row)
{
    static const uint64_t factors[ROWS] = {0x9e3779b97f4a7c15U, 0xbf58476d1ce4e5b9U,
                                           0x94d049bb133111ebU, 0xd6e8feb86659fd93U};
    return (unsigned)(hash * factors[row] >> (64 - ROW_BITS));
}

static unsigned pick_counter(unsigned both, unsigned at)
{
    return both >> 4 * (at & 1) & SKETCH_MOST;
}

static unsigned read_counter(const struct sketch *s, unsigned row, unsigned at)
{
    return pick_counter(atomic_load_explicit(&s->rows[row][at / 2], memory_order_relaxed), at);
}

unsigned sketch_count(const struct sketch *s, uint64_t hash)
{
    unsigned least = SKETCH_MOST;
    for (unsigned row = 0; row < ROWS; row++)
        least = (unsigned)util_min(least, read_counter(s, row, counter_number(hash, row)));
    return least;
}

bool sketch_add(struct sketch *s, uint64_t hash)
{
    unsigned least = sketch_count(s, hash);

    if (least == SKETCH_MOST)
        return false;
    for (unsigned row = 0; row < ROWS; row++) {
        unsigned at = counter_number(hash, row);
        _Atomic uint8_t *octet = &s->rows[row][at / 2];
        unsigned both = atomic_load_explicit(octet, memory_order_relaxed);
        if (pick_counter(both, at) ==
            least) /* below SKETCH_MOST: no carry into the neighbour */
            atomic_store_explicit(octet, (uint8_t)(both + (1U << 4 * (at & 1))),
                                  memory_order_relaxed);
    }
    return true;
}

void sketch_age(struct sketch *s)
{
    for (unsigned row = 0; row < ROWS; row++)
        for (unsigned i = 0; i < ROW_BYTES; i++) {
            unsigned both = atomic_load_explicit(&s->rows[row][i], memory_order_relaxed);
            atomic_store_explicit(&s->rows[row][i], (uint8_t)(both >> 1 & 0x77),
                                  memory_order_relaxed);
        }
}

void sketch_free(struct sketch **sketch)
{
    free(*sketch);
    *sketch = NULL;
}
