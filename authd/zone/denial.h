/* authd/zone/denial.h | ordered index of the owners of NSEC or NSEC3
 *
 * The owners of NSEC (RFC 4034 4), or of one NSEC3 chain (RFC 5155), each with the first eight
 * octets of its sort key, so that a search reads a node only to settle a tie.
 *
 * Owner:    the zone version; nodes are borrowed.
 * Thread:   any once filled.
 */
#pragma once

#include "authd/zone/node.h"

enum denial_kind { DENIAL_NONE, DENIAL_NSEC, DENIAL_NSEC3 };

struct denial_entry {
    uint64_t prefix; /* first octets of the sort key, big-endian */
    const struct node *node;
};

/* Lifetime: zone version. */
struct denial {
    enum denial_kind kind;
    struct denial_entry *entries; /* NSEC: in canonical order; NSEC3: in hash order */
    size_t cnt;
    size_t zone_key_len;        /* NSEC: octets of dname_key that all names share */
    struct nsec3_params params; /* NSEC3: points into the RDATA of the apex's NSEC3PARAM */
};

/* Index the owners of NSEC among `nodes`, which must be in canonical order.  ERR_NOMEM. */
MUST_USE enum err denial_add_names(struct denial *denial, const uint8_t *zone_name,
                                   struct node *const *nodes, size_t cnt);

/* Index the owners of the NSEC3 chain of `params` among `nodes`, which must be in canonical
 * order; `params` points into memory that outlives `denial`.  Skip owners that are not directly
 * below the apex, which has `zone_labels` labels.  ERR_NOMEM. */
MUST_USE enum err denial_add_hashes(struct denial *denial, const struct nsec3_params *params,
                                    unsigned zone_labels, struct node *const *nodes,
                                    size_t cnt);

/* Return the NSEC owner that equals or canonically precedes `name`; NULL if there are none. */
const struct node *denial_find_name(const struct denial *denial, const uint8_t *name);

/* Return the NSEC3 owner whose hash equals `hash` (*is_match is true) or precedes it, the last
 * owner preceding the first (*is_match is false).  NULL if there are none. */
const struct node *denial_find_hash(const struct denial *denial,
                                    const uint8_t hash[NSEC3_HASH_LEN], bool *is_match);

/* Free the entries. */
void denial_fini(struct denial *denial);
