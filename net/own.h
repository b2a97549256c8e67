/* layer 23 | net/own.h | the current addresses of this machine
 *
 * Glue can name this machine, and a query sent there would only come back.  The kernel reports each change of the addresses
 * (rtnetlink(7)).
 *
 * Owner:    the worker.
 * Thread:   the worker.
 */
#pragma once

#include <uv.h>

#include "base/addr.h"

struct own;

/* Read the addresses and watch them on `loop`.  ERR_NOMEM, ERR_IO. */
MUST_USE enum err own_new(uv_loop_t *loop, struct own **out);

/* Stop watching; the memory is freed when the loop has closed the handle.  Clears the pointer; NULL inside is fine. */
void own_close(struct own **own);

/* True if this machine has the address; the port is ignored. */
bool own_has(const struct own *own, const struct addr *addr);

/* True if another process has a UDP socket at that address and port of this machine: a second server beside this one.  Reads /proc/net
 * once per second at most. */
bool own_is_served(struct own *own, const struct addr *addr);
