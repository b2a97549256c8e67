/* resolver/iterate/chain.h | the chain of trust from an anchor down to a zone
 *
 * The chain goes from the trust anchor down, a label at a time: at each zone cut the cache has
 * the validated DS RRset, or the proof that there is none.  What the cache lacks is looked up
 * by a subquery, whose own reply is validated in the same way with the keys of the zone above.
 * So subqueries do not nest deeper with each zone of the chain.
 *
 * Owner:    keys belong to engine->keycache, the rest to the scratch arena.
 * Thread:   one worker.
 * Words:    target - the name whose zone is sought.
 */
#pragma once

#include "resolver/iterate/task.h"
#include "resolver/validate/trust.h"

enum { CHAIN_LOOKUPS_MAX = 40 }; /* for one task */

enum chain_status {
    CHAIN_SECURE,
    CHAIN_INSECURE,
    CHAIN_WAIT,   /* subqueries have begun: the task is woken when all have ended */
    CHAIN_FAILED, /* a link could not be looked up, or is bogus */
};

/* Lifetime: the step. */
struct chain {
    enum chain_status status;
    const uint8_t *zone;    /* the zone of the target, in the target's octets; unless
                               CHAIN_WAIT */
    struct keyset *keys;    /* CHAIN_SECURE, of chain_find */
    const struct rrset *ds; /* CHAIN_SECURE, of chain_find_ds: NULL if there is an anchor */
    const struct anchor *anchor; /* the same: NULL if there is a DS */
    uint32_t ds_ttl;             /* seconds left of `ds` */
    enum verdict_reason reason;  /* CHAIN_INSECURE */
    bool is_bogus;               /* CHAIN_FAILED: the link is bogus */
    uint16_t ede;                /* CHAIN_FAILED: INFO-CODE and text of the broken link */
    const char *text;
};

/* Find the security of the zone of `target`, and its keys. */
struct chain chain_find(struct task *task, const uint8_t *target);

/* The same, but find the DS or the anchor of the zone instead of its keys. */
struct chain chain_find_ds(struct task *task, const uint8_t *target);

/* What the cache knows of the step of a chain from a secure zone to a name one label longer. */
enum chain_step {
    CHAIN_STEP_UNKNOWN,  /* nothing: the DS has to be looked up */
    CHAIN_STEP_SAME,     /* there is no zone cut: the name is of the same zone */
    CHAIN_STEP_CUT,      /* the DS RRset in *found leads to a zone of its own */
    CHAIN_STEP_INSECURE, /* the chain ends: *reason says why, and *found has the entry */
    CHAIN_STEP_ABSENT,   /* the name does not exist, nor does anything below it */
};

/* Read the step to the suffix of `labels` labels. */
enum chain_step chain_read_step(struct cache *cache, const struct cache_name *name,
                                unsigned labels, const struct cache_time *when,
                                const struct rules *rules, struct arena *arena,
                                struct cache_found *found, enum verdict_reason *reason);

/* Return where the chain ends if the zone above proves that there is no zone cut at the suffix
 * of `labels` labels, or that the name does not exist (`is_denied`): at a stub zone or forward
 * zone that the public tree does not have.  Its operator has signed nothing there.  NULL: the
 * chain does not end for that reason. */
const uint8_t *chain_find_not_public(const struct route *route, const struct cache_name *name,
                                     unsigned labels, bool is_denied);

/* Return the rules of validation that hold now. */
struct rules chain_rules(const struct task *task);
