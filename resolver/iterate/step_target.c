/* Addresses from the delegation are used first.  If they fail, the server names are looked up,
 * a few at a time.  Lookups without a result are counted, because a delegation can name servers
 * that do not exist (docs/LIMITS.md section 3: NXNSAttack). */
#include "resolver/iterate/step_target.h"

#include "base/now.h"
#include "resolver/iterate/pick.h"
#include "resolver/iterate/step_reply.h"

enum {
    SERVERS_FIRST = 2, /* looked up at the same time */
    SERVERS_LATER = 6, /* after two lookups failed: to finish in time if many are silent */
    SUBQUERY_RETRIES_MAX = 4
};

static uint16_t address_type(bool is_v6) { return is_v6 ? RRTYPE_AAAA : RRTYPE_A; }

/* Add the server's addresses from the glue of cached delegations above its name.  Return false
 * if there are none.  Such glue is as trustworthy as the glue of the task's own delegation. */
static bool add_glue_addrs(struct task *task, int server, const struct cache_name *name)
{
    struct engine *engine = task->engine;
    struct cache_time when = task_time(task);
    uint8_t before = task->delegation.addr_cnt;
    struct delegation above;
    int64_t expire_ms;

    for (unsigned labels = name->labels;
         labels > 0 && task->delegation.addr_cnt == before &&
         cache_find_delegation(&engine->cache, name, labels, 1, &when,
                               engine->policy->outgoing_port, &task->engine->scratch, &above,
                               &expire_ms);
         labels = above.labels - 1U)
        for (int i = 0; i < above.addr_cnt; i++)
            if (dname_is_equal(above.servers[above.addrs[i].server].name, name->dname))
                delegation_add_addr(&task->delegation, server, &above.addrs[i].addr);
    return task->delegation.addr_cnt > before;
}

/* Add the server's addresses from cached data.  Return false if the cache does not tell whether
 * there are any. */
static bool add_cached_addrs(struct task *task, int server, const struct cache_name *name,
                             bool is_v6)
{
    struct engine *engine = task->engine;
    struct cache_time when = task_time(task);
    struct cache_found found;

    /* a wrong address leads to a server whose answers fail validation, and to no wrong answer
     */
    when.admits_bogus = true;
    if (cache_find_nxdomain(&engine->cache, name, &when, &task->engine->scratch, &found))
        return true;
    if (!cache_find(&engine->cache, name, name->labels, address_type(is_v6), &when,
                    &task->engine->scratch, &found)) {
        /* RFC 2181 10.3: the name of a server must not be that of a CNAME */
        return cache_find_cname(&engine->cache, name, &when, &task->engine->scratch, &found) ||
               cache_find_failure(&engine->cache, name, address_type(is_v6), &when,
                                  &task->engine->scratch, &found);
    }
    engine->cache.store->use(engine->cache.store, found.hash);
    for (size_t pos = 0; found.kind == CACHE_DATA && pos < found.set->size;) {
        struct rrset_record record = rrset_at(found.set, pos, &pos);
        struct addr addr;
        if (addr_from_bytes(record.rdata, record.len, engine->policy->outgoing_port, &addr) ==
            ERR_OK)
            delegation_add_addr(&task->delegation, server, &addr);
    }
    return true;
}

/* Add the known addresses of a server, from cached data or else from glue.  Return false if the
 * addresses have to be looked up. */
static bool add_known_addrs(struct task *task, int server, bool is_v6)
{
    uint8_t before = task->delegation.addr_cnt;
    struct cache_name name;

    cache_name_init(&name, task->delegation.servers[server].name);
    bool is_known = add_cached_addrs(task, server, &name, is_v6);
    if (task->delegation.addr_cnt == before)
        is_known |= add_glue_addrs(task, server, &name);
    return is_known;
}

/* Note the limit that ended a subquery.  If it was a limit of another task's budget, which
 * started the subquery, allow this task to start it again on its own budget. */
static void note_subquery_limit(struct task *task, const struct task_subquery *subquery,
                                const struct task_end *end)
{
    if (end->budget == task->budget) {
        task_note_limit(task, end->is_budget_spent ? task->budget->spent : FAILURE_SUBQUERY,
                        false);
    } else if (task->subquery_retries++ < SUBQUERY_RETRIES_MAX) {
        task->delegation.servers[subquery->server].lookup[subquery->is_v6] = DELEGATION_UNKNOWN;
    } else {
        task_note_limit(task, FAILURE_SUBQUERY, true);
    }
}

/* Use the result of a subquery.  The task continues, unless it is waiting for a reply, a place
 * or another task by now. */
static void finish_subquery(struct task_waiter *waiter, const struct task_end *end)
{
    struct task_subquery *subquery = container_of(waiter, struct task_subquery, waiter);
    struct task *task = subquery->parent;
    struct delegation_server *s = &task->delegation.servers[subquery->server];

    subquery->is_open = false;
    waiter->task = NULL;
    s->lookup[subquery->is_v6] = DELEGATION_KNOWN;
    /* even if the subquery failed, a delegation that it has cached may have glue */
    add_known_addrs(task, subquery->server, subquery->is_v6);
    if (end->outcome == TASK_LIMITED)
        note_subquery_limit(task, subquery, end);
    bool is_over = s->lookup[0] != DELEGATION_ASKING && s->lookup[1] != DELEGATION_ASKING;
    if (s->addr_cnt == 0 && is_over && s->lookup[subquery->is_v6] == DELEGATION_KNOWN)
        task->failed_targets++;
    if (task->state == TASK_WAIT && !task->is_asking && !task->held &&
        !park_has(&task->parked) && list_is_empty(&task->join))
        task_wake(task, TASK_TARGET);
}

static bool use_child_ns(struct task *task);

/* Use the NS RRset of the zone, which has been looked up. */
static void finish_child_ns_lookup(struct task_waiter *waiter, const struct task_end *end)
{
    struct task_subquery *subquery = container_of(waiter, struct task_subquery, waiter);
    struct task *task = subquery->parent;

    (void)end;
    subquery->is_open = false;
    waiter->task = NULL;
    if (task->state != TASK_WAIT || task->is_asking || task->held || park_has(&task->parked))
        return;
    use_child_ns(task);
    task_wake(task, TASK_TARGET);
}

static struct task_subquery *find_free_subquery(struct task *task)
{
    for (int i = 0; i < TASK_SUBQUERIES; i++)
        if (!task->subqueries[i].is_open)
            return &task->subqueries[i];
    return NULL;
}

static bool has_open_subquery(const struct task *task)
{
    for (int i = 0; i < TASK_SUBQUERIES; i++)
        if (task->subqueries[i].is_open)
            return true;
    return false;
}

/* True for a server's name inside its own zone.  It is not looked up, because only the zone's
 * servers have its addresses, and the known ones failed.  The cache may have newer ones. */
static bool is_in_own_zone(const struct task *task, int server)
{
    return task->delegation.addr_cnt > 0 &&
           dname_is_under(task->delegation.servers[server].name, task->delegation.zone);
}

/* Start to look up the addresses of a server in one family, or add known ones.  Return false if
 * neither is possible. */
static bool begin_lookup(struct task *task, int server, bool is_v6)
{
    struct delegation_server *s = &task->delegation.servers[server];
    uint8_t before = task->delegation.addr_cnt;

    s->lookup[is_v6] = DELEGATION_KNOWN;
    if (add_known_addrs(task, server, is_v6) || is_in_own_zone(task, server))
        return task->delegation.addr_cnt > before;
    struct task_subquery *subquery = find_free_subquery(task);
    if (!subquery)
        return false;
    bool is_paid = budget_spend_lookup(task->budget);
    if (!is_paid)
        task_note_limit(task, FAILURE_LOOKUPS, false);
    struct task *wanted =
        is_paid ? task_get(task->engine, s->name, address_type(is_v6), task->budget, task)
                : NULL;
    if (!wanted) {
        task->failed_targets++;
        return false;
    }
    s->lookup[is_v6] = DELEGATION_ASKING;
    *subquery = (struct task_subquery){.parent = task,
                                       .server = server,
                                       .is_v6 = is_v6,
                                       .is_open = true,
                                       .waiter = {.wake = finish_subquery}};
    task_wait(wanted, &subquery->waiter);
    return true;
}

static bool is_lookup_wanted(const struct task *task, int server, bool is_v6)
{
    const struct policy *policy = task->engine->policy;
    return task->delegation.servers[server].lookup[is_v6] == DELEGATION_UNKNOWN &&
           (is_v6 ? policy->uses_v6 : policy->uses_v4);
}

/* After failed lookups wait for the A records before the AAAA records are asked for: a name
 * that does not exist then costs one query (NXNSAttack). */
static bool is_family_deferred(const struct task *task, int server, bool is_v6)
{
    return is_v6 && task->failed_targets >= SERVERS_FIRST &&
           task->delegation.servers[server].lookup[0] == DELEGATION_ASKING;
}

/* A referral with more than DELEGATION_SERVERS_MAX servers is probably an attack: only a few of
 * its names may fail to resolve.  For other referrals each name is tried. */
static bool is_target_limit_reached(struct task *task)
{
    if (!task->delegation.is_oversized ||
        task->failed_targets < task->engine->policy->limits.targets)
        return false;
    task->limit = FAILURE_TARGETS;
    return true;
}

/* Start lookups for a few servers, first for those without an address.  Return false if there
 * was none to start. */
static bool begin_lookups(struct task *task)
{
    bool is_later = task->failed_targets >= SERVERS_FIRST && !task->delegation.is_oversized;
    unsigned begun = 0, most = is_later ? SERVERS_LATER : SERVERS_FIRST;

    for (int with_addrs = 0; with_addrs < 2; with_addrs++)
        for (int i = 0; i < task->delegation.server_cnt && begun < most; i++) {
            bool has_begun = false;
            if (!!task->delegation.servers[i].addr_cnt != with_addrs)
                continue;
            for (int v6 = 0; v6 < 2; v6++)
                if (is_lookup_wanted(task, i, v6) && !is_family_deferred(task, i, v6)) {
                    if (is_target_limit_reached(task))
                        return begun > 0;
                    has_begun |= begin_lookup(task, i, v6);
                }
            begun += has_begun;
        }
    return begun > 0;
}

/* ---- the last resorts ---- */

/* True if the task sent no query because all usable addresses are dead (infra_is_dead). */
static bool are_all_servers_dead(const struct task *task, uint64_t now_ms)
{
    const struct infra *infra = task->engine->infra;
    bool has_dead = false;

    for (int i = 0; i < task->delegation.addr_cnt; i++) {
        const struct addr *addr = &task->delegation.addrs[i].addr;
        if (!engine_may_ask(task->engine, addr))
            continue;
        if (!infra_is_dead(infra, infra_find(infra, addr, now_ms), task_subject(task), now_ms))
            return false;
        has_dead = true;
    }
    return has_dead && task->sends == 0;
}

/* Ask the parent zone again if all servers of a cached delegation fail: the zone may have
 * moved. */
static bool may_ask_above(const struct task *task)
{
    return task->is_delegation_cached && !task->is_above && !task->is_delegation_new &&
           task->delegation.labels > 0;
}

static enum task_state ask_above(struct task *task)
{
    task_trace_note(task, TRACE_NOTE_PARENT);
    task->is_above = true;
    task->look_below = task->delegation.labels;
    return TASK_LOOK;
}

/* The zone's own NS RRset, when the servers of the delegation fail: the parent may not have
 * been updated yet.  For this task only: it is never cached as the delegation, and no data from
 * those servers outlives the task (ghost domains). */
static bool may_use_child_ns(const struct task *task)
{
    bool is_itself = task->type == RRTYPE_NS && task->parts.labels == task->delegation.labels;
    return task->delegation.source == DELEGATION_REFERRAL && task->delegation.labels > 0 &&
           !task->is_child_side && !is_itself;
}

/* Replace the task's delegation by the servers that only the zone's own NS RRset names.  Return
 * false if there are none, or if the RRset is not cached. */
static bool use_child_ns(struct task *task)
{
    struct cache_time when = task_time(task);
    struct cache_found found;
    struct delegation delegation;

    if (!cache_find(&task->engine->cache, &task->key, task->delegation.labels, RRTYPE_NS, &when,
                    &task->engine->scratch, &found) ||
        found.kind != CACHE_DATA || found.cached_ms < when.since_ms)
        return false; /* an older RRset may come from servers that have lost the zone since */
    delegation_init(&delegation, dname_suffix(task->name, task->delegation.labels),
                    DELEGATION_REFERRAL);
    delegation.is_signed = task->delegation.is_signed;
    for (size_t pos = 0; pos < found.set->size;) {
        struct rrset_record record = rrset_at(found.set, pos, &pos);
        bool is_new = true;
        for (int i = 0; i < task->delegation.server_cnt; i++)
            is_new &= !dname_is_equal(task->delegation.servers[i].name, record.rdata);
        if (is_new)
            delegation_add_server(&delegation, record.rdata);
    }
    if (delegation.server_cnt == 0)
        return false;
    task_trace_note(task, TRACE_NOTE_CHILD);
    delegation_copy(&task->delegation, &delegation, task->delegation_names);
    task->is_from_child = true;
    task->delegation_expire_ms = 0;
    task->is_delegation_cached = task->has_reply = task->is_last_resort = false;
    task->failed_targets = 0;
    return true;
}

/* Start to look up the zone's own NS RRset, if one of its servers has replied. */
static bool begin_child_ns_lookup(struct task *task)
{
    struct task_subquery *subquery = find_free_subquery(task);
    struct cache_time when = task_time(task);
    struct cache_name zone;
    struct cache_found found;

    cache_name_init(&zone, task->delegation.zone);
    if (!subquery || !task->has_reply ||
        cache_find_failure(&task->engine->cache, &zone, RRTYPE_NS, &when,
                           &task->engine->scratch, &found) ||
        !budget_spend_lookup(task->budget))
        return false;
    struct task *wanted =
        task_get(task->engine, task->delegation.zone, RRTYPE_NS, task->budget, task);
    if (!wanted)
        return false;
    wanted->is_delegation_new = true; /* this task has asked the parent zone already */
    *subquery = (struct task_subquery){
        .parent = task, .is_open = true, .waiter = {.wake = finish_child_ns_lookup}};
    task_wait(wanted, &subquery->waiter);
    return true;
}

static bool may_ask_any(const struct task *task)
{
    for (int i = 0; i < task->delegation.addr_cnt; i++)
        if (engine_may_ask(task->engine, &task->delegation.addrs[i].addr))
            return true;
    return false;
}

static enum task_state give_up_zone(struct task *task, uint64_t now_ms)
{
    bool has_limit = task->is_limited || task->is_limited_by_others;
    enum failure failure = task->delegation.addr_cnt && !may_ask_any(task) ? FAILURE_NOT_ASKABLE
                           : task->delegation.addr_cnt                     ? FAILURE_NO_ANSWER
                           : task->limit                                   ? task->limit
                                                                           : FAILURE_NO_ADDRESS;

    if (!has_limit && !task->is_from_child && task->engine->policy->defences.failure_cache &&
        task->delegation.addr_cnt == 0)
        infra_note_zone_down(task->engine->infra, task->parts.hash[task->delegation.labels],
                             task->since_mono_ms, now_ms);
    task->is_known_down = are_all_servers_dead(task, now_ms);
    if (task->is_known_down)
        failure = FAILURE_SERVERS_SILENT;
    return task_give_up(task, failure);
}

/* No other server is left: allow those again whose query limit was reached.  Return false if
 * there are none. */
static bool retry_full_servers(struct task *task)
{
    bool had_any = false;

    for (int i = 0; i < task->delegation.addr_cnt; i++) {
        had_any |= task->delegation.addrs[i].is_full;
        task->delegation.addrs[i].is_full = false;
    }
    return had_any;
}

enum task_state step_target(struct task *task)
{
    struct engine *engine = task->engine;
    uint64_t now_ms = now_mono_ms();
    struct pick_by by = {.infra = engine->infra,
                         .policy = engine->policy,
                         .own = engine->own,
                         .rng = &engine->rng,
                         .subject = task_subject(task),
                         .now_ms = now_ms};

    task->edns = TASK_EDNS_FULL;
    task->has_doubted_edns = false;
    task->lower = TASK_LOWER_NO;
    task->is_suspect = task->is_case_all = task->is_cookie_all = false;
    task->is_tcp = task->delegation.tls != NULL;
    task->had_bad_cookie = false;
    for (;;) {
        task->addr =
            pick_next(&task->delegation, &by,
                      task->is_last_resort ? PICK_LAST_RESORT : PICK_GOOD, &task->pick);
        if (task->addr >= 0)
            return TASK_ASK;
        if (retry_full_servers(task))
            continue;
        uint8_t before = task->delegation.addr_cnt;
        if (!has_open_subquery(task) && begin_lookups(task) &&
            task->delegation.addr_cnt > before)
            continue;
        if (has_open_subquery(task))
            return TASK_WAIT;
        if (task->bogus_cnt > 0 && task->is_last_resort)
            return task_fail_validation(task);
        if (task->empty_addr && task->bogus_cnt == 0)
            return step_reply_empty(task);
        if (!task->is_last_resort) {
            if (task->delegation.addr_cnt > 0)
                task_trace_note(task, TRACE_NOTE_LAST_RESORT);
            task->is_last_resort = true;
            continue;
        }
        /* if the zone is dead, another task has tried these already, for another name */
        bool is_zone_dead = are_all_servers_dead(task, now_ms);
        if (!is_zone_dead && may_ask_above(task))
            return ask_above(task);
        if (!is_zone_dead && may_use_child_ns(task)) {
            task->is_child_side = true;
            if (use_child_ns(task))
                continue;
            if (begin_child_ns_lookup(task))
                return TASK_WAIT;
        }
        return give_up_zone(task, now_ms);
    }
}
