/* dns/names.h | hash table that maps domain names to values
 *
 * For configured names: stub zones, forward zones, local data.  The main thread fills a table
 * while it builds a version; then all workers read it.
 *
 * Owner:    names_put copies names; the caller owns the values.
 * Thread:   any may read while no thread writes.
 */
#pragma once

#include "base/arena.h"
#include "dns/dname.h"

struct names_entry {
    const uint8_t *name; /* NULL: the entry is free */
    uint64_t hash;
    void *value;
};

/* Lifetime: the version it belongs to.  All zeros is a valid empty table. */
struct names {
    struct names_entry *at;
    size_t cnt, size; /* size is a power of two, or 0 */
};

/* Find or add a checked name, copied to `arena`, and return the place of its value, which is
 * NULL if the name is new.  NULL without memory. */
MUST_USE void **names_put(struct names *names, struct arena *arena, const uint8_t *name);

/* As names_put, for the last `labels` labels of the name in `parts`.  `name` points to these
 * labels, is not copied and must outlive the table. */
MUST_USE void **names_put_suffix(struct names *names, const struct dname_parts *parts,
                                 unsigned labels, const uint8_t *name);

/* Make room for `cnt` more names.  False without memory. */
MUST_USE bool names_reserve(struct names *names, size_t cnt);

/* Return the value of the last `labels` labels of the name in `parts`.  NULL: not in
 * the table. */
void *names_find(const struct names *names, const struct dname_parts *parts, unsigned labels);

/* Free the table, but not the values. */
void names_fini(struct names *names);
