/* Sorting first makes the rest one pass: records of an owner are neighbours, ancestors come
 * before descendants, and a cut is followed by everything below it. */
#include "authd/zonebuild.h"

#include <stdarg.h>

#include "authd/zonetext.h"

enum {
    FILES_MAX = 1000,
    RECORDS_FIRST = 256,
    RECORDS_MAX = 100000000,
    BYTES_MAX =
        INT32_MAX, /* of all files of a zone; limits.md section 4 has less for transfers */
};

void zonebuild_init(struct zonebuild *build, const uint8_t *origin, struct diag *diag)
{
    *build = (struct zonebuild){.diag = diag};
    memcpy(build->origin, origin, dname_len(origin));
}

void zonebuild_fini(struct zonebuild *build)
{
    for (size_t i = 0; i < build->file_cnt; i++) {
        free(build->files[i].path);
        free(build->files[i].text);
    }
    free(build->files);
    free(build->records);
    arena_fini(&build->arena);
}

enum err zonebuild_add_file(struct zonebuild *build, const char *path, char *text, size_t len,
                            const struct file_stamp *stamp, uint16_t *number)
{
    char *copy = strdup(path);
    struct zonebuild_file *files = NULL;

    build->file_bytes += len;
    if (build->file_cnt == FILES_MAX || build->file_bytes > BYTES_MAX) {
        free(copy);
        free(text);
        return ERR_LIMIT;
    }
    files = realloc(build->files, (build->file_cnt + 1) * sizeof(*files));
    if (files)
        build->files = files;
    if (!copy || !files) {
        free(copy);
        free(text);
        return ERR_NOMEM;
    }
    files[build->file_cnt] =
        (struct zonebuild_file){.path = copy, .text = text, .len = len, .stamp = *stamp};
    *number = (uint16_t)build->file_cnt++;
    return ERR_OK;
}

static const struct zonebuild_owner *copy_owner(struct zonebuild *build, const uint8_t *name)
{
    uint8_t key[DNAME_KEY_MAX];
    size_t name_len = dname_len(name);

    if (build->last_owner && build->last_owner->name_len == name_len &&
        memcmp(build->last_owner->name, name, name_len) == 0)
        return build->last_owner;
    size_t key_len = dname_key(name, key);
    struct zonebuild_owner *owner =
        arena_alloc(&build->arena, sizeof(*owner) + name_len + key_len);
    if (!owner)
        return NULL;
    memcpy(owner->name, name, name_len);
    memcpy(owner->name + name_len, key, key_len);
    owner->key = owner->name + name_len;
    owner->key_len = (uint16_t)key_len;
    owner->name_len = (uint8_t)name_len;
    build->last_owner = owner;
    return owner;
}

enum err zonebuild_add(struct zonebuild *build, const uint8_t *owner,
                       const struct zonebuild_record *record)
{
    if (build->cnt == RECORDS_MAX)
        return ERR_LIMIT;
    if (build->cnt == build->size) {
        size_t size = build->size ? build->size * 2 : RECORDS_FIRST;
        struct zonebuild_record *records = realloc(build->records, size * sizeof(*records));
        if (!records)
            return ERR_NOMEM;
        build->records = records;
        build->size = size;
    }
    struct zonebuild_record *r = &build->records[build->cnt];
    *r = *record;
    r->owner = copy_owner(build, owner);
    r->rdata = arena_copy(&build->arena, record->rdata, record->len);
    if (!r->owner || !r->rdata)
        return ERR_NOMEM;
    build->cnt++;
    return ERR_OK;
}

void zonebuild_report(struct zonebuild *build, enum diag_level level, size_t i, const char *fmt,
                      ...)
{
    char text[400];
    struct diag_place place = {0};
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    const struct zonebuild_record *r = &build->records[i];
    const struct zonebuild_file *file = &build->files[r->file];
    if (diag_wants(build->diag, level)) /* looking up the line costs a walk through the file */
        place = zonetext_place_at(file->path, file->text, file->len, r->line, r->column);
    diag_add(build->diag, level, &place, "%s", text);
}

static int compare_owner(const struct zonebuild_owner *a, const struct zonebuild_owner *b)
{
    if (a == b)
        return 0;
    int diff = memcmp(a->key, b->key, util_min(a->key_len, b->key_len));
    return diff ? diff : (int)a->key_len - (int)b->key_len;
}

static int compare_record(const void *left, const void *right)
{
    const struct zonebuild_record *a = left, *b = right;
    int diff = compare_owner(a->owner, b->owner);
    if (diff == 0)
        diff = (int)a->type - (int)b->type;
    if (diff == 0)
        diff = rdata_compare(a->type, a->rdata, a->len, b->rdata, b->len);
    return diff;
}

static void set_missing_ttls(struct zonebuild *build)
{
    uint32_t minimum = 3600; /* without a SOA the zone is refused anyway */
    bool is_told = false;

    for (size_t i = 0; i < build->cnt; i++)
        if (build->records[i].type == RRTYPE_SOA) {
            minimum = util_get_u32(build->records[i].rdata + build->records[i].len - 4);
            if (minimum > INT32_MAX)
                minimum = INT32_MAX;
            break;
        }
    for (size_t i = 0; i < build->cnt; i++) {
        if (build->records[i].ttl != ZONEBUILD_TTL_UNSET)
            continue;
        if (!is_told)
            zonebuild_report(build, DIAG_WARNING, i,
                             "no TTL here and no $TTL before: the SOA's minimum, %u, is taken",
                             minimum);
        is_told = true;
        build->records[i].ttl = minimum;
    }
}

static void drop_duplicates(struct zonebuild *build)
{
    size_t kept = 0;
    for (size_t i = 0; i < build->cnt; i++) {
        if (kept > 0 && compare_record(&build->records[kept - 1], &build->records[i]) == 0) {
            zonebuild_report(build, DIAG_WARNING, i,
                             "this record is there already; one is kept");
            continue;
        }
        build->records[kept++] = build->records[i];
    }
    build->cnt = kept;
}

bool zonebuild_is_hashed(const struct zonebuild_record *record)
{
    return record->type == RRTYPE_NSEC3 ||
           (record->type == RRTYPE_RRSIG && util_get_u16(record->rdata) == RRTYPE_NSEC3);
}

void zonebuild_sort(struct zonebuild *build)
{
    bool is_sorted = true;

    set_missing_ttls(build);
    for (size_t i = 1; i < build->cnt && is_sorted; i++)
        is_sorted = compare_record(&build->records[i - 1], &build->records[i]) <= 0;
    if (!is_sorted) /* glibc's qsort merges: equal records stay in the order of the file */
        qsort(build->records, build->cnt, sizeof(*build->records), compare_record);
    drop_duplicates(build);
}

/* ---- nodes ---- */

/* Nodes in the order they were made; owns them until the zone takes them. */
struct node_list {
    struct node **at;
    size_t cnt, size;
};

/* Lifetime: zonebuild_finish. */
struct assembly {
    struct zonebuild *build;
    unsigned zone_labels;
    struct node_list names;  /* of the zone */
    struct node_list hashed; /* of RFC 5155 */
    const struct node *cut;  /* the one that covers what follows, NULL when none does */
};

static size_t align4(size_t n) { return (n + 3) & ~(size_t)3; }

/* Takes the node; on failure it is freed. */
static enum err append(struct node_list *list, struct node *node)
{
    if (list->cnt == list->size) {
        size_t size = list->size ? list->size * 2 : RECORDS_FIRST;
        struct node **at = realloc(list->at, size * sizeof(struct node *));
        if (!at) {
            free(node);
            return ERR_NOMEM;
        }
        list->at = at;
        list->size = size;
    }
    list->at[list->cnt++] = node;
    return ERR_OK;
}

static void free_nodes(struct node_list *list)
{
    while (list->cnt > 0)
        free(list->at[--list->cnt]);
    free(list->at);
}

static enum err add_node(struct assembly *a, struct node *node)
{
    if (a->cut && dname_is_under(node->name, a->cut->name))
        node->cut_labels = a->cut->labels;
    else if (node->labels > a->zone_labels && node_find(node, RRTYPE_NS)) {
        node->cut_labels = node->labels;
        a->cut = node;
    }
    return append(&a->names, node);
}

static struct node *new_node(const uint8_t *name, size_t name_len, size_t rrset_bytes)
{
    size_t rrsets_at = align4(sizeof(struct node) + name_len);
    struct node *node = calloc(1, rrsets_at + rrset_bytes);
    if (!node)
        return NULL;
    node->name_len = (uint8_t)name_len;
    node->labels = (uint8_t)dname_labels(name);
    node->rrsets_at = (uint16_t)rrsets_at;
    memcpy(node->name, name, name_len);
    return node;
}

/* Names between the node before and this one that own nothing themselves. */
static enum err add_empty(struct assembly *a, const struct zonebuild_owner *owner)
{
    unsigned labels = dname_labels(owner->name);
    unsigned known = a->zone_labels;
    enum err err = ERR_OK;

    if (a->names.cnt > 0) {
        const struct node *before = a->names.at[a->names.cnt - 1];
        unsigned most = before->labels < labels ? before->labels : labels;
        for (known = most; known > a->zone_labels; known--)
            if (dname_is_equal(dname_suffix(before->name, known),
                               dname_suffix(owner->name, known)))
                break;
    }
    for (unsigned n = known + 1; n < labels && !err; n++) {
        const uint8_t *name = dname_suffix(owner->name, n);
        struct node *node = new_node(name, dname_len(name), 0);
        err = node ? add_node(a, node) : ERR_NOMEM;
    }
    return err;
}

/* The end of the run of records from `i` on that share owner and, if `same_type`, type. */
static size_t run_end(const struct zonebuild *build, size_t i, bool same_type)
{
    size_t end = i + 1;
    while (end < build->cnt &&
           compare_owner(build->records[i].owner, build->records[end].owner) == 0 &&
           (!same_type || build->records[i].type == build->records[end].type))
        end++;
    return end;
}

static size_t rrset_bytes(const struct zonebuild *build, size_t from, size_t to)
{
    size_t bytes = sizeof(struct rrset);
    for (size_t i = from; i < to; i++)
        bytes += 2U + build->records[i].len;
    return align4(bytes);
}

/* RFC 2181 5.2: one TTL a set; where the file has several, the smallest. */
static uint32_t rrset_ttl(const struct zonebuild *build, size_t from, size_t to)
{
    uint32_t ttl = build->records[from].ttl;
    for (size_t i = from + 1; i < to; i++)
        if (build->records[i].ttl < ttl)
            ttl = build->records[i].ttl;
    return ttl;
}

static void pack(const struct zonebuild *build, size_t from, size_t to, struct rrset *set)
{
    uint8_t *p = set->data;

    set->type = build->records[from].type;
    set->cnt = (uint16_t)(to - from);
    set->ttl = rrset_ttl(build, from, to);
    for (size_t i = from; i < to; i++) {
        util_put_u16(p, build->records[i].len);
        memcpy(p + 2, build->records[i].rdata, build->records[i].len);
        p += 2 + build->records[i].len;
    }
    set->size = (uint32_t)(p - set->data);
}

/* Names of RFC 5155 are no names of the zone (7.2.8): they are kept apart for the proofs. */
static bool is_hashed(const struct zonebuild *build, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (!zonebuild_is_hashed(&build->records[i]))
            return false;
    return true;
}

static enum err add_owner(struct assembly *a, size_t from, size_t to)
{
    const struct zonebuild *build = a->build;
    const struct zonebuild_owner *owner = build->records[from].owner;
    size_t bytes = 0;
    bool hashed = is_hashed(build, from, to);

    enum err err = hashed ? ERR_OK : add_empty(a, owner);
    if (err)
        return err;
    for (size_t i = from; i < to; i = run_end(build, i, true))
        bytes += rrset_bytes(build, i, run_end(build, i, true));
    struct node *node = new_node(owner->name, owner->name_len, bytes);
    if (!node)
        return ERR_NOMEM;
    uint8_t *place = (uint8_t *)node + node->rrsets_at;
    for (size_t i = from; i < to;) {
        size_t end = run_end(build, i, true);
        pack(build, i, end, (struct rrset *)(void *)place);
        if (build->records[i].type == RRTYPE_DNAME)
            node->flags |= NODE_HAS_DNAME;
        place += rrset_bytes(build, i, end);
        node->rrset_cnt++;
        i = end;
    }
    return hashed ? append(&a->hashed, node) : add_node(a, node);
}

static void mark_wildcards(struct zone *zone)
{
    for (size_t i = 0; i < zone->chunk_cnt; i++)
        for (size_t n = 0; n < zone->chunks[i]->cnt; n++) {
            const struct node *node = zone->chunks[i]->node[n];
            if (node->labels == zone->labels || node->name[0] != 1 || node->name[1] != '*')
                continue;
            const uint8_t *parent = node->name + 2;
            struct node *found =
                index_find(&zone->index, dname_hash(parent), parent, node->name_len - 2U);
            must(found);
            found->flags |= NODE_HAS_WILDCARD;
        }
}

static void read_soa(struct zone *zone)
{
    struct rrset_record soa = rrset_first(zone->soa);
    const uint8_t *numbers = soa.rdata + soa.len - 20;
    uint32_t minimum = util_get_u32(numbers + 16);

    zone->serial = util_get_u32(numbers);
    zone->negative_ttl = minimum < zone->soa->ttl ? minimum : zone->soa->ttl;
}

/* What a zone knows of itself, once its nodes are in place. */
static void complete(struct zone *zone, const struct zonebuild *build)
{
    zone->record_cnt = build->cnt;
    zone->apex = zone_find_name(zone, build->origin);
    zone->soa = zone->apex ? node_find(zone->apex, RRTYPE_SOA) : NULL;
    must(zone->soa); /* zone_check has seen it */
    mark_wildcards(zone);
    read_soa(zone);
    zone->is_loaded = true;
}

enum err zonebuild_finish(struct zonebuild *build, struct zone **out)
{
    struct zone *zone = NULL;
    struct assembly a = {.build = build, .zone_labels = dname_labels(build->origin)};

    enum err err = zone_new(build->origin, &zone);
    for (size_t i = 0; i < build->cnt && !err;) {
        size_t end = run_end(build, i, false);
        err = add_owner(&a, i, end);
        i = end;
    }
    if (err) {
        free_nodes(&a.names);
        free_nodes(&a.hashed);
        zone_unref(&zone);
        return err;
    }
    zone->hashed = a.hashed.at;
    zone->hashed_cnt = a.hashed.cnt;
    err = zone_fill(zone, a.names.at, a.names.cnt);
    free(a.names.at);
    for (size_t i = 0; i < build->file_cnt && !err; i++)
        err = zone_add_file(zone, build->files[i].path, &build->files[i].stamp);
    if (err) {
        zone_unref(&zone);
        return err;
    }
    complete(zone, build);
    *out = zone;
    return ERR_OK;
}
