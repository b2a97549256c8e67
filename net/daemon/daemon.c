/* The main thread reads files, builds versions and handles signals; workers answer queries.  So
 * a reload, however long it takes, costs a worker only the exchange of a pointer. */
#define _GNU_SOURCE
#include "net/daemon/daemon.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <pthread.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/file.h"
#include "base/folder.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/now.h"
#include "net/loop/descriptors.h"
#include "net/loop/fence.h"
#include "net/loop/listen.h"
#include "net/loop/loop.h"
#include "net/loop/privilege.h"
#include "net/transport/worker.h"

enum {
    EXIT_WRONG = 1,
    EXIT_USAGE = 2,
    FOLDER_MODE = 0750,
    SUMMARY_MAX = 200,
    HOST_MAX = 256,
    LIMITS_LOG_MS = 10000,
    SETTLE_MS = 5000, /* the longest wait for a configuration that is being written */
    CERTIFICATE_CHECK_MS = 1000,
    GUARD_MS = 1000,
    DAY_MS = 86400000,
    CLOCK_END_S = 4102444800, /* 2100-01-01 */
    LAST_PART = 5,            /* warn during the last 1/LAST_PART of a certificate's lifetime */
};

/* Counts of the limits on clients since the start. */
struct limit_counts {
    struct rate_limit_counts answers;
    struct conn_limit_counts connections;
    uint64_t bad_proxy_headers;
};

/* Lifetime: process. */
struct daemon {
    const struct daemon_calls *calls;
    const char *conf_path;
    void *conf;
    struct server_conf *server;
    struct exchange_settings settings;
    struct rate_limit *rate_limit;
    struct conn_limit *conn_limit;
    _Atomic uint64_t bad_proxy_headers;
    struct limit_counts logged; /* the counts that the log has reported */
    struct cookie_keys cookies;
    char hostname[HOST_MAX];
    struct publish publish;
    struct worker **workers;
    void *shared; /* by all engines (daemon_calls.new_shared) */
    void **engines;
    size_t worker_cnt, made_cnt, running_cnt;
    struct worker_sockets *sockets; /* of each worker in turn; a worker owns its own */
    size_t socket_cnt;              /* sockets that are open */
    struct descriptors descriptors;
    char summary[SUMMARY_MAX + 80]; /* of the newest version; "" once it is logged */
    uv_loop_t loop;
    uv_async_t done, renewal;
    uv_signal_t on_hup, on_term, on_int;
    uv_timer_t limits_timer; /* runs log_limits */
    struct job_box home;     /* jobs that return from workers */
    struct control *control; /* NULL: no control socket */
    int control_fd;          /* bound and not served yet; -1: none */
    int64_t start_ms;        /* wall */
    uint64_t start_mono_ms;
    uint64_t reloads, reloads_refused;
    struct exchange_listener *listeners;              /* settings.listeners */
    struct tls_server *tls;                           /* NULL: no certificates */
    uv_timer_t certificate_timer;                     /* runs watch_certificates */
    uint64_t warn_at_ms[TLS_SERVER_CERTIFICATES_MAX]; /* mono: the next warning about the
                                                         expiry of a certificate */
    uv_timer_t guard_timer; /* runs check_guard while the newest version has a weakness */
    bool is_stopping;
    bool has_failed; /* stopped by check_guard */
};

/* sd_notify(3) is one datagram; that is not worth linking libsystemd. */
static void notify_manager(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(to.sun_path))
        return;
    strcpy(to.sun_path, path);
    if (path[0] == '@')
        to.sun_path[0] = '\0'; /* the abstract namespace */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, len);
    close(fd);
}

static void notify_reloading(void)
{
    struct timespec ts;
    char state[80];
    clock_gettime(CLOCK_MONOTONIC, &ts);
    snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
    notify_manager(state);
}

/* ---- limits ---- */

/* Use the secrets of the file for cookies, or a random one. */
static void set_cookies(struct daemon *d, const struct server_conf *conf)
{
    uint8_t drawn[1][COOKIE_SECRET_LEN];

    if (conf->cookie_secret_cnt > 0) {
        cookie_set(&d->cookies, conf->cookie_secrets, conf->cookie_secret_cnt);
    } else if (!d->rate_limit) { /* at the start; a reload keeps the random secret */
        must(getrandom(drawn, sizeof(drawn), 0) == (ssize_t)sizeof(drawn));
        cookie_set(&d->cookies, (const uint8_t(*)[COOKIE_SECRET_LEN])drawn, 1);
    }
}

static struct limit_counts count_limits(const struct daemon *d)
{
    return (struct limit_counts){
        .answers = rate_limit_counts(d->rate_limit),
        .connections = conn_limit_counts(d->conn_limit),
        .bad_proxy_headers = atomic_load_explicit(&d->bad_proxy_headers, memory_order_relaxed)};
}

static void log_limited_answers(const struct daemon *d, const struct rate_limit_counts *now,
                                const struct rate_limit_counts *before)
{
    const char *verb = d->server->rate_limit.is_log_only ? "would have been " : "";

    if (now->dropped != before->dropped || now->slipped != before->slipped)
        log_warning("rate limit: %llu answers %sdropped and %llu %struncated in %d s",
                    (unsigned long long)(now->dropped - before->dropped), verb,
                    (unsigned long long)(now->slipped - before->slipped), verb,
                    LIMITS_LOG_MS / 1000);
    if (now->paced != before->paced || now->paced_dropped != before->paced_dropped)
        log_warning("deferred answers to addresses that may be spoofed: %llu delayed and %llu "
                    "dropped in %d s",
                    (unsigned long long)(now->paced - before->paced),
                    (unsigned long long)(now->paced_dropped - before->paced_dropped),
                    LIMITS_LOG_MS / 1000);
}

static void log_closed_connections(const struct daemon *d, const struct conn_limit_counts *now,
                                   const struct conn_limit_counts *before)
{
    if (now->closed_total != before->closed_total)
        log_warning("limit of %u connections reached: %llu evicted or rejected in %d s",
                    d->descriptors.connections,
                    (unsigned long long)(now->closed_total - before->closed_total),
                    LIMITS_LOG_MS / 1000);
    if (now->closed_client != before->closed_client)
        log_warning(
            "limit of %u connections per client reached: %llu evicted or rejected in %d s",
            d->server->conn_limit.connections_per_client,
            (unsigned long long)(now->closed_client - before->closed_client),
            LIMITS_LOG_MS / 1000);
    if (now->closed_memory != before->closed_memory)
        log_warning("limit of %llu MB for connections reached: %llu evicted in %d s",
                    (unsigned long long)(d->server->conn_limit.memory >> 20),
                    (unsigned long long)(now->closed_memory - before->closed_memory),
                    LIMITS_LOG_MS / 1000);
}

/* Answer paths only count, so that an attacker cannot fill the log. */
static void log_limits(uv_timer_t *timer)
{
    struct daemon *d = timer->data;
    struct limit_counts now = count_limits(d), *before = &d->logged;

    log_limited_answers(d, &now.answers, &before->answers);
    if (now.bad_proxy_headers != before->bad_proxy_headers)
        log_warning("PROXY headers: %llu were malformed or from peers that are not in "
                    "server.trusted-proxies, in %d s",
                    (unsigned long long)(now.bad_proxy_headers - before->bad_proxy_headers),
                    LIMITS_LOG_MS / 1000);
    log_closed_connections(d, &now.connections, &before->connections);
    *before = now;
}

static enum err set_up_limits(struct daemon *d, struct fault *fault)
{
    if (*d->server->cookie_file && d->server->cookie_secret_cnt == 0)
        return fault_set(fault, ERR_DENIED, "server.cookie-secrets: cannot read %s",
                         d->server->cookie_file);
    set_cookies(d, d->server);
    struct conn_limit_conf connections = d->server->conn_limit;
    connections.connections = d->descriptors.connections;
    enum err err = rate_limit_new(&d->server->rate_limit, &d->rate_limit);
    if (!err)
        err = conn_limit_new(&connections, d->worker_cnt * d->settings.listener_cnt,
                             &d->conn_limit);
    if (err)
        return fault_name(fault, err);
    d->settings.rate_limit = d->rate_limit;
    d->settings.conn_limit = d->conn_limit;
    d->settings.bad_proxy_headers = &d->bad_proxy_headers;
    d->settings.cookies = &d->cookies;
    uv_timer_init(&d->loop, &d->limits_timer);
    d->limits_timer.data = d;
    uv_timer_start(&d->limits_timer, log_limits, LIMITS_LOG_MS, LIMITS_LOG_MS);
    return ERR_OK;
}

/* ---- certificates ---- */

/* Warn once a day about certificates that expire soon or have expired. */
static void warn_of_expiry(struct daemon *d)
{
    struct tls_server_certificate c;
    char end[NOW_TEXT_MAX];
    int64_t now_ms = now_wall_ms();

    for (size_t i = 0; tls_server_certificate(d->tls, i, &c); i++) {
        bool is_soon = c.not_after_ms - now_ms < (c.not_after_ms - c.not_before_ms) / LAST_PART;
        if (!is_soon || now_mono_ms() < d->warn_at_ms[i])
            continue;
        d->warn_at_ms[i] = now_mono_ms() + DAY_MS;
        now_print(c.not_after_ms, end);
        if (now_ms > c.not_after_ms)
            log_error("certificate %s expired on %s: clients reject it; renew it", c.file, end);
        else
            log_warning("certificate %s expires on %s: renew it", c.file, end);
    }
}

static void log_certificates(struct daemon *d, enum tls_server_change change,
                             const struct fault *fault)
{
    struct tls_server_certificate c;
    char end[NOW_TEXT_MAX];

    if (change == TLS_SERVER_REJECTED)
        log_error("cannot load the changed certificates: %s; the previous ones stay in use",
                  fault->text);
    if (change == TLS_SERVER_UNREADABLE)
        log_warning("%s: the user of the service cannot read it; a renewed certificate takes "
                    "effect after "
                    "a restart",
                    fault->text);
    if (change != TLS_SERVER_LOADED)
        return;
    memset(d->warn_at_ms, 0, sizeof(d->warn_at_ms));
    for (size_t i = 0; tls_server_certificate(d->tls, i, &c); i++) {
        now_print(c.not_after_ms, end);
        log_info("certificate %s loaded: for %s, valid until %s", c.file,
                 *c.name ? c.name : "no name", end);
    }
}

/* For renewed files only: server_conf_check has warned of the first ones. */
static void warn_of_exposed_keys(const struct daemon *d)
{
    struct tls_server_certificate c;

    for (size_t i = 0; tls_server_certificate(d->tls, i, &c); i++)
        if (c.is_key_exposed)
            log_warning("%s: every user may read it: chmod o-r %s", c.key, c.key);
}

static bool reload_daemon(struct daemon *d, struct json **findings);

static void watch_certificates(uv_timer_t *timer)
{
    struct daemon *d = timer->data;
    struct tls_server_certificate before, now;
    struct fault fault = {0};

    must(tls_server_certificate(d->tls, 0, &before));
    enum tls_server_change change = tls_server_reload_changed(d->tls, &fault);
    log_certificates(d, change, &fault);
    if (change == TLS_SERVER_LOADED)
        warn_of_exposed_keys(d);
    must(tls_server_certificate(d->tls, 0, &now));
    warn_of_expiry(d);
    /* answers may contain the certificate's name and addresses (DDR) */
    if (strcmp(before.name, now.name) != 0 || before.addr_cnt != now.addr_cnt ||
        memcmp(before.addrs, now.addrs, sizeof(now.addrs)) != 0)
        (void)reload_daemon(d, NULL);
}

static enum err open_certificates(struct daemon *d, struct fault *fault)
{
    struct tls_server_files files[TLS_SERVER_CERTIFICATES_MAX];
    size_t cnt = server_conf_certificates(d->server, files);

    if (cnt == 0)
        return ERR_OK;
    enum err err = tls_server_new(files, cnt, &d->tls, fault);
    if (err)
        return err;
    d->settings.tls = d->tls;
    log_certificates(d, TLS_SERVER_LOADED, NULL);
    uv_timer_init(&d->loop, &d->certificate_timer);
    d->certificate_timer.data = d;
    uv_timer_start(&d->certificate_timer, watch_certificates, 0, CERTIFICATE_CHECK_MS);
    return ERR_OK;
}

/* Load the files that the configuration names now. */
static void reload_certificates(struct daemon *d, const struct server_conf *conf)
{
    struct tls_server_files files[TLS_SERVER_CERTIFICATES_MAX];
    size_t cnt = server_conf_certificates(conf, files);
    struct fault fault = {0};

    if ((cnt > 0) != (d->tls != NULL))
        log_warning(
            "adding the first or removing the last certificate takes effect after a restart");
    else if (cnt > 0)
        log_certificates(d, tls_server_reload(d->tls, files, cnt, &fault), &fault);
}

/* ---- reload ---- */

static bool same_addrs(const struct conf_addrs *a, const struct conf_addrs *b)
{
    if (a->cnt != b->cnt)
        return false;
    for (size_t i = 0; i < a->cnt; i++)
        if (!addr_is_equal(&a->at[i], &b->at[i]))
            return false;
    return true;
}

static bool same_prefixes(const struct addr_prefixes *a, const struct addr_prefixes *b)
{
    if (a->cnt != b->cnt)
        return false;
    for (size_t i = 0; i < a->cnt; i++)
        if (a->at[i].bits != b->at[i].bits || !addr_is_equal(&a->at[i].addr, &b->at[i].addr))
            return false;
    return true;
}

/* Compare the settings that take effect only at the start: listeners and trusted proxies. */
static bool same_listeners(const struct server_conf *a, const struct server_conf *b)
{
    for (size_t i = 0; i < EXCHANGE_STACK_CNT; i++)
        if (!same_addrs(&a->listen[i], &b->listen[i]))
            return false;
    return same_prefixes(&a->trusted_proxies, &b->trusted_proxies) &&
           strcmp(a->https_path, b->https_path) == 0;
}

static bool same_limits(const struct server_conf *a, const struct server_conf *b)
{
    const struct rate_limit_conf *r = &a->rate_limit, *s = &b->rate_limit;
    const struct conn_limit_conf *c = &a->conn_limit, *d = &b->conn_limit;

    return same_prefixes(&r->exempt, &s->exempt) && r->per_second == s->per_second &&
           r->slip == s->slip && r->is_log_only == s->is_log_only && c->memory == d->memory &&
           c->connections == d->connections &&
           c->connections_per_client == d->connections_per_client && c->idle_ms == d->idle_ms;
}

/* Read the configuration file.  *findings are its errors and warnings; `findings` may be NULL.
 */
static enum err read_conf(struct daemon *d, void **conf, struct server_conf **server,
                          struct json **findings)
{
    struct diag diag;
    diag_init(&diag);
    enum err err = d->calls->configure(d->conf_path, &diag, conf, server);
    if (d->server) /* a reload: findings go to the log */
        diag_log(&diag);
    else
        diag_print(&diag, stderr, isatty(STDERR_FILENO));
    if (err && diag.error_cnt == 0)
        log_error("%s: %s", d->conf_path, err_name(err));
    /* after dropping root the file may be unreadable; the certificate in use was read before */
    if (!err && d->tls && *(*server)->tls_certificate && !*(*server)->certificate.file)
        must(tls_server_certificate(d->tls, 0, &(*server)->certificate));
    if (findings)
        *findings = diag_to_json(&diag);
    diag_fini(&diag);
    return err;
}

/* Log what is served now, once. */
static void log_version(struct daemon *d)
{
    if (*d->summary)
        log_info("%s", d->summary);
    *d->summary = '\0';
}

static void check_guard(uv_timer_t *timer);

/* Publish a version.  Its notice comes first: a worker that has taken the version must not find
 * the notice of the one before, which may then be freed. */
static enum err publish_version(struct daemon *d, void *version)
{
    const char *weakness = d->calls->weakness ? d->calls->weakness(version) : "";
    const char *before = atomic_exchange_explicit(
        &d->settings.notice, *weakness ? weakness : NULL, memory_order_relaxed);
    enum err err = publish_put(&d->publish, version, d->calls->free_version);

    if (err) {
        atomic_store_explicit(&d->settings.notice, before, memory_order_relaxed);
        return err;
    }
    if (*weakness) {
        log_warning("%s: for a laboratory only", weakness);
        uv_timer_start(&d->guard_timer, check_guard, 0, GUARD_MS);
    } else {
        uv_timer_stop(&d->guard_timer);
    }
    return ERR_OK;
}

/* Build and publish a version with `build`, one of the calls, and set d->summary. */
static enum err build_version(struct daemon *d,
                              enum err (*build)(void *conf, void *before, void **version,
                                                char *summary, size_t size),
                              const char *verb)
{
    void *version;
    char summary[SUMMARY_MAX] = "";
    uint64_t start_ms = now_mono_ms();

    enum err err =
        build(d->conf, publish_newest(&d->publish), &version, summary, sizeof(summary));
    if (!err) {
        err = publish_version(d, version);
        if (err)
            d->calls->free_version(version);
    }
    if (err)
        log_error("%s: cannot load its data: %s", d->conf_path, err_name(err));
    else
        snprintf(d->summary, sizeof(d->summary), "%s: %s in %llu ms", verb, summary,
                 (unsigned long long)(now_mono_ms() - start_ms));
    return err;
}

static void wake_workers_of(struct daemon *d)
{
    for (size_t i = 0; i < d->worker_cnt; i++)
        worker_wake(d->workers[i]);
}

static void renew_version(uv_async_t *renewal)
{
    struct daemon *d = renewal->data;

    if (d->is_stopping)
        return;
    log_version(d); /* of one that not all workers have adopted yet */
    if (build_version(d, d->calls->renew, "renewed") == ERR_OK)
        wake_workers_of(d);
}

void daemon_renew(struct daemon *daemon) { uv_async_send(&daemon->renewal); }

/* Apply a new configuration: build a version from it.  Settings of the server that cannot
 * change without a restart stay. */
static enum err adopt_conf(struct daemon *d, void *conf, struct server_conf *server)
{
    if (!same_listeners(server, d->server))
        log_warning(
            "changes of server.listen, listen-tls, listen-https, listen-http, https-path and "
            "trusted-proxies take effect after a restart");
    if (!same_limits(server, d->server))
        log_warning("changes of server.rate-limit and of limits on connections take effect "
                    "after a restart");
    set_cookies(d, server);
    reload_certificates(d, server);
    void *old_conf = d->conf;
    d->conf = conf;
    enum err err = build_version(d, d->calls->build, "reloaded");
    if (!err)
        wake_workers_of(d);
    d->conf = old_conf;
    d->calls->free_conf(conf);
    return err;
}

/* Wait until the configuration file is complete.  ERR_TIME: it is still being written, which
 * is logged and, unless `findings` is NULL, the one finding. */
static enum err settle_conf(const struct daemon *d, struct json **findings)
{
    struct diag_place place = {.file = d->conf_path};
    unsigned wait_ms = SETTLE_MS;
    struct diag diag;

    if (file_settle(d->conf_path, &wait_ms) != ERR_TIME)
        return ERR_OK; /* read_conf reports another error */
    log_error("reload failed: %s: %s", d->conf_path, file_problem(ERR_TIME));
    diag_init(&diag);
    diag_add(&diag, DIAG_ERROR, &place, "%s", file_problem(ERR_TIME));
    if (findings)
        *findings = diag_to_json(&diag);
    diag_fini(&diag);
    return ERR_TIME;
}

/* False: the previous version is still served.  *findings as from read_conf. */
static bool reload_daemon(struct daemon *d, struct json **findings)
{
    void *conf;
    struct server_conf *server;

    log_version(d); /* of a reload that not all workers have adopted yet */
    notify_reloading();
    log_info("reloading %s", d->conf_path);
    enum err err = settle_conf(d, findings);
    if (!err) {
        err = read_conf(d, &conf, &server, findings);
        if (err)
            log_error("reload failed: %s has errors; the previous configuration stays in use",
                      d->conf_path);
        else
            err = adopt_conf(d, conf, server);
    }
    err ? d->reloads_refused++ : d->reloads++;
    notify_manager("READY=1");
    return !err;
}

static void reload_on_signal(uv_signal_t *signal, int number)
{
    struct daemon *d = signal->data;

    (void)number;
    if (!d->is_stopping)
        (void)reload_daemon(d, NULL);
}

/* ---- control ---- */

static void put_process_memory(struct json *status)
{
    unsigned long long size, resident, shared;
    FILE *f = fopen("/proc/self/statm", "re");

    if (!f)
        return;
    if (fscanf(f, "%llu %llu %llu", &size, &resident, &shared) == 3) {
        int64_t page = sysconf(_SC_PAGESIZE);
        struct json *memory = json_put_object(status, "memory");
        json_put_number(memory, "resident", (int64_t)resident * page);
        json_put_number(memory, "files", (int64_t)shared * page);
    }
    fclose(f);
}

const struct daemon_counter daemon_counters[] = {
#define COUNTER(id, help, value) {(id), (help)},
#include "net/daemon/counters.def"
};
const size_t daemon_counter_cnt = ARRAY_LEN(daemon_counters);

static void put_limits(const struct daemon *d, struct json *to)
{
    struct limit_counts c = count_limits(d);

#define COUNTER(id, help, value) json_put_number(to, (id), (int64_t)(value));
#include "net/daemon/counters.def"
}

static void put_connections(const struct daemon *d, struct json *to)
{
    struct conn_limit_counts c = conn_limit_counts(d->conn_limit);

    json_put_number(to, "open", (int64_t)c.connections);
    json_put_number(to, "memory", (int64_t)c.memory);
}

static void put_certificates(const struct daemon *d, struct json *status)
{
    struct tls_server_counts counts = tls_server_counts(d->tls);
    struct tls_server_certificate c;
    char end[NOW_TEXT_MAX];
    struct json *tls = json_put_object(status, "tls");

    json_put_number(tls, "handshakes", (int64_t)counts.handshakes);
    json_put_number(tls, "resumed", (int64_t)counts.resumed);
    json_put_number(tls, "failed", (int64_t)counts.failed);
    struct json *list = json_put_list(tls, "certificates");
    for (size_t i = 0; tls_server_certificate(d->tls, i, &c); i++) {
        struct json *one = json_add_object(list);
        json_put_text(one, "file", c.file);
        json_put_text(one, "name", c.name);
        now_print(c.not_after_ms, end);
        json_put_text(one, "until", end);
        json_put_bool(one, "has-ended", c.not_after_ms < now_wall_ms());
        json_put_number(one, "days-left", (c.not_after_ms - now_wall_ms()) / DAY_MS);
    }
}

static void put_listeners(const struct daemon *d, struct json *status)
{
    char text[ADDR_TEXT_MAX];

    for (size_t stack = 0; stack < EXCHANGE_STACK_CNT; stack++) {
        struct json *list = NULL;
        for (size_t i = 0; i < d->settings.listener_cnt; i++) {
            if (d->listeners[i].stack != stack)
                continue;
            if (!list)
                list = json_put_list(status, exchange_stacks[stack].key);
            addr_print(&d->listeners[i].address, text);
            json_add_text(list, text);
        }
    }
}

static void begin_status(struct control_call *call, void *data)
{
    const struct daemon *d = data;
    struct json *status = call->result;
    char text[ADDR_TEXT_MAX + NOW_TEXT_MAX];

    json_put_text(status, "program", d->calls->name);
    json_put_text(status, "version", ROOTLINE_VERSION);
    json_put_number(status, "pid", getpid());
    now_print(d->start_ms, text);
    json_put_text(status, "started", text);
    json_put_number(status, "uptime-s", (int64_t)((now_mono_ms() - d->start_mono_ms) / 1000));
    json_put_text(status, "configuration", d->conf_path);
    json_put_number(status, "reloads", (int64_t)d->reloads);
    json_put_number(status, "reloads-refused", (int64_t)d->reloads_refused);
    put_listeners(d, status);
    json_put_number(status, "workers", (int64_t)d->worker_cnt);
    put_process_memory(status);
    put_connections(d, json_put_object(status, "connections"));
    put_limits(d, json_put_object(status, "limits"));
    if (d->tls)
        put_certificates(d, status);
}

static void begin_stats(struct control_call *call, void *data)
{
    put_limits(data, call->result);
}

static void begin_reload(struct control_call *call, void *data)
{
    struct daemon *d = data;
    struct json *findings = NULL;

    json_put_bool(call->result, "accepted", reload_daemon(d, &findings));
    json_put_text(call->result, "summary", d->summary);
    json_put(call->result, "findings", findings);
}

static void show_line(void *data, const struct log_kept *line)
{
    struct json *one = json_add_object(data);
    char when[NOW_TEXT_MAX];

    now_print(line->when_ms, when);
    json_put_text(one, "time", when);
    json_put_text(one, "level", log_level_name(line->level));
    json_put_text(one, "message", line->text);
}

static void begin_log(struct control_call *call, void *data)
{
    int64_t cnt = json_get_number(call->request, "last", LOG_KEPT);

    (void)data;
    if (cnt < 1)
        control_fail(call, "log: \"last\" must be at least 1");
    else
        log_last((size_t)cnt, show_line, json_put_list(call->result, "lines"));
}

/* Only forward: what a clock set back does is that of a faulty machine, not of a class. Workers
 * wake, because they may be waiting for a moment that has passed now. */
static void begin_clock(struct control_call *call, void *data)
{
    const struct daemon *d = data;
    int64_t add_s = json_get_number(call->request, "add-s", 0);
    struct fault fault;
    char text[NOW_TEXT_MAX];

    if (add_s < 1 || add_s > CLOCK_END_S - now_wall_ms() / 1000) {
        control_fail(call, "clock: \"add-s\" must be a number of seconds, at least 1, and the "
                           "clock must stay before the year 2100");
        return;
    }
    if (fence_check(&fault) != ERR_OK) {
        control_fail(call,
                     "clock: the clock may be moved only in a network that packets cannot "
                     "leave: %s",
                     fault.text);
        return;
    }
    now_add_wall(add_s * 1000);
    now_print(now_wall_ms(), text);
    log_warning("laboratory: the clock of this daemon was moved forward by %lld s, to %s",
                (long long)add_s, text);
    for (size_t i = 0; i < d->worker_cnt; i++)
        worker_wake(d->workers[i]);
    json_put_text(call->result, "time", text);
}

static const struct control_command commands[] = {
    {.name = "status", .begin = begin_status}, {.name = "stats", .begin = begin_stats},
    {.name = "reload", .begin = begin_reload}, {.name = "log", .begin = begin_log},
    {.name = "clock", .begin = begin_clock},   {.name = NULL},
};

static enum err serve_control(struct daemon *d, const char *path, struct fault *fault)
{
    struct control_parts parts = {.loop = &d->loop,
                                  .home = &d->home,
                                  .workers = d->workers,
                                  .worker_cnt = d->worker_cnt,
                                  .settings = &d->settings,
                                  .commands = {commands, d->calls->commands},
                                  .data = d};
    int fd = d->control_fd;
    enum err err = fd >= 0 ? ERR_OK : control_bind(path, "", &fd, fault);

    d->control_fd = -1;
    if (err)
        return err;
    return fault_name(fault, control_open(&parts, path, fd, &d->control));
}

static bool is_control_given(const struct daemon *d)
{
    return strcmp(d->server->control, "auto") != 0;
}

/* Find the path of place number `place`; a configured path is the only place. */
static enum err find_control(const struct daemon *d, unsigned place, char out[CONTROL_PATH_MAX],
                             struct fault *fault)
{
    const char *dash = strchr(d->calls->name, '-');

    if (!is_control_given(d))
        return control_path_get(dash ? dash + 1 : d->calls->name, place, out);
    if (place > 0)
        return ERR_ABSENT;
    char *path = file_resolve(d->conf_path, d->server->control);
    enum err err = path ? ERR_OK : ERR_NOMEM;
    if (path && strlen(path) >= CONTROL_PATH_MAX)
        err = ERR_SPACE;
    if (err)
        fault_set(fault, err,
                  path ? "%s: the path of a socket must be shorter than 108 octets" : "%s",
                  path ? path : "out of memory");
    else
        strcpy(out, path);
    free(path);
    return err;
}

/* A configured path must work; of the default places the first that works is used. */
static enum err open_control(struct daemon *d, struct fault *fault)
{
    char path[CONTROL_PATH_MAX];

    if (!*d->server->control)
        return ERR_OK;
    for (unsigned i = 0; i < CONTROL_PATH_PLACES; i++) {
        enum err err = find_control(d, i, path, fault);
        if (!err)
            err = serve_control(d, path, fault);
        if (is_control_given(d))
            return err;
        if (!err || err == ERR_LIMIT) {
            if (err)
                log_info("control: %s; set server.control to give this daemon its own socket",
                         fault->text);
            return ERR_OK;
        }
    }
    log_warning("control: no default path is usable (%s); set server.control", fault->text);
    return ERR_OK;
}

/* ---- end ---- */

/* Close the sockets that no worker owns. */
static void close_unused_sockets(struct daemon *d)
{
    for (size_t i = d->made_cnt * d->settings.listener_cnt; i < d->socket_cnt; i++) {
        if (d->sockets[i].udp_fd >= 0)
            close(d->sockets[i].udp_fd);
        close(d->sockets[i].tcp_fd);
    }
    free(d->sockets);
    if (d->control_fd >= 0)
        close(d->control_fd);
}

static void run_home_jobs(uv_async_t *done)
{
    struct daemon *d = done->data;
    job_run_all(&d->home, d);
    if (publish_collect(&d->publish) == 0)
        log_version(d); /* all workers have adopted it */
}

static void stop_daemon(struct daemon *d)
{
    d->is_stopping = true;
    notify_manager("STOPPING=1");
    control_close(d->control);
    for (size_t i = 0; i < d->worker_cnt; i++)
        worker_stop(d->workers[i]);
    uv_stop(&d->loop);
}

static void stop_on_signal(uv_signal_t *signal, int number)
{
    struct daemon *d = signal->data;

    if (d->is_stopping)
        return;
    log_info("stopping on %s", number == SIGTERM ? "SIGTERM" : "SIGINT");
    stop_daemon(d);
}

static void check_guard(uv_timer_t *timer)
{
    struct daemon *d = timer->data;
    struct fault fault;

    if (d->is_stopping || d->calls->guard(d->shared, &fault) == ERR_OK)
        return;
    log_error("stopping: a defence is switched off, and packets could leave: %s", fault.text);
    d->has_failed = true;
    stop_daemon(d);
}

static void close_any_handle(uv_handle_t *handle, void *data)
{
    (void)data;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void end_daemon(struct daemon *d)
{
    for (size_t i = 0; i < d->worker_cnt; i++) {
        if (d->workers)
            worker_join(&d->workers[i]);
        if (d->engines && d->engines[i])
            d->calls->free_engine(d->engines[i]);
    }
    if (d->shared)
        d->calls->free_shared(d->shared);
    close_unused_sockets(d);
    free(d->workers);
    free(d->engines);
    job_run_all(&d->home, d); /* calls that have returned meanwhile */
    job_box_fini(&d->home);
    control_close(d->control);
    publish_fini(&d->publish);
    rate_limit_free(&d->rate_limit);
    conn_limit_free(&d->conn_limit);
    tls_server_free(&d->tls);
    free(d->listeners);
    /* closing the handle restores the default action: another signal would kill the process */
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    uv_walk(&d->loop, close_any_handle, NULL);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    uv_loop_close(&d->loop);
    control_free(&d->control);
    if (d->conf)
        d->calls->free_conf(d->conf);
}

/* ---- start ---- */

/* List the addresses to listen on, with their protocols. */
static enum err list_listeners(struct daemon *d)
{
    const struct conf_addrs *all = d->server->listen;
    size_t cnt = 0;

    for (size_t i = 0; i < EXCHANGE_STACK_CNT; i++)
        cnt += all[i].cnt;
    d->listeners = calloc(cnt + 1, sizeof(*d->listeners));
    if (!d->listeners)
        return ERR_NOMEM;
    for (size_t i = 0; i < EXCHANGE_STACK_CNT; i++)
        for (size_t j = 0; j < all[i].cnt; j++)
            d->listeners[d->settings.listener_cnt++] = (struct exchange_listener){
                .address = all[i].at[j], .stack = (enum exchange_stack)i};
    d->settings.listeners = d->listeners;
    return ERR_OK;
}

static enum err set_descriptors(struct daemon *d, struct fault *fault)
{
    unsigned all = d->calls->sockets / (unsigned)d->worker_cnt;
    struct descriptors_wish wish = {.workers = (unsigned)d->worker_cnt,
                                    .listeners = (unsigned)d->settings.listener_cnt,
                                    .connections = d->server->conn_limit.connections,
                                    .sockets = (unsigned)util_min(d->calls->sockets_each, all)};
    enum err err = descriptors_set(&wish, &d->descriptors, fault);

    if (!err && loop_reserve(&d->loop, d->descriptors.limit) != ERR_OK)
        err = fault_set(fault, ERR_NOMEM, "out of memory for a table of %u descriptors",
                        d->descriptors.limit);
    return err;
}

/* Open the sockets of all workers, while the process may still bind low ports. */
static enum err open_worker_sockets(struct daemon *d, struct fault *fault)
{
    size_t cnt = d->settings.listener_cnt;
    enum err err = ERR_OK;

    d->sockets = calloc(d->worker_cnt * cnt + 1, sizeof(*d->sockets));
    if (!d->sockets)
        return fault_name(fault, ERR_NOMEM);
    for (size_t i = 0; i < cnt && !err; i++)
        err = listen_probe(&d->listeners[i].address,
                           exchange_stacks[d->listeners[i].stack].has_udp, fault);
    while (d->socket_cnt < d->worker_cnt * cnt && !err) {
        struct worker_sockets *s = &d->sockets[d->socket_cnt];
        *s = (struct worker_sockets){
            .at = d->listeners[d->socket_cnt % cnt], .udp_fd = -1, .tcp_fd = -1};
        bool has_udp = exchange_stacks[s->at.stack].has_udp;
        err = listen_open(&s->at.address, has_udp ? &s->udp_fd : NULL, &s->tcp_fd, fault);
        d->socket_cnt += !err;
    }
    return err;
}

/* Create the socket's folder for the user; if the folder is root's own, bind the socket too. */
static void prepare_control(struct daemon *d)
{
    const char *user = d->server->user;
    char path[CONTROL_PATH_MAX];
    struct fault fault = {0};

    enum err err = find_control(d, CONTROL_PATH_SYSTEM, path, &fault);
    if (!err)
        err = control_path_make_folder(path, user, &fault);
    if (!err && control_path_is_roots(path))
        err = control_bind(path, user, &d->control_fd, &fault);
    if (err && err != ERR_LIMIT) /* open_control reports ERR_LIMIT */
        log_warning("control: %s", fault.text);
}

/* As root, create for `server.user` what that user may not be able to create. */
static void prepare_for_user(struct daemon *d)
{
    const char *user = d->server->user;
    struct fault fault = {0};

    if (geteuid() != 0 || !*user)
        return;
    if (*d->server->control)
        prepare_control(d);
    const char *directory = d->calls->directory ? d->calls->directory(d->conf) : "";
    if (*directory && folder_make(directory, FOLDER_MODE, user, &fault) != ERR_OK)
        log_warning("%s", fault.text);
}

/* Choose the core of a worker: the cores that the process may use, in turn. */
static int choose_cpu(size_t number)
{
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return -1;
    size_t skip = number % (size_t)CPU_COUNT(&allowed);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && skip-- == 0)
            return (int)cpu;
    return -1;
}

static enum err make_worker(struct daemon *d, size_t number)
{
    size_t cnt = d->settings.listener_cnt;
    struct daemon_engine engine = {.publish = &d->publish,
                                   .worker = number,
                                   .worker_cnt = d->worker_cnt,
                                   .conf = d->conf,
                                   .shared = d->shared,
                                   .sockets = d->descriptors.sockets,
                                   .daemon = d};
    d->engines[number] = d->calls->new_engine(&engine);
    if (!d->engines[number])
        return ERR_NOMEM;
    struct worker_parts parts = {.settings = &d->settings,
                                 .service = d->calls->service,
                                 .engine = d->engines[number],
                                 .sockets = &d->sockets[number * cnt],
                                 .socket_cnt = cnt,
                                 .descriptors = d->descriptors.limit,
                                 .cpu = d->server->is_pinning ? choose_cpu(number) : -1,
                                 .done = &d->done};
    d->made_cnt++;
    return worker_new(&parts, &d->workers[number]);
}

static enum err make_workers(struct daemon *d)
{
    enum err err = ERR_OK;

    if (d->calls->new_shared) {
        d->shared = d->calls->new_shared(d->conf, d->worker_cnt);
        if (!d->shared)
            return ERR_NOMEM;
    }
    d->workers = calloc(d->worker_cnt, sizeof(struct worker *));
    d->engines = calloc(d->worker_cnt, sizeof(void *));
    if (!d->workers || !d->engines)
        return ERR_NOMEM;
    for (size_t i = 0; i < d->worker_cnt && !err; i++)
        err = make_worker(d, i);
    return err;
}

static size_t count_cores(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? util_min((size_t)online, PUBLISH_WORKERS_MAX) : 1;
}

static void log_ready(const struct daemon *d)
{
    char line[1024] = "", text[ADDR_TEXT_MAX];
    size_t len = 0;

    for (size_t i = 0; i < d->settings.listener_cnt && len + 80 < sizeof(line); i++) {
        enum exchange_stack stack = d->listeners[i].stack;
        addr_print(&d->listeners[i].address, text);
        len += (size_t)snprintf(line + len, sizeof(line) - len, " %s", text);
        if (stack != EXCHANGE_STACK_DNS)
            len += (size_t)snprintf(line + len, sizeof(line) - len, " (%s)",
                                    exchange_stacks[stack].name);
    }
    log_info("ready on%s, %zu worker%s", line, d->worker_cnt, d->worker_cnt == 1 ? "" : "s");
    notify_manager("READY=1");
}

static void watch_signals(struct daemon *d)
{
    static const int numbers[] = {SIGHUP, SIGTERM, SIGINT};
    uv_signal_t *handles[] = {&d->on_hup, &d->on_term, &d->on_int};

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        uv_signal_init(&d->loop, handles[i]);
        handles[i]->data = d;
        uv_signal_start(handles[i], i == 0 ? reload_on_signal : stop_on_signal, numbers[i]);
    }
}

static enum err start_daemon(struct daemon *d)
{
    struct fault fault = {0};

    enum err err = read_conf(d, &d->conf, &d->server, NULL);
    if (err)
        return err;
    log_set((enum log_level)d->server->log_level, (enum log_format)d->server->log_format);
    if (d->server->clock_ms)
        now_set_wall(d->server->clock_ms);
    d->start_ms = now_wall_ms();
    d->worker_cnt = d->server->worker_cnt ? d->server->worker_cnt : count_cores();
    publish_init(&d->publish, d->worker_cnt);
    d->settings.identity = d->server->identity;
    d->settings.udp_size = (uint16_t)d->server->udp_size;
    d->settings.is_rotating = d->server->is_rotating;
    d->settings.https_path = d->server->https_path;
    d->settings.trusted_proxies = d->server->trusted_proxies;
    err = fault_name(&fault, list_listeners(d));
    if (!err)
        err = set_descriptors(d, &fault);
    if (!err)
        err = set_up_limits(d, &fault);
    if (!err)
        err = open_certificates(d, &fault);
    if (!err)
        err = open_worker_sockets(d, &fault);
    if (!err) { /* from now on files may be created where the user can put links: not as root */
        prepare_for_user(d);
        err = privilege_drop(d->server->user, &fault);
    }
    if (!err)
        err = fault_name(&fault, make_workers(d));
    if (!err)
        err = open_control(d, &fault);
    if (err) {
        log_error("cannot start: %s", fault.text);
        return err;
    }
    watch_signals(d);
    err = build_version(d, d->calls->build, "loaded");
    log_version(d);
    for (; d->running_cnt < d->worker_cnt && !err; d->running_cnt++)
        err = worker_start(d->workers[d->running_cnt]);
    return err;
}

static void wake_main_thread(void *bell) { uv_async_send(bell); }

static int print_daemon_usage(const char *name, FILE *out)
{
    fprintf(
        out,
        "usage: %s -c FILE\n"
        "  -c FILE     read the configuration from FILE; \"rootline check FILE\" checks it\n"
        "  -h          print this help\n"
        "  -V          print the version\n"
        "SIGHUP: reload; SIGTERM, SIGINT: stop.\n",
        name);
    return out == stderr ? EXIT_USAGE : 0;
}

int daemon_main(const struct daemon_calls *calls, int argc, char **argv)
{
    struct daemon d = {.calls = calls, .control_fd = -1};
    int option;

    static const struct option options[] = {{"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {"config", required_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    while ((option = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
        switch (option) {
        case 'c': d.conf_path = optarg; break;
        case 'h': return print_daemon_usage(calls->name, stdout);
        case 'V': printf("%s %s\n", calls->name, ROOTLINE_VERSION); return 0;
        default: return print_daemon_usage(calls->name, stderr);
        }
    }
    if (!d.conf_path || optind != argc)
        return print_daemon_usage(calls->name, stderr);

    hash_init();
    if (gethostname(d.hostname, sizeof(d.hostname) - 1) != 0)
        strcpy(d.hostname, "unknown");
    d.settings = (struct exchange_settings){
        .identity = "", .hostname = d.hostname, .version = "Rootline " ROOTLINE_VERSION};
    int status = uv_loop_init(&d.loop);
    if (status != 0) {
        log_error("cannot start: %s", uv_strerror(status));
        return EXIT_WRONG;
    }
    uv_async_init(&d.loop, &d.done, run_home_jobs);
    uv_async_init(&d.loop, &d.renewal, renew_version);
    d.done.data = d.renewal.data = &d;
    job_box_init(&d.home, wake_main_thread, &d.done);
    uv_timer_init(&d.loop, &d.guard_timer);
    d.guard_timer.data = &d;
    d.start_mono_ms = now_mono_ms();
    enum err err = start_daemon(&d);
    if (!err) {
        log_ready(&d);
        uv_run(&d.loop, UV_RUN_DEFAULT);
    } else {
        for (size_t i = 0; i < d.running_cnt; i++)
            worker_stop(d.workers[i]);
    }
    end_daemon(&d);
    if (!err)
        log_info("stopped");
    return err || d.has_failed ? EXIT_WRONG : 0;
}
