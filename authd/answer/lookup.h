/* authd/answer/lookup.h | what a zone says to a name and a type
 *
 * One step of RFC 1034 4.3.2 as RFC 4592 and RFC 6672 amend it, without following anything.
 * Pure.
 *
 * Thread:   any.
 * Words:    closest encloser - the longest existing ancestor of a name that does not exist (RFC
 * 4592 3.3.1).
 */
#pragma once

#include "authd/zone/zone.h"

enum outcome_kind {
    OUTCOME_ANSWER,   /* set, or with QTYPE ANY all sets of node */
    OUTCOME_NODATA,   /* the name exists, the type does not */
    OUTCOME_NXDOMAIN, /* the name does not exist */
    OUTCOME_CNAME,    /* set holds the CNAME to follow */
    OUTCOME_DNAME,    /* set holds the DNAME of node, an ancestor of the name */
    OUTCOME_REFERRAL, /* node is the cut, set its NS */
};

/* Lifetime: that of the zone version. */
struct outcome {
    enum outcome_kind kind;
    const struct node *node;
    const struct rrset *set;
    const struct node
        *encloser;    /* closest encloser when the name itself does not exist, else NULL */
    bool is_wildcard; /* node is the wildcard that stands for the name */
};

/* Look `name`, which is in the zone, up for `qtype`. */
struct outcome lookup_find(const struct zone *zone, const struct dname_parts *name,
                           uint16_t qtype);
