/* net/request/service.h | the interface of an engine
 *
 * A front receives queries in batches; intake checks them and passes them to the engine through
 * these calls.  The resolver and authd are engines: net does not interpret names.
 *
 * Owner:    the table is static; an engine belongs to its worker.
 * Thread:   every call from the engine's worker.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct exchange;
struct uv_loop_s;

/* Lifetime: process. */
struct service {
    /* Prefetch the memory that serve will read for these queries.  May be NULL. */
    void (*probe)(void *engine, struct exchange *const *batch, size_t cnt);
    /* Answer one query, now or later, by exactly one call of reply_send or reply_drop. */
    void (*serve)(void *engine, struct exchange *ex);
    /* Answer, as serve does, a query of class CH for a name that chaos.h does not list.  False:
     * the engine has no answer either.  May be NULL. */
    bool (*chaos)(void *engine, struct exchange *ex);
    /* Between two batches: adopt newly published versions. */
    void (*turn)(void *engine);
    /* Once, before the first query: open the engine's handles on the worker's loop.  May be
     * NULL. */
    enum err (*open)(void *engine, struct uv_loop_s *loop);
    /* Once, before the fronts close: drop deferred queries, close what `open` opened.  NULL if
     * `open` is. */
    void (*close)(void *engine);
};
