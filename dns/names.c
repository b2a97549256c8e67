/* Open addressing, at most half full; entries are never removed. */
#include "dns/names.h"

#include <sys/mman.h>

enum { NAMES_FIRST = 64, HUGE_PAGE = 2 << 20 };

/* Return a zeroed table.  A large one uses huge pages if the kernel provides them, which saves
 * a TLB miss per lookup. */
static struct names_entry *new_names_table(size_t size)
{
    size_t bytes = size * sizeof(struct names_entry);
    if (bytes < 2 * HUGE_PAGE)
        return calloc(1, bytes);
    bytes = (bytes + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
    struct names_entry *at = aligned_alloc(HUGE_PAGE, bytes);
    if (at) {
        (void)madvise(at, bytes, MADV_HUGEPAGE);
        memset(at, 0, bytes);
    }
    return at;
}

/* Return the entry of `name`, or the free entry where it belongs. */
static struct names_entry *find_names_entry(const struct names *names, uint64_t hash,
                                            const uint8_t *name)
{
    size_t i = hash & (names->size - 1);
    while (names->at[i].name &&
           (names->at[i].hash != hash || !dname_is_equal(names->at[i].name, name)))
        i = (i + 1) & (names->size - 1);
    return &names->at[i];
}

static bool resize_names(struct names *names, size_t size)
{
    struct names larger = {.size = size};
    larger.at = new_names_table(larger.size);
    if (!larger.at)
        return false;
    for (size_t i = 0; i < names->size; i++)
        if (names->at[i].name)
            *find_names_entry(&larger, names->at[i].hash, names->at[i].name) = names->at[i];
    larger.cnt = names->cnt;
    free(names->at);
    *names = larger;
    return true;
}

static bool grow_names(struct names *names)
{
    return resize_names(names, names->size ? names->size * 2 : NAMES_FIRST);
}

bool names_reserve(struct names *names, size_t cnt)
{
    size_t size = names->size ? names->size : NAMES_FIRST;
    while (size < (names->cnt + cnt) * 2)
        size *= 2;
    return size == names->size || resize_names(names, size);
}

void **names_put_suffix(struct names *names, const struct dname_parts *parts, unsigned labels,
                        const uint8_t *name)
{
    if (names->cnt * 2 >= names->size && !grow_names(names))
        return NULL;
    struct names_entry *entry =
        find_names_entry(names, parts->hash[labels], parts->lower + parts->at[labels]);
    if (!entry->name) {
        *entry = (struct names_entry){.name = name, .hash = parts->hash[labels]};
        names->cnt++;
    }
    return &entry->value;
}

void **names_put(struct names *names, struct arena *arena, const uint8_t *name)
{
    if (names->cnt * 2 >= names->size && !grow_names(names))
        return NULL;
    uint64_t hash = dname_hash(name);
    struct names_entry *entry = find_names_entry(names, hash, name);
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
    return find_names_entry(names, parts->hash[labels], parts->lower + parts->at[labels])
        ->value;
}

void names_fini(struct names *names)
{
    free(names->at);
    *names = (struct names){.cnt = 0};
}
