/* layer 31 | authd/index.h | from the hash of a name to its node
 *
 * Extendible hashing: a directory of pages, a page of 64 buckets, a bucket of eight entries in
 * one cache line; an entry is 16 bits of the hash and the node's address.  A page is the unit
 * that a new version would copy.
 *
 * Owner:    the zone version; nodes are borrowed.
 * Thread:   any while nobody inserts.
 */
#pragma once

#include "authd/node.h"

struct index_page;

/* Lifetime: zone version. */
struct index {
    struct index_page **pages; /* 2^depth, neighbours may share a page */
    unsigned depth;
    unsigned buckets; /* of a page: 64, or fewer when one small page is all */
    size_t bytes;     /* of directory and pages */
};

/* Room for `cnt` names; of a large index, splitting a page makes room for more. */
MUST_USE enum err index_init(struct index *index, size_t cnt);

/* Add a node that is not in it; `hash` is dname_hash of its name. */
MUST_USE enum err index_put(struct index *index, uint64_t hash, struct node *node);

/* The node of the name with this hash, spelt `name` in any case; NULL when there is none. */
struct node *index_find(const struct index *index, uint64_t hash, const uint8_t *name,
                        size_t name_len);

/* Ask for the cache line that index_find will read first. */
void index_prefetch(const struct index *index, uint64_t hash);

/* Free pages and directory. */
void index_fini(struct index *index);
