/* net/loop/port_owner.h | processes that use an address or a port
 *
 * For the error message if an address is in use, and to know the addresses of servers on this
 * machine (own).
 *
 * Thread:   any; reads /proc.
 */
#pragma once

#include "base/addr.h"

enum { PORT_OWNER_TEXT_MAX = 160 };

/* Print the process that uses the address, as in "named (pid 4711)"; or "another program", and
 * how to learn its name.  TCP if `is_stream`, else UDP. */
void port_owner_find(const struct addr *addr, bool is_stream, char out[PORT_OWNER_TEXT_MAX]);

/* Store up to `max` local addresses of other processes' UDP sockets on `port`.  Return their
 * number; 0 also if /proc/net cannot be read. */
size_t port_owner_list(uint16_t port, struct addr *out, size_t max);
