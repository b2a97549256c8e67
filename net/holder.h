/* layer 21 | net/holder.h | who holds an address
 *
 * For the error of a start on an address that another server holds.
 *
 * Thread:   any; reads /proc.
 */
#pragma once

#include "base/addr.h"

enum { HOLDER_TEXT_MAX = 160 };

/* Put "named (pid 4711)" into `out`, or words that say why the holder is not known. `is_stream`
 * looks for TCP. */
void holder_find(const struct addr *addr, bool is_stream, char out[HOLDER_TEXT_MAX]);
