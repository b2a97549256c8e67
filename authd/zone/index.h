/* authd/zone/index.h | hash index of a zone's names
 *
 * Extendible hashing: a directory of pages, 64 buckets per page, eight entries in one cache
 * line per bucket.  An entry is 16 bits of the hash and the node's address.  A page is the unit
 * that a new version would copy.
 *
 * Owner:    the zone version; its slabs hold the pages; nodes are borrowed.
 * Thread:   any while no thread inserts.
 */
#pragma once

#include "authd/zone/node.h"
#include "base/slab.h"

struct index_page;

/* Lifetime: zone version. */
struct index {
    struct index_page **pages; /* 2^depth; neighbours may share a page */
    unsigned depth;
    unsigned buckets;   /* per page: 64, or fewer if one small page is enough */
    unsigned depth_max; /* deeper only if hashes collide on purpose: then ERR_LIMIT */
    struct slab_list *memory;
};

/* Make an empty index with room for `cnt` names; its pages come from `memory`, which must
 * outlive it.  An index of full-size pages grows by splitting them.  ERR_NOMEM: caller still
 * calls index_fini. */
MUST_USE enum err index_init(struct index *index, struct slab_list *memory, size_t cnt);

/* Add a node that is not in the index; `hash` is dname_hash of its name.  ERR_NOMEM, or
 * ERR_LIMIT if too many hashes share their first bits, or a small index gets far more nodes
 * than the `cnt` of index_init. */
MUST_USE enum err index_put(struct index *index, uint64_t hash, struct node *node);

/* Return the node whose name is `name`, in any case, and has this hash; NULL if there is none.
 */
struct node *index_find(const struct index *index, uint64_t hash, const uint8_t *name,
                        size_t name_len);

/* Prefetch what index_find will read: the page's address, then the bucket, then the node.
 * Each call reads what the one before has prefetched, so caller makes one call for all names
 * of a batch before the next. */
void index_prefetch_page(const struct index *index, uint64_t hash);
void index_prefetch_bucket(const struct index *index, uint64_t hash);
void index_prefetch_node(const struct index *index, uint64_t hash);

/* Prefetch what index_put will write. */
void index_prefetch_put(const struct index *index, uint64_t hash);

/* Free the directory; the pages are freed with the slabs. */
void index_fini(struct index *index);
