/* The memory of ended tasks is used again: once there have been as many tasks at a time, a miss
 * allocates nothing. */
#include "resolver/iterate/task.h"

#include "base/now.h"

enum {
    LOOP_STEPS = 512,
    CALLS = 8,      /* waiting tasks that are tried for one free place */
    LOOKS = 64,     /* waiting tasks, and keys, looked at per ENGINE_LOOK_MS */
    SOCKET_KEY = 1, /* of tasks that wait for a socket */
};

static struct list *in_flight_bucket(struct engine *engine, const uint8_t *name, uint16_t type)
{
    return &engine->in_flight[(dname_hash(name) + type) % ENGINE_BUCKETS];
}

static struct task *find_in_flight(struct engine *engine, const uint8_t *name, uint16_t type)
{
    struct list *head = in_flight_bucket(engine, name, type);
    list_for_each(struct task, t, head, in_flight) {
        if (t->type == type && dname_is_equal(t->name, name))
            return t;
    }
    return NULL;
}

/* Return true if `task` waits for the end of `wanted`, directly or through others; also if the
 * search takes more than LOOP_STEPS.  A subquery is the only way to wait for another task's
 * end, whatever it is for; a follower waits for a query that is sent already, which needs no
 * task. */
static bool waits_for(const struct task *task, const struct task *wanted, unsigned *steps)
{
    if (task == wanted || ++*steps > LOOP_STEPS)
        return true;
    for (int i = 0; i < TASK_SUBQUERIES; i++)
        if (task->subqueries[i].is_open &&
            waits_for(task->subqueries[i].waiter.task, wanted, steps))
            return true;
    return false;
}

static uint64_t claim_of(const struct task *t)
{
    return dname_hash(t->name) * 0x9e3779b97f4a7c15U + t->type * 0xbf58476d1ce4e5b9U;
}

/* Return true if another worker resolves the name, so that this one waits.  A subquery never
 * waits for another worker: two workers could wait for each other.  Nor does a traced task: the
 * events of another worker do not reach its listeners. */
static bool is_claimed_elsewhere(struct task *t)
{
    struct engine *engine = t->engine;

    if (!engine->inflight || !engine->cache.store->is_shared ||
        !engine->policy->defences.merging)
        return false;
    t->claim = claim_of(t);
    enum inflight_verdict verdict =
        inflight_take(engine->inflight, t->claim, engine->worker, &t->claim_turn);
    t->has_claim = verdict == INFLIGHT_OURS;
    return verdict == INFLIGHT_THEIRS && t->depth == 0 && !t->budget->listeners;
}

static struct task *take_memory(struct engine *engine)
{
    struct task *t;

    if (list_is_empty(&engine->spare)) {
        t = malloc(sizeof(*t));
        if (!t)
            return NULL;
    } else {
        t = container_of(engine->spare.next, struct task, link);
        list_remove(&t->link);
        engine->spare_cnt--;
    }
    memset(t, 0, offsetof(struct task, why));
    t->attempts.cnt = 0;
    t->why[0] = '\0';
    t->failure = FAILURE_NONE;
    return t;
}

static void give_memory(struct task *t)
{
    if (t->engine->spare_cnt == ENGINE_SPARE_MAX) {
        free(t);
        return;
    }
    t->engine->spare_cnt++;
    list_add(&t->engine->spare, &t->link);
}

/* ---- time and events ---- */

struct cache_time task_time(const struct task *task)
{
    struct cache_time when = engine_time(engine_since_ms(task->since_ms, task->since_mono_ms));

    /* what was cached since the task began is fresh, whatever the clock did */
    when.fresh_ms = task->fresh_ms < when.since_ms ? task->fresh_ms : when.since_ms;
    return when;
}

struct trace_event task_event(const struct task *task, enum trace_step step)
{
    bool is_of_query = step == TRACE_STEP_QUERY || step == TRACE_STEP_REPLY ||
                       step == TRACE_STEP_NO_REPLY || step == TRACE_STEP_REJECTED;

    return (struct trace_event){.step = step,
                                .task = task->number,
                                .name = is_of_query ? task_asked_name(task) : task->name,
                                .type = is_of_query ? task->asked_type : task->type,
                                .zone = task->delegation.zone};
}

void task_emit_note(const struct task *task, enum trace_note note, enum failure failure)
{
    struct trace_event event = task_event(task, TRACE_STEP_NOTE);

    event.note.note = note;
    event.note.failure = failure;
    trace_emit(&task->listeners, &event);
}

static void emit_begin(const struct task *task, const struct task *parent, enum trace_step step)
{
    struct trace_event event = task_event(task, step);

    event.begin.parent = parent ? parent->number : 0;
    event.begin.purpose = !parent                   ? TRACE_FOR_CLIENT
                          : task->type == RRTYPE_NS ? TRACE_FOR_SERVERS
                          : task->type == RRTYPE_DS || task->type == RRTYPE_DNSKEY
                              ? TRACE_FOR_CHAIN
                              : TRACE_FOR_ADDRESS;
    trace_emit(&task->listeners, &event);
}

void task_trace_no_reply(const struct task *task, enum trace_silence why, const char *detail)
{
    if (!task_is_traced(task))
        return;
    struct trace_event event = task_event(task, TRACE_STEP_NO_REPLY);
    event.no_reply.server = &task->delegation.addrs[task->addr].addr;
    event.no_reply.detail = detail;
    event.no_reply.why = why;
    event.no_reply.waited_us = now_mono_us() - task->asked_us;
    trace_emit(&task->listeners, &event);
}

void task_note_verdict(struct task *task, const struct verdict *verdict)
{
    char text[VERDICT_TEXT_MAX];
    int ede = verdict_ede(verdict->reason);

    if (task_is_traced(task)) {
        struct trace_event event = task_event(task, TRACE_STEP_VALIDATED);
        event.validated = verdict;
        trace_emit(&task->listeners, &event);
    }
    if (verdict->status != VERDICT_BOGUS && verdict->status != VERDICT_UNKNOWN)
        return;
    verdict_print(verdict, text);
    task_note_broken(task, ede == EDNS_EDE_NONE ? EDNS_EDE_BOGUS : (uint16_t)ede, text);
}

void task_note_broken(struct task *task, uint16_t ede, const char *text)
{
    task->ede = ede;
    snprintf(task->why, sizeof(task->why), "%.*s", (int)sizeof(task->why) - 1, text);
}

void task_emit_end(const struct task *task, enum trace_ending how, const char *text)
{
    struct trace_event event = task_event(task, TRACE_STEP_END);

    event.end.how = how;
    event.end.failure = how == TRACE_ENDED_UNFINISHED ? FAILURE_TIME : task->failure;
    event.end.is_limited = how == TRACE_ENDED_UNFINISHED || task->outcome == TASK_LIMITED ||
                           task->limit != FAILURE_NONE;
    event.end.text = text;
    event.end.attempts = &task->attempts;
    event.end.delegation = &task->delegation;
    trace_emit(&task->listeners, &event);
}

/* Add the listeners of the query and of the task that needs this one. */
static void add_listeners(struct task *task, const struct budget *budget,
                          const struct task *parent)
{
    trace_listen_all(&task->listeners, budget->listeners);
    if (parent)
        trace_listen_all(&task->listeners, &parent->listeners);
}

/* ---- waiting for a place ---- */

uint64_t task_subject(const struct task *task)
{
    unsigned labels = task->delegation.labels;

    if (task->delegation.source == DELEGATION_FORWARD)
        labels = (unsigned)util_max(labels, dname_org_labels(&task->parts));
    return task->parts.hash[labels];
}

/* While this task waits, another worker may resolve the name. */
static void release_claim(struct task *task)
{
    if (task->has_claim)
        inflight_release(task->engine->inflight, task->claim);
    task->has_claim = false;
}

static uint64_t key_of(const struct task *task)
{
    return task->full == QUOTA_KINDS ? SOCKET_KEY : task->place.keys[task->full];
}

static enum task_state fail_waiting(struct task *task, enum failure failure)
{
    task->is_limited_by_others = task->is_queue_full = true;
    return task_give_up(task, failure);
}

/* False if too many clients wait for the place and the client's address may be spoofed. */
static bool may_wait_for_place(const struct task *task)
{
    return !task->client || task->is_exempt || quota_is_proven(task->client) ||
           task->is_called || park_lines(task->engine->park, key_of(task)) < TASK_LINES_MAX;
}

/* Other workers need not leave places for the key that the task has waited for, unless another
 * task waits for it here. */
static void end_announcement(const struct task *task)
{
    struct engine *engine = task->engine;

    if (task->full != QUOTA_KINDS && park_lines(engine->park, key_of(task)) == 0)
        quota_end_announcement(engine->quota, &task->place, task->full, engine->worker);
}

static void leave_park(struct task *task)
{
    if (!park_has(&task->parked))
        return;
    park_remove(task->engine->park, &task->parked);
    end_announcement(task);
}

/* Announce that the task waits.  Return false if a place became free before that. */
static bool announce_waiting(const struct task *task)
{
    struct engine *engine = task->engine;

    if (task->full == QUOTA_KINDS)
        return true;
    quota_announce(engine->quota, &task->place, task->full, engine->worker);
    if (!quota_has_room(engine->quota, &task->place, task->full))
        return true;
    end_announcement(task);
    return false;
}

enum task_state task_park(struct task *task, enum quota_kind full)
{
    struct engine *engine = task->engine;

    task->full = full;
    if (!may_wait_for_place(task))
        return fail_waiting(task, FAILURE_PLACE_CLIENTS);
    if (!announce_waiting(task))
        return TASK_ASK;
    release_claim(task);
    for (int i = 0; i < task->delegation.addr_cnt; i++)
        task->delegation.addrs[i].is_full = false;
    struct park_entry *gone =
        park_put(engine->park, &task->parked, key_of(task), task->client, task->is_called);
    task->is_called = false;
    engine->counts.parked++;
    if (gone) {
        struct task *other = container_of(gone, struct task, parked);
        engine->counts.evicted++;
        end_announcement(other);
        task_wake(other, fail_waiting(other, FAILURE_CLIENT_QUERIES));
    }
    return TASK_WAIT;
}

/* Return the state after waiting: another look into the cache, unless the task knows more than
 * the cache; the same server in the same way, if there was a reason for that way. */
static enum task_state state_after_parking(const struct task *task)
{
    bool is_bound = task->is_tcp || task->edns != TASK_EDNS_FULL || task->lower;
    bool is_whole =
        task->engine->policy->is_minimising && !task->is_minimising &&
        task->delegation.source != DELEGATION_FORWARD; /* minimised names led nowhere */
    bool is_fresh =
        task->sends == 0 && !task->is_above && !task->is_from_child && !is_whole &&
        (task->is_delegation_cached || task->delegation.source != DELEGATION_REFERRAL);

    return is_fresh ? TASK_LOOK : is_bound ? TASK_ASK : TASK_TARGET;
}

/* Run it before all other runnable tasks: when many queries time out at once, their next tries
 * would take every second place that they give back. */
static void call_task(struct task *task)
{
    task_wake(task, state_after_parking(task));
    list_remove(&task->link);
    list_add(task->engine->runnable.next, &task->link);
    task->is_called = true;
    task->is_elsewhere = is_claimed_elsewhere(task);
    if (!task->is_elsewhere)
        return;
    task->engine->counts.elsewhere++;
    task->state = TASK_WAIT;
    list_remove(&task->link);
    list_add(&task->engine->elsewhere, &task->link);
}

/* True if the parked task has a place now, besides `left` that are left to other workers. */
static bool has_place(struct task *task, uint32_t left)
{
    if (task->full == QUOTA_KINDS)
        return true;
    task->place.left[task->full] = left;
    return quota_has_room(task->engine->quota, &task->place, task->full);
}

/* Another client needs the task too: it and its subqueries count for the client with the fewest
 * waiting queries. */
static void favour_client(struct task *task, const struct budget *other, unsigned *steps)
{
    struct engine *engine = task->engine;

    if (++*steps > LOOP_STEPS)
        return;
    for (int i = 0; i < TASK_SUBQUERIES; i++)
        if (task->subqueries[i].is_open)
            favour_client(task->subqueries[i].waiter.task, other, steps);
    if (!park_has(&task->parked) || !park_favour(engine->park, &task->parked, other->client))
        return;
    task->client = task->place.client = other->client;
    task->is_exempt = task->place.is_exempt = other->is_exempt;
    if (has_place(task, park_passed(engine->park, key_of(task))))
        call_task(task);
}

/* Call the next task that can use the free place.  Return false if there is none. */
static bool call_next(struct engine *engine, uint64_t key)
{
    for (int i = 0; i < CALLS; i++) {
        struct park_entry *entry = park_call(engine->park, key);
        struct task *task = entry ? container_of(entry, struct task, parked) : NULL;
        if (!task)
            return false;
        if (has_place(task, 0)) {
            call_task(task);
            return true;
        }
    }
    return false;
}

/* Let this worker and those whose tasks wait for the same take turns. */
static void offer_place(struct engine *engine, const struct quota_place *place,
                        enum quota_kind kind)
{
    bool is_wanted = quota_is_wanted(engine->quota, place, kind, engine->worker);
    uint64_t key = place->keys[kind];

    if (park_cnt(engine->park) == 0 && !is_wanted)
        return;
    bool is_for_others = is_wanted && park_pass(engine->park, key);
    bool is_used = !is_for_others && call_next(engine, key);
    if (is_wanted && !is_used)
        quota_leave(engine->quota, place, kind, engine->worker);
}

void task_unpark(struct engine *engine, const struct quota_place *place)
{
    for (enum quota_kind kind = 0; kind < QUOTA_KINDS; kind++)
        offer_place(engine, place, kind);
    if (park_cnt(engine->park) > 0)
        call_next(engine, SOCKET_KEY);
}

void task_note_sent(struct task *task)
{
    struct engine *engine = task->engine;
    bool is_called = task->is_called;

    task->is_called = false;
    if (!is_called)
        return;
    uint64_t key = key_of(task);
    struct park_entry *first = park_first(engine->park, key);
    struct task *next = first ? container_of(first, struct task, parked) : NULL;
    if (next && has_place(next, park_passed(engine->park, key)))
        call_task(container_of(park_call(engine->park, key), struct task, parked));
}

void task_spare_passed(const struct task *task, struct quota_place *place)
{
    struct park *park = task->engine->park;

    if (task->is_called || !task->is_exempt || park_cnt(park) == 0)
        return;
    for (enum quota_kind kind = 0; kind < QUOTA_KINDS; kind++)
        place->left[kind] = park_passed(park, place->keys[kind]);
}

/* Forget what was left to other workers at the key.  Announce again that tasks wait for it:
 * those of another key may have ended the announcement. */
static void renew_key(struct engine *engine, uint64_t key)
{
    struct park_entry *first = park_first(engine->park, key);

    park_forget_passed(engine->park, key);
    if (!first)
        return;
    const struct task *task = container_of(first, struct task, parked);
    if (task->full != QUOTA_KINDS)
        quota_announce(engine->quota, &task->place, task->full, engine->worker);
}

/* Call a task for each key, for at most LOOKS of them in turn; each that finds a place calls
 * the next. */
static void call_keys(struct engine *engine, bool is_look)
{
    uint64_t key;
    size_t looks = util_min(park_keys(engine->park), LOOKS);

    for (size_t i = 0; i < looks && park_look_key(engine->park, &key); i++) {
        if (is_look)
            renew_key(engine, key);
        call_next(engine, key);
    }
}

void task_look_at_parked(struct engine *engine, uint64_t now_ms)
{
    if (park_cnt(engine->park) == 0 || now_ms - engine->looked_ms < ENGINE_LOOK_MS)
        return;
    engine->looked_ms = now_ms;
    call_keys(engine, true);
    size_t looks = util_min(park_cnt(engine->park), LOOKS);
    for (size_t i = 0; i < looks && park_cnt(engine->park) > 0; i++) {
        struct task *task = container_of(park_look(engine->park), struct task, parked);
        if (!budget_is_left(task->budget, now_ms))
            task_wake(task, TASK_ASK); /* which ends it */
    }
}

/* ---- tasks ---- */

struct task *task_get(struct engine *engine, const uint8_t *name, uint16_t type,
                      struct budget *budget, struct task *parent)
{
    unsigned steps = 0, depth = parent ? parent->depth + 1 : 0;
    bool may_join = parent || engine->policy->defences.merging;
    struct task *t = may_join ? find_in_flight(engine, name, type) : NULL;

    if (t && parent && waits_for(t, parent, &steps)) {
        task_trace_note(parent, TRACE_NOTE_LOOP);
        return NULL;
    }
    /* this worker needs it now, even if another one resolves it */
    if (t && t->is_elsewhere && (parent || budget->listeners)) {
        t->is_elsewhere = false;
        t->depth = (unsigned)util_max(t->depth, depth);
        task_wake(t, TASK_LOOK);
    }
    if (t) {
        steps = 0;
        favour_client(t, budget, &steps);
        engine->counts.merged++;
        add_listeners(t, budget, parent);
        if (task_is_traced(t))
            emit_begin(t, parent, TRACE_STEP_JOIN);
        return t;
    }
    bool is_full = engine->task_cnt >= (parent ? ENGINE_TASKS_MAX : ENGINE_TASKS_TOP_MAX);
    if (depth > engine->policy->limits.depth || is_full) {
        if (parent)
            task_note_limit(parent, is_full ? FAILURE_TASKS : FAILURE_DEPTH, is_full);
        return NULL;
    }
    t = take_memory(engine);
    if (!t)
        return NULL;
    t->engine = engine;
    memcpy(t->whole_name, name, dname_len(name));
    t->name = t->whole_name;
    struct list *links[] = {&t->link, &t->asking, &t->join, &t->followers, &t->waiters};
    for (size_t i = 0; i < ARRAY_LEN(links); i++)
        list_init(links[i]);
    t->type = type;
    t->budget = budget_ref(budget);
    t->client = budget->client;
    t->is_exempt = budget->is_exempt;
    t->number = ++engine->last_number;
    t->listeners = engine->listeners;
    add_listeners(t, budget, parent);
    t->fresh_ms = budget->fresh_ms;
    t->depth = depth;
    t->validation =
        budget->validates_unlimited ? rules_work_unlimited() : rules_work_defaults();
    t->has_whole_budget = !parent && budget->queries_left == engine->policy->limits.queries;
    t->since_ms = now_wall_ms();
    t->since_mono_ms = now_mono_ms();
    t->outcome = TASK_ANSWERED;
    dname_split(t->name, &t->parts);
    cache_name_init(&t->key, t->name);
    list_add(in_flight_bucket(engine, name, type), &t->in_flight);
    engine->task_cnt++;
    engine->counts.tasks++;
    if (task_is_traced(t))
        emit_begin(t, parent, TRACE_STEP_BEGIN);
    t->is_elsewhere = is_claimed_elsewhere(t);
    if (t->is_elsewhere) {
        engine->counts.elsewhere++;
        t->state = TASK_WAIT;
        list_add(&engine->elsewhere, &t->link);
    } else {
        task_wake(t, TASK_LOOK);
    }
    return t;
}

bool task_start(struct engine *engine, const uint8_t *name, uint16_t type)
{
    struct budget *budget = budget_new(&engine->policy->limits, now_mono_ms());
    struct task *task = budget ? task_get(engine, name, type, budget, NULL) : NULL;

    budget_unref(&budget);
    return task != NULL;
}

void task_begin_delegation(struct task *task)
{
    task->minimised_labels = task->delegation.labels;
    task->sends = 0;
    task->failed_targets = 0;
    task->is_last_resort = false;
    task->empty_addr = 0;
    task->has_reply = false;
}

void task_wait(struct task *task, struct task_waiter *waiter)
{
    waiter->task = task;
    list_add(&task->waiters, &waiter->link);
}

void task_leave(struct task_waiter *waiter)
{
    if (waiter->task)
        list_remove(&waiter->link);
    waiter->task = NULL;
}

void task_leave_subqueries(struct task *task)
{
    for (int i = 0; i < TASK_SUBQUERIES; i++)
        if (task->subqueries[i].is_open) {
            task->subqueries[i].is_open = false;
            task_leave(&task->subqueries[i].waiter);
        }
}

void task_wake(struct task *task, enum task_state state)
{
    leave_park(task);
    task->state = state;
    list_remove(&task->link);
    list_add(&task->engine->runnable, &task->link);
}

void task_resume_paused(struct engine *engine)
{
    if (!list_is_empty(&engine->paused))
        task_wake(container_of(engine->paused.next, struct task, link), TASK_REPLY);
}

void task_release_followers(struct task *task, bool is_denied)
{
    while (!list_is_empty(&task->followers)) {
        struct task *follower = container_of(task->followers.next, struct task, join);
        list_remove(&follower->join);
        if (is_denied)
            follower->is_minimising = false;
        /* a follower whose servers were named by the zone itself keeps them */
        task_wake(follower, is_denied || follower->is_from_child ? TASK_TARGET : TASK_LOOK);
    }
}

void task_free_held(struct task *task)
{
    if (task->held)
        task->engine->held_bytes -= task->held->len;
    free(task->held);
    task->held = NULL;
}

enum task_state task_fail(struct task *task, enum task_outcome outcome, enum failure failure)
{
    task->outcome = outcome;
    task->failure = failure;
    return TASK_DONE;
}

void task_note_limit(struct task *task, enum failure limit, bool is_others)
{
    if (is_others)
        task->is_limited_by_others = true;
    else
        task->is_limited = true;
    task->limit = limit;
    if (task_is_traced(task))
        task_emit_note(task, TRACE_NOTE_LIMIT, limit);
}

enum task_state task_give_up(struct task *task, enum failure failure)
{
    bool is_limited = task->is_limited || task->is_limited_by_others;
    return task_fail(task, is_limited ? TASK_LIMITED : TASK_FAILED, failure);
}

enum task_state task_fail_validation(struct task *task)
{
    return task->is_unvalidated ? task_give_up(task, FAILURE_UNVALIDATED)
                                : task_fail(task, TASK_FAILED, FAILURE_BOGUS);
}

static void stop_listening(struct task *task, const struct trace_listeners *listeners)
{
    struct trace_listeners leaving = {0};

    if (task->budget->listeners == listeners)
        task->budget->listeners = NULL;
    for (uint8_t i = 0; i < listeners->cnt; i++)
        if (trace_unlisten(&task->listeners, listeners->at[i]))
            trace_listen(&leaving, listeners->at[i]);
    if (leaving.cnt == 0)
        return;
    struct trace_listeners staying = task->listeners;
    task->listeners = leaving;
    task_emit_end(task, TRACE_ENDED_UNFINISHED, "");
    task->listeners = staying;
}

void task_unlisten(struct engine *engine, const struct trace_listeners *listeners)
{
    for (size_t i = 0; i < ENGINE_BUCKETS; i++)
        list_for_each(struct task, task, &engine->in_flight[i], in_flight)
            stop_listening(task, listeners);
}

void task_come_back(struct engine *engine)
{
    list_for_each_safe(struct task, task, &engine->elsewhere, link) {
        if (!inflight_is_held(engine->inflight, task->claim, task->claim_turn))
            task_wake(task, TASK_DONE);
    }
    if (quota_see_left(engine->quota, engine->worker))
        call_keys(engine, false);
}

void task_end(struct task *task)
{
    struct engine *engine = task->engine;

    leave_park(task);
    if (task->has_claim) /* after the cached data is visible to others */
        engine->cache.store->announce(engine->cache.store, task->claim,
                                      inflight_has_waiters(engine->inflight, task->claim));
    if (task->is_asking) {
        engine->out->cancel(engine->out, &task->ask);
        engine->out_cnt--;
        quota_give_back(engine->quota, &task->place);
    }
    while (!list_is_empty(&task->followers))
        list_remove(task->followers.next);
    while (!list_is_empty(&task->waiters)) {
        struct task_waiter *waiter = container_of(task->waiters.next, struct task_waiter, link);
        list_remove(&waiter->link);
        waiter->task = NULL;
    }
    task_leave_subqueries(task);
    task_free_held(task);
    list_remove(&task->link);
    list_remove(&task->in_flight);
    list_remove(&task->asking);
    list_remove(&task->join);
    budget_unref(&task->budget);
    engine->task_cnt--;
    give_memory(task);
}

const uint8_t *task_asked_name(const struct task *task)
{
    return dname_suffix(task->name, task->asked_labels);
}

void task_end_all(struct engine *engine)
{
    for (size_t i = 0; i < ENGINE_BUCKETS; i++)
        while (!list_is_empty(&engine->in_flight[i]))
            task_end(container_of(engine->in_flight[i].next, struct task, in_flight));
}

void task_free_engine(struct engine **engine)
{
    struct engine *e = *engine;
    if (!e)
        return;
    task_end_all(e);
    while (!list_is_empty(&e->spare)) {
        struct task *t = container_of(e->spare.next, struct task, link);
        list_remove(&t->link);
        free(t);
    }
    arena_fini(&e->scratch);
    scrub_free_room(&e->scrub_room);
    infra_free(&e->infra);
    keycache_free(&e->keycache);
    sigmemo_free(&e->sigmemo);
    park_free(&e->park);
    e->cache.store->free(&e->cache.store);
    free(e);
    *engine = NULL;
}
