/* Two tables, for short and for longer answers.  A line has the tags and use bits of eight
 * slots, and a clock hand: it goes round them and replaces an answer that has not been used
 * since it last came by. */
#include "resolver/cache/answer_cache.h"

#include "base/slab.h"

enum {
    WAYS = 8,
    TTLS_MAX = 24,
    SHORT_SLOT = 192, /* most answers: an address or two */
    LONG_SLOT = 1024,
    SAMPLE = 64, /* one cache hit in so many passes by to the cache */
    USES_WANTED = 2,
    CACHE_LINE = 64
};

struct line {
    uint32_t tags[WAYS]; /* 0: free */
    uint8_t used;        /* one bit per way */
    uint8_t hand;
    uint8_t pad[CACHE_LINE - 4 * WAYS - 2];
};

/* One answer.  Behind the struct stand the name in lower case, the offsets of the TTLs, and the
 * message behind its question section. */
struct slot {
    int64_t stored_ms, expire_ms;
    uint32_t versions[CACHE_USED_MAX];
    uint16_t depends_on[CACHE_USED_MAX];
    uint16_t type, len;
    uint16_t cnt[3]; /* of answer, authority, additional */
    uint8_t depend_cnt, ttl_cnt;
    uint8_t rcode, name_len;
    bool is_do : 1, is_secure : 1;
    uint8_t ede; /* 0: none */
};

struct table {
    struct line *lines;
    uint8_t *slots;
    size_t line_cnt; /* less than 2^32 */
    size_t slot_size;
};

/* Lifetime: worker. */
struct answer_cache {
    struct table tables[2];
    unsigned sample;
};

static enum err make_answer_table(struct table *t, size_t bytes, size_t slot_size)
{
    t->slot_size = slot_size;
    t->line_cnt = util_min(util_max(bytes / (WAYS * slot_size), 1), UINT32_MAX);
    t->lines = slab_alloc_huge(t->line_cnt * sizeof(struct line));
    t->slots = slab_alloc_huge(t->line_cnt * WAYS * slot_size);
    return t->lines && t->slots ? ERR_OK : ERR_NOMEM;
}

enum err answer_cache_new(size_t bytes, struct answer_cache **out)
{
    struct answer_cache *answer_cache = calloc(1, sizeof(*answer_cache));
    if (!answer_cache)
        return ERR_NOMEM;
    enum err err = make_answer_table(&answer_cache->tables[0], bytes / 4 * 3, SHORT_SLOT);
    if (!err)
        err = make_answer_table(&answer_cache->tables[1], bytes / 4, LONG_SLOT);
    if (err)
        answer_cache_free(&answer_cache);
    else
        *out = answer_cache;
    return err;
}

void answer_cache_free(struct answer_cache **answer_cache)
{
    if (!*answer_cache)
        return;
    for (size_t i = 0; i < ARRAY_LEN((*answer_cache)->tables); i++) {
        const struct table *t = &(*answer_cache)->tables[i];
        slab_free_huge(t->lines, t->line_cnt * sizeof(struct line));
        slab_free_huge(t->slots, t->line_cnt * WAYS * t->slot_size);
    }
    free(*answer_cache);
    *answer_cache = NULL;
}

void answer_cache_clear(struct answer_cache *answer_cache)
{
    for (size_t i = 0; i < ARRAY_LEN(answer_cache->tables); i++)
        memset(answer_cache->tables[i].lines, 0,
               answer_cache->tables[i].line_cnt * sizeof(struct line));
}

/* ---- finding ---- */

static bool has_do_flag(const struct exchange *ex)
{
    return ex->query.has_edns && ex->query.edns.is_do;
}

static uint64_t query_hash(const struct exchange *ex)
{
    uint64_t hash =
        ex->name.hash[ex->name.labels] + 2 * (uint64_t)ex->query.qtype + has_do_flag(ex);
    return hash * 0x9e3779b97f4a7c15U;
}

static uint32_t tag_of(uint64_t hash) { return (uint32_t)hash | 1; }

static struct line *line_at(const struct table *t, uint64_t hash)
{
    return &t->lines[(hash >> 32) * t->line_cnt >> 32];
}

static struct slot *slot_at(const struct table *t, const struct line *line, unsigned way)
{
    size_t number = (size_t)(line - t->lines) * WAYS + way;
    return (struct slot *)(void *)(t->slots + number * t->slot_size);
}

/* Return the first way from `way` on that has the tag, WAYS if there is none. */
static unsigned find_tag(const struct line *line, uint32_t tag, unsigned way)
{
    while (way < WAYS && line->tags[way] != tag)
        way++;
    return way;
}

void answer_cache_probe(const struct answer_cache *answer_cache, struct exchange *const *batch,
                        size_t cnt)
{
    for (size_t i = 0; i < cnt; i++)
        for (size_t k = 0; k < ARRAY_LEN(answer_cache->tables); k++)
            __builtin_prefetch(line_at(&answer_cache->tables[k], query_hash(batch[i])));
    for (size_t i = 0; i < cnt; i++) {
        uint64_t hash = query_hash(batch[i]);
        for (size_t k = 0; k < ARRAY_LEN(answer_cache->tables); k++) {
            const struct table *t = &answer_cache->tables[k];
            const struct line *line = line_at(t, hash);
            unsigned way = find_tag(line, tag_of(hash), 0);
            if (way == WAYS)
                continue;
            const uint8_t *slot = (const uint8_t *)slot_at(t, line, way);
            for (size_t at = 0; at < SHORT_SLOT; at += CACHE_LINE)
                __builtin_prefetch(slot + at);
            break;
        }
    }
}

static const uint8_t *slot_name(const struct slot *s) { return (const uint8_t *)(s + 1); }

static bool is_answer_to(const struct slot *s, const struct exchange *ex)
{
    return s->type == ex->query.qtype && s->is_do == has_do_flag(ex) &&
           s->name_len == ex->name.len &&
           memcmp(slot_name(s), ex->name.lower, s->name_len) == 0;
}

static bool is_slot_current(const struct slot *s, const struct cache_versions *versions,
                            int64_t now_ms)
{
    if (now_ms >= s->expire_ms || now_ms < s->stored_ms)
        return false;
    for (unsigned i = 0; i < s->depend_cnt; i++)
        if (atomic_load_explicit(&versions->slots[s->depends_on[i]], memory_order_acquire) !=
            s->versions[i])
            return false;
    return true;
}

static bool copy_answer(const struct slot *s, struct exchange *ex, int64_t now_ms)
{
    struct builder *b = &ex->out;
    const uint8_t *at = slot_name(s) + s->name_len;
    uint32_t age_s = (uint32_t)((now_ms - s->stored_ms) / 1000);

    if (b->limit - b->len < s->len)
        return false;
    uint8_t *to = b->wire + b->len;
    memcpy(to, at + 2 * (size_t)s->ttl_cnt, s->len);
    for (unsigned i = 0; i < s->ttl_cnt; i++, at += 2) {
        uint8_t *ttl = to + util_get_u16(at);
        util_put_u32(ttl, util_get_u32(ttl) - age_s);
    }
    b->len += s->len;
    for (int i = 0; i < 3; i++)
        b->cnt[MESSAGE_ANSWER + i] = s->cnt[i];
    return true;
}

bool answer_cache_answer(struct answer_cache *answer_cache,
                         const struct cache_versions *versions, struct exchange *ex,
                         int64_t now_ms, struct answer_cache_header *header)
{
    uint64_t hash = query_hash(ex);

    for (size_t k = 0; k < ARRAY_LEN(answer_cache->tables); k++) {
        const struct table *t = &answer_cache->tables[k];
        struct line *line = line_at(t, hash);
        for (unsigned way = find_tag(line, tag_of(hash), 0); way < WAYS;
             way = find_tag(line, tag_of(hash), way + 1)) {
            const struct slot *s = slot_at(t, line, way);
            if (!is_answer_to(s, ex))
                continue;
            if (!is_slot_current(s, versions, now_ms)) {
                line->tags[way] = 0;
                return false;
            }
            if (++answer_cache->sample % SAMPLE == 0 || !copy_answer(s, ex, now_ms))
                return false;
            line->used |= (uint8_t)(1 << way);
            *header = (struct answer_cache_header){s->rcode, s->is_secure, s->ede};
            return true;
        }
    }
    return false;
}

/* ---- keeping ---- */

/* Find the TTLs of the records behind the question section: their offsets from `begin`, their
 * number, and the smallest in *least.  Return false if there are none or too many, or if one is
 * 0. */
static bool locate_ttls(const struct exchange *ex, size_t begin, uint16_t at[TTLS_MAX],
                        unsigned *cnt, uint32_t *least)
{
    const struct builder *b = &ex->out;
    struct cursor c = cursor_over(b->wire, b->len);

    (void)cursor_bytes(&c, begin);
    *cnt = 0;
    *least = UINT32_MAX;
    while (cursor_more(&c)) {
        uint8_t len;
        while ((len = cursor_u8(&c)) > 0 && len < 0xc0)
            (void)cursor_bytes(&c, len);
        (void)cursor_bytes(&c, (len >= 0xc0 ? 1U : 0U) + 4U);
        if (*cnt == TTLS_MAX)
            return false;
        at[(*cnt)++] = (uint16_t)(c.pos - begin);
        *least = (uint32_t)util_min(*least, cursor_u32(&c));
        (void)cursor_bytes(&c, cursor_u16(&c));
    }
    return !cursor_failed(&c) && *cnt > 0 && *least > 0;
}

/* Return a free way, or one that was not used since the hand came by. */
static unsigned replaceable_way(struct line *line)
{
    unsigned way = find_tag(line, 0, 0);

    if (way < WAYS)
        return way;
    while (line->used & 1 << line->hand % WAYS)
        line->used &= (uint8_t) ~(1U << line->hand++ % WAYS);
    return line->hand++ % WAYS;
}

/* Return the way that has an answer to this query, or the way to replace. */
static unsigned way_for(const struct table *t, struct line *line, uint32_t tag,
                        const struct exchange *ex)
{
    for (unsigned way = find_tag(line, tag, 0); way < WAYS; way = find_tag(line, tag, way + 1))
        if (is_answer_to(slot_at(t, line, way), ex))
            return way;
    return replaceable_way(line);
}

/* Note the versions of the entries that the answer depends on.  Return false if anything has
 * been written since this turn began to read: the answer may be made of older versions. */
static bool note_versions(struct slot *s, const struct cache *cache)
{
    const struct cache_versions *versions = cache->store->versions;

    for (unsigned i = 0; i < cache->used.cnt; i++) {
        uint16_t slot = (uint16_t)(cache->used.hashes[i] % CACHE_STORE_SLOTS);
        s->depends_on[i] = slot;
        s->versions[i] = atomic_load_explicit(&versions->slots[slot], memory_order_acquire);
    }
    s->depend_cnt = (uint8_t)cache->used.cnt;
    return atomic_load_explicit(&versions->epoch, memory_order_acquire) == cache->store->epoch;
}

void answer_cache_keep(struct answer_cache *answer_cache, const struct cache *cache,
                       const struct exchange *ex, const struct answer_cache_header *header,
                       int64_t now_ms, int64_t until_ms)
{
    const struct builder *b = &ex->out;
    struct slot s = {.stored_ms = now_ms,
                     .type = ex->query.qtype,
                     .rcode = (uint8_t)header->rcode,
                     .is_secure = header->is_secure,
                     .ede = header->ede,
                     .name_len = ex->name.len,
                     .is_do = has_do_flag(ex)};
    uint16_t ttls[TTLS_MAX];
    uint32_t least;
    unsigned ttl_cnt;
    size_t begin = MESSAGE_HEADER_LEN + ex->query.question_len;

    if (cache->used.cnt == 0 || cache->used.cnt > CACHE_USED_MAX ||
        cache->store->popularity(cache->store, cache->used.hashes[0]) < USES_WANTED ||
        b->len <= begin || !locate_ttls(ex, begin, ttls, &ttl_cnt, &least))
        return;
    size_t len = b->len - begin;
    size_t need = sizeof(s) + s.name_len + 2 * (size_t)ttl_cnt + len;
    if (need > LONG_SLOT || !note_versions(&s, cache))
        return;
    s.len = (uint16_t)len;
    s.ttl_cnt = (uint8_t)ttl_cnt;
    s.expire_ms = now_ms + (int64_t)least * 1000;
    if (until_ms < s.expire_ms)
        s.expire_ms = until_ms;
    if (s.expire_ms <= now_ms)
        return;
    for (int i = 0; i < 3; i++)
        s.cnt[i] = b->cnt[MESSAGE_ANSWER + i];
    const struct table *t = &answer_cache->tables[need > SHORT_SLOT];
    uint64_t hash = query_hash(ex);
    struct line *line = line_at(t, hash);
    unsigned way = way_for(t, line, tag_of(hash), ex);
    struct slot *to = slot_at(t, line, way);
    *to = s;
    uint8_t *p = (uint8_t *)(to + 1);
    memcpy(p, ex->name.lower, s.name_len);
    p += s.name_len;
    for (unsigned i = 0; i < ttl_cnt; i++, p += 2)
        util_put_u16(p, ttls[i]);
    memcpy(p, b->wire + begin, len);
    line->tags[way] = tag_of(hash);
    line->used |= (uint8_t)(1 << way);
}
