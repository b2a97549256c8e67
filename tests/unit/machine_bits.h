/* tests/unit/machine_bits.h | a fixed sequence in place of the system's random generator
 *
 * For programs that are linked with --wrap=getrandom: hash secrets, ports and IDs follow from
 * the seed, so a result does not vary.
 */
#pragma once

#include <sys/types.h>

#include "base/rng.h"

/* The sequence; seed it by rng_init_seeded before the first use. */
static struct rng machine_bits;

ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags);

ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags)
{
    uint8_t *octets = to;

    (void)flags;
    for (size_t i = 0; i < len; i++)
        octets[i] = (uint8_t)rng_u16(&machine_bits);
    return (ssize_t)len;
}
