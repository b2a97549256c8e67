/* One walk down each of the two trees, the free list and the entries, with a bit per page that
 * has been seen. */
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
#define TXN_MAX ((uint64_t)1 << 56) /* from here on the number cannot wrap */

/* The layout of a meta page. */
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

_Static_assert(sizeof(struct meta) == 136, "LMDB's layout");

struct slice {
    const uint8_t *at;
    size_t len;
};

/* Lifetime: the call. */
struct check {
    const uint8_t *map;
    size_t page_size;
    struct meta meta;
    uint8_t *seen; /* one bit per page */
    cache_file_note note;
    void *data;
    struct tree found; /* what the walk counts */
    bool is_free_list;
    struct slice last;  /* the key before */
    struct slice least; /* the branch key that led to this leaf: its keys are not below it */
    const char *why;
};

static bool report_broken_file(struct check *c, const char *why)
{
    c->why = why;
    return false;
}

static uint16_t load_u16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static uint32_t load_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t load_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* ---- pages ---- */

/* Mark `cnt` pages from `number` on as seen.  Return false if one is outside the file, or seen
 * already. */
static bool mark_pages(struct check *c, uint64_t number, uint64_t cnt)
{
    if (number < META_PAGES || number > c->meta.last_page || cnt == 0 ||
        cnt > c->meta.last_page - number + 1)
        return report_broken_file(c, "a pointer leads to a page outside the file");
    for (uint64_t i = number; i < number + cnt; i++) {
        if (c->seen[i / 8] & 1 << i % 8)
            return report_broken_file(c, "a page is used twice");
        c->seen[i / 8] |= (uint8_t)(1 << i % 8);
    }
    return true;
}

static const uint8_t *page_at(const struct check *c, uint64_t number)
{
    return c->map + number * c->page_size;
}

/* Return the octets that a node takes in its page. */
static size_t node_len(const uint8_t *node, bool is_leaf)
{
    size_t len = NODE_HEAD + (size_t)load_u16(node + 6);
    if (is_leaf)
        len += load_u16(node + 4) & NODE_IS_BIG ? sizeof(uint64_t) : load_u32(node);
    return len + (len & 1);
}

/* Check that the nodes fill the page from `upper` to its end and do not overlap. */
static bool check_nodes(struct check *c, const uint8_t *page, unsigned cnt, bool is_leaf)
{
    uint8_t used[PAGE_MAX / 2 / 8] = {0};
    size_t upper = load_u16(page + 14), sum = 0;

    for (unsigned i = 0; i < cnt; i++) {
        size_t at = load_u16(page + PAGE_HEAD + 2 * i);
        if (at % 2 != 0 || at < upper || at + NODE_HEAD > c->page_size)
            return report_broken_file(c, "a node lies outside its page");
        size_t len = node_len(page + at, is_leaf);
        if (len > c->page_size - at)
            return report_broken_file(c, "a node is longer than its page");
        sum += len;
        for (size_t k = at / 2; k < (at + len) / 2; k++) {
            if (used[k / 8] & 1 << k % 8)
                return report_broken_file(c, "two nodes overlap");
            used[k / 8] |= (uint8_t)(1 << k % 8);
        }
    }
    return sum == c->page_size - upper ||
           report_broken_file(c, "the nodes of a page do not fill it");
}

/* Check the header and nodes of page `number` of a tree. */
static bool check_tree_page(struct check *c, uint64_t number, unsigned *cnt, bool *is_leaf)
{
    if (!mark_pages(c, number, 1))
        return false;
    const uint8_t *page = page_at(c, number);
    unsigned flags = load_u16(page + 10), lower = load_u16(page + 12),
             upper = load_u16(page + 14);

    if (load_u64(page) != number || (flags != IS_BRANCH && flags != IS_LEAF))
        return report_broken_file(
            c, "a page of a tree has another number or type than its pointer says");
    if (lower < PAGE_HEAD || lower % 2 != 0 || lower > upper || upper > c->page_size)
        return report_broken_file(c, "a page has impossible bounds");
    *is_leaf = flags == IS_LEAF;
    *cnt = (lower - PAGE_HEAD) / 2;
    if (*cnt < (*is_leaf ? 1U : 2U))
        return report_broken_file(c, "a page has too few nodes");
    return check_nodes(c, page, *cnt, *is_leaf);
}

/* ---- nodes ---- */

static int order_keys(const struct check *c, struct slice a, struct slice b)
{
    if (c->is_free_list) {
        uint64_t x = load_u64(a.at), y = load_u64(b.at);
        return (x > y) - (x < y);
    }
    size_t len = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.at, b.at, len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool node_key(struct check *c, const uint8_t *node, struct slice *key)
{
    *key = (struct slice){node + NODE_HEAD, load_u16(node + 6)};
    if (key->len == 0 || key->len > KEY_MAX ||
        (c->is_free_list && key->len != sizeof(uint64_t)))
        return report_broken_file(c, "a key has an impossible length");
    return true;
}

/* Find the value of a leaf's node, in its page or in overflow pages. */
static bool node_value(struct check *c, const uint8_t *node, size_t key_len,
                       struct slice *value)
{
    unsigned flags = load_u16(node + 4);
    const uint8_t *data = node + NODE_HEAD + key_len;

    value->len = load_u32(node);
    if (flags == 0) {
        value->at = data;
        return true;
    }
    if (flags != NODE_IS_BIG)
        return report_broken_file(c, "a node has a type that this file does not use");
    uint64_t number = load_u64(data);
    uint64_t wanted = (PAGE_HEAD - 1 + (uint64_t)value->len) / c->page_size + 1;
    if (!mark_pages(c, number, 1))
        return false;
    const uint8_t *page = page_at(c, number);
    uint64_t cnt = load_u32(page + 12);
    /* a value that replaced a larger one may have more pages than it needs */
    if (load_u64(page) != number || load_u16(page + 10) != IS_OVERFLOW || cnt < wanted)
        return report_broken_file(c, "a large value does not fit its pages");
    if (cnt > 1 && !mark_pages(c, number + 1, cnt - 1))
        return false;
    c->found.overflow_cnt += cnt;
    value->at = page + PAGE_HEAD;
    return true;
}

/* Check the free pages of one transaction: their count, then their numbers, the highest first.
 */
static bool check_free(struct check *c, struct slice key, struct slice value)
{
    uint64_t cnt, before = NO_PAGE;

    if (load_u64(key.at) > c->meta.txn)
        return report_broken_file(c, "a list of free pages belongs to a later transaction");
    if (load_u64(key.at) == 0) /* LMDB would read that list twice */
        return report_broken_file(c, "a list of free pages belongs to no transaction");
    if (value.len < sizeof(uint64_t) || value.len % sizeof(uint64_t) != 0)
        return report_broken_file(c, "a list of free pages has an impossible length");
    cnt = load_u64(value.at);
    if (cnt > value.len / sizeof(uint64_t) - 1)
        return report_broken_file(c, "a list of free pages is longer than its value");
    for (uint64_t i = 1; i <= cnt; i++) {
        uint64_t number = load_u64(value.at + i * sizeof(uint64_t));
        if (number >= before)
            return report_broken_file(c, "a list of free pages is out of order");
        if (!mark_pages(c, number, 1))
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
        const uint8_t *node = page + load_u16(page + PAGE_HEAD + 2 * i);
        struct slice key, value;
        if (!node_key(c, node, &key) || !node_value(c, node, key.len, &value))
            return false;
        if ((c->last.at && order_keys(c, c->last, key) >= 0) ||
            (c->least.at && order_keys(c, c->least, key) > 0))
            return report_broken_file(c, "keys are out of order");
        c->last = key;
        c->least.at = NULL;
        if (c->is_free_list && !check_free(c, key, value))
            return false;
        if (!c->is_free_list && c->note)
            c->note(c->data, key.at, key.len, value.len);
    }
    return true;
}

/* Check a page and those below it: a child's keys are at or above the key that leads to it, and
 * below the next one. */
static bool check_page(struct check *c, uint64_t number, unsigned depth)
{
    unsigned cnt;
    bool is_leaf;

    if (!check_tree_page(c, number, &cnt, &is_leaf))
        return false;
    if (is_leaf != (depth == 1))
        return report_broken_file(c, "a tree has another depth than its meta page says");
    const uint8_t *page = page_at(c, number);
    if (is_leaf)
        return check_leaf(c, page, cnt);
    c->found.branch_cnt++;
    for (unsigned i = 0; i < cnt; i++) {
        const uint8_t *node = page + load_u16(page + PAGE_HEAD + 2 * i);
        uint64_t child = load_u32(node) | (uint64_t)load_u16(node + 4) << 32;
        struct slice key;
        if (i > 0) { /* LMDB never reads the first key */
            if (!node_key(c, node, &key))
                return false;
            if (!c->last.at || order_keys(c, c->last, key) >= 0)
                return report_broken_file(c, "keys are out of order");
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
        return report_broken_file(c, "a tree has a type that this file does not use");
    if (tree->depth > DEPTH_MAX || (tree->depth == 0) != (tree->root == NO_PAGE))
        return report_broken_file(c, "a tree has an impossible depth");
    if (tree->depth > 0 && !check_page(c, tree->root, tree->depth))
        return false;
    if (c->found.branch_cnt != tree->branch_cnt || c->found.leaf_cnt != tree->leaf_cnt ||
        c->found.overflow_cnt != tree->overflow_cnt || c->found.entry_cnt != tree->entry_cnt)
        return report_broken_file(c, "a tree has other counts than its meta page says");
    return true;
}

/* ---- the file ---- */

static bool read_meta(struct check *c, uint64_t number, struct meta *meta)
{
    const uint8_t *page = page_at(c, number);

    memcpy(meta, page + PAGE_HEAD, sizeof(*meta));
    if (meta->magic != (uint32_t)MAGIC)
        return report_broken_file(
            c, "it is not an LMDB file, or it was written on another kind of machine");
    if (meta->version != DATA_VERSION)
        return report_broken_file(c, "it was written by another version of LMDB");
    if (meta->free_list.pad != c->page_size)
        return report_broken_file(c, "its page size is not that of this machine");
    if (load_u64(page) != number || load_u16(page + 10) != IS_META || meta->txn > TXN_MAX)
        return report_broken_file(c, "its meta pages are damaged");
    return true;
}

static bool check_trees(struct check *c, size_t len)
{
    struct meta metas[META_PAGES];

    if (len < META_PAGES * c->page_size)
        return report_broken_file(c, "it is too short");
    for (unsigned i = 0; i < META_PAGES; i++)
        if (!read_meta(c, i, &metas[i]))
            return false;
    unsigned newest = metas[0].txn < metas[1].txn;
    c->meta = metas[newest];
    if (c->meta.txn > 0 && c->meta.txn % 2 != newest)
        return report_broken_file(c, "the transaction numbers of its meta pages do not fit");
    if (c->meta.last_page < META_PAGES - 1 || c->meta.last_page >= len / c->page_size)
        return report_broken_file(c, "it is truncated");
    c->seen = calloc(1, c->meta.last_page / 8 + 1);
    if (!c->seen)
        return report_broken_file(c, NULL);
    return check_tree(c, &c->meta.free_list, true) && check_tree(c, &c->meta.entries, false);
}

enum err cache_file_check(const uint8_t *map, size_t len, size_t page_size,
                          cache_file_note note, void *data, struct fault *fault)
{
    struct check c = {.map = map,
                      .page_size = util_min(page_size, PAGE_MAX), /* LMDB's own limit */
                      .note = note,
                      .data = data};

    bool is_good = check_trees(&c, len);
    free(c.seen);
    if (is_good)
        return ERR_OK;
    return c.why ? fault_set(fault, ERR_FORMAT, "%s", c.why) : fault_name(fault, ERR_NOMEM);
}
