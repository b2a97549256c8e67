/* base/text.h | text that people are shown
 *
 * Texts quote file names, certificates and other programs: what shows or logs one makes it
 * harmless first.
 *
 * Owner:    the caller.
 * Thread:   any.
 */
#pragma once

#include <stddef.h>

/* Octets of the UTF-8 sequence that `text` begins with (RFC 3629 4); 0: there is none within
 * `len` octets. */
size_t text_sequence_len(const char *text, size_t len);

/* Put a dot in the place of each octet that a terminal may obey or a log take for the end of a
 * line: control characters (C0, DEL, C1) and what is no UTF-8.  Those in `kept` stay; so does
 * the length. */
void text_sanitise(char *text, size_t len, const char *kept);
