/* base/hash.h | keyed hash for tables of names
 *
 * A multiply-and-fold hash.  Its key is drawn from the system at start, so that neither the
 * author of a zone nor the sender of queries can choose buckets.  Values differ from run to run
 * and must not leave the process, except those of hash_more_keyed.
 *
 * Thread:   any, after hash_init.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Draw the key.  Call it before any other function here and before threads start.  Later calls
 * do nothing. */
void hash_init(void);

/* Return the hash of no bytes, with which a chain of hash_more begins. */
uint64_t hash_start(void);

/* Return `hash` extended by `len` bytes. */
uint64_t hash_more(uint64_t hash, const uint8_t *bytes, size_t len);

/* As hash_more, but under the caller's key, for values that outlive the process.  A chain
 * begins with key[0]; key[1] must be odd. */
uint64_t hash_more_keyed(const uint64_t key[2], uint64_t hash, const uint8_t *bytes,
                         size_t len);

/* As hash_more, but ASCII letters that differ only in case hash alike. */
uint64_t hash_more_lower(uint64_t hash, const uint8_t *bytes, size_t len);
