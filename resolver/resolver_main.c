/* rootline-resolver: what a worker resolves with, and the start of the daemon. */
#include <inttypes.h>

#include "base/log.h"
#include "base/now.h"
#include "base/publish.h"
#include "dns/dname_text.h"
#include "net/daemon.h"
#include "net/out_net.h"
#include "resolver/cache_memory.h"
#include "resolver/res_conf.h"
#include "resolver/res_serve.h"
#include "resolver/task.h"

enum { PORTS_WANTED = 16384, WRITE_SOON_MS = 5, HOT_PART = 16 /* of the cache's size */ };

/* Lifetime: worker. */
struct resolver {
    struct publish *publish;
    size_t worker, worker_cnt;
    const struct res_conf *conf; /* of the start */
    struct res_serve *serve;     /* from open on */
    struct cache_store *store;   /* the engine's */
    struct out *out;
    uv_prepare_t rest; /* before the loop waits: the turn is over */
    uv_timer_t soon;   /* and when something is still to be written */
};

static enum err configure(const char *path, struct diag *diag, void **conf,
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

static void free_conf(void *conf)
{
    struct res_conf *c = conf;
    res_conf_free(&c);
}

static enum err build(void *data, const void *before, void **version, char *summary,
                      size_t size)
{
    struct res_conf *conf = data;

    (void)before;
    snprintf(summary, size, "%zu stub zones, %zu forward zones, %zu records of local data",
             conf->stubs.cnt, conf->forwards.cnt, conf->local_data.cnt);
    *version = conf->policy;
    conf->policy = NULL;
    return ERR_OK;
}

static void free_version(void *version)
{
    struct policy *policy = version;
    policy_free(&policy);
}

/* ---- the engine of a worker ---- */

/* RFC 5452 4.5: a forger has to guess port and ID. */
static void tell_ports(void)
{
    unsigned cnt = out_net_port_cnt();

    if (cnt > 0 && cnt < PORTS_WANTED)
        log_warning(
            "questions leave from %u ports only: who forges replies has little to guess; "
            "sysctl -w "
            "net.ipv4.ip_local_port_range='1024 65535' gives them more",
            cnt);
}

/* The process's cache; without a place for it on disk each worker has one in memory. */
static void open_cache(struct res_conf *conf, size_t worker_cnt)
{
    struct cache_lmdb_conf want = {.directory = conf->cache_directory,
                                   .size = conf->cache_size,
                                   .worker_cnt = (unsigned)worker_cnt};
    char why[CACHE_DISK_WHY_MAX];

    if (!*conf->cache_directory)
        return;
    uint64_t start_ms = now_mono_ms();
    enum err err = cache_lmdb_open(&want, &conf->cache, why);
    if (err) {
        log_warning("cache: %s; it is in memory until the next start", why);
        return;
    }
    if (*why)
        log_warning("cache: %s", why);
    struct cache_lmdb_stats stats = cache_lmdb_stats(conf->cache);
    log_info("cache: %s, %" PRIu64 " MB, %" PRIu64 " entries, opened in %" PRIu64 " ms",
             conf->cache_directory, stats.size >> 20, stats.entries, now_mono_ms() - start_ms);
}

static void *new_engine(struct publish *publish, size_t worker, size_t worker_cnt, void *data)
{
    struct res_conf *conf = data;
    struct resolver *r = calloc(1, sizeof(*r));

    if (!r || (!conf->quota && quota_new(&conf->quota_limits, &conf->quota) != ERR_OK)) {
        free(r);
        return NULL;
    }
    if (worker == 0) {
        tell_ports();
        open_cache(conf, worker_cnt);
    }
    *r = (struct resolver){
        .publish = publish, .worker = worker, .worker_cnt = worker_cnt, .conf = conf};
    return r;
}

static void free_engine(void *engine)
{
    struct resolver *r = engine;
    res_serve_free(&r->serve);
    free(r);
}

/* With log level "debug" each step of each resolution is a line. */
static void log_step(void *data, const struct trace_event *e)
{
    static const char *const verbs[] = {"starts at", "asks", "hears from", "refuses a reply of",
                                        "ends:"};
    char name[DNAME_TEXT_MAX], zone[DNAME_TEXT_MAX], type[RRTYPE_NAME_MAX],
        server[ADDR_TEXT_MAX] = "";

    (void)data;
    dname_text_print(e->name, name);
    dname_text_print(e->zone, zone);
    rrtype_print(e->type, type);
    if (e->server)
        addr_print(e->server, server);
    log_debug("%04x %s %s, zone %s: %s %s%s%s", (unsigned)((uintptr_t)e->task >> 6 & 0xffff),
              name, type, zone, verbs[e->step], server, *server ? ": " : "", e->what);
}

static const struct trace_sink debug_log = {.note = log_step};

static void on_soon(uv_timer_t *timer) { (void)timer; /* the loop has turned, which is all */ }

static void on_rest(uv_prepare_t *rest)
{
    struct resolver *r = rest->data;
    if (r->store->settle(r->store) && !uv_is_active((uv_handle_t *)&r->soon))
        uv_timer_start(&r->soon, on_soon, WRITE_SOON_MS, 0);
}

static void watch_turns(struct resolver *r, uv_loop_t *loop)
{
    uv_prepare_init(loop, &r->rest);
    uv_timer_init(loop, &r->soon);
    r->rest.data = r;
    uv_prepare_start(&r->rest, on_rest);
}

static enum err make_store(struct resolver *r)
{
    return r->conf->cache ? cache_lmdb_view(r->conf->cache, &r->store)
                          : cache_memory_new(r->conf->cache_size / r->worker_cnt, &r->store);
}

static enum err open_engine(void *engine, struct uv_loop_s *loop)
{
    struct resolver *r = engine;
    struct out_net_sources sources = {.at = r->conf->outgoing.at, .cnt = r->conf->outgoing.cnt};
    struct engine *made;

    enum err err = out_net_new(loop, &sources, &r->out);
    if (!err)
        err = make_store(r);
    if (!err)
        err = engine_new(r->out, r->store, r->conf->quota, &made);
    if (err) {
        if (r->store)
            r->store->free(&r->store);
        out_net_close(&r->out);
        return err;
    }
    if (r->conf->server.log_level == LOG_LEVEL_DEBUG)
        made->trace = &debug_log;
    r->serve = res_serve_new(made, r->conf->cache_size / HOT_PART / r->worker_cnt);
    if (!r->serve) {
        task_free_engine(&made);
        out_net_close(&r->out);
        return ERR_NOMEM;
    }
    r->out->settle = res_serve_settle;
    r->out->data = r->serve;
    watch_turns(r, loop);
    return ERR_OK;
}

/* What a worker has done, in one line. */
static void log_counts(const struct resolver *r)
{
    const struct engine_counts *c = &res_serve_engine(r->serve)->counts;

    if (c->questions > 0)
        log_info("worker %zu: %" PRIu64 " questions, %" PRIu64 " answered at once (%" PRIu64
                 " of them hot), %" PRIu64 " with what had ended, %" PRIu64 " refused, %" PRIu64
                 " dropped; %" PRIu64 " resolutions (%" PRIu64 " ahead of time), %" PRIu64
                 " merged, %" PRIu64 " failed (%" PRIu64
                 " at a limit); servers were asked %" PRIu64 " times over UDP and %" PRIu64
                 " over TCP, %" PRIu64 " timeouts, %" PRIu64 " wrong replies",
                 r->worker, c->questions, c->hits, c->hot, c->stale, c->refused_clients,
                 c->dropped, c->tasks, c->prefetched, c->merged, c->failures, c->limited,
                 c->out_udp, c->out_tcp, c->timeouts, c->suspects);
}

static void close_engine(void *engine)
{
    struct resolver *r = engine;

    log_counts(r);
    res_serve_close(r->serve);
    out_net_close(&r->out);
    (void)r->store->settle(r->store);
    uv_close((uv_handle_t *)&r->rest, NULL);
    uv_close((uv_handle_t *)&r->soon, NULL);
}

static void turn(void *engine)
{
    struct resolver *r = engine;
    res_serve_adopt(r->serve, publish_take(r->publish, r->worker));
}

static void probe(void *engine, struct exchange *const *batch, size_t cnt)
{
    const struct resolver *r = engine;
    res_serve_probe(r->serve, batch, cnt);
}

static void serve(void *engine, struct exchange *ex)
{
    const struct resolver *r = engine;
    res_serve_question(r->serve, ex);
}

int main(int argc, char **argv)
{
    static const struct service service = {.probe = probe,
                                           .serve = serve,
                                           .turn = turn,
                                           .open = open_engine,
                                           .close = close_engine};
    static const struct daemon_calls calls = {
        .name = "rootline-resolver",
        .service = &service,
        .configure = configure,
        .free_conf = free_conf,
        .build = build,
        .free_version = free_version,
        .new_engine = new_engine,
        .free_engine = free_engine,
    };
    return daemon_main(&calls, argc, argv);
}
