/* dns/dname_text.h | domain names as people write them
 *
 * Owner:    values.
 * Thread:   any.
 */
#pragma once

#include "dns/dname.h"

/* Room for any name with every octet escaped, and the NUL. */
enum { DNAME_TEXT_MAX = 4 * DNAME_MAX + 1 };

/* Read `len` bytes of text with the escapes of RFC 1035 5.1.  A name that does not end in a dot
 * gets `origin` behind it;
 * "@" alone is the origin; with a NULL origin both are errors.  *wire_len gets the octets.  On
 * ERR_FORMAT *why points at a static phrase and *where is the offset of the byte at fault; both
 * may be NULL. */
MUST_USE enum err dname_text_read(const char *text, size_t len, const uint8_t *origin,
                                  uint8_t out[DNAME_MAX], size_t *wire_len, const char **why,
                                  size_t *where);

/* Print with a dot behind every label; bytes outside printable ASCII as \DDD. */
void dname_text_print(const uint8_t *name, char out[DNAME_TEXT_MAX]);

/* Read one escape of RFC 1035 5.1 at `text` (which starts behind the backslash) into *byte; the
 * bytes used up, or 0. */
size_t dname_text_escape(const char *text, size_t len, uint8_t *byte);
