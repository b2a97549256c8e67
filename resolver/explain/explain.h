/* resolver/explain/explain.h | the resolution tree of one answer
 *
 * A listener that keeps the events of a query as JSON (docs/EXPLAIN.md): what the cache had,
 * each query to a server and why that server, the reply, the records that were accepted and
 * those that were not, and the cause of the answer.  Bounded by the budget of the query and by
 * EXPLAIN_STEPS_MAX.
 *
 * Owner:    the caller of explain_new.
 * Thread:   one worker.
 */
#pragma once

#include "base/json.h"
#include "net/request/exchange.h"
#include "resolver/explain/cause.h"
#include "resolver/iterate/engine.h"

enum {
    EXPLAIN_STEPS_MAX = 600,
    EXPLAIN_RECORDS_MAX = 60,
    EXPLAIN_OCTETS_MAX = 1 << 19 /* of JSON; ten times as much in memory */
};

struct explain;

/* Make the listener for a query of `client`; packets are kept too if `has_packets`.  NULL
 * without memory. */
MUST_USE struct explain *explain_new(const struct engine *engine, const uint8_t *name,
                                     uint16_t type, const struct addr *client,
                                     bool has_packets);

/* Return its listeners.  Lifetime: the explanation's. */
const struct trace_listeners *explain_listeners(const struct explain *explain);

/* True if a task has begun for it: then the caller must call task_unlisten before explain_end
 * and explain_free. */
bool explain_has_tasks(const struct explain *explain);

/* Finish the tree with the answer in `ex` and return it; the caller owns it.  `cause` is set.
 */
struct json *explain_end(struct explain *explain, const struct exchange *ex,
                         struct cause *cause);

/* Free it.  Clears the pointer; NULL inside is fine. */
void explain_free(struct explain **explain);
