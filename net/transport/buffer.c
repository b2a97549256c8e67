/* The size doubles, so that a message that arrives octet by octet is copied twice on average
 * and not a thousand times. */
#include "net/transport/buffer.h"

enum { BUFFER_SIZE_MIN = 512 };

bool buffer_reserve(struct buffer *b, size_t more)
{
    size_t wanted = b->size ? b->size : BUFFER_SIZE_MIN;

    if (b->size - b->len >= more)
        return true;
    while (wanted < b->len + more)
        wanted *= 2;
    uint8_t *larger = realloc(b->at, wanted);
    if (!larger)
        return false;
    if (b->conn_limit)
        conn_limit_add_memory(b->conn_limit, wanted - b->size);
    b->at = larger;
    b->size = wanted;
    return true;
}

bool buffer_append(struct buffer *b, const void *octets, size_t len)
{
    if (len == 0)
        return true;
    if (!buffer_reserve(b, len))
        return false;
    memcpy(b->at + b->len, octets, len);
    b->len += len;
    return true;
}

void buffer_remove(struct buffer *b, size_t len)
{
    b->len -= len;
    if (b->len > 0)
        memmove(b->at, b->at + len, b->len);
}

void buffer_fini(struct buffer *b)
{
    if (b->conn_limit)
        conn_limit_subtract_memory(b->conn_limit, b->size);
    free(b->at);
    b->at = NULL;
    b->len = b->size = 0;
}

void buffer_move(struct buffer *to, struct buffer *from)
{
    must(!to->at && to->conn_limit == from->conn_limit);
    *to = *from;
    from->at = NULL;
    from->len = from->size = 0;
}
