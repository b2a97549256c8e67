/* dns/bitmap.h | type bitmaps of NSEC, NSEC3 and CSYNC (RFC 4034 4.1.2)
 *
 * Owner:    octets are borrowed.
 * Thread:   any.
 */
#pragma once

#include <stdbool.h>

#include "base/cursor.h"

/* Return true if the bit of `type` is set in a checked bitmap of `len` octets. */
bool bitmap_has(const uint8_t *bitmap, size_t len, uint16_t type);

/* Return the lowest type above `after` that the bitmap has, with -1 the first of all; -1 if
 * there is none. */
int bitmap_next(const uint8_t *bitmap, size_t len, int after);

enum { BITMAP_LEN_MAX = 256 * 34 }; /* octets */

/* Write the bitmap of `cnt` types, which ascend, and return its octets. */
size_t bitmap_write(const uint16_t *types, size_t cnt, uint8_t out[BITMAP_LEN_MAX]);
