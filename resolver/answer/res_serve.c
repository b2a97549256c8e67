/* A question that has to wait is held with its own budget; the task it waits for may be another
 * client's. */
#include "resolver/answer/res_serve.h"

#include "base/now.h"
#include "base/peak.h"
#include "net/request/reply.h"
#include "resolver/answer/answer.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/iterate/machine.h"
#include "resolver/iterate/wording.h"

enum {
    /* Questions that wait, of all clients of a worker: each has one task at a time, and there
       is room for those. */
    REQUESTS_MAX = 12000,
    REQUESTS_UNKNOWN_MAX = 9000, /* and of those whose address may be spoofed */
    /* docs/LIMITS.md section 3, DNSBomb: questions of one client that wait */
    CLIENT_MAX = 10000,        /* whose address is its own: TCP, or a valid cookie */
    CLIENT_UNKNOWN_MAX = 1000, /* whose address may be spoofed */
    TASKS_SPARE = 5, /* besides one for each alias of a chain: some end on others' limits */
    ARENA_MAX = 1 << 20,
    REFRESHED = 1024,
    MANY = 500,        /* requests whose memory is worth giving back */
    REFRESH_MS = 5000, /* between two questions ahead of time for one name */
    ELSEWHERE_MS = 50, /* how exactly deadlines are met while nothing is out from here */
};

/* A client's question that waits.  Lifetime: until it is answered. */
struct request {
    struct list link; /* serve->requests or serve->late */
    struct task_waiter waiter;
    struct res_serve *serve;
    struct exchange *ex;
    struct budget *budget;
    int64_t since_ms;
    uint64_t since_mono_ms;
    struct res_serve_terms terms;
    unsigned tasks;
    _Atomic uint32_t *cell; /* of its client; NULL: an exempt one */
};

struct refreshed {
    uint64_t hash, until_ms;
};

/* Lifetime: worker. */
struct res_serve {
    struct engine *engine;
    struct arena arena; /* of the answer being written */
    struct refreshed refreshed[REFRESHED];
    struct answer_cache *answer_cache; /* NULL: none */
    struct list requests;              /* the oldest first */
    struct list late;                  /* those that have waited for policy->stale_wait_ms */
    int64_t now_ms;                    /* wall, of this batch */
    struct res_serve_terms terms;      /* of the question that just came */
    size_t request_cnt;
    struct peak peak; /* of requests */
    bool is_closed;   /* nothing is asked any more */
};

struct res_serve *res_serve_new(struct engine *engine, size_t answer_cache_bytes)
{
    struct res_serve *serve = calloc(1, sizeof(*serve));
    if (!serve)
        return NULL;
    serve->engine = engine;
    arena_init(&serve->arena, ARENA_MAX);
    list_init(&serve->requests);
    list_init(&serve->late);
    if (answer_cache_bytes > 0 &&
        answer_cache_new(answer_cache_bytes, &serve->answer_cache) != ERR_OK) {
        free(serve);
        return NULL;
    }
    return serve;
}

struct engine *res_serve_engine(struct res_serve *serve) { return serve->engine; }

/* One more question of a client waits, unless so many do already; `cell` NULL: they are not
 * counted. */
static bool enter(_Atomic uint32_t *cell, uint32_t limit)
{
    if (!cell || atomic_fetch_add_explicit(cell, 1, memory_order_relaxed) < limit)
        return true;
    atomic_fetch_sub_explicit(cell, 1, memory_order_relaxed);
    return false;
}

static void leave(_Atomic uint32_t *cell)
{
    if (cell)
        atomic_fetch_sub_explicit(cell, 1, memory_order_relaxed);
}

static void end_request(struct request *r)
{
    task_leave(&r->waiter);
    leave(r->cell);
    budget_unref(&r->budget);
    r->serve->request_cnt--;
    list_remove(&r->link);
    free(r);
}

void res_serve_close(struct res_serve *s)
{
    s->is_closed = true;
    struct list *waiting[] = {&s->late, &s->requests};
    for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
        while (!list_is_empty(waiting[i])) {
            struct request *r = container_of(waiting[i]->next, struct request, link);
            struct exchange *ex = r->ex;
            end_request(r);
            reply_drop(ex);
        }
    task_end_all(s->engine);
}

void res_serve_free(struct res_serve **serve)
{
    struct res_serve *s = *serve;
    if (!s)
        return;
    res_serve_close(s);
    task_free_engine(&s->engine);
    answer_cache_free(&s->answer_cache);
    arena_fini(&s->arena);
    free(s);
    *serve = NULL;
}

/* ---- answering ---- */

static void finish(struct exchange *ex, unsigned rcode)
{
    ex->flags |= MESSAGE_RA | (ex->query.flags & MESSAGE_CD); /* RFC 4035 3.2.2 */
    reply_send(ex, rcode);
}

static void send_failure(struct exchange *ex, uint16_t ede, const char *text)
{
    reply_explain(ex, (enum edns_ede)ede, text);
    finish(ex, RRTYPE_RCODE_SERVFAIL);
}

/* Whether nobody has asked for it ahead of time a moment ago: what came back may not have been
 * worth keeping. */
static bool may_refresh(struct res_serve *serve, const struct answer *answer, uint64_t now_ms)
{
    uint64_t hash = dname_hash(answer->prefetch_name) + answer->prefetch_type;
    struct refreshed *last = &serve->refreshed[hash % REFRESHED];

    if (last->hash == hash && now_ms < last->until_ms)
        return false;
    *last = (struct refreshed){.hash = hash, .until_ms = now_ms + REFRESH_MS};
    return true;
}

/* Ask anew for what is near its end, before anybody has to wait for it: a name that is asked
 * for then is popular. */
static void refresh(struct res_serve *serve, const struct answer *answer)
{
    struct engine *engine = serve->engine;
    struct cache_found found;
    struct cache_name name;

    if (!answer->is_prefetch_due || !engine->policy->is_prefetching || serve->is_closed)
        return;
    struct cache_time when = engine_time(INT64_MAX);
    uint64_t now_ms = now_mono_ms();
    if (!may_refresh(serve, answer, now_ms))
        return;
    cache_name_init(&name, answer->prefetch_name);
    if (cache_find_failure(&engine->cache, &name, answer->prefetch_type, &when, &serve->arena,
                           &found))
        return;
    struct budget *budget = budget_new(&engine->policy->limits, now_ms);
    if (!budget)
        return;
    struct task *task =
        task_get(engine, answer->prefetch_name, answer->prefetch_type, budget, NULL);
    engine->counts.prefetched += task != NULL; /* it runs by itself */
    budget_unref(&budget);
}

/* Write the answer from what is known; false when something is missing, which `answer` names. A
 * failure that is remembered is worth less than what was known before it. */
static bool compose(struct res_serve *serve, struct exchange *ex,
                    const struct res_serve_terms *asked, int64_t since_ms,
                    struct answer *answer)
{
    struct engine *engine = serve->engine;
    struct answer_terms terms = {.since_ms = since_ms,
                                 .fresh_ms =
                                     asked->fresh_ms < since_ms ? asked->fresh_ms : since_ms,
                                 .listeners = asked->listeners};
    struct answer stale;

    arena_reset(&serve->arena);
    answer_write(engine, ex, &terms, &serve->arena, answer);
    if (answer->kind == ANSWER_MISS)
        return false;
    if (answer->is_failure && engine->policy->stale_ms > 0) {
        terms.stale_ms = engine->policy->stale_ms;
        answer_write(engine, ex, &terms, &serve->arena, &stale);
        if (stale.kind == ANSWER_WRITTEN)
            *answer = stale;
    }
    engine->counts.stale += answer->is_stale;
    if (answer->is_explained)
        reply_explain(ex, (enum edns_ede)answer->ede, answer->text);
    refresh(serve, answer);
    return true;
}

/* The same from what was known, because nothing better comes (in time). */
static bool compose_stale(struct res_serve *serve, struct exchange *ex,
                          const struct res_serve_terms *asked, struct answer *answer)
{
    struct engine *engine = serve->engine;
    struct answer_terms terms = {.since_ms = INT64_MAX,
                                 .stale_ms = engine->policy->stale_ms,
                                 .fresh_ms = asked->fresh_ms,
                                 .listeners = asked->listeners};

    if (engine->policy->stale_ms == 0)
        return false;
    arena_reset(&serve->arena);
    answer_write(engine, ex, &terms, &serve->arena, answer);
    if (answer->kind == ANSWER_MISS)
        return false;
    engine->counts.stale += answer->is_stale;
    if (answer->is_explained)
        reply_explain(ex, (enum edns_ede)answer->ede, answer->text);
    return true;
}

/* ---- waiting ---- */

static void on_wake(struct task_waiter *waiter, const struct task_end *end);

/* How many questions more may wait: some of the room is for those whose address is their own.
 */
static size_t room_for(const struct res_serve *serve, const struct exchange *ex)
{
    size_t most = exchange_may_be_spoofed(ex) ? REQUESTS_UNKNOWN_MAX : REQUESTS_MAX;
    return most - util_min(most, serve->request_cnt);
}

/* What a client has waiting has to be free for others too. */
static uint32_t client_limit(const struct res_serve *serve, const struct exchange *ex)
{
    size_t most = exchange_may_be_spoofed(ex) ? CLIENT_UNKNOWN_MAX : CLIENT_MAX;
    return (uint32_t)util_min(most, room_for(serve, ex));
}

/* What counts this client's questions, NULL when it is exempt. */
static _Atomic uint32_t *find_cell(struct res_serve *serve, const struct exchange *ex)
{
    return addr_is_in(&serve->engine->policy->exempt, &ex->peer)
               ? NULL
               : quota_waiting(serve->engine->quota,
                               quota_client(&ex->peer, !exchange_may_be_spoofed(ex)));
}

static void fail_request(struct request *r, uint16_t ede, const char *text)
{
    struct exchange *ex = r->ex;
    struct res_serve *serve = r->serve;
    struct answer answer;

    struct res_serve_terms terms = r->terms;

    end_request(r);
    if (compose_stale(serve, ex, &terms, &answer))
        finish(ex, answer.rcode);
    else
        send_failure(ex, ede, text);
}

/* RFC 2181 9: over TCP, where its address is its own, a client may have more. */
static void send_crowded(struct exchange *ex, const char *text)
{
    bool is_known = !exchange_may_be_spoofed(ex);

    if (!is_known)
        ex->flags |= MESSAGE_TC;
    reply_explain(ex, EDNS_EDE_OTHER, text);
    finish(ex, is_known ? RRTYPE_RCODE_SERVFAIL : RRTYPE_RCODE_NOERROR);
}

/* Too many wait for what it needs. */
static void crowd_out_request(struct request *r, const struct task_end *end)
{
    struct exchange *ex = r->ex;
    struct res_serve *serve = r->serve;
    struct res_serve_terms terms = r->terms;
    struct answer answer;

    end_request(r);
    if (compose_stale(serve, ex, &terms, &answer))
        finish(ex, answer.rcode);
    else
        send_crowded(ex, end->text);
}

static bool may_start_task(const struct request *r)
{
    return r->tasks < r->serve->engine->policy->limits.cnames + TASKS_SPARE;
}

/* Find out what is missing. */
static void start_task(struct request *r, const struct answer *answer)
{
    if (!budget_is_left(r->budget, now_mono_ms())) {
        fail_request(r, failure_ede(r->budget->spent), failure_text(r->budget->spent));
        return;
    }
    struct task *task = may_start_task(r) ? task_get(r->serve->engine, answer->name,
                                                     answer->type, r->budget, NULL)
                                          : NULL;
    r->tasks++;
    if (!task) {
        fail_request(r, EDNS_EDE_OTHER, "too much is being resolved already");
        return;
    }
    r->waiter.wake = on_wake;
    task_wait(task, &r->waiter);
}

static void try_answer(struct request *r)
{
    struct exchange *ex = r->ex;
    struct answer answer;

    reply_begin(ex);
    int64_t since_ms = engine_since_ms(r->since_ms, r->since_mono_ms);
    if (!compose(r->serve, ex, &r->terms, since_ms, &answer)) {
        start_task(r, &answer);
        return;
    }
    end_request(r);
    finish(ex, answer.rcode);
}

/* A task that ended on the limit of whoever started it is begun anew with this client's own
 * budget. */
static void on_wake(struct task_waiter *waiter, const struct task_end *end)
{
    struct request *r = container_of(waiter, struct request, waiter);
    bool is_retried = end->outcome == TASK_LIMITED && end->budget != r->budget &&
                      end->is_budget_spent && may_start_task(r) &&
                      budget_is_left(r->budget, now_mono_ms()) && r->budget->queries_left > 0;

    if (end->outcome == TASK_ANSWERED || is_retried) {
        try_answer(r);
        return;
    }
    reply_begin(r->ex);
    if (end->is_crowded)
        crowd_out_request(r, end);
    else
        fail_request(r, failure_ede(end->failure), end->text);
}

/* RFC 8767 5: the client has waited long enough for something fresh; whoever comes later may
 * get it. */
static void become_late(struct request *r)
{
    struct exchange *ex = r->ex;
    struct answer answer;

    list_remove(&r->link);
    list_add(&r->serve->late, &r->link);
    reply_begin(ex);
    if (!compose_stale(r->serve, ex, &r->terms, &answer))
        return;
    end_request(r);
    finish(ex, answer.rcode);
}

/* Its time is up: what it waited for. */
static void tell_waiting(const struct request *r, char out[WORDING_TEXT_MAX])
{
    const struct task *task = r->waiter.task;

    if (task)
        wording_failure(&task->attempts, task->name, &task->delegation, FAILURE_TIME, out);
    else
        snprintf(out, WORDING_TEXT_MAX, "%s", failure_text(FAILURE_TIME));
}

static uint64_t stale_at_ms(const struct request *r)
{
    return util_min(r->since_mono_ms + r->serve->engine->policy->stale_wait_ms,
                    r->budget->expire_ms);
}

void res_serve_settle(void *data)
{
    struct res_serve *serve = data;
    uint64_t now_ms = now_mono_ms();

    machine_run(serve->engine);
    while (!list_is_empty(&serve->requests)) {
        struct request *r = container_of(serve->requests.next, struct request, link);
        if (now_ms < stale_at_ms(r))
            break;
        become_late(r);
    }
    /* the oldest come first; whatever task they wait for may be a younger client's */
    while (!list_is_empty(&serve->late)) {
        struct request *r = container_of(serve->late.next, struct request, link);
        if (now_ms < r->budget->expire_ms)
            break;
        char text[WORDING_TEXT_MAX];
        tell_waiting(r, text);
        reply_begin(r->ex);
        fail_request(r, EDNS_EDE_NO_REACHABLE_AUTHORITY, text);
    }
    peak_note(&serve->peak, serve->request_cnt, MANY);
}

void res_serve_come_back(struct res_serve *serve)
{
    struct engine *engine = serve->engine;

    engine->cache.store->renew(engine->cache.store);
    task_come_back(engine);
    res_serve_settle(serve);
}

/* Nothing else wakes the worker for these while no query is out, or while the next deadline of
 * one is far away. */
unsigned res_serve_wait_ms(const struct res_serve *serve)
{
    const struct engine *engine = serve->engine;
    uint64_t now_ms = now_mono_ms(), at_ms = UINT64_MAX;

    if (!list_is_empty(&engine->elsewhere))
        at_ms = now_ms + ELSEWHERE_MS;
    if (!list_is_empty(&serve->requests)) /* the oldest first */
        at_ms = util_min(at_ms,
                         stale_at_ms(container_of(serve->requests.next, struct request, link)));
    if (!list_is_empty(&serve->late))
        at_ms = util_min(
            at_ms, container_of(serve->late.next, struct request, link)->budget->expire_ms);
    if (park_cnt(engine->park) > 0)
        at_ms = util_min(at_ms, engine->looked_ms + ENGINE_LOOK_MS);
    if (at_ms == UINT64_MAX)
        return 0;
    return at_ms > now_ms ? (unsigned)util_min(at_ms - now_ms, UINT32_MAX) : 1;
}

static struct request *take_request(struct res_serve *serve, const struct exchange *ex)
{
    struct request *r = malloc(sizeof(*r));

    if (!r)
        return NULL;
    *r = (struct request){.serve = serve,
                          .since_ms = now_wall_ms(),
                          .since_mono_ms = now_mono_ms(),
                          .terms = serve->terms};
    r->budget = budget_new(&serve->engine->policy->limits, now_mono_ms());
    if (!r->budget) {
        free(r);
        return NULL;
    }
    r->budget->listeners = r->terms.listeners;
    r->budget->fresh_ms = r->terms.fresh_ms;
    r->budget->client = quota_client(&ex->peer, !exchange_may_be_spoofed(ex));
    r->budget->is_exempt = addr_is_in(&serve->engine->policy->exempt, &ex->peer);
    list_add(&serve->requests, &r->link);
    serve->request_cnt++;
    return r;
}

static void wait_for_task(struct res_serve *serve, struct exchange *ex, struct answer *answer)
{
    _Atomic uint32_t *cell = find_cell(serve, ex);

    if (room_for(serve, ex) == 0 || !enter(cell, client_limit(serve, ex))) {
        serve->engine->counts.dropped++;
        send_crowded(ex, "too many queries of this client wait already");
        return;
    }
    struct request *r = serve->is_closed ? NULL : take_request(serve, ex);
    struct exchange *held = r ? ex->hold(ex) : NULL;

    if (!held) {
        if (r)
            end_request(r);
        leave(cell);
        send_failure(ex, EDNS_EDE_OTHER,
                     serve->is_closed ? "this resolver is stopping" : "out of memory");
        return;
    }
    if (answer->name == message_qname(&ex->query))
        answer->name = message_qname(&held->query);
    r->ex = held;
    reply_begin(held);
    r->cell = cell;
    start_task(r, answer);
    res_serve_settle(serve);
}

/* ---- the question ---- */

/* RFC 1034 4.3.1: without RD nobody is asked; the nearest delegation that is known shows the
 * way. */
static void refer(struct res_serve *serve, struct exchange *ex)
{
    struct engine *engine = serve->engine;
    struct cache_time when = engine_time(INT64_MAX);
    struct cache_name name;
    struct delegation delegation;
    int64_t expire_ms = 0;

    arena_reset(&serve->arena);
    cache_name_init(&name, message_qname(&ex->query));
    bool is_known = cache_find_delegation(&engine->cache, &name, name.labels, 0, &when,
                                          engine->policy->outgoing_port, &serve->arena,
                                          &delegation, &expire_ms);
    for (int i = 0; is_known && i < delegation.server_cnt; i++) {
        const uint8_t *server = delegation.servers[i].name;
        struct builder_owner owner = {.name = delegation.zone};
        if (builder_record(&ex->out, MESSAGE_AUTHORITY, owner, RRTYPE_NS, RRTYPE_CLASS_IN,
                           (uint32_t)((expire_ms - when.now_ms) / 1000), server,
                           dname_len(server)) != ERR_OK)
            break;
    }
    finish(ex, RRTYPE_RCODE_NOERROR);
}

/* Questions that no resolver answers; true when it has been dealt with. */
static bool turn_away(struct exchange *ex)
{
    if (ex->query.qclass != RRTYPE_CLASS_IN) {
        reply_explain(ex, EDNS_EDE_NOT_SUPPORTED, "only class IN is resolved");
        finish(ex, RRTYPE_RCODE_REFUSED);
        return true;
    }
    switch (ex->query.qtype) {
    case RRTYPE_AXFR:
    case RRTYPE_IXFR:
        reply_explain(ex, EDNS_EDE_NOT_SUPPORTED, "a resolver transfers no zones");
        finish(ex, RRTYPE_RCODE_REFUSED);
        return true;
    case RRTYPE_MAILA:
    case RRTYPE_MAILB: finish(ex, RRTYPE_RCODE_NOTIMP); return true;
    case 0:
    case RRTYPE_OPT:
    case RRTYPE_TSIG:
    case RRTYPE_TKEY:
        reply_explain(ex, EDNS_EDE_OTHER, "that type is never asked for");
        finish(ex, RRTYPE_RCODE_FORMERR);
        return true;
    default: return false;
    }
}

void res_serve_adopt(struct res_serve *serve, const struct policy *policy)
{
    if (policy != serve->engine->policy && serve->answer_cache)
        answer_cache_clear(serve->answer_cache);
    engine_adopt(serve->engine, policy);
}

void res_serve_probe(struct res_serve *serve, struct exchange *const *batch, size_t cnt)
{
    serve->now_ms = now_wall_ms();
    if (serve->answer_cache)
        answer_cache_probe(serve->answer_cache, batch, cnt);
}

void res_serve_query(struct res_serve *serve, struct exchange *ex)
{
    struct engine *engine = serve->engine;
    struct answer answer;

    engine->counts.queries++;
    if (!addr_is_in(&engine->policy->allow, &ex->peer)) {
        engine->counts.refused_clients++;
        reply_explain(ex, EDNS_EDE_PROHIBITED, "this address may not ask here (allow)");
        reply_send(ex, RRTYPE_RCODE_REFUSED);
        return;
    }
    if (turn_away(ex))
        return;
    /* whoever listens wants to hear of the cache */
    bool is_plain = !ex->settings->is_rotating && !serve->terms.listeners;
    struct answer_cache *answer_cache = is_plain ? serve->answer_cache : NULL;
    if (answer_cache && answer_cache_answer(answer_cache, engine->cache.store->versions, ex,
                                            serve->now_ms, &answer.rcode)) {
        engine->counts.hits++;
        engine->counts.answer_cache++;
        finish(ex, answer.rcode);
    } else if (compose(serve, ex, &serve->terms, INT64_MAX, &answer)) {
        engine->counts.hits++;
        cache_count_uses(&engine->cache);
        if (answer_cache && !answer.is_explained && !(ex->flags & MESSAGE_TC))
            answer_cache_keep(answer_cache, &engine->cache, ex, answer.rcode, serve->now_ms,
                              engine->policy->is_prefetching &&
                                      answer.prefetch_ms < answer.expire_ms
                                  ? answer.prefetch_ms
                                  : answer.expire_ms);
        finish(ex, answer.rcode);
        machine_run(engine);
    } else if (!(ex->query.flags & MESSAGE_RD)) {
        refer(serve, ex);
    } else {
        wait_for_task(serve, ex, &answer);
    }
}

void res_serve_listen(struct res_serve *serve, struct exchange *ex,
                      const struct res_serve_terms *terms)
{
    serve->terms = *terms;
    res_serve_query(serve, ex);
    serve->terms = (struct res_serve_terms){0};
}
