/* Everything that an off-path attacker has to guess goes into the query here, each defence on a
 * line of its own. */
#include "resolver/iterate/step_ask.h"

#include <limits.h>
#include <stdatomic.h>

#include "base/now.h"
#include "resolver/iterate/machine.h"
#include "resolver/iterate/pick.h"
#include "resolver/iterate/qmin.h"
#include "resolver/iterate/step_reply.h"

enum {
    CLEAR_PORT = 53,
    TCP_TIMEOUT_MS = 3000,
    LAST_WAIT_MS = 2300,     /* of the last try at an address, if time is left for several */
    LAST_WAIT_MAX_MS = 3500, /* if more is left */
    SUBQUERY_WAIT_MS =
        1000, /* of the last try of a subquery: other servers may have addresses */
    FORWARD_WAIT_MS = 1000, /* of a forwarder, which may have to resolve the name itself */
    ONLY_FORWARD_WAIT_MS = 2500,
};

/* ---- name and type ---- */

/* True if the cache has data or NODATA for the shorter name, so that no server is asked. */
static bool is_known(struct task *task, unsigned labels)
{
    struct cache_time when = task_time(task);
    struct cache_found found;
    return cache_find(&task->engine->cache, &task->key, labels, RRTYPE_A, &when,
                      &task->engine->scratch, &found) &&
           (found.kind == CACHE_NODATA || found.kind == CACHE_DATA);
}

/* RFC 9156 2.1: one label more than the zone, with the type that servers answer best. */
static void choose_query(struct task *task)
{
    unsigned labels = task->parts.labels;
    bool is_short = false;

    while (task->is_minimising && !is_short) {
        task->asked_labels = qmin_next(labels, task->minimised_labels, task->steps,
                                       task->engine->policy->limits.minimisation_steps);
        is_short = task->asked_labels < labels && !is_known(task, task->asked_labels);
        if (task->asked_labels >= labels)
            break;
        if (!is_short) {
            task->minimised_labels = task->asked_labels;
            task->steps++;
        }
    }
    if (!is_short)
        task->asked_labels = labels;
    task->asked_type = is_short ? RRTYPE_A : task->type;
}

/* Mixed case ("0x20"): each letter is a bit that a forger has to guess. */
static void mix_case(struct rng *rng, uint8_t *name)
{
    uint32_t bits = 0;
    unsigned left = 0;

    for (uint8_t *label = name; *label; label += *label + 1)
        for (unsigned i = 1; i <= *label; i++) {
            uint8_t lower = util_lower(label[i]);
            if (lower < 'a' || lower > 'z')
                continue;
            if (left == 0) {
                bits = rng_u32(rng);
                left = 32;
            }
            label[i] = bits & 1 ? lower : (uint8_t)(lower - ('a' - 'A'));
            bits >>= 1;
            left--;
        }
}

/* ---- merging ---- */

static struct list *asking_bucket(struct task *task)
{
    uint64_t hash = task->parts.hash[task->asked_labels];
    return &task->engine->asking[(hash + task->asked_type) % ENGINE_BUCKETS];
}

/* Return a task with the same query outstanding at servers of the same zone, or NULL: two at a
 * time would double a forger's chances (docs/LIMITS.md section 1: birthday). */
static struct task *find_asking(struct task *task)
{
    struct list *head = asking_bucket(task);

    list_for_each(struct task, t, head, asking) {
        if (t->asked_type == task->asked_type &&
            t->delegation.labels == task->delegation.labels &&
            dname_is_equal(task_asked_name(t), task_asked_name(task)))
            return t;
    }
    return NULL;
}

/* ---- sending ---- */

static const uint8_t *cookie_for(struct task *task, const struct infra_server *server,
                                 size_t *len)
{
    infra_client_cookie(task->engine->infra, &server->addr, task->client_cookie);
    memcpy(task->client_cookie + COOKIE_CLIENT_LEN, server->server_cookie,
           server->server_cookie_len);
    *len = COOKIE_CLIENT_LEN + (size_t)server->server_cookie_len;
    return task->client_cookie;
}

/* Return the TLS settings for the server; NULL: without TLS. */
static struct tls_client *tls_of(const struct task *task)
{
    return task->delegation.addrs[task->addr].is_clear ? NULL : task->delegation.tls;
}

static bool is_exempt(const struct task *task, const struct policy_exempt *exempt,
                      const struct addr *server)
{
    return policy_is_exempt(exempt, task_asked_name(task), server);
}

/* Mixed case is used unless the server is exempt or is known to mishandle it.  The last try at
 * a server that has been silent and never handled mixed case is in lower case: some servers
 * drop queries for names that they do not find. */
static bool may_mix_case(struct task *task, const struct infra_server *server, uint64_t now_ms)
{
    const struct policy *policy = task->engine->policy;
    const struct delegation_addr *to = &task->delegation.addrs[task->addr];

    if (!policy->defences.random_case || task->lower || now_ms < server->no_case_until_ms ||
        is_exempt(task, &policy->case_exempt, &server->addr))
        return false;
    bool is_last_try = to->is_silent && to->tries + 1 >= PICK_TRIES_MAX;
    if (is_last_try && !server->knows_case)
        task->lower = TASK_LOWER_SILENT;
    return !task->lower;
}

static enum task_edns choose_edns(const struct task *task, const struct infra_server *server,
                                  uint64_t now_ms)
{
    bool needs_edns = task->delegation.is_signed || now_ms < server->signs_until_ms;
    if (task->edns == TASK_EDNS_NONE || (now_ms < server->no_edns_until_ms && !needs_edns) ||
        is_exempt(task, &task->engine->policy->edns_exempt, &server->addr))
        return TASK_EDNS_NONE;
    return now_ms < server->no_options_until_ms ? TASK_EDNS_BARE : task->edns;
}

static bool may_send_cookie(const struct task *task, const struct addr *server)
{
    const struct policy *policy = task->engine->policy;
    return policy->defences.cookies && task->edns == TASK_EDNS_FULL &&
           !is_exempt(task, &policy->cookie_exempt, server);
}

/* RFC 6840 5.9: with CD a forwarder passes on what it holds for bogus, so that this resolver
 * can say why. */
static uint16_t forward_flags(const struct task *task)
{
    return task->engine->policy->is_validating ? MESSAGE_RD | MESSAGE_CD : MESSAGE_RD;
}

/* Laboratory: IDs counted up by the whole process, as the BIND of the 1990s did. */
static uint16_t count_id(void)
{
    static _Atomic uint16_t last_id;
    return (uint16_t)(atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1);
}

static void compose_query(struct task *task, const struct infra_server *server, uint64_t now_ms)
{
    const struct policy_defences *on = &task->engine->policy->defences;
    const uint8_t *plain_name = task_asked_name(task);
    struct rng *rng = &task->engine->rng;
    struct out_ask *ask = &task->ask;
    uint8_t name[DNAME_MAX];
    size_t name_len = dname_len(plain_name);
    bool is_forward = task->delegation.source == DELEGATION_FORWARD;

    memcpy(name, plain_name, name_len);
    bool has_case = may_mix_case(task, server, now_ms);
    if (has_case)
        mix_case(rng, name);
    task->is_mixed = memcmp(name, plain_name, name_len) != 0;
    task->edns = choose_edns(task, server, now_ms);
    struct query q = {.id = on->random_id ? rng_u16(rng) : count_id(),
                      .flags = is_forward ? forward_flags(task) : 0,
                      .name = name,
                      .type = task->asked_type,
                      .has_edns = task->edns != TASK_EDNS_NONE,
                      .is_do = task->edns != TASK_EDNS_NONE,
                      .udp_size = task->engine->policy->udp_size,
                      .is_padded = tls_of(task) && task->edns == TASK_EDNS_FULL};
    bool has_cookie = may_send_cookie(task, &server->addr);
    if (has_cookie)
        q.cookie = cookie_for(task, server, &q.cookie_len);
    ask->len = query_write(&q, ask->wire);
    ask->match = (struct match){.to = server->addr,
                                .wire = ask->wire,
                                .name = plain_name,
                                .question_len = name_len + 4,
                                .client_cookie = has_cookie ? task->client_cookie : NULL,
                                .udp_size = task->engine->policy->udp_size,
                                .needs_cookie = server->server_cookie_len > 0 &&
                                                now_ms >= server->no_cookie_until_ms,
                                .checks_source = on->source,
                                .checks_id = true,
                                .checks_question = on->question,
                                .checks_case = has_case && !task->is_tcp,
                                .checks_cookie = on->cookies,
                                .is_tcp = task->is_tcp};
    ask->is_tcp = task->is_tcp;
    ask->tls = tls_of(task);
    ask->verify_error = "";
    ask->fault = OUT_FAULT_NONE;
    if (task->delegation.tls && !ask->tls) /* the configured port is for TLS */
        addr_set_port(&ask->match.to, CLEAR_PORT);
    ask->is_port_fixed = !on->random_port;
    ask->ignores_mismatch = !on->wrong_reply_tcp;
}

static void emit_query(const struct task *task)
{
    const struct delegation_addr *to = &task->delegation.addrs[task->addr];
    struct trace_event event = task_event(task, TRACE_STEP_QUERY);

    event.query.server = &to->addr;
    event.query.from = &task->ask.from;
    event.query.server_name = task->delegation.servers[to->server].name;
    event.query.why = &task->pick;
    event.query.wire = task->ask.wire;
    event.query.len = task->ask.len;
    event.query.transport = task_transport(task);
    event.query.is_minimised =
        task->asked_labels < task->parts.labels || task->asked_type != task->type;
    event.query.has_edns = task->edns != TASK_EDNS_NONE;
    event.query.is_after_mismatch = task->is_tcp && task->is_suspect;
    trace_emit(&task->listeners, &event);
}

/* ---- results ---- */

static unsigned rtt_us(const struct task *task)
{
    return (unsigned)util_min(now_mono_us() - task->asked_us, UINT32_MAX);
}

static void give_back_place(struct task *task)
{
    quota_give_back(task->engine->quota, &task->place);
    task_unpark(task->engine, &task->place);
}

static void stop_asking(struct task *task)
{
    task->is_asking = false;
    task->engine->out_cnt--;
    list_remove(&task->asking);
    give_back_place(task); /* a waiting task goes before the next step of this one */
}

static void note_rejected(struct out_ask *ask, const struct out_rejected *reply)
{
    struct task *task = container_of(ask, struct task, ask);
    task->is_case_all = reply->why == MATCH_CASE;
    task->is_cookie_all = reply->why == MATCH_COOKIE && ask->match.lacks_cookie;
    if (task_is_traced(task)) {
        struct trace_event event = task_event(task, TRACE_STEP_REJECTED);
        event.rejected.from = reply->from;
        event.rejected.why = reply->why;
        trace_emit(&task->listeners, &event);
    }
    rejected_note_reply(&task->engine->rejected, &ask->match, reply, now_wall_ms());
}

/* Record the result and hand it to the machine. */
static void record_result(struct out_ask *ask, enum out_result result,
                          const struct message *reply)
{
    struct task *task = container_of(ask, struct task, ask);

    trace_replied(&task->attempts, rtt_us(task) / 1000);
    stop_asking(task);
    if (result == OUT_REPLY)
        infra_note_reply(task->engine->infra, &task->delegation.addrs[task->addr].addr,
                         rtt_us(task), now_mono_ms());
    task->result = result;
    task->reply = reply;
    machine_take_result(task);
}

/* ---- the step ---- */

static struct quota_place place_of(const struct task *task)
{
    struct quota_terms terms = {.zone = task_subject(task),
                                .server = &task->delegation.addrs[task->addr].addr,
                                .is_forwarder = task->delegation.source == DELEGATION_FORWARD,
                                .client = task->client,
                                .is_exempt = task->is_exempt};
    struct quota_place place = quota_place(task->engine->quota, &terms);
    task_spare_passed(task, &place);
    return place;
}

static bool is_silent(const struct task *task, const struct delegation_addr *a, uint64_t now_ms)
{
    const struct infra_server *known = infra_find(task->engine->infra, &a->addr, now_ms);
    return a->is_silent || (known && known->timeouts > 0);
}

/* True if step_target would choose another address that has not been silent: rather wait for a
 * server at its limit than change to a dead one.  Both functions must agree, else they would
 * alternate for ever. */
static bool has_other_good(const struct task *task, uint64_t now_ms)
{
    enum pick_pass pass = task->is_last_resort ? PICK_LAST_RESORT : PICK_GOOD;
    struct pick_by by = {.infra = task->engine->infra,
                         .policy = task->engine->policy,
                         .own = task->engine->own,
                         .subject = task_subject(task),
                         .now_ms = now_ms};

    for (int i = 0; i < task->delegation.addr_cnt; i++) {
        const struct delegation_addr *a = &task->delegation.addrs[i];
        if (pick_may(&task->delegation, a, &by, pass) && !is_silent(task, a, now_ms))
            return true;
    }
    return false;
}

/* Wait for the server, of those at their limit, where a place is free soonest. */
static void wait_for_best(struct task *task, uint64_t now_ms)
{
    const struct infra *infra = task->engine->infra;
    unsigned least_ms = UINT_MAX;

    for (int i = 0; i < task->delegation.addr_cnt; i++) {
        const struct delegation_addr *a = &task->delegation.addrs[i];
        unsigned rto_ms = infra_rto_ms(infra_find(infra, &a->addr, now_ms));
        if (!a->is_full || rto_ms >= least_ms)
            continue;
        least_ms = rto_ms;
        task->addr = i;
    }
    task->place = place_of(task);
}

/* Count the addresses that this task may still ask, with the current one. */
static unsigned count_askable(const struct task *task, uint64_t now_ms)
{
    const struct infra *infra = task->engine->infra;
    uint64_t subject = task_subject(task);
    unsigned cnt = 0;

    for (int i = 0; i < task->delegation.addr_cnt; i++) {
        const struct delegation_addr *a = &task->delegation.addrs[i];
        cnt += !a->is_useless && a->tries < PICK_TRIES_MAX &&
               engine_may_ask(task->engine, &a->addr) &&
               !infra_is_dead(infra, infra_find(infra, &a->addr, now_ms), subject, now_ms);
    }
    return cnt;
}

/* Early tries are short, so that a lost datagram or a dead server costs little.  The last ones
 * get the remaining time: the server may be far away, or be waiting for another server itself.
 */
static unsigned choose_wait(const struct task *task, const struct infra_server *server,
                            uint64_t now_ms)
{
    const struct delegation_addr *to = &task->delegation.addrs[task->addr];
    bool is_forward = task->delegation.source == DELEGATION_FORWARD;
    size_t left_ms = task->budget->expire_ms - now_ms, wait_ms = infra_rto_ms(server);
    size_t askable = count_askable(task, now_ms);
    bool is_only = askable <= 1;

    if (is_forward)
        wait_ms = util_max(wait_ms, is_only ? ONLY_FORWARD_WAIT_MS : FORWARD_WAIT_MS);
    if (is_only && server->srtt_us > 0) /* it is slow, and the only one */
        wait_ms = util_max(wait_ms, (server->srtt_us + (size_t)server->rttvar_us) / 1000);
    if (task->is_tcp)
        wait_ms = TCP_TIMEOUT_MS;
    bool is_last_udp =
        to->tries + 1 >= PICK_TRIES_MAX || (to->tries > 0 && left_ms < wait_ms + LAST_WAIT_MS);
    if (task->is_tcp ? is_forward && is_only : is_last_udp) {
        size_t shares = util_max(1, util_min(askable, left_ms / LAST_WAIT_MS));
        size_t share_ms = left_ms / shares;
        if (!is_forward)
            share_ms =
                util_min(share_ms, task->depth > 0 || task->empty_addr ? SUBQUERY_WAIT_MS
                                                                       : LAST_WAIT_MAX_MS);
        wait_ms = util_max(wait_ms, share_ms);
    }
    return (unsigned)util_min(wait_ms, left_ms);
}

static enum task_state send_query(struct task *task, uint64_t now_ms)
{
    struct engine *engine = task->engine;
    struct delegation_addr *to = &task->delegation.addrs[task->addr];
    const struct infra_server *server = infra_get(engine->infra, &to->addr, now_ms);
    struct out_ask *ask = &task->ask;

    compose_query(task, server, now_ms);
    ask->wants_from = task_is_traced(task);
    ask->timeout_ms = choose_wait(task, server, now_ms);
    ask->done = record_result;
    ask->rejected = note_rejected;
    infra_note_probe(engine->infra, &to->addr, task_subject(task), now_ms);
    task->asked_us = now_mono_us();
    to->tries++;
    trace_begin(&task->attempts, &to->addr, task->delegation.labels, task->is_tcp);
    enum err err = engine->out->ask(engine->out, ask);
    if (!err) {
        if (task_is_traced(task))
            emit_query(task);
        task->is_asking = true;
        engine->out_cnt++;
        list_add(asking_bucket(task), &task->asking);
        task->is_tcp ? engine->counts.out_tcp++ : engine->counts.out_udp++;
        task_note_sent(task);
        return TASK_WAIT;
    }
    quota_give_back(engine->quota, &task->place);
    trace_end(&task->attempts, err == ERR_LIMIT ? TRACE_QUOTA : TRACE_UNREACHABLE, 0);
    task_trace_no_reply(task, err == ERR_IO ? TRACE_SILENCE_UNREACHABLE : TRACE_SILENCE_UNSENT,
                        "");
    if (err == ERR_LIMIT ||
        err == ERR_NOMEM) { /* that is ours, and says nothing of the server */
        to->tries--;
        task->sends--;
        task->budget->queries_left++; /* nothing was sent */
        return task_park(task, QUOTA_KINDS);
    }
    task_unpark(engine, &task->place); /* for want of a socket it would go round and round */
    if (err == ERR_IO)
        infra_note_unreachable(engine->infra, &to->addr, now_ms);
    to->is_useless = true;
    return TASK_TARGET;
}

enum task_state step_ask(struct task *task)
{
    struct engine *engine = task->engine;
    struct delegation_addr *to = &task->delegation.addrs[task->addr];
    uint64_t now_ms = now_mono_ms();

    choose_query(task);
    struct task *other = engine->policy->defences.merging ? find_asking(task) : NULL;
    if (other) {
        engine->counts.merged++;
        task_trace_note(task, TRACE_NOTE_FOLLOW);
        list_add(&other->followers, &task->join);
        return TASK_WAIT;
    }
    bool is_over = task->sends >= TASK_SENDS_MAX || !budget_is_left(task->budget, now_ms);
    if (is_over && task->empty_addr)
        return step_reply_empty(task);
    if (task->sends >= TASK_SENDS_MAX)
        return task_fail(task, TASK_FAILED, FAILURE_SENDS);
    if (!budget_is_left(task->budget, now_ms))
        return task_fail(task, TASK_LIMITED, task->budget->spent);
    task->place = place_of(task);
    enum quota_kind full = quota_spend(engine->quota, &task->place);
    if (full == QUOTA_SERVER) {
        to->is_full = true;
        if (has_other_good(task, now_ms))
            return TASK_TARGET;
        wait_for_best(task, now_ms);
    }
    if (full != QUOTA_KINDS) {
        task_trace_note(task, TRACE_NOTE_PLACE);
        return task_park(task, full);
    }
    if (!budget_spend_query(task->budget, now_ms)) {
        give_back_place(task);
        return task_fail(task, TASK_LIMITED, task->budget->spent);
    }
    task->sends++;
    return send_query(task, now_ms);
}
