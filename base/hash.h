/* base/hash.h | one keyed hash for names
 *
 * A multiply-and-fold hash whose key is drawn from the system at the first use, so that who
 * writes zone data or sends questions cannot choose the bucket.  Values differ from run to run
 * and never leave the process, but for those under a key of one's own.
 *
 * Thread:   any, after hash_init.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Draw the key.  Once, before any other call and before threads start; later calls change
 * nothing. */
void hash_init(void);

/* The hash of nothing: where a chain of hash_more begins. */
uint64_t hash_start(void);

/* Add `len` bytes to `hash`. */
uint64_t hash_more(uint64_t hash, const uint8_t *bytes, size_t len);

/* The same under a key of the caller's, whose second word is odd: for values that outlive the
 * process.  A chain begins with the key's first word. */
uint64_t hash_more_keyed(const uint64_t key[2], uint64_t hash, const uint8_t *bytes,
                         size_t len);

/* The same as hash_more, with ASCII letters of either case counting as one. */
uint64_t hash_more_lower(uint64_t hash, const uint8_t *bytes, size_t len);
