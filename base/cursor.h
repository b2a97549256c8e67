/* base/cursor.h | bounds-checked reader of untrusted bytes
 *
 * A read past the end returns zeros and marks the cursor as failed, so that a parser reads on
 * and checks once.  This is the only place that compares an offset with the length of hostile
 * input.
 *
 * Owner:    the bytes are borrowed.
 * Thread:   one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

/* Lifetime: that of the bytes. */
struct cursor {
    const uint8_t *data;
    size_t len;
    size_t pos;  /* never above len */
    bool failed; /* a read went past the end; never cleared */
};

/* Return a cursor at the first of `len` bytes. */
static inline struct cursor cursor_over(const void *data, size_t len)
{
    return (struct cursor){.data = data, .len = len};
}

/* Return true if a read went past the end. */
static inline bool cursor_failed(const struct cursor *c) { return c->failed; }

/* Return true if unread bytes are left and no read has failed. */
static inline bool cursor_more(const struct cursor *c) { return !c->failed && c->pos < c->len; }

/* Return the number of unread bytes. */
static inline size_t cursor_left(const struct cursor *c) { return c->len - c->pos; }

/* Mark the cursor as failed: every later read returns zeros. */
static inline void cursor_fail(struct cursor *c)
{
    c->failed = true;
    c->pos = c->len;
}

/* Return the next `len` bytes and step over them.  If there are fewer, fail and return NULL. */
static inline const uint8_t *cursor_bytes(struct cursor *c, size_t len)
{
    if (c->failed || len > c->len - c->pos) {
        cursor_fail(c);
        return NULL;
    }
    const uint8_t *p = c->data + c->pos;
    c->pos += len;
    return p;
}

/* Return the next 1, 2 or 4 bytes as a number in network byte order, 0 past the end. */
static inline uint8_t cursor_u8(struct cursor *c)
{
    const uint8_t *p = cursor_bytes(c, 1);
    return p ? *p : 0;
}
static inline uint16_t cursor_u16(struct cursor *c)
{
    const uint8_t *p = cursor_bytes(c, 2);
    return p ? util_get_u16(p) : 0;
}
static inline uint32_t cursor_u32(struct cursor *c)
{
    const uint8_t *p = cursor_bytes(c, 4);
    return p ? util_get_u32(p) : 0;
}

/* Return a cursor over the next `len` bytes and step over them.  If there are fewer, both
 * cursors have failed. */
static inline struct cursor cursor_sub(struct cursor *c, size_t len)
{
    const uint8_t *p = cursor_bytes(c, len);
    struct cursor sub = cursor_over(p, p ? len : 0);
    sub.failed = !p;
    return sub;
}
