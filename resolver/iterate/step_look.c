/* A stub zone or forward zone applies to all names below it.  Cached delegations are used below
 * a stub zone and below the root, but not below a forward zone. */
#include "resolver/iterate/step_look.h"

#include "base/now.h"

enum { PRIMING_RETRY_MS = 60000 };

/* Send a priming query (RFC 8109 3) from a task of its own, for which no client waits. */
static void start_priming(struct engine *engine)
{
    static const uint8_t root[] = {0};
    uint64_t now_ms = now_mono_ms();

    if (!engine->policy->is_priming || now_ms < engine->priming_at_ms)
        return;
    engine->priming_at_ms = now_ms + PRIMING_RETRY_MS;
    task_start(engine, root, RRTYPE_NS);
}

/* True if the delegation has no addresses and the task is to resolve one of its servers' names.
 * Then only a zone above can give the address. */
static bool is_own_server_lookup(const struct task *task)
{
    const struct delegation *delegation = &task->delegation;
    bool is_server = false;

    for (int i = 0; i < delegation->server_cnt; i++)
        is_server |= dname_is_equal(delegation->servers[i].name, task->name);
    return delegation->addr_cnt == 0 && is_server && delegation->labels > 0;
}

/* Set the task's delegation to the closest one with at most `labels` labels. */
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
        start_priming(engine);
    delegation_copy(&task->delegation, task->is_delegation_cached ? &cached : base,
                    task->delegation_names);
}

/* True if another worker has cached the answer since the cache miss that started this task. */
static bool was_cached_meanwhile(struct task *task)
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

/* True if a zone that contains the name is down (infra_is_zone_down): the one found, or a zone
 * below it whose delegation is not cached.  A task that has to ignore the cache asks anyway. */
static bool is_known_zone_down(struct task *task)
{
    uint64_t now_ms = now_mono_ms();
    bool is_parents = task->type == RRTYPE_DS && task->parts.labels > 0;

    if (task->fresh_ms > 0 || task->is_above)
        return false;
    if (task->delegation.source == DELEGATION_FORWARD)
        return false;
    /* the servers of a stub zone are configured: that its delegation failed does not matter */
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
    /* RFC 4035 3.1.4.1: the parent zone has the DS records */
    bool is_parents = task->type == RRTYPE_DS && task->parts.labels > 0;
    unsigned labels = task->parts.labels - is_parents;

    if (task->depth == 0 && task->attempts.cnt == 0 && was_cached_meanwhile(task))
        return TASK_DONE;
    if (!budget_is_left(task->budget, now_mono_ms()))
        return task_fail(task, TASK_LIMITED, task->budget->spent);
    if (task->look_below > 0)
        labels = task->look_below - 1;
    task->look_below = 0;
    task_leave_subqueries(task);
    find_closest_delegation(task, labels);
    while (is_own_server_lookup(task))
        find_closest_delegation(task, task->delegation.labels - 1U);
    if (is_known_zone_down(task)) {
        task->is_known_down = true;
        return task_fail(task, TASK_FAILED, FAILURE_ZONE_DOWN);
    }
    if (task_is_traced(task))
        emit_zone(task);
    task_begin_delegation(task);
    task->steps = 0;
    task->is_minimising =
        task->engine->policy->is_minimising && task->delegation.source != DELEGATION_FORWARD;
    return TASK_TARGET;
}
