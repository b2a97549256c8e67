/* net/transport/front_udp.h | questions over UDP
 *
 * One socket of one worker: batches in by recvmmsg, batches out by sendmmsg.
 *
 * Owner:    the worker that opened it.
 * Thread:   that worker.
 */
#pragma once

#include "net/transport/front.h"

struct front_udp;

/* Listen on `fd`, a bound socket that the front owns from now on; `address` is what it is bound
 * to. */
MUST_USE enum err front_udp_new(const struct front_parts *parts, int fd,
                                const struct addr *address, struct front_udp **out);

/* Close; with `drains` answer what has arrived first.  Memory goes when the loop has closed the
 * handle. */
void front_udp_close(struct front_udp **front, bool drains);
