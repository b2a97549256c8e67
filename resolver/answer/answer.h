/* resolver/answer/answer.h | an answer from local data and the cache
 *
 * One walk follows the query name through local data and the cache - CNAMEs, DNAMEs, negative
 * answers - and writes the sections.  If an entry is missing the walk names it, so that a task
 * can resolve it and the next walk succeeds.
 *
 * Owner:    the exchange.
 * Thread:   one worker.
 */
#pragma once

#include "net/request/exchange.h"
#include "resolver/iterate/engine.h"

enum { ANSWER_CNAMES_MAX = 63 }; /* the upper bound of limits.cnames */

enum answer_kind {
    ANSWER_WRITTEN, /* the sections are written: send them with `rcode` */
    ANSWER_MISS,    /* `name` and `type` are not in the cache; nothing is written */
};

/* Lifetime: that of the arena. */
struct answer {
    enum answer_kind kind;
    unsigned rcode;
    const uint8_t *name;
    uint16_t type;
    bool is_stale;   /* some of its records have expired */
    bool is_failure; /* SERVFAIL from a cached failure, in whose place stale data may be used */
    bool is_bogus;   /* is_failure: of validation */
    bool is_synthesised; /* some of it is made from denials (RFC 8198) */
    bool is_secure;      /* all its records and proofs are validated (AD, RFC 4035 3.2.3) */
    /* The entry of the chain that is to be prefetched first, from `prefetch_ms` on. */
    const uint8_t *prefetch_name;
    uint16_t prefetch_type;
    int64_t prefetch_ms;  /* wall; INT64_MAX: no entry */
    bool is_prefetch_due; /* that time has come */
    int64_t expire_ms;    /* wall: when the first of its entries expires */
    bool is_explained;    /* `ede` and `text` are its extended error (RFC 8914) */
    uint16_t ede;
    const char *text;
};

/* Return the text of an extended error that holds as long as the entries of the answer do: that
 * it was synthesised, or that the zone counts as unsigned, and why.  NULL: the code is none of
 * these.  Static. */
const char *answer_text(uint16_t ede);

/* The terms of an answer.  Lifetime: the call. */
struct answer_terms {
    int64_t since_ms, fresh_ms; /* as in struct cache_time */
    /* Where no entry is alive, use one that expired up to this long ago, and ignore cached
     * failures (RFC 8767); 0: never. */
    int64_t stale_ms;
    /* The servers sent a bogus answer, which refreshes nothing (RFC 8767 4).  Then a stale
     * entry is used only while its signatures hold: an attacker could as well have suppressed
     * the answer. */
    bool is_after_bogus;
    const struct trace_listeners *listeners; /* of the walk; NULL: none */
};

/* Answer `ex`, which intake has begun.  Memory comes from `arena`. */
void answer_write(struct engine *engine, struct exchange *ex, const struct answer_terms *terms,
                  struct arena *arena, struct answer *out);
