/* Sorting the index on demand could replace the chunks.  Stored, the order costs eight bytes
 * per name, and a transfer is a walk through it. */
#include "authd/zone/zone.h"

enum { PREFETCH_DISTANCE = 16 };

enum err zone_new(const uint8_t *name, struct zone **out)
{
    size_t name_len = dname_len(name);
    struct zone *zone = calloc(1, sizeof(*zone) + name_len);
    if (!zone)
        return ERR_NOMEM;
    atomic_init(&zone->ref_cnt, 1);
    zone->name_len = (uint8_t)name_len;
    zone->labels = (uint8_t)dname_labels(name);
    memcpy(zone->name, name, zone->name_len);
    *out = zone;
    return ERR_OK;
}

static enum err add_chunk(struct zone *zone, struct node **nodes, size_t cnt)
{
    size_t bytes = sizeof(struct zone_chunk) + cnt * sizeof(struct node *);
    struct zone_chunk *chunk = malloc(bytes);
    if (!chunk)
        return ERR_NOMEM;
    chunk->cnt = (uint32_t)cnt;
    memcpy(chunk->node, nodes, cnt * sizeof(struct node *));
    zone->chunks[zone->chunk_cnt++] = chunk;
    zone->bytes += bytes;
    return ERR_OK;
}

/* Index pages of a large zone are not in the CPU cache: prefetch them some names ahead. */
static enum err fill_index(struct zone *zone, struct node **nodes, size_t cnt)
{
    uint64_t hashes[PREFETCH_DISTANCE];
    enum err err = ERR_OK;

    for (size_t i = 0; i < cnt + PREFETCH_DISTANCE && !err; i++) {
        uint64_t *hash = &hashes[i % PREFETCH_DISTANCE];
        if (i >= PREFETCH_DISTANCE)
            err = index_put(&zone->index, *hash, nodes[i - PREFETCH_DISTANCE]);
        if (i < cnt) {
            *hash = dname_hash(nodes[i]->name);
            index_prefetch_put(&zone->index, *hash);
        }
    }
    return err;
}

enum err zone_fill(struct zone *zone, struct node **nodes, size_t cnt)
{
    enum err err = index_init(&zone->index, &zone->memory, cnt);

    zone->chunks = calloc(cnt / ZONE_CHUNK + 1, sizeof(struct zone_chunk *));
    if (!zone->chunks)
        err = ERR_NOMEM;
    for (size_t done = 0; !err && done < cnt; done += ZONE_CHUNK)
        err = add_chunk(zone, nodes + done, util_min(ZONE_CHUNK, cnt - done));
    if (!err)
        err = fill_index(zone, nodes, cnt);
    zone->node_cnt = cnt;
    zone->bytes += sizeof(*zone) + zone->memory.bytes + ((size_t)1 << zone->index.depth) * 8 +
                   (cnt / ZONE_CHUNK + 1) * sizeof(struct zone_chunk *);
    return err;
}

const struct node *zone_find(const struct zone *zone, const struct dname_parts *name,
                             unsigned labels)
{
    return index_find(&zone->index, name->hash[labels], name->lower + name->at[labels],
                      (size_t)name->len - name->at[labels]);
}

const struct node *zone_find_name(const struct zone *zone, uint64_t hash, const uint8_t *name)
{
    return index_find(&zone->index, hash, name, dname_len(name));
}

const struct node *zone_find_wildcard(const struct zone *zone, const struct node *node)
{
    uint8_t name[DNAME_MAX + 2] = {1, '*'};
    memcpy(name + 2, node->name, node->name_len);
    return index_find(&zone->index, dname_hash(name), name, node->name_len + 2U);
}

enum err zone_add_file(struct zone *zone, const char *path, const struct file_stamp *stamp)
{
    struct zone_file *files = realloc(zone->files, (zone->file_cnt + 1) * sizeof(*files));
    if (!files)
        return ERR_NOMEM;
    zone->files = files;
    char *copy = strdup(path);
    if (!copy)
        return ERR_NOMEM;
    files[zone->file_cnt++] = (struct zone_file){.path = copy, .stamp = *stamp};
    return ERR_OK;
}

bool zone_is_outdated(const struct zone *zone)
{
    for (size_t i = 0; i < zone->file_cnt; i++) {
        const struct file_stamp *was = &zone->files[i].stamp;
        struct file_stamp now = {0};
        if (file_stat(zone->files[i].path, &now) != ERR_OK || now.device != was->device ||
            now.inode != was->inode || now.size != was->size || now.mtime_ns != was->mtime_ns)
            return true;
    }
    return zone->file_cnt == 0;
}

struct zone *zone_ref(struct zone *zone)
{
    atomic_fetch_add_explicit(&zone->ref_cnt, 1, memory_order_relaxed);
    return zone;
}

void zone_unref(struct zone **zone)
{
    struct zone *z = *zone;
    *zone = NULL;
    /* acq_rel: the last reads of other threads happen before the zone is freed */
    if (!z || atomic_fetch_sub_explicit(&z->ref_cnt, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < z->chunk_cnt; i++)
        free(z->chunks[i]);
    free(z->chunks);
    denial_fini(&z->denial);
    index_fini(&z->index);
    slab_fini(&z->memory);
    for (size_t i = 0; i < z->file_cnt; i++)
        free(z->files[i].path);
    free(z->files);
    free(z);
}
