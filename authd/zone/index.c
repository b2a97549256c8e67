/* One open-addressing table would have to be copied whole to grow by one name.  A search in the
 * chunks would compare twenty names in cold memory; here it reads two cache lines. */
#include "authd/zone/index.h"

enum {
    SLOTS = 8,
    BUCKETS = 64,
    PAGE_FULL = SLOTS * BUCKETS * 9 / 10,
    PAGE_AIM = SLOTS * BUCKETS * 13 / 20, /* entries planned per page: few pages then split */
    BUCKET_AIM = SLOTS - 1,               /* entries planned per bucket of one small page */
    DEPTH_MAX = 28,                       /* that index_init chooses */
    DEPTH_SPARE = 4,                      /* that splitting pages may add */
    POINTER_BITS = 48,
    CACHE_LINE = 64,
};

struct index_page {
    _Alignas(64) unsigned used;
    unsigned depth;                      /* leading bits of the hash that its names share */
    _Alignas(64) uint64_t slot[][SLOTS]; /* index->buckets rows */
};

static struct node *slot_node(uint64_t slot)
{
    return (struct node *)(uintptr_t)(slot & ((1ULL << POINTER_BITS) - 1));
}

static uint64_t make_slot(uint64_t hash, const struct node *node)
{
    uint64_t address = (uint64_t)(uintptr_t)node;
    must(address >> POINTER_BITS == 0);
    return ((hash >> 8) << POINTER_BITS) | address;
}

static size_t page_number(const struct index *index, uint64_t hash)
{
    return index->depth ? (size_t)(hash >> (64 - index->depth)) : 0;
}

static size_t page_bytes(const struct index *index)
{
    return sizeof(struct index_page) + index->buckets * SLOTS * sizeof(uint64_t);
}

static struct index_page *new_page(struct index *index, unsigned depth)
{
    struct index_page *page = slab_alloc(index->memory, page_bytes(index), CACHE_LINE);
    if (!page)
        return NULL;
    page->depth = depth;
    return page;
}

enum err index_init(struct index *index, struct slab_list *memory, size_t cnt)
{
    *index = (struct index){.depth = 0, .buckets = BUCKETS, .memory = memory};
    /* most zones are small, and a server may have a hundred thousand: save their memory */
    while (index->buckets > 1 && cnt <= index->buckets / 2 * BUCKET_AIM)
        index->buckets /= 2;
    while (index->depth < DEPTH_MAX && (cnt >> index->depth) > PAGE_AIM)
        index->depth++;
    index->depth_max = index->depth + DEPTH_SPARE;
    size_t pages = (size_t)1 << index->depth;
    index->pages = calloc(pages, sizeof(struct index_page *));
    if (!index->pages)
        return ERR_NOMEM;
    for (size_t i = 0; i < pages; i++) {
        index->pages[i] = new_page(index, index->depth);
        if (!index->pages[i])
            return ERR_NOMEM; /* index_fini frees the directory */
    }
    return ERR_OK;
}

static void insert_slot(struct index_page *page, size_t buckets, uint64_t hash, uint64_t slot)
{
    for (size_t b = hash & (buckets - 1);; b = (b + 1) & (buckets - 1))
        for (size_t s = 0; s < SLOTS; s++)
            if (page->slot[b][s] == 0) {
                page->slot[b][s] = slot;
                page->used++;
                return;
            }
}

static enum err double_directory(struct index *index)
{
    size_t cnt = (size_t)1 << index->depth;
    if (index->depth >= index->depth_max)
        return ERR_LIMIT;
    struct index_page **pages = calloc(cnt * 2, sizeof(struct index_page *));
    if (!pages)
        return ERR_NOMEM;
    for (size_t i = 0; i < cnt; i++)
        pages[2 * i] = pages[2 * i + 1] = index->pages[i];
    free(index->pages);
    index->pages = pages;
    index->depth++;
    return ERR_OK;
}

/* Split the page of `hash` in two by the next bit of the hash. */
static enum err split_page(struct index *index, uint64_t hash)
{
    struct index_page *old = index->pages[page_number(index, hash)];
    if (old->depth == index->depth) {
        enum err err = double_directory(index);
        if (err)
            return err;
    }
    struct index_page *half[2] = {new_page(index, old->depth + 1),
                                  new_page(index, old->depth + 1)};
    if (!half[0] || !half[1])
        return ERR_NOMEM;
    for (size_t b = 0; b < BUCKETS; b++)
        for (size_t s = 0; s < SLOTS && old->slot[b][s]; s++) {
            uint64_t h = dname_hash(slot_node(old->slot[b][s])->name);
            insert_slot(half[(h >> (63 - old->depth)) & 1], BUCKETS, h, old->slot[b][s]);
        }
    size_t span = (size_t)1 << (index->depth - old->depth);
    size_t first = page_number(index, hash) / span * span;
    for (size_t i = 0; i < span; i++)
        index->pages[first + i] = half[i >= span / 2];
    return ERR_OK; /* slabs free nothing, so the old page's memory stays unused */
}

enum err index_put(struct index *index, uint64_t hash, struct node *node)
{
    const struct index_page *page = index->pages[page_number(index, hash)];

    if (index->buckets < BUCKETS && page->used >= index->buckets * SLOTS)
        return ERR_LIMIT; /* a small page cannot be split */
    while (index->pages[page_number(index, hash)]->used >= PAGE_FULL) {
        enum err err = split_page(index, hash);
        if (err)
            return err;
    }
    insert_slot(index->pages[page_number(index, hash)], index->buckets, hash,
                make_slot(hash, node));
    return ERR_OK;
}

struct node *index_find(const struct index *index, uint64_t hash, const uint8_t *name,
                        size_t name_len)
{
    const struct index_page *page = index->pages[page_number(index, hash)];
    uint64_t tag = (hash >> 8) & 0xffff;
    size_t last = index->buckets - 1;

    for (size_t b = hash & last, tries = 0; tries <= last; b = (b + 1) & last, tries++)
        for (size_t s = 0; s < SLOTS; s++) {
            uint64_t slot = page->slot[b][s];
            if (slot == 0)
                return NULL;
            struct node *node = slot_node(slot);
            if (slot >> POINTER_BITS == tag && node->name_len == name_len &&
                dname_is_same(node->name, name, name_len))
                return node;
        }
    return NULL;
}

void index_prefetch_page(const struct index *index, uint64_t hash)
{
    __builtin_prefetch(&index->pages[page_number(index, hash)]);
}

void index_prefetch_bucket(const struct index *index, uint64_t hash)
{
    __builtin_prefetch(
        index->pages[page_number(index, hash)]->slot[hash & (index->buckets - 1)]);
}

void index_prefetch_put(const struct index *index, uint64_t hash)
{
    struct index_page *page = index->pages[page_number(index, hash)];
    __builtin_prefetch(&page->used, 1);
    __builtin_prefetch(page->slot[hash & (index->buckets - 1)], 1);
}

void index_prefetch_node(const struct index *index, uint64_t hash)
{
    const uint64_t *bucket =
        index->pages[page_number(index, hash)]->slot[hash & (index->buckets - 1)];

    for (size_t s = 0; s < SLOTS && bucket[s]; s++)
        if (bucket[s] >> POINTER_BITS == ((hash >> 8) & 0xffff)) {
            const char *node = (const char *)slot_node(bucket[s]);
            __builtin_prefetch(node);
            __builtin_prefetch(node + CACHE_LINE);
        }
}

void index_fini(struct index *index)
{
    free(index->pages);
    *index = (struct index){.pages = NULL};
}
