/* layer 26 | net/front_stream.h | questions over TCP (RFC 7766)
 *
 * One listening socket of one worker and its connections: many questions on one, answers in the
 * order they get ready, reads and writes of any size.  The guard of the settings says how many
 * connections there may be and how long one may be idle.
 *
 * Owner:    the worker that opened it.
 * Thread:   that worker.
 */
#pragma once

#include <uv.h>

#include "net/exchange.h"

enum {
    FRONT_STREAM_PARTIAL_MS = 2000, /* from the first octet of a message to its last */
    FRONT_STREAM_DRAIN_MS = 2000,   /* at the end, to write what is ready */
    FRONT_STREAM_WAITING_MAX =
        100, /* questions of one connection that wait for their answers */
    FRONT_STREAM_QUEUE_MAX =
        1 << 18, /* octets waiting for a slow reader before its questions wait too */
};

struct front_stream;

/* Accept on `fd`, a bound socket that the front owns from now on. */
MUST_USE enum err front_stream_new(uv_loop_t *loop, int fd,
                                   const struct exchange_settings *settings,
                                   const struct service *service, void *engine,
                                   struct front_stream **out);

/* Stop accepting and close; with `drains` answer what has arrived first, for at most
 * FRONT_STREAM_DRAIN_MS.  Memory goes when the loop has closed the handles. */
void front_stream_close(struct front_stream **front, bool drains);
