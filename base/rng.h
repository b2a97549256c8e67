/* base/rng.h | bits that nobody can guess
 *
 * IDs, 0x20 and the choice of servers come from here.  The system's generator is read a few
 * hundred octets at a time; under test a seed makes the same numbers each time.
 *
 * Owner:    each worker has one.
 * Thread:   one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RNG_BUFFER = 256 };

/* Lifetime: worker.  All zeros is a valid generator of the system's bits. */
struct rng {
    uint8_t buffer[RNG_BUFFER];
    size_t left;    /* octets of the buffer not yet given out */
    uint64_t state; /* of a seeded one */
    bool is_seeded;
};

/* Bits of the system. */
void rng_init(struct rng *rng);

/* The same numbers each time, for tests: whoever knows the seed knows them all. */
void rng_init_seeded(struct rng *rng, uint64_t seed);

/* Sixteen and 32 random bits, and a number below `limit`, which is at least 1. */
uint16_t rng_u16(struct rng *rng);
uint32_t rng_u32(struct rng *rng);
uint32_t rng_below(struct rng *rng, uint32_t limit);
