/* A sorted array is as fast as a tree: entries are four to a cache line, and hashes are so
 * evenly distributed that interpolation nearly hits the entry. */
#include "authd/zone/denial.h"

enum { PREFIX_LEN = 8, SPAN_MIN = 8 };

static uint64_t read_prefix(const uint8_t *bytes, size_t len)
{
    uint64_t prefix = 0;
    for (size_t i = 0; i < PREFIX_LEN; i++)
        prefix = prefix << 8 | (i < len ? bytes[i] : 0);
    return prefix;
}

/* A short key is padded with zeros.  No label begins with a zero octet in a key, so padding
 * keeps the order. */
static uint64_t name_prefix(const struct denial *denial, const uint8_t *name)
{
    uint8_t key[DNAME_KEY_MAX];
    size_t len = dname_key(name, key);
    return read_prefix(key + denial->zone_key_len, len - denial->zone_key_len);
}

static enum err reserve_entries(struct denial *denial, size_t cnt)
{
    denial->entries = malloc((cnt + 1) * sizeof(*denial->entries));
    return denial->entries ? ERR_OK : ERR_NOMEM;
}

/* Give unused memory back. */
static void trim_entries(struct denial *denial)
{
    struct denial_entry *smaller =
        realloc(denial->entries, (denial->cnt + 1) * sizeof(*denial->entries));
    if (smaller)
        denial->entries = smaller;
}

enum err denial_add_names(struct denial *denial, const uint8_t *zone_name,
                          struct node *const *nodes, size_t cnt)
{
    uint8_t key[DNAME_KEY_MAX];
    enum err err = reserve_entries(denial, cnt);
    if (err)
        return err;
    denial->zone_key_len = dname_key(zone_name, key);
    for (size_t i = 0; i < cnt; i++)
        if (!node_is_below_cut(nodes[i]) && node_find(nodes[i], RRTYPE_NSEC))
            denial->entries[denial->cnt++] = (struct denial_entry){
                .prefix = name_prefix(denial, nodes[i]->name), .node = nodes[i]};
    denial->kind = DENIAL_NSEC;
    trim_entries(denial);
    return ERR_OK;
}

static bool has_params(const struct node *node, const struct nsec3_params *params)
{
    const struct rrset *set = node_find(node, RRTYPE_NSEC3);
    if (!set)
        return false;
    struct nsec3_params own = nsec3_read_params(rrset_first(set).rdata);
    return nsec3_is_same(&own, params);
}

enum err denial_add_hashes(struct denial *denial, const struct nsec3_params *params,
                           unsigned zone_labels, struct node *const *nodes, size_t cnt)
{
    enum err err = reserve_entries(denial, cnt);
    if (err)
        return err;
    for (size_t i = 0; i < cnt; i++) {
        uint8_t hash[NSEC3_HASH_LEN];
        if (nodes[i]->labels == zone_labels + 1 && has_params(nodes[i], params) &&
            nsec3_read_label(nodes[i]->name, hash))
            denial->entries[denial->cnt++] = (struct denial_entry){
                .prefix = read_prefix(hash, sizeof(hash)), .node = nodes[i]};
    }
    denial->kind = DENIAL_NSEC3;
    denial->params = *params;
    trim_entries(denial);
    return ERR_OK;
}

/* Return the first entry from `low` up to `high` with at least `prefix`. */
static size_t find_prefix(const struct denial *denial, uint64_t prefix, size_t low, size_t high)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (denial->entries[middle].prefix < prefix)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Return the end of the run of entries with this prefix that begins at `i`. */
static size_t end_of_ties(const struct denial *denial, size_t i, uint64_t prefix)
{
    size_t low = i, high = i + 1;

    for (size_t step = 1; high < denial->cnt && denial->entries[high].prefix == prefix;
         step *= 2) {
        low = high;
        high = util_min(high + step, denial->cnt);
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (denial->entries[middle].prefix == prefix)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct node *denial_find_name(const struct denial *denial, const uint8_t *name)
{
    uint64_t prefix = name_prefix(denial, name);
    size_t low = find_prefix(denial, prefix, 0, denial->cnt), high = low;

    if (denial->cnt == 0)
        return NULL;
    if (high < denial->cnt && denial->entries[high].prefix == prefix)
        high = end_of_ties(denial, low, prefix);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (dname_compare(denial->entries[middle].node->name, name) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return denial->entries[low > 0 ? low - 1 : denial->cnt - 1].node;
}

/* Return the first entry with at least `prefix`.  Hashes are uniform, so the position is about
 * prefix / 2^64 of the array; the span around that guess doubles until it holds the entry. */
static size_t find_hash_prefix(const struct denial *denial, uint64_t prefix)
{
    size_t cnt = denial->cnt;
    __extension__ unsigned __int128 share = (unsigned __int128)prefix * cnt;
    size_t middle = (size_t)(share >> 64);
    size_t low = middle, high = middle;

    for (size_t span = SPAN_MIN; low > 0 && denial->entries[low].prefix >= prefix; span *= 2)
        low = low > span ? low - span : 0;
    for (size_t span = SPAN_MIN; high < cnt && denial->entries[high].prefix < prefix; span *= 2)
        high = util_min(high + span, cnt);
    return find_prefix(denial, prefix, low, high);
}

static int compare_hash(const struct denial_entry *entry, const uint8_t hash[NSEC3_HASH_LEN])
{
    uint8_t own[NSEC3_HASH_LEN];
    must(nsec3_read_label(entry->node->name, own)); /* denial_add_hashes read it before */
    return memcmp(own, hash, sizeof(own));
}

const struct node *denial_find_hash(const struct denial *denial,
                                    const uint8_t hash[NSEC3_HASH_LEN], bool *is_match)
{
    uint64_t prefix = read_prefix(hash, NSEC3_HASH_LEN);

    *is_match = false;
    if (denial->cnt == 0)
        return NULL;
    size_t low = find_hash_prefix(denial, prefix), high = low;
    if (high < denial->cnt && denial->entries[high].prefix == prefix)
        high = end_of_ties(denial, low, prefix);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int diff = compare_hash(&denial->entries[middle], hash);
        if (diff == 0) {
            *is_match = true;
            return denial->entries[middle].node;
        }
        if (diff < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return denial->entries[low > 0 ? low - 1 : denial->cnt - 1].node;
}

void denial_fini(struct denial *denial)
{
    free(denial->entries);
    *denial = (struct denial){.kind = DENIAL_NONE};
}
