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
