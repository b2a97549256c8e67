/* resolver/explain/explain.h | everything that happened on the way to one answer, as a tree
 *
 * Listens to the trace and keeps it as JSON (docs/EXPLAIN.md): what the cache knew, each
 * question, to whom and why there, what came back, which records were taken and which not, and
 * in the end why the answer is what it is.  Bounded by the budget of the question, and by
 * EXPLAIN_STEPS_MAX.
 *
 * Owner:    whoever made it.
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
    EXPLAIN_OCTETS_MAX = 1 << 19 /* of JSON; in memory it takes ten times as much */
};

struct explain;

/* Begin to listen, for a question that `client` asks; packets are kept too if `has_packets`.
 * NULL without memory. */
MUST_USE struct explain *explain_new(const struct engine *engine, const uint8_t *name,
                                     uint16_t type, const struct addr *client,
                                     bool has_packets);

/* What to listen with; it stays as long as the explanation. */
const struct trace_sink *explain_sink(struct explain *explain);

/* Whether a task has told it anything: then task_unlisten has to be called before it is freed.
 */
bool explain_has_tasks(const struct explain *explain);

/* The answer is in `ex`, as it would be sent: the story is over.  Returns it, the caller's;
 * `cause` gets the end of it. */
struct json *explain_end(struct explain *explain, const struct exchange *ex,
                         struct cause *cause);

/* Free it; nobody tells it anything any more.  Clears the pointer; NULL inside is fine. */
void explain_free(struct explain **explain);
