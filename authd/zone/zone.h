/* authd/zone/zone.h | one read-only version of a zone
 *
 * `index` finds a node by hash; `chunks` list the nodes in canonical order, for denial and
 * transfers.  References lead one way, from chunks and index pages to nodes, so a changed
 * version could copy the few pieces it touches and share the rest.
 *
 * Owner:    reference counted: each zone set holds one; a reload that finds the files unchanged
 * takes another for its new set.
 * Thread:   any; zone_ref and zone_unref too.
 */
#pragma once

#include <stdatomic.h>

#include "authd/zone/denial.h"
#include "authd/zone/index.h"
#include "base/file.h"

enum { ZONE_CHUNK = 128 };

/* Nodes in canonical order.
 * Lifetime: zone version. */
struct zone_chunk {
    uint32_t cnt;
    struct node *node[]; /* at most ZONE_CHUNK */
};

/* A file that the zone was read from, with its stamp at that time. */
struct zone_file {
    char *path;
    struct file_stamp stamp;
};

/* Lifetime: zone version. */
struct zone {
    _Atomic uint32_t ref_cnt;
    uint8_t name_len;
    uint8_t labels;
    bool is_loaded;        /* false: its file could never be loaded; the answer is SERVFAIL */
    uint32_t negative_ttl; /* seconds (RFC 2308 3, 5) */
    uint32_t serial;
    const struct node *apex; /* this and the rest is unset unless is_loaded */
    const struct rrset *soa;
    struct index index;
    struct denial denial;
    struct zone_chunk **chunks; /* answering reads no field from here on */
    size_t chunk_cnt;
    struct slab_list memory; /* holds nodes and index pages */
    size_t node_cnt, record_cnt;
    size_t bytes; /* of memory for everything */
    struct zone_file *files;
    size_t file_cnt;
    uint8_t name[];
};

/* Make a zone without contents, not loaded; caller holds its only reference.  ERR_NOMEM. */
MUST_USE enum err zone_new(const uint8_t *name, struct zone **out);

/* Fill index and chunks of a new zone with `cnt` nodes, which must be in canonical order and in
 * zone->memory.  ERR_NOMEM, or ERR_LIMIT of index_put. */
MUST_USE enum err zone_fill(struct zone *zone, struct node **nodes, size_t cnt);

/* Return the node of the suffix of `labels` labels of `name`; NULL if there is none. */
const struct node *zone_find(const struct zone *zone, const struct dname_parts *name,
                             unsigned labels);

/* Return the node of a checked name; `hash` is its dname_hash.  NULL if there is none. */
const struct node *zone_find_name(const struct zone *zone, uint64_t hash, const uint8_t *name);

/* Return the child "*" of `node`, which must have NODE_HAS_WILDCARD. */
const struct node *zone_find_wildcard(const struct zone *zone, const struct node *node);

/* Record that the zone was read from `path`, which had this stamp; both are copied.
 * ERR_NOMEM. */
MUST_USE enum err zone_add_file(struct zone *zone, const char *path,
                                const struct file_stamp *stamp);

/* True if any of the zone's files has changed or disappeared since, or if it has none. */
bool zone_is_outdated(const struct zone *zone);

/* Take another reference; return `zone`. */
struct zone *zone_ref(struct zone *zone);

/* Drop a reference and clear the pointer; the last reference frees the zone.  *zone may be
 * NULL. */
void zone_unref(struct zone **zone);
