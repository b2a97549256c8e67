/* Sorting first makes the rest one pass: records of an owner are neighbours, ancestors precede
 * descendants, and a zone cut precedes everything below it. */
#include "authd/zone/zonebuild.h"

enum {
    PREFETCH_DISTANCE = 16,
    OWNER_ALIGN = 8,
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
    slab_fini(&build->memory);
}

enum err zonebuild_add_file(struct zonebuild *build, const char *path, char *text, size_t len,
                            const struct file_stamp *stamp, uint16_t *number)
{
    char *copy = strdup(path);
    struct zonebuild_file *files = NULL;

    build->file_bytes += len;
    if (build->file_cnt == ZONEBUILD_FILES_MAX || build->file_bytes > ZONEBUILD_BYTES_MAX) {
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
        slab_alloc(&build->memory, sizeof(*owner) + name_len + key_len, OWNER_ALIGN);
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
    if (build->cnt == ZONEBUILD_RECORDS_MAX)
        return ERR_LIMIT;
    struct zonebuild_record *records =
        util_grow(build->records, build->cnt, &build->size, sizeof(*records));
    if (!records)
        return ERR_NOMEM;
    build->records = records;
    struct zonebuild_record *r = &build->records[build->cnt];
    *r = *record;
    r->owner = copy_owner(build, owner);
    uint8_t *rdata = slab_alloc(&build->memory, record->len, 1);
    if (!r->owner || !rdata)
        return ERR_NOMEM;
    if (record->len > 0)
        memcpy(rdata, record->rdata, record->len);
    r->rdata = rdata;
    build->cnt++;
    return ERR_OK;
}

void zonebuild_report(struct zonebuild *build, enum diag_level level, size_t i, const char *fmt,
                      ...)
{
    struct diag_place place = {0};
    va_list args;

    const struct zonebuild_record *r = &build->records[i];
    const struct zonebuild_file *file = &build->files[r->file];
    if (diag_wants(build->diag, level)) /* diag_place_at reads the file up to the line */
        place = diag_place_at(file->path, file->text, file->len, r->line, r->column);
    va_start(args, fmt);
    diag_add_args(build->diag, level, &place, fmt, args);
    va_end(args);
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
    uint32_t minimum = 3600; /* zone_check will reject a zone without a SOA */
    bool is_reported = false;

    for (size_t i = 0; i < build->cnt; i++)
        if (build->records[i].type == RRTYPE_SOA) {
            minimum = util_get_u32(build->records[i].rdata + build->records[i].len - 4);
            if (minimum > INT32_MAX)
                minimum = 0; /* RFC 2181 8 */
            break;
        }
    for (size_t i = 0; i < build->cnt; i++) {
        if (build->records[i].ttl != ZONEBUILD_TTL_UNSET)
            continue;
        if (!is_reported)
            zonebuild_report(build, DIAG_WARNING, i,
                             "no TTL in this record and no $TTL before it: it gets the SOA's "
                             "minimum, %u seconds",
                             minimum);
        is_reported = true;
        build->records[i].ttl = minimum;
    }
}

static void prefetch_record(const struct zonebuild *build, size_t i)
{
    if (i >= build->cnt)
        return;
    __builtin_prefetch(build->records[i].owner);
    __builtin_prefetch((const char *)build->records[i].owner + 64);
    __builtin_prefetch(build->records[i].rdata);
}

static void drop_duplicates(struct zonebuild *build)
{
    size_t kept = 0;
    for (size_t i = 0; i < build->cnt; i++) {
        prefetch_record(build, i + PREFETCH_DISTANCE);
        /* records of an owner share its struct from now on */
        if (kept > 0 &&
            compare_owner(build->records[kept - 1].owner, build->records[i].owner) == 0)
            build->records[i].owner = build->records[kept - 1].owner;
        if (kept > 0 && compare_record(&build->records[kept - 1], &build->records[i]) == 0) {
            zonebuild_report(build, DIAG_WARNING, i, "duplicate record: only one is kept");
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

/* Most comparisons need only this, which stays in the CPU cache. */
struct sort_key {
    uint64_t head[2]; /* the first octets of the owner's key after the origin's, big-endian */
    const struct zonebuild_record *record;
};

static int compare_sort_key(const void *left, const void *right)
{
    const struct sort_key *a = left, *b = right;
    for (int i = 0; i < 2; i++)
        if (a->head[i] != b->head[i])
            return a->head[i] < b->head[i] ? -1 : 1;
    int diff = compare_record(a->record, b->record);
    /* qsort is not stable: equal records must stay in the order of the file */
    return diff ? diff : (a->record > b->record) - (a->record < b->record);
}

static struct sort_key make_sort_key(const struct zonebuild_record *record, size_t origin_len)
{
    const struct zonebuild_owner *owner = record->owner;
    uint8_t head[16] = {0};
    struct sort_key key = {.record = record};

    memcpy(head, owner->key + origin_len, util_min(owner->key_len - origin_len, sizeof(head)));
    for (int i = 0; i < 2; i++)
        key.head[i] =
            (uint64_t)util_get_u32(head + 8 * i) << 32 | util_get_u32(head + 8 * i + 4);
    return key;
}

static enum err sort_records(struct zonebuild *build)
{
    uint8_t origin[DNAME_KEY_MAX];
    size_t origin_len = dname_key(build->origin, origin);
    struct sort_key *keys = malloc(build->cnt * sizeof(*keys));
    struct zonebuild_record *sorted = malloc(build->cnt * sizeof(*sorted));

    if (!keys || !sorted) {
        free(keys);
        free(sorted);
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < build->cnt; i++)
        keys[i] = make_sort_key(&build->records[i], origin_len);
    qsort(keys, build->cnt, sizeof(*keys), compare_sort_key);
    for (size_t i = 0; i < build->cnt; i++) {
        if (i + PREFETCH_DISTANCE < build->cnt)
            __builtin_prefetch(keys[i + PREFETCH_DISTANCE].record);
        sorted[i] = *keys[i].record;
    }
    free(keys);
    free(build->records);
    build->records = sorted;
    build->size = build->cnt;
    return ERR_OK;
}

enum err zonebuild_sort(struct zonebuild *build)
{
    bool is_sorted = true;

    set_missing_ttls(build);
    for (size_t i = 1; i < build->cnt && is_sorted; i++)
        is_sorted = compare_record(&build->records[i - 1], &build->records[i]) <= 0;
    enum err err = is_sorted ? ERR_OK : sort_records(build);
    if (!err)
        drop_duplicates(build);
    return err;
}

size_t zonebuild_find_owner(const struct zonebuild *build, const uint8_t *name)
{
    uint8_t key[DNAME_KEY_MAX];
    size_t key_len = dname_key(name, key);
    size_t low = 0, high = build->cnt;

    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct zonebuild_owner *o = build->records[middle].owner;
        int diff = memcmp(o->key, key, util_min(o->key_len, key_len));
        if (diff == 0)
            diff = (int)o->key_len - (int)key_len;
        if (diff < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_found = low < build->cnt && build->records[low].owner->key_len == key_len &&
                    memcmp(build->records[low].owner->key, key, key_len) == 0;
    return is_found ? low : build->cnt;
}

/* The sort key of records within an owner: the type, then the covered type of a signature. */
static uint32_t type_rank(uint16_t type, uint16_t covered)
{
    return (uint32_t)type << 16 | covered;
}

uint16_t zonebuild_covered(const struct zonebuild_record *r)
{
    return r->type == RRTYPE_RRSIG ? util_get_u16(r->rdata) : 0;
}

/* True if record `at` belongs to the owner that begins at `i` and has a lower rank. */
static bool is_before_rank(const struct zonebuild *build, size_t i, size_t at, uint32_t wanted)
{
    const struct zonebuild_record *r = &build->records[at];
    return type_rank(r->type, zonebuild_covered(r)) < wanted &&
           zonebuild_is_same_owner(build, i, at);
}

/* Return the first record of at least this rank of the owner that begins at `i`; the end of the
 * owner if it has none.  An owner has few records, a zone millions: doubling strides keep the
 * search among the neighbours. */
static size_t find_rank(const struct zonebuild *build, size_t i, uint32_t wanted)
{
    size_t low = i, high = i, stride = 1;

    while (high < build->cnt && is_before_rank(build, i, high, wanted)) {
        low = high + 1;
        high += stride;
        stride *= 2;
    }
    high = util_min(high, build->cnt);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (is_before_rank(build, i, middle, wanted))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t zonebuild_find_type(const struct zonebuild *build, size_t i, uint16_t type)
{
    size_t at = find_rank(build, i, type_rank(type, 0));
    bool is_found = at < build->cnt && zonebuild_is_same_owner(build, i, at) &&
                    build->records[at].type == type;
    return is_found ? at : build->cnt;
}

size_t zonebuild_find_signatures(const struct zonebuild *build, size_t i, uint16_t type)
{
    size_t at = find_rank(build, i, type_rank(RRTYPE_RRSIG, type));
    bool is_found = at < build->cnt && zonebuild_is_same_owner(build, i, at) &&
                    build->records[at].type == RRTYPE_RRSIG &&
                    zonebuild_covered(&build->records[at]) == type;
    return is_found ? at : build->cnt;
}

bool zonebuild_next(struct zonebuild_walk *w)
{
    const struct zonebuild *build = w->build;
    bool is_hashed = true;

    if (w->to == build->cnt)
        return false;
    w->from = w->to++;
    while (w->to < build->cnt && zonebuild_is_same_owner(build, w->from, w->to))
        w->to++;
    for (size_t i = w->from; i < w->to && is_hashed; i++)
        is_hashed = zonebuild_is_hashed(&build->records[i]);
    const struct zonebuild_owner *owner = build->records[w->from].owner;
    if (is_hashed) {
        w->view = ZONEBUILD_HASHED;
    } else if (w->cut && dname_is_under(owner->name, w->cut->name)) {
        w->view = ZONEBUILD_BELOW;
    } else if (!dname_is_equal(owner->name, build->origin) &&
               zonebuild_find_type(build, w->from, RRTYPE_NS) < build->cnt) {
        w->view = ZONEBUILD_CUT;
        w->cut = owner;
    } else {
        w->view = ZONEBUILD_OWN;
    }
    return true;
}

bool zonebuild_is_signed(const struct zonebuild_walk *w, const struct zonebuild_record *r)
{
    if (r->type == RRTYPE_RRSIG || w->view == ZONEBUILD_BELOW)
        return false;
    return w->view != ZONEBUILD_CUT || r->type == RRTYPE_DS || r->type == RRTYPE_NSEC;
}

/* ---- nodes ---- */

/* Nodes in the order in which they were made. */
struct node_list {
    struct node **at;
    size_t cnt, size;
};

/* The records from..to - 1: one RRset, or the RRSIGs of one covered type. */
struct run {
    size_t from, to;
    bool is_too_large; /* no message can hold the RRset; from..to - 1 is the part stored */
};

/* Lifetime: zonebuild_finish. */
struct assembly {
    struct zonebuild *build;
    struct slab_list *memory; /* of the zone */
    unsigned zone_labels;
    struct node_list names;  /* of the zone */
    struct node_list hashed; /* owners of NSEC3 */
    const struct node *cut;  /* the last zone cut; NULL: none yet */
    bool has_hashed;
    bool has_nsec;
    const struct nsec3_params *params; /* of the chain to serve; NULL: none */
    struct run *runs;                  /* the RRsets of the current owner */
    size_t run_cnt, run_size;
};

enum { NODE_ALIGN = 8, NODE_INDEX_BYTES = 14 /* per name, as index.c fills its pages */ };

static size_t align4(size_t n) { return (n + 3) & ~(size_t)3; }

static enum err append_node(struct node_list *list, struct node *node)
{
    struct node **at = util_grow(list->at, list->cnt, &list->size, sizeof(struct node *));
    if (!at)
        return ERR_NOMEM;
    list->at = at;
    list->at[list->cnt++] = node;
    return ERR_OK;
}

static enum err add_node(struct assembly *a, struct node *node)
{
    if (a->cut && dname_is_under(node->name, a->cut->name))
        node->cut_labels = a->cut->labels;
    else if (node->labels > a->zone_labels && node_find(node, RRTYPE_NS)) {
        node->cut_labels = node->labels;
        a->cut = node;
    }
    return append_node(&a->names, node);
}

/* Return how many hashes the node of this name stores: none below a zone cut; its own; and that
 * of "*" only if names exist below it, since only then is it a likely closest encloser. */
static unsigned count_hashes(const struct assembly *a, const uint8_t *name, bool has_child)
{
    if (!a->params ||
        (a->cut && dname_is_under(name, a->cut->name) && !dname_is_equal(name, a->cut->name)))
        return 0;
    return has_child ? 2 : 1;
}

static void store_hashes(const struct assembly *a, struct node *node, unsigned cnt)
{
    uint8_t wildcard[DNAME_MAX + 2] = {1, '*'};

    if (cnt == 0)
        return;
    node->flags |= NODE_HAS_HASH | (cnt > 1 ? NODE_HAS_WILDCARD_HASH : 0);
    uint8_t *at = (uint8_t *)node + node->rrsets_at - cnt * NSEC3_HASH_LEN;
    nsec3_hash(a->params, node->name, at);
    memcpy(wildcard + 2, node->name, node->name_len);
    if (cnt > 1 && node->name_len + 2U <= DNAME_MAX)
        nsec3_hash(a->params, wildcard, at + NSEC3_HASH_LEN);
}

static struct node *new_node(const struct assembly *a, const uint8_t *name, size_t name_len,
                             unsigned hash_cnt, size_t rrset_bytes)
{
    size_t rrsets_at = align4(sizeof(struct node) + name_len) + hash_cnt * NSEC3_HASH_LEN;
    struct node *node = slab_alloc(a->memory, rrsets_at + rrset_bytes, NODE_ALIGN);
    if (!node)
        return NULL;
    node->name_len = (uint8_t)name_len;
    node->labels = (uint8_t)dname_labels(name);
    node->rrsets_at = (uint16_t)rrsets_at;
    memcpy(node->name, name, name_len);
    store_hashes(a, node, hash_cnt);
    return node;
}

/* Add the empty non-terminals above `owner` that no earlier name has added. */
static enum err add_empty(struct assembly *a, const struct zonebuild_owner *owner)
{
    unsigned labels = dname_labels(owner->name);
    unsigned known = a->zone_labels;
    enum err err = ERR_OK;

    if (a->names.cnt > 0) {
        const struct node *before = a->names.at[a->names.cnt - 1];
        known = before->labels < labels ? before->labels : labels;
        for (; known > a->zone_labels; known--)
            if (dname_is_equal(dname_suffix(before->name, known),
                               dname_suffix(owner->name, known)))
                break;
    }
    for (unsigned n = known + 1; n < labels && !err; n++) {
        const uint8_t *name = dname_suffix(owner->name, n);
        struct node *node = new_node(a, name, dname_len(name), count_hashes(a, name, true), 0);
        err = node ? add_node(a, node) : ERR_NOMEM;
    }
    return err;
}

size_t zonebuild_rrset_end(const struct zonebuild *build, size_t i)
{
    const struct zonebuild_record *first = &build->records[i];
    size_t end = i + 1;
    while (end < build->cnt && first->type == build->records[end].type &&
           zonebuild_covered(first) == zonebuild_covered(&build->records[end]) &&
           zonebuild_is_same_owner(build, i, end))
        end++;
    return end;
}

static size_t rrset_bytes(const struct zonebuild *build, struct run run)
{
    size_t bytes = sizeof(struct rrset);
    for (size_t i = run.from; i < run.to; i++)
        bytes += 2U + build->records[i].len;
    return align4(bytes);
}

/* RFC 2181 5.2: an RRset has one TTL; of several in the file take the smallest. */
static uint32_t rrset_ttl(const struct zonebuild *build, struct run run)
{
    uint32_t ttl = build->records[run.from].ttl;
    for (size_t i = run.from + 1; i < run.to; i++)
        if (build->records[i].ttl < ttl)
            ttl = build->records[i].ttl;
    return ttl;
}

static void pack_run(const struct zonebuild *build, struct run run, bool is_signed,
                     struct rrset *set)
{
    uint8_t *p = set->data;

    set->type = build->records[run.from].type;
    set->cnt = (uint16_t)(run.to - run.from);
    set->ttl = rrset_ttl(build, run);
    set->flags =
        (is_signed ? RRSET_IS_SIGNED : 0) | (run.is_too_large ? RRSET_IS_TOO_LARGE : 0);
    for (size_t i = run.from; i < run.to; i++) {
        util_put_u16(p, build->records[i].len);
        memcpy(p + 2, build->records[i].rdata, build->records[i].len);
        p += 2 + build->records[i].len;
    }
    set->size = (uint16_t)(p - set->data);
}

/* Limit a run to the records whose size `struct rrset` can express.  No answer is made from the
 * shortened RRset: RRSET_IS_TOO_LARGE prevents it. */
static struct run limit_run(const struct zonebuild *build, struct run run)
{
    size_t bytes = 0;
    for (size_t i = run.from; i < run.to; i++) {
        bytes += 2U + build->records[i].len;
        if (bytes > UINT16_MAX)
            return (struct run){.from = run.from, .to = i, .is_too_large = true};
    }
    return run;
}

static enum err add_run(struct assembly *a, struct run run)
{
    struct run *runs = util_grow(a->runs, a->run_cnt, &a->run_size, sizeof(*runs));
    if (!runs)
        return ERR_NOMEM;
    a->runs = runs;
    a->runs[a->run_cnt++] = limit_run(a->build, run);
    return ERR_OK;
}

/* Collect the RRsets among the records from..to - 1 of one owner, each followed by its
 * signatures: if `hashed`, NSEC3, whose owners do not exist as names (RFC 5155 7.2.8), else all
 * others.  Types and covered types both ascend, so one walk finds the signatures. */
static enum err collect_runs(struct assembly *a, size_t from, size_t to, bool hashed)
{
    const struct zonebuild *build = a->build;
    size_t sig = from;
    enum err err = ERR_OK;

    while (sig < to && build->records[sig].type < RRTYPE_RRSIG)
        sig++;
    a->run_cnt = 0;
    for (size_t i = from; i < to && !err; i = zonebuild_rrset_end(build, i)) {
        uint16_t type = build->records[i].type;
        if (type == RRTYPE_RRSIG || hashed != zonebuild_is_hashed(&build->records[i]))
            continue;
        err = add_run(a, (struct run){.from = i, .to = zonebuild_rrset_end(build, i)});
        while (sig < to && build->records[sig].type == RRTYPE_RRSIG &&
               zonebuild_covered(&build->records[sig]) < type)
            sig = zonebuild_rrset_end(build, sig);
        if (!err && sig < to && build->records[sig].type == RRTYPE_RRSIG &&
            zonebuild_covered(&build->records[sig]) == type)
            err = add_run(a, (struct run){.from = sig, .to = zonebuild_rrset_end(build, sig)});
    }
    return err;
}

/* Collect signatures of RRsets that the owner does not have: queries for RRSIG get them. */
static enum err collect_orphans(struct assembly *a, size_t from, size_t to)
{
    const struct zonebuild *build = a->build;
    enum err err = ERR_OK;

    for (size_t i = from; i < to && !err; i = zonebuild_rrset_end(build, i)) {
        uint16_t type = zonebuild_covered(&build->records[i]);
        if (build->records[i].type == RRTYPE_RRSIG && type != RRTYPE_NSEC3 &&
            (type == RRTYPE_RRSIG || zonebuild_find_type(build, from, type) == build->cnt))
            err = add_run(a, (struct run){.from = i, .to = zonebuild_rrset_end(build, i)});
    }
    return err;
}

/* Make a node from the collected runs. */
static struct node *make_node(struct assembly *a, const struct zonebuild_owner *owner,
                              unsigned hash_cnt)
{
    const struct zonebuild *build = a->build;
    size_t bytes = 0;

    for (size_t i = 0; i < a->run_cnt; i++)
        bytes += rrset_bytes(build, a->runs[i]);
    struct node *node = new_node(a, owner->name, owner->name_len, hash_cnt, bytes);
    if (!node)
        return NULL;
    uint8_t *place = (uint8_t *)node + node->rrsets_at;
    for (size_t i = 0; i < a->run_cnt; i++) {
        const struct zonebuild_record *first = &build->records[a->runs[i].from];
        bool is_signed = i + 1 < a->run_cnt && first->type != RRTYPE_RRSIG &&
                         zonebuild_covered(&build->records[a->runs[i + 1].from]) == first->type;
        pack_run(build, a->runs[i], is_signed, (struct rrset *)(void *)place);
        if (first->type == RRTYPE_DNAME)
            node->flags |= NODE_HAS_DNAME;
        place += rrset_bytes(build, a->runs[i]);
    }
    node->rrset_cnt = (uint16_t)a->run_cnt;
    return node;
}

static enum err add_hashed(struct assembly *a, size_t from, size_t to)
{
    enum err err = collect_runs(a, from, to, true);
    if (err || a->run_cnt == 0)
        return err;
    struct node *node = make_node(a, a->build->records[from].owner, 0);
    return node ? append_node(&a->hashed, node) : ERR_NOMEM;
}

/* True if the owner at record `to` is below the owner of record `i`, which ends there. */
static bool has_child(const struct zonebuild *build, size_t i, size_t to)
{
    return to < build->cnt &&
           dname_is_under(build->records[to].owner->name, build->records[i].owner->name);
}

static enum err add_owner(struct assembly *a, size_t from, size_t to)
{
    const struct zonebuild_owner *owner = a->build->records[from].owner;
    enum err err = a->has_hashed ? add_hashed(a, from, to) : ERR_OK;
    if (!err)
        err = collect_runs(a, from, to, false);
    if (!err)
        err = collect_orphans(a, from, to);
    if (err || a->run_cnt == 0)
        return err;
    err = add_empty(a, owner);
    if (err)
        return err;
    bool is_parent = a->params && has_child(a->build, from, to); /* only hashes need it */
    struct node *node = make_node(a, owner, count_hashes(a, owner->name, is_parent));
    return node ? add_node(a, node) : ERR_NOMEM;
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

static void read_zone_soa(struct zone *zone)
{
    struct rrset_record soa = rrset_first(zone->soa);
    const uint8_t *numbers = soa.rdata + soa.len - 20;
    uint32_t minimum = util_get_u32(numbers + 16);

    zone->serial = util_get_u32(numbers);
    if (minimum > INT32_MAX)
        minimum = 0; /* RFC 2181 8; the record itself stays as written */
    zone->negative_ttl = minimum < zone->soa->ttl ? minimum : zone->soa->ttl;
}

/* ---- denial ---- */

/* True if the NSEC3 chain of `params` includes the apex. */
static bool has_apex(const struct zonebuild *build, const struct nsec3_params *params)
{
    uint8_t hash[NSEC3_HASH_LEN], owner[DNAME_MAX];
    char label[NSEC3_LABEL_LEN + 1];
    size_t origin_len = dname_len(build->origin);

    if (1 + NSEC3_LABEL_LEN + origin_len > sizeof(owner))
        return false;
    nsec3_hash(params, build->origin, hash);
    nsec3_print_label(hash, label);
    owner[0] = NSEC3_LABEL_LEN;
    memcpy(owner + 1, label, NSEC3_LABEL_LEN);
    memcpy(owner + 1 + NSEC3_LABEL_LEN, build->origin, origin_len);
    size_t from = zonebuild_find_owner(build, owner);
    for (size_t i = zonebuild_find_type(build, from, RRTYPE_NSEC3);
         i < build->cnt && zonebuild_is_same_owner(build, from, i) &&
         build->records[i].type == RRTYPE_NSEC3;
         i++) {
        struct nsec3_params own = nsec3_read_params(build->records[i].rdata);
        if (nsec3_is_same(&own, params))
            return true;
    }
    return false;
}

bool zonebuild_choose_params(const struct zonebuild *build, struct nsec3_params *out)
{
    size_t apex = zonebuild_find_owner(build, build->origin);

    for (size_t i = zonebuild_find_type(build, apex, RRTYPE_NSEC3PARAM);
         i < build->cnt && zonebuild_is_same_owner(build, apex, i) &&
         build->records[i].type == RRTYPE_NSEC3PARAM;
         i++) {
        struct nsec3_params params = nsec3_read_params(build->records[i].rdata);
        if (params.flags == 0 && nsec3_is_supported(&params) && has_apex(build, &params)) {
            *out = params;
            return true;
        }
    }
    return false;
}

/* Return `wanted` as a pointer into the zone's own NSEC3PARAM: the build will be freed. */
static struct nsec3_params find_zone_params(const struct zone *zone,
                                            const struct nsec3_params *wanted)
{
    const struct rrset *set = node_find(zone->apex, RRTYPE_NSEC3PARAM);
    struct nsec3_params params = *wanted;

    for (size_t pos = 0; pos < set->size;) {
        struct nsec3_params p = nsec3_read_params(rrset_at(set, pos, &pos).rdata);
        if (nsec3_is_same(&p, wanted))
            params = p;
    }
    return params;
}

static enum err fill_denial(struct zone *zone, const struct assembly *a)
{
    enum err err = ERR_OK;

    if (a->params) {
        struct nsec3_params params = find_zone_params(zone, a->params);
        err = denial_add_hashes(&zone->denial, &params, zone->labels, a->hashed.at,
                                a->hashed.cnt);
    } else if (a->has_nsec) {
        err = denial_add_names(&zone->denial, zone->name, a->names.at, a->names.cnt);
    }
    zone->bytes += zone->denial.cnt * sizeof(*zone->denial.entries);
    return err;
}

/* Set the fields of the zone that depend on its nodes. */
static void complete_zone(struct zone *zone, const struct zonebuild *build)
{
    zone->record_cnt = build->cnt;
    zone->apex = zone_find_name(zone, dname_hash(build->origin), build->origin);
    zone->soa = zone->apex ? node_find(zone->apex, RRTYPE_SOA) : NULL;
    must(zone->soa); /* zone_check requires it */
    mark_wildcards(zone);
    read_zone_soa(zone);
    zone->is_loaded = true;
}

static enum err make_nodes(struct assembly *a)
{
    struct zonebuild *build = a->build;
    enum err err = ERR_OK;

    for (size_t i = 0; i < build->cnt; i++) {
        a->has_hashed |= build->records[i].type == RRTYPE_NSEC3;
        a->has_nsec |= build->records[i].type == RRTYPE_NSEC;
    }
    for (size_t i = 0; i < build->cnt && !err;) {
        size_t end = i + 1;
        prefetch_record(build, i + PREFETCH_DISTANCE);
        while (end < build->cnt && zonebuild_is_same_owner(build, i, end))
            end++;
        err = add_owner(a, i, end);
        i = end;
    }
    return err;
}

/* Estimate the octets of all nodes.  Too low an estimate costs one more slab. */
static size_t estimate_node_bytes(const struct zonebuild *build)
{
    size_t bytes = 0;
    for (size_t i = 0; i < build->cnt; i++) {
        bytes += align4(sizeof(struct rrset) + 2 + build->records[i].len);
        if (i == 0 || build->records[i].owner != build->records[i - 1].owner)
            bytes +=
                sizeof(struct node) + align4(build->records[i].owner->name_len) + NODE_ALIGN;
    }
    return bytes;
}

/* Make nodes, index and denial of `zone`; caller frees the lists of `a`. */
static enum err assemble_zone(struct assembly *a, struct zone *zone)
{
    struct zonebuild *build = a->build;

    a->memory = &zone->memory;
    slab_expect(a->memory, estimate_node_bytes(build));
    enum err err = make_nodes(a);
    if (!err) {
        slab_expect(a->memory, a->names.cnt * NODE_INDEX_BYTES);
        err = zone_fill(zone, a->names.at, a->names.cnt);
    }
    for (size_t i = 0; i < build->file_cnt && !err; i++)
        err = zone_add_file(zone, build->files[i].path, &build->files[i].stamp);
    if (err)
        return err;
    complete_zone(zone, build);
    return fill_denial(zone, a);
}

enum err zonebuild_finish(struct zonebuild *build, struct zone **out)
{
    struct zone *zone = NULL;
    struct nsec3_params params;
    struct assembly a = {.build = build, .zone_labels = dname_labels(build->origin)};

    if (zonebuild_choose_params(build, &params))
        a.params = &params;
    enum err err = zone_new(build->origin, &zone);
    if (!err)
        err = assemble_zone(&a, zone);
    free(a.runs);
    free(a.names.at);
    free(a.hashed.at);
    if (err)
        zone_unref(&zone);
    else
        *out = zone;
    return err;
}
