/* resolver/limits/budget.h | the work that one query of a client may cause
 *
 * One object per query of a client, shared by all tasks that the query starts, and never reset
 * (docs/LIMITS.md section 3): if each subquery had a budget of its own, a zone could be made
 * that multiplies the work.
 *
 * Owner:    counted: the client's query and each of its tasks have a reference.
 * Thread:   one worker.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "resolver/limits/failure.h"
#include "resolver/validate/rules.h"

struct trace_listeners;

enum { BUDGET_WORK_PER_OCTET = 4 }; /* units of work that a reply may take, per octet of it */

/* What a query may spend: the rows of limits.def.  Lifetime: the version's. */
struct budget_limits {
#define LIMIT(field, ...) uint32_t field;
#include "resolver/limits/limits.def"
    bool validates_unlimited; /* laboratory: no limit of signatures and hashes */
};

/* Return the defaults of docs/LIMITS.md. */
struct budget_limits budget_defaults(void);

/* Lifetime: until the last reference is given back. */
struct budget {
    unsigned ref_cnt;
    uint32_t queries_left, bytes_left, lookups_left, work_left;
    struct rules_work validation; /* signatures and hashes that may still be computed */
    bool validates_unlimited;     /* as in the limits */
    uint64_t expire_ms;           /* mono */
    uint64_t client;              /* quota_client of the client; 0: there is none, a prefetch */
    bool is_exempt;               /* the client's share of a quota is not limited */
    enum failure spent;           /* the part that ran out first; FAILURE_NONE: none has */
    const struct trace_listeners *listeners; /* of its tasks; NULL: none */
    int64_t fresh_ms;                        /* wall: as in struct cache_time, for its tasks */
};

/* Make a full budget with one reference.  `now_ms` is monotonic.  NULL without memory. */
MUST_USE struct budget *budget_new(const struct budget_limits *limits, uint64_t now_ms);

/* Add a reference, or give one back.  budget_unref clears the pointer; NULL inside is fine. */
struct budget *budget_ref(struct budget *budget);
void budget_unref(struct budget **budget);

/* Spend one query, the lookup of a server's address, `bytes` of a reply, or the `work` of
 * scrubbing it.  Return false if the budget is spent.  A reply may be larger than what is left,
 * because it has been received already. */
bool budget_spend_query(struct budget *budget, uint64_t now_ms);
bool budget_spend_lookup(struct budget *budget);
bool budget_spend_bytes(struct budget *budget, size_t bytes);
bool budget_spend_work(struct budget *budget, unsigned work);

/* Return true if nothing has run out, the time included. */
bool budget_is_left(struct budget *budget, uint64_t now_ms);
