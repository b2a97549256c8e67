/* dns/dname.h | domain names in wire form
 *
 * A name is its labels, each with a length octet, ended by the root's zero: at most DNAME_MAX
 * octets (RFC 1035 3.1). Case of ASCII letters does not count (RFC 4343).
 *
 * Owner:    values; `const uint8_t *` names are borrowed and were checked by dname_check or
 * dname_parse.
 * Thread:   any.
 * Words:     labels - their number without the root; suffix of n
 * labels - the last n of them.
 */
#pragma once

#include <stdbool.h>

#include "base/cursor.h"
#include "base/err.h"

enum { DNAME_MAX = 255, DNAME_LABEL_MAX = 63, DNAME_LABELS_MAX = 127 };

/* Octets of the name at `name`, at most `max`; 0 when it is no uncompressed name within them.
 */
size_t dname_check(const uint8_t *name, size_t max);

/* Octets of a checked name. */
size_t dname_len(const uint8_t *name);

/* Labels of a checked name. */
unsigned dname_labels(const uint8_t *name);

/* The suffix of `labels` labels of `name`, which has at least as many. */
const uint8_t *dname_suffix(const uint8_t *name, unsigned labels);

/* Read the name at the cursor, following compression pointers into the cursor's data, which
 * must be the whole message; pointers may only lead backwards (RFC 1035 4.1.4, RFC 9267 2).
 * *len gets its octets. */
MUST_USE enum err dname_parse(struct cursor *c, uint8_t out[DNAME_MAX], size_t *len);

/* Whether the names are the same. */
bool dname_is_equal(const uint8_t *a, const uint8_t *b);

/* The same for names of `len` octets each: length octets are no letters. */
static inline bool dname_is_same(const uint8_t *a, const uint8_t *b, size_t len)
{
    return util_is_same(a, b, len);
}

/* Whether `name` is `parent` or below it. */
bool dname_is_under(const uint8_t *name, const uint8_t *parent);

/* Canonical order (RFC 4034 6.1): <0, 0, >0. */
int dname_compare(const uint8_t *a, const uint8_t *b);

/* Copy a checked name in lower case; returns its octets. */
size_t dname_lower(const uint8_t *name, uint8_t out[DNAME_MAX]);

enum { DNAME_KEY_MAX = 2 * DNAME_MAX };

/* Bytes whose memcmp order is canonical order: labels from the last to the first, lower-cased,
 * 00 as 01 01 and 01 as 01 02, each ended by 00.  Returns their number, at most DNAME_KEY_MAX.
 */
size_t dname_key(const uint8_t *name, uint8_t out[DNAME_KEY_MAX]);

/* A name taken apart once, for whoever looks it up: every suffix and its hash.
 * Lifetime: the request's. */
struct dname_parts {
    uint8_t len; /* octets of the name */
    uint8_t labels;
    uint8_t lower[DNAME_MAX];         /* the name in lower case */
    uint8_t at[DNAME_LABELS_MAX + 1]; /* at[n]: offset of the suffix of n labels */
    uint64_t
        hash[DNAME_LABELS_MAX + 1]; /* hash[n]: of the suffix of n labels, any case the same */
};

/* Take a checked name apart. */
void dname_split(const uint8_t *name, struct dname_parts *out);

/* The hash that dname_split gives for the whole of a checked name. */
uint64_t dname_hash(const uint8_t *name);

/* Return the number of labels of the organisational domain of `name`, for limits that count per
 * organisation: two; three below second-level registries such as co.uk; a /16 or a /32 in the
 * reverse trees.  There is no public suffix list: a wrong guess makes two organisations share a
 * limit, or gives one organisation two. */
unsigned dname_org_labels(const struct dname_parts *name);

/* Extend the hash of a parent by one label (its length octet first), as dname_split does. */
uint64_t dname_hash_child(uint64_t parent_hash, const uint8_t *label);
