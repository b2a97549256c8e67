/* dns/rrsig.h | signatures of RRsets (RFC 4034 3)
 *
 * Owner:    RDATA and names are borrowed; rrsig_verify allocates and frees what it needs.
 * Thread:   any.
 */
#pragma once

#include "dns/dnskey.h"

/* The fields of an RRSIG.  Points into the RDATA. */
struct rrsig {
    uint16_t covered;
    uint8_t algorithm;
    uint8_t labels;
    uint32_t original_ttl;
    uint32_t expiration, inception; /* seconds, RFC 1982 numbers */
    uint16_t tag;
    const uint8_t *signer;
    const uint8_t *signature;
    size_t signature_len;
};

/* Take checked RDATA apart. */
struct rrsig rrsig_read(const uint8_t *rdata, size_t len);

enum rrsig_time { RRSIG_IN_TIME, RRSIG_EXPIRED, RRSIG_EARLY };

/* Where `now_s` is, seconds of wall time, seen from the signature. */
enum rrsig_time rrsig_check_time(const struct rrsig *sig, uint32_t now_s);

/* Labels that RFC 4034 3.1.3 counts: without the root and a leading "*". */
unsigned rrsig_count_labels(const uint8_t *owner);

/* One record of the RRset that is signed. */
struct rrsig_rdata {
    const uint8_t *rdata;
    uint16_t len;
};

/* Whether `sig` is what `key` signs the RRset of `owner` with: `cnt` records in canonical order
 * without duplicates.  ERR_FORMAT: it is not; ERR_NOMEM. */
MUST_USE enum err rrsig_verify(const struct rrsig *sig, struct evp_pkey_st *key,
                               const uint8_t *owner, const struct rrsig_rdata *set, size_t cnt);
