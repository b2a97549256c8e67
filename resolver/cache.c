/* Keys: a space, the name as RFC 4034 6.1 orders it, the type: all of a name stands together.  Values: a head
 * of fixed size, then RRsets as they are packed elsewhere; nothing in them is believed unchecked. */
#include "resolver/cache.h"

#include "base/cursor.h"

enum space { SPACE_DATA = 1, SPACE_CUT = 2 };

enum { VERSION = 1, NO_SOA_TTL = 5, TTL_LIMIT = 0x7fffffff };

struct head {
    uint8_t version, kind, rank, addr_len; /* addr_len: 0, 4 or 16 */
    uint32_t ttl;
    int64_t learnt_ms;
    uint8_t addr[16];
    uint16_t port;
    uint16_t ede;
    uint16_t failed_cnt;
    uint16_t owner_len; /* of the SOA: it stands behind the RRset */
};

_Static_assert(sizeof(struct head) % 8 == 0, "an RRset stands behind it");

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

/* The key of the suffix of `labels` labels.  Names follow at most 510 octets of key: they always fit. */
static size_t key_of(const struct cache_name *name, enum space space, unsigned labels,
                     uint16_t type, uint8_t key[CACHE_STORE_KEY_MAX])
{
    size_t len = name->end[labels];
    memcpy(key, name->key, len);
    key[0] = (uint8_t)space;
    if (space == SPACE_CUT)
        return len;
    util_put_u16(key + len, type);
    return len + 2;
}

/* ---- finding ---- */

static const uint8_t *get(struct cache *cache, const struct cache_name *name, enum space space,
                          unsigned labels, uint16_t type, struct head *head, size_t *len)
{
    uint8_t key[CACHE_STORE_KEY_MAX];
    size_t key_len = key_of(name, space, labels, type, key);
    const uint8_t *value = cache->store->get(cache->store, key, key_len, len);

    if (!value || *len < sizeof(*head))
        return NULL;
    memcpy(head, value, sizeof(*head));
    *len -= sizeof(*head);
    return head->version == VERSION ? value + sizeof(*head) : NULL;
}

static bool is_alive(const struct head *head, const struct cache_time *when)
{
    return when->now_ms < head->learnt_ms + (int64_t)head->ttl * 1000 ||
           head->learnt_ms >= when->since_ms;
}

static uint32_t ttl_left(const struct head *head, const struct cache_time *when)
{
    int64_t left_ms = head->learnt_ms + (int64_t)head->ttl * 1000 - when->now_ms;
    int64_t left = left_ms > 0 ? (left_ms + 999) / 1000 : 0;
    return left > head->ttl ? head->ttl : (uint32_t)left; /* the clock was set back */
}

/* Copy what stands behind the head; false when it is not what the head says. */
static bool copy_payload(const struct head *head, const uint8_t *bytes, size_t len,
                         struct arena *arena, struct cache_found *out)
{
    if (head->kind == CACHE_FAILURE) {
        out->text = arena_copy(arena, bytes, len);
        return out->text != NULL;
    }
    size_t set_len = len - util_min(len, head->owner_len);
    if (head->kind != CACHE_DATA && len == 0)
        return true; /* no SOA */
    if (!rrset_check(bytes, set_len))
        return false;
    const uint8_t *copy = arena_copy(arena, bytes, len);
    if (!copy)
        return false;
    out->set = (const struct rrset *)(const void *)copy;
    out->soa_owner = copy + set_len;
    return head->kind == CACHE_DATA
               ? head->owner_len == 0
               : dname_check(out->soa_owner, head->owner_len) == head->owner_len;
}

static bool find(struct cache *cache, const struct cache_name *name, unsigned labels,
                 uint16_t type, const struct cache_time *when, struct arena *arena,
                 struct cache_found *out)
{
    struct head head;
    size_t len;
    const uint8_t *bytes = get(cache, name, SPACE_DATA, labels, type, &head, &len);

    if (!bytes || head.kind < CACHE_DATA || head.kind > CACHE_FAILURE || !is_alive(&head, when))
        return false;
    *out = (struct cache_found){.kind = (enum cache_kind)head.kind,
                                .rank = (enum cache_rank)head.rank,
                                .ttl = ttl_left(&head, when),
                                .learnt_ms = head.learnt_ms,
                                .ede = head.ede,
                                .failed_cnt = head.failed_cnt};
    if (addr_from_bytes(head.addr, util_min(head.addr_len, sizeof(head.addr)), head.port,
                        &out->server) != ERR_OK)
        out->server = (struct addr){0};
    return copy_payload(&head, bytes, len, arena, out) &&
           (head.kind != CACHE_DATA || out->set->type == type);
}

bool cache_find(struct cache *cache, const struct cache_name *name, unsigned labels,
                uint16_t type, const struct cache_time *when, struct arena *arena,
                struct cache_found *out)
{
    return find(cache, name, labels, type, when, arena, out) && out->kind != CACHE_NXDOMAIN;
}

bool cache_find_nxdomain(struct cache *cache, const struct cache_name *name,
                         const struct cache_time *when, struct arena *arena,
                         struct cache_found *out)
{
    return find(cache, name, name->labels, 0, when, arena, out) && out->kind == CACHE_NXDOMAIN;
}

bool cache_find_dname(struct cache *cache, const struct cache_name *name,
                      const struct cache_time *when, struct arena *arena,
                      struct cache_found *out, unsigned *labels)
{
    for (unsigned n = name->labels; n-- > 0;)
        if (find(cache, name, n, RRTYPE_DNAME, when, arena, out) && out->kind == CACHE_DATA) {
            *labels = n;
            return true;
        }
    return false;
}

/* ---- keeping ---- */

static uint32_t clamp_ttl(uint32_t ttl, uint32_t min, uint32_t max)
{
    if (ttl > TTL_LIMIT) /* RFC 2181 8 */
        ttl = 0;
    return (uint32_t)util_min(util_max(ttl, min), max);
}

static void put_origin(struct head *head, const struct cache_origin *origin)
{
    size_t len;

    head->rank = (uint8_t)origin->rank;
    head->learnt_ms = origin->now_ms;
    if (!origin->server)
        return;
    const uint8_t *octets = addr_bytes(origin->server, &len);
    head->addr_len = (uint8_t)len;
    head->port = addr_port(origin->server);
    memcpy(head->addr, octets, len);
}

/* Whether something of higher rank lives there (RFC 2181 5.4.1). */
static bool is_outranked(struct cache *cache, const struct cache_name *name, uint16_t type,
                         const struct cache_origin *origin)
{
    struct cache_time when = {.now_ms = origin->now_ms, .since_ms = INT64_MAX};
    struct head head;
    size_t len;
    return get(cache, name, SPACE_DATA, name->labels, type, &head, &len) &&
           head.kind != CACHE_FAILURE && is_alive(&head, &when) &&
           head.rank > (uint8_t)origin->rank;
}

struct part {
    const void *bytes;
    size_t len;
};

static enum err put(struct cache *cache, const struct cache_name *name, enum space space,
                    uint16_t type, struct head *head, struct part a, struct part b)
{
    uint8_t key[CACHE_STORE_KEY_MAX];
    _Alignas(8) uint8_t value[CACHE_STORE_VALUE_MAX];

    if (sizeof(*head) + a.len + b.len > sizeof(value))
        return ERR_SPACE;
    head->version = VERSION;
    memcpy(value, head, sizeof(*head));
    if (a.len)
        memcpy(value + sizeof(*head), a.bytes, a.len);
    if (b.len)
        memcpy(value + sizeof(*head) + a.len, b.bytes, b.len);
    size_t key_len = key_of(name, space, name->labels, type, key);
    return cache->store->put(cache->store, key, key_len, value, sizeof(*head) + a.len + b.len);
}

static size_t set_len(const struct rrset *set)
{
    const struct rrset *sigs = rrset_signatures(set);
    return rrset_stride(set) + (sigs ? rrset_stride(sigs) : 0);
}

enum err cache_put(struct cache *cache, const uint8_t *owner, const struct rrset *set,
                   const struct cache_origin *origin)
{
    struct cache_name name;
    struct head head = {.kind = CACHE_DATA,
                        .ttl = clamp_ttl(set->ttl, cache->ttls.min, cache->ttls.max)};
    uint8_t key[CACHE_STORE_KEY_MAX];

    cache_name_init(&name, owner);
    if (is_outranked(cache, &name, set->type, origin))
        return ERR_OK;
    put_origin(&head, origin);
    /* the name is there after all */
    cache->store->remove(cache->store, key, key_of(&name, SPACE_DATA, name.labels, 0, key));
    return put(cache, &name, SPACE_DATA, set->type, &head, (struct part){set, set_len(set)},
               (struct part){NULL, 0});
}

/* RFC 2308 5: the smaller of the SOA's TTL and its MINIMUM, which is the last of its fields. */
static uint32_t negative_ttl(const struct rrset *soa)
{
    struct rrset_record record = rrset_first(soa);
    return (uint32_t)util_min(soa->ttl, util_get_u32(record.rdata + record.len - 4));
}

void cache_put_absence(struct cache *cache, const uint8_t *owner, uint16_t type,
                       const uint8_t *soa_owner, const struct rrset *soa,
                       const struct cache_origin *origin)
{
    struct cache_name name;
    uint32_t ttl = soa ? negative_ttl(soa) : NO_SOA_TTL;
    struct head head = {.kind = type ? CACHE_NODATA : CACHE_NXDOMAIN,
                        .ttl = clamp_ttl(ttl, cache->ttls.min, cache->ttls.negative_max),
                        .owner_len = (uint16_t)(soa ? dname_len(soa_owner) : 0)};

    cache_name_init(&name, owner);
    if (is_outranked(cache, &name, type, origin))
        return;
    put_origin(&head, origin);
    enum err err =
        put(cache, &name, SPACE_DATA, type, &head, (struct part){soa, soa ? set_len(soa) : 0},
            (struct part){soa_owner, head.owner_len});
    if (err == ERR_SPACE) { /* so many signatures: the absence alone has room */
        head.owner_len = 0;
        err = put(cache, &name, SPACE_DATA, type, &head, (struct part){NULL, 0},
                  (struct part){NULL, 0});
    }
    (void)err; /* not kept: it will be asked again */
}

void cache_put_failure(struct cache *cache, const uint8_t *owner, uint16_t type, uint16_t ede,
                       const char *text, int64_t now_ms)
{
    struct cache_name name;
    struct head head = {.kind = CACHE_FAILURE, .learnt_ms = now_ms, .ede = ede}, before;
    size_t len;

    cache_name_init(&name, owner);
    if (get(cache, &name, SPACE_DATA, name.labels, type, &before, &len)) {
        bool is_alive_data = before.kind != CACHE_FAILURE &&
                             now_ms < before.learnt_ms + (int64_t)before.ttl * 1000;
        bool is_row = before.kind == CACHE_FAILURE &&
                      now_ms < before.learnt_ms + (int64_t)before.ttl * 3000;
        if (is_alive_data)
            return;
        head.failed_cnt = is_row ? (uint16_t)util_min(before.failed_cnt + 1U, 10) : 0;
    }
    head.ttl =
        (uint32_t)util_min((size_t)CACHE_FAILURE_MIN_S << head.failed_cnt, CACHE_FAILURE_MAX_S);
    enum err err = put(cache, &name, SPACE_DATA, type, &head, (struct part){text, strlen(text)},
                       (struct part){NULL, 0});
    (void)err; /* not kept: the next client tries again */
}

/* ---- delegations ---- */

void cache_put_cut(struct cache *cache, const struct cut *cut, uint32_t ttl, int64_t now_ms,
                   int64_t end_ms)
{
    int64_t left_s = end_ms > now_ms ? (end_ms - now_ms) / 1000 : 0;

    struct cache_name name;
    uint8_t bytes[CUT_BYTES_MAX];
    struct head head = {
        .kind = CACHE_DATA, .ttl = clamp_ttl(ttl, 0, cache->ttls.max), .learnt_ms = now_ms};

    if (left_s < head.ttl)
        head.ttl = (uint32_t)left_s;
    cache_name_init(&name, cut->zone);
    enum err err = put(cache, &name, SPACE_CUT, 0, &head,
                       (struct part){bytes, cut_write(cut, bytes)}, (struct part){NULL, 0});
    (void)err; /* not kept: the parent will be asked again */
}

bool cache_find_cut(struct cache *cache, const struct cache_name *name, unsigned labels,
                    unsigned labels_min, const struct cache_time *when, uint16_t port,
                    struct arena *arena, struct cut *out, int64_t *end_ms)
{
    for (unsigned n = labels + 1; n-- > labels_min;) {
        struct head head;
        size_t len;
        const uint8_t *bytes = get(cache, name, SPACE_CUT, n, 0, &head, &len);
        if (!bytes || !is_alive(&head, when))
            continue;
        cut_init(out, dname_suffix(name->dname, n), CUT_DELEGATION);
        if (cut_parse(out, bytes, len, port, arena) != ERR_OK)
            continue;
        *end_ms = head.learnt_ms + (int64_t)head.ttl * 1000;
        return true;
    }
    return false;
}
