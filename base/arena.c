/* Blocks double in size up to ARENA_BLOCK_MAX: a small request needs one page, and a zone of a
 * million names a few hundred blocks. */
#include "base/arena.h"

enum { ARENA_BLOCK_MIN = 4096, ARENA_BLOCK_MAX = 1 << 20, ARENA_ALIGN = 16 };

struct arena_block {
    struct arena_block *next;
    size_t size;
    size_t used;
    _Alignas(ARENA_ALIGN) unsigned char data[];
};

void arena_init(struct arena *arena, size_t cap) { *arena = (struct arena){.cap = cap}; }

static struct arena_block *add_arena_block(struct arena *arena, size_t need)
{
    size_t size =
        arena->last ? util_min(arena->last->size * 2, ARENA_BLOCK_MAX) : ARENA_BLOCK_MIN;
    if (size < need)
        size = need;
    struct arena_block *block = malloc(sizeof(*block) + size);
    if (!block)
        return NULL;
    block->next = NULL;
    block->size = size;
    block->used = 0;
    if (arena->last)
        arena->last->next = block;
    else
        arena->first = block;
    arena->last = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (arena->cap && (size > arena->cap || arena->used > arena->cap - size))
        return NULL;
    struct arena_block *block = arena->last;
    if (!block || block->size - block->used < size) {
        block = add_arena_block(arena, size);
        if (!block)
            return NULL;
    }
    void *piece = block->data + block->used;
    block->used += size;
    arena->used += size;
    return piece;
}

void *arena_copy(struct arena *arena, const void *data, size_t size)
{
    char *copy = arena_alloc(arena, size + 1);
    if (!copy)
        return NULL;
    if (size)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

static void free_arena_blocks(struct arena_block *block)
{
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_reset(struct arena *arena)
{
    if (!arena->first)
        return;
    free_arena_blocks(arena->first->next);
    arena->first->next = NULL;
    arena->first->used = 0;
    arena->last = arena->first;
    arena->used = 0;
}

void arena_fini(struct arena *arena)
{
    free_arena_blocks(arena->first);
    arena_init(arena, arena->cap);
}
