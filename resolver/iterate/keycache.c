/* A zone has one of WAYS places, chosen by the hash of its name. */
#include "resolver/iterate/keycache.h"

enum { WAYS = 4, SETS = KEYCACHE_ZONES_MAX / WAYS };

struct keycache_entry {
    struct keyset *keys; /* NULL: free */
    int64_t expire_ms;
    uint64_t used; /* turn of the last use */
};

struct keycache {
    uint64_t turn;
    struct keycache_entry at[SETS][WAYS];
};

struct keycache *keycache_new(void) { return calloc(1, sizeof(struct keycache)); }

static struct keycache_entry *find_keys_of(struct keycache *cache, const uint8_t *zone)
{
    struct keycache_entry *set = cache->at[dname_hash(zone) % SETS];

    for (size_t i = 0; i < WAYS; i++)
        if (set[i].keys && dname_is_equal(set[i].keys->zone, zone))
            return &set[i];
    return NULL;
}

struct keyset *keycache_find(struct keycache *cache, const uint8_t *zone, int64_t now_ms)
{
    struct keycache_entry *entry = find_keys_of(cache, zone);

    if (!entry || now_ms >= entry->expire_ms)
        return NULL;
    entry->used = ++cache->turn;
    return entry->keys;
}

void keycache_put(struct keycache *cache, struct keyset **keys, int64_t expire_ms)
{
    struct keycache_entry *entry = find_keys_of(cache, (*keys)->zone);

    if (!entry) {
        struct keycache_entry *set = cache->at[dname_hash((*keys)->zone) % SETS];
        entry = &set[0];
        for (size_t i = 1; i < WAYS && entry->keys; i++)
            if (!set[i].keys || set[i].used < entry->used)
                entry = &set[i];
    }
    keyset_free(&entry->keys);
    *entry =
        (struct keycache_entry){.keys = *keys, .expire_ms = expire_ms, .used = ++cache->turn};
    *keys = NULL;
}

void keycache_clear(struct keycache *cache)
{
    for (size_t i = 0; i < SETS; i++)
        for (size_t w = 0; w < WAYS; w++)
            keyset_free(&cache->at[i][w].keys);
}

void keycache_free(struct keycache **cache)
{
    if (*cache)
        keycache_clear(*cache);
    free(*cache);
    *cache = NULL;
}
