/* The hash tables have a fixed size, because ENGINE_TASKS_MAX bounds the number of tasks. */
#include "resolver/iterate/engine.h"

#include <stdio.h>

#include "base/now.h"

enum {
    TRIAL_MS = 3600000,
    CLOCK_NOTED_MS = TRIAL_MS,
    CLOCK_TRUST = 0x7c10c4b5,
    SCRATCH_MAX = 4 << 20 /* many times the largest reply with all names expanded */
};

const struct engine_counter engine_counters[ENGINE_COUNTERS] = {
#define TOTAL(field, id_, limit_, help_) {.id = (id_), .help = (help_), .is_limit = (limit_)},
#define GAUGE(id_, help_, value) {.id = (id_), .help = (help_), .is_gauge = true},
#include "resolver/iterate/counters.def"
};

void engine_read_counters(const struct engine *engine, uint64_t out[ENGINE_COUNTERS])
{
#define TOTAL(field, id, is_limit, help) *out++ = engine->counts.field;
#define GAUGE(id, help, value) *out++ = (value);
#include "resolver/iterate/counters.def"
}

enum err engine_new(struct out *out, struct cache_store *store, struct quota *quota,
                    struct engine **out_engine)
{
    struct engine *e = calloc(1, sizeof(*e));
    struct scrub_room *room = scrub_new_room();
    if (e) {
        e->keycache = keycache_new();
        e->sigmemo = sigmemo_new();
    }
    if (!e || !room || !e->keycache || !e->sigmemo || infra_new(&e->infra) != ERR_OK ||
        park_new(ENGINE_PARKED_MAX, &e->park) != ERR_OK) {
        if (e) {
            infra_free(&e->infra);
            keycache_free(&e->keycache);
            sigmemo_free(&e->sigmemo);
        }
        scrub_free_room(&room);
        free(e);
        return ERR_NOMEM;
    }
    e->scrub_room = room;
    arena_init(&e->scratch, SCRATCH_MAX);
    e->cache.store = store;
    e->cache.start_ms = now_wall_ms();
    e->quota = quota;
    e->out = out;
    e->trial_ms = now_mono_ms() + TRIAL_MS;
    rng_init(&e->rng);
    list_init(&e->runnable);
    list_init(&e->paused);
    list_init(&e->spare);
    list_init(&e->elsewhere);
    for (size_t i = 0; i < ENGINE_BUCKETS; i++) {
        list_init(&e->in_flight[i]);
        list_init(&e->asking[i]);
    }
    *out_engine = e;
    return ERR_OK;
}

/* Return the tag of cached entries: it tells those whose signature times were not checked. */
static uint32_t trust_tag(const struct engine *engine, const struct policy *policy)
{
    return policy->trust ^ (engine_is_clock_wrong(engine) ? CLOCK_TRUST : 0U);
}

void engine_adopt(struct engine *engine, const struct policy *policy)
{
    if (engine->policy && policy != engine->policy)
        infra_forget_zones(engine->infra);
    engine->policy = policy;
    if (!policy)
        return;
    engine->cache.ttls = policy->ttls;
    uint32_t trust = trust_tag(engine, policy);
    if (engine->cache.trust != trust)
        keycache_clear(engine->keycache);
    engine->cache.is_validating = policy->is_validating;
    engine->cache.trust = trust;
    engine->cache.route = policy->defences.bailiwick ? &policy->route : NULL;
}

void engine_learn_clock(struct engine *engine, const char *boot)
{
    int64_t agreed_ms = cache_clock_find_agreed(engine->cache.store, boot);

    snprintf(engine->boot, sizeof(engine->boot), "%s", boot);
    engine->oldest_ms = ROOTLINE_BUILT_S * INT64_C(1000);
    if (agreed_ms > engine->oldest_ms)
        engine->oldest_ms = agreed_ms;
    engine->clock_due_ms = now_mono_ms() + CLOCK_NOTED_MS;
}

void engine_note_clock(struct engine *engine)
{
    if (!*engine->boot || now_mono_ms() < engine->clock_due_ms)
        return;
    engine->clock_due_ms = now_mono_ms() + CLOCK_NOTED_MS;
    cache_clock_put(engine->cache.store, engine->boot, now_wall_ms());
}

bool engine_is_clock_wrong(const struct engine *engine)
{
    return now_wall_ms() < engine->oldest_ms && now_mono_ms() < engine->trial_ms;
}

bool engine_may_ask(const struct engine *engine, const struct addr *addr)
{
    return policy_may_ask(engine->policy, engine->own, addr);
}

struct cache_time engine_time(int64_t since_ms)
{
    return (struct cache_time){.now_ms = now_wall_ms(), .since_ms = since_ms};
}

int64_t engine_since_ms(int64_t wall_ms, uint64_t mono_ms)
{
    int64_t now_ms = now_wall_ms() - (int64_t)(now_mono_ms() - mono_ms);
    return now_ms < wall_ms ? now_ms : wall_ms;
}
