/* Uses OpenSSL's low-level SHA-1 functions: EVP takes 150 ns per hash instead of 65, and needs
 * a context per thread. */
#define OPENSSL_API_COMPAT 0x10100000L
#include "dns/nsec3.h"

#include <openssl/sha.h>

enum { ALGORITHM_SHA1 = 1, FIXED_LEN = 5 };

struct nsec3_params nsec3_read_params(const uint8_t *rdata)
{
    return (struct nsec3_params){.algorithm = rdata[0],
                                 .flags = rdata[1],
                                 .iterations = util_get_u16(rdata + 2),
                                 .salt_len = rdata[4],
                                 .salt = rdata + FIXED_LEN};
}

bool nsec3_is_same(const struct nsec3_params *a, const struct nsec3_params *b)
{
    return a->algorithm == b->algorithm && a->iterations == b->iterations &&
           a->salt_len == b->salt_len && memcmp(a->salt, b->salt, a->salt_len) == 0;
}

bool nsec3_is_supported(const struct nsec3_params *params)
{
    return params->algorithm == ALGORITHM_SHA1 && params->iterations <= NSEC3_ITERATIONS_MAX;
}

const uint8_t *nsec3_next_hash(const uint8_t *rdata, size_t *len)
{
    const uint8_t *next = rdata + FIXED_LEN + rdata[4];
    *len = *next;
    return next + 1;
}

void nsec3_hash(const struct nsec3_params *params, const uint8_t *name,
                uint8_t out[NSEC3_HASH_LEN])
{
    uint8_t lower[DNAME_MAX];
    SHA_CTX sha;
    size_t len = dname_lower(name, lower);

    SHA1_Init(&sha);
    SHA1_Update(&sha, lower, len);
    SHA1_Update(&sha, params->salt, params->salt_len);
    SHA1_Final(out, &sha);
    for (unsigned i = 0; i < params->iterations; i++) {
        SHA1_Init(&sha);
        SHA1_Update(&sha, out, NSEC3_HASH_LEN);
        SHA1_Update(&sha, params->salt, params->salt_len);
        SHA1_Final(out, &sha);
    }
}

static int base32hex_value(uint8_t c)
{
    c = util_lower(c);
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'v' ? c - 'a' + 10 : -1;
}

bool nsec3_read_label(const uint8_t *owner, uint8_t out[NSEC3_HASH_LEN])
{
    uint32_t bits = 0;
    unsigned have = 0, at = 0;

    if (*owner != NSEC3_LABEL_LEN)
        return false;
    for (unsigned i = 1; i <= NSEC3_LABEL_LEN; i++) {
        int value = base32hex_value(owner[i]);
        if (value < 0)
            return false;
        bits = (bits << 5) | (uint32_t)value;
        have += 5;
        if (have >= 8) {
            have -= 8;
            out[at++] = (uint8_t)(bits >> have);
        }
    }
    return true;
}

void nsec3_print_label(const uint8_t hash[NSEC3_HASH_LEN], char out[NSEC3_LABEL_LEN + 1])
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    for (unsigned i = 0; i < NSEC3_LABEL_LEN; i++) {
        unsigned bit = i * 5;
        unsigned pair = (unsigned)hash[bit / 8] << 8;
        if (bit / 8 + 1 < NSEC3_HASH_LEN)
            pair |= hash[bit / 8 + 1];
        out[i] = digits[(pair >> (11 - bit % 8)) & 31];
    }
    out[NSEC3_LABEL_LEN] = '\0';
}
