/* A deferred query has a budget of its own; the task that it waits for may have been started by
 * another client's query. */
#include "resolver/answer/res_serve.h"

#include "base/log.h"
#include "base/now.h"
#include "base/peak.h"
#include "dns/dname_text.h"
#include "net/request/reply.h"
#include "resolver/answer/answer.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/iterate/machine.h"
#include "resolver/iterate/wording.h"
#include "resolver/validate/sentinel.h"

enum {
    TASKS_SPARE = 5, /* besides one per CNAME of a chain: some end at another query's limit */
    ARENA_MAX = 1 << 20,
    PREFETCHED = 1024,
    MANY = 500,           /* after a peak of so many requests their memory is given back */
    PREFETCH_MS = 5000,   /* between two prefetches of one name */
    ELSEWHERE_MS = 50,    /* between two checks of tasks that wait for another worker */
    ALERT_LINE_MS = 6000, /* between two log lines of alerts, on average */
    ALERT_BURST_MS = 60000,
};

/* A deferred query.  Lifetime: until it is answered. */
struct request {
    struct list link; /* serve->requests or serve->overdue */
    struct task_waiter waiter;
    struct res_serve *serve;
    struct exchange *ex;
    struct budget *budget;
    int64_t since_ms;       /* wall: when it was deferred (struct cache_time) */
    uint64_t since_mono_ms; /* mono: the same moment */
    struct res_serve_terms terms;
    struct tunnel_flow flow; /* 0 bits: the reply needs no look */
    unsigned tasks;
    _Atomic uint32_t
        *counter; /* of its client's deferred queries; NULL: the client is exempt */
};

/* A name and type that were prefetched, and until when they are not prefetched again (mono). */
struct prefetched {
    uint64_t hash, until_ms;
};

/* Lifetime: worker. */
struct res_serve {
    struct engine *engine;
    struct arena arena; /* of the answer being written */
    struct prefetched prefetched[PREFETCHED];
    struct answer_cache *answer_cache; /* NULL: none */
    struct list requests;              /* the oldest first */
    struct list overdue;               /* requests older than policy->stale_wait_ms */
    int64_t now_ms;                    /* wall, of this batch */
    struct res_serve_terms terms;      /* of the current query */
    size_t request_cnt;
    struct peak peak;      /* of requests */
    struct tunnel *tunnel; /* NULL: tunnels are not detected */
    uint64_t log_free_ms;  /* mono: until then log lines of alerts are used up */
    bool is_closed;        /* no task is started any more */
};

struct res_serve *res_serve_new(struct engine *engine, size_t answer_cache_bytes)
{
    struct res_serve *serve = calloc(1, sizeof(*serve));
    if (!serve)
        return NULL;
    serve->engine = engine;
    arena_init(&serve->arena, ARENA_MAX);
    list_init(&serve->requests);
    list_init(&serve->overdue);
    if (answer_cache_bytes > 0 &&
        answer_cache_new(answer_cache_bytes, &serve->answer_cache) != ERR_OK) {
        free(serve);
        return NULL;
    }
    return serve;
}

struct engine *res_serve_engine(struct res_serve *serve) { return serve->engine; }

/* Count one more deferred query of a client.  Return false if `limit` is reached.  `counter`
 * NULL: the client is exempt. */
static bool count_deferred(_Atomic uint32_t *counter, uint32_t limit)
{
    if (!counter || atomic_fetch_add_explicit(counter, 1, memory_order_relaxed) < limit)
        return true;
    atomic_fetch_sub_explicit(counter, 1, memory_order_relaxed);
    return false;
}

static void uncount_deferred(_Atomic uint32_t *counter)
{
    if (counter)
        atomic_fetch_sub_explicit(counter, 1, memory_order_relaxed);
}

/* ---- tunnels ---- */

void res_serve_set_tunnel(struct res_serve *serve, struct tunnel *tunnel)
{
    serve->tunnel = tunnel;
}

/* Log an alert, unless many were logged just now: each costs an attacker few queries. */
static void log_alert(struct res_serve *serve, const struct tunnel_alert *alert,
                      uint64_t now_ms)
{
    char client[ADDR_TEXT_MAX], zone[DNAME_TEXT_MAX];

    serve->log_free_ms = util_max(serve->log_free_ms, now_ms);
    if (serve->log_free_ms - now_ms >= ALERT_BURST_MS)
        return;
    serve->log_free_ms += ALERT_LINE_MS;
    addr_print_host(&alert->client, client);
    dname_text_print(alert->zone, zone);
    log_warning("possible DNS tunnel: %s sent %u new names below %s within %u s, which with "
                "their replies carry %u octets; if it may, add the client or the zone to "
                "detection.exempt",
                client, alert->sum.names, zone, alert->sum.seconds, alert->sum.octets);
}

static void add_alert(struct res_serve *serve, const struct exchange *ex,
                      const struct tunnel_sum *sum, uint64_t now_ms)
{
    const struct dname_parts *name = &ex->name;
    const uint8_t *zone = name->lower + name->at[dname_org_labels(name)];
    struct tunnel_alert alert = {.when_ms = now_wall_ms(), .client = ex->peer, .sum = *sum};

    memcpy(alert.zone, zone, dname_len(zone));
    serve->engine->counts.tunnel_alerts++;
    tunnel_keep_alert(serve->tunnel, &alert);
    log_alert(serve, &alert, now_ms);
}

/* Weigh a query that goes on to a server. */
static void watch_query(struct request *r)
{
    struct res_serve *serve = r->serve;
    const struct policy *policy = serve->engine->policy;
    struct tunnel_sum sum;

    if (!serve->tunnel || !policy->detects_tunnels ||
        policy_is_exempt(&policy->tunnel_exempt, r->ex->name.lower, &r->ex->peer))
        return;
    r->flow = tunnel_measure(serve->tunnel, &r->ex->peer, &r->ex->name);
    if (r->flow.bits > 0 && tunnel_note_query(serve->tunnel, &r->flow, r->since_mono_ms, &sum))
        add_alert(serve, r->ex, &sum, r->since_mono_ms);
}

/* Weigh the answer to such a query, which has been written. */
static void watch_answer(const struct request *r)
{
    struct res_serve *serve = r->serve;
    const struct exchange *ex = r->ex;
    const struct message *query = &ex->query;
    const uint64_t now_ms = now_mono_ms();
    struct tunnel_sum sum;

    if (r->flow.bits == 0 || !tunnel_is_payload(query->qtype) ||
        ex->out.cnt[MESSAGE_ANSWER] == 0)
        return;
    const size_t octets = ex->out.len - MESSAGE_HEADER_LEN - query->question_len;
    if (tunnel_note_reply(serve->tunnel, &r->flow, octets, now_ms, &sum))
        add_alert(serve, ex, &sum, now_ms);
}

/* ---- requests ---- */

static void end_request(struct request *r)
{
    task_leave(&r->waiter);
    uncount_deferred(r->counter);
    budget_unref(&r->budget);
    r->serve->request_cnt--;
    list_remove(&r->link);
    free(r);
}

void res_serve_close(struct res_serve *s)
{
    s->is_closed = true;
    struct list *waiting[] = {&s->overdue, &s->requests};
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

static void send_answer(struct exchange *ex, unsigned rcode)
{
    ex->flags |= MESSAGE_RA | (ex->query.flags & MESSAGE_CD); /* RFC 4035 3.2.2 */
    reply_send(ex, rcode);
}

static void send_failure(struct exchange *ex, uint16_t ede, const char *text)
{
    reply_explain(ex, (enum edns_ede)ede, text);
    send_answer(ex, RRTYPE_RCODE_SERVFAIL);
}

static struct answer_cache_header header_of(const struct answer *answer)
{
    return (struct answer_cache_header){.rcode = answer->rcode,
                                        .is_secure = answer->is_secure,
                                        .ede =
                                            (uint8_t)(answer->is_explained ? answer->ede : 0)};
}

/* True if the answer may be kept: its extended error, if it has one, holds as long. */
static bool may_keep(const struct exchange *ex, const struct answer *answer)
{
    return !(ex->flags & MESSAGE_TC) &&
           (!answer->is_explained || answer_text(answer->ede) == answer->text);
}

/* RFC 8509 3.1: the client asks by the name whether a root key is trusted. */
static bool fails_as_sentinel(const struct res_serve *serve, const struct exchange *ex,
                              bool is_secure)
{
    static const uint8_t root[] = {0};
    const uint8_t *name = message_qname(&ex->query);

    return is_secure && *name >= SENTINEL_LABEL_MIN && !(ex->query.flags & MESSAGE_CD) &&
           sentinel_fails(anchor_find(&serve->engine->policy->anchors, root), name,
                          ex->query.qtype);
}

/* RFC 6840 5.7, 5.8: AD is for clients that can use it, which AD or DO in the query says. */
static void send_written(struct res_serve *serve, struct exchange *ex,
                         struct answer_cache_header header)
{
    bool has_do = ex->query.has_edns && ex->query.edns.is_do;

    if (__builtin_expect(fails_as_sentinel(serve, ex, header.is_secure), 0)) {
        reply_begin(ex);
        send_failure(ex, EDNS_EDE_OTHER, "root key sentinel: RFC 8509");
        return;
    }
    if (header.is_secure && !(ex->query.flags & MESSAGE_CD) &&
        (has_do || (ex->query.flags & MESSAGE_AD)))
        ex->flags |= MESSAGE_AD;
    send_answer(ex, header.rcode);
}

/* Return true unless the entry was prefetched a moment ago: the reply may not have replaced it.
 */
static bool may_prefetch(struct res_serve *serve, const struct answer *answer, uint64_t now_ms)
{
    uint64_t hash = dname_hash(answer->prefetch_name) + answer->prefetch_type;
    struct prefetched *last = &serve->prefetched[hash % PREFETCHED];

    if (last->hash == hash && now_ms < last->until_ms)
        return false;
    *last = (struct prefetched){.hash = hash, .until_ms = now_ms + PREFETCH_MS};
    return true;
}

/* Prefetch the entry of an answer that is about to expire: a name that is queried in the last
 * tenth of its TTL is popular, and no client has to wait for it. */
static void prefetch(struct res_serve *serve, const struct answer *answer)
{
    struct engine *engine = serve->engine;
    struct cache_found found;
    struct cache_name name;

    if (!answer->is_prefetch_due || !engine->policy->is_prefetching || serve->is_closed)
        return;
    struct cache_time when = engine_time(INT64_MAX);
    if (!may_prefetch(serve, answer, now_mono_ms()))
        return;
    cache_name_init(&name, answer->prefetch_name);
    if (cache_find_failure(&engine->cache, &name, answer->prefetch_type, &when, &serve->arena,
                           &found))
        return;
    engine->counts.prefetched +=
        task_start(engine, answer->prefetch_name, answer->prefetch_type);
}

/* Write the answer from local data and the cache.  Return false if an entry is missing, which
 * `answer` names.  A stale answer is better than a cached failure. */
static bool write_answer(struct res_serve *serve, struct exchange *ex,
                         const struct res_serve_terms *query_terms, int64_t since_ms,
                         struct answer *answer)
{
    struct engine *engine = serve->engine;
    struct answer_terms terms = {
        .since_ms = since_ms,
        .fresh_ms = query_terms->fresh_ms < since_ms ? query_terms->fresh_ms : since_ms,
        .listeners = query_terms->listeners};
    struct answer stale;

    arena_reset(&serve->arena);
    answer_write(engine, ex, &terms, &serve->arena, answer);
    if (answer->kind == ANSWER_MISS)
        return false;
    if (answer->is_failure && engine->policy->stale_ms > 0) {
        terms.stale_ms = engine->policy->stale_ms;
        terms.is_after_bogus = answer->is_bogus;
        answer_write(engine, ex, &terms, &serve->arena, &stale);
        if (stale.kind == ANSWER_WRITTEN)
            *answer = stale;
    }
    engine->counts.stale += answer->is_stale;
    engine->counts.aggressive += answer->is_synthesised;
    if (answer->is_explained)
        reply_explain(ex, (enum edns_ede)answer->ede, answer->text);
    prefetch(serve, answer);
    return true;
}

/* Write a stale answer, because no better one arrives in time, or only a bogus one.  Return
 * false if there is none. */
static bool write_stale_answer(struct res_serve *serve, struct exchange *ex,
                               const struct res_serve_terms *query_terms, bool is_after_bogus,
                               struct answer *answer)
{
    struct engine *engine = serve->engine;
    struct answer_terms terms = {.since_ms = INT64_MAX,
                                 .stale_ms = engine->policy->stale_ms,
                                 .is_after_bogus = is_after_bogus,
                                 .fresh_ms = query_terms->fresh_ms,
                                 .listeners = query_terms->listeners};

    if (engine->policy->stale_ms == 0)
        return false;
    arena_reset(&serve->arena);
    answer_write(engine, ex, &terms, &serve->arena, answer);
    if (answer->kind == ANSWER_MISS)
        return false;
    engine->counts.stale += answer->is_stale;
    engine->counts.aggressive += answer->is_synthesised;
    if (answer->is_explained)
        reply_explain(ex, (enum edns_ede)answer->ede, answer->text);
    return true;
}

/* ---- waiting ---- */

static void wake_request(struct task_waiter *waiter, const struct task_end *end);

/* Return how many more queries may be deferred.  Some of the room is for clients with a proven
 * address only. */
static size_t room_for(const struct res_serve *serve, const struct exchange *ex)
{
    size_t most =
        exchange_may_be_spoofed(ex) ? RES_SERVE_REQUESTS_UNPROVEN_MAX : RES_SERVE_REQUESTS_MAX;
    return most - util_min(most, serve->request_cnt);
}

/* Return how many queries of a client may be deferred: no more than are still free for others.
 */
static uint32_t client_limit(const struct res_serve *serve, const struct exchange *ex)
{
    size_t most =
        exchange_may_be_spoofed(ex) ? RES_SERVE_CLIENT_UNPROVEN_MAX : RES_SERVE_CLIENT_MAX;
    return (uint32_t)util_min(most, room_for(serve, ex));
}

/* Return the counter of the client's deferred queries, NULL if it is exempt. */
static _Atomic uint32_t *deferred_counter(struct res_serve *serve, const struct exchange *ex)
{
    return addr_is_in(&serve->engine->policy->exempt, &ex->peer)
               ? NULL
               : quota_waiting(serve->engine->quota,
                               quota_client(&ex->peer, !exchange_may_be_spoofed(ex)));
}

/* Answer with stale data, or else with SERVFAIL. */
static void end_failed_request(struct request *r, bool is_bogus, uint16_t ede, const char *text)
{
    struct exchange *ex = r->ex;
    struct res_serve *serve = r->serve;
    struct answer answer;

    struct res_serve_terms terms = r->terms;

    end_request(r);
    if (write_stale_answer(serve, ex, &terms, is_bogus, &answer))
        send_written(serve, ex, header_of(&answer));
    else
        send_failure(ex, ede, text);
}

static void fail_request(struct request *r, uint16_t ede, const char *text)
{
    end_failed_request(r, false, ede, text);
}

/* Answer a query that exceeds a limit.  If the client's address may be spoofed, the answer is
 * truncated: over TCP, where its address is proven, the limit is higher. */
static void answer_over_limit(struct exchange *ex, const char *text)
{
    bool is_known = !exchange_may_be_spoofed(ex);

    if (!is_known)
        ex->flags |= MESSAGE_TC;
    reply_explain(ex, EDNS_EDE_OTHER, text);
    send_answer(ex, is_known ? RRTYPE_RCODE_SERVFAIL : RRTYPE_RCODE_NOERROR);
}

/* End a request that was evicted from the park: too many queries wait for the zone or server.
 */
static void end_evicted_request(struct request *r, const struct task_end *end)
{
    struct exchange *ex = r->ex;
    struct res_serve *serve = r->serve;
    struct res_serve_terms terms = r->terms;
    struct answer answer;

    end_request(r);
    if (write_stale_answer(serve, ex, &terms, false, &answer))
        send_written(serve, ex, header_of(&answer));
    else
        answer_over_limit(ex, end->text);
}

static bool may_start_task(const struct request *r)
{
    return r->tasks < r->serve->engine->policy->limits.cnames + TASKS_SPARE;
}

/* Start the task that resolves the missing entry, or join it. */
static void start_task(struct request *r, const struct answer *answer)
{
    if (!budget_is_left(r->budget, now_mono_ms())) {
        fail_request(r, failure_ede(r->budget->spent), failure_text(r->budget->spent));
        return;
    }
    bool may_start = may_start_task(r);
    struct task *task =
        may_start ? task_get(r->serve->engine, answer->name, answer->type, r->budget, NULL)
                  : NULL;
    r->tasks++;
    if (!task) {
        fail_request(r, EDNS_EDE_OTHER,
                     may_start ? "the resolver has too many queries in progress"
                               : "the query took more resolutions than limits.cnames allows");
        return;
    }
    r->waiter.wake = wake_request;
    task_wait(task, &r->waiter);
}

static void try_answer(struct request *r)
{
    struct res_serve *serve = r->serve;
    struct exchange *ex = r->ex;
    struct answer answer;

    reply_begin(ex);
    int64_t since_ms = engine_since_ms(r->since_ms, r->since_mono_ms);
    if (!write_answer(serve, ex, &r->terms, since_ms, &answer)) {
        start_task(r, &answer);
        return;
    }
    watch_answer(r);
    end_request(r);
    send_written(serve, ex, header_of(&answer));
}

/* Answer, or fail.  A task that ended because another query's budget was spent is started again
 * with the budget of this one. */
static void wake_request(struct task_waiter *waiter, const struct task_end *end)
{
    struct request *r = container_of(waiter, struct request, waiter);
    bool is_retried = end->outcome == TASK_LIMITED && end->budget != r->budget &&
                      end->is_budget_spent && may_start_task(r) &&
                      budget_is_left(r->budget, now_mono_ms()) && r->budget->queries_left > 0;

    bool is_bogus = end->failure == FAILURE_BOGUS || end->failure == FAILURE_UNVALIDATED;
    bool is_unchecked = (r->ex->query.flags & MESSAGE_CD) && is_bogus && may_start_task(r);

    if (end->outcome == TASK_ANSWERED || is_retried || is_unchecked) {
        try_answer(r);
        return;
    }
    reply_begin(r->ex);
    if (end->is_queue_full)
        end_evicted_request(r, end);
    else
        end_failed_request(r, end->failure == FAILURE_BOGUS, end->ede, end->text);
}

/* The client response timer (RFC 8767 5) has run out: answer with stale data if there are some.
 * The task goes on, for later queries. */
static void serve_stale_or_wait(struct request *r)
{
    struct res_serve *serve = r->serve;
    struct exchange *ex = r->ex;
    struct answer answer;

    list_remove(&r->link);
    list_add(&serve->overdue, &r->link);
    reply_begin(ex);
    if (!write_stale_answer(serve, ex, &r->terms, false, &answer))
        return;
    end_request(r);
    send_written(serve, ex, header_of(&answer));
}

/* Write the extended error of a request whose time is up: what it waited for. */
static void explain_timeout(const struct request *r, char out[WORDING_TEXT_MAX])
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
        serve_stale_or_wait(r);
    }
    /* the oldest first: their budgets expire in that order, whichever tasks they wait for */
    while (!list_is_empty(&serve->overdue)) {
        struct request *r = container_of(serve->overdue.next, struct request, link);
        if (now_ms < r->budget->expire_ms)
            break;
        char text[WORDING_TEXT_MAX];
        explain_timeout(r, text);
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
    task_resume_paused(engine);
    res_serve_settle(serve);
}

bool res_serve_is_paused(const struct res_serve *serve)
{
    return !list_is_empty(&serve->engine->paused);
}

/* These deadlines are not those of queries to servers, for which the worker wakes anyway. */
unsigned res_serve_wait_ms(const struct res_serve *serve)
{
    const struct engine *engine = serve->engine;
    uint64_t now_ms = now_mono_ms(), at_ms = UINT64_MAX;

    if (!list_is_empty(&engine->elsewhere))
        at_ms = now_ms + ELSEWHERE_MS;
    if (!list_is_empty(&serve->requests)) /* the oldest first */
        at_ms = util_min(at_ms,
                         stale_at_ms(container_of(serve->requests.next, struct request, link)));
    if (!list_is_empty(&serve->overdue))
        at_ms = util_min(
            at_ms, container_of(serve->overdue.next, struct request, link)->budget->expire_ms);
    if (park_cnt(engine->park) > 0)
        at_ms = util_min(at_ms, engine->looked_ms + ENGINE_LOOK_MS);
    if (at_ms == UINT64_MAX)
        return 0;
    return at_ms > now_ms ? (unsigned)util_min(at_ms - now_ms, UINT32_MAX) : 1;
}

static struct request *add_request(struct res_serve *serve, const struct exchange *ex)
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

static void defer_query(struct res_serve *serve, struct exchange *ex, struct answer *answer)
{
    _Atomic uint32_t *counter = deferred_counter(serve, ex);

    if (room_for(serve, ex) == 0 || !count_deferred(counter, client_limit(serve, ex))) {
        serve->engine->counts.dropped++;
        answer_over_limit(ex, "this client has too many queries in progress");
        return;
    }
    struct request *r = serve->is_closed ? NULL : add_request(serve, ex);
    struct exchange *deferred = r ? ex->defer(ex) : NULL;

    if (!deferred) {
        if (r)
            end_request(r);
        uncount_deferred(counter);
        send_failure(ex, EDNS_EDE_OTHER,
                     serve->is_closed ? "the resolver is shutting down" : "out of memory");
        return;
    }
    if (answer->name == message_qname(&ex->query))
        answer->name = message_qname(&deferred->query);
    r->ex = deferred;
    reply_begin(deferred);
    r->counter = counter;
    watch_query(r);
    start_task(r, answer);
    res_serve_settle(serve);
}

/* ---- queries ---- */

/* Answer a query without RD with the nearest delegation in the cache: it may not cause queries
 * to servers (RFC 1034 4.3.1). */
static void answer_referral(struct res_serve *serve, struct exchange *ex)
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
    send_answer(ex, RRTYPE_RCODE_NOERROR);
}

/* Answer queries that no resolver resolves with an error.  Return true if this is one. */
static bool reject_query(struct exchange *ex)
{
    if (ex->query.qclass != RRTYPE_CLASS_IN) {
        reply_explain(ex, EDNS_EDE_NOT_SUPPORTED, "this resolver answers class IN only");
        send_answer(ex, RRTYPE_RCODE_REFUSED);
        return true;
    }
    switch (ex->query.qtype) {
    case RRTYPE_AXFR:
    case RRTYPE_IXFR:
        reply_explain(ex, EDNS_EDE_NOT_SUPPORTED,
                      "a resolver does not transfer zones; query an authoritative server");
        send_answer(ex, RRTYPE_RCODE_REFUSED);
        return true;
    case RRTYPE_MAILA:
    case RRTYPE_MAILB: send_answer(ex, RRTYPE_RCODE_NOTIMP); return true;
    case 0:
    case RRTYPE_OPT:
    case RRTYPE_TSIG:
    case RRTYPE_TKEY:
        reply_explain(ex, EDNS_EDE_OTHER, "this type cannot be queried");
        send_answer(ex, RRTYPE_RCODE_FORMERR);
        return true;
    default: return false;
    }
}

void res_serve_adopt(struct res_serve *serve, const struct policy *policy)
{
    const struct engine *engine = serve->engine;
    const struct policy *before = engine->policy;
    uint32_t trust = engine->cache.trust;

    engine_adopt(serve->engine, policy);
    if (serve->answer_cache && (policy != before || engine->cache.trust != trust))
        answer_cache_clear(serve->answer_cache);
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
        reply_explain(ex, EDNS_EDE_PROHIBITED, "the client's address is not in `allow`");
        reply_send(ex, RRTYPE_RCODE_REFUSED);
        return;
    }
    if (reject_query(ex))
        return;
    /* a trace needs the events of the walk, which the answer cache skips; with CD a bogus
     * answer may be written, which is for no other client */
    bool is_plain = !ex->settings->is_rotating && !serve->terms.listeners &&
                    !(ex->query.flags & MESSAGE_CD);
    struct answer_cache *answer_cache = is_plain ? serve->answer_cache : NULL;
    struct answer_cache_header header;
    if (answer_cache && answer_cache_answer(answer_cache, engine->cache.store->versions, ex,
                                            serve->now_ms, &header)) {
        engine->counts.hits++;
        engine->counts.answer_cache++;
        if (__builtin_expect(header.ede != 0, 0))
            reply_explain(ex, (enum edns_ede)header.ede, answer_text(header.ede));
        send_written(serve, ex, header);
    } else if (write_answer(serve, ex, &serve->terms, INT64_MAX, &answer)) {
        engine->counts.hits++;
        cache_count_uses(&engine->cache);
        header = header_of(&answer);
        if (answer_cache && may_keep(ex, &answer))
            answer_cache_keep(answer_cache, &engine->cache, ex, &header, serve->now_ms,
                              engine->policy->is_prefetching &&
                                      answer.prefetch_ms < answer.expire_ms
                                  ? answer.prefetch_ms
                                  : answer.expire_ms);
        send_written(serve, ex, header_of(&answer));
        machine_run(engine);
    } else if (!(ex->query.flags & MESSAGE_RD)) {
        answer_referral(serve, ex);
    } else {
        defer_query(serve, ex, &answer);
    }
}

void res_serve_listen(struct res_serve *serve, struct exchange *ex,
                      const struct res_serve_terms *terms)
{
    serve->terms = *terms;
    res_serve_query(serve, ex);
    serve->terms = (struct res_serve_terms){0};
}
