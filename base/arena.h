/* base/arena.h | allocator of memory that is freed all at once
 *
 * A bump allocator over a chain of blocks.  Each request has an arena, and so has each zone
 * that is being built: what they allocate has one lifetime.
 *
 * Owner:    the caller owns `struct arena`; the arena owns its blocks.
 * Thread:   one at a time.
 */
#pragma once

#include <stddef.h>

#include "base/util.h"

struct arena_block;

/* Lifetime: the caller's.  All zeros except `cap` is a valid empty arena. */
struct arena {
    struct arena_block *first;
    struct arena_block *last;
    size_t used; /* bytes allocated since the last reset */
    size_t cap;  /* upper bound of `used`; 0: unlimited */
};

/* Make an empty arena that allocates at most `cap` bytes (0: unlimited). */
void arena_init(struct arena *arena, size_t cap);

/* Allocate `size` bytes, aligned for any type and not cleared.  NULL if the system has no
 * memory or the cap is reached. */
MUST_USE void *arena_alloc(struct arena *arena, size_t size);

/* Copy `size` bytes and append a NUL.  NULL as arena_alloc. */
MUST_USE void *arena_copy(struct arena *arena, const void *data, size_t size);

/* Free everything that was allocated, but keep the first block for reuse. */
void arena_reset(struct arena *arena);

/* Free all blocks.  The arena is empty afterwards and may be used again. */
void arena_fini(struct arena *arena);
