/* The tests decide what servers reply. */
#include "tests/scenario/stage.h"

#include "base/now.h"
#include "net/request/intake.h"
#include "net/request/reply.h"
#include <unistd.h>

#include "resolver/cache/cache_memory.h"

enum { QUERY_LEN_MAX = 4096, CACHE_BYTES = 8 << 20, ANSWER_CACHE_BYTES = 1 << 20 };

/* A query of a client.  Lifetime: until stage_forget. */
struct stage_client {
    struct stage_client *next;
    struct exchange ex;
    struct exchange_deferred deferred;
    uint8_t query[QUERY_LEN_MAX];
    uint8_t reply[4096], deferred_reply[4096];
    struct stage *stage;
};

volatile bool stage_takes_memory; /* volatile: not moved across the call */

/* Allocate zeroed memory. */
static void *take_memory(size_t size)
{
    stage_takes_memory = true;
    void *at = calloc(1, size);
    stage_takes_memory = false;
    must(at != NULL);
    return at;
}

/* ---- the cache ---- */

static void ignore_announcement(void *data, uint64_t hash)
{
    (void)data;
    (void)hash;
}

static struct cache_store *make_store(struct stage *s)
{
    struct cache_lmdb_conf conf = {.directory = getenv("STAGE_STORE"),
                                   .size = CACHE_BYTES,
                                   .worker_cnt = 1,
                                   .announced = ignore_announcement};
    struct cache_store *store;
    char path[500];
    struct fault fault;

    if (!conf.directory) {
        must(cache_memory_new(CACHE_BYTES, &store) == ERR_OK);
        return store;
    }
    snprintf(path, sizeof(path), "%s/" CACHE_DISK_FILE, conf.directory);
    unlink(path);
    must(cache_lmdb_open(&conf, &s->disk, &fault) == ERR_OK &&
         cache_lmdb_view(s->disk, &store) == ERR_OK);
    return store;
}

/* As a worker does between two turns; on LMDB everything is written at once. */
void stage_settle(struct stage *s)
{
    struct cache_store *store = s->engine->cache.store;
    if (s->disk)
        store->announce(store, 0, true);
    store->settle(store);
    while (!s->keeps_paused && res_serve_is_paused(s->serve)) {
        res_serve_come_back(s->serve);
        store->settle(store);
    }
}

/* ---- queries to servers ---- */

static enum err start_stage_query(struct out *out, struct out_ask *a)
{
    struct stage *s = container_of(out, struct stage, out);
    if (s->has_no_v6 && addr_is_v6(&a->match.to))
        return ERR_IO;
    if (s->pending_cnt == STAGE_PENDING_MAX)
        return ERR_LIMIT;
    s->deadline_ms[s->pending_cnt] = now_mono_ms() + a->timeout_ms;
    s->pending[s->pending_cnt++] = a;
    if (s->asked)
        s->asked(s, a);
    return ERR_OK;
}

static void remove_pending(struct stage *s, size_t i)
{
    s->pending_cnt--;
    memmove(s->pending + i, s->pending + i + 1, (s->pending_cnt - i) * sizeof(s->pending[0]));
    memmove(s->deadline_ms + i, s->deadline_ms + i + 1,
            (s->pending_cnt - i) * sizeof(s->deadline_ms[0]));
}

static void cancel_stage_query(struct out *out, struct out_ask *a)
{
    struct stage *s = container_of(out, struct stage, out);
    for (size_t i = 0; i < s->pending_cnt; i++)
        if (s->pending[i] == a) {
            remove_pending(s, i);
            return;
        }
}

bool stage_deliver(struct stage *s, size_t i, const struct addr *from, uint8_t *wire,
                   size_t len)
{
    struct out_ask *a = s->pending[i];
    struct message reply;
    enum match_verdict verdict = match_reply(&a->match, from, wire, len, &reply);

    if (verdict == MATCH_OK) {
        remove_pending(s, i);
        a->done(a, OUT_REPLY, &reply);
    } else {
        a->rejected(a, &(struct out_rejected){verdict, from, wire, len});
        if (a->ignores_mismatch && !a->is_tcp)
            return false;
        remove_pending(s, i);
        a->done(a, a->is_tcp ? OUT_FAILED : OUT_MISMATCH, NULL);
    }
    res_serve_settle(s->serve);
    stage_settle(s);
    return verdict == MATCH_OK;
}

bool stage_time_out(struct stage *s)
{
    size_t first = 0;

    if (s->pending_cnt == 0)
        return false;
    for (size_t i = 1; i < s->pending_cnt; i++)
        if (s->deadline_ms[i] < s->deadline_ms[first])
            first = i;
    struct out_ask *a = s->pending[first];
    uint64_t now_ms = now_mono_ms(), end_ms = s->deadline_ms[first];
    remove_pending(s, first);
    if (end_ms > now_ms)
        now_advance(end_ms - now_ms);
    a->done(a, OUT_TIMEOUT, NULL);
    res_serve_settle(s->serve);
    stage_settle(s);
    return true;
}

size_t stage_time_out_all(struct stage *s)
{
    struct out_ask *pending[STAGE_PENDING_MAX];
    size_t cnt = s->pending_cnt;
    uint64_t now_ms = now_mono_ms(), end_ms = now_ms;

    for (size_t i = 0; i < cnt; i++) {
        pending[i] = s->pending[i];
        end_ms = util_max(end_ms, s->deadline_ms[i]);
    }
    now_advance(end_ms - now_ms);
    while (s->pending_cnt > 0)
        remove_pending(s, 0);
    for (size_t i = 0; i < cnt; i++)
        pending[i]->done(pending[i], OUT_TIMEOUT, NULL);
    res_serve_settle(s->serve);
    stage_settle(s);
    return cnt;
}

uint16_t stage_type(const struct out_ask *ask)
{
    return util_get_u16(ask->wire + MESSAGE_HEADER_LEN + ask->match.question_len - 4);
}

/* ---- the client ---- */

static void keep_answer(struct stage *s, const struct exchange *ex)
{
    if (ex->reply_len == 0 || s->answer_cnt == STAGE_ANSWERS_MAX)
        return;
    struct stage_answer *a = &s->answers[s->answer_cnt++];
    a->wire = take_memory(ex->reply_len);
    a->len = ex->reply_len;
    memcpy(a->wire, ex->buffer, a->len);
}

static void take_reply(struct exchange *ex)
{
    keep_answer(container_of(ex, struct stage_client, ex)->stage, ex);
}

static void take_deferred_reply(struct exchange *ex)
{
    keep_answer(container_of(ex, struct stage_client, deferred.ex)->stage, ex);
}

/* As the fronts do: copy the exchange and overwrite what a front would reuse. */
static struct exchange *defer_query(struct exchange *ex)
{
    struct stage_client *c = container_of(ex, struct stage_client, ex);
    struct exchange *deferred = exchange_defer(&c->deferred, ex, c->deferred_reply,
                                               sizeof(c->deferred_reply), take_deferred_reply);
    memset(c->query, 0xee, sizeof(c->query));
    memset(c->deferred_reply, 0xee, sizeof(c->deferred_reply));
    return deferred;
}

static void probe(void *engine, struct exchange *const *batch, size_t cnt)
{
    res_serve_probe(engine, batch, cnt);
}

static void serve(void *engine, struct exchange *ex) { res_serve_query(engine, ex); }

void stage_ask(struct stage *s, const uint8_t *wire, size_t len, const struct addr *peer)
{
    static const struct service service = {.probe = probe, .serve = serve};
    struct stage_client *c = take_memory(sizeof(*c));

    must(len <= sizeof(c->query));
    c->next = s->clients;
    s->clients = c;
    c->stage = s;
    memcpy(c->query, wire, len);
    c->ex.settings = &s->settings;
    c->ex.transport = s->is_tcp ? EXCHANGE_TCP : EXCHANGE_UDP;
    c->ex.buffer = c->reply;
    c->ex.size = sizeof(c->reply);
    c->ex.send = take_reply;
    c->ex.defer = defer_query;
    if (peer)
        c->ex.peer = *peer;
    else
        must(addr_read("127.0.0.1", 4000, &c->ex.peer) == ERR_OK);
    struct exchange *batch[] = {&c->ex};
    const uint8_t *wires[] = {c->query};
    intake_batch(&service, s->serve, batch, wires, &len, 1);
    stage_settle(s);
}

/* ---- begin and end ---- */

void stage_init(struct stage *s, const struct quota_limits *limits)
{
    static const uint8_t secret[1][COOKIE_SECRET_LEN] = {{1}};
    static struct addr_prefix everyone[2];
    struct conn_limit_conf connections = {
        .connections = 10, .connections_per_client = 10, .idle_ms = 1000};

    memset(s, 0, sizeof(*s));
    now_freeze(STAGE_START_MS);
    must(conn_limit_new(&connections, 1, &s->conn_limit) == ERR_OK &&
         quota_new(limits, &s->quota) == ERR_OK && tunnel_new(&s->tunnel) == ERR_OK);
    cookie_set(&s->cookies, secret, 1);
    s->settings = (struct exchange_settings){.identity = "",
                                             .hostname = "stage",
                                             .version = "stage",
                                             .udp_size = 4096,
                                             .conn_limit = s->conn_limit,
                                             .cookies = &s->cookies};
    s->out = (struct out){.ask = start_stage_query, .cancel = cancel_stage_query};
    s->policy = policy_new();
    must(s->policy && addr_read_prefix("0.0.0.0/0", &everyone[0]) == ERR_OK &&
         addr_read_prefix("::/0", &everyone[1]) == ERR_OK);
    s->policy->allow = (struct addr_prefixes){everyone, 2};
}

void stage_hint(struct stage *stage, const char *address)
{
    static const uint8_t root[] = {0};
    struct delegation *hints = &stage->policy->route.hints;
    struct addr addr;

    must(addr_read(address, 53, &addr) == ERR_OK);
    delegation_init(hints, root, DELEGATION_HINTS);
    hints->servers[0] = (struct delegation_server){
        .name = root, .lookup = {DELEGATION_KNOWN, DELEGATION_KNOWN}};
    hints->server_cnt = 1;
    delegation_add_addr(hints, 0, &addr);
}

void stage_open(struct stage *s, uint64_t seed)
{
    struct cache_store *store = make_store(s);

    must(engine_new(&s->out, store, s->quota, &s->engine) == ERR_OK);
    rng_init_seeded(&s->engine->rng, seed);
    s->serve = res_serve_new(s->engine, ANSWER_CACHE_BYTES);
    must(s->serve != NULL);
    res_serve_set_tunnel(s->serve, s->tunnel);
    route_seal(&s->policy->route);
    res_serve_adopt(s->serve, s->policy);
}

void stage_forget(struct stage *s)
{
    for (size_t i = 0; i < s->answer_cnt; i++)
        free(s->answers[i].wire);
    while (s->clients) {
        struct stage_client *next = s->clients->next;
        free(s->clients);
        s->clients = next;
    }
    s->answer_cnt = 0;
}

void stage_fini(struct stage *s)
{
    res_serve_free(&s->serve);
    cache_lmdb_free(&s->disk);
    policy_free(&s->policy);
    quota_free(&s->quota);
    tunnel_free(&s->tunnel);
    conn_limit_free(&s->conn_limit);
    stage_forget(s);
}
