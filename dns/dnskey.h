/* dns/dnskey.h | public keys of zones (RFC 4034 2)
 *
 * Owner:    a loaded key is the caller's until dnskey_unload; RDATA is borrowed.
 * Thread:   any; a loaded key may be used by several.
 */
#pragma once

#include "dns/rdata.h"

struct evp_pkey_st;

enum {
    DNSKEY_ZONE = 0x0100,   /* flag: it signs zone data */
    DNSKEY_REVOKE = 0x0080, /* flag (RFC 5011 7) */
    DNSKEY_PROTOCOL = 3,    /* the only one (RFC 4034 2.1.2) */
    DNSKEY_RSA_BITS_MAX = 4096,
};

/* Algorithms that can be verified. */
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

/* The fields of a DNSKEY.  Points into the RDATA. */
struct dnskey {
    uint16_t flags;
    uint8_t protocol;
    uint8_t algorithm;
    uint16_t tag; /* RFC 4034 appendix B */
    const uint8_t *key;
    size_t key_len;
};

/* Take checked RDATA apart. */
struct dnskey dnskey_read(const uint8_t *rdata, size_t len);

/* Make the key ready for use.  ERR_FORMAT: these octets are no key of the algorithm, or one
 * larger than DNSKEY_RSA_BITS_MAX; ERR_DENIED: an algorithm that cannot be verified. */
MUST_USE enum err dnskey_load(const struct dnskey *key, struct evp_pkey_st **out);

/* Let it go.  Clears the pointer; NULL inside is fine. */
void dnskey_unload(struct evp_pkey_st **key);
