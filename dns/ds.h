/* dns/ds.h | digests of a child zone's keys (RFC 4034 5)
 *
 * Owner:    RDATA and names are borrowed.
 * Thread:   any.
 */
#pragma once

#include "dns/dnskey.h"

/* Digest types that can be computed (RFC 4034, RFC 4509, RFC 6605). */
enum ds_digest { DS_SHA1 = 1, DS_SHA256 = 2, DS_SHA384 = 4 };

enum { DS_DIGEST_NAME_MAX = 20 }; /* octets of a printed digest type, with the NUL */

/* The fields of a DS.  Points into the RDATA. */
struct ds {
    uint16_t tag; /* of the DNSKEY */
    uint8_t algorithm;
    uint8_t digest_type;
    const uint8_t *digest;
    size_t digest_len; /* octets */
};

/* Split checked RDATA into its fields. */
struct ds ds_read(const uint8_t *rdata, size_t len);

/* Return the octets of a digest of this type; 0 for a type that cannot be computed. */
size_t ds_digest_len(uint8_t digest_type);

enum { DS_LEN_MAX = 4 + 48 };

/* Write the RDATA of the DS for the DNSKEY `rdata` of `owner`, and set *out_len.  ERR_DENIED:
 * the digest type cannot be computed; ERR_NOMEM. */
MUST_USE enum err ds_make(uint8_t digest_type, const uint8_t *owner, const uint8_t *rdata,
                          size_t len, uint8_t out[DS_LEN_MAX], size_t *out_len);

/* Print the name of a digest type, "SHA-256" (RFC 8624 3.3); the number if it has none. */
void ds_print_digest(uint8_t digest_type, char out[DS_DIGEST_NAME_MAX]);

/* Compare the digest of a DS with that of the DNSKEY `rdata` of `owner` (RFC 4034 5.1.4).  Key
 * tag and algorithm are not compared.  ERR_FORMAT: they differ, or the digest has a wrong
 * length; ERR_DENIED: the digest type cannot be computed; ERR_NOMEM. */
MUST_USE enum err ds_match(const struct ds *ds, const uint8_t *owner, const uint8_t *rdata,
                           size_t len);
