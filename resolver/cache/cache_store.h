/* resolver/cache/cache_store.h | where the cache keeps its octets
 *
 * A table of calls from keys to values; resolver/cache gives them their meaning.
 *
 * Thread:   one worker.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/util.h"

enum {
    CACHE_STORE_KEY_MAX = 500,
    /* An RRset as large as a message, its signatures, and what stands in front of them. */
    CACHE_STORE_VALUE_MAX = 2 * (65535 + 12) + 2048,
    CACHE_STORE_SLOTS = 65536,
};

struct cache_key {
    const uint8_t *bytes;
    size_t len;
    uint64_t hash; /* hash_more over them */
};

/* Who keeps something that was made of values can tell whether one of them is another by now:
 * whatever is written raises the number of its key's slot.  Lifetime: that of the store, or of
 * the process. */
struct cache_versions {
    _Atomic uint64_t epoch; /* raised before the slots are */
    _Atomic uint32_t slots[CACHE_STORE_SLOTS];
};

/* How far a walk over keys has come.  Zeros: it begins. */
struct cache_place {
    uint8_t key[CACHE_STORE_KEY_MAX];
    size_t len;
    size_t bucket;
};

struct cache_store {
    /* The value of a key, NULL when there is none; at any alignment, and good until the next
     * call that writes, or settle. */
    const uint8_t *(*get)(struct cache_store *store, const struct cache_key *key, size_t *len);
    /* Count a use, so that the key is kept for longer than others. */
    void (*use)(struct cache_store *store, uint64_t hash);
    /* About how often it was used lately, up to SKETCH_MOST. */
    unsigned (*popularity)(const struct cache_store *store, uint64_t hash);
    /* Keep a copy; at `expire_ms` (wall time) it may go first.  ERR_SPACE, ERR_NOMEM: it is not
     * kept; what was there before may or may not be. */
    enum err (*put)(struct cache_store *store, const struct cache_key *key,
                    const uint8_t *value, size_t len, int64_t expire_ms);
    /* Forget one key; that it is not there is fine. */
    void (*remove)(struct cache_store *store, const struct cache_key *key);
    /* Forget up to `max` keys that begin with `prefix`, from `place` on, which moves along;
     * *cnt grows by their number.  True: there may be more, call again in another turn.  What
     * others are just writing may stay. */
    bool (*remove_below)(struct cache_store *store, const uint8_t *prefix, size_t len,
                         struct cache_place *place, size_t max, size_t *cnt);
    /* See what others have written meanwhile; nothing that get returned is looked at any more.
     */
    void (*renew)(struct cache_store *store);
    /* Store now what was written through it.  Return false if another worker is writing: call
     * again in another turn. */
    bool (*sync)(struct cache_store *store);
    /* The end of a turn, and the same: what was written is on its way to where others see it.
     * True: some of it waits for more, call again within some milliseconds. */
    bool (*settle)(struct cache_store *store);
    /* When others see all that was written until now, the owner of the store hears of `hash`;
     * that shall be after this turn if it is urgent.  NULL: there are no others. */
    void (*announce)(struct cache_store *store, uint64_t hash, bool is_urgent);
    /* End.  Clears the pointer. */
    void (*free)(struct cache_store **store);
    struct cache_versions *versions;
    uint64_t epoch; /* of what get sees */
    bool is_shared; /* others see what is written here */
};
