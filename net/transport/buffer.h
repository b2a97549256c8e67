/* net/transport/buffer.h | a queue of octets on their way into or out of a connection
 *
 * It grows as it is filled, and its memory counts against the limit on the memory of
 * connections.
 *
 * Owner:    the connection.
 * Thread:   its worker.
 */
#pragma once

#include "net/request/conn_limit.h"

/* Lifetime: the connection's.  Caller must zero it and set `conn_limit`. */
struct buffer {
    uint8_t *at;
    size_t len, size;
    struct conn_limit *conn_limit; /* counts the memory; NULL: it is not counted */
};

/* Ensure room for `more` octets behind those queued.  False if there is no memory; the buffer
 * is then unchanged. */
MUST_USE bool buffer_reserve(struct buffer *b, size_t more);

/* Append `len` octets.  False if there is no memory; the buffer is then unchanged. */
MUST_USE bool buffer_append(struct buffer *b, const void *octets, size_t len);

/* Remove the first `len` octets; caller must not remove more than are queued. */
void buffer_remove(struct buffer *b, size_t len);

/* Free the memory.  The buffer is empty afterwards and may be used again. */
void buffer_fini(struct buffer *b);

/* Move the octets and their memory to `to`, which must be empty, without memory, and have the
 * same `conn_limit`. */
void buffer_move(struct buffer *to, struct buffer *from);
