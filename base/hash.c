/* SipHash costs 20 ns a name; this costs 3 and is read two to ten times a question.  The key
 * keeps the multiplier and the start secret, which is what a bucket of eight with a bounded
 * probe needs. */
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

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t hash_start(void) { return secret[0]; }

static inline uint64_t add(uint64_t factor, uint64_t hash, const uint8_t *bytes, size_t len,
                           bool is_lower)
{
    size_t left = len;

    for (; left > 8; left -= 8, bytes += 8) {
        uint64_t word = util_load8(bytes, 8);
        hash = fold(hash ^ (is_lower ? util_lower8(word) : word), 0x9e3779b97f4a7c15U ^ factor);
    }
    uint64_t word = util_load8(bytes, left);
    hash ^= is_lower ? util_lower8(word) : word;
    /* the length goes into the other factor: all bits of the word are taken, and inputs of two
     * lengths must not meet whatever the secret is */
    return fold(hash, (0xbf58476d1ce4e5b9U ^ factor) + len * 0x94d049bb133111ebU);
}

uint64_t hash_more(uint64_t hash, const uint8_t *bytes, size_t len)
{
    return add(secret[1], hash, bytes, len, false);
}

uint64_t hash_more_lower(uint64_t hash, const uint8_t *bytes, size_t len)
{
    return add(secret[1], hash, bytes, len, true);
}

uint64_t hash_more_keyed(const uint64_t key[2], uint64_t hash, const uint8_t *bytes, size_t len)
{
    return add(key[1], hash, bytes, len, false);
}
