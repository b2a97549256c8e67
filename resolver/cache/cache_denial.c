/* A zone's keys begin with the zone's name and an empty label, which no name has: so they stand
 * together, and apart from those of zones below.  A denial that was cached before the zone's
 * entry was does not count, so that removing that entry is enough to forget them all. */
#include "resolver/cache/cache_denial.h"

#include "base/hash.h"
#include "base/now.h"

enum {
    DENIAL_VERSION = 1,
    KIND_NSEC = 1,
    KIND_NSEC3 = 3,
    PARAMS_TAG = 4, /* octets of the hash of the NSEC3 parameters in a key */
    SHA1_ONLY = 1,
    SALT_MAX = 255,
    DENIAL_VALUE_MAX = 8192, /* an NSEC has a small bitmap and few signatures */
    REFRESH_PART = 8,        /* a zone's entry is written again for so large a part of a TTL */
};

/* docs/CACHE.md describes these formats. */
struct denial_head {
    uint8_t version;
    uint8_t owner_len; /* of the owner, behind the RRset; 0: the entry of a zone */
    uint16_t reserved;
    uint32_t ttl;
    int64_t cached_ms;
    uint32_t route, trust;
};

/* The entry of a zone, behind the head; the SOA follows if there is one. */
struct zone_entry {
    int64_t since_ms, expire_ms;
    int64_t soa_cached_ms, soa_expire_ms;
    uint32_t cnt;
    uint16_t iterations;
    bool has_nsec, has_nsec3;
    uint8_t salt_len;
    uint8_t salt[SALT_MAX];
};

_Static_assert(sizeof(struct denial_head) == 24, "an RRset stands behind it");
_Static_assert(sizeof(struct zone_entry) % 8 == 0, "an RRset stands behind it");

/* A key that is being written. */
struct denial_key {
    size_t len;
    uint8_t bytes[CACHE_STORE_KEY_MAX];
};

/* ---- keys ---- */

/* Begin with the zone and the empty label.  False: too long. */
static bool begin_denial_key(struct denial_key *key, const struct cache_name *name,
                             unsigned labels)
{
    size_t len = name->end[labels];

    if (len + 1 > sizeof(key->bytes))
        return false;
    memcpy(key->bytes, name->key, len);
    key->bytes[0] = CACHE_STORE_ORDERED;
    key->bytes[len] = 0;
    key->len = len + 1;
    return true;
}

static bool extend_denial_key(struct denial_key *key, const uint8_t *bytes, size_t len)
{
    if (len > sizeof(key->bytes) - key->len)
        return false;
    memcpy(key->bytes + key->len, bytes, len);
    key->len += len;
    return true;
}

static struct cache_key denial_store_key(const struct denial_key *key)
{
    return (struct cache_key){key->bytes, key->len,
                              hash_more(hash_start(), key->bytes, key->len)};
}

/* Make the key of the NSEC at `name`.  *prefix_len gets the octets that all NSECs of the zone
 * share.  False: too long. */
static bool make_nsec_key(const struct cache_denial_zone *zone, const struct cache_name *name,
                          struct denial_key *key, size_t *prefix_len)
{
    const uint8_t kind = KIND_NSEC;
    size_t start = name->end[zone->labels], end = name->end[name->labels];

    if (!begin_denial_key(key, name, zone->labels) || !extend_denial_key(key, &kind, 1))
        return false;
    *prefix_len = key->len;
    return extend_denial_key(key, name->key + start, end - start);
}

/* Make the key of the NSEC3 at `hash`, under the parameters. */
static bool make_nsec3_key(const struct cache_denial_zone *zone,
                           const uint8_t hash[NSEC3_HASH_LEN], struct denial_key *key,
                           size_t *prefix_len)
{
    const struct nsec3_params *params = &zone->params;
    static const uint64_t keys[2] = {1, 3};
    const uint8_t kind = KIND_NSEC3;
    uint8_t tag[PARAMS_TAG];

    uint64_t of_salt =
        hash_more_keyed(keys, params->iterations, params->salt, params->salt_len);
    util_put_u32(tag, (uint32_t)(of_salt >> 32));
    if (!begin_denial_key(key, zone->name, zone->labels) || !extend_denial_key(key, &kind, 1) ||
        !extend_denial_key(key, tag, sizeof(tag)))
        return false;
    *prefix_len = key->len;
    return extend_denial_key(key, hash, NSEC3_HASH_LEN);
}

/* ---- reading ---- */

/* Read the head; false if the entry is of no use now. */
static bool read_denial_head(const struct cache *cache, const uint8_t *value, size_t len,
                             int64_t now_ms, struct denial_head *head)
{
    if (!value || len < sizeof(*head))
        return false;
    memcpy(head, value, sizeof(*head));
    return head->version == DENIAL_VERSION && head->trust == cache->trust &&
           !cache_is_ahead(head->cached_ms, now_ms);
}

/* Copy the SOA of a zone's entry. */
static void copy_zone_soa(const uint8_t *bytes, size_t len, struct arena *arena,
                          struct cache_denial_zone *out)
{
    const uint8_t *copy = len > 0 ? arena_copy(arena, bytes, len) : NULL;

    if (!copy || !rrset_check(copy, len))
        return;
    const struct rrset *soa = (const struct rrset *)(const void *)copy;
    if (soa->type == RRTYPE_SOA)
        out->soa = soa;
}

bool cache_denial_find_zone(struct cache *cache, const struct cache_name *name, unsigned labels,
                            const struct cache_time *when, struct arena *arena,
                            struct cache_denial_zone *out)
{
    struct denial_head head;
    struct zone_entry entry;
    struct denial_key key;
    size_t len;

    if (!begin_denial_key(&key, name, labels))
        return false;
    struct cache_key store_key = denial_store_key(&key);
    const uint8_t *value = cache->store->get(cache->store, &store_key, &len);
    if (!read_denial_head(cache, value, len, when->now_ms, &head) || head.owner_len != 0 ||
        len < sizeof(head) + sizeof(entry))
        return false;
    memcpy(&entry, value + sizeof(head), sizeof(entry));
    if (when->now_ms >= entry.expire_ms || cache_is_ahead(entry.since_ms, when->now_ms))
        return false;
    *out = (struct cache_denial_zone){.name = name,
                                      .labels = labels,
                                      .hash = store_key.hash,
                                      .route = head.route,
                                      .has_nsec = entry.has_nsec,
                                      .has_nsec3 = entry.has_nsec3,
                                      .since_ms = entry.since_ms,
                                      .expire_ms = entry.expire_ms,
                                      .soa_cached_ms = entry.soa_cached_ms,
                                      .soa_expire_ms = entry.soa_expire_ms,
                                      .cnt = entry.cnt};
    copy_zone_soa(value + sizeof(head) + sizeof(entry), len - sizeof(head) - sizeof(entry),
                  arena, out);
    cache_note_use(cache, store_key.hash);
    out->params = (struct nsec3_params){.algorithm = SHA1_ONLY,
                                        .iterations = entry.iterations,
                                        .salt_len = entry.salt_len,
                                        .salt = arena_copy(arena, entry.salt, entry.salt_len)};
    return out->params.salt != NULL;
}

/* Read the head of a denial; false if it counts no longer, for any lookup. */
static bool read_denial(const struct cache *cache, const struct cache_denial_zone *zone,
                        const uint8_t *value, size_t len, int64_t now_ms,
                        struct denial_head *head)
{
    return read_denial_head(cache, value, len, now_ms, head) && head->owner_len > 0 &&
           len >= sizeof(*head) + head->owner_len && head->route == zone->route &&
           head->cached_ms >= zone->since_ms &&
           now_ms < head->cached_ms + (int64_t)head->ttl * 1000;
}

static bool copy_denial(const struct denial_head *head, const uint8_t *value, size_t len,
                        struct arena *arena, struct cache_denial *out)
{
    size_t set_len = len - sizeof(*head) - head->owner_len;
    const uint8_t *copy = arena_copy(arena, value + sizeof(*head), len - sizeof(*head));

    if (!copy || !rrset_check(copy, set_len) ||
        dname_check(copy + set_len, head->owner_len) != head->owner_len)
        return false;
    out->cached_ms = head->cached_ms;
    out->expire_ms = head->cached_ms + (int64_t)head->ttl * 1000;
    out->proof.set = (const struct rrset *)(const void *)copy;
    out->proof.owner = copy + set_len;
    return true;
}

/* A denial that counts no longer is removed: it hides the one before it, which may cover the
 * name since the zone has changed. */
static bool find_denial_before(struct cache *cache, const struct cache_denial_zone *zone,
                               const struct denial_key *key, size_t prefix_len,
                               const struct cache_time *when, struct arena *arena,
                               struct cache_denial *out)
{
    struct cache_key wanted = {key->bytes, key->len, 0};
    struct cache_place place;
    struct denial_head head;
    size_t len;

    for (unsigned i = 0; i < CACHE_DENIAL_OBSOLETE_MAX; i++) {
        const uint8_t *value =
            cache->store->get_before(cache->store, &wanted, prefix_len, &place, &len);
        if (!value)
            return false;
        out->hash = hash_more(hash_start(), place.key, place.len);
        if (read_denial(cache, zone, value, len, when->now_ms, &head)) {
            cache_note_use(cache, out->hash);
            return head.cached_ms >= when->fresh_ms &&
                   copy_denial(&head, value, len, arena, out);
        }
        struct cache_key obsolete = {place.key, place.len, out->hash};
        cache->store->remove(cache->store, &obsolete);
    }
    return false;
}

bool cache_denial_find_nsec(struct cache *cache, const struct cache_denial_zone *zone,
                            const struct cache_name *name, const struct cache_time *when,
                            struct arena *arena, struct cache_denial *out)
{
    struct denial_key key;
    size_t prefix_len;

    return make_nsec_key(zone, name, &key, &prefix_len) &&
           find_denial_before(cache, zone, &key, prefix_len, when, arena, out) &&
           out->proof.set->type == RRTYPE_NSEC;
}

bool cache_denial_find_nsec3(struct cache *cache, const struct cache_denial_zone *zone,
                             const uint8_t hash[NSEC3_HASH_LEN], const struct cache_time *when,
                             struct arena *arena, struct cache_denial *out)
{
    struct denial_key key;
    size_t prefix_len;

    if (!make_nsec3_key(zone, hash, &key, &prefix_len))
        return false;
    bool is_there = find_denial_before(cache, zone, &key, prefix_len, when, arena, out);
    if (!is_there) {
        memset(key.bytes + prefix_len, 0xff, NSEC3_HASH_LEN);
        is_there = find_denial_before(cache, zone, &key, prefix_len, when, arena, out);
    }
    return is_there && out->proof.set->type == RRTYPE_NSEC3;
}

/* ---- showing ---- */

/* Lifetime: one call of cache_denial_show. */
struct denial_showing {
    struct cache *cache;
    struct arena *arena;
    struct cache_time when;
    struct cache_denial_zone zone;
    void (*show)(void *data, const struct cache_denial_zone *zone,
                 const struct cache_denial *denial);
    void *data;
};

/* Make the last key that is before `key`, which is not empty. */
static void step_back(struct denial_key *key)
{
    if (key->bytes[key->len - 1]-- == 0) {
        key->len--;
        return;
    }
    memset(key->bytes + key->len, 0xff, sizeof(key->bytes) - key->len);
    key->len = sizeof(key->bytes);
}

static size_t show_zone(struct denial_showing *s, struct denial_key *key)
{
    size_t prefix_len = key->len, len, shown = 0, looked = 0;
    struct cache_denial denial;
    struct denial_head head;
    struct cache_place place;

    memset(key->bytes + key->len, 0xff, sizeof(key->bytes) - key->len);
    key->len = sizeof(key->bytes);
    for (; looked < CACHE_DENIAL_SHOWN_MAX; looked++) {
        struct cache_key wanted = {key->bytes, key->len, 0};
        place.len = 0;
        const uint8_t *value =
            s->cache->store->get_before(s->cache->store, &wanted, prefix_len, &place, &len);
        if (place.len <= prefix_len) /* the zone's entry */
            return 0;
        if (read_denial(s->cache, &s->zone, value, len, s->when.now_ms, &head) &&
            copy_denial(&head, value, len, s->arena, &denial)) {
            denial.hash = hash_more(hash_start(), place.key, place.len);
            s->show(s->data, &s->zone, &denial);
            shown++;
        }
        memcpy(key->bytes, place.key, place.len);
        key->len = place.len;
        step_back(key);
    }
    return s->zone.cnt > shown ? s->zone.cnt - shown : 0;
}

/* True if a name is at or in an interval.  Comparisons as memcmp gives them: of the name with
 * the owner, of the next name with the name and with the owner. */
static bool is_in_interval(int from_owner, int to_next, int whole)
{
    if (from_owner == 0)
        return true;
    return whole > 0 ? from_owner > 0 && to_next > 0 : from_owner > 0 || to_next > 0;
}

/* True if the NSEC matches or covers the name.  The last one goes round to the apex. */
static bool is_nsec_of(const struct cache_proof *nsec, const uint8_t *name)
{
    const uint8_t *next = rrset_first(nsec->set).rdata;

    return is_in_interval(dname_compare(name, nsec->owner), dname_compare(next, name),
                          dname_compare(next, nsec->owner));
}

/* The same of an NSEC3 and a hash. */
static bool is_nsec3_of(const struct cache_proof *nsec3, const uint8_t hash[NSEC3_HASH_LEN])
{
    uint8_t owner[NSEC3_HASH_LEN];
    size_t len;
    const uint8_t *next = nsec3_next_hash(rrset_first(nsec3->set).rdata, &len);

    return len == NSEC3_HASH_LEN && nsec3_read_label(nsec3->owner, owner) &&
           is_in_interval(memcmp(hash, owner, len), memcmp(next, hash, len),
                          memcmp(next, owner, len));
}

static void show_denials_of(struct denial_showing *s, const struct cache_name *name)
{
    struct cache_denial denial;
    uint8_t hash[NSEC3_HASH_LEN];
    uint64_t shown = 0;

    if (s->zone.has_nsec &&
        cache_denial_find_nsec(s->cache, &s->zone, name, &s->when, s->arena, &denial) &&
        is_nsec_of(&denial.proof, name->dname))
        s->show(s->data, &s->zone, &denial);
    for (unsigned n = s->zone.labels + 1; s->zone.has_nsec3 && n <= name->labels; n++) {
        nsec3_hash(&s->zone.params, dname_suffix(name->dname, n), hash);
        if (!cache_denial_find_nsec3(s->cache, &s->zone, hash, &s->when, s->arena, &denial) ||
            denial.hash == shown || !is_nsec3_of(&denial.proof, hash))
            continue;
        s->show(s->data, &s->zone, &denial);
        shown = denial.hash;
    }
}

size_t cache_denial_show(struct cache *cache, const struct cache_name *name,
                         struct arena *arena,
                         void (*show)(void *data, const struct cache_denial_zone *zone,
                                      const struct cache_denial *denial),
                         void *data)
{
    struct denial_showing s = {.cache = cache,
                               .arena = arena,
                               .when = {.now_ms = now_wall_ms(), .since_ms = INT64_MAX},
                               .show = show,
                               .data = data};
    struct denial_key key;
    unsigned labels = name->labels + 1;

    while (labels > 0 &&
           !cache_denial_find_zone(cache, name, labels - 1, &s.when, arena, &s.zone))
        labels--;
    if (labels == 0)
        return 0;
    if (labels - 1 == name->labels && begin_denial_key(&key, name, name->labels))
        return show_zone(&s, &key);
    show_denials_of(&s, name);
    return 0;
}

/* ---- writing ---- */

/* A value that is being written. */
struct denial_value {
    size_t len;
    uint8_t bytes[DENIAL_VALUE_MAX];
};

static bool add_to_value(struct denial_value *value, const void *bytes, size_t len)
{
    if (len > sizeof(value->bytes) - value->len)
        return false;
    memcpy(value->bytes + value->len, bytes, len);
    value->len += len;
    return true;
}

static bool add_rrset_to_value(struct denial_value *value, const struct rrset *set)
{
    const struct rrset *sigs = rrset_signatures(set);
    return add_to_value(value, set, rrset_stride(set) + (sigs ? rrset_stride(sigs) : 0));
}

/* Make the key of a denial; false if it cannot be used aggressively.  An NSEC3 with the opt-out
 * flag does not prove that no delegation is there (RFC 8198 5.2). */
static bool make_denial_key(struct cache_denial_zone *zone, const struct cache_proof *denial,
                            struct denial_key *key)
{
    const uint8_t *rdata = rrset_first(denial->set).rdata;
    uint8_t hash[NSEC3_HASH_LEN];
    struct cache_name name;
    size_t prefix_len, next_len;

    if (!dname_is_under(denial->owner, zone->name->dname) || denial->set->cnt != 1 ||
        !(denial->set->flags & RRSET_IS_SIGNED))
        return false;
    if (denial->set->type == RRTYPE_NSEC) {
        zone->has_nsec = true;
        cache_name_init(&name, denial->owner);
        return make_nsec_key(zone, &name, key, &prefix_len);
    }
    if (denial->set->type != RRTYPE_NSEC3)
        return false;
    struct nsec3_params params = nsec3_read_params(rdata);
    (void)nsec3_next_hash(rdata, &next_len);
    if (!nsec3_is_supported(&params) || params.flags != 0 || next_len != NSEC3_HASH_LEN ||
        dname_labels(denial->owner) != zone->labels + 1 ||
        !nsec3_read_label(denial->owner, hash))
        return false;
    zone->has_nsec3 = true;
    zone->params = params;
    return make_nsec3_key(zone, hash, key, &prefix_len);
}

/* Cache one denial.  Return true if the zone's entry has to be written again. */
static bool put_denial(struct cache *cache, struct cache_denial_zone *zone,
                       const struct cache_proof *denial,
                       const struct cache_denial_source *source)
{
    struct denial_head head = {.version = DENIAL_VERSION,
                               .owner_len = (uint8_t)dname_len(denial->owner),
                               .cached_ms = source->now_ms,
                               .route = source->route,
                               .trust = cache->trust};
    struct denial_key key;
    struct denial_value value = {.len = 0};
    size_t len;

    if (!make_denial_key(zone, denial, &key))
        return false;
    struct cache_key store_key = denial_store_key(&key);
    bool is_new = cache->store->get(cache->store, &store_key, &len) == NULL;
    size_t ttl = util_min(denial->set->ttl, cache->ttls.negative_max);
    if (zone->soa) /* RFC 9077 3 */
        ttl = util_min(ttl, cache_negative_ttl(cache, zone->soa));
    head.ttl = (uint32_t)ttl;
    int64_t life_ms = (int64_t)ttl * 1000, expire_ms = source->now_ms + life_ms;
    if ((is_new && zone->cnt >= CACHE_DENIAL_ZONE_MAX) || ttl == 0 ||
        !add_to_value(&value, &head, sizeof(head)) ||
        !add_rrset_to_value(&value, denial->set) ||
        !add_to_value(&value, denial->owner, head.owner_len) ||
        cache->store->put(cache->store, &store_key, value.bytes, value.len, expire_ms) !=
            ERR_OK)
        return false;
    zone->cnt += is_new;
    bool is_later = expire_ms > zone->expire_ms + life_ms / REFRESH_PART;
    if (expire_ms > zone->expire_ms)
        zone->expire_ms = expire_ms;
    return is_new || is_later;
}

static void put_zone_entry(struct cache *cache, const struct cache_denial_zone *zone,
                           const struct cache_denial_source *source)
{
    struct denial_head head = {.version = DENIAL_VERSION,
                               .cached_ms = source->now_ms,
                               .route = source->route,
                               .trust = cache->trust};
    struct zone_entry entry;
    struct denial_key key;
    struct denial_value value = {.len = 0};

    memset(&entry, 0, sizeof(entry)); /* padding too */
    entry.since_ms = zone->since_ms;
    entry.expire_ms = zone->expire_ms;
    entry.soa_cached_ms = zone->soa_cached_ms;
    entry.soa_expire_ms = zone->soa_expire_ms;
    entry.cnt = zone->cnt;
    entry.iterations = zone->params.iterations;
    entry.has_nsec = zone->has_nsec;
    entry.has_nsec3 = zone->has_nsec3;
    entry.salt_len = zone->params.salt_len;
    if (entry.salt_len > 0)
        memcpy(entry.salt, zone->params.salt, entry.salt_len);
    if (!begin_denial_key(&key, zone->name, zone->labels) ||
        !add_to_value(&value, &head, sizeof(head)) ||
        !add_to_value(&value, &entry, sizeof(entry)) ||
        (zone->soa && !add_rrset_to_value(&value, zone->soa)))
        return;
    struct cache_key store_key = denial_store_key(&key);
    enum err err =
        cache->store->put(cache->store, &store_key, value.bytes, value.len, zone->expire_ms);
    (void)err; /* not cached: its denials are not used */
}

/* Take the SOA of the reply.  Return true if the one that is cached is missing or half as old
 * as it may get. */
static bool take_zone_soa(const struct cache *cache, const struct cache_denial_source *source,
                          struct cache_denial_zone *zone)
{
    if (!source->soa)
        return false;
    int64_t expire_ms = source->now_ms + (int64_t)cache_negative_ttl(cache, source->soa) * 1000;
    bool is_later =
        !zone->soa || expire_ms - zone->soa_expire_ms > zone->soa_expire_ms - source->now_ms;
    zone->soa = source->soa;
    zone->soa_cached_ms = source->now_ms;
    zone->soa_expire_ms = expire_ms;
    return is_later;
}

void cache_denial_put(struct cache *cache, const struct cache_denial_source *source,
                      struct arena *arena)
{
    struct cache_time when = {.now_ms = source->now_ms, .since_ms = INT64_MAX};
    struct cache_denial_zone zone;
    struct cache_name name;

    if (source->cnt == 0)
        return;
    cache_name_init(&name, source->zone);
    if (!cache_denial_find_zone(cache, &name, name.labels, &when, arena, &zone) ||
        zone.route != source->route)
        zone = (struct cache_denial_zone){.name = &name,
                                          .labels = name.labels,
                                          .route = source->route,
                                          .since_ms = source->now_ms};
    bool is_newer = take_zone_soa(cache, source, &zone);
    bool is_changed = false;
    for (size_t i = 0; i < source->cnt; i++)
        is_changed |= put_denial(cache, &zone, &source->denials[i], source);
    if (is_changed || (is_newer && zone.cnt > 0))
        put_zone_entry(cache, &zone, source);
}

void cache_denial_forget(struct cache *cache, const struct cache_name *name)
{
    struct denial_key key;
    size_t len;

    for (unsigned n = 0; n <= name->labels; n++) {
        if (!begin_denial_key(&key, name, n))
            return;
        struct cache_key store_key = denial_store_key(&key);
        if (cache->store->get(cache->store, &store_key, &len))
            cache->store->remove(cache->store, &store_key);
    }
}
