/* resolver/explain/res_explain.h | queries to be explained, of the command and of class CH
 *
 * Such a query takes the path of a client's query, with a listener.  It comes from the command
 * `rootline explain` or from a client that queries why.NAME in class CH.
 *
 * Owner:    the daemon, one per worker.
 * Thread:   its worker.
 */
#pragma once

#include "resolver/answer/res_serve.h"
#include "resolver/explain/explain.h"

enum {
    RES_EXPLAIN_MAX = 32,      /* in progress per worker */
    RES_EXPLAIN_CHAOS_MAX = 8, /* of these for class CH: the rest is reserved for the command */
    RES_EXPLAIN_CLIENT_MAX = 2 /* of those per client */
};

struct res_explain;

/* A query to be explained.  Lifetime: the call. */
struct res_explain_ask {
    const struct exchange_settings *settings;
    const uint8_t *name;
    uint16_t type;
    struct addr client; /* access list and limits apply to this address */
    bool is_fresh;      /* ignore entries that are cached now */
    bool has_packets;   /* for explain_new */
    bool is_chaos;      /* for why.NAME */
    /* Called once, perhaps before res_explain_begin returns.  The callee owns `tree`; `cause`
     * is valid during the call.  Both are NULL if the query was dropped. */
    void (*done)(void *data, struct json *tree, const struct cause *cause);
    void *data;
};

/* Make the object of a worker.  NULL without memory. */
MUST_USE struct res_explain *res_explain_new(struct res_serve *serve);

/* Begin to resolve and explain a query.  ERR_LIMIT: too many are in progress; ERR_NOMEM.  After
 * an error `done` is not called. */
MUST_USE enum err res_explain_begin(struct res_explain *explain,
                                    const struct res_explain_ask *ask);

/* Answer a query of class CH for why.NAME, now or later.  If its source address may be spoofed,
 * make the client repeat the query.  Return false and do nothing if it is another query, or if
 * the client is not in `allow`. */
bool res_explain_chaos(struct res_explain *explain, struct exchange *ex);

/* Free it and clear the pointer.  *explain may be NULL.  Caller must call res_serve_close
 * first. */
void res_explain_free(struct res_explain **explain);
