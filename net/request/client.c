#include "net/request/client.h"

#include "base/hash.h"

enum { V6_CLIENT_LEN = 8 };

/* The octets of the address that identify the client. */
static const uint8_t *client_octets(const struct addr *addr, size_t *len)
{
    const uint8_t *octets = addr_bytes(addr, len);

    *len = util_min(*len, V6_CLIENT_LEN);
    return octets;
}

uint64_t client_hash(const struct addr *addr)
{
    size_t len;
    const uint8_t *octets = client_octets(addr, &len);
    uint64_t hash = hash_more(hash_start(), octets, len);

    return hash_more(hash, NULL, 0); /* after one round neighbours might share table slots */
}

bool client_is_same(const struct addr *a, const struct addr *b)
{
    size_t a_len, b_len;
    const uint8_t *a_octets = client_octets(a, &a_len), *b_octets = client_octets(b, &b_len);

    return a_len == b_len && memcmp(a_octets, b_octets, a_len) == 0;
}
