/* dns/dname_text.h | domain names in presentation format
 *
 * Owner:    values.
 * Thread:   any.
 */
#pragma once

#include "base/fault.h"
#include "dns/dname.h"

/* Fits any name with every octet escaped, and the NUL. */
enum { DNAME_TEXT_MAX = 4 * DNAME_MAX + 1 };

/* Read a name of `len` bytes with the escapes of RFC 1035 5.1 and set *wire_len to its octets.
 * `origin` is appended to a name without a final dot, and "@" is the origin; if `origin` is
 * NULL, both are errors.  ERR_FORMAT: *where is the offset of the wrong byte, `fault` has the
 * reason; either pointer may be NULL. */
MUST_USE enum err dname_text_read(const char *text, size_t len, const uint8_t *origin,
                                  uint8_t out[DNAME_MAX], size_t *wire_len, struct fault *fault,
                                  size_t *where);

/* Print a checked name with a final dot; octets outside printable ASCII as \DDD. */
void dname_text_print(const uint8_t *name, char out[DNAME_TEXT_MAX]);

/* Read one escape of RFC 1035 5.1 into *byte.  `text` starts after the backslash.  Return the
 * number of bytes read, 0 if the escape is invalid. */
size_t dname_text_escape(const char *text, size_t len, uint8_t *byte);
