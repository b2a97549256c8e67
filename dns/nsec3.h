/* dns/nsec3.h | hashed owner names (RFC 5155)
 *
 * Owner:    values; RDATA is borrowed.
 * Thread:   any.
 */
#pragma once

#include "dns/dname.h"

enum {
    NSEC3_HASH_LEN = 20,        /* SHA-1, the only algorithm there is */
    NSEC3_LABEL_LEN = 32,       /* the hash in base32hex without padding */
    NSEC3_ITERATIONS_MAX = 150, /* no validator hashes more often; RFC 9276 3.1 wants 0 */
    NSEC3_OPT_OUT = 1,          /* flag of an NSEC3 record */
};

/* What NSEC3 and NSEC3PARAM have in common.  Points into the RDATA. */
struct nsec3_params {
    uint8_t algorithm;
    uint8_t flags;
    uint16_t iterations;
    uint8_t salt_len;
    const uint8_t *salt;
};

/* The parameters of checked RDATA of NSEC3 or NSEC3PARAM. */
struct nsec3_params nsec3_read_params(const uint8_t *rdata);

/* Whether both make the same hashes (flags do not count). */
bool nsec3_is_same(const struct nsec3_params *a, const struct nsec3_params *b);

/* Whether they can be worked with: SHA-1, at most NSEC3_ITERATIONS_MAX. */
bool nsec3_is_supported(const struct nsec3_params *params);

/* The next hashed owner in checked RDATA of NSEC3, *len octets of it, and the type bitmap
 * behind it. */
const uint8_t *nsec3_next_hash(const uint8_t *rdata, size_t *len);

/* The hash of a checked name, whose case does not count (RFC 5155 5). */
void nsec3_hash(const struct nsec3_params *params, const uint8_t *name,
                uint8_t out[NSEC3_HASH_LEN]);

/* Read the hash in the first label of `owner`; false when it is none. */
bool nsec3_read_label(const uint8_t *owner, uint8_t out[NSEC3_HASH_LEN]);

/* Write the hash as text, for messages to people. */
void nsec3_print_label(const uint8_t hash[NSEC3_HASH_LEN], char out[NSEC3_LABEL_LEN + 1]);
