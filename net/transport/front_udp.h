/* net/transport/front_udp.h | a UDP socket that receives queries
 *
 * Batches are received by recvmmsg and sent by sendmmsg.
 *
 * Owner:    the worker that opened it.
 * Thread:   that worker.
 */
#pragma once

#include "net/transport/front.h"

struct front_udp;

/* Receive on `fd`, a socket bound to `address` that the front closes, also on failure.
 * ERR_NOMEM. */
MUST_USE enum err front_udp_new(const struct front_parts *parts, int fd,
                                const struct addr *address, struct front_udp **out);

/* Close, and set *front to NULL; it may be NULL already.  With `drains`, first answer what has
 * arrived.  The memory is freed when the loop has closed the handle. */
void front_udp_close(struct front_udp **front, bool drains);
