/* A configured stub or forwarder holds for everything below it; delegations in the cache count only below a stub or below
 * the root, and never below a forwarder. */
#include "resolver/step_look.h"

#include "base/now.h"

enum { PRIMING_RETRY_MS = 60000 };

/* RFC 8109 3: ask a hinted server who the root servers are, aside: nobody waits for it. */
static void prime(struct engine *engine)
{
    static const uint8_t root[] = {0};
    int64_t now_ms = now_wall_ms();

    if (!engine->policy->is_priming || now_ms - engine->priming_ms < PRIMING_RETRY_MS)
        return;
    engine->priming_ms = now_ms;
    struct budget *budget = budget_new(&engine->policy->limits, now_mono_ms());
    if (!budget)
        return;
    struct task *task = task_get(engine, root, RRTYPE_NS, budget, NULL);
    (void)task; /* it runs by itself */
    budget_unref(&budget);
}

enum task_state step_look(struct task *task)
{
    struct engine *engine = task->engine;
    const struct policy *policy = engine->policy;
    struct cache_time when = engine_time(task->since_ms);
    /* RFC 4035 3.1.4.1: DS is the parent's */
    bool is_parents = task->type == RRTYPE_DS && task->parts.labels > 0;
    unsigned labels = task->parts.labels - is_parents;
    const struct cut *base = route_find(&policy->route, &task->parts, labels);
    bool is_hints = base->source == CUT_HINTS;
    unsigned above = is_hints ? 0 : base->labels + 1U;

    if (!budget_is_left(task->budget, now_mono_ms()))
        return task_fail(task, TASK_LIMITED, EDNS_EDE_OTHER, task->budget->spent);
    task->cut_end_ms = INT64_MAX;
    bool is_cached =
        base->source != CUT_FORWARD && above <= labels &&
        cache_find_cut(&engine->cache, &task->key, labels, above, &when, policy->outgoing_port,
                       &task->arena, &task->cut, &task->cut_end_ms);
    if (!is_cached)
        task->cut = *base;
    if (!is_cached && is_hints && !(task->parts.labels == 0 && task->type == RRTYPE_NS))
        prime(engine);
    task->shown = task->cut.labels;
    task->steps = 0;
    task->sends = 0;
    task->has_last_hope = false;
    task->is_minimising = policy->is_minimising && task->cut.source != CUT_FORWARD;
    return TASK_TARGET;
}
