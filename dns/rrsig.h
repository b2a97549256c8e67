/* dns/rrsig.h | signatures of RRsets: making and verifying them (RFC 4034 3)
 *
 * Owner:    RDATA and names are borrowed.
 * Thread:   any.
 */
#pragma once

#include "dns/signkey.h"

/* The fields of an RRSIG record.  Points into the RDATA. */
struct rrsig {
    uint16_t covered;
    uint8_t algorithm;
    uint8_t labels;
    uint32_t original_ttl;
    uint32_t expiration, inception; /* seconds, in serial number arithmetic (RFC 1982) */
    uint16_t tag;
    const uint8_t *signer;
    const uint8_t *signature;
    size_t signature_len;
};

/* Return the fields of checked RDATA. */
struct rrsig rrsig_read(const uint8_t *rdata, size_t len);

enum rrsig_time { RRSIG_IN_TIME, RRSIG_EXPIRED, RRSIG_EARLY };

/* Return whether `now_s`, wall time in seconds, is in the validity period of the signature. */
enum rrsig_time rrsig_check_time(const struct rrsig *sig, uint32_t now_s);

/* Return the number of labels of `owner` as RFC 4034 3.1.3 counts them: without the root and a
 * leading
 * "*". */
unsigned rrsig_count_labels(const uint8_t *owner);

/* A record of the signed RRset. */
struct rrsig_rdata {
    const uint8_t *rdata;
    uint16_t len;
};

/* Verify the signature of an RRset with `key`.  `set` has `cnt` records in canonical order
 * without duplicates.  The validity period is not checked.  ERR_FORMAT: the signature is wrong.
 * ERR_NOMEM. */
MUST_USE enum err rrsig_verify(const struct rrsig *sig, struct evp_pkey_st *key,
                               const uint8_t *owner, const struct rrsig_rdata *set, size_t cnt);

/* Return the octets of the RRSIG RDATA that `key` makes for the zone `signer`. */
size_t rrsig_len(const struct signkey *key, const uint8_t *signer);

/* Sign an RRset and write the RDATA of the RRSIG to `out`, rrsig_len octets.  `fields` has all
 * but algorithm, labels and signature; `owner`, which may be a wildcard, and `set` are as for
 * rrsig_verify.  ERR_NOMEM. */
MUST_USE enum err rrsig_sign(const struct rrsig *fields, struct signkey *key,
                             const uint8_t *owner, const struct rrsig_rdata *set, size_t cnt,
                             uint8_t *out);
