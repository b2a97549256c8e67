/* One walk down each of the two trees, the free list and the entries, with a bit for every page
 * that has been seen. */
#include "resolver/cache/cache_file.h"

#include <stdbool.h>

enum {
    MAGIC = (int)0xbeefc0de,
    DATA_VERSION = 1,
    PAGE_HEAD = 16,
    NODE_HEAD = 8,
    DEPTH_MAX = 32, /* of LMDB's cursors */
    KEY_MAX = 511,
    PAGE_MAX = 32768,
    META_PAGES = 2,

    IS_BRANCH = 1,
    IS_LEAF = 2,
    IS_OVERFLOW = 4,
    IS_META = 8,

    NODE_IS_BIG = 1,
    KEYS_ARE_NUMBERS = 8,
    NO_FOLDER = 0x4000 /* how the file was opened when it was made (MDB_NOSUBDIR) */
};

#define NO_PAGE UINT64_MAX
#define TXN_MAX ((uint64_t)1 << 56) /* whatever comes, it never wraps */

/* As they stand in a meta page. */
struct tree {
    uint32_t pad;
    uint16_t flags, depth;
    uint64_t branch_cnt, leaf_cnt, overflow_cnt, entry_cnt, root;
};

struct meta {
    uint32_t magic, version;
    uint64_t address, map_size;
    struct tree free_list, entries;
    uint64_t last_page, txn;
};

_Static_assert(sizeof(struct meta) == 136, "as LMDB has it");

struct slice {
    const uint8_t *at;
    size_t len;
};

/* Lifetime: the call. */
struct check {
    const uint8_t *map;
    size_t page_size;
    struct meta meta;
    uint8_t *seen; /* a bit a page */
    cache_file_note note;
    void *data;
    struct tree found; /* counted */
    bool is_free_list;
    struct slice last;  /* the key before */
    struct slice least; /* what led to this leaf: no key there is below it */
    const char *why;
};

static bool fail(struct check *c, const char *why)
{
    c->why = why;
    return false;
}

static uint16_t read_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static uint32_t read_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t read_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* ---- pages ---- */

/* Take `cnt` pages from `number` on; false when one is outside, or taken. */
static bool take(struct check *c, uint64_t number, uint64_t cnt)
{
    if (number < META_PAGES || number > c->meta.last_page || cnt == 0 ||
        cnt > c->meta.last_page - number + 1)
        return fail(c, "a page outside the file is pointed at");
    for (uint64_t i = number; i < number + cnt; i++) {
        if (c->seen[i / 8] & 1 << i % 8)
            return fail(c, "a page is used twice");
        c->seen[i / 8] |= (uint8_t)(1 << i % 8);
    }
    return true;
}

static const uint8_t *page_at(const struct check *c, uint64_t number)
{
    return c->map + number * c->page_size;
}

/* Octets of a node, as they lie in the page. */
static size_t node_len(const uint8_t *node, bool is_leaf)
{
    size_t len = NODE_HEAD + (size_t)read_u16(node + 6);
    if (is_leaf)
        len += read_u16(node + 4) & NODE_IS_BIG ? sizeof(uint64_t) : read_u32(node);
    return len + (len & 1);
}

/* Nodes fill the page from `upper` to its end and do not overlap. */
static bool check_nodes(struct check *c, const uint8_t *page, unsigned cnt, bool is_leaf)
{
    uint8_t used[PAGE_MAX / 2 / 8] = {0};
    size_t upper = read_u16(page + 14), sum = 0;

    for (unsigned i = 0; i < cnt; i++) {
        size_t at = read_u16(page + PAGE_HEAD + 2 * i);
        if (at % 2 != 0 || at < upper || at + NODE_HEAD > c->page_size)
            return fail(c, "a node lies outside its page");
        size_t len = node_len(page + at, is_leaf);
        if (len > c->page_size - at)
            return fail(c, "a node is longer than its page");
        sum += len;
        for (size_t k = at / 2; k < (at + len) / 2; k++) {
            if (used[k / 8] & 1 << k % 8)
                return fail(c, "two nodes overlap");
            used[k / 8] |= (uint8_t)(1 << k % 8);
        }
    }
    return sum == c->page_size - upper || fail(c, "a page does not add up");
}

/* What heads page `number` of a tree; false when it is none. */
static bool check_head(struct check *c, uint64_t number, unsigned *cnt, bool *is_leaf)
{
    if (!take(c, number, 1))
        return false;
    const uint8_t *page = page_at(c, number);
    unsigned flags = read_u16(page + 10), lower = read_u16(page + 12),
             upper = read_u16(page + 14);

    if (read_u64(page) != number || (flags != IS_BRANCH && flags != IS_LEAF))
        return fail(c, "a page is not what it is pointed at for");
    if (lower < PAGE_HEAD || lower % 2 != 0 || lower > upper || upper > c->page_size)
        return fail(c, "a page has impossible bounds");
    *is_leaf = flags == IS_LEAF;
    *cnt = (lower - PAGE_HEAD) / 2;
    if (*cnt < (*is_leaf ? 1U : 2U))
        return fail(c, "a page is empty");
    return check_nodes(c, page, *cnt, *is_leaf);
}

/* ---- nodes ---- */

static int compare(const struct check *c, struct slice a, struct slice b)
{
    if (c->is_free_list) {
        uint64_t x = read_u64(a.at), y = read_u64(b.at);
        return (x > y) - (x < y);
    }
    size_t len = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.at, b.at, len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool key_of(struct check *c, const uint8_t *node, struct slice *key)
{
    *key = (struct slice){node + NODE_HEAD, read_u16(node + 6)};
    if (key->len == 0 || key->len > KEY_MAX ||
        (c->is_free_list && key->len != sizeof(uint64_t)))
        return fail(c, "a key has an impossible length");
    return true;
}

/* Where the value of a leaf's node stands. */
static bool value_of(struct check *c, const uint8_t *node, size_t key_len, struct slice *value)
{
    unsigned flags = read_u16(node + 4);
    const uint8_t *data = node + NODE_HEAD + key_len;

    value->len = read_u32(node);
    if (flags == 0) {
        value->at = data;
        return true;
    }
    if (flags != NODE_IS_BIG)
        return fail(c, "a node is of a kind that is not used");
    uint64_t number = read_u64(data);
    uint64_t wanted = (PAGE_HEAD - 1 + (uint64_t)value->len) / c->page_size + 1;
    if (!take(c, number, 1))
        return false;
    const uint8_t *page = page_at(c, number);
    uint64_t cnt = read_u32(page + 12);
    /* more than it needs are left when a value is replaced by a smaller one */
    if (read_u64(page) != number || read_u16(page + 10) != IS_OVERFLOW || cnt < wanted)
        return fail(c, "the pages of a large value do not fit it");
    if (cnt > 1 && !take(c, number + 1, cnt - 1))
        return false;
    c->found.overflow_cnt += cnt;
    value->at = page + PAGE_HEAD;
    return true;
}

/* Free pages of one transaction: their count, then their numbers, the highest first. */
static bool check_free(struct check *c, struct slice key, struct slice value)
{
    uint64_t cnt, before = NO_PAGE;

    if (read_u64(key.at) > c->meta.txn)
        return fail(c, "pages are free that will be used later");
    if (read_u64(key.at) == 0) /* LMDB would read that list twice */
        return fail(c, "pages are free before the first transaction");
    if (value.len < sizeof(uint64_t) || value.len % sizeof(uint64_t) != 0)
        return fail(c, "a list of free pages has an impossible length");
    cnt = read_u64(value.at);
    if (cnt > value.len / sizeof(uint64_t) - 1)
        return fail(c, "a list of free pages is longer than its value");
    for (uint64_t i = 1; i <= cnt; i++) {
        uint64_t number = read_u64(value.at + i * sizeof(uint64_t));
        if (number >= before)
            return fail(c, "a list of free pages is out of order");
        if (!take(c, number, 1))
            return false;
        before = number;
    }
    return true;
}

static bool check_leaf(struct check *c, const uint8_t *page, unsigned cnt)
{
    c->found.leaf_cnt++;
    c->found.entry_cnt += cnt;
    for (unsigned i = 0; i < cnt; i++) {
        const uint8_t *node = page + read_u16(page + PAGE_HEAD + 2 * i);
        struct slice key, value;
        if (!key_of(c, node, &key) || !value_of(c, node, key.len, &value))
            return false;
        if ((c->last.at && compare(c, c->last, key) >= 0) ||
            (c->least.at && compare(c, c->least, key) > 0))
            return fail(c, "keys are out of order");
        c->last = key;
        c->least.at = NULL;
        if (c->is_free_list && !check_free(c, key, value))
            return false;
        if (!c->is_free_list && c->note)
            c->note(c->data, key.at, key.len, value.len);
    }
    return true;
}

/* A child's keys are not below the key that leads to it, and below the next one. */
static bool check_page(struct check *c, uint64_t number, unsigned depth)
{
    unsigned cnt;
    bool is_leaf;

    if (!check_head(c, number, &cnt, &is_leaf))
        return false;
    if (is_leaf != (depth == 1))
        return fail(c, "the tree is not as deep as it says");
    const uint8_t *page = page_at(c, number);
    if (is_leaf)
        return check_leaf(c, page, cnt);
    c->found.branch_cnt++;
    for (unsigned i = 0; i < cnt; i++) {
        const uint8_t *node = page + read_u16(page + PAGE_HEAD + 2 * i);
        uint64_t child = read_u32(node) | (uint64_t)read_u16(node + 4) << 32;
        struct slice key;
        if (i > 0) { /* the first one's key is never looked at */
            if (!key_of(c, node, &key))
                return false;
            if (!c->last.at || compare(c, c->last, key) >= 0)
                return fail(c, "keys are out of order");
            c->least = key;
        }
        if (!check_page(c, child, depth - 1))
            return false;
    }
    return true;
}

static bool check_tree(struct check *c, const struct tree *tree, bool is_free_list)
{
    c->is_free_list = is_free_list;
    c->last = c->least = (struct slice){NULL, 0};
    memset(&c->found, 0, sizeof(c->found));
    if (tree->flags != (is_free_list ? KEYS_ARE_NUMBERS | NO_FOLDER : 0))
        return fail(c, "a tree is of a kind that is not used");
    if (tree->depth > DEPTH_MAX || (tree->depth == 0) != (tree->root == NO_PAGE))
        return fail(c, "a tree has an impossible depth");
    if (tree->depth > 0 && !check_page(c, tree->root, tree->depth))
        return false;
    if (c->found.branch_cnt != tree->branch_cnt || c->found.leaf_cnt != tree->leaf_cnt ||
        c->found.overflow_cnt != tree->overflow_cnt || c->found.entry_cnt != tree->entry_cnt)
        return fail(c, "a tree does not add up");
    return true;
}

/* ---- the file ---- */

static bool read_meta(struct check *c, uint64_t number, struct meta *meta)
{
    const uint8_t *page = page_at(c, number);

    memcpy(meta, page + PAGE_HEAD, sizeof(*meta));
    if (meta->magic != (uint32_t)MAGIC)
        return fail(c, "it is not a file of LMDB, or of another machine");
    if (meta->version != DATA_VERSION)
        return fail(c, "it is of another version of LMDB");
    if (meta->free_list.pad != c->page_size)
        return fail(c, "its pages have another size than this machine's");
    if (read_u64(page) != number || read_u16(page + 10) != IS_META || meta->txn > TXN_MAX)
        return fail(c, "its first pages are not what they should be");
    return true;
}

static bool check_file(struct check *c, size_t len)
{
    struct meta metas[META_PAGES];

    if (len < META_PAGES * c->page_size)
        return fail(c, "it is too short");
    for (unsigned i = 0; i < META_PAGES; i++)
        if (!read_meta(c, i, &metas[i]))
            return false;
    unsigned newest = metas[0].txn < metas[1].txn;
    c->meta = metas[newest];
    if (c->meta.txn > 0 && c->meta.txn % 2 != newest)
        return fail(c, "its transactions are out of order");
    if (c->meta.last_page < META_PAGES - 1 || c->meta.last_page >= len / c->page_size)
        return fail(c, "it has been cut short");
    c->seen = calloc(1, c->meta.last_page / 8 + 1);
    if (!c->seen)
        return fail(c, NULL);
    return check_tree(c, &c->meta.free_list, true) && check_tree(c, &c->meta.entries, false);
}

enum err cache_file_check(const uint8_t *map, size_t len, size_t page_size,
                          cache_file_note note, void *data, const char **why)
{
    struct check c = {.map = map,
                      .page_size = util_min(page_size, PAGE_MAX), /* as LMDB does */
                      .note = note,
                      .data = data};

    bool is_good = check_file(&c, len);
    free(c.seen);
    if (is_good)
        return ERR_OK;
    *why = c.why;
    return c.why ? ERR_FORMAT : ERR_NOMEM;
}
