/* The state file is the only way from the worker to the other workers: what is trusted is
 * always what a restart would trust. */
#include "resolver/anchors.h"

#include "base/file.h"
#include "base/log.h"
#include "base/now.h"
#include "resolver/iterate/chain.h"
#include "resolver/validate/rollover_file.h"

enum { TICK_MAX_MS = 3600000, KEYS_ARENA_MAX = 1 << 20 };

static const char state_name[] = "trust-anchors";

struct anchors {
    struct res_serve *serve;
    struct engine *engine;
    char *path;                  /* of the state file; NULL: nothing is kept */
    const struct policy *policy; /* whose anchors `rollover` has; only to be compared */
    struct rollover *rollover;   /* NULL: there is nothing to keep up */
    struct rollover_zone *asked; /* whose keys are queried for */
    struct task_waiter waiter;
    int64_t since_ms; /* wall: when that query began */
    uint64_t since_mono_ms;
    void (*renew)(void *data); /* called when other keys are trusted */
    void *data;
};

static char *make_state_path(const char *directory)
{
    size_t size = strlen(directory) + sizeof(state_name) + 1;
    char *path = malloc(size);

    if (path)
        snprintf(path, size, "%s/%s", directory, state_name);
    return path;
}

/* Read the state file.  A damaged one is left alone until the next state is saved. */
static enum err load_state(const struct anchor_set *configured, const char *path,
                           struct rollover **out)
{
    struct rollover *rollover = NULL;
    struct diag diag;

    enum err err = rollover_new(configured, &rollover);
    if (err)
        return err;
    diag_init(&diag);
    err = rollover_file_load(rollover, path, &diag);
    if (err == ERR_CONFIG) {
        diag_log(&diag);
        log_warning("%s is not used: only the configured trust anchors count", path);
    }
    diag_fini(&diag);
    if (err == ERR_NOMEM)
        rollover_free(&rollover);
    *out = rollover;
    return err == ERR_NOMEM ? err : ERR_OK;
}

/* Get the anchors that are trusted now.  `out` is empty. */
static enum err read_anchors(const struct anchor_set *configured, const char *directory,
                             struct anchor_set *out)
{
    struct rollover *rollover = NULL;
    char *path = make_state_path(directory);

    enum err err = path ? load_state(configured, path, &rollover) : ERR_NOMEM;
    if (!err)
        err = rollover_fill(rollover, out);
    if (err)
        anchor_fini(out);
    rollover_free(&rollover);
    free(path);
    return err;
}

enum err anchors_learn(struct policy *policy, const char *directory)
{
    struct anchor_set learned = {.cnt = 0};

    if (!policy->is_validating || !*directory)
        return ERR_OK;
    enum err err = read_anchors(&policy->anchors, directory, &learned);
    if (err)
        return err;
    policy->configured_anchors = policy->anchors;
    policy->anchors = learned;
    return ERR_OK;
}

enum err anchors_renew(struct policy *before, const char *directory, struct policy **out)
{
    struct anchor_set learned = {.cnt = 0};

    enum err err = read_anchors(policy_configured_anchors(before), directory, &learned);
    if (err)
        return err;
    *out = policy_with_anchors(before, &learned);
    anchor_fini(&learned);
    return *out ? ERR_OK : ERR_NOMEM;
}

struct anchors *anchors_new(struct res_serve *serve, const char *directory,
                            void (*renew)(void *data), void *data)
{
    struct anchors *a = calloc(1, sizeof(*a));

    if (!a)
        return NULL;
    a->serve = serve;
    a->engine = res_serve_engine(serve);
    a->renew = renew;
    a->data = data;
    if (!*directory)
        return a;
    a->path = make_state_path(directory);
    if (!a->path)
        anchors_free(&a);
    return a;
}

/* The configuration has changed: begin with its anchors. */
static void follow_policy(struct anchors *a)
{
    task_leave(&a->waiter);
    rollover_free(&a->rollover);
    a->policy = a->engine->policy;
    if (!a->path || !a->policy || !a->policy->is_validating)
        return;
    if (load_state(policy_configured_anchors(a->policy), a->path, &a->rollover) != ERR_OK)
        log_error("trust anchors: out of memory; they are not kept up to date");
}

static void log_changes(const struct rollover_zone *zone,
                        const struct rollover_changes *changes)
{
    char name[DNAME_TEXT_MAX];

    dname_text_print(zone->zone, name);
    for (unsigned i = 0; i < changes->cnt; i++)
        log_info("trust anchor of %s: key %u, algorithm %u: %s, was %s (RFC 5011)", name,
                 changes->at[i].tag, changes->at[i].algorithm,
                 rollover_state_name(changes->at[i].to),
                 rollover_state_name(changes->at[i].from));
}

static bool is_state_trusted(enum rollover_state state)
{
    return state == ROLLOVER_VALID || state == ROLLOVER_MISSING;
}

/* True if other keys are trusted now.  A key that is valid or revoked from the start is that of
 * a configured anchor, which was trusted before. */
static bool is_trust_changed(const struct rollover_changes *changes)
{
    for (unsigned i = 0; i < changes->cnt; i++) {
        const struct rollover_change *change = &changes->at[i];
        bool was_trusted = change->from == ROLLOVER_START || is_state_trusted(change->from);
        bool is_new = change->from == ROLLOVER_START && change->to == ROLLOVER_PENDING;
        if (!is_new && was_trusted != is_state_trusted(change->to))
            return true;
    }
    return false;
}

/* Save the state; if other keys are trusted now, have it read for all workers. */
static void save_state(struct anchors *a, const struct rollover_changes *changes)
{
    enum err err = rollover_file_save(a->rollover, a->path);

    if (err)
        log_error("cannot write %s: %s; the trust anchors stay as they are", a->path,
                  file_problem(err));
    else if (is_trust_changed(changes))
        a->renew(a->data);
}

/* Process the DNSKEY RRset that the query has brought, bogus or not: a revoked key may be the
 * only one that signs it. */
static void process_zone_keys(struct anchors *a, const struct rrset *set)
{
    struct rules rules = rules_defaults((uint32_t)(now_wall_ms() / 1000));
    struct rules_work work = rules_work_defaults();
    struct rollover_reply reply = {.keys = set, .rules = &rules, .now_s = now_wall_ms() / 1000};
    struct rollover_changes changes = {.cnt = 0};
    struct arena arena;

    rules.skips_time = engine_is_clock_wrong(a->engine);
    arena_init(&arena, KEYS_ARENA_MAX);
    struct verdict verdict =
        rollover_take(a->rollover, a->asked, &reply, &work, &arena, &changes);
    if (verdict.status == VERDICT_BOGUS) {
        char why[VERDICT_TEXT_MAX];
        verdict_print(&verdict, why);
        log_warning("the trust anchor cannot be checked: %s", why);
    }
    arena_fini(&arena);
    log_changes(a->asked, &changes);
    save_state(a, &changes);
}

static void end_key_query(struct task_waiter *waiter, const struct task_end *end)
{
    struct anchors *a = container_of(waiter, struct anchors, waiter);
    struct cache_time when = engine_time(engine_since_ms(a->since_ms, a->since_mono_ms));
    struct cache_name name;
    struct cache_found found;
    struct arena arena;

    (void)end;
    waiter->task = NULL;
    when.admits_bogus = true;
    when.fresh_ms = when.since_ms;
    arena_init(&arena, KEYS_ARENA_MAX);
    cache_name_init(&name, a->asked->zone);
    if (cache_find(&a->engine->cache, &name, name.labels, RRTYPE_DNSKEY, &when, &arena,
                   &found) &&
        found.kind == CACHE_DATA)
        process_zone_keys(a, found.set);
    else
        rollover_fail(a->asked, when.now_ms / 1000);
    arena_fini(&arena);
}

static void query_for_keys(struct anchors *a, struct rollover_zone *zone)
{
    struct budget *budget = budget_new(&a->engine->policy->limits, now_mono_ms());
    struct task *task = NULL;

    a->asked = zone;
    a->since_ms = now_wall_ms();
    a->since_mono_ms = now_mono_ms();
    if (budget) {
        budget->fresh_ms = a->since_ms; /* the cached RRset is no news */
        task = task_get(a->engine, zone->zone, RRTYPE_DNSKEY, budget, NULL);
    }
    budget_unref(&budget);
    if (!task) {
        rollover_fail(zone, a->since_ms / 1000);
        return;
    }
    a->waiter.wake = end_key_query;
    task_wait(task, &a->waiter);
    res_serve_settle(a->serve);
}

unsigned anchors_tick(struct anchors *a)
{
    int64_t now_s = now_wall_ms() / 1000, due_s;

    if (a->policy != a->engine->policy)
        follow_policy(a);
    if (!a->rollover || a->waiter.task)
        return 0;
    struct rollover_zone *zone = rollover_find_due(a->rollover, now_s, &due_s);
    if (!zone)
        return 0;
    if (due_s > now_s)
        return (unsigned)util_min((uint64_t)(due_s - now_s) * 1000, TICK_MAX_MS);
    query_for_keys(a, zone);
    return a->waiter.task ? 0 : TICK_MAX_MS;
}

void anchors_free(struct anchors **anchors)
{
    struct anchors *a = *anchors;

    if (!a)
        return;
    task_leave(&a->waiter);
    rollover_free(&a->rollover);
    free(a->path);
    free(a);
    *anchors = NULL;
}
