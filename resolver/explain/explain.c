/* Each event becomes a node below that of its task; a few facts are kept beside, for the cause.
 */
#include "resolver/explain/explain.h"

#include "base/now.h"
#include "dns/dname_text.h"
#include "dns/rdata_text.h"
#include "resolver/explain/to_json.h"
#include "resolver/iterate/classify.h"
#include "resolver/iterate/task.h"

enum { UNKNOWN_PORT = 49152, RECALL_MS = 200, LIVE_MAX = 64, TOLD_MAX = 64 };

/* A task that is under way. */
struct live {
    const struct task *task; /* NULL: free */
    const struct task *parent;
    struct json *steps; /* of its node */
    struct json *node;
    struct json *ask; /* the question that is out, or was last; NULL: none */
    uint64_t since_us;
    bool is_loop, is_denied;
    unsigned denied_cnt;          /* of its servers, that do not exist or have no address */
    uint8_t (*denied)[DNAME_MAX]; /* CAUSE_NAMES_MAX of them; NULL: none yet */
};

/* Lifetime: the caller's. */
struct explain {
    struct trace_sink sink;
    const struct engine *engine;
    uint8_t name[DNAME_MAX];
    struct json *root, *steps, *packets; /* packets NULL: they are not kept */
    int64_t start_ms;
    uint64_t start_us;
    unsigned step_cnt;
    unsigned left_cnt; /* steps and parts of steps that were left out */
    size_t octets;     /* of what is kept, as JSON */
    struct live live[LIVE_MAX];
    bool has_tasks;
    uint8_t failed[DNAME_MAX]; /* whose failure was remembered, if one was */
    uint64_t told[TOLD_MAX];   /* of the walk, which begins anew after each resolution */
    unsigned told_cnt;
    struct cause_facts facts;
    struct cause_failure failures[CAUSE_FAILURES_MAX];
};

/* ---- size ---- */

/* Whether one more part may be kept; the one that reaches the limit is the last. */
static bool has_room(struct explain *e)
{
    bool has = e->octets < EXPLAIN_OCTETS_MAX;

    e->left_cnt += !has;
    return has;
}

/* Count a part that is whole. */
static void count(struct explain *e, const struct json *part) { e->octets += json_size(part); }

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
        snprintf(text, sizeof(text), "(%u octets that break the format of the type)",
                 rdata_len);
    json_put_text(to, "data", text);
}

static void add_record(struct json *list, const struct message *message,
                       const struct scrub *scrub, const struct scrub_record *r)
{
    const char *reason = scrub_reason(scrub, r);
    struct json *one = json_add_object(list);
    uint8_t owner[DNAME_MAX];

    owners_write(scrub->owners, r->owner, owner);
    json_put_text(one, "section", to_json_section((enum message_section)r->section));
    to_json_name(one, "owner", owner);
    json_put_number(one, "ttl", r->ttl);
    to_json_type(one, "type", r->type);
    put_rdata(one, message, r->type, r->rdata_at, r->rdata_len);
    json_put_bool(one, "taken", !reason);
    if (reason)
        json_put_text(one, "reason", reason);
}

static void put_records(struct json *to, const struct message *message,
                        const struct scrub *scrub)
{
    struct json *list = json_put_list(to, "records");
    for (size_t i = 0; i < util_min(scrub->record_cnt, EXPLAIN_RECORDS_MAX); i++)
        add_record(list, message, scrub, &scrub->records[i]);
    size_t all = scrub->record_cnt + scrub->unread_cnt;
    if (all > EXPLAIN_RECORDS_MAX)
        json_put_number(to, "more-records", (int64_t)(all - EXPLAIN_RECORDS_MAX));
}

static void put_servers(struct json *to, const struct delegation *delegation)
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
                       bool is_tcp, const uint8_t *wire, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *hex = e->packets && has_room(e) ? malloc(2 * len + 1) : NULL;

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
    json_put_text(one, "transport", is_tcp ? "TCP" : "UDP");
    json_put_text(one, "wire", hex);
    free(hex);
    count(e, one);
}

/* Where a question left from; over TCP it is not known, and something stands in its place. */
static struct addr own_addr(const struct task *task)
{
    struct addr own = task->ask.from;
    if (task->ask.from.sock.any.sa_family && !task->is_tcp)
        return own;
    bool is_v6 = addr_is_v6(&task->ask.match.to);
    enum err err = addr_read(is_v6 ? "::1" : "127.0.0.1", UNKNOWN_PORT, &own);
    must(!err);
    return own;
}

/* ---- tasks ---- */

static struct live *find_live(struct explain *e, const struct task *task)
{
    for (size_t i = 0; task && i < LIVE_MAX; i++)
        if (e->live[i].task == task)
            return &e->live[i];
    return NULL;
}

/* A new node in the story, below that of a task or at its top; NULL when it has become too
 * long. */
static struct json *add_step(struct explain *e, const struct live *below, const char *step)
{
    bool is_long = e->step_cnt >= EXPLAIN_STEPS_MAX;

    e->left_cnt += is_long;
    if (is_long || !has_room(e))
        return NULL;
    e->step_cnt++;
    struct json *node = json_add_object(below ? below->steps : e->steps);
    json_put_text(node, "step", step);
    return node;
}

static void on_begin(struct explain *e, const struct trace_event *event)
{
    struct live *parent = find_live(e, event->parent), *free_one = NULL;
    bool is_known = find_live(e, event->task) != NULL;

    e->has_tasks = true;
    e->facts.is_joined |= event->step == TRACE_STEP_JOIN && !event->parent;
    for (size_t i = 0; i < LIVE_MAX && !free_one; i++)
        if (!e->live[i].task)
            free_one = &e->live[i];
    struct json *node = add_step(e, parent, "resolve");
    to_json_name(node, "name", event->name);
    to_json_type(node, "type", event->type);
    if (event->parent)
        json_put_text(node, "why",
                      event->type == RRTYPE_NS ? "the servers of the zone"
                                               : "the address of a server");
    if (event->step == TRACE_STEP_JOIN)
        json_put_text(node, "joined", event->what);
    count(e, node);
    if (!free_one || is_known) /* what it does is told where it began */
        return;
    *free_one = (struct live){.task = event->task,
                              .parent = event->parent,
                              .node = node,
                              .since_us = now_mono_us(),
                              .steps = json_put_list(node, "steps")};
}

static void on_zone(struct explain *e, struct live *live, const struct trace_event *event)
{
    struct json *node = add_step(e, live, "zone");
    to_json_name(node, "zone", event->zone);
    json_put_text(node, "from", event->what);
    if (event->task->is_delegation_cached)
        json_put_number(node, "ttl",
                        (event->task->delegation_expire_ms - now_wall_ms()) / 1000);
    put_servers(node, &event->task->delegation);
    count(e, node);
}

static void put_pick(struct json *to, const struct pick_why *pick)
{
    static const char *const reasons[] = {
        [PICK_ONLY] = "the only address that may be asked",
        [PICK_NEAR] = "one of the fastest, at random",
        [PICK_UNKNOWN] = "at random: nothing is known of their times",
        [PICK_EXPLORE] = "at random, to learn how fast all are"};
    struct json *why = json_put_object(to, "why");
    json_put_text(why, "reason", reasons[pick->reason]);
    json_put_number(why, "among", pick->chosen_from);
    json_put_number(why, "of", pick->of);
    if (pick->srtt_us)
        put_ms(why, "usual-ms", pick->srtt_us);
}

static void on_ask(struct explain *e, struct live *live, const struct trace_event *event)
{
    const struct task *task = event->task;
    const struct delegation_addr *to = &task->delegation.addrs[task->addr];
    struct json *node = add_step(e, live, "ask");

    to_json_addr(node, "server", event->server);
    to_json_name(node, "server-name", task->delegation.servers[to->server].name);
    to_json_name(node, "zone", event->zone);
    to_json_name(node, "name", event->name);
    to_json_type(node, "type", event->type);
    json_put_text(node, "transport", event->what);
    json_put_bool(node, "minimised",
                  task->asked_labels < task->parts.labels || task->asked_type != task->type);
    json_put_bool(node, "edns", task->edns != TASK_EDNS_NONE);
    json_put_number(node, "id", util_get_u16(task->ask.wire));
    if (task->ask.from.sock.any.sa_family && !task->is_tcp)
        json_put_number(node, "from-port", addr_port(&task->ask.from));
    put_pick(node, &task->pick);
    count(e, node);
    live->ask = node;
    e->facts.query_cnt++;
    e->facts.suspect_cnt += task->is_tcp && task->is_suspect;
    e->facts.last_server = *event->server;
    struct addr own = own_addr(task);
    add_packet(e, &own, event->server, task->is_tcp, task->ask.wire, task->ask.len);
}

/* What was taken of a reply, what was not, and where it leads. */
static void put_taken(struct explain *e, struct json *ask, const struct trace_event *event)
{
    const struct delegation *delegation = event->scrub->delegation;

    put_records(ask, event->message, event->scrub);
    count(e, json_find(ask, "records"));
    if (!delegation || strcmp(event->what, classify_name(CLASSIFY_DELEGATION)) != 0)
        return;
    struct json *to = json_put_object(ask, "leads-to");
    to_json_name(to, "zone", delegation->zone);
    json_put_number(to, "ttl", event->scrub->delegation_ttl);
    put_servers(to, delegation);
    count(e, to);
}

static void on_reply(struct explain *e, struct live *live, const struct trace_event *event)
{
    const struct task *task = event->task;
    const struct message *m = event->message;
    struct json *ask = live->ask;
    char rcode[RRTYPE_NAME_MAX];

    e->facts.cut_cnt += strcmp(event->what, "truncated") == 0;
    json_put_text(ask, "result", event->what);
    put_ms(ask, "rtt-ms", now_mono_us() - task->asked_us);
    rrtype_print_rcode(classify_rcode(m), rcode);
    json_put_text(ask, "rcode", rcode);
    put_flags(ask, m->flags);
    json_put_number(ask, "octets", (int64_t)m->len);
    if (event->scrub) {
        if (has_room(e))
            put_taken(e, ask, event);
        live->is_denied = strcmp(event->what, classify_name(CLASSIFY_NXDOMAIN)) == 0 ||
                          strcmp(event->what, classify_name(CLASSIFY_NODATA)) == 0;
    }
    struct addr own = own_addr(task);
    add_packet(e, event->server, &own, task->is_tcp, m->wire, m->len);
}

static void on_rejected(struct explain *e, struct live *live, const struct trace_event *event)
{
    if (!has_room(e))
        return;
    struct json *list = json_find(live->ask, "refused");
    if (!list)
        list = json_put_list(live->ask, "refused");
    struct json *one = json_add_object(list);
    to_json_addr(one, "from", event->server);
    json_put_text(one, "reason", event->what);
    count(e, one);
}

/* The server's addresses are there, and none of them may be asked. */
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

static void note_failure(struct explain *e, const struct live *live, const struct task *task)
{
    unsigned at = (unsigned)util_min(e->facts.failure_cnt, CAUSE_FAILURES_MAX - 1);
    struct cause_failure *f = &e->failures[at];
    const struct delegation *delegation = &task->delegation;

    e->facts.failure_cnt = at + 1;
    *f = (struct cause_failure){.is_limited = task->outcome == TASK_LIMITED || task->limit,
                                .is_loop = live->is_loop && delegation->addr_cnt == 0,
                                .cause = task->cause,
                                .attempts = task->attempts};
    memcpy(f->name, task->name, dname_len(task->name));
    if (!delegation->zone) /* its end came before it knew a zone */
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

/* Kept in their order, so that the same story is told in the same words. */
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

static void on_end(struct explain *e, struct live *live, const struct trace_event *event)
{
    const struct task *task = event->task;
    struct live *parent = find_live(e, live->parent);
    bool has_failed = task->outcome != TASK_ANSWERED;

    json_put_text(live->node, "outcome", has_failed ? "failed" : "answered");
    if (has_failed) {
        json_put_text(live->node, "cause", task->cause);
        json_put_text(live->node, "text", event->what);
        note_failure(e, live, task);
    }
    put_ms(live->node, "took-ms", now_mono_us() - live->since_us);
    if (parent && live->is_denied && !has_failed)
        note_denied(parent, task->name);
    for (size_t i = 0; i < LIVE_MAX; i++)
        if (e->live[i].parent == task)
            e->live[i].parent = NULL; /* its memory may soon be another task's */
    forget_live(live);
}

/* ---- the walk ---- */

static void put_found(struct explain *e, struct json *node, const struct cache_found *found)
{
    int64_t now_ms = now_wall_ms();

    json_put_number(node, "ttl", found->ttl);
    json_put_number(node, "of", found->ttl_whole);
    json_put_bool(node, "stale", found->is_stale);
    json_put_bool(node, "new", found->cached_ms >= e->start_ms);
    json_put_number(node, "age-s", (now_ms - found->cached_ms) / 1000);
    if (found->server.sock.any.sa_family) {
        to_json_addr(node, "server", &found->server);
        json_put_text(node, "section", to_json_section(found->section));
        json_put_text(node, "trust", cache_rank_name(found->rank));
    }
    if (found->kind == CACHE_FAILURE)
        json_put_text(node, "text", found->text);
}

static struct cause_source source_of(const struct cache_found *found)
{
    int64_t now_ms = now_wall_ms();

    return (struct cause_source){
        .is_there = true,
        .is_stale = found->is_stale,
        .cached_ms = found->cached_ms,
        .age_s = (now_ms - (found->is_stale ? found->expire_ms : found->cached_ms)) / 1000,
        .left_s = found->ttl,
        .server = found->server};
}

/* Whether the walk has come by here before, and found the same. */
static bool is_told(struct explain *e, const struct trace_event *event)
{
    uint64_t what = dname_hash(event->name) + event->type * 2U +
                    (event->step == TRACE_STEP_KNOWN) +
                    (event->found ? (uint64_t)event->found->kind << 20 : 0);

    for (unsigned i = 0; i < e->told_cnt; i++)
        if (e->told[i] == what)
            return true;
    if (e->told_cnt < TOLD_MAX)
        e->told[e->told_cnt++] = what;
    return false;
}

static void on_known(struct explain *e, const struct trace_event *event)
{
    if (event->found && event->found->kind == CACHE_FAILURE) {
        e->facts.failure = source_of(event->found);
        memcpy(e->failed, event->name, dname_len(event->name));
    } else if (event->found) {
        e->facts.source = source_of(event->found);
    } else {
        e->facts.source = (struct cause_source){.is_there = true, .is_local = true};
    }
    if (is_told(e, event))
        return;
    struct json *node = add_step(e, NULL, event->found ? "cache" : "local");
    to_json_name(node, "name", event->name);
    to_json_type(node, "type", event->type);
    json_put_text(node, "found", event->what);
    if (event->found)
        put_found(e, node, event->found);
    count(e, node);
}

static void on_note(struct explain *e, struct live *live, const struct trace_event *event)
{
    struct json *node = add_step(e, live, "note");

    live->is_loop |= strcmp(event->what, TASK_NOTE_CIRCLE) == 0;
    json_put_text(node, "what", event->what);
    count(e, node);
}

static void on_unknown(struct explain *e, const struct trace_event *event)
{
    if (is_told(e, event))
        return;
    struct json *node = add_step(e, NULL, "cache");
    to_json_name(node, "name", event->name);
    to_json_type(node, "type", event->type);
    json_put_text(node, "found", "nothing");
    count(e, node);
}

static void note(void *data, const struct trace_event *event)
{
    struct explain *e = data;
    struct live *live = find_live(e, event->task);

    switch (event->step) {
    case TRACE_STEP_BEGIN:
    case TRACE_STEP_JOIN: on_begin(e, event); return;
    case TRACE_STEP_KNOWN: on_known(e, event); return;
    case TRACE_STEP_UNKNOWN: on_unknown(e, event); return;
    default: break;
    }
    if (!live)
        return;
    switch (event->step) {
    case TRACE_STEP_ZONE: on_zone(e, live, event); break;
    case TRACE_STEP_ASK: on_ask(e, live, event); break;
    case TRACE_STEP_REPLY: on_reply(e, live, event); break;
    case TRACE_STEP_SILENCE:
        json_put_text(live->ask, "result", event->what);
        put_ms(live->ask, "rtt-ms", now_mono_us() - event->task->asked_us);
        break;
    case TRACE_STEP_REJECTED: on_rejected(e, live, event); break;
    case TRACE_STEP_NOTE: on_note(e, live, event); break;
    default: on_end(e, live, event); break;
    }
}

/* ---- begin and end ---- */

struct explain *explain_new(const struct engine *engine, const uint8_t *name, uint16_t type,
                            const struct addr *client, bool has_packets)
{
    struct explain *e = calloc(1, sizeof(*e));

    if (!e)
        return NULL;
    e->sink = (struct trace_sink){.note = note, .data = e};
    e->engine = engine;
    e->start_ms = now_wall_ms();
    e->start_us = now_mono_us();
    memcpy(e->name, name, dname_len(name));
    e->facts.name = e->name;
    e->facts.type = type;
    e->facts.failures = e->failures;
    e->facts.ede_text = "";
    e->facts.ede = EDNS_EDE_NONE;
    addr_print(client, e->facts.client);
    *strchr(e->facts.client, '@') = '\0';
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

const struct trace_sink *explain_sink(struct explain *explain) { return &explain->sink; }

/* What the answer's records say for the cause: the chain, and what was asked for at its end. */
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
        return; /* a DNAME above the name is on the way, and not at its end */
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

static void put_answer(struct explain *e, struct json *answer, const struct exchange *ex)
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

/* What is noted of the resolution whose failure is remembered, if it was this worker's. */
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
        to->cause = f->cause;
        to->attempts.cnt = f->attempt_cnt;
        memcpy(to->attempts.at, f->attempts, sizeof(f->attempts));
        e->facts.failure_cnt = 1;
        return;
    }
}

/* The time was up before those that still wait had failed. */
static void note_unfinished(struct explain *e)
{
    for (size_t i = 0; i < LIVE_MAX; i++) {
        if (!e->live[i].task)
            continue;
        note_failure(e, &e->live[i], e->live[i].task);
        struct cause_failure *f = &e->failures[e->facts.failure_cnt - 1];
        f->is_limited = true;
        f->cause = "the time for one query is up";
    }
}

bool explain_has_tasks(const struct explain *explain) { return explain->has_tasks; }

struct json *explain_end(struct explain *e, const struct exchange *ex, struct cause *cause)
{
    struct json *tree = e->root;

    put_ms(tree, "took-ms", now_mono_us() - e->start_us);
    json_put_number(tree, "questions", e->facts.query_cnt);
    if (e->left_cnt > 0)
        json_put_number(tree, "more-steps", e->left_cnt);
    put_answer(e, json_put_object(tree, "answer"), ex);
    e->facts.is_remembered = e->facts.rcode == RRTYPE_RCODE_SERVFAIL &&
                             e->facts.failure_cnt == 0 && e->facts.failure.is_there;
    if (e->facts.is_remembered)
        recall_failure(e);
    else if (e->facts.rcode == RRTYPE_RCODE_SERVFAIL && e->facts.failure_cnt == 0)
        note_unfinished(e);
    cause_find(&e->facts, cause);
    struct json *why = json_put_object(tree, "cause");
    json_put_text(why, "kind", cause->kind);
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
