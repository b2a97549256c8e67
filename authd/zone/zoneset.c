/* Most QNAMEs have one to three suffixes that could be a zone: the depth mask skips the other
 * suffixes without reading the table. */
#include "authd/zone/zoneset.h"

enum { CACHE_LINE = 64 };

enum err zoneset_new(size_t cnt, struct zoneset **out)
{
    struct zoneset *set = calloc(1, sizeof(*set));
    if (!set)
        return ERR_NOMEM;
    set->slot_cnt = 8;
    while (set->slot_cnt <= cnt * 2)
        set->slot_cnt *= 2;
    set->slots = calloc(set->slot_cnt, sizeof(*set->slots));
    if (!set->slots) {
        free(set);
        return ERR_NOMEM;
    }
    *out = set;
    return ERR_OK;
}

void zoneset_put(struct zoneset *set, struct zone *zone)
{
    must(set->cnt < set->slot_cnt / 2);
    uint64_t hash = dname_hash(zone->name);
    size_t i = hash & (set->slot_cnt - 1);
    while (set->slots[i].zone)
        i = (i + 1) & (set->slot_cnt - 1);
    set->slots[i] = (struct zoneset_slot){.hash = hash, .zone = zone};
    set->cnt++;
    set->depths[zone->labels / 64] |= 1ULL << (zone->labels % 64);
}

static struct zone *find_exact(const struct zoneset *set, uint64_t hash, const uint8_t *name)
{
    for (size_t i = hash & (set->slot_cnt - 1); set->slots[i].zone;
         i = (i + 1) & (set->slot_cnt - 1))
        if (set->slots[i].hash == hash && dname_is_equal(set->slots[i].zone->name, name))
            return set->slots[i].zone;
    return NULL;
}

static bool has_depth(const struct zoneset *set, unsigned labels)
{
    return set->depths[labels / 64] >> (labels % 64) & 1;
}

void zoneset_prefetch(const struct zoneset *set, const struct dname_parts *name)
{
    for (unsigned n = name->labels + 1U; n-- > 0;)
        if (has_depth(set, n))
            __builtin_prefetch(&set->slots[name->hash[n] & (set->slot_cnt - 1)]);
}

void zoneset_prefetch_zones(const struct zoneset *set, const struct dname_parts *name)
{
    for (unsigned n = name->labels + 1U; n-- > 0;) {
        const struct zoneset_slot *slot = &set->slots[name->hash[n] & (set->slot_cnt - 1)];
        if (!has_depth(set, n) || slot->hash != name->hash[n])
            continue;
        for (size_t at = 0; at < sizeof(struct zone) + DNAME_LABEL_MAX; at += CACHE_LINE)
            __builtin_prefetch((const char *)slot->zone + at);
    }
}

struct zone *zoneset_find(const struct zoneset *set, const struct dname_parts *name,
                          unsigned labels)
{
    for (unsigned n = labels + 1; n-- > 0;) {
        if (!has_depth(set, n))
            continue;
        struct zone *zone = find_exact(set, name->hash[n], name->lower + name->at[n]);
        if (zone)
            return zone;
    }
    return NULL;
}

struct zone *zoneset_get(const struct zoneset *set, const uint8_t *name)
{
    return find_exact(set, dname_hash(name), name);
}

void zoneset_free(struct zoneset **set)
{
    struct zoneset *s = *set;
    *set = NULL;
    if (!s)
        return;
    for (size_t i = 0; i < s->slot_cnt; i++)
        zone_unref(&s->slots[i].zone);
    free(s->slots);
    free(s);
}
