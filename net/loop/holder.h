/* net/loop/holder.h | who holds an address
 *
 * For the error of a start on an address that another server holds, and to tell a server beside
 * this one.
 *
 * Thread:   any; reads /proc.
 */
#pragma once

#include "base/addr.h"

enum { HOLDER_TEXT_MAX = 160 };

/* Put "named (pid 4711)" into `out`, or words that say why the holder is not known. `is_stream`
 * looks for TCP. */
void holder_find(const struct addr *addr, bool is_stream, char out[HOLDER_TEXT_MAX]);

/* Store up to `max` local addresses of other processes' UDP sockets on `port`.  Return their
 * number; 0 also if /proc/net cannot be read. */
size_t holder_list(uint16_t port, struct addr *out, size_t max);
