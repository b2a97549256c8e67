/* A hash table of chains.  When it is full, a clock hand goes round the buckets and evicts the
 * entries that have not been read since it last came by.
 *
 * The keys that get_before finds are in a treap too: a search tree by key that is a heap by
 * hash.  The author of a zone cannot choose the hashes, so the tree stays shallow. */
#include "resolver/cache/cache_memory.h"

#include "resolver/cache/sketch.h"

enum { BUCKETS_MIN = 1024, BYTES_PER_BUCKET = 512, LOOKS_PER_KEY = 64 };

struct entry {
    struct entry *next;
    struct entry *left, *right; /* in the treap */
    uint64_t hash;
    uint32_t len;
    uint16_t key_len;
    bool is_used;    /* read since the hand last came by */
    uint8_t bytes[]; /* the value, then the key */
};

/* Lifetime: worker. */
struct cache_memory {
    struct cache_store store;
    struct entry **buckets;
    size_t bucket_cnt; /* a power of two */
    struct entry *treap;
    size_t bytes, bytes_max;
    size_t hand;
    struct sketch *sketch;
    struct cache_versions versions;
};

static size_t entry_bytes(const struct entry *e) { return sizeof(*e) + e->len + e->key_len; }

/* ---- the treap ---- */

static bool is_ordered(const struct cache_key *key)
{
    return key->len > 0 && *key->bytes == CACHE_STORE_ORDERED;
}

static struct cache_key key_of_entry(const struct entry *e)
{
    return (struct cache_key){e->bytes + e->len, e->key_len, e->hash};
}

static int compare_to_entry(const struct cache_key *key, const struct entry *e)
{
    int diff = memcmp(key->bytes, e->bytes + e->len, util_min(key->len, e->key_len));
    return diff ? diff : (key->len > e->key_len) - (key->len < e->key_len);
}

static void add_to_treap(struct cache_memory *m, struct entry *e)
{
    struct cache_key key = key_of_entry(e);
    struct entry **at = &m->treap, **left = &e->left, **right = &e->right;

    while (*at && (*at)->hash >= e->hash)
        at = compare_to_entry(&key, *at) < 0 ? &(*at)->left : &(*at)->right;
    for (struct entry *t = *at; t;)
        if (compare_to_entry(&key, t) < 0) {
            *right = t;
            right = &t->left;
            t = t->left;
        } else {
            *left = t;
            left = &t->right;
            t = t->right;
        }
    *left = *right = NULL;
    *at = e;
}

static void remove_from_treap(struct cache_memory *m, struct entry *e)
{
    struct cache_key key = key_of_entry(e);
    struct entry **at = &m->treap, *left = e->left, *right = e->right;

    while (*at != e)
        at = compare_to_entry(&key, *at) < 0 ? &(*at)->left : &(*at)->right;
    while (left && right)
        if (left->hash > right->hash) {
            *at = left;
            at = &left->right;
            left = left->right;
        } else {
            *at = right;
            at = &right->left;
            right = right->left;
        }
    *at = left ? left : right;
}

static const uint8_t *memory_get_before(struct cache_store *store, const struct cache_key *key,
                                        size_t prefix_len, struct cache_place *place,
                                        size_t *len)
{
    struct cache_memory *m = container_of(store, struct cache_memory, store);
    struct entry *last = NULL;

    for (struct entry *t = m->treap; t;)
        if (compare_to_entry(key, t) < 0) {
            t = t->left;
        } else {
            last = t;
            t = t->right;
        }
    if (!last || last->key_len < prefix_len ||
        memcmp(last->bytes + last->len, key->bytes, prefix_len) != 0)
        return NULL;
    last->is_used = true;
    memcpy(place->key, last->bytes + last->len, last->key_len);
    place->len = last->key_len;
    *len = last->len;
    return last->bytes;
}

/* ---- the table ---- */

static struct entry **find_link(const struct cache_memory *m, const struct cache_key *key)
{
    struct entry **at = &m->buckets[key->hash & (m->bucket_cnt - 1)];
    while (*at && ((*at)->hash != key->hash || (*at)->key_len != key->len ||
                   memcmp((*at)->bytes + (*at)->len, key->bytes, key->len) != 0))
        at = &(*at)->next;
    return at;
}

static void drop_entry(struct cache_memory *m, struct entry **at)
{
    struct entry *e = *at;
    struct cache_key key = key_of_entry(e);

    *at = e->next;
    if (is_ordered(&key))
        remove_from_treap(m, e);
    m->bytes -= entry_bytes(e);
    free(e);
}

static const uint8_t *memory_get(struct cache_store *store, const struct cache_key *key,
                                 size_t *len)
{
    struct cache_memory *m = container_of(store, struct cache_memory, store);
    struct entry *e = *find_link(m, key);
    if (!e)
        return NULL;
    e->is_used = true;
    *len = e->len;
    return e->bytes;
}

/* Evict until `need` octets fit.  Two laps of the hand are enough: the first may only clear
 * is_used. */
static void evict_for(struct cache_memory *m, size_t need)
{
    for (size_t i = 0; i < 2 * m->bucket_cnt && m->bytes + need > m->bytes_max; i++) {
        struct entry **at = &m->buckets[m->hand++ & (m->bucket_cnt - 1)];
        while (*at) {
            if ((*at)->is_used) {
                (*at)->is_used = false;
                at = &(*at)->next;
            } else {
                drop_entry(m, at);
            }
        }
    }
}

static void memory_use(struct cache_store *store, uint64_t hash)
{
    (void)sketch_add(container_of(store, struct cache_memory, store)->sketch, hash);
}

static unsigned memory_popularity(const struct cache_store *store, uint64_t hash)
{
    return sketch_count(container_of(store, const struct cache_memory, store)->sketch, hash);
}

static void raise_key_version(struct cache_memory *m, uint64_t hash)
{
    atomic_fetch_add_explicit(&m->versions.slots[hash % CACHE_STORE_SLOTS], 1,
                              memory_order_relaxed);
}

static void memory_remove(struct cache_store *store, const struct cache_key *key)
{
    struct cache_memory *m = container_of(store, struct cache_memory, store);
    struct entry **at = find_link(m, key);
    if (!*at)
        return;
    drop_entry(m, at);
    raise_key_version(m, key->hash);
}

static bool is_below(const struct entry *e, const uint8_t *prefix, size_t len)
{
    return e->key_len >= len && memcmp(e->bytes + e->len, prefix, len) == 0;
}

static bool memory_remove_below(struct cache_store *store, const uint8_t *prefix, size_t len,
                                struct cache_place *place, size_t max, size_t *cnt)
{
    struct cache_memory *m = container_of(store, struct cache_memory, store);
    size_t looked = 0;

    for (; place->bucket < m->bucket_cnt; place->bucket++)
        for (struct entry **at = &m->buckets[place->bucket]; *at;) {
            if (looked++ == max * LOOKS_PER_KEY)
                return true;
            if (!is_below(*at, prefix, len)) {
                at = &(*at)->next;
                continue;
            }
            raise_key_version(m, (*at)->hash);
            drop_entry(m, at);
            (*cnt)++;
        }
    return false;
}

static enum err memory_put(struct cache_store *store, const struct cache_key *key,
                           const uint8_t *value, size_t len, int64_t expire_ms)
{
    struct cache_memory *m = container_of(store, struct cache_memory, store);
    size_t need = sizeof(struct entry) + key->len + len;

    (void)expire_ms; /* expired entries are not read, so the hand evicts them soon */
    memory_remove(store, key);
    if (need > m->bytes_max || len > CACHE_STORE_VALUE_MAX || key->len > CACHE_STORE_KEY_MAX)
        return ERR_SPACE;
    evict_for(m, need);
    struct entry *e = malloc(need);
    if (!e)
        return ERR_NOMEM;
    struct entry **head = &m->buckets[key->hash & (m->bucket_cnt - 1)];
    *e = (struct entry){
        .next = *head, .hash = key->hash, .len = (uint32_t)len, .key_len = (uint16_t)key->len};
    memcpy(e->bytes, value, len);
    memcpy(e->bytes + len, key->bytes, key->len);
    *head = e;
    if (is_ordered(key))
        add_to_treap(m, e);
    m->bytes += need;
    raise_key_version(m, key->hash);
    return ERR_OK;
}

static void memory_renew(struct cache_store *store) { (void)store; /* there is one writer */ }

static bool memory_settle(struct cache_store *store)
{
    (void)store; /* put writes at once */
    return false;
}

static bool memory_sync(struct cache_store *store)
{
    (void)store;
    return true;
}

static void memory_free(struct cache_store **store)
{
    if (!*store)
        return;
    struct cache_memory *m = container_of(*store, struct cache_memory, store);
    for (size_t i = 0; i < m->bucket_cnt; i++)
        while (m->buckets[i])
            drop_entry(m, &m->buckets[i]);
    free(m->buckets);
    sketch_free(&m->sketch);
    free(m);
    *store = NULL;
}

enum err cache_memory_new(size_t bytes, struct cache_store **out)
{
    struct cache_memory *m = calloc(1, sizeof(*m));
    if (!m)
        return ERR_NOMEM;
    m->bytes_max = bytes;
    m->bucket_cnt = BUCKETS_MIN;
    while (m->bucket_cnt * BYTES_PER_BUCKET < bytes)
        m->bucket_cnt *= 2;
    m->buckets = calloc(m->bucket_cnt, sizeof(struct entry *));
    if (!m->buckets || sketch_new(&m->sketch) != ERR_OK) {
        free(m->buckets);
        free(m);
        return ERR_NOMEM;
    }
    m->store = (struct cache_store){.get = memory_get,
                                    .get_before = memory_get_before,
                                    .use = memory_use,
                                    .popularity = memory_popularity,
                                    .put = memory_put,
                                    .remove = memory_remove,
                                    .remove_below = memory_remove_below,
                                    .renew = memory_renew,
                                    .settle = memory_settle,
                                    .sync = memory_sync,
                                    .free = memory_free,
                                    .versions = &m->versions};
    *out = &m->store;
    return ERR_OK;
}
