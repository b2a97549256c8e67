/* authd/answer/proof.h | which NSEC or NSEC3 proves an outcome
 *
 * RFC 4035 3.1.3 and 3.1.4, RFC 5155 7.2; RFC 7129 explains both.  Only picks the owners:
 * writing their records is respond's.
 *
 * Owner:    nodes are borrowed from the zone version.
 * Thread:   any.
 */
#pragma once

#include "authd/answer/lookup.h"

/* One answer wants at most a proof for each wildcard of its chain and three at its end. */
enum { PROOF_MAX = 20 };

/* Owners whose NSEC or NSEC3 goes into the authority section, each once.  Lifetime: one answer.
 */
struct proof {
    const struct node *nodes[PROOF_MAX];
    unsigned cnt;
};

/* Add what proves the outcome `o` of asking `zone` for `name`.  Nothing when the zone has no
 * denial, or the outcome needs no proof. */
void proof_add(struct proof *proof, const struct zone *zone, const struct dname_parts *name,
               const struct outcome *o);
