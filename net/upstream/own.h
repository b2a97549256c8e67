/* net/upstream/own.h | the current addresses of this machine
 *
 * Glue can name this machine, and a query sent there would only come back.  The kernel reports
 * each change of the addresses (rtnetlink(7)).
 *
 * Owner:    the worker.
 * Thread:   the worker.
 */
#pragma once

#include <uv.h>

#include "base/addr.h"

struct own_range;

/* The addresses of this machine at one moment: those of its interfaces, and prefixes that are
 * routed to it as a whole; disjoint, in order.  Lifetime: until own_fini_list. */
struct own_list {
    struct own_range *ranges;
    size_t cnt;
};

/* Read the addresses.  ERR_NOMEM, ERR_IO: *out is unchanged. */
MUST_USE enum err own_read_list(struct own_list *out);

/* Free the list. */
void own_fini_list(struct own_list *list);

/* True if a query to `addr` arrives at a socket on `listener`: the same endpoint, or an address
 * of this machine under a wildcard. */
bool own_reaches(const struct own_list *list, const struct addr *listener,
                 const struct addr *addr);

struct own;

/* Read the addresses and watch them on `loop`.  ERR_NOMEM, ERR_IO. */
MUST_USE enum err own_new(uv_loop_t *loop, struct own **out);

/* Stop watching and set *own to NULL; it may be NULL already.  The memory is freed when the
 * loop has closed the handle. */
void own_close(struct own **own);

/* Return the current addresses; they change between two turns of the loop. */
const struct own_list *own_addresses(const struct own *own);

/* True if this machine has the address; the port is ignored. */
bool own_has(const struct own_list *list, const struct addr *addr);

/* True if another process has a UDP socket at that address and port of this machine: a second
 * server beside this one.  Reads /proc/net once per second at most. */
bool own_is_served(struct own *own, const struct addr *addr);
