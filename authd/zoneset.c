/* Most questions have one to three suffixes that could be a zone: the depth mask skips the
 * others without a look. */
#include "authd/zoneset.h"

enum err zoneset_new(size_t cnt, struct zoneset **out)
{
    struct zoneset *set = calloc(1, sizeof(*set));
    if (!set)
        return ERR_NOMEM;
    set->slot_cnt = 8;
    while (set->slot_cnt <= cnt * 2)
        set->slot_cnt *= 2;
    set->slots = calloc(set->slot_cnt, sizeof(struct zone *));
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
    size_t i = dname_hash(zone->name) & (set->slot_cnt - 1);
    while (set->slots[i])
        i = (i + 1) & (set->slot_cnt - 1);
    set->slots[i] = zone;
    set->cnt++;
    set->depths[zone->labels / 64] |= 1ULL << (zone->labels % 64);
}

static struct zone *find_exact(const struct zoneset *set, uint64_t hash, const uint8_t *name)
{
    for (size_t i = hash & (set->slot_cnt - 1); set->slots[i];
         i = (i + 1) & (set->slot_cnt - 1))
        if (dname_is_equal(set->slots[i]->name, name))
            return set->slots[i];
    return NULL;
}

struct zone *zoneset_find(const struct zoneset *set, const struct dname_parts *name,
                          unsigned labels)
{
    for (unsigned n = labels + 1; n-- > 0;) {
        if (!(set->depths[n / 64] >> (n % 64) & 1))
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
        zone_unref(&s->slots[i]);
    free(s->slots);
    free(s);
}
