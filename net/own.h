/* layer 23 | net/own.h | the addresses of this machine, as they come and go
 *
 * Glue may name this machine: as a server that is asked it would only be told what it asks.  The kernel tells of each change
 * (rtnetlink(7)).
 *
 * Owner:    the worker.
 * Thread:   the worker.
 */
#pragma once

#include <uv.h>

#include "base/addr.h"

struct own;

/* Read the addresses, and watch them on `loop`.  ERR_NOMEM, ERR_IO. */
MUST_USE enum err own_new(uv_loop_t *loop, struct own **out);

/* Watch no longer; memory goes when the loop has closed the handle.  Clears the pointer; NULL inside is fine. */
void own_close(struct own **own);

/* Whether the address is one of this machine; the port does not matter. */
bool own_has(const struct own *own, const struct addr *addr);

/* Whether another program takes datagrams at that address and port of this machine: a second server beside this one.  Looks once a
 * second at most. */
bool own_is_served(struct own *own, const struct addr *addr);
