/* resolver/cache/sketch.h | about how often was this used lately?
 *
 * A count-min sketch: four rows of 4-bit counters.  It never says less than was counted, at
 * times more.  Several threads may count at once; a count that is lost does no harm.
 *
 * Owner:    whoever made it.
 * Thread:   any.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/util.h"

enum { SKETCH_MOST = 15 };

struct sketch;

/* One of a megabyte, all zeros; ERR_NOMEM. */
MUST_USE enum err sketch_new(struct sketch **out);

/* Count one use; false: more cannot be counted. */
bool sketch_add(struct sketch *sketch, uint64_t hash);

/* At most how often it was counted, up to SKETCH_MOST. */
unsigned sketch_count(const struct sketch *sketch, uint64_t hash);

/* Halve everything: what was popular long ago counts less. */
void sketch_age(struct sketch *sketch);

/* Clears the pointer; NULL inside is fine. */
void sketch_free(struct sketch **sketch);
