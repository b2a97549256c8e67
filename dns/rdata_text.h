/* dns/rdata_text.h | RDATA as people write it
 *
 * As a master file has it.  Types and octets without such a form are printed as RFC 3597 5
 * does: what came from the network is shown, not judged.
 *
 * Thread:   any.
 */
#pragma once

#include <stddef.h>

#include "dns/rdata.h"

enum { RDATA_TEXT_MAX = 2048 };

/* Print RDATA whose names are written out; what is too long for `out` ends in "...". */
void rdata_text_print(uint16_t type, const uint8_t *rdata, size_t len,
                      char out[RDATA_TEXT_MAX]);
