/* authd/answer/proof.h | choice of the NSEC or NSEC3 records that prove an outcome
 *
 * RFC 4035 3.1.3 and 3.1.4, RFC 5155 7.2; RFC 7129 explains both.  This file only chooses the
 * owners; `respond` writes their records.
 *
 * Owner:    nodes are borrowed from the zone version.
 * Thread:   any.
 */
#pragma once

#include "authd/answer/lookup.h"

/* An answer needs at most one proof per wildcard of its chain and three at its end. */
enum { PROOF_MAX = 20 };

/* The owners whose NSEC or NSEC3 goes into the authority section, without duplicates.
 * Lifetime: one answer. */
struct proof {
    const struct node *nodes[PROOF_MAX];
    unsigned cnt;
};

/* Add the owners that prove `o`, the outcome of looking up `name` in `zone`.  Add nothing if
 * the zone has neither NSEC nor a served NSEC3 chain, or if the outcome needs no proof. */
void proof_add(struct proof *proof, const struct zone *zone, const struct dname_parts *name,
               const struct outcome *o);
