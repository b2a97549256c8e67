/* resolver/iterate/task.h | one resolution in flight: a name, a type, and how far it has come
 *
 * A task ends when the cache holds what there is to know of its name and type - records, an
 * alias, an absence - or when it has failed.  Whoever waits is woken once and looks into the
 * cache.  A task never follows an alias and never calls another one: it waits for it.
 *
 * Owner:    the engine.
 * Thread:   one worker.
 * Words:    kid - a task that this one waits for, for the address of a server; joiner - a task
 * that would ask the same question of the same zone, and waits for this one's reply instead.
 */
#pragma once

#include "resolver/iterate/engine.h"
#include "resolver/iterate/pick.h"

/* How much of EDNS a query has. */
enum task_edns {
    TASK_EDNS_FULL,
    TASK_EDNS_BARE, /* without options */
    TASK_EDNS_NONE,
};

/* Why a query is repeated in lower case. */
enum task_lower {
    TASK_LOWER_NO,
    TASK_LOWER_ALTERED,  /* the server altered the letters, over UDP and TCP */
    TASK_LOWER_NEGATIVE, /* a negative reply or an error came to mixed case */
    TASK_LOWER_SILENT,   /* no reply came to mixed case */
};

/* One step of the machine each, which returns the next state. */
enum task_state {
    TASK_LOOK,     /* step_look: find the closest zone whose servers are known */
    TASK_TARGET,   /* step_target: find an address of one of them */
    TASK_ASK,      /* step_ask: send a query there */
    TASK_REPLY,    /* step_reply: a reply is recorded */
    TASK_NO_REPLY, /* step_no_reply: a timeout, a mismatch or a fault is recorded */
    TASK_WAIT,     /* for a result, a subquery, another task's reply, or a place */
    TASK_DONE,     /* step_done */
};

enum task_outcome {
    TASK_ANSWERED, /* the cache has it */
    TASK_FAILED,   /* nobody who should know could tell */
    TASK_LIMITED,  /* a limit of whoever started it was reached: another one may try again */
};

/* How a task ended.  Lifetime: the call of wake. */
struct task_end {
    enum task_outcome outcome;
    const struct budget *budget; /* that it spent from: to be compared, not to be read */
    bool is_budget_spent;
    bool is_crowded; /* so many clients wait that those whose address may be forged shall come
                        over TCP */
    enum failure failure; /* FAILURE_NONE if it was answered */
    const char *text;     /* wording_failure; "" if it was answered */
};

/* Someone who waits for a task.  Lifetime: the waiter's own. */
struct task_waiter {
    struct list link;
    struct task *task; /* NULL: waits for nothing */
    void (*wake)(struct task_waiter *waiter, const struct task_end *end);
};

enum {
    TASK_SUBQUERIES =
        8, /* four lookups a step, for two families (docs/LIMITS.md section 3: NXNSAttack) */
    TASK_SENDS_MAX = 32, /* docs/LIMITS.md section 3: NRDelegationAttack */
};

struct task_subquery {
    struct task_waiter waiter;
    struct task *parent;
    int server; /* of the parent's cut */
    bool is_v6, is_open;
};

/* One piece of memory that does not grow, whatever servers say.  Lifetime: its own. */
struct task {
    uint64_t number;       /* unique in this worker, from 1 */
    struct list link;      /* engine->runnable, elsewhere or spare */
    struct list in_flight; /* engine->in_flight */
    struct list asking;    /* engine->asking, while its question is out */
    struct list join;      /* the joiners of another task */
    struct list followers;
    struct list waiters;
    struct engine *engine;
    struct budget *budget;
    const uint8_t *name; /* whole_name */
    uint16_t type;
    unsigned depth;
    bool has_whole_budget; /* nothing had been spent of it before */
    enum task_state state;
    uint64_t claim; /* what it has claimed, or waits for */
    uint32_t claim_turn;
    bool has_claim;    /* it is ours */
    bool is_elsewhere; /* another worker resolves it */
    int64_t since_ms;  /* wall: when it began */
    uint64_t since_mono_ms;

    struct delegation delegation;
    uint32_t route;               /* the tag of the configured cut above it */
    int64_t delegation_expire_ms; /* wall: how long the parent's word on the cut holds */
    bool is_delegation_cached;    /* not learnt by this task */
    unsigned look_below;    /* labels that the zone to be found must be short of; 0: any */
    bool is_delegation_new; /* another task has asked the parent a moment ago */
    bool is_above; /* the parent was asked anew, when all servers that were known had failed */
    bool is_last_resort; /* dead and lame servers are asked too */
    bool is_minimising;
    unsigned minimised_labels; /* labels that the servers of the cut have seen */
    unsigned steps;            /* of minimisation */
    bool has_reply;            /* a server of the cut answered, whatever it said */
    bool is_known_down;        /* no server was asked: those of the zone failed a moment ago */
    bool is_child_side;        /* what the zone says of its own servers was looked for */
    bool is_from_child;        /* the cut is that, for this task only */
    unsigned failed_targets;
    unsigned subquery_retries;
    enum failure limit;        /* that kept it from a server; FAILURE_NONE: none did */
    bool is_limited;           /* a limit of its own budget was met on the way */
    bool is_limited_by_others; /* one of somebody else's, or of the engine */

    bool is_empty_denied; /* all of those said NXDOMAIN */
    unsigned empty_addr;  /* 1 + the first address that answered with nothing at all; 0: none */
    int addr;             /* of the cut, that is asked */
    unsigned asked_labels;
    uint16_t asked_type;
    uint64_t asked_us;
    bool is_tcp; /* how to ask next */
    enum task_edns edns;
    bool has_doubted_edns; /* this task has found out that the server rejects it */
    enum task_lower lower; /* other than TASK_LOWER_NO: without 0x20 */
    bool is_mixed;         /* the last query had letters in upper case */
    bool is_suspect;       /* a mismatched reply came over UDP */
    bool is_case_all;      /* only its letters were wrong */
    bool is_cookie_all;    /* it only lacked a cookie */
    bool had_bad_cookie;
    bool is_asking;  /* a question is out */
    uint64_t client; /* whom its questions count for: of those who want it, the one with fewest
                        waiting */
    bool is_exempt;  /* that one is */
    struct quota_place place; /* that its question wants or has */
    struct park_entry parked; /* it waits for one */
    enum quota_kind full;     /* what was, then; QUOTA_KINDS: sockets */
    bool is_called;           /* it has waited, and it is its turn */
    bool is_crowded;          /* too many clients wait there */
    uint8_t client_cookie[COOKIE_CLIENT_LEN + COOKIE_SERVER_MAX];
    struct out_ask ask;
    enum out_result result;      /* TASK_REPLY, TASK_NO_REPLY: what came back */
    const struct message *reply; /* TASK_REPLY: borrowed until the step returns */
    unsigned sends;
    struct trace_listeners listeners; /* none: an event costs one branch */
    int64_t fresh_ms;                 /* of its budget */
    struct pick_why pick;             /* why that address */

    struct task_subquery subqueries[TASK_SUBQUERIES];
    struct trace_attempts attempts;
    enum task_outcome outcome;
    enum failure failure; /* FAILURE_NONE unless it has failed */

    struct cache_name key;
    struct dname_parts parts;
    uint8_t whole_name[DNAME_MAX];
    uint8_t delegation_names[DELEGATION_NAMES_MAX]; /* of `delegation` */
};

/* The task for `name` and `type`: the one in flight, or a new one that spends from `budget`,
 * which it holds.  `parent` is the task that wants it, or NULL.  NULL: too many tasks, too
 * deep, a circle of tasks that wait for each other, or no memory. */
MUST_USE struct task *task_get(struct engine *engine, const uint8_t *name, uint16_t type,
                               struct budget *budget, struct task *parent);

/* Finish the tasks that other workers have resolved meanwhile, in one way or another: who waits
 * for them looks into the cache. */
void task_come_back(struct engine *engine);

/* Note that a limit of its budget, or of others (`is_others`), keeps it from a server. */
void task_note_limit(struct task *task, enum failure limit, bool is_others);

/* Return the state of a task that has no server left to ask: failed, or limited if a limit was
 * reached on the way. */
enum task_state task_give_up(struct task *task, enum failure failure);

/* Wait for it. */
void task_wait(struct task *task, struct task_waiter *waiter);

/* Wait no longer; waiting for nothing is fine.  The task goes on. */
void task_leave(struct task_waiter *waiter);

/* Let it wait until a place is free there; QUOTA_KINDS: a socket.  Where too many wait, the
 * oldest of the client that has most fails. */
enum task_state task_park(struct task *task, enum quota_kind full);

/* A question has ended, and with it a place is free: call who waits for that. */
void task_unpark(struct engine *engine, const struct quota_place *place);

/* Now and then: call who waits for what other workers have given back, and those whose time is
 * up. */
void task_look_at_parked(struct engine *engine, uint64_t now_ms);

/* dname_hash of what a silence or a quota is about: the zone, or of a forwarder what one owner
 * has of its names. */
uint64_t task_subject(const struct task *task);

/* Wait for no kid any longer: before the cut is another one. */
void task_leave_subqueries(struct task *task);

/* Have the machine look at it. */
void task_wake(struct task *task, enum task_state state);

/* Wake those that waited for its question.  `is_denied`: shortened names lead nowhere here,
 * they ask for the whole of theirs. */
void task_release_followers(struct task *task, bool is_denied);

/* Return the state of a task that has failed for this reason. */
enum task_state task_fail(struct task *task, enum task_outcome outcome, enum failure failure);

/* Take it out of all tables and keep its memory for another. */
void task_end(struct task *task);

/* The suffix of its name that is asked for now. */
const uint8_t *task_asked_name(const struct task *task);

/* End all tasks; waiters are not woken. */
void task_end_all(struct engine *engine);

/* The time as its questions to the cache want it. */
struct cache_time task_time(const struct task *task);

/* ---- events ---- */

/* True if an event of the task has a listener. */
static inline bool task_is_traced(const struct task *task)
{
    return __builtin_expect(task->listeners.cnt > 0, 0);
}

/* Return an event with the task's number, name, type and zone; of a query, a reply or a silence
 * name and type are those of the query. */
struct trace_event task_event(const struct task *task, enum trace_step step);

/* Emit a note; `failure` names the limit of TRACE_NOTE_LIMIT. */
void task_emit_note(const struct task *task, enum trace_note note, enum failure failure);

/* The same without a limit; one branch if nothing listens. */
static inline void task_trace_note(const struct task *task, enum trace_note note)
{
    if (task_is_traced(task))
        task_emit_note(task, note, FAILURE_NONE);
}

/* Emit that the query brought no reply; `detail`: what TLS found wrong, or "". */
void task_trace_no_reply(const struct task *task, enum trace_silence why, const char *detail);

/* Emit the end of a traced task. */
void task_emit_end(const struct task *task, enum trace_ending how, const char *text);

/* Remove the listeners of a query that is answered from all tasks.  Each task that one of them
 * listened to and that has not ended emits TRACE_ENDED_UNFINISHED. */
void task_unlisten(struct engine *engine, const struct trace_listeners *listeners);

/* Free an engine with all its tasks; waiters are not woken.  Clears the pointer. */
void task_free_engine(struct engine **engine);
