/* base/siphash.h | SipHash-2-4, the keyed hash that others can compute too
 *
 * For values that leave the process: DNS cookies (RFC 9018).  Tables inside use base/hash.
 *
 * Thread:   any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The hash of `len` bytes under the 128-bit key, read and returned little-endian as its authors
 * define it. */
uint64_t siphash(const uint8_t key[16], const uint8_t *bytes, size_t len);
