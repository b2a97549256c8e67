/* The state of a non-cryptographic generator can be derived from its output (CVE-2025-40780).
 * The system's generator is safe, at the cost of one call per 64 numbers. */
#include "base/rng.h"

#include <sys/random.h>

#include "base/util.h"

void rng_init(struct rng *rng) { *rng = (struct rng){.left = 0}; }

void rng_init_seeded(struct rng *rng, uint64_t seed)
{
    *rng = (struct rng){.state = seed, .is_seeded = true};
}

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static void fill_rng_buffer(struct rng *rng)
{
    if (rng->is_seeded) {
        for (size_t i = 0; i < RNG_BUFFER; i += 8) {
            uint64_t word = splitmix64(&rng->state);
            memcpy(rng->buffer + i, &word, 8);
        }
    } else {
        must(getrandom(rng->buffer, RNG_BUFFER, 0) == RNG_BUFFER);
    }
    rng->left = RNG_BUFFER;
}

/* Used octets are wiped, so that a later memory disclosure does not reveal past numbers. */
static void draw_octets(struct rng *rng, void *out, size_t len)
{
    if (rng->left < len)
        fill_rng_buffer(rng);
    uint8_t *from = rng->buffer + RNG_BUFFER - rng->left;
    memcpy(out, from, len);
    memset(from, 0, len);
    rng->left -= len;
}

uint16_t rng_u16(struct rng *rng)
{
    uint16_t value;
    draw_octets(rng, &value, sizeof(value));
    return value;
}

uint32_t rng_u32(struct rng *rng)
{
    uint32_t value;
    draw_octets(rng, &value, sizeof(value));
    return value;
}

/* The upper half of the product: its bias is below limit / 2^32. */
uint32_t rng_below(struct rng *rng, uint32_t limit)
{
    return (uint32_t)(((uint64_t)rng_u32(rng) * limit) >> 32);
}
