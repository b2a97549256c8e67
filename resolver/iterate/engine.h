/* resolver/iterate/engine.h | the resolver engine of one worker
 *
 * Owner:    the worker.
 * Thread:   one worker.
 */
#pragma once

#include "base/list.h"
#include "base/rng.h"
#include "net/upstream/out.h"
#include "resolver/cache/cache_clock.h"
#include "resolver/cache/inflight.h"
#include "resolver/iterate/infra.h"
#include "resolver/iterate/keycache.h"
#include "resolver/iterate/rejected.h"
#include "resolver/iterate/scrub.h"
#include "resolver/iterate/trace.h"
#include "resolver/limits/park.h"
#include "resolver/policy/policy.h"
#include "resolver/validate/sigmemo.h"

struct task;

enum {
    ENGINE_BUCKETS = 4096,
    ENGINE_TASKS_MAX = 20000,
    ENGINE_TASKS_TOP_MAX =
        ENGINE_TASKS_MAX / 4 * 3, /* of clients; the rest is reserved for subqueries */
    ENGINE_PARKED_MAX = 2000,
    ENGINE_LOOK_MS = 10, /* between checks of the parked tasks: a place may be free without a
                            call, as when the worker that it was left to needs it no more */
    ENGINE_SPARE_MAX = 64,
    ENGINE_HELD_MAX = 64 << 20, /* octets of replies that wait for keys */
};

/* Totals since the start, one field per row of counters.def. */
struct engine_counts {
#define TOTAL(field, id, is_limit, help) uint64_t field;
#define GAUGE(id, help, value)
#include "resolver/iterate/counters.def"
};

/* How many rows counters.def has. */
enum {
#define TOTAL(field, id, is_limit, help) +1
#define GAUGE(id, help, value) +1
    ENGINE_COUNTERS = 0
#include "resolver/iterate/counters.def"
};

/* A row of counters.def. */
struct engine_counter {
    const char *id, *help;
    bool is_limit, is_gauge;
};

/* Lifetime: worker. */
struct engine {
    const struct policy *policy; /* the version that this worker uses now */
    struct cache cache;
    struct infra *infra;
    struct keycache *keycache;
    struct sigmemo *sigmemo;
    size_t held_bytes;         /* of replies that wait for keys */
    struct quota *quota;       /* shared by all workers */
    struct inflight *inflight; /* shared by all workers; NULL: each has a cache of its own */
    size_t worker;             /* this worker's number in `quota` and `inflight` */
    struct out *out;
    struct own *own; /* borrowed; NULL: the addresses of this machine are not known */
    struct rng rng;
    struct arena scratch;          /* valid during one step; a step copies what it keeps */
    struct scrub_room *scrub_room; /* valid until the next reply is scrubbed */
    struct list runnable;          /* tasks that machine_run has to advance */
    struct list paused;            /* tasks between two slices of a validation; one goes on per
                                      turn of the worker */
    struct list in_flight[ENGINE_BUCKETS]; /* all tasks, by hash of name and type */
    struct list asking[ENGINE_BUCKETS];    /* tasks with a query in flight, by hash of it */
    struct list spare;                     /* finished tasks, to be used again */
    size_t spare_cnt;
    struct list elsewhere; /* tasks that another worker resolves */
    struct park *park;     /* tasks that wait for a place in the quota */
    uint64_t looked_ms;    /* mono: when the parked tasks were last checked */
    size_t out_cnt;        /* queries in flight */
    size_t task_cnt;
    bool is_running;                  /* machine_run is on the stack: it must not recurse */
    uint64_t priming_at_ms;           /* mono: earliest time of the next priming query */
    struct trace_listeners listeners; /* of all tasks of this worker */
    int64_t oldest_ms; /* wall: an earlier time is certainly wrong; 0: not known */
    uint64_t trial_ms; /* mono: until then a wrong clock is tolerated */
    char boot[CACHE_CLOCK_BOOT_MAX]; /* of this machine; "": the clock is not noted */
    uint64_t clock_due_ms;           /* mono: when it is noted next */
    uint64_t last_number;            /* number of the newest task */
    uint64_t block_log_ms;           /* mono: when a blocked answer was last logged */
    struct rejected rejected;
    struct trace_ring finished;
    struct engine_counts counts;
};

extern const struct engine_counter engine_counters[ENGINE_COUNTERS];

/* Write the values of all counters to `out`, in the order of engine_counters. */
void engine_read_counters(const struct engine *engine, uint64_t out[ENGINE_COUNTERS]);

/* Make an engine that sends queries through `out`.  On success it owns `store`, its cache; on
 * ERR_NOMEM the caller still does.  Free it with task_free_engine. */
MUST_USE enum err engine_new(struct out *out, struct cache_store *store, struct quota *quota,
                             struct engine **out_engine);

/* Use this version of the policy from now on; call it each turn.  Tasks in flight keep the
 * delegation that they copied.  NULL: no policy.  What was cached while the clock was wrong is
 * not found when it is right, nor the reverse. */
void engine_adopt(struct engine *engine, const struct policy *policy);

/* Learn which times the clock cannot show: those before this program was built, and those
 * before what two earlier boots of this machine agree on (cache_clock).  `boot` names this
 * boot; "": it is not known.  Without this call the clock is never wrong. */
void engine_learn_clock(struct engine *engine, const char *boot);

/* Note in the cache what the clock shows, once an hour; call it each turn.  The first hour is
 * not noted, because a wrong clock may be corrected meanwhile. */
void engine_note_clock(struct engine *engine);

/* True if the wall clock is certainly wrong, as engine_learn_clock says, and the engine has run
 * for less than an hour: then signatures count whatever their times are, so that the name of a
 * time server can be resolved. */
bool engine_is_clock_wrong(const struct engine *engine);

/* True if policy_may_ask allows queries to the address. */
bool engine_may_ask(const struct engine *engine, const struct addr *addr);

/* Return the time for a lookup in the cache: now, and `since_ms` (wall).  Entries cached at or
 * after `since_ms` are usable even if they have expired since. */
struct cache_time engine_time(int64_t since_ms);

/* Return the wall-clock time of a past moment, of which `wall_ms` and `mono_ms` were read.  If
 * the wall clock was set back since then, return the moment by the clock of today: else entries
 * cached meanwhile would seem older than it. */
int64_t engine_since_ms(int64_t wall_ms, uint64_t mono_ms);
