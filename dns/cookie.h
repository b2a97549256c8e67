/* dns/cookie.h | DNS cookies as all servers of an anycast address make them
 *
 * RFC 7873 with the server cookie of RFC 9018 4: version 1, the time, and SipHash-2-4 over
 * client cookie, both and the client's address.
 *
 * Owner:    the process holds the keys.
 * Thread:   cookie_set from the main thread, the others from any: a check that meets a change
 * of keys halfway refuses one good cookie, and its client gets a new one.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    COOKIE_CLIENT_LEN = 8,
    COOKIE_SERVER_LEN = 16,
    COOKIE_SERVER_MIN = 8, /* RFC 7873 4: other servers' cookies have 8 to 32 octets */
    COOKIE_SERVER_MAX = 32,
    COOKIE_SECRET_LEN = 16,
    COOKIE_SECRETS_MAX = 3,
};

/* The first secret makes cookies, all are believed: that is how a secret is exchanged for
 * another without refusing anyone (RFC 9018 5).  Lifetime: process. */
struct cookie_keys {
    _Atomic uint64_t half[COOKIE_SECRETS_MAX][2]; /* relaxed, see above */
    _Atomic unsigned cnt;
};

/* Use these secrets from now on, 1 to COOKIE_SECRETS_MAX of them. */
void cookie_set(struct cookie_keys *keys, const uint8_t secrets[][COOKIE_SECRET_LEN],
                unsigned cnt);

/* The client's address as it counts for a cookie. */
struct cookie_client {
    const uint8_t *cookie;  /* COOKIE_CLIENT_LEN octets */
    const uint8_t *address; /* 4 or 16 octets */
    size_t address_len;
};

/* Make the server cookie for `client` at `now_s`, seconds of wall time. */
void cookie_make(const struct cookie_keys *keys, const struct cookie_client *client,
                 uint32_t now_s, uint8_t out[COOKIE_SERVER_LEN]);

/* Whether `server`, `len` octets, is a cookie that we or ours gave to this client within the
 * last hour; *is_old: time for a new one. */
bool cookie_check(const struct cookie_keys *keys, const struct cookie_client *client,
                  const uint8_t *server, size_t len, uint32_t now_s, bool *is_old);
