/* base/slab.h | allocator for many small objects of one lifetime
 *
 * Objects are carved from slabs and are not freed one by one.  A large slab uses huge pages: a
 * lookup among a million objects then misses the cache, but not the TLB as well.
 *
 * Owner:    the owner of the list.
 * Thread:   one at a time.
 */
#pragma once

#include <stddef.h>

#include "base/util.h"

struct slab;

/* Lifetime: the caller's.  All zeros is a valid empty list. */
struct slab_list {
    struct slab *last;
    size_t bytes; /* total size of all slabs */
    size_t next;  /* size of the next slab; 0: SLAB_HUGE */
};

enum { SLAB_HUGE = 2 << 20, SLAB_MIN = 256 };

/* Announce that about `bytes` bytes will be allocated.  The next slab has this size, within
 * SLAB_MIN and SLAB_HUGE. */
void slab_expect(struct slab_list *list, size_t bytes);

/* Allocate `size` zeroed bytes at a multiple of `align`, a power of two of at most 64.  NULL
 * without memory. */
MUST_USE void *slab_alloc(struct slab_list *list, size_t size, size_t align);

/* Free all slabs and make the list empty. */
void slab_fini(struct slab_list *list);

/* Allocate `size` zeroed bytes, in huge pages if the system provides them.  NULL without
 * memory. */
MUST_USE void *slab_alloc_huge(size_t size);

/* Free memory of slab_alloc_huge, with the same `size`.  NULL is allowed. */
void slab_free_huge(void *memory, size_t size);
