/* Each step reads the cache only; what it lacks becomes one subquery at a time. */
#include "resolver/iterate/chain.h"

#include "base/now.h"
#include "resolver/cache/cache_denial.h"
#include "resolver/validate/deny.h"

enum { RETRIES_MAX = 4 };

struct rules chain_rules(const struct task *task)
{
    struct rules rules = rules_defaults((uint32_t)(now_wall_ms() / 1000));

    rules.skips_time = engine_is_clock_wrong(task->engine);
    rules.tries_all = task->budget->validates_unlimited;
    return rules;
}

/* ---- lookups ---- */

static bool has_open_chain_lookup(const struct task *task)
{
    for (int i = 0; i < TASK_SUBQUERIES; i++)
        if (task->subqueries[i].is_open && task->subqueries[i].is_chain)
            return true;
    return false;
}

/* Keys that no server sends are missing (RFC 8914 4.10). */
static uint16_t ede_of_link(bool is_keys, uint16_t ede)
{
    return is_keys && ede == EDNS_EDE_NO_REACHABLE_AUTHORITY ? EDNS_EDE_DNSKEY_MISSING : ede;
}

/* Go on with the reply that waits to be validated, or else with the empty answer. */
static void finish_chain_lookup(struct task_waiter *waiter, const struct task_end *end)
{
    struct task_subquery *subquery = container_of(waiter, struct task_subquery, waiter);
    struct task *task = subquery->parent;
    bool is_of_others = end->outcome == TASK_LIMITED && end->budget != task->budget &&
                        end->is_budget_spent && task->subquery_retries++ < RETRIES_MAX;

    subquery->is_open = false;
    waiter->task = NULL;
    if (end->outcome != TASK_ANSWERED && !is_of_others) {
        task->broken_link = subquery->link;
        if (!task->wrong_links) /* else the signatures are the fault */
            task_note_broken(task, ede_of_link(subquery->is_keys, end->ede), end->text);
    }
    if (task->state == TASK_WAIT && !has_open_chain_lookup(task))
        task_wake(task, task->held ? TASK_REPLY : TASK_TARGET);
}

static struct chain fail_chain(bool is_bogus, uint16_t ede, const char *text)
{
    return (struct chain){
        .status = CHAIN_FAILED, .is_bogus = is_bogus, .ede = ede, .text = text};
}

/* Look up a DS or DNSKEY RRset. */
static struct chain look_up_link(struct task *task, const uint8_t *name, uint16_t type)
{
    struct engine *engine = task->engine;
    struct cache_time when = task_time(task);
    struct task_subquery *subquery = NULL;
    uint64_t link = dname_hash(name) + type;
    struct cache_name key;
    struct cache_found found;

    cache_name_init(&key, name);
    if (cache_find_failure(&engine->cache, &key, type, &when, &engine->scratch, &found))
        return fail_chain(found.security == CACHE_BOGUS,
                          ede_of_link(type == RRTYPE_DNSKEY, found.ede), found.text);
    if (task->broken_link == link)
        return fail_chain(false, task->ede, task->why);
    for (int i = 0; i < TASK_SUBQUERIES && !subquery; i++)
        if (!task->subqueries[i].is_open)
            subquery = &task->subqueries[i];
    if (!subquery || task->chain_lookups++ >= CHAIN_LOOKUPS_MAX ||
        !budget_spend_lookup(task->budget)) {
        task_note_limit(task, FAILURE_LOOKUPS, false);
        return fail_chain(false, EDNS_EDE_INDETERMINATE, failure_text(FAILURE_LOOKUPS));
    }
    struct task *wanted = task_get(engine, name, type, task->budget, task);
    if (!wanted)
        return fail_chain(false, EDNS_EDE_INDETERMINATE,
                          "the lookups of the chain of trust depend on each other");
    *subquery = (struct task_subquery){.parent = task,
                                       .is_open = true,
                                       .is_chain = true,
                                       .is_keys = type == RRTYPE_DNSKEY,
                                       .link = link,
                                       .waiter = {.wake = finish_chain_lookup}};
    task_wait(wanted, &subquery->waiter);
    return (struct chain){.status = CHAIN_WAIT};
}

/* ---- keys ---- */

/* Load the keys of a zone from its validated DNSKEY RRset in the cache. */
static struct keyset *load_cached_keys(struct task *task, const uint8_t *zone)
{
    struct engine *engine = task->engine;
    struct cache_time when = task_time(task);
    struct keyset *keys = NULL;
    struct cache_name name;
    struct cache_found found;

    cache_name_init(&name, zone);
    if (!cache_find(&engine->cache, &name, name.labels, RRTYPE_DNSKEY, &when, &engine->scratch,
                    &found) ||
        found.kind != CACHE_DATA || found.security != CACHE_SECURE ||
        keyset_new(zone, found.set, &keys) != ERR_OK)
        return NULL;
    keyset_trust_all(keys);
    keycache_put(engine->keycache, &keys,
                 (int64_t)util_max((uint64_t)found.expire_ms, (uint64_t)when.now_ms + 1));
    return keycache_find(engine->keycache, zone, when.now_ms);
}

static struct keyset *find_known_keys(struct task *task, const uint8_t *zone)
{
    struct keyset *keys = keycache_find(task->engine->keycache, zone, now_wall_ms());
    return keys ? keys : load_cached_keys(task, zone);
}

/* Look up the DS of `name`.  The reply is validated with the keys of the zone above: they come
 * first, because without them no server needs to be asked for the DS. */
static struct chain look_up_ds(struct task *task, const uint8_t *zone, const uint8_t *name)
{
    return find_known_keys(task, zone) ? look_up_link(task, name, RRTYPE_DS)
                                       : look_up_link(task, zone, RRTYPE_DNSKEY);
}

/* ---- zone cuts ---- */

static struct chain end_insecure(const uint8_t *zone, enum verdict_reason reason)
{
    return (struct chain){.status = CHAIN_INSECURE, .zone = zone, .reason = reason};
}

static enum chain_step end_step(enum verdict_reason *reason, enum verdict_reason why)
{
    *reason = why;
    return CHAIN_STEP_INSECURE;
}

/* Return why a cached denial is insecure. */
static enum verdict_reason reason_of_denial(const struct cache_found *found)
{
    return found->ede == EDNS_EDE_UNSUPPORTED_ITERATIONS ? VERDICT_ITERATIONS : VERDICT_OPT_OUT;
}

enum chain_step chain_read_step(struct cache *cache, const struct cache_name *name,
                                unsigned labels, const struct cache_time *when,
                                const struct rules *rules, struct arena *arena,
                                struct cache_found *found, enum verdict_reason *reason)
{
    const uint8_t *suffix = dname_suffix(name->dname, labels);
    struct cache_name key;

    if (cache_find_cut(cache, name, labels, when, arena, found)) {
        struct trust trust = {.zone = suffix, .ds = found->set, .rules = rules};
        if (found->security == CACHE_INSECURE || found->is_cut)
            return end_step(reason, found->is_cut ? VERDICT_NO_DS : reason_of_denial(found));
        if (found->kind == CACHE_NODATA)
            return CHAIN_STEP_SAME;
        struct verdict verdict = trust_weigh(&trust);
        return verdict.status == VERDICT_SECURE ? CHAIN_STEP_CUT
                                                : end_step(reason, verdict.reason);
    }
    cache_name_init(&key, suffix);
    bool is_denied = cache_find_nxdomain(cache, &key, when, arena, found);
    if (!is_denied && !cache_find_cname(cache, &key, when, arena, found))
        return CHAIN_STEP_UNKNOWN;
    if (found->security == CACHE_INSECURE)
        return end_step(reason, reason_of_denial(found));
    return is_denied ? CHAIN_STEP_ABSENT : CHAIN_STEP_SAME;
}

/* Return the labels of the stub zone or forward zone that contains the target; 0 if there is
 * none below the root. */
static unsigned configured_labels(const struct route *route, const struct cache_name *target)
{
    struct dname_parts parts;

    if (route->zones.cnt == 0)
        return 0;
    dname_split(target->dname, &parts);
    const struct delegation *base = route_find(route, &parts, target->labels);
    return base->source == DELEGATION_HINTS ? 0 : base->labels;
}

const uint8_t *chain_find_not_public(const struct route *route, const struct cache_name *name,
                                     unsigned labels, bool is_denied)
{
    unsigned configured = configured_labels(route, name);
    bool is_at_zone = configured == labels || (is_denied && configured > labels);

    return is_at_zone ? dname_suffix(name->dname, configured) : NULL;
}

/* The zone above proves that there is no zone cut at the suffix of `labels` labels: return true
 * if the chain goes on nevertheless. */
static bool pass_no_cut(const struct task *task, const struct cache_name *name, unsigned labels,
                        bool is_denied, struct chain *chain)
{
    const uint8_t *zone =
        chain_find_not_public(&task->engine->policy->route, name, labels, is_denied);

    if (zone)
        *chain = end_insecure(zone, VERDICT_NOT_PUBLIC);
    return !zone && !is_denied;
}

/* Find the cached denial whose owner is the name, or its hash. */
static bool find_matching_denial(struct task *task, const struct cache_denial_zone *zone,
                                 const struct cache_name *name, const struct rules *rules,
                                 struct rules_work *work, struct cache_denial *out)
{
    struct engine *engine = task->engine;
    struct cache_time when = task_time(task);
    uint8_t hash[NSEC3_HASH_LEN], owner[NSEC3_HASH_LEN];

    if (zone->has_nsec &&
        cache_denial_find_nsec(&engine->cache, zone, name, &when, &engine->scratch, out))
        return dname_is_equal(out->proof.owner, name->dname);
    if (!zone->has_nsec3 || zone->params.iterations > rules->iterations_max ||
        !rules_spend_hash(work, zone->params.salt_len))
        return false;
    nsec3_hash(&zone->params, name->dname, hash);
    return cache_denial_find_nsec3(&engine->cache, zone, hash, &when, &engine->scratch, out) &&
           nsec3_read_label(out->proof.owner, owner) &&
           memcmp(owner, hash, NSEC3_HASH_LEN) == 0;
}

/* Cache what a denial proves of the DS of its name, for as long as it counts. */
static void cache_proved_cut(struct task *task, const uint8_t *name, uint32_t route,
                             const struct cache_denial *denial)
{
    int64_t now_ms = now_wall_ms();
    struct cache_proofs proofs = {.cnt = 1, .at = {denial->proof}};
    struct cache_origin origin = {.rank = CACHE_AUTH_ANSWER,
                                  .now_ms = now_ms,
                                  .route = route,
                                  .fresh_ms = task->fresh_ms,
                                  .security = CACHE_SECURE,
                                  .proofs = &proofs,
                                  .is_cut = true};
    enum err err = cache_put_cut(&task->engine->cache, name,
                                 (uint32_t)((denial->expire_ms - now_ms) / 1000), &origin);
    (void)err; /* not cached: the denial is found again */
}

/* True if a denial that the zone above, the suffix of `zone_labels` labels, sent with another
 * answer proves that the name is a delegation without DS (RFC 8198).  A denial of the
 * delegation itself is not used: it may be older than the zone whose answer has to be
 * validated. */
static bool find_insecure_cut(struct task *task, const uint8_t *name, unsigned zone_labels,
                              const struct rules *rules, struct rules_work *work)
{
    struct engine *engine = task->engine;
    struct cache_time when = task_time(task);
    struct cache_name key;
    struct cache_denial_zone zone;
    struct cache_denial denial;
    struct deny_found found;

    cache_name_init(&key, name);
    if (!cache_denial_find_zone(&engine->cache, &key, zone_labels, &when, &engine->scratch,
                                &zone) ||
        zone.route != cache_route(&engine->cache, &key, key.labels, RRTYPE_DS) ||
        !find_matching_denial(task, &zone, &key, rules, work, &denial))
        return false;
    struct deny_record record = {denial.proof.owner, denial.proof.set};
    struct deny in = {.zone = dname_suffix(name, zone_labels),
                      .records = &record,
                      .cnt = 1,
                      .rules = rules,
                      .work = work};
    struct verdict verdict = deny_ds(&in, name, &found);
    if (verdict.status != VERDICT_SECURE || !found.is_cut)
        return false;
    cache_proved_cut(task, name, zone.route, &denial);
    return true;
}

/* The same, once for each lookup that it may save. */
static bool is_known_insecure(struct task *task, const uint8_t *name, unsigned zone_labels,
                              const struct rules *rules)
{
    struct rules_work *of_query = &task->budget->validation;
    struct rules_work work = rules_work_least(&task->validation, of_query);
    const struct rules_work before = work;

    if (!task->engine->policy->is_aggressive || has_open_chain_lookup(task))
        return false;
    bool is_found = find_insecure_cut(task, name, zone_labels, rules, &work);
    rules_work_take(&task->validation, &before, &work);
    rules_work_take(of_query, &before, &work);
    return is_found;
}

/* Take the step from *chain to the suffix of `labels` labels.  Return false if the chain ends.
 */
static bool take_link(struct task *task, const struct cache_name *name, unsigned labels,
                      struct chain *chain)
{
    struct engine *engine = task->engine;
    struct cache_time when = task_time(task);
    struct rules rules = chain_rules(task);
    const uint8_t *suffix = dname_suffix(name->dname, labels);
    enum verdict_reason reason;
    struct cache_found found;

    switch (chain_read_step(&engine->cache, name, labels, &when, &rules, &engine->scratch,
                            &found, &reason)) {
    case CHAIN_STEP_SAME: return pass_no_cut(task, name, labels, false, chain);
    case CHAIN_STEP_CUT:
        *chain = (struct chain){
            .status = CHAIN_SECURE, .zone = suffix, .ds = found.set, .ds_ttl = found.ttl};
        return true;
    case CHAIN_STEP_INSECURE: *chain = end_insecure(suffix, reason); return false;
    case CHAIN_STEP_ABSENT: return pass_no_cut(task, name, labels, true, chain);
    case CHAIN_STEP_UNKNOWN: break;
    }
    if (is_known_insecure(task, suffix, dname_labels(chain->zone), &rules)) {
        *chain = end_insecure(suffix, VERDICT_NO_DS);
        return false;
    }
    *chain = look_up_ds(task, chain->zone, suffix);
    return false;
}

/* Descend from the zone of *chain to the target. */
static void descend_to(struct task *task, const uint8_t *target, struct chain *chain)
{
    struct cache_name name;

    cache_name_init(&name, target);
    for (unsigned labels = dname_labels(chain->zone) + 1; labels <= name.labels; labels++)
        if (!take_link(task, &name, labels, chain))
            return;
}

/* Start at the trust anchor. */
static struct chain start_chain(const struct task *task, const uint8_t *target)
{
    const struct policy *policy = task->engine->policy;
    const struct anchor *anchor = anchor_find(&policy->anchors, target);
    struct rules rules = chain_rules(task);

    if (!anchor || nta_find(&policy->ntas, anchor, target, now_wall_ms()))
        return end_insecure(target, VERDICT_NONE);
    struct verdict verdict = trust_weigh_anchor(anchor, &rules);
    if (verdict.status != VERDICT_SECURE)
        return end_insecure(target, verdict.reason);
    return (struct chain){.status = CHAIN_SECURE,
                          .zone = dname_suffix(target, dname_labels(anchor->zone)),
                          .anchor = anchor};
}

struct chain chain_find_ds(struct task *task, const uint8_t *target)
{
    struct chain chain = start_chain(task, target);

    if (chain.status == CHAIN_SECURE)
        descend_to(task, target, &chain);
    return chain;
}

static void find_keys_of_chain(struct task *task, struct chain *chain)
{
    const uint8_t *zone = chain->zone;

    chain->keys = find_known_keys(task, zone);
    if (!chain->keys)
        *chain = look_up_link(task, zone, RRTYPE_DNSKEY);
}

struct chain chain_find(struct task *task, const uint8_t *target)
{
    struct chain chain = start_chain(task, target);
    int64_t now_ms = now_wall_ms();

    if (chain.status != CHAIN_SECURE)
        return chain;
    /* the keys of a zone vouch for the links above it */
    for (const uint8_t *zone = target; zone != chain.zone; zone += *zone + 1)
        if (keycache_find(task->engine->keycache, zone, now_ms)) {
            chain.zone = zone;
            break;
        }
    descend_to(task, target, &chain);
    if (chain.status == CHAIN_SECURE)
        find_keys_of_chain(task, &chain);
    return chain;
}
