/* A resolver in the test process: the stage receives its queries to servers and has the client
 * and the clock.  Replay scenarios and hostile servers use it. */
#pragma once

#include "resolver/answer/res_serve.h"
#include "resolver/cache/cache_lmdb.h"

enum { STAGE_PENDING_MAX = 4096, STAGE_ANSWERS_MAX = 10000 };

#define STAGE_START_MS 1600000000000

/* An answer that a client received. */
struct stage_answer {
    uint8_t *wire;
    size_t len;
};

struct stage_client;

/* Too large for the stack.  Lifetime: the test. */
struct stage {
    struct policy *policy; /* the test may change it between stage_init and stage_open */
    struct quota *quota;
    struct tunnel *tunnel;
    struct res_serve *serve;
    struct engine *engine;
    struct conn_limit *conn_limit;
    struct cookie_keys cookies;
    struct exchange_settings settings;
    struct out out;
    struct out_ask *pending[STAGE_PENDING_MAX]; /* queries to servers, the oldest first */
    uint64_t deadline_ms[STAGE_PENDING_MAX];
    size_t pending_cnt;
    bool is_tcp;       /* clients use TCP from now on */
    bool has_no_v6;    /* there is no route to IPv6 servers */
    bool keeps_paused; /* the test lets paused tasks go on: res_serve_come_back */
    void (*asked)(struct stage *stage,
                  /* Called for each query to a server, unless NULL. */
                  const struct out_ask *ask);
    struct cache_lmdb *disk; /* NULL: the cache is in memory */
    struct stage_client *clients;
    struct stage_answer answers[STAGE_ANSWERS_MAX]; /* received by clients */
    size_t answer_cnt;
};

/* True while the stage itself allocates: tests in which allocations fail spare these. */
extern volatile bool stage_takes_memory;

/* Initialise the stage, stop the clock, and create a policy that allows every client and
 * servers on loopback. */
void stage_init(struct stage *stage, const struct quota_limits *limits);

/* Use one root server, at this address.  Caller must call it between stage_init and stage_open.
 */
void stage_hint(struct stage *stage, const char *address);

/* Start the engine with the current policy and an empty cache: on LMDB in the folder that the
 * environment variable STAGE_STORE names, else in memory. */
void stage_open(struct stage *stage, uint64_t seed);

/* Stop the engine and free everything. */
void stage_fini(struct stage *stage);

/* Send a message as a client at `peer` (NULL: 127.0.0.1). */
void stage_ask(struct stage *stage, const uint8_t *wire, size_t len, const struct addr *peer);

/* Deliver a message from `from` to the pending query of index `i`.  False if it was rejected.
 * `wire` may be changed. */
bool stage_deliver(struct stage *stage, size_t i, const struct addr *from, uint8_t *wire,
                   size_t len);

/* Advance the clock to the earliest deadline and let that query time out.  False if none is
 * pending. */
bool stage_time_out(struct stage *stage);

/* Advance the clock to the last deadline and let all queries time out in one turn.  Return
 * their number. */
size_t stage_time_out_all(struct stage *stage);

/* End the turn: what was written into the cache becomes readable. */
void stage_settle(struct stage *stage);

/* Free the answers and the clients; no query may be pending. */
void stage_forget(struct stage *stage);

/* Return the QTYPE of a pending query. */
uint16_t stage_type(const struct out_ask *ask);
