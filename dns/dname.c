/* Names are kept in wire format everywhere: text would need escaping at each step.  Hashes
 * extend from the root towards the leaf, so that one pass over a QNAME gives the hash of each
 * zone and each encloser that it could belong to. */
#include "dns/dname.h"

#include "base/hash.h"

enum {
    MESSAGE_HEADER = 12, /* no name starts before */
};

size_t dname_check(const uint8_t *name, size_t max)
{
    size_t pos = 0;
    if (max > DNAME_MAX)
        max = DNAME_MAX;
    while (pos < max) {
        uint8_t len = name[pos];
        if (len == 0)
            return pos + 1;
        if (len > DNAME_LABEL_MAX)
            return 0;
        pos += (size_t)len + 1;
    }
    return 0;
}

size_t dname_len(const uint8_t *name)
{
    size_t pos = 0;
    while (name[pos])
        pos += (size_t)name[pos] + 1;
    return pos + 1;
}

unsigned dname_labels(const uint8_t *name)
{
    unsigned labels = 0;
    for (; *name; name += *name + 1)
        labels++;
    return labels;
}

const uint8_t *dname_suffix(const uint8_t *name, unsigned labels)
{
    for (unsigned skip = dname_labels(name) - labels; skip > 0; skip--)
        name += *name + 1;
    return name;
}

enum err dname_parse(struct cursor *c, uint8_t out[DNAME_MAX], size_t *len)
{
    size_t at = 0;
    struct cursor walk = *c; /* follows pointers; `c` stops after the first one */
    bool jumped = false;
    unsigned pointers = 0;

    for (;;) {
        size_t here = walk.pos;
        uint8_t label = cursor_u8(&walk);
        if (label >= 0xc0) {
            size_t target = ((size_t)(label & 0x3f) << 8) | cursor_u8(&walk);
            if (!jumped)
                c->pos = walk.pos;
            jumped = true;
            /* each pointer leads to a lower offset, so the walk ends */
            if (walk.failed || target >= here || target < MESSAGE_HEADER ||
                ++pointers > DNAME_POINTERS_MAX)
                break;
            walk.pos = target;
            walk.len = here;
            continue;
        }
        const uint8_t *bytes = cursor_bytes(&walk, label);
        if (label > DNAME_LABEL_MAX || walk.failed ||
            at + label + 1 + (label ? 1U : 0U) > DNAME_MAX)
            break;
        out[at] = label;
        memcpy(out + at + 1, bytes, label);
        at += (size_t)label + 1;
        if (label == 0) {
            if (!jumped)
                c->pos = walk.pos;
            *len = at;
            return ERR_OK;
        }
    }
    cursor_fail(c);
    return ERR_FORMAT;
}

bool dname_is_equal(const uint8_t *a, const uint8_t *b)
{
    for (;;) {
        uint8_t len = *a;
        if (len != *b)
            return false;
        if (len == 0)
            return true;
        if (!util_is_same(a + 1, b + 1, len))
            return false;
        a += len + 1;
        b += len + 1;
    }
}

bool dname_is_under(const uint8_t *name, const uint8_t *parent)
{
    unsigned name_labels = dname_labels(name), parent_labels = dname_labels(parent);
    return name_labels >= parent_labels &&
           dname_is_equal(dname_suffix(name, parent_labels), parent);
}

size_t dname_substitute(const uint8_t *name, const uint8_t *owner, const uint8_t *target,
                        uint8_t out[DNAME_MAX])
{
    size_t prefix_len = dname_len(name) - dname_len(owner), target_len = dname_len(target);

    if (prefix_len + target_len > DNAME_MAX)
        return 0;
    memcpy(out, name, prefix_len);
    memcpy(out + prefix_len, target, target_len);
    return prefix_len + target_len;
}

static int compare_labels(const uint8_t *a, const uint8_t *b)
{
    unsigned shorter = *a < *b ? *a : *b;
    for (unsigned i = 1; i <= shorter; i++) {
        int diff = util_lower(a[i]) - util_lower(b[i]);
        if (diff)
            return diff;
    }
    return *a - *b;
}

int dname_compare(const uint8_t *a, const uint8_t *b)
{
    unsigned a_labels = dname_labels(a), b_labels = dname_labels(b);
    unsigned common = a_labels < b_labels ? a_labels : b_labels;

    for (unsigned n = 1; n <= common; n++) {
        int diff = compare_labels(dname_suffix(a, n), dname_suffix(b, n));
        if (diff)
            return diff;
    }
    return (int)a_labels - (int)b_labels;
}

/* Length octets are below any letter, so that a name can be copied eight octets at a time. */
static void copy_lower_octets(const uint8_t *from, size_t len, uint8_t *to)
{
    for (; len >= 8; len -= 8, from += 8, to += 8) {
        uint64_t word = util_lower8(util_load8(from, 8));
        memcpy(to, &word, 8);
    }
    for (size_t i = 0; i < len; i++)
        to[i] = util_lower(from[i]);
}

size_t dname_lower(const uint8_t *name, uint8_t out[DNAME_MAX])
{
    size_t len = dname_len(name);
    copy_lower_octets(name, len, out);
    return len;
}

size_t dname_key(const uint8_t *name, uint8_t out[DNAME_KEY_MAX])
{
    const uint8_t *label[DNAME_LABELS_MAX];
    unsigned cnt = 0;
    size_t at = 0;

    for (; *name; name += *name + 1)
        label[cnt++] = name;
    while (cnt > 0) {
        const uint8_t *l = label[--cnt];
        for (unsigned i = 1; i <= *l; i++) {
            uint8_t c = util_lower(l[i]);
            if (c <= 1) {
                out[at++] = 1;
                out[at++] = (uint8_t)(c + 1);
            } else {
                out[at++] = c;
            }
        }
        out[at++] = 0;
    }
    return at;
}

uint64_t dname_hash_child(uint64_t parent_hash, const uint8_t *label)
{
    return hash_more_lower(parent_hash, label + 1, *label);
}

void dname_split(const uint8_t *name, struct dname_parts *out)
{
    uint8_t starts[DNAME_LABELS_MAX + 1];
    unsigned labels = 0;
    size_t pos = 0;

    for (; name[pos]; pos += (size_t)name[pos] + 1)
        starts[labels++] = (uint8_t)pos;
    copy_lower_octets(name, pos + 1, out->lower);
    out->len = (uint8_t)(pos + 1);
    out->labels = (uint8_t)labels;
    out->at[0] = (uint8_t)pos;
    out->hash[0] = hash_start();
    for (unsigned n = 1; n <= labels; n++) {
        out->at[n] = starts[labels - n];
        out->hash[n] = dname_hash_child(out->hash[n - 1], out->lower + out->at[n]);
    }
}

uint64_t dname_hash(const uint8_t *name)
{
    const uint8_t *label[DNAME_LABELS_MAX];
    unsigned cnt = 0;
    uint64_t hash = hash_start();

    for (; *name; name += *name + 1)
        label[cnt++] = name;
    while (cnt > 0)
        hash = dname_hash_child(hash, label[--cnt]);
    return hash;
}

/* Labels of an organisational domain. */
enum { ORG = 2, ORG_BELOW_SECOND = 3, ORG_V4 = 2 + 2, ORG_V6 = 2 + 8 };

static bool has_suffix_text(const struct dname_parts *name, unsigned labels, const char *suffix)
{
    size_t size = strlen(suffix) + 1, at = name->at[labels];
    return name->len - at == size && memcmp(name->lower + at, suffix, size) == 0;
}

/* Return true if the last two labels are a registry such as co.uk: a category in a country. */
static bool is_below_second_level_registry(const struct dname_parts *name)
{
    static const char seconds[][4] = {"ac",  "co", "com", "edu", "go", "gob",
                                      "gov", "ne", "net", "or",  "org"};
    const uint8_t *top = name->lower + name->at[1], *second = name->lower + name->at[2];

    for (size_t i = 0; *top == 2 && i < ARRAY_LEN(seconds); i++)
        if (*second == strlen(seconds[i]) && memcmp(second + 1, seconds[i], *second) == 0)
            return true;
    return false;
}

unsigned dname_org_labels(const struct dname_parts *name)
{
    unsigned labels = ORG;

    if (name->labels <= ORG)
        return name->labels;
    if (has_suffix_text(name, ORG, "\7in-addr\4arpa"))
        labels = ORG_V4;
    else if (has_suffix_text(name, ORG, "\3ip6\4arpa"))
        labels = ORG_V6;
    else if (is_below_second_level_registry(name))
        labels = ORG_BELOW_SECOND;
    return (unsigned)util_min(labels, name->labels);
}
