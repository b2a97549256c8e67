/* net/transport/front_stream.h | connections of clients: TCP, TLS and HTTP
 *
 * One listening socket of one worker and its connections.  What is spoken on them is a line of
 * a table.  The conn_limit of the settings says how many there may be, how much memory they may
 * hold and how long one may be idle.
 *
 * Owner:    the worker that opened it.
 * Thread:   that worker.
 */
#pragma once

#include "net/transport/front.h"

struct front_stream;

/* Accept on `fd`, a bound socket that the front owns from now on. */
MUST_USE enum err front_stream_new(const struct front_parts *parts, int fd,
                                   enum exchange_stack stack, struct front_stream **out);

/* Stop accepting and close; with `drains` answer what has arrived first, for at most
 * STREAM_DRAIN_MS.  Memory goes when the loop has closed the handles. */
void front_stream_close(struct front_stream **front, bool drains);
