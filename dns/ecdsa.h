/* dns/ecdsa.h | ECDSA signatures on curve P-256 with a deterministic nonce (RFC 6979)
 *
 * The nonce follows from the key and the hash, so that the same data has the same signature.
 * OpenSSL has this since 3.2 only.
 *
 * Owner:    the caller owns a key until ecdsa_free.
 * Thread:   one at a time per key.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

enum {
    ECDSA_PRIVATE_LEN = 32,
    ECDSA_PUBLIC_LEN = 64,    /* both coordinates, as in a DNSKEY (RFC 6605 4) */
    ECDSA_HASH_LEN = 32,      /* SHA-256 */
    ECDSA_SIGNATURE_LEN = 64, /* both numbers, as in an RRSIG (RFC 6605 4) */
};

struct ecdsa; /* a private key with the working memory of its signatures */

/* Make a random private key.  ERR_NOMEM: out of memory, or without random numbers. */
MUST_USE enum err ecdsa_generate(uint8_t out[ECDSA_PRIVATE_LEN]);

/* Make the key of a private number.  ERR_FORMAT: it is 0, or not below the curve's order.
 * ERR_NOMEM. */
MUST_USE enum err ecdsa_new(const uint8_t private_key[ECDSA_PRIVATE_LEN], struct ecdsa **out);

/* Get the public key.  ERR_NOMEM. */
MUST_USE enum err ecdsa_public(struct ecdsa *key, uint8_t out[ECDSA_PUBLIC_LEN]);

/* Sign a SHA-256 hash.  ERR_NOMEM. */
MUST_USE enum err ecdsa_sign(struct ecdsa *key, const uint8_t hash[ECDSA_HASH_LEN],
                             uint8_t out[ECDSA_SIGNATURE_LEN]);

/* Erase and free the key and set the pointer to NULL.  A NULL key is allowed. */
void ecdsa_free(struct ecdsa **key);
