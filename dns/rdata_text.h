/* dns/rdata_text.h | RDATA in presentation format
 *
 * As in a zone file.  RDATA of unknown types, and RDATA that has no presentation format, is
 * printed in the generic format of RFC 3597 5, so that any received octets can be shown.
 *
 * Thread:   any.
 */
#pragma once

#include <stddef.h>

#include "dns/rdata.h"

enum { RDATA_TEXT_MAX = 2048 };

/* Print RDATA without compressed names.  Text that is too long for `out` is truncated and ends
 * in
 * "...". */
void rdata_text_print(uint16_t type, const uint8_t *rdata, size_t len,
                      char out[RDATA_TEXT_MAX]);

enum {
    RDATA_TEXT_WHOLE = 1 << 20
}; /* enough for any RDATA: a bit of a bitmap needs 10 bytes */

/* As rdata_text_print, into `size` bytes, for zone files.  Return the length of the text; 0:
 * `out` is too small. */
size_t rdata_text_print_whole(uint16_t type, const uint8_t *rdata, size_t len, char *out,
                              size_t size);
