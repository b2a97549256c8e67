/* authd/load/generate.h | templates of $GENERATE
 *
 * BIND's directive: "$GENERATE 1-20/2 host-$ A 192.0.2.$" repeats a record; each "$" or
 * "${offset,width,base}" is replaced by the counter.
 *
 * Thread:   any.
 */
#pragma once

#include "base/err.h"
#include "base/util.h"

enum { GENERATE_MAX = 1 << 20 }; /* records per directive */

struct generate_range {
    uint32_t start, stop, step;
};

/* Read "start-stop" or "start-stop/step".  ERR_FORMAT, or ERR_LIMIT for more than GENERATE_MAX
 * records. */
MUST_USE enum err generate_read_range(const char *text, size_t len, struct generate_range *out);

/* Append `template`, with the counter at `value`, to the *at octets in `out`, which has room
 * for `size`; add the octets to *at.  ERR_FORMAT: a broken "${...}" or a counter out of range;
 * ERR_SPACE. */
MUST_USE enum err generate_expand(const char *template, size_t len, uint32_t value, char *out,
                                  size_t size, size_t *at);
