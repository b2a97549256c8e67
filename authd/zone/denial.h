/* authd/zone/denial.h | the names that prove absence, in order
 *
 * The owners of NSEC (RFC 4034 4), or of one chain of NSEC3 (RFC 5155), each with the first
 * eight bytes of its place in the order: a search looks at the node only to settle a tie.
 *
 * Owner:    the zone version; nodes are borrowed.
 * Thread:   any once filled.
 */
#pragma once

#include "authd/zone/node.h"

enum denial_kind { DENIAL_NONE, DENIAL_NSEC, DENIAL_NSEC3 };

struct denial_entry {
    uint64_t prefix;
    const struct node *node;
};

/* Lifetime: zone version. */
struct denial {
    enum denial_kind kind;
    struct denial_entry *entries; /* in canonical or hash order */
    size_t cnt;
    size_t zone_key_len;        /* NSEC: octets of dname_key that all names share */
    struct nsec3_params params; /* NSEC3: in the RDATA of the apex's NSEC3PARAM */
};

/* Take the owners of NSEC among `nodes`, which are in canonical order. */
MUST_USE enum err denial_add_names(struct denial *denial, const uint8_t *zone_name,
                                   struct node *const *nodes, size_t cnt);

/* Take the owners of the NSEC3 chain `params` among `nodes`, in canonical order; those that do
 * not stand right below the apex, of `zone_labels` labels, are none. */
MUST_USE enum err denial_add_hashes(struct denial *denial, const struct nsec3_params *params,
                                    unsigned zone_labels, struct node *const *nodes,
                                    size_t cnt);

/* The owner that is `name` or comes before it; NULL when the denial is empty. */
const struct node *denial_find_name(const struct denial *denial, const uint8_t *name);

/* The NSEC3 owner with this hash, or the one before it round the circle; *is_match tells which.
 * NULL when the denial is empty. */
const struct node *denial_find_hash(const struct denial *denial,
                                    const uint8_t hash[NSEC3_HASH_LEN], bool *is_match);

/* Free the entries. */
void denial_fini(struct denial *denial);
