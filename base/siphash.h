/* base/siphash.h | SipHash-2-4, a keyed hash that other servers can compute too
 *
 * For values that leave the process: DNS cookies (RFC 9018).  Tables inside the process use
 * base/hash, which is faster.
 *
 * Thread:   any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Return the hash of `len` bytes under a 128-bit key.  Key, input and result are little-endian,
 * as the reference implementation defines them. */
uint64_t siphash(const uint8_t key[16], const uint8_t *bytes, size_t len);
