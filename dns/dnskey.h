/* dns/dnskey.h | public keys of signed zones (RFC 4034 2)
 *
 * Owner:    the caller owns a loaded key until dnskey_unload; RDATA is borrowed.
 * Thread:   any; threads may share a loaded key.
 */
#pragma once

#include "dns/rdata.h"

struct evp_pkey_st;

enum {
    DNSKEY_ZONE = 0x0100,       /* flag: a zone key */
    DNSKEY_REVOKE = 0x0080,     /* flag: revoked (RFC 5011 7) */
    DNSKEY_ENTRY = 0x0001,      /* flag: secure entry point (RFC 4034 2.1.1) */
    DNSKEY_PROTOCOL = 3,        /* the only valid value (RFC 4034 2.1.2) */
    DNSKEY_RSA_BITS_MAX = 4096, /* of the modulus */
    DNSKEY_EXPONENT_MAX = 8,    /* octets of the exponent of RSA */
};

/* The supported algorithms. */
enum dnskey_algorithm {
    DNSKEY_RSASHA1 = 5,
    DNSKEY_RSASHA1_NSEC3 = 7,
    DNSKEY_RSASHA256 = 8,
    DNSKEY_RSASHA512 = 10,
    DNSKEY_ECDSAP256 = 13,
    DNSKEY_ECDSAP384 = 14,
    DNSKEY_ED25519 = 15,
    DNSKEY_ED448 = 16,
};

enum { DNSKEY_ALGORITHM_MAX = 20 }; /* octets of a printed algorithm, with the NUL */

/* The fields of a DNSKEY record.  Points into the RDATA. */
struct dnskey {
    uint16_t flags;
    uint8_t protocol;
    uint8_t algorithm;
    uint16_t tag; /* key tag (RFC 4034 appendix B) */
    const uint8_t *key;
    size_t key_len;
};

/* Return the fields of checked RDATA. */
struct dnskey dnskey_read(const uint8_t *rdata, size_t len);

/* Return true for a key that signs a zone: others validate nothing (RFC 4034 2.1.1, 2.1.2). */
bool dnskey_is_zone_key(const struct dnskey *key);

/* What to say of a key that is none. */
#define DNSKEY_NO_ZONE_KEY \
    "this DNSKEY is no zone key: its flags need bit 256, and its protocol is 3"

/* Return the mnemonic of an algorithm, "ECDSAP256SHA256" (RFC 8624 3.1); NULL if it has none.
 */
const char *dnskey_algorithm_name(uint8_t algorithm);

/* Print the mnemonic of an algorithm (RFC 8624 3.1, RFC 4034 appendix A.1), "ECDSAP256SHA256";
 * the number if it has none. */
void dnskey_print_algorithm(uint8_t algorithm, char out[DNSKEY_ALGORITHM_MAX]);

/* Load the key for verification.  ERR_FORMAT: the octets are no key of the algorithm, or an RSA
 * key larger than DNSKEY_RSA_BITS_MAX.  ERR_DENIED: the algorithm is not supported.
 *  ERR_NOMEM. */
MUST_USE enum err dnskey_load(const struct dnskey *key, struct evp_pkey_st **out);

/* Free the key and set the pointer to NULL.  A NULL key is allowed. */
void dnskey_unload(struct evp_pkey_st **key);
