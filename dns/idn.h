/* dns/idn.h | internationalised names: what a name in UTF-8 is in the DNS
 *
 * Only to tell people what to write (RFC 3492, RFC 5890): nothing is mapped in names that are
 * served.
 *
 * Thread:   any.
 */
#pragma once

#include "dns/dname_text.h"

enum { IDN_TEXT_MAX = 256 };

/* True if RDATA of the type has domain names among its words, and no free text. */
bool idn_concerns(uint16_t type);

/* True if the text has octets above 127. */
bool idn_is_raw(const char *text, size_t len);

/* The A-label form of `text` with dots, "" when it is no UTF-8, has combining marks (it may not
 * be NFC) or capitals of which the small letter is not known here, or is too long. */
void idn_print(const char *text, size_t len, char out[IDN_TEXT_MAX]);
