/* base/text.h | UTF-8, and untrusted text made safe to show
 *
 * File names, certificates and other programs' output may hold terminal escapes and line
 * breaks. Code that shows or logs such text sanitises it first.
 *
 * Owner:    the caller.
 * Thread:   any.
 */
#pragma once

#include <stddef.h>

/* Return the length of the UTF-8 sequence at the start of `text` (RFC 3629 4), in octets.  0:
 * the first `len` octets do not begin with one. */
size_t text_sequence_len(const char *text, size_t len);

/* Replace control characters (C0, DEL, C1) and octets that are not UTF-8 with dots, octet by
 * octet, so that the length stays.  Characters in `kept` are not replaced. */
void text_sanitise(char *text, size_t len, const char *kept);
