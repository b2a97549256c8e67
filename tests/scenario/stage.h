/* A resolver in this process whose questions to servers end on this stage, with a client and a
 * clock of ours: replay scenarios and hostile servers play on it. */
#pragma once

#include "resolver/answer/res_serve.h"
#include "resolver/cache/cache_lmdb.h"

enum { STAGE_PENDING_MAX = 4096, STAGE_ANSWERS_MAX = 10000 };

#define STAGE_START_MS 1600000000000

struct stage_answer {
    uint8_t *wire;
    size_t len;
};

struct stage_client;

/* Large: static storage, or malloc. */
struct stage {
    struct policy *policy; /* to be changed between stage_init and stage_open */
    struct quota *quota;
    struct res_serve *serve;
    struct engine *engine;
    struct conn_limit *conn_limit;
    struct cookie_keys cookies;
    struct exchange_settings settings;
    struct out out;
    struct out_ask *pending[STAGE_PENDING_MAX]; /* questions to servers, the oldest first */
    uint64_t deadline_ms[STAGE_PENDING_MAX];
    size_t pending_cnt;
    bool is_tcp;    /* clients come over TCP from now on */
    bool has_no_v6; /* the machine knows no way there */
    void (*asked)(struct stage *stage,
                  const struct out_ask *ask); /* called for each; may be NULL */
    struct cache_lmdb *disk;                  /* NULL: the cache is in memory */
    struct stage_client *clients;
    struct stage_answer answers[STAGE_ANSWERS_MAX]; /* that clients have got */
    size_t answer_cnt;
};

/* True while the stage itself allocates: a test in which allocations fail spares these. */
extern volatile bool stage_takes_memory;

/* Stop the clock, and make a policy in which everybody may ask, and servers on loopback may be
 * asked. */
void stage_init(struct stage *stage, const struct quota_limits *limits);

/* Have one root server, at this address; between stage_init and stage_open. */
void stage_hint(struct stage *stage, const char *address);

/* Start the engine with the policy as it is now, and an empty cache: on LMDB in the folder that
 * the environment variable STAGE_STORE names, else in memory. */
void stage_open(struct stage *stage, uint64_t seed);

void stage_fini(struct stage *stage);

/* A client at `peer` (NULL: 127.0.0.1) sends this message over UDP. */
void stage_ask(struct stage *stage, const uint8_t *wire, size_t len, const struct addr *peer);

/* A message arrives for the pending question number `i`; true when it was believed.  `wire` may
 * be changed. */
bool stage_deliver(struct stage *stage, size_t i, const struct addr *from, uint8_t *wire,
                   size_t len);

/* Move the clock to where the first pending question has waited long enough; false when none is
 * pending. */
bool stage_time_out(struct stage *stage);

/* The same to where all of them have waited long enough: they end in one turn.  How many they
 * were. */
size_t stage_time_out_all(struct stage *stage);

/* The end of a turn: what was written into the cache can be read there. */
void stage_settle(struct stage *stage);

/* Drop the answers and the clients: nothing may be pending. */
void stage_forget(struct stage *stage);

/* The type that a pending question asks for. */
uint16_t stage_type(const struct out_ask *ask);
