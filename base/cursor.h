/* base/cursor.h | bounds-checked reading of untrusted bytes
 *
 * A read past the end yields zeros and sets a mark that stays, so a parser reads on and checks
 * once. This is the one place where the length of hostile input is compared with an offset.
 *
 * Owner:    the bytes are borrowed.
 * Thread:   one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

/* Lifetime: that of the bytes it looks at. */
struct cursor {
    const uint8_t *data;
    size_t len;
    size_t pos;  /* <= len, always */
    bool failed; /* a read went past the end */
};

/* A cursor at the first of `len` bytes. */
static inline struct cursor cursor_over(const void *data, size_t len)
{
    return (struct cursor){.data = data, .len = len};
}

/* Whether a read went past the end. */
static inline bool cursor_failed(const struct cursor *c) { return c->failed; }

/* Whether unread bytes are left and nothing failed. */
static inline bool cursor_more(const struct cursor *c) { return !c->failed && c->pos < c->len; }

/* Unread bytes. */
static inline size_t cursor_left(const struct cursor *c) { return c->len - c->pos; }

/* Mark the input as broken; every later read yields zeros. */
static inline void cursor_fail(struct cursor *c)
{
    c->failed = true;
    c->pos = c->len;
}

/* The next `len` bytes and step over them; NULL and the mark when there are fewer. */
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

/* Unsigned integers in network order; 0 past the end. */
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

/* A cursor over the next `len` bytes, stepping over them; failed and empty when there are
 * fewer. */
static inline struct cursor cursor_sub(struct cursor *c, size_t len)
{
    const uint8_t *p = cursor_bytes(c, len);
    struct cursor sub = cursor_over(p, p ? len : 0);
    sub.failed = !p;
    return sub;
}
