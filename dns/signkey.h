/* dns/signkey.h | private keys that sign zones, and their text in BIND's format
 *
 * Algorithms 8, 13 and 15 (RFC 8624 3.1 recommends them).  All three sign deterministically:
 * the same key and data have the same signature.
 *
 * Owner:    the caller owns a key until signkey_free; text is borrowed.
 * Thread:   one at a time per key; each thread makes a copy.
 */
#pragma once

#include "base/fault.h"
#include "dns/dnskey.h"

enum {
    SIGNKEY_PUBLIC_MAX = 3 + 8 + DNSKEY_RSA_BITS_MAX / 8, /* octets (RFC 3110 2) */
    SIGNKEY_SIGNATURE_MAX = DNSKEY_RSA_BITS_MAX / 8,      /* octets */
    SIGNKEY_RSA_BITS = 2048,                              /* of generated RSA keys */
    SIGNKEY_TEXT_MAX = 8192,                              /* octets of signkey_print */
};

struct signkey;

/* Return the mnemonic of an algorithm that signs, such as "ECDSAP256SHA256".  NULL: signing
 * with it is not supported. */
const char *signkey_algorithm_name(uint8_t algorithm);

/* Return the algorithm with this mnemonic or number; 0 if it does not sign. */
uint8_t signkey_find_algorithm(const char *text);

/* Make a random key.  ERR_DENIED: the algorithm does not sign.  ERR_NOMEM: OpenSSL failed. */
MUST_USE enum err signkey_generate(uint8_t algorithm, struct signkey **out);

/* Read the text of a BIND ".private" file.  ERR_FORMAT: `fault` has the reason, a clause.
 * ERR_DENIED: the algorithm does not sign; `fault` names it.  ERR_NOMEM. */
MUST_USE enum err signkey_read(const char *text, size_t len, struct signkey **out,
                               struct fault *fault);

/* Print the key as a ".private" file without times.  ERR_NOMEM. */
MUST_USE enum err signkey_print(const struct signkey *key, char out[SIGNKEY_TEXT_MAX]);

/* Find the field `name` of the text of a ".private" file and return its value, *len bytes.
 * NULL: the text does not have it. */
const char *signkey_field(const char *text, const char *name, size_t *len);

/* Write the public key as in a DNSKEY, and return its octets. */
size_t signkey_public(const struct signkey *key, uint8_t out[SIGNKEY_PUBLIC_MAX]);

uint8_t signkey_algorithm(const struct signkey *key);

/* Return the octets of each signature of the key. */
size_t signkey_signature_len(const struct signkey *key);

/* Make a copy for another thread.  ERR_NOMEM. */
MUST_USE enum err signkey_copy(const struct signkey *key, struct signkey **out);

/* Sign `len` octets, as in an RRSIG.  ERR_NOMEM: OpenSSL failed. */
MUST_USE enum err signkey_sign(struct signkey *key, const uint8_t *data, size_t len,
                               uint8_t *out);

/* Erase and free the key and set the pointer to NULL.  A NULL key is allowed. */
void signkey_free(struct signkey **key);
