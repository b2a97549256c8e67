/* net/transport/front_stream.h | a listening socket for TCP, TLS or HTTP, and its connections
 *
 * The row of stack.def for its kind of listener says which protocol the clients use.  The
 * conn_limit of the settings bounds the number of connections, their memory and their idle
 * time.
 *
 * Owner:    the worker that opened it.
 * Thread:   that worker.
 */
#pragma once

#include "net/transport/front.h"

struct front_stream;

/* Listen and accept on `fd`, a bound socket that the front closes, also on failure.  ERR_NOMEM,
 * ERR_IO. */
MUST_USE enum err front_stream_new(const struct front_parts *parts, int fd,
                                   enum exchange_stack stack, struct front_stream **out);

/* Stop accepting, close, and set *front to NULL; it may be NULL already.  With `drains`, first
 * answer what has arrived, for at most STREAM_DRAIN_MS.  The memory is freed when the loop has
 * closed the handles. */
void front_stream_close(struct front_stream **front, bool drains);
