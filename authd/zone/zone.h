/* authd/zone/zone.h | one version of a zone, frozen
 *
 * Nodes are found by hash (index) and stand in canonical order in chunks (order), for denial
 * and transfers.  Index pages, chunks and nodes are separate pieces that refer to each other in
 * one direction only, so that a changed version could copy the few it touches and share the
 * rest.
 *
 * Owner:    counted: a zone set holds a reference, a reload that finds the file unchanged takes
 * another.
 * Thread:   any; zone_ref and zone_unref too.
 */
#pragma once

#include <stdatomic.h>

#include "authd/zone/denial.h"
#include "authd/zone/index.h"
#include "base/file.h"

enum { ZONE_CHUNK = 128 };

/* Nodes in canonical order.  Lifetime: zone version. */
struct zone_chunk {
    uint32_t cnt;
    struct node *node[]; /* at most ZONE_CHUNK */
};

/* A file the zone was read from, as it was then. */
struct zone_file {
    char *path;
    struct file_stamp stamp;
};

/* Lifetime: zone version. */
struct zone {
    _Atomic uint32_t ref_cnt;
    uint8_t name_len;
    uint8_t labels;
    bool is_loaded;        /* false: configured, but its file was never right; SERVFAIL */
    uint32_t negative_ttl; /* RFC 2308 3, 5 */
    uint32_t serial;
    const struct node *apex; /* the rest is empty unless is_loaded */
    const struct rrset *soa;
    struct index index;
    struct denial denial;
    struct zone_chunk **chunks; /* from here on nothing that an answer reads */
    size_t chunk_cnt;
    struct slab_list memory; /* of nodes and index */
    size_t node_cnt, record_cnt;
    size_t bytes; /* memory of all of it */
    struct zone_file *files;
    size_t file_cnt;
    uint8_t name[];
};

/* A zone without contents; one reference, the caller's. */
MUST_USE enum err zone_new(const uint8_t *name, struct zone **out);

/* Put `cnt` nodes, in canonical order and made in zone->memory, into index and order. */
MUST_USE enum err zone_fill(struct zone *zone, struct node **nodes, size_t cnt);

/* The node of the suffix of `labels` labels of a name taken apart; NULL when there is none. */
const struct node *zone_find(const struct zone *zone, const struct dname_parts *name,
                             unsigned labels);

/* The node of a checked name, whose hash is dname_hash of it; NULL when there is none. */
const struct node *zone_find_name(const struct zone *zone, uint64_t hash, const uint8_t *name);

/* The child "*" of `node`, which has NODE_HAS_WILDCARD. */
const struct node *zone_find_wildcard(const struct zone *zone, const struct node *node);

/* Remember that the zone came from this file. */
MUST_USE enum err zone_add_file(struct zone *zone, const char *path,
                                const struct file_stamp *stamp);

/* Whether any of its files has changed or gone since. */
bool zone_is_outdated(const struct zone *zone);

/* Share it. */
struct zone *zone_ref(struct zone *zone);

/* Let go; the last one frees it.  Clears the pointer; NULL inside is fine. */
void zone_unref(struct zone **zone);
