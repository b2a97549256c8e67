/* base/rng.h | unpredictable random numbers
 *
 * For query IDs, mixed case (0x20) and the choice of servers.  Reads the system's generator 256
 * octets at a time.  Tests use a seed for a reproducible sequence.
 *
 * Owner:    each worker has one.
 * Thread:   one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RNG_BUFFER = 256 };

/* Lifetime: worker.  All zeros is a valid unseeded generator. */
struct rng {
    uint8_t buffer[RNG_BUFFER];
    size_t left;    /* unused octets at the end of the buffer */
    uint64_t state; /* of the seeded sequence */
    bool is_seeded;
};

/* Make a generator that uses the system's random numbers. */
void rng_init(struct rng *rng);

/* For tests: make a generator whose sequence the seed determines, and which is predictable. */
void rng_init_seeded(struct rng *rng, uint64_t seed);

/* Return 16 or 32 random bits. */
uint16_t rng_u16(struct rng *rng);
uint32_t rng_u32(struct rng *rng);

/* Return a random number below `limit`, which must be at least 1. */
uint32_t rng_below(struct rng *rng, uint32_t limit);
