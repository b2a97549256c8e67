/* resolver/cache/cache_store.h | the interface of the stores that keep the cache's octets
 *
 * A table of calls from keys to values; resolver/cache/cache.h gives both their meaning.
 *
 * Owner:    the cache owns its store and ends it with `free`.
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
    /* An RRset as large as a message, its signatures, and the headers before them. */
    CACHE_STORE_VALUE_MAX = 2 * (65535 + 12) + 2048,
    CACHE_STORE_SLOTS = 65536,
    CACHE_STORE_OWN = 0,     /* first octet of the keys that are not evicted from a file, */
    CACHE_STORE_OWN_MAX = 2, /* if they have no more octets */
    CACHE_STORE_ORDERED = 6, /* first octet of the keys that get_before finds */
};

struct cache_key {
    const uint8_t *bytes;
    size_t len;
    uint64_t hash; /* hash_more of the bytes */
};

/* Counters that tell whether an entry has been written again: each write raises the slot of its
 * key.  The answer cache checks them.  Lifetime: that of the store, or the process. */
struct cache_versions {
    _Atomic uint64_t epoch; /* raised before the slots are */
    _Atomic uint32_t slots[CACHE_STORE_SLOTS];
};

/* A key that was found, or the progress of a walk over keys.  All zeros: it has not begun. */
struct cache_place {
    uint8_t key[CACHE_STORE_KEY_MAX];
    size_t len;
    size_t bucket;
};

struct cache_store {
    /* Return the value of a key, NULL if there is none.  It has no alignment, and is valid
     * until the next call that writes, or settle. */
    const uint8_t *(*get)(struct cache_store *store, const struct cache_key *key, size_t *len);
    /* Find the last key that is not behind `key`, among those that begin with its first
     * `prefix_len` octets, of which the first is CACHE_STORE_ORDERED.  Copy it to `place`, and
     * return its value as `get` does; NULL if there is none. */
    const uint8_t *(*get_before)(struct cache_store *store, const struct cache_key *key,
                                 size_t prefix_len, struct cache_place *place, size_t *len);
    /* Count a use, so that eviction spares the key longer. */
    void (*use)(struct cache_store *store, uint64_t hash);
    /* Return about how often the key was used lately, up to SKETCH_MOST. */
    unsigned (*popularity)(const struct cache_store *store, uint64_t hash);
    /* Store a copy.  From `expire_ms` (wall) on it may be evicted first.  ERR_SPACE, ERR_NOMEM:
     * it is not stored, and the former value may be gone. */
    enum err (*put)(struct cache_store *store, const struct cache_key *key,
                    const uint8_t *value, size_t len, int64_t expire_ms);
    /* Delete a key; one that does not exist is fine. */
    void (*remove)(struct cache_store *store, const struct cache_key *key);
    /* Delete up to `max` keys that begin with `prefix`, from `place` on, which moves along, and
     * add their number to *cnt.  Return true if there may be more: call again in another turn.
     * What other workers are writing meanwhile may stay. */
    bool (*remove_below)(struct cache_store *store, const uint8_t *prefix, size_t len,
                         struct cache_place *place, size_t max, size_t *cnt);
    /* See what other workers have written.  Values that `get` returned before become invalid.
     */
    void (*renew)(struct cache_store *store);
    /* Commit what this worker wrote, now.  Return false if another worker is writing: call
     * again in another turn. */
    bool (*sync)(struct cache_store *store);
    /* End a turn: renew, and send off what this worker wrote.  Return true if some of it waits
     * for more to join it: call again within some milliseconds. */
    bool (*settle)(struct cache_store *store);
    /* Have the store's `announced` callback called with `hash` once all workers see what was
     * written until now; if urgent, after this turn.  NULL: the store is one worker's alone. */
    void (*announce)(struct cache_store *store, uint64_t hash, bool is_urgent);
    /* End the store.  Clears the pointer; NULL inside is fine. */
    void (*free)(struct cache_store **store);
    struct cache_versions *versions;
    uint64_t epoch; /* of what `get` sees */
    bool is_shared; /* other workers see what is written here */
};
