/* resolver/explain/explain.h | the resolution tree of one answer
 *
 * A listener that turns the events of a query into JSON (docs/EXPLAIN.md): the cache entries
 * used, each query to a server and why that server was chosen, the reply, its accepted and
 * rejected records, and the cause of the answer.  The budget of the query and the limits below
 * bound its size.
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
    EXPLAIN_OCTETS_MAX = 1 << 19 /* of JSON text; the tree takes ten times as much memory */
};

struct explain;

/* Make a listener for a query of `client`.  With `has_packets` the tree has all messages as
 * sent and received.  NULL without memory. */
MUST_USE struct explain *explain_new(const struct engine *engine, const uint8_t *name,
                                     uint16_t type, const struct addr *client,
                                     bool has_packets);

/* Return the set of listeners for the query: this one.  Lifetime: the explanation's. */
const struct trace_listeners *explain_listeners(const struct explain *explain);

/* True if a task has begun for the query.  Then the caller must call task_unlisten before
 * explain_end and explain_free. */
bool explain_has_tasks(const struct explain *explain);

/* Complete the tree with the answer in `ex`, set *cause, and return the tree, which the caller
 * owns.  Caller must not call it twice. */
struct json *explain_end(struct explain *explain, const struct exchange *ex,
                         struct cause *cause);

/* Free it and clear the pointer.  *explain may be NULL. */
void explain_free(struct explain **explain);
