/* net/transport/buffer.h | octets of a connection on their way in or out
 *
 * A queue that grows as it is filled and whose memory counts against the limit on connections'
 * memory.
 *
 * Owner:    the connection.
 * Thread:   its worker.
 */
#pragma once

#include "net/request/conn_limit.h"

/* Lifetime: that of the connection.  All zero but `conn_limit`: empty. */
struct buffer {
    uint8_t *at;
    size_t len, size;
    struct conn_limit *conn_limit; /* counts its memory; NULL: not counted */
};

/* Have room for `more` octets behind those that are there.  False: no memory, and it is as it
 * was. */
MUST_USE bool buffer_reserve(struct buffer *b, size_t more);

/* Append; false as above. */
MUST_USE bool buffer_put(struct buffer *b, const void *octets, size_t len);

/* Drop the first `len` octets. */
void buffer_drop(struct buffer *b, size_t len);

/* Give the memory back; it is empty afterwards. */
void buffer_fini(struct buffer *b);

/* Move everything, memory too, to `to`, which is empty and has none. */
void buffer_move(struct buffer *to, struct buffer *from);
