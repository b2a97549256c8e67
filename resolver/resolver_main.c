/* rootline-resolver: the state of each worker, what the workers share, and the start of the
 * daemon. */
#include <inttypes.h>

#include "base/log.h"
#include "base/now.h"
#include "base/publish.h"
#include "dns/dname_text.h"
#include "dns/dnskey.h"
#include "net/daemon/daemon.h"
#include "net/loop/fence.h"
#include "net/upstream/out_net.h"
#include "net/upstream/own.h"
#include "resolver/anchors.h"
#include "resolver/cache/cache_lmdb.h"
#include "resolver/cache/cache_memory.h"
#include "resolver/iterate/task.h"
#include "resolver/policy/ddr.h"
#include "resolver/iterate/wording.h"
#include "resolver/res_conf.h"
#include "resolver/res_control.h"

enum {
    PORTS_WANTED = 16384,
    WRITE_SOON_MS = 5,
    ANSWER_CACHE_PART = 16, /* the answer cache has 1/16 of cache.size */
};

struct shared;

/* Lifetime: worker. */
struct resolver {
    /* First: the calls of the control socket get it.  Complete after open_engine. */
    struct res_control control;
    struct publish *publish;
    struct daemon *daemon;
    struct shared *shared;
    const struct res_conf *conf; /* of the start */
    struct cache_store *store;   /* the engine's */
    struct out *out;
    struct own *own;
    struct anchors *anchors; /* of the first worker; NULL: another one has them */
    unsigned sockets;        /* the most for queries to servers */
    uv_prepare_t turn_end;   /* called before the loop waits */
    uv_timer_t deadline;     /* to write the cache, or to serve the next request */
    uv_async_t woken;        /* by another worker, in wake_workers */
};

/* What the workers share.  Lifetime: from before the first engine to after the last. */
struct shared {
    struct quota *quota;
    struct ports *ports;
    struct tunnel *tunnel;
    struct cache_lmdb *cache;                   /* NULL: each worker has its own in memory */
    struct inflight *inflight;                  /* NULL: one worker, or caches of their own */
    atomic_bool is_halted;                      /* no query may be sent any more */
    uv_mutex_t lock;                            /* of `open` */
    struct resolver *open[PUBLISH_WORKERS_MAX]; /* by number; NULL: it cannot be woken */
};

static enum err read_res_conf(const char *path, struct diag *diag, void **conf,
                              struct server_conf **server)
{
    struct res_conf *read;
    enum err err = res_conf_read(path, diag, &read);
    if (!err) {
        *conf = read;
        *server = &read->server;
    }
    return err;
}

static void free_res_conf(void *conf)
{
    struct res_conf *c = conf;
    res_conf_free(&c);
}

static enum err build_policy(void *data, void *before, void **version, char *summary,
                             size_t size)
{
    struct res_conf *conf = data;

    (void)before;
    snprintf(summary, size, "%zu stub zones, %zu forward zones, %zu records of local data",
             conf->stubs.cnt, conf->forwards.cnt, conf->local_data.cnt);
    enum err err = ddr_add(&conf->policy->local, &conf->server, &conf->policy->arena);
    if (err)
        return err;
    err = anchors_learn(conf->policy, conf->cache_directory);
    if (err)
        return err;
    *version = conf->policy;
    conf->policy = NULL;
    return ERR_OK;
}

/* A trust anchor has changed (RFC 5011). */
static enum err renew_policy(void *data, void *before, void **version, char *summary,
                             size_t size)
{
    const struct res_conf *conf = data;
    struct policy *policy;

    enum err err = anchors_renew(before, conf->cache_directory, &policy);
    if (err)
        return err;
    snprintf(summary, size, "trust anchors of %zu zone%s", policy->anchors.cnt,
             policy->anchors.cnt == 1 ? "" : "s");
    *version = policy;
    return ERR_OK;
}

static const char *cache_directory(const void *conf)
{
    const struct res_conf *c = conf;
    return c->cache_directory;
}

static void free_policy(void *version)
{
    struct policy *policy = version;
    policy_free(&policy);
}

static const char *describe_weakness(const void *version)
{
    const struct policy *policy = version;
    return policy->lab_text;
}

/* A worker finds is_halted before its next query, and its order to stop only between turns. */
static enum err guard_fence(void *shared, struct fault *fault)
{
    struct shared *s = shared;
    enum err err = fence_check(fault);

    if (err)
        atomic_store_explicit(&s->is_halted, true, memory_order_relaxed);
    return err;
}

/* ---- the engine of a worker ---- */

/* Find the ports that queries may leave from: a forger has to guess port and ID (RFC 5452 4.5).
 */
static enum err open_ports(const struct res_conf *conf, struct ports **out)
{
    struct ports_terms terms = {.allowed = conf->ports.at,
                                .allowed_cnt = conf->ports.cnt,
                                .except = conf->ports_except.at,
                                .except_cnt = conf->ports_except.cnt};
    enum err err = ports_new(&terms, out);

    if (err == ERR_CONFIG)
        log_error(
            "resolver.outgoing-ports and outgoing-ports-except leave no port for queries; "
            "widen the one or narrow the other");
    if (!err && ports_cnt(*out) < PORTS_WANTED)
        log_warning(
            "queries leave from %u ports only, which makes replies easier to forge; widen "
            "resolver.outgoing-ports",
            ports_cnt(*out));
    return err;
}

/* Wake every worker with this number modulo INFLIGHT_WAITERS: a name is resolved, or a place is
 * free. */
static void wake_workers(void *data, size_t number)
{
    struct shared *s = data;

    uv_mutex_lock(&s->lock);
    for (size_t i = number; i < ARRAY_LEN(s->open); i += INFLIGHT_WAITERS)
        if (s->open[i])
            uv_async_send(&s->open[i]->woken);
    uv_mutex_unlock(&s->lock);
}

static void release_inflight(void *data, uint64_t hash)
{
    struct shared *s = data;
    inflight_release(s->inflight, hash);
}

/* Open the cache that all workers share.  If that fails, each worker caches in memory. */
static void open_shared_cache(struct shared *s, const struct res_conf *conf, size_t worker_cnt)
{
    struct cache_lmdb_conf want = {.directory = conf->cache_directory,
                                   .size = conf->cache_size,
                                   .worker_cnt = (unsigned)worker_cnt,
                                   .announced = worker_cnt > 1 ? release_inflight : NULL,
                                   .data = s};
    struct fault fault;
    uint64_t start_ms = now_mono_ms();

    enum err err = worker_cnt > 1 ? inflight_new(wake_workers, s, &s->inflight) : ERR_OK;
    if (err)
        fault_name(&fault, err);
    else
        err = cache_lmdb_open(&want, &s->cache, &fault);
    if (err) {
        inflight_free(&s->inflight);
        log_warning("cache: %s; each worker caches in memory until the next start", fault.text);
        return;
    }
    if (*fault.text)
        log_warning("cache: %s", fault.text);
    struct cache_lmdb_stats stats = cache_lmdb_stats(s->cache);
    log_info("cache: %s, %" PRIu64 " MB, %" PRIu64 " entries, opened in %" PRIu64 " ms",
             conf->cache_directory, stats.size >> 20, stats.entries, now_mono_ms() - start_ms);
}

static void log_cache(struct cache_lmdb *cache)
{
    struct cache_lmdb_stats s = cache_lmdb_stats(cache);
    log_info("cache: %" PRIu64 " entries in %" PRIu64 " of %" PRIu64 " MB; %" PRIu64
             " written in %" PRIu64 " transactions, %" PRIu64 " evicted, %" PRIu64
             " not cached for want of room, %" PRIu64 " with a wrong checksum",
             s.entries, s.used >> 20, s.size >> 20, s.written, s.commits, s.trimmed, s.dropped,
             s.broken);
}

static void free_res_shared(void *shared)
{
    struct shared *s = shared;

    if (s->cache)
        log_cache(s->cache);
    cache_lmdb_free(&s->cache);
    inflight_free(&s->inflight);
    quota_free(&s->quota);
    tunnel_free(&s->tunnel);
    ports_free(&s->ports);
    uv_mutex_destroy(&s->lock);
    free(s);
}

static void *new_res_shared(const void *data, size_t worker_cnt)
{
    const struct res_conf *conf = data;
    struct shared *s = calloc(1, sizeof(*s));

    if (!s || uv_mutex_init(&s->lock) != 0) {
        free(s);
        return NULL;
    }
    if (*conf->cache_directory)
        open_shared_cache(s, conf, worker_cnt);
    enum err err = open_ports(conf, &s->ports);
    if (!err)
        err = quota_new(&conf->quota_limits, &s->quota);
    if (!err)
        err = tunnel_new(&s->tunnel);
    if (err) {
        free_res_shared(s);
        return NULL;
    }
    quota_set_wake(s->quota, wake_workers, s);
    return s;
}

static void *new_resolver(const struct daemon_engine *parts)
{
    struct resolver *r = calloc(1, sizeof(*r));

    if (r)
        *r = (struct resolver){
            .control = {.worker = parts->worker, .worker_cnt = parts->worker_cnt},
            .publish = parts->publish,
            .daemon = parts->daemon,
            .shared = parts->shared,
            .conf = parts->conf,
            .sockets = parts->sockets};
    return r;
}

static void free_resolver(void *engine)
{
    struct resolver *r = engine;
    anchors_free(&r->anchors);
    res_explain_free(&r->control.explain);
    res_serve_free(&r->control.serve);
    free(r);
}

/* What validation found, and of what. */
static void describe_verdict(const struct verdict *v, char *out, size_t size)
{
    char name[DNAME_TEXT_MAX] = "-", zone[DNAME_TEXT_MAX] = "-", type[RRTYPE_NAME_MAX] = "-";
    char key[DNSKEY_ALGORITHM_MAX + 30] = "", algorithm[DNSKEY_ALGORITHM_MAX];

    if (v->name)
        dname_text_print(v->name, name);
    if (v->zone)
        dname_text_print(v->zone, zone);
    if (v->type)
        rrtype_print(v->type, type);
    dnskey_print_algorithm(v->algorithm, algorithm);
    if (v->algorithm)
        snprintf(key, sizeof(key), " tag=%u algorithm=%s", v->tag, algorithm);
    snprintf(out, size, "validated %s name=%s type=%s signer=%s%s%s%s",
             verdict_status_name(v->status), name, type, zone, key, v->reason ? " reason=" : "",
             v->reason ? verdict_reason_name(v->reason) : "");
}

/* What an event is about, in a few words; for the debug log. */
static void describe(const struct trace_event *e, char *out, size_t size)
{
    char server[ADDR_TEXT_MAX] = "";

    switch (e->step) {
    case TRACE_STEP_BEGIN:
    case TRACE_STEP_JOIN:
        snprintf(out, size, "%s for=%s", e->step == TRACE_STEP_JOIN ? "join" : "begin",
                 wording_id(&wording_purposes, e->begin.purpose));
        break;
    case TRACE_STEP_ZONE:
        snprintf(out, size, "zone source=%s",
                 wording_id(&wording_sources, e->zone_found.delegation->source));
        break;
    case TRACE_STEP_QUERY:
        addr_print(e->query.server, server);
        snprintf(out, size, "query server=%s transport=%s", server,
                 wording_id(&wording_transports, e->query.transport));
        break;
    case TRACE_STEP_REPLY:
        addr_print(e->reply.server, server);
        snprintf(out, size, "reply server=%s result=%s%s%s", server,
                 wording_id(&wording_replies, e->reply.kind),
                 *e->reply.broken ? " malformed=" : "", e->reply.broken);
        break;
    case TRACE_STEP_NO_REPLY:
        addr_print(e->no_reply.server, server);
        snprintf(out, size, "no-reply server=%s reason=%s", server,
                 wording_id(&wording_silences, e->no_reply.why));
        break;
    case TRACE_STEP_REJECTED:
        addr_print(e->rejected.from, server);
        snprintf(out, size, "rejected from=%s reason=%s", server,
                 wording_id(&wording_rejections, e->rejected.why));
        break;
    case TRACE_STEP_NOTE:
        snprintf(out, size, "note %s%s%s", wording_id(&wording_notes, e->note.note),
                 e->note.failure ? "=" : "",
                 e->note.failure ? failure_id(e->note.failure) : "");
        break;
    case TRACE_STEP_VALIDATED: describe_verdict(e->validated, out, size); break;
    case TRACE_STEP_END:
        snprintf(out, size, "end %s%s%s", wording_id(&wording_endings, e->end.how),
                 e->end.failure ? " failure=" : "",
                 e->end.failure ? failure_id(e->end.failure) : "");
        break;
    default: *out = '\0'; break; /* of the walk, which has no task */
    }
}

/* At log level "debug" each event of each resolution is a line. */
static void log_event(void *data, const struct trace_event *e)
{
    char name[DNAME_TEXT_MAX], zone[DNAME_TEXT_MAX] = "-", type[RRTYPE_NAME_MAX],
                               what[2 * DNAME_TEXT_MAX + 400];

    (void)data;
    dname_text_print(e->name, name);
    if (e->zone)
        dname_text_print(e->zone, zone);
    rrtype_print(e->type, type);
    describe(e, what, sizeof(what));
    log_debug("task %" PRIu64 " %s %s zone=%s: %s", e->task, name, type, zone, what);
}

static const struct trace_sink debug_log = {.note = log_event};

static void meet_deadline(uv_timer_t *timer)
{
    struct resolver *r = timer->data;
    res_serve_come_back(r->control.serve);
}

static void end_turn(uv_prepare_t *handle)
{
    struct resolver *r = handle->data;
    unsigned wait_ms = res_serve_wait_ms(r->control.serve);

    if (r->control.worker == 0)
        engine_note_clock(res_serve_engine(r->control.serve));
    if (res_serve_is_paused(r->control.serve)) /* after what the loop finds ready now */
        uv_async_send(&r->woken);
    unsigned tick_ms = r->anchors ? anchors_tick(r->anchors) : 0;
    if (tick_ms > 0 && (wait_ms == 0 || tick_ms < wait_ms))
        wait_ms = tick_ms;
    if (r->store->settle(r->store))
        wait_ms = WRITE_SOON_MS;
    bool is_later = !uv_is_active((uv_handle_t *)&r->deadline) ||
                    uv_timer_get_due_in(&r->deadline) > wait_ms;
    if (wait_ms > 0 && is_later)
        uv_timer_start(&r->deadline, meet_deadline, wait_ms, 0);
}

static void resume_tasks(uv_async_t *handle)
{
    struct resolver *r = handle->data;
    res_serve_come_back(r->control.serve);
}

static void watch_turns(struct resolver *r, uv_loop_t *loop)
{
    uv_prepare_init(loop, &r->turn_end);
    uv_timer_init(loop, &r->deadline);
    uv_async_init(loop, &r->woken, resume_tasks);
    r->turn_end.data = r->deadline.data = r->woken.data = r;
    uv_prepare_start(&r->turn_end, end_turn);
    uv_mutex_lock(&r->shared->lock);
    r->shared->open[r->control.worker] = r;
    uv_mutex_unlock(&r->shared->lock);
}

static enum err make_store(struct resolver *r)
{
    return r->shared->cache
               ? cache_lmdb_view(r->shared->cache, &r->store)
               : cache_memory_new(r->conf->cache_size / r->control.worker_cnt, &r->store);
}

/* Close the queries in flight and the watch of this machine's addresses. */
static void close_outside(struct resolver *r)
{
    out_net_close(&r->out);
    own_close(&r->own);
}

static void renew_anchors(void *daemon) { daemon_renew(daemon); }

static enum err open_engine(void *engine, struct uv_loop_s *loop)
{
    struct resolver *r = engine;
    struct out_net_sources sources = {.at = r->conf->outgoing.at,
                                      .cnt = r->conf->outgoing.cnt,
                                      .ports = r->shared->ports,
                                      .most = r->sockets,
                                      .fixed_port =
                                          (uint16_t)(OUT_NET_FIXED_PORT + r->control.worker),
                                      .is_halted = &r->shared->is_halted};
    struct engine *made;

    enum err err = out_net_new(loop, &sources, &r->out);
    if (!err)
        err = own_new(loop, &r->own);
    if (!err)
        err = make_store(r);
    if (!err)
        err = engine_new(r->out, r->store, r->shared->quota, &made);
    if (err) {
        if (r->store)
            r->store->free(&r->store);
        close_outside(r);
        return err;
    }
    r->control.cache = r->shared->cache;
    r->control.ports = r->shared->ports;
    if (!now_is_set()) {
        char boot[CACHE_CLOCK_BOOT_MAX];
        cache_clock_read_boot(boot);
        engine_learn_clock(made, boot);
    }
    r->control.tunnel = r->shared->tunnel;
    made->own = r->own;
    made->inflight = r->shared->inflight;
    made->worker = r->control.worker;
    if (r->conf->server.log_level == LOG_LEVEL_DEBUG)
        trace_listen(&made->listeners, &debug_log);
    r->control.serve =
        res_serve_new(made, r->conf->cache_size / ANSWER_CACHE_PART / r->control.worker_cnt);
    if (!r->control.serve) {
        task_free_engine(&made);
        close_outside(r);
        return ERR_NOMEM;
    }
    res_serve_set_tunnel(r->control.serve, r->shared->tunnel);
    r->control.explain = res_explain_new(r->control.serve);
    if (!r->control.explain) {
        close_outside(r);
        return ERR_NOMEM;
    }
    if (r->control.worker == 0) {
        r->anchors =
            anchors_new(r->control.serve, r->conf->cache_directory, renew_anchors, r->daemon);
        if (!r->anchors) {
            close_outside(r);
            return ERR_NOMEM;
        }
    }
    r->out->settle = res_serve_settle;
    r->out->data = r->control.serve;
    watch_turns(r, loop);
    return ERR_OK;
}

/* The counters of a worker that are not 0, in one line. */
static void log_counts(const struct resolver *r)
{
    const struct engine *engine = res_serve_engine(r->control.serve);
    uint64_t values[ENGINE_COUNTERS];
    char line[900] = "";
    size_t len = 0;

    engine_read_counters(engine, values);
    for (size_t i = 0; i < ENGINE_COUNTERS && len < sizeof(line); i++)
        if (values[i] > 0 && !engine_counters[i].is_gauge)
            len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%s %" PRIu64,
                                    len ? ", " : "", engine_counters[i].id, values[i]);
    if (len > 0)
        log_info("worker %zu: %s", r->control.worker, line);
}

static void close_engine(void *engine)
{
    struct resolver *r = engine;

    log_counts(r);
    anchors_free(&r->anchors);
    res_serve_close(r->control.serve);
    res_serve_engine(r->control.serve)->own = NULL;
    close_outside(r);
    (void)r->store->settle(r->store);
    uv_mutex_lock(&r->shared->lock);
    r->shared->open[r->control.worker] = NULL;
    uv_mutex_unlock(&r->shared->lock);
    uv_close((uv_handle_t *)&r->woken, NULL);
    uv_close((uv_handle_t *)&r->turn_end, NULL);
    uv_close((uv_handle_t *)&r->deadline, NULL);
}

static void adopt_version(void *engine)
{
    struct resolver *r = engine;
    res_serve_adopt(r->control.serve, publish_take(r->publish, r->control.worker));
}

static void probe_batch(void *engine, struct exchange *const *batch, size_t cnt)
{
    const struct resolver *r = engine;
    res_serve_probe(r->control.serve, batch, cnt);
}

static void serve_query(void *engine, struct exchange *ex)
{
    const struct resolver *r = engine;
    res_serve_query(r->control.serve, ex);
}

static bool answer_chaos(void *engine, struct exchange *ex)
{
    const struct resolver *r = engine;
    return res_explain_chaos(r->control.explain, ex);
}

int main(int argc, char **argv)
{
    static const struct service service = {.probe = probe_batch,
                                           .serve = serve_query,
                                           .chaos = answer_chaos,
                                           .turn = adopt_version,
                                           .open = open_engine,
                                           .close = close_engine};
    static const struct daemon_calls calls = {
        .name = "rootline-resolver",
        .service = &service,
        .configure = read_res_conf,
        .free_conf = free_res_conf,
        .build = build_policy,
        .renew = renew_policy,
        .free_version = free_policy,
        .weakness = describe_weakness,
        .guard = guard_fence,
        .new_shared = new_res_shared,
        .free_shared = free_res_shared,
        .new_engine = new_resolver,
        .sockets = OUT_NET_SOCKETS_ALL_MAX,
        .sockets_each = OUT_NET_SOCKETS_MAX,
        .directory = cache_directory,
        .free_engine = free_resolver,
        .commands = res_control_commands,
    };
    return daemon_main(&calls, argc, argv);
}
