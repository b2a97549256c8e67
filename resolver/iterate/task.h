/* resolver/iterate/task.h | the resolution of one name and type
 *
 * A task ends when the cache has the answer for its name and type (records, a CNAME, a negative
 * answer) or when it has failed.  Its waiters are woken once and look into the cache.  A task
 * never follows a CNAME, and never runs another task: it waits for it.
 *
 * Owner:    the engine.
 * Thread:   one worker.
 * Words:    subquery - a task that this one waits for, such as for a server's address; follower
 * - a task that would send the same query to servers of the same zone, and waits for this one's
 * reply instead.
 */
#pragma once

#include "resolver/iterate/engine.h"
#include "resolver/iterate/pick.h"
#include "resolver/validate/verdict.h"

/* How much of EDNS a query uses. */
enum task_edns {
    TASK_EDNS_FULL,
    TASK_EDNS_BARE, /* without options */
    TASK_EDNS_NONE,
};

/* Why a query is repeated in lower case. */
enum task_lower {
    TASK_LOWER_NO,
    TASK_LOWER_ALTERED,  /* the server changed the case of the name, over UDP and TCP */
    TASK_LOWER_NEGATIVE, /* mixed case got a negative answer or an error */
    TASK_LOWER_SILENT,   /* mixed case got no reply */
};

/* One step of the machine each, which returns the next state. */
enum task_state {
    TASK_LOOK,     /* step_look: find the closest zone whose servers are known */
    TASK_TARGET,   /* step_target: find an address of one of them */
    TASK_ASK,      /* step_ask: send a query there */
    TASK_REPLY,    /* step_reply: a reply is recorded */
    TASK_NO_REPLY, /* step_no_reply: a timeout, a mismatch or a fault is recorded */
    TASK_WAIT,     /* for a result, a subquery, another task's reply, keys, or a place */
    TASK_DONE,     /* step_done */
};

enum task_outcome {
    TASK_ANSWERED, /* the cache has it */
    TASK_FAILED,   /* no server gave an answer */
    TASK_LIMITED,  /* a limit of its query was reached: another query may try again */
};

/* The end of a task.  Lifetime: the call of wake. */
struct task_end {
    enum task_outcome outcome;
    const struct budget *budget; /* that it spent from; only to be compared */
    bool is_budget_spent;
    bool is_queue_full; /* it may not wait for a place: clients whose address may be spoofed are
                           sent to TCP */
    enum failure failure; /* FAILURE_NONE if it was answered */
    uint16_t ede;         /* INFO-CODE of the failure (RFC 8914) */
    const char *text;     /* wording_failure; "" if it was answered */
};

/* A waiter of a task.  Lifetime: its owner's. */
struct task_waiter {
    struct list link;
    struct task *task; /* NULL: it does not wait */
    void (*wake)(struct task_waiter *waiter, const struct task_end *end);
};

enum {
    TASK_SUBQUERIES =
        8, /* four lookups a step, for two families (docs/LIMITS.md section 3: NXNSAttack) */
    TASK_LINES_MAX = 8,  /* clients that wait for one place before others are sent to TCP: a
                          * place may be taken for seconds */
    TASK_SENDS_MAX = 32, /* docs/LIMITS.md section 3: NRDelegationAttack */
    TASK_WHY_MAX = 200,
    TASK_DENIAL = 31,
};

struct task_subquery {
    struct task_waiter waiter;
    struct task *parent;
    int server; /* of the parent's delegation */
    bool is_v6, is_open;
    bool is_chain; /* for the chain of trust */
    bool is_keys;  /* for the DNSKEYs of a zone, of those */
    uint64_t link; /* hash of its name and type, of those */
};

/* A reply that waits until the keys that validate it are known. */
struct task_held {
    size_t len;
    uint8_t wire[];
};

/* A single allocation of fixed size, whatever servers send.  Lifetime: its own. */
struct task {
    uint64_t number;       /* unique in this worker, from 1 */
    struct list link;      /* engine->runnable, paused, elsewhere or spare */
    struct list in_flight; /* engine->in_flight */
    struct list asking;    /* engine->asking, while its query is outstanding */
    struct list join;      /* the followers of another task */
    struct list followers;
    struct list waiters;
    struct engine *engine;
    struct budget *budget;
    const uint8_t *name; /* whole_name */
    uint16_t type;
    unsigned depth;
    bool has_whole_budget; /* the budget was untouched when the task began */
    enum task_state state;
    uint64_t claim; /* hash of its entry in the in-flight table */
    uint32_t claim_turn;
    bool has_claim;    /* the entry is this worker's */
    bool is_elsewhere; /* another worker resolves it */
    int64_t since_ms;  /* wall: when it began */
    uint64_t since_mono_ms;

    struct delegation delegation;
    uint32_t route;               /* tag of the configured delegation above it */
    int64_t delegation_expire_ms; /* wall: when the parent's delegation expires */
    bool is_delegation_cached;    /* it was in the cache before this task */
    unsigned look_below;          /* the zone to find has fewer labels than this; 0: any */
    bool is_delegation_new;       /* another task asked the parent a moment ago */
    bool is_above;       /* the parent was asked again after all known servers had failed */
    bool is_last_resort; /* dead and lame servers are tried too */
    bool is_minimising;
    unsigned minimised_labels; /* labels already sent to the servers of the delegation */
    unsigned steps;            /* of minimisation */
    bool has_reply;            /* a server of the delegation sent any reply */
    bool is_known_down;        /* no server was asked: those of the zone failed a moment ago */
    bool is_child_side;        /* the NS records of the zone itself were looked up */
    bool is_from_child;        /* the delegation is made of them, for this task only */
    unsigned failed_targets;
    unsigned subquery_retries;
    enum failure limit;        /* the limit that kept it from a server; FAILURE_NONE: none */
    bool is_limited;           /* a limit of its own budget was reached on the way */
    bool is_limited_by_others; /* a limit of another query or of the engine */

    bool is_empty_denied; /* all of those said NXDOMAIN */
    unsigned empty_addr;  /* 1 + the first address that sent an empty answer; 0: none */
    int addr;             /* of the delegation: the one that is asked */
    unsigned asked_labels;
    uint16_t asked_type;
    uint64_t asked_us;
    bool is_tcp; /* the next query goes over TCP */
    enum task_edns edns;
    bool has_doubted_edns; /* this task found that the server rejects it */
    enum task_lower lower; /* not TASK_LOWER_NO: without mixed case */
    bool is_mixed;         /* the last query had upper-case letters */
    bool is_suspect;       /* a mismatched reply arrived over UDP */
    bool is_case_all;      /* only the case of the name was wrong */
    bool is_cookie_all;    /* it only lacked a cookie */
    bool had_bad_cookie;
    bool is_asking;  /* a query is outstanding */
    uint64_t client; /* the client that its queries count for: of those that need the task, the
                        one with the fewest waiting queries */
    bool is_exempt;  /* that client is exempt from shares */
    struct quota_place place; /* that its query needs or has */
    struct park_entry parked; /* while it waits for a place */
    enum quota_kind full;     /* the quota that was full; QUOTA_KINDS: sockets */
    bool is_called;           /* its turn has come after waiting */
    bool is_queue_full;       /* too many wait for that place, and it had to go */
    uint8_t client_cookie[COOKIE_CLIENT_LEN + COOKIE_SERVER_MAX];
    struct out_ask ask;
    enum out_result result;       /* TASK_REPLY, TASK_NO_REPLY: what came back */
    const struct message *reply;  /* TASK_REPLY: borrowed until the step returns */
    uint32_t wrong_links;         /* of that reply: bit i, the signatures of link i are wrong;
                                     TASK_DENIAL: those of the denial */
    struct task_held *held;       /* a reply that waits for keys or for the next slice of its
                                     validation; NULL: none */
    bool is_paused;               /* it waits for that slice, in engine->paused */
    unsigned noted_cnt;           /* verdicts that earlier slices have noted */
    struct rules_work validation; /* signatures and hashes that may still be computed */
    unsigned chain_lookups;       /* subqueries for the chain of trust so far */
    uint64_t broken_link;         /* hash of name and type of one that failed; 0: none */
    unsigned bogus_cnt;           /* servers whose replies were bogus, or not validated */
    bool is_unvalidated;          /* one of them was not validated: a link is missing */
    uint16_t ede;                 /* INFO-CODE of `why` */
    unsigned sends;
    struct trace_listeners listeners; /* none: an event costs one branch */
    int64_t fresh_ms;                 /* as in its budget */
    struct pick_why pick;             /* why that address was chosen */

    struct task_subquery subqueries[TASK_SUBQUERIES];
    char why[TASK_WHY_MAX]; /* why the last reply is bogus or could not be validated; "": it is
                               not */
    struct trace_attempts attempts;
    enum task_outcome outcome;
    enum failure failure; /* FAILURE_NONE unless it has failed */

    struct cache_name key;
    struct dname_parts parts;
    uint8_t whole_name[DNAME_MAX];
    uint8_t delegation_names[DELEGATION_NAMES_MAX]; /* of `delegation` */
};

/* Return the task for `name` and `type`: the one in flight, or a new one that spends from
 * `budget` and holds a reference to it.  `parent`: the task that needs it, or NULL.  NULL: too
 * many tasks, too deep, a dependency loop, or no memory. */
MUST_USE struct task *task_get(struct engine *engine, const uint8_t *name, uint16_t type,
                               struct budget *budget, struct task *parent);

/* Resolve `name` and `type` from a budget of its own, for the cache alone: no client waits.
 * Return false if there can be no task. */
bool task_start(struct engine *engine, const uint8_t *name, uint16_t type);

/* task->delegation is another one: nothing is known of its servers yet. */
void task_begin_delegation(struct task *task);

/* Another worker has woken this one: finish the tasks whose names other workers have resolved,
 * with or without success - their waiters look into the cache - and call tasks for places that
 * were left to this worker. */
void task_come_back(struct engine *engine);

/* Note that a limit of its budget, or of others (`is_others`), keeps it from a server. */
void task_note_limit(struct task *task, enum failure limit, bool is_others);

/* Return the state of a task that has no server left to ask: failed, or limited if a limit was
 * reached on the way. */
enum task_state task_give_up(struct task *task, enum failure failure);

/* Return the state of a task that got no valid reply. */
enum task_state task_fail_validation(struct task *task);

/* Wait for the end of the task. */
void task_wait(struct task *task, struct task_waiter *waiter);

/* Stop waiting; without effect if the waiter does not wait.  The task goes on. */
void task_leave(struct task_waiter *waiter);

/* Let the task wait for a place of that quota; QUOTA_KINDS: for a socket.  If too many wait,
 * the oldest waiting task of the client with the most of them fails. */
enum task_state task_park(struct task *task, enum quota_kind full);

/* A query has ended and its place is free: call the next task that waits for it.  Every second
 * place that tasks of other workers wait for too is left to those workers, which are woken. */
void task_unpark(struct engine *engine, const struct quota_place *place);

/* Set how many places the task must spare, because they were left to other workers; a task that
 * was called after waiting spares none. */
void task_spare_passed(const struct task *task, struct quota_place *place);

/* The task has sent its query.  If it waited for a place or a socket, call the next task that
 * does, if there is another one. */
void task_note_sent(struct task *task);

/* Call tasks that wait for places which are free without this worker's doing, and tasks whose
 * time is up; at most once per ENGINE_LOOK_MS. */
void task_look_at_parked(struct engine *engine, uint64_t now_ms);

/* Return dname_hash of the name that silence and quotas are counted for: the zone, or behind a
 * forwarder the organisational domain of the name. */
uint64_t task_subject(const struct task *task);

/* Let the task go on that has been paused longest, if there is one. */
void task_resume_paused(struct engine *engine);

/* Stop waiting for subqueries, before the delegation changes. */
void task_leave_subqueries(struct task *task);

/* Make the task runnable in that state. */
void task_wake(struct task *task, enum task_state state);

/* Wake the followers.  `is_denied`: minimised names led nowhere here, so they ask for their
 * full names. */
void task_release_followers(struct task *task, bool is_denied);

/* Forget the reply that waited for keys. */
void task_free_held(struct task *task);

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

/* Return the transport of the last query. */
static inline enum trace_transport task_transport(const struct task *task)
{
    return task->ask.tls ? TRACE_TLS : task->is_tcp ? TRACE_TCP : TRACE_UDP;
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

/* Emit what validation found, and note why the reply is bogus. */
void task_note_verdict(struct task *task, const struct verdict *verdict);

/* Note that a link of the chain of trust is broken, as the lookup of it ended. */
void task_note_broken(struct task *task, uint16_t ede, const char *text);

/* Emit the end of a traced task. */
void task_emit_end(const struct task *task, enum trace_ending how, const char *text);

/* Remove the listeners of a query that is answered from all tasks.  Each task that one of them
 * listened to and that has not ended emits TRACE_ENDED_UNFINISHED. */
void task_unlisten(struct engine *engine, const struct trace_listeners *listeners);

/* Free an engine with all its tasks; waiters are not woken.  Clears the pointer. */
void task_free_engine(struct engine **engine);
