/* A configured stub or forwarder holds for everything below it; delegations in the cache count
 * only below a stub or below the root, and never below a forwarder. */
#include "resolver/iterate/step_look.h"

#include "base/now.h"

enum { PRIMING_RETRY_MS = 60000 };

/* RFC 8109 3: ask a hinted server who the root servers are, aside: nobody waits for it. */
static void prime(struct engine *engine)
{
    static const uint8_t root[] = {0};
    uint64_t now_ms = now_mono_ms();

    if (!engine->policy->is_priming || now_ms < engine->priming_at_ms)
        return;
    engine->priming_at_ms = now_ms + PRIMING_RETRY_MS;
    struct budget *budget = budget_new(&engine->policy->limits, now_ms);
    if (!budget)
        return;
    struct task *task = task_get(engine, root, RRTYPE_NS, budget, NULL);
    (void)task; /* it runs by itself */
    budget_unref(&budget);
}

/* Whether the task is for the address of a server that the cut needs to be of any use: the zone
 * above has to be asked. */
static bool is_loop(const struct task *task)
{
    const struct delegation *delegation = &task->delegation;
    bool is_server = false;

    for (int i = 0; i < delegation->server_cnt; i++)
        is_server |= dname_is_equal(delegation->servers[i].name, task->name);
    return delegation->addr_cnt == 0 && is_server && delegation->labels > 0;
}

/* The nearest cut with at most `labels` labels. */
static void find_closest_delegation(struct task *task, unsigned labels)
{
    struct engine *engine = task->engine;
    const struct policy *policy = engine->policy;
    struct cache_time when = task_time(task);
    const struct delegation *base = route_find(&policy->route, &task->parts, labels);
    bool is_hints = base->source == DELEGATION_HINTS;
    unsigned above = is_hints ? 0 : base->labels + 1U;
    struct delegation cached;

    task->route = base->tag;
    task->delegation_expire_ms = INT64_MAX;
    task->is_delegation_cached =
        base->source != DELEGATION_FORWARD && above <= labels &&
        cache_find_delegation(&engine->cache, &task->key, labels, above, &when,
                              policy->outgoing_port, &engine->scratch, &cached,
                              &task->delegation_expire_ms);
    if (!task->is_delegation_cached && is_hints &&
        !(task->parts.labels == 0 && task->type == RRTYPE_NS))
        prime(engine);
    delegation_copy(&task->delegation, task->is_delegation_cached ? &cached : base,
                    task->delegation_names);
}

/* Whether another worker has found it out between the look into the cache that missed it and
 * now. */
static bool is_known_by_now(struct task *task)
{
    struct engine *engine = task->engine;
    struct cache *cache = &engine->cache;
    struct cache_time when = task_time(task);

    if (!task->has_claim || list_is_empty(&task->waiters) ||
        atomic_load_explicit(&cache->store->versions->epoch, memory_order_acquire) ==
            cache->store->epoch)
        return false;
    cache->store->renew(cache->store);
    return cache_is_known(cache, &task->key, task->type, &when, &task->engine->scratch);
}

/* Whether a zone that the name is in is left alone for now: the one found, or one below it
 * whose delegation was not worth keeping.  A task that explains, or that fetches anew for a
 * client, finds out by itself. */
static bool is_down(struct task *task)
{
    uint64_t now_ms = now_mono_ms();
    bool is_parents = task->type == RRTYPE_DS && task->parts.labels > 0;

    if (task->fresh_ms > 0 || task->is_above)
        return false;
    if (task->delegation.source == DELEGATION_FORWARD)
        return false;
    /* of a stub zone it is known where it is, whatever was found out by other ways */
    unsigned least =
        task->delegation.labels + (task->delegation.source == DELEGATION_STUB ? 1U : 0U);
    for (unsigned labels = task->parts.labels + !is_parents; labels-- > least;)
        if (infra_is_zone_down(task->engine->infra, task->parts.hash[labels], now_ms))
            return true;
    return false;
}

static void emit_zone(const struct task *task)
{
    struct trace_event event = task_event(task, TRACE_STEP_ZONE);

    event.zone_found.delegation = &task->delegation;
    event.zone_found.is_cached = task->is_delegation_cached;
    event.zone_found.expire_ms = task->delegation_expire_ms;
    trace_emit(&task->listeners, &event);
}

enum task_state step_look(struct task *task)
{
    /* RFC 4035 3.1.4.1: DS is the parent's */
    bool is_parents = task->type == RRTYPE_DS && task->parts.labels > 0;
    unsigned labels = task->parts.labels - is_parents;

    if (task->depth == 0 && task->attempts.cnt == 0 && is_known_by_now(task))
        return TASK_DONE;
    if (!budget_is_left(task->budget, now_mono_ms()))
        return task_fail(task, TASK_LIMITED, task->budget->spent);
    if (task->look_below > 0)
        labels = task->look_below - 1;
    task->look_below = 0;
    task_leave_subqueries(task);
    find_closest_delegation(task, labels);
    while (is_loop(task))
        find_closest_delegation(task, task->delegation.labels - 1U);
    if (is_down(task)) {
        task->is_known_down = true;
        return task_fail(task, TASK_FAILED, FAILURE_ZONE_DOWN);
    }
    if (task_is_traced(task))
        emit_zone(task);
    task->minimised_labels = task->delegation.labels;
    task->steps = 0;
    task->sends = 0;
    task->failed_targets = 0;
    task->is_last_resort = false;
    task->empty_addr = 0;
    task->has_reply = false;
    task->is_minimising =
        task->engine->policy->is_minimising && task->delegation.source != DELEGATION_FORWARD;
    return TASK_TARGET;
}
