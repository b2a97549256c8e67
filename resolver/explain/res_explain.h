/* resolver/explain/res_explain.h | questions that are asked in order to be explained
 *
 * A question like a client's, but from the command or from whoever asks for why.NAME in class
 * CH, with somebody listening.
 *
 * Owner:    one a worker, the daemon's.
 * Thread:   its worker.
 */
#pragma once

#include "resolver/answer/res_serve.h"
#include "resolver/explain/explain.h"

enum {
    RES_EXPLAIN_MAX = 32, /* at a time, of a worker */
    RES_EXPLAIN_CHAOS_MAX =
        8, /* of them for class CH: who may only ask does not keep the command out */
    RES_EXPLAIN_CLIENT_MAX = 2 /* of those for one client */
};

struct res_explain;

/* What is to be explained.  Lifetime: the call. */
struct res_explain_ask {
    const struct exchange_settings *settings;
    const uint8_t *name;
    uint16_t type;
    struct addr client; /* who asks, as far as lists and limits go */
    bool is_fresh;      /* without what the cache knows */
    bool has_packets;
    bool is_chaos; /* for why.NAME */
    /* Called once, perhaps from inside res_explain_begin: `tree` is the callee's.  NULL: it
     * was dropped. */
    void (*done)(void *data, struct json *tree, const struct cause *cause);
    void *data;
};

/* One for a worker; NULL without memory. */
MUST_USE struct res_explain *res_explain_new(struct res_serve *serve);

/* Begin.  ERR_LIMIT: there are as many as there may be; ERR_NOMEM. */
MUST_USE enum err res_explain_begin(struct res_explain *explain,
                                    const struct res_explain_ask *ask);

/* Answer a question of class CH for why.NAME, now or later; false: it is none.  If its source
 * address may be spoofed the client is made to ask again. */
bool res_explain_chaos(struct res_explain *explain, struct exchange *ex);

/* Free it, after res_serve_close has ended what was under way.  Clears the pointer; NULL inside
 * is fine. */
void res_explain_free(struct res_explain **explain);
