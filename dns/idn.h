/* dns/idn.h | A-labels of internationalised names, for advice to users
 *
 * Tells users how to write a UTF-8 name in a zone file (RFC 3492, RFC 5890).  Names that are
 * served are never converted.
 *
 * Thread:   any.
 */
#pragma once

#include "dns/dname_text.h"

enum { IDN_TEXT_MAX = 256 };

/* Return true if the RDATA of `type` in presentation format has domain names and no
 * free text. */
bool idn_concerns(uint16_t type);

/* Return true if the text has octets above 127. */
bool idn_is_raw(const char *text, size_t len);

/* Print the name `text` with every label as an A-label.  Print "" if the text is not UTF-8, has
 * combining marks (it may not be in NFC), has capital letters that this file cannot lower, or
 * is too long. */
void idn_print(const char *text, size_t len, char out[IDN_TEXT_MAX]);
