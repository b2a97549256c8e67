/* resolver/answer/res_serve.h | the service that answers the clients of the resolver
 *
 * A query is answered from the answer cache or the cache, else a task resolves it while the
 * exchange is deferred.  Clients outside `allow` are REFUSED.
 *
 * Owner:    the daemon makes one per worker.
 * Thread:   its worker.
 */
#pragma once

#include "net/request/exchange.h"
#include "resolver/answer/tunnel.h"
#include "resolver/iterate/engine.h"

struct res_serve;

enum {
    /* Deferred queries of all clients of a worker.  Each has one task at a time, and the engine
     * has room for those. */
    RES_SERVE_REQUESTS_MAX = 12000,
    RES_SERVE_REQUESTS_UNPROVEN_MAX = 9000, /* of clients whose address may be spoofed */
    /* docs/LIMITS.md section 3, DNSBomb: deferred queries of one client */
    RES_SERVE_CLIENT_MAX = 10000,         /* with a proven address: TCP, or a valid cookie */
    RES_SERVE_CLIENT_UNPROVEN_MAX = 1000, /* with an address that may be spoofed */
};

/* Make the service of one worker, which owns `engine` from then on.  `answer_cache_bytes` is
 * the size of the answer cache, 0 for none.  NULL without memory: `engine` stays the caller's.
 */
MUST_USE struct res_serve *res_serve_new(struct engine *engine, size_t answer_cache_bytes);

/* Detect tunnels with a table that all workers share, and that must outlive the service.  Call
 * it before the first query; without it none are detected. */
void res_serve_set_tunnel(struct res_serve *serve, struct tunnel *tunnel);

/* Drop all deferred queries; later queries are answered from the cache only.  Call it before
 * the owner of the exchanges ends. */
void res_serve_close(struct res_serve *serve);

/* Close it, and free it with its engine.  Clears the pointer; NULL inside is fine. */
void res_serve_free(struct res_serve **serve);

/* Use this version of the configuration from now on. */
void res_serve_adopt(struct res_serve *serve, const struct policy *policy);

/* Prepare to serve a batch (struct service). */
void res_serve_probe(struct res_serve *serve, struct exchange *const *batch, size_t cnt);

/* Answer a query, now or later (struct service). */
void res_serve_query(struct res_serve *serve, struct exchange *ex);

/* The terms of one query.  A value. */
struct res_serve_terms {
    const struct trace_listeners *listeners; /* of its resolution; NULL: none */
    int64_t fresh_ms;                        /* wall: as in struct cache_time */
};

/* Answer a query on other terms than usual.  The listeners must stay until the exchange is sent
 * and task_unlisten was called. */
void res_serve_listen(struct res_serve *serve, struct exchange *ex,
                      const struct res_serve_terms *terms);

/* Run the tasks that have received replies, and end the queries whose time is up (struct out's
 * settle). */
void res_serve_settle(void *serve);

/* Run the tasks that waited for another worker: it has written its answer to the cache.  Let
 * one task go on that was paused while it validated a reply. */
void res_serve_come_back(struct res_serve *serve);

/* True if a task is paused: res_serve_come_back must be called in the next turn. */
bool res_serve_is_paused(const struct res_serve *serve);

/* Return the milliseconds until res_serve_settle must be called even if no reply arrives; 0: it
 * need not be. */
unsigned res_serve_wait_ms(const struct res_serve *serve);

/* Return its engine. */
struct engine *res_serve_engine(struct res_serve *serve);
