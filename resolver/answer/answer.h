/* resolver/answer/answer.h | a whole answer from what is known here
 *
 * Follows the name through local data and the cache - cnames, DNAME, absences - and writes the
 * sections.  What is not known is named, so that a task can find it out and the same walk
 * succeeds.
 *
 * Owner:    the exchange.
 * Thread:   one worker.
 */
#pragma once

#include "net/request/exchange.h"
#include "resolver/iterate/engine.h"

enum { ANSWER_CNAMES_MAX = 63 }; /* the most that limits.cnames may be */

enum answer_kind {
    ANSWER_WRITTEN, /* the sections are written: send `rcode` */
    ANSWER_MISS,    /* `name` and `type` are not known; nothing is written */
};

/* Lifetime: that of the arena. */
struct answer {
    enum answer_kind kind;
    unsigned rcode;
    const uint8_t *name;
    uint16_t type;
    bool is_stale;   /* some of it has ended */
    bool is_failure; /* it is one that was remembered */
    /* The entry of the chain whose last tenth begins first, at `prefetch_ms`: it is worth
     * asking anew from then on. */
    const uint8_t *prefetch_name;
    uint16_t prefetch_type;
    int64_t prefetch_ms;  /* wall; INT64_MAX: there is none */
    bool is_prefetch_due; /* that time has come */
    int64_t expire_ms;    /* wall: when the first of what it is made of ends */
    bool is_explained;    /* `ede` and `text` say why */
    uint16_t ede;
    const char *text;
};

/* On which terms an answer is written.  Lifetime: the call. */
struct answer_terms {
    int64_t
        since_ms; /* wall: what was learnt since then counts whatever its TTL; INT64_MAX: no */
    /* Where nothing else is known, what ended so long ago is good enough, and failures that
     * were remembered are not (RFC 8767); 0: never. */
    int64_t stale_ms;
    int64_t fresh_ms; /* wall: what was learnt before does not count at all; 0: it does */
    const struct trace_listeners *listeners; /* of what is used; NULL: none */
};

/* Answer `ex`, which intake has begun.  Memory comes from `arena`. */
void answer_write(struct engine *engine, struct exchange *ex, const struct answer_terms *terms,
                  struct arena *arena, struct answer *out);
