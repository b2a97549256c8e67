/* base/slab.h | memory for many small things that live and die together
 *
 * Pieces are cut from slabs and never given back one by one.  A large slab asks the system for
 * huge pages: a look-up in a million things then misses the cache, but not the TLB.
 *
 * Owner:    whoever holds the list.
 * Thread:   one at a time.
 */
#pragma once

#include <stddef.h>

#include "base/util.h"

struct slab;

/* Lifetime: the caller's.  All zeros is a valid empty list. */
struct slab_list {
    struct slab *last;
    size_t bytes; /* of all slabs */
    size_t next;  /* how large the next one shall be; 0: SLAB_HUGE */
};

enum { SLAB_HUGE = 2 << 20, SLAB_MIN = 256 };

/* About as many octets are to come: the next slab gets this size, at most SLAB_HUGE. */
void slab_expect(struct slab_list *list, size_t bytes);

/* `size` octets, cleared, at a multiple of `align`, a power of two of at most 64; NULL without
 * memory. */
MUST_USE void *slab_alloc(struct slab_list *list, size_t size, size_t align);

/* Give everything back. */
void slab_fini(struct slab_list *list);

/* `size` octets, cleared, in huge pages where the system has them; NULL without memory. */
MUST_USE void *slab_alloc_huge(size_t size);

/* Give that back; NULL is fine. */
void slab_free_huge(void *memory, size_t size);
