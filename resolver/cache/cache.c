/* A key is a space, the name in the order of RFC 4034 6.1, and the type, so that the entries of
 * a name stand together.  A value is a head of fixed size, then RRsets as dns/rrset.h packs
 * them, and is checked when it is read.  Failures have a space of their own, so that a failure
 * does not replace expired data, which may still be served stale.  Bogus data has one too: it
 * replaces nothing, and only queries with CD look there. */
#include "resolver/cache/cache.h"

#include "base/hash.h"
#include "base/now.h"
#include "resolver/cache/cache_denial.h"

enum space {
    SPACE_DATA = 1,
    SPACE_DELEGATION,
    SPACE_FAILURE,
    SPACE_BOGUS,
    SPACE_CUT,
    SPACE_DENIAL = CACHE_STORE_ORDERED, /* cache_denial.c */
};

enum {
    VERSION = 5,
    NO_SOA_TTL = 5,
    TTL_LIMIT = 0x7fffffff,
    PREFETCH_PART = 10,      /* an entry is prefetched in the last tenth of its TTL */
    FOLDED = 16,             /* octets of the hashes that end a long key */
    CLOCK_SLACK_MS = 10000,  /* steps of the clock that are tolerated */
    TYPES_OF_THEIR_OWN = 66, /* up to HTTPS */
    TYPES_SHARED = 0xff00,
    FLUSH_AT_ONCE = 64,
    FLUSH_IDLE_MAX = 100000
};

enum { STALE_SHOWN_MS = 86400000, SECURITY_IS_CUT = 0x80 };

/* docs/CACHE.md describes this format. */
struct head {
    uint8_t version, kind, rank, addr_len; /* addr_len: 0, 4 or 16 */
    uint32_t ttl;
    int64_t cached_ms;
    uint8_t addr[16];
    uint16_t port;
    uint16_t ede;
    uint16_t failed_cnt;
    uint16_t owner_len; /* of the SOA, whose owner stands behind the RRset */
    uint32_t route;
    uint16_t type;       /* of the key; 0: the name itself, or a delegation */
    uint8_t security;    /* enum cache_security, and SECURITY_IS_CUT */
    uint8_t section;     /* of the message where it stood */
    uint32_t proofs_len; /* octets of the proofs, which end the value */
    uint32_t trust;      /* of struct cache, when it was cached */
};

_Static_assert(sizeof(struct head) == 56, "an RRset stands behind it");

void cache_name_init(struct cache_name *name, const uint8_t *dname)
{
    const uint8_t *label[DNAME_LABELS_MAX];
    unsigned cnt = 0;
    uint8_t *p = name->key + 1;

    for (const uint8_t *l = dname; *l; l += *l + 1)
        label[cnt++] = l;
    name->labels = cnt;
    name->dname = dname;
    name->end[0] = 1;
    for (unsigned n = 1; n <= cnt; n++) {
        const uint8_t *l = label[cnt - n];
        for (unsigned i = 1; i <= *l; i++) {
            uint8_t c = util_lower(l[i]);
            if (c <= 1) {
                *p++ = 1;
                *p++ = (uint8_t)(c + 1);
            } else {
                *p++ = c;
            }
        }
        *p++ = 0;
        name->end[n] = (uint16_t)(p - name->key);
    }
}

/* A name has at most 100 types in the cache (docs/LIMITS.md section 3): those above HTTPS share
 * 34 places, and the type that was cached last keeps a place. */
static uint16_t type_place(uint16_t type)
{
    return type < TYPES_OF_THEIR_OWN
               ? type
               : (uint16_t)(TYPES_SHARED +
                            type * 40503U % 65536 % (CACHE_TYPES_MAX - TYPES_OF_THEIR_OWN));
}

/* Return the key of the suffix of `labels` labels.  Octets 00 and 01 take two each, so a name
 * of many of them may be too long for LMDB: hashes replace its end then. */
static struct cache_key place_key(const struct cache_name *name, enum space space,
                                  unsigned labels, uint16_t place,
                                  uint8_t bytes[CACHE_STORE_KEY_MAX])
{
    size_t len = name->end[labels];

    if (len > CACHE_STORE_KEY_MAX - 2) {
        const uint64_t keys[2] = {1, 3};
        size_t keep = CACHE_STORE_KEY_MAX - 2 - FOLDED;
        uint64_t a = hash_more(hash_start(), name->key + 1, len - 1);
        uint64_t b = hash_more_keyed(keys, a, name->key + 1, len - 1);
        memcpy(bytes, name->key, keep);
        memcpy(bytes + keep, &a, sizeof(a));
        memcpy(bytes + keep + sizeof(a), &b, sizeof(b));
        len = keep + FOLDED;
    } else {
        memcpy(bytes, name->key, len);
    }
    bytes[0] = (uint8_t)space;
    if (space != SPACE_DELEGATION) {
        util_put_u16(bytes + len, place);
        len += 2;
    }
    return (struct cache_key){bytes, len, hash_more(hash_start(), bytes, len)};
}

static struct cache_key entry_key(const struct cache_name *name, enum space space,
                                  unsigned labels, uint16_t type,
                                  uint8_t bytes[CACHE_STORE_KEY_MAX])
{
    return place_key(name, space, labels, type_place(type), bytes);
}

uint32_t cache_route(const struct cache *cache, const struct cache_name *name, unsigned labels,
                     uint16_t type)
{
    struct dname_parts parts;

    if (!cache->route)
        return 0;
    if (cache->route->zones.cnt == 0)
        return cache->route->hints.tag;
    dname_split(name->dname, &parts);
    return route_find(cache->route, &parts, labels - (type == RRTYPE_DS && labels > 0))->tag;
}

/* ---- reading ---- */

/* Return the value of a key behind its head, alive or expired.  An entry that came from other
 * configured servers than those of today is not found. */
static const uint8_t *read_cached(struct cache *cache, const struct cache_name *name,
                                  enum space space, unsigned labels, uint16_t type,
                                  struct head *head, size_t *len, uint64_t *hash)
{
    uint8_t bytes[CACHE_STORE_KEY_MAX];
    struct cache_key key = entry_key(name, space, labels, type, bytes);
    const uint8_t *value = cache->store->get(cache->store, &key, len);

    if (!value || *len < sizeof(*head))
        return NULL;
    memcpy(head, value, sizeof(*head));
    *len -= sizeof(*head);
    *hash = key.hash;
    if (head->version != VERSION || head->type != type || head->ttl > TTL_LIMIT ||
        (cache->route && head->route != cache_route(cache, name, labels, type)))
        return NULL;
    return value + sizeof(*head);
}

static int64_t expiry_of(const struct head *head)
{
    return head->cached_ms + (int64_t)head->ttl * 1000;
}

bool cache_is_ahead(int64_t cached_ms, int64_t now_ms)
{
    return cached_ms > now_ms + CLOCK_SLACK_MS;
}

static bool is_ahead(const struct head *head, int64_t now_ms)
{
    return cache_is_ahead(head->cached_ms, now_ms);
}

static bool is_alive(const struct head *head, const struct cache_time *when)
{
    if (is_ahead(head, when->now_ms))
        return false;
    return when->now_ms < expiry_of(head) || head->cached_ms >= when->since_ms;
}

static uint32_t ttl_left(const struct head *head, const struct cache_time *when)
{
    int64_t left_ms = expiry_of(head) - when->now_ms;
    int64_t left = left_ms > 0 ? (left_ms + 999) / 1000 : 0;
    return left > head->ttl ? head->ttl : (uint32_t)left; /* the clock was set back */
}

uint64_t cache_hash(const struct cache_name *name, uint16_t type)
{
    uint8_t bytes[CACHE_STORE_KEY_MAX];
    return entry_key(name, SPACE_DATA, name->labels, type, bytes).hash;
}

void cache_note_use(struct cache *cache, uint64_t hash)
{
    struct cache_used *used = &cache->used;

    if (used->cnt < CACHE_USED_MAX)
        used->hashes[used->cnt] = hash;
    used->cnt++;
}

/* Read the proofs, which are in memory of the arena.  Each is the length of its RRset, the
 * RRset, its owner and zeros up to a multiple of four octets. */
static bool read_proofs(const uint8_t *bytes, size_t len, struct cache_proofs *out)
{
    uint32_t set_len;

    for (size_t pos = 0; pos < len; out->cnt++) {
        if (out->cnt == CACHE_PROOFS_MAX || len - pos < sizeof(set_len))
            return false;
        memcpy(&set_len, bytes + pos, sizeof(set_len));
        pos += sizeof(set_len);
        if (set_len > len - pos || !rrset_check(bytes + pos, set_len))
            return false;
        struct cache_proof *proof = &out->at[out->cnt];
        proof->set = (const struct rrset *)(const void *)(bytes + pos);
        proof->owner = bytes + pos + set_len;
        pos += set_len;
        size_t owner_len = pos < len ? dname_check(proof->owner, len - pos) : 0;
        if (owner_len == 0 || ((owner_len + 3) & ~(size_t)3) > len - pos)
            return false;
        pos += (owner_len + 3) & ~(size_t)3;
    }
    return true;
}

/* Copy the proofs, which end the value, and take them off its length. */
static bool copy_proofs(const struct head *head, const uint8_t *bytes, size_t *len,
                        struct arena *arena, struct cache_found *out)
{
    if (head->proofs_len == 0)
        return true;
    if (head->proofs_len > *len)
        return false;
    *len -= head->proofs_len;
    const uint8_t *copy = arena_copy(arena, bytes + *len, head->proofs_len);
    return copy && read_proofs(copy, head->proofs_len, &out->proofs);
}

/* Copy what stands behind the head.  Return false if it is not what the head says, or without
 * memory. */
static bool copy_payload(const struct head *head, const uint8_t *bytes, size_t len,
                         struct arena *arena, struct cache_found *out)
{
    if (!copy_proofs(head, bytes, &len, arena, out))
        return false;
    size_t set_len = len - util_min(len, head->owner_len);

    if (head->kind != CACHE_DATA && len == 0)
        return true; /* no SOA */
    /* arena_copy aligns the copy and ends it with a NUL */
    const uint8_t *copy = arena_copy(arena, bytes, len);
    if (!copy)
        return false;
    if (head->kind == CACHE_FAILURE) {
        out->text = (const char *)copy;
        return true;
    }
    if (!rrset_check(copy, set_len))
        return false;
    out->set = (const struct rrset *)(const void *)copy;
    out->soa_owner = copy + set_len;
    return head->kind == CACHE_DATA
               ? head->owner_len == 0
               : out->set->type == RRTYPE_SOA &&
                     dname_check(out->soa_owner, head->owner_len) == head->owner_len;
}

static enum cache_security security_of(const struct head *head)
{
    return (enum cache_security)(head->security & ~(unsigned)SECURITY_IS_CUT);
}

/* True if the entry's security state does not hold: it was never validated, or with other trust
 * anchors than those of today. */
static bool is_state_obsolete(const struct cache *cache, const struct head *head)
{
    return cache->is_validating &&
           (security_of(head) == CACHE_UNCHECKED || head->trust != cache->trust);
}

static struct cache_found found_of(const struct head *head, const struct cache_time *when)
{
    struct cache_found out = {.kind = (enum cache_kind)head->kind,
                              .rank = (enum cache_rank)head->rank,
                              .ttl = ttl_left(head, when),
                              .ttl_whole = head->ttl,
                              .section = head->section,
                              .security = security_of(head),
                              .is_cut = head->security & SECURITY_IS_CUT,
                              .is_stale = !is_alive(head, when),
                              .expire_ms = expiry_of(head),
                              .prefetch_ms =
                                  expiry_of(head) - head->ttl / PREFETCH_PART * (int64_t)1000,
                              .cached_ms = head->cached_ms,
                              .text = "",
                              .ede = head->ede,
                              .failed_cnt = head->failed_cnt};
    if (addr_from_bytes(head->addr, util_min(head->addr_len, sizeof(head->addr)), head->port,
                        &out.server) != ERR_OK)
        out.server = (struct addr){0};
    return out;
}

/* Return true if an earlier process cached the failure: it does not count, so that a restart
 * tries anew.  If the clock was set back, the start of this process moves back with it. */
static bool is_of_earlier_process(struct cache *cache, const struct head *head, int64_t now_ms)
{
    if (now_ms < cache->start_ms)
        cache->start_ms = now_ms;
    return head->cached_ms < cache->start_ms;
}

static bool find_entry(struct cache *cache, const struct cache_name *name, enum space space,
                       unsigned labels, uint16_t type, const struct cache_time *when,
                       struct arena *arena, struct cache_found *out)
{
    struct head head;
    size_t len;
    uint64_t hash;
    const uint8_t *bytes = read_cached(cache, name, space, labels, type, &head, &len, &hash);

    if (!bytes || head.cached_ms < when->fresh_ms ||
        (head.kind == CACHE_FAILURE) != (space == SPACE_FAILURE) ||
        (space == SPACE_FAILURE &&
         (is_of_earlier_process(cache, &head, when->now_ms) || head.trust != cache->trust)) ||
        ((space == SPACE_DATA || space == SPACE_CUT) && is_state_obsolete(cache, &head)) ||
        security_of(&head) > CACHE_BOGUS)
        return false;
    /* data with TTL 0 are for the queries that waited for them only (RFC 2181 8), and are not
     * served stale (RFC 8767 4) */
    if (!is_alive(&head, when) && (head.ttl == 0 || is_ahead(&head, when->now_ms) ||
                                   when->now_ms >= expiry_of(&head) + when->stale_ms))
        return false;
    *out = found_of(&head, when);
    out->hash = hash;
    if (!copy_payload(&head, bytes, len, arena, out) ||
        (head.kind == CACHE_DATA && out->set->type != type))
        return false;
    cache_note_use(cache, hash);
    return true;
}

/* Find data that counts, or else bogus data if the query admits it. */
static bool find_data(struct cache *cache, const struct cache_name *name, unsigned labels,
                      uint16_t type, const struct cache_time *when, struct arena *arena,
                      struct cache_found *out)
{
    return find_entry(cache, name, SPACE_DATA, labels, type, when, arena, out) ||
           (when->admits_bogus &&
            find_entry(cache, name, SPACE_BOGUS, labels, type, when, arena, out));
}

bool cache_find(struct cache *cache, const struct cache_name *name, unsigned labels,
                uint16_t type, const struct cache_time *when, struct arena *arena,
                struct cache_found *out)
{
    return find_data(cache, name, labels, type, when, arena, out) &&
           (out->kind == CACHE_DATA || out->kind == CACHE_NODATA);
}

bool cache_find_cname(struct cache *cache, const struct cache_name *name,
                      const struct cache_time *when, struct arena *arena,
                      struct cache_found *out)
{
    return find_data(cache, name, name->labels, RRTYPE_CNAME, when, arena, out) &&
           out->kind == CACHE_DATA;
}

bool cache_find_cut(struct cache *cache, const struct cache_name *name, unsigned labels,
                    const struct cache_time *when, struct arena *arena, struct cache_found *out)
{
    return (find_entry(cache, name, SPACE_DATA, labels, RRTYPE_DS, when, arena, out) ||
            find_entry(cache, name, SPACE_CUT, labels, RRTYPE_DS, when, arena, out)) &&
           (out->kind == CACHE_DATA || out->kind == CACHE_NODATA);
}

bool cache_is_known(struct cache *cache, const struct cache_name *name, uint16_t type,
                    const struct cache_time *when, struct arena *arena)
{
    struct cache_found found;
    return cache_find(cache, name, name->labels, type, when, arena, &found) ||
           cache_find_cname(cache, name, when, arena, &found) ||
           cache_find_nxdomain(cache, name, when, arena, &found);
}

bool cache_find_failure(struct cache *cache, const struct cache_name *name, uint16_t type,
                        const struct cache_time *when, struct arena *arena,
                        struct cache_found *out)
{
    return find_entry(cache, name, SPACE_FAILURE, name->labels, type, when, arena, out);
}

bool cache_find_nxdomain(struct cache *cache, const struct cache_name *name,
                         const struct cache_time *when, struct arena *arena,
                         struct cache_found *out)
{
    return find_data(cache, name, name->labels, 0, when, arena, out) &&
           out->kind == CACHE_NXDOMAIN;
}

bool cache_find_dname(struct cache *cache, const struct cache_name *name,
                      const struct cache_time *when, struct arena *arena,
                      struct cache_found *out, unsigned *labels)
{
    for (unsigned n = name->labels; n-- > 0;)
        if (find_data(cache, name, n, RRTYPE_DNAME, when, arena, out) &&
            out->kind == CACHE_DATA) {
            *labels = n;
            return true;
        }
    return false;
}

/* ---- show and flush ---- */

/* Get the type that is cached at a place.  Return false if there is none. */
static bool type_at(struct cache *cache, const struct cache_name *name, enum space space,
                    uint16_t place, uint16_t *type)
{
    uint8_t bytes[CACHE_STORE_KEY_MAX];
    struct cache_key key = place_key(name, space, name->labels, place, bytes);
    struct head head;
    size_t len;
    const uint8_t *value = cache->store->get(cache->store, &key, &len);

    if (!value || len < sizeof(head))
        return false;
    memcpy(&head, value, sizeof(head));
    *type = head.type;
    return head.version == VERSION;
}

static uint16_t place_number(unsigned i)
{
    return (uint16_t)(i < TYPES_OF_THEIR_OWN ? i : TYPES_SHARED + i - TYPES_OF_THEIR_OWN);
}

static void show_delegation(struct cache *cache, const struct cache_name *name,
                            struct arena *arena,
                            void (*show)(void *data, const struct cache_entry *entry),
                            void *data)
{
    struct cache_time when = {.now_ms = now_wall_ms(), .since_ms = INT64_MAX};
    struct cache_entry entry = {0};
    struct head head;
    struct delegation delegation;
    size_t len;
    uint64_t hash;
    const uint8_t *bytes =
        read_cached(cache, name, SPACE_DELEGATION, name->labels, 0, &head, &len, &hash);

    if (!bytes)
        return;
    delegation_init(&delegation, name->dname, DELEGATION_REFERRAL);
    if (delegation_parse(&delegation, bytes, len, 0, arena) != ERR_OK)
        return;
    entry.delegation = &delegation;
    entry.found = found_of(&head, &when);
    entry.found.hash = hash;
    entry.uses = cache->store->popularity(cache->store, hash);
    show(data, &entry);
}

void cache_show(struct cache *cache, const struct cache_name *name, struct arena *arena,
                void (*show)(void *data, const struct cache_entry *entry), void *data)
{
    static const enum space spaces[] = {SPACE_DATA, SPACE_FAILURE, SPACE_BOGUS, SPACE_CUT};
    struct cache_time when = {
        .now_ms = now_wall_ms(), .since_ms = INT64_MAX, .stale_ms = STALE_SHOWN_MS};

    show_delegation(cache, name, arena, show, data);
    for (size_t s = 0; s < ARRAY_LEN(spaces); s++)
        for (unsigned i = 0; i < CACHE_TYPES_MAX; i++) {
            struct cache_entry entry = {0};
            if (!type_at(cache, name, spaces[s], place_number(i), &entry.type) ||
                !find_entry(cache, name, spaces[s], name->labels, entry.type, &when, arena,
                            &entry.found))
                continue;
            entry.uses = cache->store->popularity(cache->store, entry.found.hash);
            show(data, &entry);
        }
}

static size_t remove_entry(struct cache *cache, const struct cache_name *name, enum space space,
                           uint16_t place)
{
    uint8_t bytes[CACHE_STORE_KEY_MAX];
    struct cache_key key = place_key(name, space, name->labels, place, bytes);
    size_t len;
    bool is_there = cache->store->get(cache->store, &key, &len) != NULL;

    if (is_there)
        cache->store->remove(cache->store, &key);
    return is_there;
}

size_t cache_flush(struct cache *cache, const struct cache_name *name)
{
    size_t cnt = remove_entry(cache, name, SPACE_DELEGATION, 0);
    for (unsigned i = 0; i < CACHE_TYPES_MAX; i++)
        cnt += remove_entry(cache, name, SPACE_DATA, place_number(i)) +
               remove_entry(cache, name, SPACE_FAILURE, place_number(i)) +
               remove_entry(cache, name, SPACE_BOGUS, place_number(i));
    cache_denial_forget(cache, name);
    return cnt + remove_entry(cache, name, SPACE_CUT, RRTYPE_DS);
}

bool cache_flush_below(struct cache *cache, const struct cache_name *name,
                       struct cache_flushing *flushing, size_t *cnt)
{
    uint8_t prefix[1 + DNAME_KEY_MAX];
    size_t len = util_min(name->end[name->labels], CACHE_STORE_KEY_MAX);

    if (flushing->space == 0) {
        flushing->space = SPACE_DATA;
        cache_denial_forget(cache, name);
    }
    memcpy(prefix, name->key, len);
    prefix[0] = (uint8_t)flushing->space;
    size_t before = *cnt;
    bool has_more = cache->store->remove_below(cache->store, prefix, len, &flushing->place,
                                               FLUSH_AT_ONCE, cnt);
    flushing->idle = *cnt == before ? flushing->idle + 1 : 0;
    if (has_more)
        return flushing->idle < FLUSH_IDLE_MAX; /* give up if memory stays short */
    flushing->place = (struct cache_place){0};
    return ++flushing->space <= SPACE_DENIAL;
}

void cache_count_uses(struct cache *cache)
{
    for (unsigned i = 0; i < util_min(cache->used.cnt, CACHE_USED_MAX); i++)
        cache->store->use(cache->store, cache->used.hashes[i]);
}

/* ---- writing ---- */

static uint32_t clamp_ttl(uint32_t ttl, uint32_t min, uint32_t max)
{
    if (ttl > TTL_LIMIT) /* RFC 2181 8 */
        ttl = 0;
    return (uint32_t)util_min(util_max(ttl, min), max);
}

static void set_origin(struct head *head, const struct cache_origin *origin, uint32_t trust)
{
    size_t len;

    head->rank = (uint8_t)origin->rank;
    head->cached_ms = origin->now_ms;
    head->route = origin->route;
    head->section = origin->section;
    head->security =
        (uint8_t)((unsigned)origin->security | (origin->is_cut ? SECURITY_IS_CUT : 0U));
    head->trust = trust;
    if (origin->security == CACHE_INSECURE)
        head->ede = origin->ede;
    if (!origin->server)
        return;
    const uint8_t *octets = addr_bytes(origin->server, &len);
    head->addr_len = (uint8_t)len;
    head->port = addr_port(origin->server);
    memcpy(head->addr, octets, len);
}

/* Return true if an entry of higher rank is alive there (RFC 2181 5.4.1).  *is_there gets
 * whether there is any entry. */
static bool is_outranked(struct cache *cache, const struct cache_name *name, uint16_t type,
                         const struct cache_origin *origin, bool *is_there)
{
    struct head head;
    size_t len;
    uint64_t hash;
    *is_there =
        read_cached(cache, name, SPACE_DATA, name->labels, type, &head, &len, &hash) != NULL;
    return *is_there && !is_state_obsolete(cache, &head) &&
           head.cached_ms >= origin->fresh_ms && !is_ahead(&head, origin->now_ms) &&
           origin->now_ms < expiry_of(&head) && head.rank > (uint8_t)origin->rank;
}

struct octets {
    const void *bytes;
    size_t len;
};

/* A value that is being written. */
struct value {
    size_t len;
    bool is_full;
    uint8_t bytes[CACHE_STORE_VALUE_MAX];
};

static void append_value(struct value *value, const void *bytes, size_t len)
{
    value->is_full |= len > sizeof(value->bytes) - value->len;
    if (value->is_full || len == 0)
        return;
    memcpy(value->bytes + value->len, bytes, len);
    value->len += len;
}

static size_t set_len(const struct rrset *set)
{
    const struct rrset *sigs = rrset_signatures(set);
    return rrset_stride(set) + (sigs ? rrset_stride(sigs) : 0);
}

static void append_proofs(struct value *value, const struct cache_proofs *proofs)
{
    static const uint8_t zeros[3];

    for (unsigned i = 0; proofs && i < proofs->cnt; i++) {
        uint32_t len = (uint32_t)set_len(proofs->at[i].set);
        size_t owner_len = dname_len(proofs->at[i].owner);
        append_value(value, &len, sizeof(len));
        append_value(value, proofs->at[i].set, len);
        append_value(value, proofs->at[i].owner, owner_len);
        append_value(value, zeros, -owner_len & 3);
    }
}

/* `proofs`: NULL for none. */
static enum err write_entry(struct cache *cache, const struct cache_name *name,
                            enum space space, uint16_t type, struct head *head, struct octets a,
                            struct octets b, const struct cache_proofs *proofs)
{
    uint8_t bytes[CACHE_STORE_KEY_MAX];
    struct value value;

    value.len = sizeof(*head);
    value.is_full = false;
    append_value(&value, a.bytes, a.len);
    append_value(&value, b.bytes, b.len);
    size_t before = value.len;
    append_proofs(&value, proofs);
    if (value.is_full)
        return ERR_SPACE;
    head->version = VERSION;
    head->type = type;
    head->proofs_len = (uint32_t)(value.len - before);
    memcpy(value.bytes, head, sizeof(*head));
    struct cache_key key = entry_key(name, space, name->labels, type, bytes);
    return cache->store->put(cache->store, &key, value.bytes, value.len, expiry_of(head));
}

/* Write a bogus RRset or negative answer, with a short TTL. */
static enum err write_bogus(struct cache *cache, const struct cache_name *name, uint16_t type,
                            struct head *head, const struct cache_origin *origin,
                            struct octets a, struct octets b)
{
    set_origin(head, origin, cache->trust);
    head->ttl = (uint32_t)util_min(head->ttl, CACHE_BOGUS_MAX_S);
    return write_entry(cache, name, SPACE_BOGUS, type, head, a, b, origin->proofs);
}

enum err cache_put(struct cache *cache, const uint8_t *owner, const struct rrset *set,
                   const struct cache_origin *origin)
{
    struct cache_name name;
    struct head head = {
        .kind = CACHE_DATA,
        .ttl = origin->is_for_now ? 0 : clamp_ttl(set->ttl, cache->ttls.min, cache->ttls.max)};
    uint8_t bytes[CACHE_STORE_KEY_MAX];
    bool is_there, is_denied;

    struct octets payload = {set, set_len(set)}, none = {NULL, 0};
    cache_name_init(&name, owner);
    if (origin->security == CACHE_BOGUS)
        return write_bogus(cache, &name, set->type, &head, origin, payload, none);
    if (is_outranked(cache, &name, set->type, origin, &is_there) ||
        is_outranked(cache, &name, 0, origin, &is_denied))
        return ERR_OK;
    set_origin(&head, origin, cache->trust);
    if (is_denied) { /* data disprove the cached NXDOMAIN */
        struct cache_key negative = entry_key(&name, SPACE_DATA, name.labels, 0, bytes);
        cache->store->remove(cache->store, &negative);
    }
    return write_entry(cache, &name, SPACE_DATA, set->type, &head, payload, none,
                       origin->proofs);
}

/* Return the smaller of the SOA's TTL and its MINIMUM, the last of its fields. */
static uint32_t negative_ttl(const struct rrset *soa)
{
    struct rrset_record record = rrset_first(soa);
    return (uint32_t)util_min(soa->ttl, util_get_u32(record.rdata + record.len - 4));
}

uint32_t cache_negative_ttl(const struct cache *cache, const struct rrset *soa)
{
    return clamp_ttl(negative_ttl(soa), 0, cache->ttls.negative_max);
}

enum err cache_put_negative(struct cache *cache, const uint8_t *owner, uint16_t type,
                            const uint8_t *soa_owner, const struct rrset *soa,
                            const struct cache_origin *origin)
{
    struct cache_name name;
    uint32_t ttl = soa ? negative_ttl(soa) : NO_SOA_TTL;
    struct head head = {.kind = type ? CACHE_NODATA : CACHE_NXDOMAIN,
                        .ttl = origin->is_for_now
                                   ? 0
                                   : clamp_ttl(ttl, cache->ttls.min, cache->ttls.negative_max),
                        .owner_len = (uint16_t)(soa ? dname_len(soa_owner) : 0)};
    bool is_there;

    struct octets payload = {soa, soa ? set_len(soa) : 0}, end = {soa_owner, head.owner_len};
    cache_name_init(&name, owner);
    if (origin->security == CACHE_BOGUS)
        return write_bogus(cache, &name, type, &head, origin, payload, end);
    if (is_outranked(cache, &name, type, origin, &is_there))
        return ERR_OK;
    set_origin(&head, origin, cache->trust);
    enum err err =
        write_entry(cache, &name, SPACE_DATA, type, &head, payload, end, origin->proofs);
    if (err == ERR_SPACE) { /* too many signatures: cache the answer without its records */
        head.owner_len = 0;
        err = write_entry(cache, &name, SPACE_DATA, type, &head, (struct octets){NULL, 0},
                          (struct octets){NULL, 0}, NULL);
    }
    return err;
}

enum err cache_put_cut(struct cache *cache, const uint8_t *owner, uint32_t ttl,
                       const struct cache_origin *origin)
{
    struct cache_name name;
    struct head head = {.kind = CACHE_NODATA, .ttl = clamp_ttl(ttl, 0, cache->ttls.max)};

    cache_name_init(&name, owner);
    set_origin(&head, origin, cache->trust);
    return write_entry(cache, &name, SPACE_CUT, RRTYPE_DS, &head, (struct octets){NULL, 0},
                       (struct octets){NULL, 0}, origin->proofs);
}

void cache_put_failure(struct cache *cache, const uint8_t *owner, uint16_t type, uint16_t ede,
                       const char *text, uint32_t min_s, const struct cache_origin *origin)
{
    struct cache_name name;
    struct head head = {.kind = CACHE_FAILURE, .ede = ede}, before;
    size_t len;
    uint64_t hash;

    cache_name_init(&name, owner);
    set_origin(&head, origin, cache->trust);
    if (read_cached(cache, &name, SPACE_FAILURE, name.labels, type, &before, &len, &hash) &&
        !is_ahead(&before, origin->now_ms) &&
        origin->now_ms < expiry_of(&before) + 2000 * (int64_t)before.ttl)
        head.failed_cnt = (uint16_t)util_min(before.failed_cnt + 1U, 10);
    size_t ttl = util_max((size_t)CACHE_FAILURE_MIN_S << head.failed_cnt, min_s);
    head.ttl = (uint32_t)util_min(ttl, CACHE_FAILURE_MAX_S);
    enum err err =
        write_entry(cache, &name, SPACE_FAILURE, type, &head,
                    (struct octets){text, strlen(text)}, (struct octets){NULL, 0}, NULL);
    (void)err; /* not cached: the next query tries again */
}

/* ---- delegations ---- */

void cache_put_delegation(struct cache *cache, const struct delegation *delegation,
                          uint32_t ttl, int64_t expire_ms, const struct cache_origin *origin)
{
    int64_t left_s = expire_ms > origin->now_ms ? (expire_ms - origin->now_ms) / 1000 : 0;
    struct cache_name name;
    uint8_t bytes[DELEGATION_BYTES_MAX];
    struct head head = {.kind = CACHE_DATA, .ttl = clamp_ttl(ttl, 0, cache->ttls.max)};

    set_origin(&head, origin, cache->trust);
    if (left_s < head.ttl)
        head.ttl = (uint32_t)left_s;
    cache_name_init(&name, delegation->zone);
    enum err err = write_entry(cache, &name, SPACE_DELEGATION, 0, &head,
                               (struct octets){bytes, delegation_write(delegation, bytes)},
                               (struct octets){NULL, 0}, NULL);
    (void)err; /* not cached: the parent is queried again */
}

bool cache_find_delegation(struct cache *cache, const struct cache_name *name, unsigned labels,
                           unsigned labels_min, const struct cache_time *when, uint16_t port,
                           struct arena *arena, struct delegation *out, int64_t *expire_ms)
{
    for (unsigned n = labels + 1; n-- > labels_min;) {
        struct head head;
        size_t len;
        uint64_t hash;
        const uint8_t *bytes =
            read_cached(cache, name, SPACE_DELEGATION, n, 0, &head, &len, &hash);
        if (!bytes || !is_alive(&head, when) || head.cached_ms < when->fresh_ms)
            continue;
        delegation_init(out, dname_suffix(name->dname, n), DELEGATION_REFERRAL);
        if (delegation_parse(out, bytes, len, port, arena) != ERR_OK)
            continue;
        cache->store->use(cache->store, hash);
        *expire_ms = expiry_of(&head);
        return true;
    }
    return false;
}
