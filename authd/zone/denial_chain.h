/* authd/zone/denial_chain.h | the names and types that a chain of NSEC or NSEC3 has to have
 *
 * For the check of a signed zone and for its signing.
 *
 * Owner:    the caller; records are those of the build.
 * Thread:   one at a time.
 */
#pragma once

#include "authd/zone/zonebuild.h"

enum { CHAIN_TYPES_MAX = 1024 }; /* more than NODE_RRSETS_MAX */

/* Types of an owner, ascending. */
struct denial_chain_types {
    uint16_t at[CHAIN_TYPES_MAX];
    unsigned cnt;
};

/* Append a type that is not lower than those before.  A repetition is ignored. */
void denial_chain_add_type(struct denial_chain_types *types, uint16_t type);

/* List the types of the walk's owner that belong in its bitmap: at a zone cut only NS and the
 * authoritative types (RFC 4035 2.3). */
void denial_chain_list_types(const struct zonebuild_walk *walk, struct denial_chain_types *out);

/* A name that needs an NSEC3, or an NSEC3 of a chain. */
struct denial_chain_link {
    uint8_t hash[NSEC3_HASH_LEN];
    bool is_optional; /* opt-out may omit the name (RFC 5155 7.1) */
    size_t from;      /* first record of the owner, or the NSEC3 itself */
    uint8_t labels;   /* of the name: fewer than the owner's for an empty non-terminal above */
};

/* Lifetime: the caller's, until denial_chain_fini.  All zeros is a valid empty list. */
struct denial_chain_links {
    struct denial_chain_link *at;
    size_t cnt, size;
};

/* Append a copy of `link`.  ERR_NOMEM. */
MUST_USE enum err denial_chain_add(struct denial_chain_links *links,
                                   const struct denial_chain_link *link);

/* Sort by hash and keep the first of equal hashes: a required name before an optional one. */
void denial_chain_sort(struct denial_chain_links *links);

/* Hash the names of sorted records that need an NSEC3, with empty non-terminals, and sort them.
 * ERR_NOMEM. */
MUST_USE enum err denial_chain_hash_names(const struct zonebuild *build,
                                          const struct nsec3_params *params,
                                          struct denial_chain_links *out);

/* Return the name of a link. */
const uint8_t *denial_chain_name(const struct zonebuild *build,
                                 const struct denial_chain_link *link);

/* Free the list. */
void denial_chain_fini(struct denial_chain_links *links);
