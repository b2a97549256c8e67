/* resolver/cache/sketch.h | a count-min sketch of recent uses
 *
 * Four rows of 4-bit counters.  An estimate is never below the count, and sometimes above it.
 * Threads may count at the same time; a lost count does no harm.
 *
 * Owner:    the caller of sketch_new.
 * Thread:   any.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/util.h"

enum { SKETCH_MOST = 15 };

struct sketch;

/* Make a sketch of one megabyte, all zeros.  ERR_NOMEM. */
MUST_USE enum err sketch_new(struct sketch **out);

/* Count one use.  Return false if the count is at SKETCH_MOST already. */
bool sketch_add(struct sketch *sketch, uint64_t hash);

/* Return the estimated number of uses, up to SKETCH_MOST. */
unsigned sketch_count(const struct sketch *sketch, uint64_t hash);

/* Halve all counters, so that old uses count less. */
void sketch_age(struct sketch *sketch);

/* Clears the pointer; NULL inside is fine. */
void sketch_free(struct sketch **sketch);
