/* dns/nsec3.h | hashed owner names (RFC 5155)
 *
 * Owner:    values; RDATA is borrowed.
 * Thread:   any.
 */
#pragma once

#include "dns/dname.h"

enum {
    NSEC3_HASH_LEN = 20,        /* SHA-1, the only algorithm (RFC 5155 11) */
    NSEC3_LABEL_LEN = 32,       /* the hash in base32hex without padding */
    NSEC3_ITERATIONS_MAX = 150, /* validators accept no more; RFC 9276 3.1 recommends 0 */
    NSEC3_OPT_OUT = 1,          /* opt-out flag of an NSEC3 record */
};

/* The fields that NSEC3 and NSEC3PARAM have in common.  Points into the RDATA. */
struct nsec3_params {
    uint8_t algorithm;
    uint8_t flags;
    uint16_t iterations;
    uint8_t salt_len;
    const uint8_t *salt;
};

/* Return the parameters in checked RDATA of an NSEC3 or NSEC3PARAM record. */
struct nsec3_params nsec3_read_params(const uint8_t *rdata);

/* Return true if both give the same hashes.  Flags are ignored. */
bool nsec3_is_same(const struct nsec3_params *a, const struct nsec3_params *b);

/* Return true for SHA-1 with at most NSEC3_ITERATIONS_MAX iterations. */
bool nsec3_is_supported(const struct nsec3_params *params);

/* Return the next hashed owner name in checked RDATA of an NSEC3 record, of *len octets.  The
 * type bitmap follows it. */
const uint8_t *nsec3_next_hash(const uint8_t *rdata, size_t *len);

/* Hash a checked name, ignoring case (RFC 5155 5). */
void nsec3_hash(const struct nsec3_params *params, const uint8_t *name,
                uint8_t out[NSEC3_HASH_LEN]);

/* Read the hash in the first label of `owner`.  False: the label is no hash. */
bool nsec3_read_label(const uint8_t *owner, uint8_t out[NSEC3_HASH_LEN]);

/* Print the hash in base32hex, as it is in an owner name. */
void nsec3_print_label(const uint8_t hash[NSEC3_HASH_LEN], char out[NSEC3_LABEL_LEN + 1]);
