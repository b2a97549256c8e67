/* authd/zone/index.h | from the hash of a name to its node
 *
 * Extendible hashing: a directory of pages, a page of 64 buckets, a bucket of eight entries in
 * one cache line; an entry is 16 bits of the hash and the node's address.  A page is the unit
 * that a new version would copy.
 *
 * Owner:    the zone version, pages are in its slabs; nodes are borrowed.
 * Thread:   any while nobody inserts.
 */
#pragma once

#include "authd/zone/node.h"
#include "base/slab.h"

struct index_page;

/* Lifetime: zone version. */
struct index {
    struct index_page **pages; /* 2^depth, neighbours may share a page */
    unsigned depth;
    unsigned buckets;   /* of a page: 64, or fewer when one small page is all */
    unsigned depth_max; /* hashes that agree in more bits than this are no accident */
    struct slab_list *memory;
};

/* Room for `cnt` names, with pages from `memory`; of a large index, splitting a page makes room
 * for more. */
MUST_USE enum err index_init(struct index *index, struct slab_list *memory, size_t cnt);

/* Add a node that is not in it; `hash` is dname_hash of its name. */
MUST_USE enum err index_put(struct index *index, uint64_t hash, struct node *node);

/* The node of the name with this hash, spelt `name` in any case; NULL when there is none. */
struct node *index_find(const struct index *index, uint64_t hash, const uint8_t *name,
                        size_t name_len);

/* Ask for what index_find will read: first the page's address, then the bucket, then the node.
 * Each wants what the one before asked for, so a batch goes through all of its names with one
 * before it begins with the next. */
void index_prefetch_page(const struct index *index, uint64_t hash);
void index_prefetch_bucket(const struct index *index, uint64_t hash);
void index_prefetch_node(const struct index *index, uint64_t hash);

/* Ask for what index_put will change. */
void index_prefetch_put(const struct index *index, uint64_t hash);

/* Free the directory; pages go with the slabs. */
void index_fini(struct index *index);
