/* layer 13 | dns/rdata_text.h | RDATA as people write it
 *
 * The everyday types as a master file has them, all others as RFC 3597 5 does: what came from the network is shown, not judged.
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
