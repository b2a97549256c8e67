/* The workers run a command one after another and add their numbers to one result, so it needs
 * no lock. */
#include "resolver/res_control.h"

#include "base/now.h"
#include "dns/dname_text.h"
#include "dns/rdata_text.h"
#include "net/upstream/out_net.h"
#include "resolver/cache/cache_denial.h"
#include "resolver/explain/security.h"
#include "resolver/explain/to_json.h"
#include "resolver/iterate/task.h"
#include "resolver/iterate/wording.h"

enum {
    REJECTED_SHOWN = 4,
    LEDGER_SHOWN = 20,
    FAILED_SHOWN = 5,
    LAST_SHOWN = 20,
    SHOW_ARENA = 1 << 20,
    ID_BITS = 16
};

static struct engine *get_engine(const struct res_control *worker)
{
    return res_serve_engine(worker->serve);
}

/* ---- parameters of a request ---- */

static bool read_name(struct control_call *call, uint8_t name[DNAME_MAX])
{
    static const uint8_t root[] = {0};
    const char *text = json_get_text(call->request, "name", "");
    struct fault fault;
    size_t len;

    if (dname_text_read(text, strlen(text), root, name, &len, &fault, NULL) == ERR_OK)
        return true;
    control_fail(call, "\"%.100s\" is not a domain name: %s", text, fault.text);
    return false;
}

static bool read_type(struct control_call *call, const char *otherwise, uint16_t *type)
{
    const char *text = json_get_text(call->request, "type", otherwise);

    if (!*text || rrtype_read(text, strlen(text), type) == ERR_OK)
        return true;
    control_fail(call, "\"%.40s\" is not an RR type, such as A, MX or TXT", text);
    return false;
}

/* ---- plain values ---- */

static void count_up(struct json *to, const char *key, uint64_t more)
{
    json_put_number(to, key, json_get_number(to, key, 0) + (int64_t)more);
}

static struct json *find_or_put_object(struct json *in, const char *key)
{
    struct json *found = json_find(in, key);
    return found ? found : json_put_object(in, key);
}

static struct json *find_or_put_list(struct json *in, const char *key)
{
    struct json *found = json_find(in, key);
    return found ? found : json_put_list(in, key);
}

/* ---- stats ---- */

/* Add those counters of a worker to an object for which `is_wanted` returns true. */
static void add_counters(struct json *to, const struct engine *engine,
                         bool (*is_wanted)(const struct engine_counter *counter))
{
    uint64_t values[ENGINE_COUNTERS];

    engine_read_counters(engine, values);
    for (size_t i = 0; i < ENGINE_COUNTERS; i++)
        if (is_wanted(&engine_counters[i]))
            count_up(to, engine_counters[i].id, values[i]);
}

static bool is_any_counter(const struct engine_counter *counter) { return counter != NULL; }

static bool is_limit_counter(const struct engine_counter *counter) { return counter->is_limit; }

static bool is_other_counter(const struct engine_counter *counter)
{
    return !counter->is_limit;
}

static void run_stats(struct control_call *call, void *engine)
{
    add_counters(call->result, get_engine(engine), is_any_counter);
}

/* ---- status ---- */

static void put_families(struct json *status, const struct engine *engine)
{
    static const char *const names[] = {"ipv4", "ipv6"};
    const bool uses[] = {engine->policy->uses_v4, engine->policy->uses_v6};
    struct json *families = find_or_put_object(status, "families");

    for (int v6 = 0; v6 < 2; v6++) {
        struct json *family = find_or_put_object(families, names[v6]);
        bool was_up = json_get_bool(family, "answers", false);
        json_put_bool(family, "used", uses[v6]);
        json_put_bool(family, "answers",
                      was_up || infra_is_family_up(engine->infra, v6, now_mono_ms()));
    }
}

static void put_entropy(struct json *status, const struct res_control *worker)
{
    struct json *entropy = json_put_object(status, "entropy");
    const struct policy_defences *on = &get_engine(worker)->policy->defences;
    unsigned decibits = on->random_port ? ports_decibits(worker->ports) : 0;

    json_put_number(entropy, "ports",
                    on->random_port ? ports_cnt(worker->ports) : (unsigned)worker->worker_cnt);
    json_put_number(entropy, "port-bits", decibits / 10);
    json_put_number(entropy, "port-decibits", decibits);
    json_put_number(entropy, "id-bits", on->random_id ? ID_BITS : 0);
    json_put_bool(entropy, "random-case", on->random_case);
    json_put_bool(entropy, "cookies", on->cookies);
    if (!on->random_port)
        json_put_number(entropy, "fixed-port", OUT_NET_FIXED_PORT);
}

static void put_defences(struct json *status, const struct policy *policy)
{
    struct json *off = json_put_list(status, "defences-off");

    for (unsigned i = 0; i < POLICY_DEFENCES; i++)
        if (policy->lab_off & 1U << i)
            json_add_text(off, policy_defence_ids[i]);
}

static void put_validation(struct json *status, const struct engine *engine)
{
    struct json *validation = json_put_object(status, "validation");

    json_put_bool(validation, "on", engine->policy->is_validating);
    json_put_bool(validation, "clock-is-wrong", engine_is_clock_wrong(engine));
}

static void put_rejected(struct json *status, const struct rejected *rejected)
{
    struct json *all = find_or_put_object(status, "rejected-replies");

    for (unsigned i = MATCH_OK + 1; i < REJECTED_REASONS; i++) {
        if (rejected->cnt[i] == 0)
            continue;
        struct json *one = find_or_put_object(all, wording_id(&wording_rejections, i));
        count_up(one, "count", rejected->cnt[i]);
        struct json *last = find_or_put_list(one, "last");
        const struct rejected_item *item;
        for (uint64_t back = 0; (item = rejected_find(rejected, i, back)) != NULL; back++) {
            uint8_t name[DNAME_MAX];
            if (json_count(last) >= REJECTED_SHOWN)
                break;
            struct json *shown = json_add_object(last);
            to_json_time(shown, "time", item->when_ms);
            to_json_addr(shown, "from", &item->from);
            dname_lower(item->name, name);
            to_json_name(shown, "name", name);
        }
    }
}

/* ---- the ledger of rejected replies ---- */

static void put_cookie(struct json *to, const uint8_t cookie[COOKIE_CLIENT_LEN])
{
    char text[2 * COOKIE_CLIENT_LEN + 1];

    for (size_t i = 0; i < COOKIE_CLIENT_LEN; i++)
        snprintf(text + 2 * i, 3, "%02x", cookie[i]);
    json_put_text(to, "cookie", text);
}

static void put_got_question(struct json *got, const struct rejected_item *item)
{
    if (item->has_question) {
        to_json_name(got, "name", item->got_name);
        to_json_type(got, "type", item->got_type);
    } else {
        json_put_number(got, "questions", item->question_cnt);
    }
}

/* Put what the query expected beside what came, as far as the reason is about it. */
static void put_difference(struct json *expected, struct json *got, enum rejected_reason reason,
                           const struct rejected_item *item)
{
    uint8_t zone[DNAME_MAX];

    switch ((unsigned)reason) {
    case MATCH_SOURCE:
        to_json_addr(expected, "address", &item->server);
        to_json_addr(got, "address", &item->from);
        break;
    case MATCH_ID:
        json_put_number(expected, "id", item->id);
        json_put_number(got, "id", item->got_id);
        break;
    case MATCH_NO_REPLY:
        if (item->has_header) {
            json_put_bool(expected, "response", true);
            json_put_number(expected, "opcode", RRTYPE_OPCODE_QUERY);
            json_put_bool(got, "response", item->got_flags & MESSAGE_QR);
            json_put_number(got, "opcode", item->got_flags >> 11 & 15);
        } else {
            json_put_number(got, "octets", (int64_t)item->octets);
        }
        break;
    case MATCH_QUESTION:
    case MATCH_CASE:
        to_json_name(expected, "name", item->name);
        to_json_type(expected, "type", item->type);
        put_got_question(got, item);
        break;
    case MATCH_COOKIE:
        put_cookie(expected, item->cookie);
        if (item->has_cookie)
            put_cookie(got, item->got_cookie);
        break;
    case MATCH_LARGE:
        json_put_number(expected, "octets", (int64_t)item->octets_max);
        __attribute__((fallthrough));
    case MATCH_MALFORMED: json_put_number(got, "octets", (int64_t)item->octets); break;
    case REJECTED_RECORDS:
        dname_lower(dname_suffix(item->name, item->zone_labels), zone);
        to_json_name(expected, "zone", zone);
        json_put_text(got, "section", to_json_section(item->got_section));
        __attribute__((fallthrough));
    case REJECTED_UNREADABLE:
        if (item->record_cnt == 0)
            break;
        to_json_name(got, "owner", item->got_name);
        to_json_type(got, "type", item->got_type);
        json_put_number(got, "records", item->record_cnt);
        break;
    default: break;
    }
}

/* Insert an object with its "time" into a list of at most `most` of all workers, newest first.
 * NULL: the list is full of newer ones. */
static struct json *insert_by_time(struct json *list, size_t most, int64_t when_ms)
{
    char when[NOW_TEXT_MAX];
    size_t at = 0;

    now_print(when_ms, when);
    while (at < json_count(list) &&
           strcmp(json_get_text(json_at(list, at), "time", ""), when) >= 0)
        at++;
    if (at >= most)
        return NULL;
    struct json *one = json_insert_object(list, at);
    json_truncate(list, most);
    json_put_text(one, "time", when);
    return one;
}

/* Insert a rejected reply into a list of at most LEDGER_SHOWN of all workers, newest first.
 * False: the list is full of newer ones. */
static bool add_rejected(struct json *list, enum rejected_reason reason,
                         const struct rejected_item *item)
{
    struct json *one = insert_by_time(list, LEDGER_SHOWN, item->when_ms);

    if (!one)
        return false;
    to_json_addr(one, "from", &item->from);
    to_json_addr(one, "server", &item->server);
    json_put_text(one, "transport", item->is_tcp ? "tcp" : "udp");
    to_json_name(one, "name", item->name);
    to_json_type(one, "type", item->type);
    struct json *expected = json_put_object(one, "expected");
    put_difference(expected, json_put_object(one, "got"), reason, item);
    return true;
}

static void run_rejected(struct control_call *call, void *engine)
{
    const struct rejected *rejected = &get_engine(engine)->rejected;

    for (unsigned i = MATCH_OK + 1; i < REJECTED_REASONS; i++) {
        const struct rejected_item *item = rejected_find(rejected, i, 0);
        if (!item)
            continue;
        struct json *one = find_or_put_object(call->result, wording_id(&wording_rejections, i));
        count_up(one, "count", rejected->cnt[i]);
        struct json *last = find_or_put_list(one, "last");
        for (uint64_t back = 0; item && add_rejected(last, i, item);)
            item = rejected_find(rejected, i, ++back);
    }
}

/* Insert a finished task into a list of at most `most` tasks of all workers, newest first. NULL
 * if the list is full of newer ones. */
static struct json *add_finished(struct json *list, size_t most, const struct trace_finished *f)
{
    struct json *one = insert_by_time(list, most, f->ended_ms);

    if (!one)
        return NULL;
    to_json_name(one, "name", f->name);
    to_json_type(one, "type", f->type);
    json_put_number(one, "queries", f->queries);
    json_put_number(one, "took-ms", f->took_ms);
    json_put_text(one, "outcome", f->has_failed ? "failed" : "answered");
    if (f->has_failed)
        json_put_text(one, "failure", failure_id((enum failure)f->failure));
    return one;
}

/* Return the task that finished `back` tasks before the last one.  NULL beyond the ring. */
static const struct trace_finished *find_finished(const struct trace_ring *ring, uint64_t back)
{
    return back < util_min(ring->cnt, TRACE_FINISHED)
               ? &ring->at[(ring->cnt - 1 - back) % TRACE_FINISHED]
               : NULL;
}

static void put_recent_failures(struct json *status, const struct trace_ring *ring)
{
    struct json *list = find_or_put_list(status, "recent-failures");
    const struct trace_finished *f;

    for (uint64_t back = 0; (f = find_finished(ring, back)) != NULL; back++)
        if (f->has_failed && !add_finished(list, FAILED_SHOWN, f))
            return;
}

/* ---- tunnels ---- */

/* Put the alerts of which the domain is `name` or above it, newest first. */
static void put_tunnels(struct json *to, struct tunnel *tunnel, const uint8_t *name)
{
    struct json *list = json_put_list(to, "recent-tunnels");
    struct tunnel_alert alert;
    char client[ADDR_TEXT_MAX];

    for (uint64_t back = 0; tunnel_find_alert(tunnel, back, &alert); back++) {
        if (name && !dname_is_under(name, alert.zone))
            continue;
        struct json *one = json_add_object(list);
        to_json_time(one, "time", alert.when_ms);
        addr_print_host(&alert.client, client);
        json_put_text(one, "client", client);
        to_json_name(one, "zone", alert.zone);
        json_put_number(one, "names", alert.sum.names);
        json_put_number(one, "octets", alert.sum.octets);
        json_put_number(one, "seconds", alert.sum.seconds);
    }
}

static void put_cache(struct json *to, const struct res_control *worker)
{
    json_put_text(to, "store", worker->cache ? "file" : "memory");
    if (!worker->cache)
        return;
    struct cache_lmdb_stats s = cache_lmdb_stats(worker->cache);
    json_put_number(to, "entries", (int64_t)s.entries);
    json_put_number(to, "used", (int64_t)s.used);
    json_put_number(to, "size", (int64_t)s.size);
    json_put_number(to, "written", (int64_t)s.written);
    json_put_number(to, "transactions", (int64_t)s.commits);
    json_put_number(to, "evicted", (int64_t)s.trimmed);
    json_put_number(to, "dropped", (int64_t)s.dropped);
    json_put_number(to, "broken", (int64_t)s.broken);
}

/* The sums are those of the process.  They are 0 while nothing is in progress. */
static void put_quota(struct json *to, const struct quota *quota)
{
    struct quota_sums sums = quota_sums(quota);

    json_put_number(to, "zones", (int64_t)sums.all[QUOTA_ZONE]);
    json_put_number(to, "servers", (int64_t)sums.all[QUOTA_SERVER]);
    json_put_number(to, "all", (int64_t)sums.all[QUOTA_ALL]);
    json_put_number(
        to, "clients",
        (int64_t)(sums.own[QUOTA_ZONE] + sums.own[QUOTA_SERVER] + sums.own[QUOTA_ALL]));
    json_put_number(to, "clients-waiting", (int64_t)sums.waiting);
}

static void run_status(struct control_call *call, void *data)
{
    const struct res_control *worker = data;
    const struct engine *engine = get_engine(worker);

    put_families(call->result, engine);
    put_entropy(call->result, worker);
    put_defences(call->result, engine->policy);
    put_validation(call->result, get_engine(worker));
    put_rejected(call->result, &engine->rejected);
    put_recent_failures(call->result, &engine->finished);
    count_up(find_or_put_object(call->result, "memory"), "tasks",
             (engine->task_cnt + engine->spare_cnt) * sizeof(struct task));
    add_counters(call->result, engine, is_other_counter);
    add_counters(find_or_put_object(call->result, "limits"), engine, is_limit_counter);
    if (worker->worker > 0)
        return;
    put_quota(json_put_object(call->result, "quota"), engine->quota);
    put_cache(json_put_object(call->result, "cache"), worker);
    put_tunnels(call->result, worker->tunnel, NULL);
}

/* ---- the cache ---- */

static void run_cache_stats(struct control_call *call, void *engine)
{
    const struct res_control *worker = engine;

    if (worker->worker == 0)
        put_cache(call->result, worker);
    add_counters(call->result, get_engine(worker), is_other_counter);
}

/* A list of cache entries to fill.  Lifetime: the call. */
struct entry_list {
    struct json *list;
    int64_t now_ms;
    const uint8_t *name;
    uint16_t type; /* 0: all */
    size_t worker;
    bool is_shared;
    struct json *denials; /* of RFC 8198 */
    size_t denial_at;     /* where the next one goes */
    const struct cache_store *store;
};

static const char *cache_entry_id(const struct cache_entry *entry)
{
    static const char *const ids[] = {[CACHE_DATA] = "data",
                                      [CACHE_NODATA] = "nodata",
                                      [CACHE_NXDOMAIN] = "nxdomain",
                                      [CACHE_FAILURE] = "failure"};
    return entry->delegation ? "delegation" : ids[entry->found.kind];
}

static void put_rrset(struct json *to, const struct rrset *set)
{
    struct json *list = json_put_list(to, "data");
    char text[RDATA_TEXT_MAX];

    for (size_t pos = 0; pos < set->size;) {
        struct rrset_record r = rrset_at(set, pos, &pos);
        rdata_text_print(set->type, r.rdata, r.len, text);
        json_add_text(list, text);
    }
    json_put_bool(to, "signed", rrset_signatures(set) != NULL);
}

static void put_delegation(struct json *to, const struct delegation *delegation)
{
    struct json *list = json_put_list(to, "data");
    char line[DNAME_TEXT_MAX + ADDR_TEXT_MAX], address[ADDR_TEXT_MAX];

    for (int i = 0; i < delegation->server_cnt; i++) {
        dname_text_print(delegation->servers[i].name, line);
        if (delegation->servers[i].addr_cnt == 0)
            json_add_text(list, line);
        size_t len = strlen(line);
        for (int n = 0; n < delegation->addr_cnt; n++)
            if (delegation->addrs[n].server == i) {
                addr_print_host(&delegation->addrs[n].addr, address);
                snprintf(line + len, sizeof(line) - len, " %s", address);
                json_add_text(list, line);
            }
    }
}

static void put_origin(struct json *to, const struct cache_found *f)
{
    to_json_time(to, "cached", f->cached_ms);
    if (f->server.sock.any.sa_family) {
        to_json_addr(to, "from", &f->server);
        json_put_text(to, "section", to_json_section(f->section));
        if (f->rank) /* a failure has no rank */
            json_put_text(to, "rank", wording_id(&wording_ranks, f->rank));
    }
    json_put_text(to, "validation", wording_id(&wording_security, f->security));
}

static void show_entry(void *data, const struct cache_entry *entry)
{
    const struct entry_list *shown = data;
    const struct cache_found *f = &entry->found;

    if (shown->type && (entry->delegation || entry->type != shown->type))
        return;
    struct json *one = json_add_object(shown->list);
    json_put_text(one, "kind", cache_entry_id(entry));
    if (entry->type)
        to_json_type(one, "type", entry->type);
    json_put_number(one, "ttl", f->ttl);
    json_put_number(one, "original-ttl", f->ttl_whole);
    json_put_bool(one, "expired", f->is_stale);
    if (f->is_stale)
        json_put_number(one, "expired-s-ago", (shown->now_ms - f->expire_ms) / 1000);
    put_origin(one, f);
    json_put_number(one, "uses", entry->uses);
    if (entry->delegation)
        put_delegation(one, entry->delegation);
    else if (f->kind == CACHE_DATA)
        put_rrset(one, f->set);
    else if (f->kind == CACHE_FAILURE)
        json_put_text(one, "text", f->text);
    else if (f->set)
        to_json_name(one, "zone", f->soa_owner);
    if (f->kind == CACHE_FAILURE)
        json_put_number(one, "times", f->failed_cnt + 1);
    if (f->kind == CACHE_DATA && !entry->delegation)
        security_put_signatures(one, f->set);
    if (!entry->delegation)
        security_put_proofs(one, f, shown->name, entry->type);
    if (!shown->is_shared)
        json_put_number(one, "worker", (int64_t)shown->worker);
}

/* Add a denial before those that this worker has added: they come from the last to the first.
 */
static void show_denial(void *data, const struct cache_denial_zone *zone,
                        const struct cache_denial *denial)
{
    const struct entry_list *shown = data;
    struct json *one = json_insert_object(shown->denials, shown->denial_at);
    const struct cache_store *store = shown->store;

    to_json_name(one, "zone", dname_suffix(zone->name->dname, zone->labels));
    security_put_denial(one, &denial->proof);
    json_put_number(one, "ttl", (denial->expire_ms - shown->now_ms + 999) / 1000);
    json_put_number(one, "original-ttl", (denial->expire_ms - denial->cached_ms) / 1000);
    to_json_time(one, "cached", denial->cached_ms);
    json_put_number(one, "uses", store->popularity(store, denial->hash));
    if (!shown->is_shared)
        json_put_number(one, "worker", (int64_t)shown->worker);
}

static void run_cache_show(struct control_call *call, void *engine)
{
    const struct res_control *worker = engine;
    uint8_t name[DNAME_MAX];
    struct entry_list shown = {.name = name,
                               .now_ms = now_wall_ms(),
                               .worker = worker->worker,
                               .is_shared = worker->cache != NULL};
    struct cache_name key;
    struct arena arena;

    if ((worker->cache && worker->worker > 0) || !read_name(call, name) ||
        !read_type(call, "", &shown.type))
        return;
    arena_init(&arena, SHOW_ARENA);
    if (!arena_alloc(&arena, SHOW_ARENA)) { /* without it entries could be missing unnoticed */
        control_fail(call, "out of memory");
        return;
    }
    arena_reset(&arena);
    to_json_name(call->result, "name", name);
    shown.list = find_or_put_list(call->result, "entries");
    cache_name_init(&key, name);
    struct cache *cache = &get_engine(worker)->cache;
    cache_show(cache, &key, &arena, show_entry, &shown);
    arena_reset(&arena);
    shown.denials = find_or_put_list(call->result, "denials");
    shown.denial_at = json_count(shown.denials);
    shown.store = cache->store;
    if (!shown.type || shown.type == RRTYPE_NSEC || shown.type == RRTYPE_NSEC3)
        count_up(call->result, "denials-omitted",
                 cache_denial_show(cache, &key, &arena, show_denial, &shown));
    arena_fini(&arena);
}

enum flush_phase { FLUSH_BEFORE, FLUSH_NAME, FLUSH_BELOW, FLUSH_AFTER };

/* Lifetime: the call's, with one worker. */
struct flush {
    enum flush_phase phase;
    struct cache_flushing below;
};

/* Pending writes of this worker are committed first, so that they are flushed too.  The reply
 * is sent after the removal has been committed. */
static void run_cache_flush(struct control_call *call, void *engine)
{
    const struct res_control *worker = engine;
    struct cache *cache = &get_engine(worker)->cache;
    uint8_t name[DNAME_MAX];
    struct cache_name key;
    size_t cnt = 0;

    if (!read_name(call, name))
        return;
    if (!call->state)
        call->state = calloc(1, sizeof(struct flush));
    struct flush *f = call->state;
    if (!f) {
        control_fail(call, "out of memory");
        return;
    }
    to_json_name(call->result, "name", name);
    cache_name_init(&key, name);
    infra_forget_zones(get_engine(worker)->infra);
    bool is_subtree = json_get_bool(call->request, "subtree", false), is_done = true;
    switch (f->phase) {
    case FLUSH_BEFORE: is_done = cache->store->sync(cache->store); break;
    case FLUSH_NAME: cnt = cache_flush(cache, &key); break;
    case FLUSH_BELOW:
        is_done = !is_subtree || !cache_flush_below(cache, &key, &f->below, &cnt);
        break;
    case FLUSH_AFTER: is_done = cache->store->sync(cache->store); break;
    }
    f->phase += is_done;
    call->must_repeat = f->phase <= FLUSH_AFTER;
    if (!call->must_repeat)
        *f = (struct flush){.phase = FLUSH_BEFORE};
    count_up(call->result, "entries", cnt);
}

/* ---- explain ---- */

static void finish_explain(void *data, struct json *tree, const struct cause *cause)
{
    struct control_call *call = data;

    if (cause)
        json_put(call->result, "tree", tree);
    else
        control_fail(call, "the query was dropped: too many queries of that client are "
                           "waiting, or the daemon is stopping");
    call->has_result = true;
    if (call->is_deferred)
        control_resume(call);
}

static void run_explain(struct control_call *call, void *engine)
{
    const struct res_control *worker = engine;
    const char *as = json_get_text(call->request, "as", "127.0.0.1");
    uint8_t name[DNAME_MAX];
    struct res_explain_ask ask = {.settings = call->settings,
                                  .name = name,
                                  .type = RRTYPE_A,
                                  .is_fresh = json_get_bool(call->request, "no-cache", false),
                                  .has_packets = json_get_bool(call->request, "packets", false),
                                  .done = finish_explain,
                                  .data = call};

    if (!read_name(call, name) || !read_type(call, "A", &ask.type))
        return;
    if (addr_read(as, 53, &ask.client) != ERR_OK) {
        control_fail(call, "\"%.60s\" is not an IP address", as);
        return;
    }
    put_tunnels(call->result, worker->tunnel, name);
    if (!worker->cache && worker->worker_cnt > 1)
        json_put_text(
            call->result, "remark",
            "each worker has a cache of its own: this is the answer of the first worker");
    enum err err = res_explain_begin(worker->explain, &ask);
    if (err)
        control_fail(call, err == ERR_LIMIT ? "too many explanations are in progress"
                                            : "out of memory");
    else
        call->is_deferred = !call->has_result;
}

static void run_last(struct control_call *call, void *engine)
{
    const struct res_control *worker = engine;
    const struct trace_ring *ring = &get_engine(worker)->finished;
    const struct trace_finished *f;
    uint8_t name[DNAME_MAX];
    char rcode[RRTYPE_NAME_MAX];

    if (!read_name(call, name))
        return;
    to_json_name(call->result, "name", name);
    struct json *list = find_or_put_list(call->result, "finished");
    for (uint64_t back = 0; (f = find_finished(ring, back)) != NULL; back++) {
        if (!dname_is_equal(f->name, name))
            continue;
        struct json *one_finished = add_finished(list, LAST_SHOWN, f);
        if (!one_finished)
            return;
        struct json *attempts = json_put_list(one_finished, "attempts");
        for (unsigned i = 0; i < f->attempt_cnt; i++) {
            const struct trace_attempt *a = &f->attempts[i];
            struct json *one = json_add_object(attempts);
            struct addr server = trace_server(a);
            to_json_name(one, "zone", dname_suffix(f->name, a->zone_labels));
            to_json_addr(one, "server", &server);
            json_put_text(one, "transport",
                          wording_id(&wording_transports, a->is_tcp ? TRACE_TCP : TRACE_UDP));
            json_put_text(one, "result", wording_id(&wording_outcomes, a->outcome));
            if (a->outcome == TRACE_RCODE) {
                rrtype_print_rcode(a->rcode, rcode);
                json_put_text(one, "rcode", rcode);
            }
            json_put_number(one, "rtt-ms", a->rtt_ms);
        }
    }
}

const struct control_command res_control_commands[] = {
    {.name = "status", .run = run_status, .is_for_all = true},
    {.name = "rejected", .run = run_rejected, .is_for_all = true},
    {.name = "stats", .run = run_stats, .is_for_all = true},
    {.name = "cache-stats", .run = run_cache_stats, .is_for_all = true},
    {.name = "cache-show", .run = run_cache_show, .is_for_all = true},
    {.name = "cache-flush", .run = run_cache_flush, .is_for_all = true},
    {.name = "explain", .run = run_explain},
    {.name = "last", .run = run_last, .is_for_all = true},
    {.name = NULL},
};
