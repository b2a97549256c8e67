/* OpenSSL has SipHash too, but allocates twice per call. */
#include "base/siphash.h"

#include <string.h>

static uint64_t load_le64(const uint8_t *p, size_t len)
{
    uint64_t v = 0;
    for (size_t i = 0; i < len; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static uint64_t rotate(uint64_t v, unsigned bits) { return v << bits | v >> (64 - bits); }

static void run_sip_rounds(uint64_t v[4], unsigned rounds)
{
    while (rounds-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

static void absorb_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    run_sip_rounds(v, 2);
    v[0] ^= word;
}

uint64_t siphash(const uint8_t key[16], const uint8_t *bytes, size_t len)
{
    uint64_t k0 = load_le64(key, 8), k1 = load_le64(key + 8, 8);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575U, k1 ^ 0x646f72616e646f6dU,
                     k0 ^ 0x6c7967656e657261U, k1 ^ 0x7465646279746573U};
    size_t at = 0;

    for (; len - at >= 8; at += 8)
        absorb_word(v, load_le64(bytes + at, 8));
    absorb_word(v, load_le64(bytes + at, len - at) | (uint64_t)len << 56);
    v[2] ^= 0xff;
    run_sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
