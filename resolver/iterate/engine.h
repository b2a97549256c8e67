/* resolver/iterate/engine.h | what one worker resolves with
 *
 * Owner:    the worker.
 * Thread:   one worker.
 */
#pragma once

#include "base/list.h"
#include "base/rng.h"
#include "net/upstream/out.h"
#include "resolver/cache/inflight.h"
#include "resolver/iterate/infra.h"
#include "resolver/iterate/rejected.h"
#include "resolver/iterate/scrub.h"
#include "resolver/iterate/trace.h"
#include "resolver/limits/park.h"
#include "resolver/policy/policy.h"

struct task;

enum {
    ENGINE_BUCKETS = 4096,
    ENGINE_TASKS_MAX = 20000,
    ENGINE_TASKS_TOP_MAX =
        ENGINE_TASKS_MAX / 4 * 3, /* the rest is for those that these wait for */
    ENGINE_PARKED_MAX = 2000,
    ENGINE_LOOK_MS =
        10, /* how often parked tasks are looked at: other workers give places back too */
    ENGINE_SPARE_MAX = 64
};

/* Totals since the start, one field per row of counters.def. */
struct engine_counts {
#define TOTAL(field, id, is_limit, help) uint64_t field;
#define GAUGE(id, help, value)
#include "resolver/iterate/counters.def"
};

/* A row of counters.def. */
struct engine_counter {
    const char *id, *help;
    bool is_limit, is_gauge;
};

/* Lifetime: worker. */
struct engine {
    const struct policy *policy; /* this turn's version */
    struct cache cache;
    struct infra *infra;
    struct quota *quota;       /* the process's */
    struct inflight *inflight; /* the process's; NULL: the cache is this worker's alone */
    size_t worker;             /* its number, for them */
    struct out *out;
    struct own *own; /* stays the caller's; NULL: this machine's addresses are not known */
    struct rng rng;
    struct arena scratch;          /* of one step of one task: what it keeps, it copies */
    struct scrub_room *scrub_room; /* of one reply */
    struct list runnable;          /* tasks with something to do */
    struct list in_flight[ENGINE_BUCKETS]; /* tasks, by name and type */
    struct list asking[ENGINE_BUCKETS];    /* tasks with a question out, by what they ask */
    struct list spare;                     /* ended tasks, kept for their memory */
    size_t spare_cnt;
    struct list elsewhere; /* tasks that another worker has claimed */
    struct park *park;     /* tasks that wait for a place */
    uint64_t looked_ms;    /* mono: when they were looked at */
    size_t out_cnt;        /* questions that are out */
    size_t task_cnt;
    bool is_running;
    uint64_t priming_at_ms;           /* mono: when the root may be primed again */
    struct trace_listeners listeners; /* of all tasks of this worker */
    uint64_t last_number;             /* of a task */
    struct rejected rejected;
    struct trace_ring finished;
    struct engine_counts counts;
};

/* The counters, and how many there are. */
extern const struct engine_counter engine_counters[];
extern const size_t engine_counter_cnt;

/* Write the values of all counters to `out`, in the order of engine_counters. */
void engine_read_counters(const struct engine *engine, uint64_t *out);

/* An engine that asks through `out` and keeps its cache in `store`, which it owns from now on;
 * ERR_NOMEM. */
MUST_USE enum err engine_new(struct out *out, struct cache_store *store, struct quota *quota,
                             struct engine **out_engine);

/* Use this version from now on; tasks under way go on with what they copied. */
void engine_adopt(struct engine *engine, const struct policy *policy);

/* True if queries may be sent to that address. */
bool engine_may_ask(const struct engine *engine, const struct addr *addr);

/* The times as cache and infra want them. */
struct cache_time engine_time(int64_t since_ms);

/* When something began, by the wall clock as it was then (`wall_ms`) or, if that has been set
 * back since, as it is now: what was cached meanwhile is not older.  `mono_ms` is the same
 * moment. */
int64_t engine_since_ms(int64_t wall_ms, uint64_t mono_ms);
