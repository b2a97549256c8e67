/* dns/cookie.h | DNS server cookies that all servers of an anycast set understand
 *
 * RFC 7873 with the server cookie of RFC 9018 4: version 1, a timestamp, and SipHash-2-4 over
 * the client cookie, these fields and the client's address.
 *
 * A check that runs while the secrets change may reject one valid cookie; its client gets a new
 * one.
 *
 * Owner:    the process owns the keys.
 * Thread:   cookie_set from the main thread, the others from any.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COOKIE_CLIENT_LEN = 8,
    COOKIE_SERVER_LEN = 16,
    COOKIE_SERVER_MIN = 8, /* RFC 7873 4: cookies of other servers have 8 to 32 octets */
    COOKIE_SERVER_MAX = 32,
    COOKIE_SECRET_LEN = 16,
    COOKIE_SECRETS_MAX = 3,
};

/* The first secret makes cookies, and all secrets verify them, so that a secret can be rolled
 * over without rejecting a cookie (RFC 9018 5).
 * Lifetime: process. */
struct cookie_keys {
    _Atomic uint64_t half[COOKIE_SECRETS_MAX][2]; /* relaxed: see above */
    _Atomic unsigned cnt;
};

/* Replace the secrets; `cnt` is 1 to COOKIE_SECRETS_MAX. */
void cookie_set(struct cookie_keys *keys, const uint8_t secrets[][COOKIE_SECRET_LEN],
                unsigned cnt);

/* The client that a cookie is bound to.  Borrowed. */
struct cookie_client {
    const uint8_t *cookie;  /* COOKIE_CLIENT_LEN octets */
    const uint8_t *address; /* 4 or 16 octets */
    size_t address_len;
};

/* Make the server cookie for `client`.  `now_s` is the wall time in seconds. */
void cookie_make(const struct cookie_keys *keys, const struct cookie_client *client,
                 uint32_t now_s, uint8_t out[COOKIE_SERVER_LEN]);

/* Return true if `server`, of `len` octets, is a cookie that a holder of one of the secrets
 * gave to this client within the last hour.  *is_old: the client should get a new one. */
bool cookie_check(const struct cookie_keys *keys, const struct cookie_client *client,
                  const uint8_t *server, size_t len, uint32_t now_s, bool *is_old);
