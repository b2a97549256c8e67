/* The timestamp of a cookie has 32 bits: ages are computed in serial number arithmetic (RFC
 * 1982). */
#include "dns/cookie.h"

#include <string.h>

#include "base/siphash.h"
#include "base/util.h"

enum {
    VERSION = 1,
    HASH_AT = 8,
    OLD_S = 1800, /* replace the cookie after half an hour (RFC 9018 4.3) */
    DEAD_S = 3600,
    AHEAD_S = 300, /* the clocks of an anycast set differ */
};

void cookie_set(struct cookie_keys *keys, const uint8_t secrets[][COOKIE_SECRET_LEN],
                unsigned cnt)
{
    must(cnt >= 1 && cnt <= COOKIE_SECRETS_MAX);
    for (unsigned i = 0; i < cnt; i++)
        for (unsigned n = 0; n < 2; n++) {
            uint64_t half;
            memcpy(&half, secrets[i] + 8 * n, sizeof(half));
            atomic_store_explicit(&keys->half[i][n], half, memory_order_relaxed);
        }
    atomic_store_explicit(&keys->cnt, cnt, memory_order_relaxed);
}

/* Write the hash into `server`, whose first eight octets have version and timestamp. */
static void write_cookie_hash(const struct cookie_keys *keys, unsigned number,
                              const struct cookie_client *client,
                              uint8_t server[COOKIE_SERVER_LEN])
{
    uint8_t input[COOKIE_CLIENT_LEN + HASH_AT + 16], secret[COOKIE_SECRET_LEN];

    for (unsigned n = 0; n < 2; n++) {
        uint64_t half = atomic_load_explicit(&keys->half[number][n], memory_order_relaxed);
        memcpy(secret + 8 * n, &half, sizeof(half));
    }
    memcpy(input, client->cookie, COOKIE_CLIENT_LEN);
    memcpy(input + COOKIE_CLIENT_LEN, server, HASH_AT);
    memcpy(input + COOKIE_CLIENT_LEN + HASH_AT, client->address, client->address_len);
    uint64_t hash = siphash(secret, input, COOKIE_CLIENT_LEN + HASH_AT + client->address_len);
    for (unsigned i = 0; i < 8; i++)
        server[HASH_AT + i] = (uint8_t)(hash >> (8 * i));
}

void cookie_make(const struct cookie_keys *keys, const struct cookie_client *client,
                 uint32_t now_s, uint8_t out[COOKIE_SERVER_LEN])
{
    memset(out, 0, HASH_AT);
    out[0] = VERSION;
    util_put_u32(out + 4, now_s);
    write_cookie_hash(keys, 0, client, out);
}

bool cookie_check(const struct cookie_keys *keys, const struct cookie_client *client,
                  const uint8_t *server, size_t len, uint32_t now_s, bool *is_old)
{
    uint8_t own[COOKIE_SERVER_LEN];

    if (len != COOKIE_SERVER_LEN || server[0] != VERSION)
        return false;
    int32_t age_s = (int32_t)(now_s - util_get_u32(server + 4));
    if (age_s > DEAD_S || age_s < -AHEAD_S)
        return false;
    memcpy(own, server, HASH_AT);
    unsigned cnt = atomic_load_explicit(&keys->cnt, memory_order_relaxed);
    for (unsigned i = 0; i < cnt; i++) {
        uint8_t diff = 0; /* in constant time, which does not reveal how many octets match */
        write_cookie_hash(keys, i, client, own);
        for (unsigned n = HASH_AT; n < COOKIE_SERVER_LEN; n++)
            diff |= own[n] ^ server[n];
        if (diff == 0) {
            *is_old = i > 0 || age_s > OLD_S;
            return true;
        }
    }
    return false;
}
