/* authd/zone/node.h | one owner name of a zone with its RRsets
 *
 * One piece of memory: head, name, RRsets packed one behind the other.  A node points at no
 * other node - what it has to know of its ancestors are numbers - so that a new version of a
 * zone can share every node it did not change.
 *
 * Owner:    the zone version that made it; frozen once the version is published.
 * Thread:   any while nobody writes.
 * Words:    cut - a name below the apex that owns NS: what is there and below belongs to the
 * child zone.
 */
#pragma once

#include "dns/nsec3.h"
#include "dns/rrset.h"

enum { NODE_RRSETS_MAX = 1000 }; /* of one name, those of signatures included */

enum node_flag {
    NODE_HAS_WILDCARD = 1, /* its child "*" exists */
    NODE_HAS_DNAME = 2,
    NODE_HAS_HASH = 4, /* its NSEC3 hash is kept */
    NODE_HAS_WILDCARD_HASH =
        8, /* and that of its child "*": where there are children, names are asked below */
};

/* Lifetime: zone versions. */
struct node {
    uint8_t name_len;
    uint8_t labels;
    uint8_t cut_labels; /* labels of the cut it is at or below; 0: authoritative data */
    uint8_t flags;
    uint16_t rrset_cnt; /* 0: an empty non-terminal (RFC 8499) */
    uint16_t rrsets_at; /* offset of the first RRset from the node's start */
    uint8_t name[];     /* as the zone file writes it; behind it the kept hashes */
};

/* The first RRset; rrset_cnt of them follow one another at rrset_stride(). */
static inline const struct rrset *node_rrsets(const struct node *node)
{
    return (const struct rrset *)(const void *)((const uint8_t *)node + node->rrsets_at);
}

/* The NSEC3 hash of the node's name, under the parameters of its zone; NULL when it is not
 * kept. */
static inline const uint8_t *node_hash(const struct node *node)
{
    size_t kept = node->flags & NODE_HAS_WILDCARD_HASH ? 2 : 1;
    return node->flags & NODE_HAS_HASH
               ? (const uint8_t *)node + node->rrsets_at - kept * NSEC3_HASH_LEN
               : NULL;
}

/* The same of "*" below it. */
static inline const uint8_t *node_wildcard_hash(const struct node *node)
{
    return node->flags & NODE_HAS_WILDCARD_HASH
               ? (const uint8_t *)node + node->rrsets_at - NSEC3_HASH_LEN
               : NULL;
}

/* The RRset of `type`, of RRSIG the first one; NULL when there is none. */
static inline const struct rrset *node_find(const struct node *node, uint16_t type)
{
    const struct rrset *set = node_rrsets(node);
    for (unsigned i = 0; i < node->rrset_cnt; i++, set = rrset_next(set))
        if (set->type == type)
            return set;
    return NULL;
}

/* Whether the node is a zone cut itself. */
static inline bool node_is_cut(const struct node *node)
{
    return node->cut_labels && node->cut_labels == node->labels;
}

/* Whether the node is below a zone cut: its data is the child's, here it is glue at most. */
static inline bool node_is_below_cut(const struct node *node)
{
    return node->cut_labels && node->cut_labels < node->labels;
}
