/* Waiters are woken after the task has left all tables, so a waiter that asks for the same name
 * and type again gets another task. */
#include "resolver/iterate/step_done.h"

#include "base/now.h"
#include "resolver/iterate/wording.h"

enum { STALE_RECHECK_S = 30 }; /* RFC 8767 5 */

static void note_finished(const struct task *task)
{
    struct trace_ring *ring = &task->engine->finished;
    struct trace_finished *f = &ring->at[ring->cnt++ % TRACE_FINISHED];
    const struct trace_attempts *attempts = &task->attempts;

    f->type = task->type;
    f->queries = (uint16_t)util_min(attempts->cnt, UINT16_MAX);
    f->took_ms = (uint32_t)(now_mono_ms() - task->since_mono_ms);
    f->ended_ms = now_wall_ms();
    f->has_failed = task->outcome != TASK_ANSWERED;
    memcpy(f->name, task->name, task->parts.len);
    f->failure = (uint8_t)task->failure;
    f->is_configured = task->delegation.source == DELEGATION_STUB ||
                       task->delegation.source == DELEGATION_FORWARD;
    f->attempt_cnt = (uint8_t)util_min(attempts->cnt, TRACE_FINISHED_ATTEMPTS);
    for (unsigned i = 0; i < f->attempt_cnt; i++)
        f->attempts[i] = attempts->at[(attempts->cnt - f->attempt_cnt + i) % TRACE_ATTEMPTS];
}

/* True if validation failed: then task->why and task->ede tell the reason. */
static bool failure_of_chain(const struct task *task)
{
    return task->why[0] &&
           (task->failure == FAILURE_BOGUS || task->failure == FAILURE_UNVALIDATED);
}

/* True if the cache has expired data that may be served meanwhile. */
static bool has_stale_data(struct task *task)
{
    struct cache_time when = engine_time(INT64_MAX);

    when.stale_ms = task->engine->policy->stale_ms;
    return when.stale_ms > 0 && cache_is_known(&task->engine->cache, &task->key, task->type,
                                               &when, &task->engine->scratch);
}

/* Cache the failure (RFC 9520 3).  A limit says something about the name only if the whole
 * budget was spent on it.  Otherwise an attacker could make any name fail for others: by a
 * CNAME to it, behind names that use up the budget. */
static void cache_task_failure(struct task *task, uint16_t ede, const char *text)
{
    struct engine *engine = task->engine;

    engine->counts.failures++;
    if (task->is_known_down) /* infra has noted it for the whole zone */
        return;
    engine->counts.limited += task->outcome == TASK_LIMITED || task->limit;
    if (!engine->policy->defences.failure_cache)
        return;
    if (task->outcome == TASK_LIMITED &&
        (!task->has_whole_budget || task->is_limited_by_others))
        return;
    struct cache_origin origin = {.now_ms = now_wall_ms(),
                                  .route = task->route,
                                  .security = task->failure == FAILURE_BOGUS ? CACHE_BOGUS
                                                                             : CACHE_UNCHECKED};
    cache_put_failure(&engine->cache, task->name, task->type, ede, text,
                      has_stale_data(task) ? STALE_RECHECK_S : 0, &origin);
}

/* If all servers timed out at least twice, note them as dead: then the next name does not wait
 * for them. */
static void note_dead_servers(const struct task *task)
{
    struct infra *infra = task->engine->infra;
    uint64_t now_ms = now_mono_ms();

    for (int i = 0; i < task->delegation.addr_cnt; i++) {
        const struct addr *addr = &task->delegation.addrs[i].addr;
        const struct infra_server *known = infra_find(infra, addr, now_ms);
        if (engine_may_ask(task->engine, addr) && (!known || known->timeouts < 2))
            return;
    }
    for (int i = 0; i < task->delegation.addr_cnt; i++)
        if (engine_may_ask(task->engine, &task->delegation.addrs[i].addr))
            infra_note_dead(infra, &task->delegation.addrs[i].addr, task_subject(task), now_ms);
}

void step_done(struct task *task)
{
    char text[WORDING_TEXT_MAX] = "";
    struct task_end end = {.outcome = task->outcome,
                           .budget = task->budget,
                           .is_budget_spent = task->budget->spent != FAILURE_NONE,
                           .is_queue_full = task->is_queue_full,
                           .failure = task->failure,
                           .ede =
                               failure_of_chain(task) ? task->ede : failure_ede(task->failure),
                           .text = text};
    struct list waiters;

    if (task->outcome != TASK_ANSWERED) {
        if (failure_of_chain(task))
            snprintf(text, sizeof(text), "%s", task->why);
        else
            wording_failure(&task->attempts, task->name, &task->delegation, task->failure,
                            text);
        cache_task_failure(task, end.ede, text);
        if (task->sends > 0)
            note_dead_servers(task);
    }
    if (!task->is_elsewhere)
        note_finished(task);
    if (task_is_traced(task))
        task_emit_end(task,
                      task->outcome != TASK_ANSWERED ? TRACE_ENDED_FAILED
                      : task->is_elsewhere           ? TRACE_ENDED_ELSEWHERE
                                                     : TRACE_ENDED_ANSWERED,
                      text);
    list_init(&waiters);
    while (!list_is_empty(&task->waiters)) {
        struct list *link = task->waiters.next;
        list_remove(link);
        list_add(&waiters, link);
    }
    task_end(task);
    while (!list_is_empty(&waiters)) {
        struct task_waiter *waiter = container_of(waiters.next, struct task_waiter, link);
        list_remove(&waiter->link);
        waiter->task = NULL;
        waiter->wake(waiter, &end);
    }
}
