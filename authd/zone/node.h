/* authd/zone/node.h | one owner name of a zone with its RRsets
 *
 * One allocation: head, name, stored hashes, packed RRsets.  A node points to no other node -
 * it knows its ancestors by label counts - so a new version of a zone can share every node that
 * it did not change.
 *
 * Owner:    the zone version that made it; read-only once the version is published.
 * Thread:   any while no thread writes.
 * Words:    zone cut - a name below the apex that owns NS: its data and all names below belong
 * to the child zone (RFC 9499).
 */
#pragma once

#include "dns/nsec3.h"
#include "dns/rrset.h"

enum { NODE_RRSETS_MAX = 1000 }; /* per name, RRSIG sets included */

enum node_flag {
    NODE_HAS_WILDCARD = 1, /* its child "*" exists */
    NODE_HAS_DNAME = 2,
    NODE_HAS_HASH = 4,          /* the NSEC3 hash of its name is stored */
    NODE_HAS_WILDCARD_HASH = 8, /* so is that of "*" below it: NXDOMAIN proofs need it */
};

/* Lifetime: zone versions. */
struct node {
    uint8_t name_len;
    uint8_t labels;
    uint8_t cut_labels; /* labels of the zone cut it is at or below; 0: authoritative data */
    uint8_t flags;
    uint16_t rrset_cnt; /* 0: an empty non-terminal (RFC 9499) */
    uint16_t rrsets_at; /* offset of the first RRset from the node's start */
    uint8_t name[];     /* in the case of the zone file; the stored hashes follow */
};

/* Return the first of rrset_cnt RRsets; rrset_next leads to the next one. */
static inline const struct rrset *node_rrsets(const struct node *node)
{
    return (const struct rrset *)(const void *)((const uint8_t *)node + node->rrsets_at);
}

/* Return the NSEC3 hash of the node's name, NSEC3_HASH_LEN octets, under the parameters of the
 * served chain; NULL if it is not stored. */
static inline const uint8_t *node_hash(const struct node *node)
{
    size_t stored = node->flags & NODE_HAS_WILDCARD_HASH ? 2 : 1;
    return node->flags & NODE_HAS_HASH
               ? (const uint8_t *)node + node->rrsets_at - stored * NSEC3_HASH_LEN
               : NULL;
}

/* The same for "*" below the node. */
static inline const uint8_t *node_wildcard_hash(const struct node *node)
{
    return node->flags & NODE_HAS_WILDCARD_HASH
               ? (const uint8_t *)node + node->rrsets_at - NSEC3_HASH_LEN
               : NULL;
}

/* Return the RRset of `type`, for RRSIG the first of them; NULL if there is none. */
static inline const struct rrset *node_find(const struct node *node, uint16_t type)
{
    const struct rrset *set = node_rrsets(node);
    for (unsigned i = 0; i < node->rrset_cnt; i++, set = rrset_next(set))
        if (set->type == type)
            return set;
    return NULL;
}

/* True if the node is a zone cut. */
static inline bool node_is_cut(const struct node *node)
{
    return node->cut_labels && node->cut_labels == node->labels;
}

/* True if the node is below a zone cut: its data belongs to the child and is at most glue. */
static inline bool node_is_below_cut(const struct node *node)
{
    return node->cut_labels && node->cut_labels < node->labels;
}
