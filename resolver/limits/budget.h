/* resolver/limits/budget.h | all the work that one question of a client may cause
 *
 * One object a client's question, shared by every task it starts and never reset
 * (docs/LIMITS.md section 3): a resolver whose sub-queries start afresh can be made to
 * multiply.
 *
 * Owner:    counted: the question of the client and each of its tasks hold it.
 * Thread:   one worker.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "resolver/limits/failure.h"

struct trace_listeners;

/* What may be spent; `limits:` in the configuration.  Lifetime: the version's. */
struct budget_limits {
    uint32_t queries; /* questions to servers */
    uint32_t bytes;   /* of their replies */
    uint32_t time_ms;
    uint32_t depth;   /* tasks that wait for tasks */
    uint32_t cnames;  /* of one chain */
    uint32_t lookups; /* of server addresses in all */
    uint32_t targets; /* lookups of server addresses that lead nowhere, in one cut */
    uint32_t minimisation_steps;
    uint32_t rrset_records; /* of one RRset in a reply */
    uint32_t rrset_bytes;   /* of one RRset, its names written out */
};

/* The defaults of docs/LIMITS.md. */
struct budget_limits budget_defaults(void);

/* Lifetime: until the last holder lets go. */
struct budget {
    unsigned ref_cnt;
    uint32_t queries_left, bytes_left, lookups_left, work_left;
    uint64_t expire_ms; /* mono */
    uint64_t client;    /* quota_client of the client; 0: no client asked */
    bool is_exempt;     /* it may have all there is */
    enum failure spent; /* the part that ran out first; FAILURE_NONE: none has */
    const struct trace_listeners *listeners; /* of all its tasks; NULL: none */
    int64_t
        fresh_ms; /* wall: its tasks ignore what was cached before; 0: they ignore nothing */
};

/* A full one that the caller holds; NULL without memory. */
MUST_USE struct budget *budget_new(const struct budget_limits *limits, uint64_t now_ms);

/* Hold it, let go of it.  budget_unref clears the pointer; NULL inside is fine. */
struct budget *budget_ref(struct budget *budget);
void budget_unref(struct budget **budget);

/* Spend one question, the lookup of a server's address, `bytes` of a reply, or the `work` of
 * sorting it out; false when that is too much.  One reply may be larger than what is left: it
 * has been received already. */
bool budget_spend_query(struct budget *budget, uint64_t now_ms);
bool budget_spend_lookup(struct budget *budget);
bool budget_spend_bytes(struct budget *budget, size_t bytes);
bool budget_spend_work(struct budget *budget, unsigned work);

/* Whether nothing ran out and there is time left. */
bool budget_is_left(struct budget *budget, uint64_t now_ms);
