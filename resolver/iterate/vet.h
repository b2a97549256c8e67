/* resolver/iterate/vet.h | validate the records of a reply before they are cached
 *
 * Each RRset is checked with the keys of the zone that signs it, and each denial with the
 * records that prove it.  What has no signature counts only where the chain of trust ends.
 *
 * Owner:    results are in the scratch arena; TTLs of the reply's RRsets are capped in place.
 * Thread:   one worker.
 */
#pragma once

#include "resolver/iterate/classify.h"
#include "resolver/iterate/task.h"

/* What was found of one RRset or denial. */
struct vet_state {
    enum cache_security security;
    uint16_t ede; /* CACHE_INSECURE: INFO-CODE of the reason (RFC 8914 4.2, 4.3, RFC 9276 3.2);
                     0: it has none */
    struct cache_proofs proofs; /* to be cached with it */
    bool is_wildcard;           /* secure, and expanded from the wildcard at the suffix of */
    unsigned encloser_labels;   /* so many labels */
};

/* What a reply says.  Lifetime: the call. */
struct vet_reply_of {
    const struct scrub *scrub;
    bool is_denied;     /* it has a negative answer for scrub->last */
    bool is_nxdomain;   /* of the name; else of `type` */
    uint16_t type;      /* that was asked for */
    bool is_delegation; /* it is a referral */
};

/* Lifetime: the step. */
struct vet {
    struct vet_state chain[SCRUB_CHAIN_MAX];
    struct vet_state denial; /* is_denied */
    struct vet_state cut;    /* is_delegation: CACHE_UNCHECKED if the chain ends above it */
    bool is_cut;             /* `denial` or `cut`: there is no DS, and it is a zone cut */
    bool is_nodata;          /* `denial`: of an NXDOMAIN only the absence of the DS is proved */
    uint32_t cut_ttl;        /* of `cut`, if there is no DS; seconds */
    bool is_unknown;  /* a link could not be looked up, or work or memory ran out: nothing
                         may be said of the reply */
    bool is_unsigned; /* it has no signature: another server of the zone may send one */
};

/* Validate a reply.  Return false if it has to wait, for keys or for other tasks (is_paused):
 * call again when the task is woken.  Why
 * something is bogus is noted in the task (task_note_broken). */
bool vet_reply(struct task *task, const struct vet_reply_of *reply, struct vet *out);

/* Validate an answer without any records: it counts where the chain of trust ends.  Return
 * false if it has to wait. */
bool vet_empty(struct task *task, struct vet_state *state);
