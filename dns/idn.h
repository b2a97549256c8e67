/* layer 13 | dns/idn.h | internationalised names: what a name in UTF-8 is in the DNS
 *
 * Only to tell people what to write (RFC 3492, RFC 5890): nothing is mapped in names that are served.
 *
 * Thread:   any.
 */
#pragma once

#include "dns/dname_text.h"

enum { IDN_TEXT_MAX = 256 };

/* True if the text has octets above 127. */
bool idn_is_raw(const char *text, size_t len);

/* The A-label form of `text` with dots, "" when it is no UTF-8, has combining marks (it may not be NFC), or is too long. */
void idn_print(const char *text, size_t len, char out[IDN_TEXT_MAX]);
