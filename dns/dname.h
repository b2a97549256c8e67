/* dns/dname.h | domain names in wire format
 *
 * A name is a sequence of labels, each preceded by its length, that ends with the root's zero
 * octet: at most DNAME_MAX octets (RFC 1035 3.1).  The case of ASCII letters is ignored (RFC
 * 4343).
 *
 * Owner:    values; `const uint8_t *` names are borrowed.
 * Thread:   any.
 * Words:    checked name - passed dname_check or dname_parse; labels - without the root.
 */
#pragma once

#include <stdbool.h>

#include "base/cursor.h"
#include "base/err.h"

enum {
    DNAME_MAX = 255,
    DNAME_LABEL_MAX = 63,
    DNAME_LABELS_MAX = 127,
    DNAME_POINTERS_MAX = 64, /* compression pointers per name (docs/LIMITS.md section 3) */
};

/* Return the length of the uncompressed name at `name`, in octets.  0: there is no valid one
 * within `max` octets. */
size_t dname_check(const uint8_t *name, size_t max);

/* Return the length of a checked name, in octets. */
size_t dname_len(const uint8_t *name);

/* Return the number of labels of a checked name. */
unsigned dname_labels(const uint8_t *name);

/* Return the last `labels` labels of a checked name, which must have at least as many. */
const uint8_t *dname_suffix(const uint8_t *name, unsigned labels);

/* Read the name at the cursor and decompress it into `out`; set *len to its octets.  The cursor
 * must be over the whole message and stops after the name.  Pointers may only lead backwards
 * (RFC 1035 4.1.4, RFC 9267 2).  ERR_FORMAT: not a name; the cursor has failed. */
MUST_USE enum err dname_parse(struct cursor *c, uint8_t out[DNAME_MAX], size_t *len);

/* Return true if two checked names are equal. */
bool dname_is_equal(const uint8_t *a, const uint8_t *b);

/* As dname_is_equal, for two names of `len` octets.  Length octets are never letters, so that
 * the octets can be compared as text. */
static inline bool dname_is_same(const uint8_t *a, const uint8_t *b, size_t len)
{
    return util_is_same(a, b, len);
}

/* Return true if `name` is `parent` or a subdomain of it. */
bool dname_is_under(const uint8_t *name, const uint8_t *parent);

/* Replace `owner`, an ancestor of `name`, by `target` at the end of `name`, as a DNAME does
 * (RFC 6672 2.2), and write the result to `out`.  Return its octets; 0 if it would exceed
 * DNAME_MAX (YXDOMAIN), then `out` is left alone.  `out` must not overlap the other names. */
size_t dname_substitute(const uint8_t *name, const uint8_t *owner, const uint8_t *target,
                        uint8_t out[DNAME_MAX]);

/* Compare two checked names in canonical order (RFC 4034 6.1).  Return <0, 0 or >0. */
int dname_compare(const uint8_t *a, const uint8_t *b);

/* Copy a checked name in lower case and return its length. */
size_t dname_lower(const uint8_t *name, uint8_t out[DNAME_MAX]);

enum { DNAME_KEY_MAX = 2 * DNAME_MAX };

/* Write a key whose memcmp order is canonical order, and return its length.  The labels follow
 * from last to first, in lower case, each ended by 00; inside a label 00 becomes 01 01 and 01
 * becomes 01 02. */
size_t dname_key(const uint8_t *name, uint8_t out[DNAME_KEY_MAX]);

/* A name in lower case with the offset and hash of every suffix, computed once for all lookups.
 * Lifetime: the request's. */
struct dname_parts {
    uint8_t len; /* octets of the name */
    uint8_t labels;
    uint8_t lower[DNAME_MAX];            /* the name in lower case */
    uint8_t at[DNAME_LABELS_MAX + 1];    /* at[n]: offset of the last n labels */
    uint64_t hash[DNAME_LABELS_MAX + 1]; /* hash[n]: hash of the last n labels */
};

/* Compute the parts of a checked name. */
void dname_split(const uint8_t *name, struct dname_parts *out);

/* Return the hash of a checked name, which ignores case: that of dname_split for all labels. */
uint64_t dname_hash(const uint8_t *name);

/* Return the number of labels of the organisational domain of `name`, for limits that count per
 * organisation: two; three below second-level registries such as co.uk; a /16 or a /32 in the
 * reverse trees.  There is no public suffix list: a wrong guess makes two organisations share a
 * limit, or gives one organisation two. */
unsigned dname_org_labels(const struct dname_parts *name);

/* Return the hash of a child from its parent's hash.  `label` begins with its length octet. */
uint64_t dname_hash_child(uint64_t parent_hash, const uint8_t *label);
