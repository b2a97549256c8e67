/* base/util.h | small macros and inline functions that C lacks
 *
 * Thread:   any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Return the struct of type `type` whose field `field` is at `ptr`. */
#define container_of(ptr, type, field) ((type *)(void *)((char *)(ptr)-offsetof(type, field)))

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

/* Abort if `cond` is false, in every build.  For bugs in this program only: `cond` must not
 * depend on input. */
#define must(cond)                                                                        \
    do {                                                                                  \
        if (__builtin_expect(!(cond), 0)) {                                               \
            fprintf(stderr, "bug: %s:%d: %s does not hold\n", __FILE__, __LINE__, #cond); \
            abort();                                                                      \
        }                                                                                 \
    } while (0)

/* Return the smaller or the larger of two sizes. */
static inline size_t util_min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t util_max(size_t a, size_t b) { return a > b ? a : b; }

/* Make room for one more item in the malloc'ed array `at`, which has `cnt` items of `item`
 * bytes and room for *size of them.  Return the array, which may have moved and doubled.  NULL
 * without memory: then `at` and *size are unchanged. */
static inline void *util_grow(void *at, size_t cnt, size_t *size, size_t item)
{
    if (cnt < *size)
        return at;
    size_t wanted = *size ? *size * 2 : 64;
    void *larger = realloc(at, wanted * item);
    if (larger)
        *size = wanted;
    return larger;
}

/* Read and write integers in network byte order at any alignment.  The caller has checked the
 * bounds. */
static inline uint16_t util_get_u16(const uint8_t *p) { return (uint16_t)((p[0] << 8) | p[1]); }
static inline uint32_t util_get_u32(const uint8_t *p)
{
    return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
}
static inline void util_put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void util_put_u32(uint8_t *p, uint32_t v)
{
    util_put_u16(p, (uint16_t)(v >> 16));
    util_put_u16(p + 2, (uint16_t)v);
}

/* Return an ASCII letter in lower case, any other octet unchanged.  The locale is ignored: only
 * ASCII letters have case in domain names (RFC 4343 3). */
static inline uint8_t util_lower(uint8_t c)
{
    return (uint8_t)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}
/* As util_lower, for eight octets at once: bit 5 is set in each octet from 'A' to 'Z'. */
static inline uint64_t util_lower8(uint64_t octets)
{
    const uint64_t ones = 0x0101010101010101U;
    uint64_t low = octets & (ones * 0x7f);
    uint64_t from_a = low + ones * (0x80 - 'A'), past_z = low + ones * (0x7f - 'Z');
    return octets | ((~octets & (from_a ^ past_z) & (ones * 0x80)) >> 2);
}

/* Load the first eight octets, or all `len` if there are fewer, into a number.  Octets of the
 * same length give the same number only if they are equal.  The caller has checked
 * the bounds. */
static inline uint64_t util_load8(const uint8_t *p, size_t len)
{
    uint64_t word = 0;
    uint32_t low, high;

    if (len >= 8) {
        memcpy(&word, p, 8);
    } else if (len >= 4) { /* two halves that may overlap */
        memcpy(&low, p, 4);
        memcpy(&high, p + len - 4, 4);
        word = (uint64_t)high << 32 | low;
    } else if (len > 0) {
        word = (uint64_t)p[0] | (uint64_t)p[len / 2] << 8 | (uint64_t)p[len - 1] << 16;
    }
    return word;
}

/* Return true if `len` octets are equal, ignoring the case of ASCII letters. */
static inline int util_is_same(const uint8_t *a, const uint8_t *b, size_t len)
{
    for (; len >= 8; len -= 8, a += 8, b += 8)
        if (util_lower8(util_load8(a, 8)) != util_lower8(util_load8(b, 8)))
            return 0;
    return util_lower8(util_load8(a, len)) == util_lower8(util_load8(b, len));
}

/* Return true for an ASCII digit. */
static inline int util_is_digit(char c) { return c >= '0' && c <= '9'; }
