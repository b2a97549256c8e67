/* Each event becomes a node below the node of its task.  Besides the tree, facts for the cause
 * are collected. */
#include "resolver/explain/explain.h"

#include "base/now.h"
#include "dns/dname_text.h"
#include "dns/dnskey.h"
#include "dns/rdata_text.h"
#include "resolver/explain/security.h"
#include "resolver/explain/to_json.h"
#include "resolver/iterate/classify.h"
#include "resolver/iterate/pick.h"
#include "resolver/iterate/wording.h"

enum { UNKNOWN_PORT = 49152, RECALL_MS = 200, LIVE_MAX = 64, SEEN_MAX = 64 };

/* A task that has not ended. */
struct live {
    uint64_t task;      /* its number; 0: this element is free */
    uint64_t parent;    /* 0: none */
    struct json *steps; /* of its node */
    struct json *node;
    struct json *query; /* the last one; NULL: none */
    uint64_t since_us;
    bool is_loop;                 /* dependency loop: a lookup that it needs waits for it */
    bool is_negative;             /* the last reply was NODATA or NXDOMAIN */
    unsigned denied_cnt;          /* names of its servers that have no address */
    uint8_t (*denied)[DNAME_MAX]; /* room for CAUSE_NAMES_MAX names; NULL: none yet */
};

/* Lifetime: the caller's. */
struct explain {
    struct trace_sink sink;
    struct trace_listeners listeners; /* only `sink` */
    const struct engine *engine;
    uint8_t name[DNAME_MAX];
    struct json *root, *steps, *packets; /* packets: NULL without has_packets */
    int64_t start_ms;
    uint64_t start_us;
    unsigned step_cnt;
    unsigned omitted_cnt; /* steps and parts of steps that did not fit */
    size_t octets;        /* of the tree, as JSON text */
    struct live live[LIVE_MAX];
    bool has_tasks;
    bool has_failed;           /* a task has failed */
    uint8_t failed[DNAME_MAX]; /* the name with a cached failure, if there is one */
    uint64_t seen[SEEN_MAX];   /* steps of the walk, which restarts after each resolution */
    unsigned seen_cnt;
    struct cause_facts facts;
    struct cause_failure failures[CAUSE_FAILURES_MAX];
    uint8_t targets[SECURITY_TARGETS_MAX][DNAME_MAX]; /* zones that the answer depends on */
    unsigned target_cnt;
};

/* ---- size ---- */

/* True if one more part fits.  The part that exceeds the limit is the last. */
static bool has_room_left(struct explain *e)
{
    bool has = e->octets < EXPLAIN_OCTETS_MAX;

    e->omitted_cnt += !has;
    return has;
}

/* Add the size of a complete part. */
static void count_part(struct explain *e, const struct json *part)
{
    e->octets += json_size(part);
}

/* ---- plain values ---- */

static void put_ms(struct json *to, const char *key, uint64_t us)
{
    json_put_real(to, key, (double)(us / 10) / 100);
}

static void put_flags(struct json *to, uint16_t flags)
{
    static const struct {
        uint16_t bit;
        const char *name;
    } all[] = {{MESSAGE_AA, "aa"}, {MESSAGE_TC, "tc"}, {MESSAGE_RD, "rd"},
               {MESSAGE_RA, "ra"}, {MESSAGE_AD, "ad"}, {MESSAGE_CD, "cd"}};
    struct json *list = json_put_list(to, "flags");
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (flags & all[i].bit)
            json_add_text(list, all[i].name);
}

/* ---- records ---- */

static void put_rdata(struct json *to, const struct message *message, uint16_t type,
                      size_t rdata_at, uint16_t rdata_len)
{
    uint8_t rdata[RDATA_MAX + DNAME_MAX];
    char text[RDATA_TEXT_MAX];
    size_t len;
    struct cursor c = cursor_over(message->wire, message->len);

    c.pos = rdata_at;
    if (rdata_expand(type, &c, rdata_len, rdata, sizeof(rdata), &len) == ERR_OK)
        rdata_text_print(type, rdata, len, text);
    else
        snprintf(text, sizeof(text), "(%u octets, malformed)", rdata_len);
    json_put_text(to, "data", text);
}

static void add_reply_record(struct json *list, const struct message *message,
                             const struct scrub *scrub, const struct scrub_record *r)
{
    enum scrub_omission why = scrub_omission(scrub, r);
    struct json *one = json_add_object(list);
    uint8_t owner[DNAME_MAX];

    owners_write(scrub->owners, r->owner, owner);
    json_put_text(one, "section", to_json_section((enum message_section)r->section));
    to_json_name(one, "owner", owner);
    json_put_number(one, "ttl", r->ttl);
    to_json_type(one, "type", r->type);
    put_rdata(one, message, r->type, r->rdata_at, r->rdata_len);
    json_put_bool(one, "accepted", why == SCRUB_TAKEN);
    if (why != SCRUB_TAKEN)
        json_put_text(one, "reason", wording_id(&wording_omissions, why));
}

static void put_records(struct json *to, const struct message *message,
                        const struct scrub *scrub)
{
    struct json *list = json_put_list(to, "records");
    for (size_t i = 0; i < util_min(scrub->record_cnt, EXPLAIN_RECORDS_MAX); i++)
        add_reply_record(list, message, scrub, &scrub->records[i]);
    size_t all = scrub->record_cnt + scrub->unread_cnt;
    if (all > EXPLAIN_RECORDS_MAX)
        json_put_number(to, "omitted-records", (int64_t)(all - EXPLAIN_RECORDS_MAX));
}

static void put_delegation_servers(struct json *to, const struct delegation *delegation)
{
    struct json *servers = json_put_list(to, "servers");
    for (int i = 0; i < delegation->server_cnt; i++) {
        struct json *server = json_add_object(servers);
        to_json_name(server, "name", delegation->servers[i].name);
        struct json *addresses = json_put_list(server, "addresses");
        for (int n = 0; n < delegation->addr_cnt; n++)
            if (delegation->addrs[n].server == i) {
                char text[ADDR_TEXT_MAX];
                addr_print(&delegation->addrs[n].addr, text);
                json_add_text(addresses, text);
            }
    }
}

/* ---- packets ---- */

static void add_packet(struct explain *e, const struct addr *from, const struct addr *to,
                       enum trace_transport transport, const uint8_t *wire, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *hex = e->packets && has_room_left(e) ? malloc(2 * len + 1) : NULL;

    if (!hex)
        return;
    struct json *one = json_add_object(e->packets);
    for (size_t i = 0; i < len; i++) {
        hex[2 * i] = digits[wire[i] >> 4];
        hex[2 * i + 1] = digits[wire[i] & 15];
    }
    hex[2 * len] = '\0';
    json_put_number(one, "at-us", (int64_t)(now_mono_us() - e->start_us));
    to_json_addr(one, "from", from);
    to_json_addr(one, "to", to);
    json_put_text(one, "transport", wording_id(&wording_transports, transport));
    json_put_text(one, "wire", hex);
    free(hex);
    count_part(e, one);
}

/* Return the local address of a packet.  Over TCP it is not known: return a placeholder of the
 * same family. */
static struct addr choose_own_addr(const struct addr *own, const struct addr *server,
                                   enum trace_transport transport)
{
    struct addr placeholder;

    if (own->sock.any.sa_family && transport == TRACE_UDP)
        return *own;
    enum err err =
        addr_read(addr_is_v6(server) ? "::1" : "127.0.0.1", UNKNOWN_PORT, &placeholder);
    must(!err);
    return placeholder;
}

/* ---- tasks ---- */

static struct live *find_live(struct explain *e, uint64_t task)
{
    for (size_t i = 0; task > 0 && i < LIVE_MAX; i++)
        if (e->live[i].task == task)
            return &e->live[i];
    return NULL;
}

/* Add a node below the node of a task, or at the top.  NULL if the tree is full. */
static struct json *add_step(struct explain *e, const struct live *below, const char *step)
{
    bool is_long = e->step_cnt >= EXPLAIN_STEPS_MAX;

    e->omitted_cnt += is_long;
    if (is_long || !has_room_left(e))
        return NULL;
    e->step_cnt++;
    struct json *node = json_add_object(below ? below->steps : e->steps);
    json_put_text(node, "step", step);
    return node;
}

static void record_begin(struct explain *e, const struct trace_event *event)
{
    struct live *parent = find_live(e, event->begin.parent), *free_one = NULL;
    bool is_known = find_live(e, event->task) != NULL;
    bool is_joined = event->step == TRACE_STEP_JOIN;

    e->has_tasks = true;
    e->facts.is_joined |= is_joined && event->begin.parent == 0;
    for (size_t i = 0; i < LIVE_MAX && !free_one; i++)
        if (e->live[i].task == 0)
            free_one = &e->live[i];
    struct json *node = add_step(e, parent, "resolve");
    to_json_name(node, "name", event->name);
    to_json_type(node, "type", event->type);
    json_put_text(node, "purpose", wording_id(&wording_purposes, event->begin.purpose));
    if (is_joined)
        json_put_bool(node, "joined", true);
    count_part(e, node);
    if (!free_one || is_known) /* the steps of a known task are below its first node */
        return;
    *free_one = (struct live){.task = event->task,
                              .parent = event->begin.parent,
                              .node = node,
                              .since_us = now_mono_us(),
                              .steps = json_put_list(node, "steps")};
}

static void record_zone(struct explain *e, const struct live *live,
                        const struct trace_event *event)
{
    const struct delegation *delegation = event->zone_found.delegation;
    bool is_cached = event->zone_found.is_cached;
    struct json *node = add_step(e, live, "zone");

    to_json_name(node, "zone", event->zone);
    json_put_text(
        node, "source",
        wording_id(&wording_sources, is_cached ? DELEGATION_REFERRAL : delegation->source));
    if (is_cached)
        json_put_number(node, "ttl", (event->zone_found.expire_ms - now_wall_ms()) / 1000);
    put_delegation_servers(node, delegation);
    count_part(e, node);
}

static void put_pick(struct json *to, const struct pick_why *pick)
{
    struct json *why = json_put_object(to, "choice");
    json_put_text(why, "reason", wording_id(&wording_picks, pick->reason));
    json_put_number(why, "among", pick->chosen_from);
    json_put_number(why, "of", pick->of);
    if (pick->srtt_us)
        put_ms(why, "srtt-ms", pick->srtt_us);
}

static void record_query(struct explain *e, struct live *live, const struct trace_event *event)
{
    struct json *node = add_step(e, live, "query");

    to_json_addr(node, "server", event->query.server);
    to_json_name(node, "server-name", event->query.server_name);
    to_json_name(node, "zone", event->zone);
    to_json_name(node, "name", event->name);
    to_json_type(node, "type", event->type);
    json_put_text(node, "transport", wording_id(&wording_transports, event->query.transport));
    json_put_bool(node, "minimised", event->query.is_minimised);
    json_put_bool(node, "edns", event->query.has_edns);
    json_put_number(node, "id", util_get_u16(event->query.wire));
    if (event->query.from->sock.any.sa_family && event->query.transport == TRACE_UDP)
        json_put_number(node, "source-port", addr_port(event->query.from));
    put_pick(node, event->query.why);
    count_part(e, node);
    live->query = node;
    e->facts.query_cnt++;
    e->facts.mismatch_cnt += event->query.is_after_mismatch;
    e->facts.last_server = *event->query.server;
    struct addr own =
        choose_own_addr(event->query.from, event->query.server, event->query.transport);
    add_packet(e, &own, event->query.server, event->query.transport, event->query.wire,
               event->query.len);
}

/* The records of a reply, and the delegation that it refers to. */
static void put_reply_records(struct explain *e, struct json *query,
                              const struct trace_event *event)
{
    const struct scrub *scrub = event->reply.scrub;
    const struct delegation *delegation = scrub->delegation;

    put_records(query, event->reply.message, scrub);
    count_part(e, json_find(query, "records"));
    if (!delegation || event->reply.kind != CLASSIFY_DELEGATION)
        return;
    struct json *to = json_put_object(query, "delegation");
    to_json_name(to, "zone", delegation->zone);
    json_put_number(to, "ttl", scrub->delegation_ttl);
    put_delegation_servers(to, delegation);
    count_part(e, to);
}

static void record_reply(struct explain *e, struct live *live, const struct trace_event *event)
{
    const struct message *m = event->reply.message;
    struct json *query = live->query;
    char rcode[RRTYPE_NAME_MAX];

    e->facts.truncated_cnt += event->reply.kind == CLASSIFY_TRUNCATED;
    json_put_text(query, "result", wording_id(&wording_replies, event->reply.kind));
    if (*event->reply.broken)
        json_put_text(query, "malformed", event->reply.broken);
    put_ms(query, "rtt-ms", event->reply.rtt_us);
    rrtype_print_rcode(classify_rcode(m), rcode);
    json_put_text(query, "rcode", rcode);
    put_flags(query, m->flags);
    json_put_number(query, "octets", (int64_t)m->len);
    if (event->reply.scrub) {
        if (has_room_left(e))
            put_reply_records(e, query, event);
        live->is_negative =
            event->reply.kind == CLASSIFY_NXDOMAIN || event->reply.kind == CLASSIFY_NODATA;
    }
    struct addr own =
        choose_own_addr(event->reply.to, event->reply.server, event->reply.transport);
    add_packet(e, event->reply.server, &own, event->reply.transport, m->wire, m->len);
}

static void record_no_reply(const struct live *live, const struct trace_event *event)
{
    json_put_text(live->query, "result", wording_id(&wording_silences, event->no_reply.why));
    if (*event->no_reply.detail)
        json_put_text(live->query, "detail", event->no_reply.detail);
    put_ms(live->query, "rtt-ms", event->no_reply.waited_us);
}

static void record_rejected_reply(struct explain *e, const struct live *live,
                                  const struct trace_event *event)
{
    if (!has_room_left(e))
        return;
    struct json *list = json_find(live->query, "rejected");
    if (!list)
        list = json_put_list(live->query, "rejected");
    struct json *one = json_add_object(list);
    to_json_addr(one, "from", event->rejected.from);
    json_put_text(one, "reason", wording_id(&wording_rejections, event->rejected.why));
    count_part(e, one);
}

/* True if the servers have addresses, but none may be asked. */
static bool is_forbidden(const struct explain *e, const struct delegation *delegation)
{
    for (int i = 0; i < delegation->addr_cnt; i++)
        if (engine_may_ask(e->engine, &delegation->addrs[i].addr))
            return false;
    return delegation->addr_cnt > 0;
}

static bool is_v6_only(const struct delegation *delegation)
{
    for (int i = 0; i < delegation->addr_cnt; i++)
        if (!addr_is_v6(&delegation->addrs[i].addr))
            return false;
    return delegation->addr_cnt > 0;
}

static void note_task_failure(struct explain *e, const struct live *live,
                              const struct trace_event *event)
{
    unsigned at = (unsigned)util_min(e->facts.failure_cnt, CAUSE_FAILURES_MAX - 1);
    struct cause_failure *f = &e->failures[at];
    const struct delegation *delegation = event->end.delegation;

    e->facts.failure_cnt = at + 1;
    *f = (struct cause_failure){.is_limited = event->end.is_limited,
                                .is_loop = live->is_loop && delegation->addr_cnt == 0,
                                .failure = event->end.failure,
                                .attempts = *event->end.attempts};
    memcpy(f->name, event->name, dname_len(event->name));
    snprintf(f->text, sizeof(f->text), "%s", event->end.text);
    if (!delegation->zone) /* the task ended before it found a zone */
        return;
    memcpy(f->zone, delegation->zone, dname_len(delegation->zone));
    f->is_configured =
        delegation->source == DELEGATION_STUB || delegation->source == DELEGATION_FORWARD;
    f->is_forbidden = is_forbidden(e, delegation);
    f->is_v6_only = is_v6_only(delegation) && !e->engine->policy->uses_v6;
    f->addr_cnt = delegation->addr_cnt;
    f->server_cnt = delegation->server_cnt;
    f->denied_cnt = live->denied_cnt;
    if (live->denied)
        memcpy(f->denied, live->denied, sizeof(f->denied));
}

/* The names are in canonical order, so that equal resolutions have equal causes. */
static void note_denied(struct live *parent, const uint8_t *name)
{
    unsigned at = 0;

    if (!parent->denied)
        parent->denied = calloc(CAUSE_NAMES_MAX, sizeof(*parent->denied));
    while (parent->denied && at < parent->denied_cnt &&
           dname_compare(parent->denied[at], name) < 0)
        at++;
    if (!parent->denied || parent->denied_cnt == CAUSE_NAMES_MAX ||
        (at < parent->denied_cnt && dname_is_equal(parent->denied[at], name)))
        return;
    for (unsigned i = parent->denied_cnt++; i > at; i--)
        memcpy(parent->denied[i], parent->denied[i - 1], DNAME_MAX);
    memcpy(parent->denied[at], name, dname_len(name));
}

static void forget_live(struct live *live)
{
    free(live->denied);
    *live = (struct live){0};
}

/* A task that has not ended is a failure for the cause only if no other task failed: then the
 * client's time is over. */
static void record_end(struct explain *e, struct live *live, const struct trace_event *event)
{
    struct live *parent = find_live(e, live->parent);
    bool has_failed = event->end.how == TRACE_ENDED_FAILED;

    json_put_text(live->node, "outcome", wording_id(&wording_endings, event->end.how));
    if (event->end.how == TRACE_ENDED_UNFINISHED && !e->has_failed)
        note_task_failure(e, live, event);
    if (has_failed) {
        json_put_text(live->node, "failure", failure_id(event->end.failure));
        json_put_text(live->node, "text", event->end.text);
        note_task_failure(e, live, event);
        e->has_failed = true;
    }
    put_ms(live->node, "took-ms", now_mono_us() - live->since_us);
    if (parent && live->is_negative && !has_failed)
        note_denied(parent, event->name);
    forget_live(live);
}

/* ---- the walk ---- */

static void put_cached(struct explain *e, struct json *node, const struct cache_found *found)
{
    json_put_number(node, "ttl", found->ttl);
    json_put_number(node, "original-ttl", found->ttl_whole);
    json_put_bool(node, "stale", found->is_stale);
    if (found->is_synthesised)
        json_put_bool(node, "synthesised", true);
    json_put_bool(node, "new", found->cached_ms >= e->start_ms);
    json_put_number(node, "age-s", (now_wall_ms() - found->cached_ms) / 1000);
    if (found->server.sock.any.sa_family) {
        to_json_addr(node, "server", &found->server);
        json_put_text(node, "section", to_json_section(found->section));
        if (found->rank) /* a failure has none */
            json_put_text(node, "rank", wording_id(&wording_ranks, found->rank));
    }
    if (found->kind == CACHE_FAILURE)
        json_put_text(node, "text", found->text);
}

/* Return the type of an entry that was found; 0: it is of the name itself. */
static uint16_t entry_type(const struct trace_event *event)
{
    return event->cached.found->kind == CACHE_NXDOMAIN ? 0 : event->type;
}

/* Note the zone that has to sign an entry of the answer. */
static void note_target(struct explain *e, const struct trace_event *event)
{
    if (e->target_cnt < SECURITY_TARGETS_MAX)
        security_find_target(event->cached.found, event->name, entry_type(event),
                             e->targets[e->target_cnt++]);
}

/* Put the security state of an entry, its signatures and proofs. */
static void put_security(struct json *node, const struct trace_event *event)
{
    const struct cache_found *found = event->cached.found;

    json_put_text(node, "validation", wording_id(&wording_security, found->security));
    if (found->kind == CACHE_DATA)
        security_put_signatures(node, found->set);
    security_put_proofs(node, found, event->name, entry_type(event));
}

static struct cause_source make_cause_source(const struct cache_found *found)
{
    int64_t now_ms = now_wall_ms();

    return (struct cause_source){
        .is_there = true,
        .is_stale = found->is_stale,
        .cached_ms = found->cached_ms,
        .age_s = (now_ms - (found->is_stale ? found->expire_ms : found->cached_ms)) / 1000,
        .left_s = found->ttl,
        .server = found->server,
        .is_bogus = found->security == CACHE_BOGUS,
        .ede = found->kind == CACHE_FAILURE ? found->ede : EDNS_EDE_NONE};
}

/* True if the walk has emitted an equal event before.  Remember it if not. */
static bool is_repeated_walk_event(struct explain *e, const struct trace_event *event)
{
    uint64_t kind = event->step == TRACE_STEP_CACHED ? event->cached.found->kind : 0U;
    uint64_t key = dname_hash(event->name) + event->type * 2U +
                   (event->step != TRACE_STEP_MISS) + (kind << 20);

    for (unsigned i = 0; i < e->seen_cnt; i++)
        if (e->seen[i] == key)
            return true;
    if (e->seen_cnt < SEEN_MAX)
        e->seen[e->seen_cnt++] = key;
    return false;
}

/* Add a step of the walk.  NULL if the tree has it already or is full. */
static struct json *add_walk_step(struct explain *e, const struct trace_event *event,
                                  const char *step, const char *found)
{
    struct json *node = is_repeated_walk_event(e, event) ? NULL : add_step(e, NULL, step);

    to_json_name(node, "name", event->name);
    to_json_type(node, "type", event->type);
    json_put_text(node, "found", found);
    return node;
}

static void record_cached(struct explain *e, const struct trace_event *event)
{
    const struct cache_found *found = event->cached.found;

    if (found->kind == CACHE_FAILURE) {
        e->facts.failure = make_cause_source(found);
        memcpy(e->failed, event->name, dname_len(event->name));
    } else {
        e->facts.source = make_cause_source(found);
    }
    struct json *node =
        add_walk_step(e, event, "cache", wording_id(&wording_cached, event->cached.what));
    put_cached(e, node, found);
    if (node && e->engine->policy->is_validating) {
        put_security(node, event);
        note_target(e, event);
    }
    count_part(e, node);
}

static void record_local(struct explain *e, const struct trace_event *event)
{
    e->facts.source = (struct cause_source){.is_there = true, .is_local = true};
    count_part(e, add_walk_step(e, event, "local", wording_id(&wording_local, event->local)));
}

static void record_note(struct explain *e, struct live *live, const struct trace_event *event)
{
    struct json *node = add_step(e, live, "note");

    live->is_loop |= event->note.note == TRACE_NOTE_LOOP;
    json_put_text(node, "note", wording_id(&wording_notes, event->note.note));
    if (event->note.failure != FAILURE_NONE)
        json_put_text(node, "failure", failure_id(event->note.failure));
    count_part(e, node);
}

static void record_verdict(struct explain *e, struct live *live, const struct verdict *verdict)
{
    struct json *node = add_step(e, live, "validation");
    char text[VERDICT_TEXT_MAX], algorithm[DNSKEY_ALGORITHM_MAX];

    to_json_name(node, "name", verdict->name);
    if (verdict->type)
        to_json_type(node, "type", verdict->type);
    to_json_name(node, "zone", verdict->zone);
    json_put_text(node, "status", verdict_status_name(verdict->status));
    if (verdict->algorithm) {
        dnskey_print_algorithm(verdict->algorithm, algorithm);
        json_put_number(node, "tag", verdict->tag);
        json_put_text(node, "algorithm", algorithm);
    }
    if (verdict->expiration_s) {
        to_json_time(node, "inception", (int64_t)verdict->inception_s * 1000);
        to_json_time(node, "expiration", (int64_t)verdict->expiration_s * 1000);
    }
    if (verdict->reason) {
        json_put_text(node, "reason", verdict_reason_name(verdict->reason));
        verdict_print(verdict, text);
        json_put_text(node, "text", text);
    }
    count_part(e, node);
}

static void record_event(void *data, const struct trace_event *event)
{
    struct explain *e = data;
    struct live *live = find_live(e, event->task);

    switch (event->step) {
    case TRACE_STEP_BEGIN:
    case TRACE_STEP_JOIN: record_begin(e, event); return;
    case TRACE_STEP_CACHED: record_cached(e, event); return;
    case TRACE_STEP_LOCAL: record_local(e, event); return;
    case TRACE_STEP_MISS: count_part(e, add_walk_step(e, event, "cache", "miss")); return;
    default: break;
    }
    if (!live)
        return;
    switch (event->step) {
    case TRACE_STEP_ZONE: record_zone(e, live, event); break;
    case TRACE_STEP_QUERY: record_query(e, live, event); break;
    case TRACE_STEP_REPLY: record_reply(e, live, event); break;
    case TRACE_STEP_NO_REPLY: record_no_reply(live, event); break;
    case TRACE_STEP_REJECTED: record_rejected_reply(e, live, event); break;
    case TRACE_STEP_NOTE: record_note(e, live, event); break;
    case TRACE_STEP_VALIDATED: record_verdict(e, live, event->validated); break;
    default: record_end(e, live, event); break;
    }
}

/* ---- begin and end ---- */

struct explain *explain_new(const struct engine *engine, const uint8_t *name, uint16_t type,
                            const struct addr *client, bool has_packets)
{
    struct explain *e = calloc(1, sizeof(*e));

    if (!e)
        return NULL;
    e->sink = (struct trace_sink){.note = record_event, .data = e};
    trace_listen(&e->listeners, &e->sink);
    e->engine = engine;
    e->start_ms = now_wall_ms();
    e->start_us = now_mono_us();
    memcpy(e->name, name, dname_len(name));
    e->facts.name = e->name;
    e->facts.type = type;
    e->facts.failures = e->failures;
    e->facts.ede_text = "";
    e->facts.ede = EDNS_EDE_NONE;
    addr_print_host(client, e->facts.client);
    e->root = json_new_object();
    struct json *question = json_put_object(e->root, "question");
    to_json_name(question, "name", name);
    to_json_type(question, "type", type);
    json_put_text(question, "client", e->facts.client);
    to_json_time(e->root, "at", e->start_ms);
    e->steps = json_put_list(e->root, "steps");
    if (has_packets)
        e->packets = json_put_list(e->root, "packets");
    return e;
}

const struct trace_listeners *explain_listeners(const struct explain *explain)
{
    return &explain->listeners;
}

/* Follow the chain in the answer, and count the records at its end. */
static void note_answer(struct explain *e, const struct message *m,
                        const struct message_record *r)
{
    struct cause_facts *f = &e->facts;
    const uint8_t *end =
        f->cname_cnt ? f->chain[util_min(f->cname_cnt, CAUSE_CHAIN_MAX) - 1] : f->name;
    struct cursor c = cursor_over(m->wire, m->len);
    uint8_t target[DNAME_MAX];
    size_t len;

    if (r->section != MESSAGE_ANSWER || !dname_is_equal(r->owner, end))
        return; /* such as a DNAME above the name */
    if (r->type == f->type) {
        f->answer_cnt++;
    } else if (r->type == RRTYPE_CNAME) {
        c.pos = (size_t)(r->rdata - m->wire);
        if (dname_parse(&c, target, &len) != ERR_OK)
            return;
        memcpy(f->chain[util_min(f->cname_cnt, CAUSE_CHAIN_MAX - 1)], target, len);
        f->cname_cnt++;
    }
}

static void put_answer_sections(struct explain *e, struct json *answer,
                                const struct exchange *ex)
{
    struct message m;
    struct message_record r;
    char rcode[RRTYPE_NAME_MAX];

    if (message_parse(ex->buffer, ex->reply_len, &m) != MESSAGE_WHOLE)
        return;
    e->facts.rcode = classify_rcode(&m);
    rrtype_print_rcode(e->facts.rcode, rcode);
    json_put_text(answer, "rcode", rcode);
    put_flags(answer, m.flags);
    struct json *list = json_put_list(answer, "records");
    for (struct message_walk walk = message_walk(&m); message_next(&walk, &r);) {
        if (r.type == RRTYPE_OPT)
            continue;
        note_answer(e, &m, &r);
        if (json_count(list) >= EXPLAIN_RECORDS_MAX)
            continue;
        struct json *one = json_add_object(list);
        json_put_text(one, "section", to_json_section(r.section));
        to_json_name(one, "owner", r.owner);
        json_put_number(one, "ttl", r.ttl);
        to_json_type(one, "type", r.type);
        put_rdata(one, &m, r.type, (size_t)(r.rdata - m.wire), r.rdata_len);
    }
    if (ex->opt.ede != EDNS_EDE_NONE) {
        struct json *ede = json_put_object(answer, "extended-error");
        json_put_number(ede, "code", ex->opt.ede);
        json_put_text(ede, "text", ex->opt.ede_text);
        e->facts.ede_text = ex->opt.ede_text;
        e->facts.ede = ex->opt.ede;
    }
}

/* Restore the facts of the resolution whose failure was cached, if this worker resolved it and
 * still has it among its finished tasks. */
static void recall_failure(struct explain *e)
{
    const struct trace_ring *ring = &e->engine->finished;

    for (uint64_t back = 1; back <= util_min(ring->cnt, TRACE_FINISHED); back++) {
        const struct trace_finished *f = &ring->at[(ring->cnt - back) % TRACE_FINISHED];
        struct cause_failure *to = &e->failures[0];
        int64_t apart_ms = f->ended_ms - e->facts.failure.cached_ms;
        if (!f->has_failed || f->attempt_cnt == 0 || apart_ms < -RECALL_MS ||
            apart_ms > RECALL_MS || f->type != e->facts.type ||
            !dname_is_equal(f->name, e->failed))
            continue;
        unsigned labels = f->attempts[f->attempt_cnt - 1].zone_labels;
        memcpy(to->name, f->name, dname_len(f->name));
        memcpy(to->zone, dname_suffix(f->name, labels),
               dname_len(dname_suffix(f->name, labels)));
        to->addr_cnt = 1;
        to->is_configured = f->is_configured;
        to->failure = (enum failure)f->failure;
        to->attempts.cnt = f->attempt_cnt;
        memcpy(to->attempts.at, f->attempts, sizeof(f->attempts));
        e->facts.failure_cnt = 1;
        return;
    }
}

/* A resolution that validation ended has no entry, but a chain of trust. */
static void note_failed_target(struct explain *e, const struct cause_failure *failure)
{
    if ((failure->failure == FAILURE_BOGUS || failure->failure == FAILURE_UNVALIDATED) &&
        e->target_cnt < SECURITY_TARGETS_MAX)
        memcpy(e->targets[e->target_cnt++], failure->name, dname_len(failure->name));
}

/* Draw the chains of trust of all entries that the answer depends on. */
static void put_chains(struct explain *e, struct json *tree)
{
    struct security_chains chains = {
        .engine = e->engine, .since_ms = e->start_ms, .octets_max = EXPLAIN_OCTETS_MAX};

    for (unsigned i = 0; i < e->facts.failure_cnt; i++)
        note_failed_target(e, &e->failures[i]);
    if (e->target_cnt == 0)
        return;
    chains.octets = e->octets;
    chains.zones = json_put_list(tree, "trust");
    for (unsigned i = 0; i < e->target_cnt; i++)
        security_draw(&chains, e->targets[i]);
    e->omitted_cnt += chains.omitted_cnt;
    e->facts.security = chains.end;
    snprintf(e->facts.security_why, sizeof(e->facts.security_why), "%s", chains.why);
}

bool explain_has_tasks(const struct explain *explain) { return explain->has_tasks; }

struct json *explain_end(struct explain *e, const struct exchange *ex, struct cause *cause)
{
    struct json *tree = e->root;

    put_ms(tree, "took-ms", now_mono_us() - e->start_us);
    json_put_number(tree, "queries", e->facts.query_cnt);
    put_chains(e, tree);
    if (e->omitted_cnt > 0)
        json_put_number(tree, "omitted-steps", e->omitted_cnt);
    put_answer_sections(e, json_put_object(tree, "answer"), ex);
    e->facts.is_cached_failure =
        e->facts.rcode == RRTYPE_RCODE_SERVFAIL && !e->has_failed && e->facts.failure.is_there;
    if (e->facts.is_cached_failure) {
        e->facts.failure_cnt = 0; /* drop those of unfinished tasks */
        recall_failure(e);
    }
    cause_find(&e->facts, cause);
    struct json *why = json_put_object(tree, "cause");
    json_put_text(why, "kind", cause_id(cause->kind));
    json_put_text(why, "text", cause->text);
    json_put_text(why, "advice", cause->advice);
    e->root = e->steps = e->packets = NULL;
    for (size_t i = 0; i < LIVE_MAX; i++)
        forget_live(&e->live[i]);
    return tree;
}

void explain_free(struct explain **explain)
{
    if (*explain) {
        json_free(&(*explain)->root);
        for (size_t i = 0; i < LIVE_MAX; i++)
            forget_live(&(*explain)->live[i]);
    }
    free(*explain);
    *explain = NULL;
}
