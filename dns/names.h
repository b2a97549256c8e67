/* dns/names.h | a table from names to whatever belongs to them
 *
 * For configured names: stub zones, local data, names never asked upstream.  Read by all
 * workers, written while a version is built.
 *
 * Owner:    the table copies names; the values are the caller's.
 * Thread:   any while nobody writes.
 */
#pragma once

#include "base/arena.h"
#include "dns/dname.h"

struct names_entry {
    const uint8_t *name; /* NULL: free */
    uint64_t hash;
    void *value;
};

/* Lifetime: the version it belongs to.  All zeros is a valid empty table. */
struct names {
    struct names_entry *at;
    size_t cnt, size; /* size: a power of two, or 0 */
};

/* The place of the value of `name`, NULL inside when it is new; NULL without memory. */
MUST_USE void **names_put(struct names *names, struct arena *arena, const uint8_t *name);

/* The same for the suffix of `labels` labels of the name in `parts`, which is spelt at `name`:
 * the table keeps that pointer. */
MUST_USE void **names_put_suffix(struct names *names, const struct dname_parts *parts,
                                 unsigned labels, const uint8_t *name);

/* Make room for `cnt` more names at once. */
MUST_USE bool names_reserve(struct names *names, size_t cnt);

/* The value of the suffix of `labels` labels of the name in `parts`; NULL when it has none. */
void *names_find(const struct names *names, const struct dname_parts *parts, unsigned labels);

/* Free the table; values are left alone. */
void names_fini(struct names *names);
