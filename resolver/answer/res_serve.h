/* resolver/answer/res_serve.h | the resolver as an engine of net/request/service
 *
 * The order of a question: who may ask, what is known, and only then a task.
 *
 * Owner:    the daemon makes one a worker.
 * Thread:   its worker.
 */
#pragma once

#include "net/request/exchange.h"
#include "resolver/iterate/engine.h"

struct res_serve;

/* One for a worker, which takes over `engine` unless it is NULL for want of memory.
 * `answer_cache_bytes` are for finished answers, 0 for none. */
MUST_USE struct res_serve *res_serve_new(struct engine *engine, size_t answer_cache_bytes);

/* Drop what still waits: from now on only what is known is answered.  Before the end of
 * whatever holds the exchanges. */
void res_serve_close(struct res_serve *serve);

/* Drop what still waits, and free it.  Clears the pointer; NULL inside is fine. */
void res_serve_free(struct res_serve **serve);

/* Use this version of the configuration from now on. */
void res_serve_adopt(struct res_serve *serve, const struct policy *policy);

/* A batch is about to be served (struct service). */
void res_serve_probe(struct res_serve *serve, struct exchange *const *batch, size_t cnt);

/* Answer now or later (struct service). */
void res_serve_query(struct res_serve *serve, struct exchange *ex);

/* On which terms a question is answered.  A value. */
struct res_serve_terms {
    const struct trace_listeners *listeners; /* NULL: none */
    int64_t fresh_ms; /* wall: what was learnt before does not count; 0: it does */
};

/* The same for a question that somebody wants to know more about.  The listeners have
 * to stay until the exchange is sent, and task_unlisten was called. */
void res_serve_listen(struct res_serve *serve, struct exchange *ex,
                      const struct res_serve_terms *terms);

/* Go on with what replies have brought, and give up on questions whose time is up (struct out's
 * settle). */
void res_serve_settle(void *serve);

/* Another worker has found out what some here wait for. */
void res_serve_come_back(struct res_serve *serve);

/* Milliseconds until res_serve_settle has to be called even if no reply comes; 0: it need not
 * be. */
unsigned res_serve_wait_ms(const struct res_serve *serve);

/* Its engine. */
struct engine *res_serve_engine(struct res_serve *serve);
