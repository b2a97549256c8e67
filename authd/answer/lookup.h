/* authd/answer/lookup.h | lookup of one name and type in a zone
 *
 * One step of the algorithm of RFC 1034 4.3.2, as amended by RFC 4592 and RFC 6672.  It follows
 * no CNAME, DNAME or referral, and has no side effects.
 *
 * Thread:   any.
 * Words:    closest encloser - the longest existing ancestor of a name that does not exist
 * (RFC 4592 3.3.1).
 */
#pragma once

#include "authd/zone/zone.h"

enum outcome_kind {
    OUTCOME_ANSWER,   /* set is the answer; for QTYPE ANY set is NULL: all RRsets of node */
    OUTCOME_NODATA,   /* the name exists without this type */
    OUTCOME_NXDOMAIN, /* the name does not exist */
    OUTCOME_CNAME,    /* set is the CNAME to follow */
    OUTCOME_DNAME,    /* set is the DNAME of node, an ancestor of the name */
    OUTCOME_REFERRAL, /* node is the zone cut, set its NS */
};

/* Lifetime: that of the zone version. */
struct outcome {
    enum outcome_kind kind;
    const struct node *node;
    const struct rrset *set;
    const struct node *encloser; /* the closest encloser; NULL if the name itself exists */
    bool is_wildcard;            /* node is the wildcard that matches the name */
};

/* Look up `name`, which must be at or below the zone's apex, and `qtype`. */
struct outcome lookup_find(const struct zone *zone, const struct dname_parts *name,
                           uint16_t qtype);
