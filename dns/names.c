/* Open addressing at most half full; nothing is ever taken out. */
#include "dns/names.h"

enum { NAMES_FIRST = 64 };

static struct names_entry *find_place(const struct names *names, uint64_t hash,
                                      const uint8_t *name)
{
    size_t i = hash & (names->size - 1);
    while (names->at[i].name &&
           (names->at[i].hash != hash || !dname_is_equal(names->at[i].name, name)))
        i = (i + 1) & (names->size - 1);
    return &names->at[i];
}

static bool grow(struct names *names)
{
    struct names larger = {.size = names->size ? names->size * 2 : NAMES_FIRST};
    larger.at = calloc(larger.size, sizeof(*larger.at));
    if (!larger.at)
        return false;
    for (size_t i = 0; i < names->size; i++)
        if (names->at[i].name)
            *find_place(&larger, names->at[i].hash, names->at[i].name) = names->at[i];
    larger.cnt = names->cnt;
    free(names->at);
    *names = larger;
    return true;
}

void **names_put(struct names *names, struct arena *arena, const uint8_t *name)
{
    if (names->cnt * 2 >= names->size && !grow(names))
        return NULL;
    uint64_t hash = dname_hash(name);
    struct names_entry *entry = find_place(names, hash, name);
    if (!entry->name) {
        const uint8_t *copy = arena_copy(arena, name, dname_len(name));
        if (!copy)
            return NULL;
        *entry = (struct names_entry){.name = copy, .hash = hash};
        names->cnt++;
    }
    return &entry->value;
}

void *names_find(const struct names *names, const struct dname_parts *parts, unsigned labels)
{
    if (names->cnt == 0)
        return NULL;
    return find_place(names, parts->hash[labels], parts->lower + parts->at[labels])->value;
}

void names_fini(struct names *names)
{
    free(names->at);
    *names = (struct names){.cnt = 0};
}
