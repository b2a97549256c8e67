/* layer 30 | resolver/cache_store.h | where the cache keeps its octets
 *
 * A table of calls from keys to values; resolver/cache gives them their meaning.
 *
 * Thread:   one worker.
 */
#pragma once

#include "base/err.h"
#include "base/util.h"

enum {
    CACHE_STORE_KEY_MAX = 520,
    CACHE_STORE_VALUE_MAX = 16384 /* limits.md section 3 */
};

struct cache_store {
    /* The value of a key, NULL when there is none; good until the next call that writes. */
    const uint8_t *(*get)(struct cache_store *store, const uint8_t *key, size_t key_len,
                          size_t *len);
    /* Keep a copy.  ERR_SPACE, ERR_NOMEM: it is not kept, nor is what was there before. */
    enum err (*put)(struct cache_store *store, const uint8_t *key, size_t key_len,
                    const uint8_t *value, size_t len);
    /* Forget one key; that it is not there is fine. */
    void (*remove)(struct cache_store *store, const uint8_t *key, size_t key_len);
    /* End.  Clears the pointer. */
    void (*free)(struct cache_store **store);
};
