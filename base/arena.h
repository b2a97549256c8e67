/* base/arena.h | memory of one lifetime, given back in one call
 *
 * A bump allocator over a chain of blocks.  One belongs to each request and each zone being
 * built; everything in it ends together.
 *
 * Owner:    the caller holds `struct arena`; blocks belong to it.
 * Thread:   one at a time.
 * Errors:   NULL when the system has no memory or the cap is reached.
 */
#pragma once

#include <stddef.h>

#include "base/util.h"

struct arena_block;

/* Lifetime: the caller's.  All zeros except `cap` is a valid empty arena. */
struct arena {
    struct arena_block *first;
    struct arena_block *last;
    size_t used; /* bytes handed out since the last reset */
    size_t cap;  /* refuse to hand out more than this; 0: no cap */
};

/* An empty arena that hands out at most `cap` bytes (0: as many as there are). */
void arena_init(struct arena *arena, size_t cap);

/* `size` bytes, aligned for any type, not cleared; NULL when there are none to be had. */
MUST_USE void *arena_alloc(struct arena *arena, size_t size);

/* A copy of `size` bytes with a NUL behind them; NULL when there is no memory. */
MUST_USE void *arena_copy(struct arena *arena, const void *data, size_t size);

/* Forget everything handed out; the first block is kept for the next use. */
void arena_reset(struct arena *arena);

/* Give everything back to the system. */
void arena_fini(struct arena *arena);
