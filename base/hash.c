/* SipHash takes 20 ns per name; this takes 3, and a query needs two to ten hashes.  The key
 * makes start value and multiplier secret: a sender cannot overfill a bucket of eight with a
 * bounded probe. */
#include "base/hash.h"

#include <stdbool.h>
#include <sys/random.h>

#include "base/util.h"

static uint64_t secret[2];
static bool is_drawn;

void hash_init(void)
{
    if (is_drawn)
        return;
    ssize_t got = getrandom(secret, sizeof(secret), 0);
    must(got == (ssize_t)sizeof(secret));
    secret[1] |= 1;
    is_drawn = true;
}

static uint64_t fold_product(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t hash_start(void) { return secret[0]; }

static inline uint64_t hash_octets(uint64_t factor, uint64_t hash, const uint8_t *bytes,
                                   size_t len, bool is_lower)
{
    size_t left = len;

    for (; left > 8; left -= 8, bytes += 8) {
        uint64_t word = util_load8(bytes, 8);
        hash = fold_product(hash ^ (is_lower ? util_lower8(word) : word),
                            0x9e3779b97f4a7c15U ^ factor);
    }
    uint64_t word = util_load8(bytes, left);
    hash ^= is_lower ? util_lower8(word) : word;
    /* the length goes into the other factor: the word has no free bits, and inputs of different
     * lengths must not collide whatever the secret is */
    return fold_product(hash, (0xbf58476d1ce4e5b9U ^ factor) + len * 0x94d049bb133111ebU);
}

uint64_t hash_more(uint64_t hash, const uint8_t *bytes, size_t len)
{
    return hash_octets(secret[1], hash, bytes, len, false);
}

uint64_t hash_more_lower(uint64_t hash, const uint8_t *bytes, size_t len)
{
    return hash_octets(secret[1], hash, bytes, len, true);
}

uint64_t hash_more_keyed(const uint64_t key[2], uint64_t hash, const uint8_t *bytes, size_t len)
{
    return hash_octets(key[1], hash, bytes, len, false);
}
