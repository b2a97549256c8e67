/* Unlike an arena, a slab list is never reset for reuse, and its blocks are huge pages. */
#include "base/slab.h"

#include <sys/mman.h>

/* Lifetime: the list's. */
struct slab {
    struct slab *before; /* the slab allocated before this one */
    size_t used, size;   /* bytes, with this head */
};

void slab_expect(struct slab_list *list, size_t bytes)
{
    list->next = util_max(util_min(bytes + sizeof(struct slab), SLAB_HUGE), SLAB_MIN);
}

static size_t round_up_huge(size_t size)
{
    return (size + SLAB_HUGE - 1) & ~(size_t)(SLAB_HUGE - 1);
}

void *slab_alloc_huge(size_t size)
{
    size_t wanted = round_up_huge(size), mapped = wanted + SLAB_HUGE;
    char *memory =
        mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return NULL;
    /* a huge page starts at a multiple of its size: unmap the rest on both sides */
    size_t before = (SLAB_HUGE - (uintptr_t)memory % SLAB_HUGE) % SLAB_HUGE;
    if (before > 0)
        munmap(memory, before);
    if (mapped - before > wanted)
        munmap(memory + before + wanted, mapped - before - wanted);
    (void)madvise(memory + before, wanted, MADV_HUGEPAGE); /* on failure small pages will do */
    return memory + before;
}

void slab_free_huge(void *memory, size_t size)
{
    if (memory)
        munmap(memory, round_up_huge(size));
}

static struct slab *new_slab(struct slab_list *list, size_t least)
{
    size_t size = util_max(list->next ? list->next : SLAB_HUGE, least + sizeof(struct slab));
    if (size >= SLAB_HUGE)
        size = round_up_huge(size);
    struct slab *slab = size >= SLAB_HUGE ? slab_alloc_huge(size) : calloc(1, size);

    if (!slab)
        return NULL;
    slab->used = sizeof(*slab);
    slab->size = size;
    slab->before = list->last;
    list->last = slab;
    list->bytes += size;
    return slab;
}

/* Return `size` bytes of the slab.  NULL if they do not fit. */
static void *carve_piece(struct slab *slab, size_t size, size_t align)
{
    uintptr_t at = (uintptr_t)slab + slab->used;
    size_t start = (size_t)(((at + align - 1) & ~(uintptr_t)(align - 1)) - (uintptr_t)slab);

    if (start > slab->size || size > slab->size - start)
        return NULL;
    slab->used = start + size;
    return (char *)slab + start;
}

void *slab_alloc(struct slab_list *list, size_t size, size_t align)
{
    void *piece = list->last ? carve_piece(list->last, size, align) : NULL;
    if (piece)
        return piece;
    struct slab *slab = new_slab(list, size + align);
    return slab ? carve_piece(slab, size, align) : NULL;
}

void slab_fini(struct slab_list *list)
{
    for (struct slab *slab = list->last; slab;) {
        struct slab *before = slab->before;
        if (slab->size >= SLAB_HUGE)
            slab_free_huge(slab, slab->size);
        else
            free(slab);
        slab = before;
    }
    *list = (struct slab_list){.last = NULL};
}
