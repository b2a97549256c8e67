/* net/loop/port_owner.h | who holds an address
 *
 * For the error of a start on an address that another server holds, and to tell a server beside
 * this one.
 *
 * Thread:   any; reads /proc.
 */
#pragma once

#include "base/addr.h"

enum { PORT_OWNER_TEXT_MAX = 160 };

/* Put "named (pid 4711)" into `out`, or words that say why the holder is not known. `is_stream`
 * looks for TCP. */
void port_owner_find(const struct addr *addr, bool is_stream, char out[PORT_OWNER_TEXT_MAX]);

/* Store up to `max` local addresses of other processes' UDP sockets on `port`.  Return their
 * number; 0 also if /proc/net cannot be read. */
size_t port_owner_list(uint16_t port, struct addr *out, size_t max);
