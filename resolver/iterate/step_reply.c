/* Scrub and classify the reply; then one function per kind. */
#include "resolver/iterate/step_reply.h"

#include "base/log.h"
#include "base/now.h"
#include "resolver/iterate/classify.h"
#include "resolver/iterate/vet.h"

enum {
    ASK_AGAIN_MAX = 6,   /* queries to one server, over all ways of asking */
    CASE_SAME_MAX = 3,   /* negative answers that were equal in mixed and lower case */
    CASE_SILENT_MIN = 2, /* times that a server replied to lower case only */
};

static struct delegation_addr *asked_addr(struct task *task)
{
    return &task->delegation.addrs[task->addr];
}

static bool is_whole(const struct task *task)
{
    return task->asked_labels == task->parts.labels && task->asked_type == task->type;
}

/* The server is of no use to this task: go on with another one. */
static enum task_state give_up_server(struct task *task, enum trace_outcome outcome,
                                      unsigned rcode)
{
    trace_end(&task->attempts, outcome, rcode);
    asked_addr(task)->is_useless = true;
    return TASK_TARGET;
}

/* Ask the same server again in another way. */
static enum task_state ask_again(struct task *task)
{
    return asked_addr(task)->tries < ASK_AGAIN_MAX ? TASK_ASK : TASK_TARGET;
}

/* ---- caching ---- */

static struct cache_origin origin_of(struct task *task, const struct message *reply)
{
    bool is_auth = reply->flags & MESSAGE_AA;
    return (struct cache_origin){.rank = is_auth ? CACHE_AUTH_ANSWER : CACHE_NONAUTH_ANSWER,
                                 .server = &asked_addr(task)->addr,
                                 .now_ms = now_wall_ms(),
                                 .route = task->route,
                                 .section = MESSAGE_ANSWER,
                                 .fresh_ms = task->fresh_ms,
                                 .is_for_now = task->is_from_child};
}

static void set_state(struct cache_origin *origin, const struct vet_state *state)
{
    origin->security = state->security;
    origin->ede = state->ede;
    origin->proofs = &state->proofs;
}

/* Cache an RRset that was expanded from a wildcard under the name of the wildcard too: other
 * names are answered with it (RFC 8198 5.3). */
static void cache_wildcard(struct task *task, const struct scrub_set *set,
                           const struct vet_state *state, struct cache_origin origin)
{
    uint8_t wildcard[2 + DNAME_MAX] = {1, '*'};
    const uint8_t *encloser = dname_suffix(set->owner, state->encloser_labels);
    size_t len = dname_len(encloser);

    if (!state->is_wildcard || !task->engine->policy->is_aggressive || task->is_from_child ||
        len + 2 > DNAME_MAX)
        return;
    memcpy(wildcard + 2, encloser, len);
    origin.proofs = NULL;
    enum err err = cache_put(&task->engine->cache, wildcard, set->set, &origin);
    (void)err; /* not cached: the servers are asked for other names */
}

/* Cache the links of the chain up to the first that is bogus. */
static enum err cache_chain(struct task *task, const struct scrub *scrub, const struct vet *vet,
                            const struct cache_origin *origin)
{
    struct cache *cache = &task->engine->cache;
    enum err err = ERR_OK;
    bool is_bogus = false;

    struct cache_origin link_origin = *origin;
    for (unsigned i = 0; i < scrub->chain_cnt && !err && !is_bogus; i++) {
        set_state(&link_origin, &vet->chain[i]);
        is_bogus = vet->chain[i].security == CACHE_BOGUS;
        err = cache_put(cache, scrub->chain[i].owner, scrub->chain[i].set, &link_origin);
        cache_wildcard(task, &scrub->chain[i], &vet->chain[i], link_origin);
        link_origin.rank =
            CACHE_NONAUTH_ANSWER; /* RFC 2181 5.4.1: only the first link is authoritative */
    }
    link_origin = *origin;
    for (unsigned i = 0; i < scrub->extra_cnt && !err; i++) {
        link_origin.section = scrub->extra[i].section;
        err = cache_put(cache, scrub->extra[i].owner, scrub->extra[i].set, &link_origin);
    }
    return err;
}

/* Fail at a limit that depends on the name, not on the client: the failure is cached. */
static enum task_state fail_at_limit(struct task *task, enum failure limit)
{
    task->limit = limit;
    return task_fail(task, TASK_FAILED, limit);
}

/* The answer is made from the cache: what is not cached cannot be answered. */
static enum task_state finish_caching(struct task *task, enum err err)
{
    if (err == ERR_SPACE)
        return fail_at_limit(task, FAILURE_CACHE_RRSET);
    if (err)
        return task_fail(task, TASK_LIMITED, FAILURE_CACHE);
    return TASK_DONE;
}

/* ---- one function per kind ---- */

static bool has_dname(const struct scrub *scrub)
{
    for (unsigned i = 0; i < scrub->chain_cnt; i++)
        if (scrub->chain[i].set->type == RRTYPE_DNAME)
            return true;
    return false;
}

/* The minimised name exists, or is a CNAME: ask with more labels. */
static enum task_state send_more_labels(struct task *task)
{
    task->minimised_labels = task->asked_labels;
    task->steps++;
    asked_addr(task)->tries = 0; /* it replies */
    return TASK_TARGET;
}

/* RFC 9156 3, RFC 8020: many servers deny an empty non-terminal wrongly, so the full name
 * decides. */
static enum task_state ask_full_name(struct task *task)
{
    task_trace_note(task, TRACE_NOTE_WHOLE_NAME_DENIED);
    task->is_minimising = false;
    asked_addr(task)->tries = 0;
    return TASK_TARGET;
}

/* RFC 6672 3.1: the CNAME synthesised from a DNAME is cached for the queried name.  Other names
 * are asked for: only a signature could prove that the DNAME applies to them too. */
static enum err cache_synthesised(struct task *task, const struct scrub *scrub,
                                  const struct vet *vet, struct cache_origin origin)
{
    const struct scrub_set *first = &scrub->chain[0];
    const uint8_t *name = task_asked_name(task);
    uint8_t made[DNAME_MAX];

    if (scrub->chain_cnt == 0 || first->set->type != RRTYPE_DNAME ||
        dname_is_equal(first->owner, name))
        return ERR_OK;
    size_t len = dname_substitute(name, first->owner, rrset_first(first->set).rdata, made);
    if (len == 0)
        return ERR_OK; /* YXDOMAIN */
    struct rrset_record record = {.rdata = made, .len = (uint16_t)len};
    struct rrset *set = arena_alloc(&task->engine->scratch, rrset_room(&record, 1));
    if (!set || rrset_pack(RRTYPE_CNAME, first->set->ttl, &record, 1, set) != ERR_OK)
        return ERR_NOMEM;
    set->flags = RRSET_IS_SYNTHESISED;
    origin.security = vet->chain[0].security;
    origin.ede = vet->chain[0].ede;
    return cache_put(&task->engine->cache, name, set, &origin);
}

/* True if the reply has a negative answer for the name at the end of the chain. */
static bool is_chain_end_denied(const struct task *task, const struct message *reply,
                                const struct scrub *scrub)
{
    return scrub->is_last_ours && scrub->soa && (reply->flags & MESSAGE_AA) &&
           task->delegation.source != DELEGATION_FORWARD;
}

/* Cache the negative answer for the name at the end of the chain.  If it is bogus, it is left
 * out: the name is looked up by itself. */
static enum err cache_chain_end(struct task *task, const struct message *reply,
                                const struct scrub *scrub, const struct vet *vet,
                                struct cache_origin origin)
{
    if (!is_chain_end_denied(task, reply, scrub) || vet->denial.security == CACHE_BOGUS)
        return ERR_OK;
    origin.section = MESSAGE_AUTHORITY;
    origin.rank = CACHE_NONAUTH_ANSWER;
    set_state(&origin, &vet->denial);
    origin.is_cut = vet->is_cut;
    bool is_nxdomain = classify_rcode(reply) == RRTYPE_RCODE_NXDOMAIN && !vet->is_nodata;
    uint16_t type = is_nxdomain ? 0 : task->asked_type;
    return cache_put_negative(&task->engine->cache, scrub->last, type, scrub->soa_owner,
                              scrub->soa, &origin);
}

/* ---- validation ---- */

/* Keep the reply until the keys that validate it are known, or the next slice begins. */
static enum task_state hold_reply(struct task *task, const struct message *reply)
{
    struct engine *engine = task->engine;

    if (task->held)
        return TASK_WAIT;
    if (reply->len > ENGINE_HELD_MAX - util_min(engine->held_bytes, ENGINE_HELD_MAX))
        return task_fail(task, TASK_LIMITED, FAILURE_MEMORY);
    task->held = malloc(sizeof(*task->held) + reply->len);
    if (!task->held)
        return task_fail(task, TASK_LIMITED, FAILURE_MEMORY);
    task->held->len = reply->len;
    memcpy(task->held->wire, reply->wire, reply->len);
    engine->held_bytes += reply->len;
    return TASK_WAIT;
}

/* A forwarder that does not know DNSSEC sends no signatures at all: name it, once an hour in
 * the log, because nothing that it sends can be validated. */
static void note_stripping(struct task *task, const struct scrub *scrub)
{
    const struct addr *server = &asked_addr(task)->addr;
    uint64_t now_ms = now_mono_ms();
    char address[ADDR_TEXT_MAX], text[TASK_WHY_MAX];

    if (task->delegation.source != DELEGATION_FORWARD || scrub_has_signatures(scrub))
        return;
    struct infra_server *known = infra_get(task->engine->infra, server, now_ms);
    if (now_ms < known->signs_until_ms)
        return; /* it sends those of other names */
    addr_print(server, address);
    snprintf(text, sizeof(text),
             "the forwarder %s sends no DNSSEC signatures: use one that does, or set "
             "resolver.trust-anchor to \"\"",
             address);
    task_note_broken(task, EDNS_EDE_RRSIGS_MISSING, text);
    if (now_ms >= known->strips_until_ms)
        log_warning("%s", text);
    known->strips_until_ms = now_ms + INFRA_KEEP_MS;
}

/* True if the reply has used up its own allowance of wrong signatures, and not that of the
 * query: another server of the zone may send right ones. */
static bool has_spent_failures(const struct task *task)
{
    return task->validation.failures_left == 0 && task->budget->validation.failures_left > 0;
}

/* Try another server of the zone: only one may have obsolete or altered data. */
static enum task_state on_bogus(struct task *task, const struct scrub *scrub,
                                const struct vet *vet)
{
    note_stripping(task, scrub);
    task->engine->counts.bogus++;
    if (vet->is_unknown && !has_spent_failures(task) && (task->is_limited || !vet->is_unsigned))
        return task_give_up(task, FAILURE_UNVALIDATED);
    if (!vet->is_unknown || has_spent_failures(task))
        infra_note_bogus(task->engine->infra, &asked_addr(task)->addr, task_subject(task),
                         now_mono_ms());
    task->is_unvalidated |= vet->is_unknown;
    if (++task->bogus_cnt >= STEP_REPLY_BOGUS_SERVERS_MAX)
        return task_fail_validation(task);
    return give_up_server(task, TRACE_BOGUS, 0);
}

/* ---- positive answers ---- */

static enum task_state on_answer(struct task *task, const struct message *reply,
                                 const struct scrub *scrub)
{
    struct cache_origin origin = origin_of(task, reply);
    struct vet_reply_of what = {.scrub = scrub,
                                .is_denied = is_chain_end_denied(task, reply, scrub),
                                .is_nxdomain = classify_rcode(reply) == RRTYPE_RCODE_NXDOMAIN,
                                .type = task->asked_type};
    struct vet vet;

    if (!vet_reply(task, &what, &vet))
        return hold_reply(task, reply);
    bool is_bogus = scrub->chain_cnt > 0 && vet.chain[0].security == CACHE_BOGUS;
    enum err err = cache_chain(task, scrub, &vet, &origin);
    if (!err)
        err = cache_synthesised(task, scrub, &vet, origin);
    if (!err)
        err = cache_chain_end(task, reply, scrub, &vet, origin);

    /* priming: the root servers name themselves; in a laboratory those of other zones too */
    if (scrub->delegation && scrub->delegation->addr_cnt > 0)
        cache_put_delegation(&task->engine->cache, scrub->delegation, scrub->delegation_ttl,
                             INT64_MAX, &origin);
    if (!is_whole(task) && !has_dname(scrub))
        return send_more_labels(task);
    if (!is_whole(task)) /* the DNAME is above the full name: ask for that one */
        return ask_full_name(task);
    return is_bogus ? on_bogus(task, scrub, &vet) : finish_caching(task, err);
}

/* True if a minimised name does not exist, as a secure proof says: then nothing is below it,
 * and the proof is one for the full name too (RFC 8020 2, RFC 9156 3). */
static bool is_absent_above(const struct task *task, const struct vet_reply_of *reply,
                            const struct vet *vet)
{
    return !is_whole(task) && reply->is_nxdomain && !vet->is_nodata &&
           vet->denial.security == CACHE_SECURE;
}

/* Cache a negative answer, unless it has to wait for keys: then return false. */
static bool cache_denial(struct task *task, const struct message *reply,
                         const struct scrub *scrub, uint16_t type, struct vet *vet,
                         enum err *err)
{
    struct cache_origin origin = origin_of(task, reply);
    struct vet_reply_of what = {.scrub = scrub,
                                .is_denied = true,
                                .is_nxdomain = classify_rcode(reply) == RRTYPE_RCODE_NXDOMAIN,
                                .type = task->asked_type};

    if (!vet_reply(task, &what, vet))
        return false;
    origin.section = MESSAGE_AUTHORITY;
    set_state(&origin, &vet->denial);
    origin.is_cut = vet->is_cut;
    *err = cache_put_negative(&task->engine->cache, task_asked_name(task),
                              vet->is_nodata ? task->asked_type : type, scrub->soa_owner,
                              scrub->soa, &origin);
    if (is_absent_above(task, &what, vet) && !*err)
        *err = cache_put_negative(&task->engine->cache, task->name, 0, scrub->soa_owner,
                                  scrub->soa, &origin);
    return true;
}

static enum task_state on_nodata(struct task *task, const struct message *reply,
                                 const struct scrub *scrub)
{
    struct vet vet;
    enum err err;

    if (!cache_denial(task, reply, scrub, task->asked_type, &vet, &err))
        return hold_reply(task, reply);
    if (!is_whole(task))
        return send_more_labels(task);
    return vet.denial.security == CACHE_BOGUS ? on_bogus(task, scrub, &vet)
                                              : finish_caching(task, err);
}

/* The parent's NXDOMAIN for a DS says nothing about other types if the zone is configured
 * elsewhere, as a stub zone that does not exist in the public tree. */
static uint16_t denied_type(const struct task *task)
{
    const struct cache *cache = &task->engine->cache;
    bool is_elsewhere = task->type == RRTYPE_DS &&
                        cache_route(cache, &task->key, task->key.labels, RRTYPE_DS) !=
                            cache_route(cache, &task->key, task->key.labels, RRTYPE_A);
    return is_elsewhere ? RRTYPE_DS : 0;
}

/* True if the denial of a minimised name may be secure: see is_absent_above. */
static bool may_stop_early(const struct task *task, const struct scrub *scrub)
{
    return task->engine->policy->is_validating && scrub->proof_cnt > 0 &&
           scrub->chain_cnt == 0 && denied_type(task) == 0;
}

static enum task_state on_nxdomain(struct task *task, const struct message *reply,
                                   const struct scrub *scrub)
{
    struct vet vet;
    enum err err;

    if (!is_whole(task) && !may_stop_early(task, scrub))
        return ask_full_name(task);
    if (scrub->chain_cnt > 0) /* RFC 6604 3: the RCODE is that of the name at the end */
        return on_answer(task, reply, scrub);
    if (!cache_denial(task, reply, scrub, denied_type(task), &vet, &err))
        return hold_reply(task, reply);
    if (!is_whole(task) && (vet.denial.security != CACHE_SECURE || vet.is_nodata))
        return ask_full_name(task);
    return vet.denial.security == CACHE_BOGUS ? on_bogus(task, scrub, &vet)
                                              : finish_caching(task, err);
}

/* Cache the DS RRset of a referral, or the proof that there is none. */
static void cache_cut(struct task *task, const struct scrub *scrub, const struct vet *vet,
                      struct cache_origin origin)
{
    struct cache *cache = &task->engine->cache;
    bool counts = vet->cut.security == CACHE_SECURE || vet->cut.security == CACHE_INSECURE;

    if (!counts)
        return;
    origin.rank = CACHE_AUTH_ANSWER; /* the parent's own data */
    set_state(&origin, &vet->cut);
    origin.is_cut = vet->is_cut;
    enum err err = scrub->ds
                       ? cache_put(cache, scrub->delegation->zone, scrub->ds, &origin)
                       : cache_put_cut(cache, scrub->delegation->zone, vet->cut_ttl, &origin);
    (void)err; /* not cached: the DS is looked up */
}

/* Look up the keys of a signed zone while its servers are asked for the name: every answer of
 * theirs will need them. */
static void look_up_keys_early(struct task *task, const uint8_t *zone)
{
    struct engine *engine = task->engine;
    struct cache_time when = task_time(task);
    struct cache_name name;

    if (keycache_find(engine->keycache, zone, when.now_ms))
        return;
    cache_name_init(&name, zone);
    if (cache_is_known(&engine->cache, &name, RRTYPE_DNSKEY, &when, &engine->scratch) ||
        (dname_is_equal(zone, task->name) && task->type == RRTYPE_DNSKEY))
        return;
    struct task *keys = task_get(engine, zone, RRTYPE_DNSKEY, task->budget, task);
    (void)keys; /* no waiter: the task that needs them joins it */
}

/* Parent-centric: the delegation is used until its TTL expires, and no longer than the
 * delegation that led here. */
static enum task_state on_delegation(struct task *task, const struct message *reply,
                                     const struct scrub *scrub)
{
    struct cache_origin origin = origin_of(task, reply);
    struct vet_reply_of what = {
        .scrub = scrub, .type = task->asked_type, .is_delegation = true};
    int64_t until_ms = origin.now_ms + (int64_t)scrub->delegation_ttl * 1000;
    struct vet vet;

    if (!vet_reply(task, &what, &vet))
        return hold_reply(task, reply);
    origin.section = MESSAGE_AUTHORITY;
    cache_cut(task, scrub, &vet, origin);
    /* a late reply of servers that have lost the zone extends nothing (ghost domains) */
    if (origin.now_ms < task->delegation_expire_ms)
        cache_put_delegation(&task->engine->cache, scrub->delegation, scrub->delegation_ttl,
                             task->delegation_expire_ms, &origin);
    if (scrub->ds && vet.cut.security == CACHE_SECURE)
        look_up_keys_early(task, scrub->delegation->zone);
    if (until_ms < task->delegation_expire_ms)
        task->delegation_expire_ms = until_ms;
    delegation_copy(&task->delegation, scrub->delegation, task->delegation_names);
    task->is_delegation_cached = false;
    task_begin_delegation(task);
    task_leave_subqueries(task);
    return TASK_TARGET;
}

static enum task_state on_lame(struct task *task, uint64_t now_ms)
{
    if (!is_whole(task)) /* it may have the full name nevertheless */
        return ask_full_name(task);
    infra_note_lame(task->engine->infra, &asked_addr(task)->addr, task->delegation.zone,
                    now_ms);
    give_up_server(task, TRACE_LAME, 0);
    /* when all others have failed, an answer from a server's cache is better than none */
    asked_addr(task)->is_useless = task->is_last_resort;
    return TASK_TARGET;
}

/* Ask a server that fails on a minimised query for the full name (RFC 9156 2.3). */
static enum task_state on_error(struct task *task, unsigned rcode)
{
    if (!is_whole(task)) {
        trace_end(&task->attempts, TRACE_RCODE, rcode);
        task_trace_note(task, TRACE_NOTE_WHOLE_NAME_ERROR);
        task->is_minimising = false;
        return TASK_ASK;
    }
    return give_up_server(task, TRACE_RCODE, rcode);
}

/* Repeat the query with less of EDNS. */
static enum task_state retry_less_edns(struct task *task, enum task_edns edns, unsigned rcode)
{
    trace_end(&task->attempts, TRACE_RCODE, rcode);
    task->edns = edns;
    task->has_doubted_edns = true;
    task_trace_note(task, edns == TASK_EDNS_NONE ? TRACE_NOTE_NO_EDNS : TRACE_NOTE_NO_OPTIONS);
    return ask_again(task);
}

/* RFC 6891 7: repeat the query without OPT, but never for signed zones: a forged FORMERR could
 * strip their signatures (docs/LIMITS.md section 1).  Only a matching reply leads here. */
static enum task_state on_no_edns(struct task *task, unsigned rcode, uint64_t now_ms)
{
    const struct infra_server *server =
        infra_get(task->engine->infra, &asked_addr(task)->addr, now_ms);

    if (task->delegation.is_signed || now_ms < server->signs_until_ms)
        return give_up_server(task, TRACE_RCODE, rcode);
    return retry_less_edns(task, TASK_EDNS_NONE, rcode);
}

/* No records and no authority: all servers of the zone are asked before such an answer is
 * accepted. */
static enum task_state on_empty(struct task *task, bool is_denied)
{
    if (!is_whole(task))
        return send_more_labels(task);
    if (!task->empty_addr) {
        task->empty_addr = (unsigned)task->addr + 1;
        task->is_empty_denied = true;
    }
    task->is_empty_denied &= is_denied;
    return give_up_server(task, TRACE_EMPTY, 0);
}

enum task_state step_reply_empty(struct task *task)
{
    struct cache_origin origin = {.rank = CACHE_NONAUTH_ANSWER,
                                  .server = &task->delegation.addrs[task->empty_addr - 1].addr,
                                  .now_ms = now_wall_ms(),
                                  .route = task->route,
                                  .section = MESSAGE_AUTHORITY,
                                  .fresh_ms = task->fresh_ms};

    struct vet_state state;

    if (!vet_empty(task, &state))
        return TASK_WAIT;
    set_state(&origin, &state);
    if (origin.security == CACHE_BOGUS)
        return task_fail(task, TASK_FAILED, FAILURE_BOGUS);
    task_trace_note(task, task->is_empty_denied ? TRACE_NOTE_EMPTY_NXDOMAIN
                                                : TRACE_NOTE_EMPTY_NODATA);
    uint16_t type = task->is_empty_denied ? denied_type(task) : task->type;
    return finish_caching(
        task, cache_put_negative(&task->engine->cache, task->name, type, NULL, NULL, &origin));
}

/* RFC 7873 5.3: ask again with the cookie of the reply, then over TCP. */
static enum task_state on_bad_cookie(struct task *task)
{
    task->is_tcp |= task->had_bad_cookie;
    task->had_bad_cookie = true;
    task_trace_note(task, TRACE_NOTE_NEW_COOKIE);
    return ask_again(task);
}

static enum task_state on_truncated(struct task *task)
{
    if (task->is_tcp)
        return give_up_server(task, TRACE_TRUNCATED, 0);
    trace_end(&task->attempts, TRACE_TRUNCATED, 0);
    task->is_tcp = true;
    return TASK_ASK;
}

/* ---- the step ---- */

/* Return true if the servers asked are authoritative for `name` too: it is in their zone, and
 * neither a known delegation nor the configuration leads elsewhere. */
static bool answers_for(void *data, const uint8_t *name)
{
    struct task *task = data;
    struct engine *engine = task->engine;
    struct cache_time when = task_time(task);
    struct cache_name key;
    struct delegation below;
    int64_t expire_ms;

    if (task->type == RRTYPE_DS || !dname_is_under(name, task->delegation.zone))
        return false;
    cache_name_init(&key, name);
    return cache_route(&engine->cache, &key, key.labels, task->type) == task->route &&
           !cache_find_delegation(
               &engine->cache, &key, key.labels, task->delegation.labels + 1U, &when,
               engine->policy->outgoing_port, &task->engine->scratch, &below, &expire_ms);
}

static bool is_positive(enum classify_kind kind)
{
    return kind == CLASSIFY_ANSWER || kind == CLASSIFY_CHAIN || kind == CLASSIFY_DELEGATION;
}

static bool is_usable(enum classify_kind kind)
{
    return is_positive(kind) || kind == CLASSIFY_NODATA || kind == CLASSIFY_NXDOMAIN ||
           kind == CLASSIFY_EMPTY;
}

/* Note how the server handles mixed case. */
static void note_case(const struct task *task, struct infra_server *server,
                      enum classify_kind kind, uint64_t now_ms)
{
    bool is_believable = true;

    if (task->is_mixed) /* it replies to mixed case too */
        server->silent_cnt = 0;
    if (task->is_mixed && is_positive(kind))
        server->knows_case = true;
    if (task->lower == TASK_LOWER_NEGATIVE &&
        !is_positive(kind)) { /* errors too, so that it is not asked twice for ever */
        server->same_cnt = (uint8_t)util_min(server->same_cnt + 1U, CASE_SAME_MAX);
        is_believable = false;
    }
    /* a single time may be packet loss */
    if (task->lower == TASK_LOWER_SILENT && is_usable(kind))
        is_believable = ++server->silent_cnt >= CASE_SILENT_MIN;
    if (task->lower && is_believable && is_usable(kind))
        server->no_case_until_ms = now_ms + INFRA_KEEP_MS;
}

/* Note what else the reply says about its server. */
static void note_server(struct task *task, const struct message *reply,
                        const struct scrub *scrub, enum classify_kind kind, uint64_t now_ms)
{
    struct infra_server *server =
        infra_get(task->engine->infra, &asked_addr(task)->addr, now_ms);
    const struct edns *edns = &reply->edns;

    if (reply->has_edns && edns->cookie_len > COOKIE_CLIENT_LEN &&
        task->ask.match.client_cookie) {
        server->server_cookie_len = (uint8_t)(edns->cookie_len - COOKIE_CLIENT_LEN);
        memcpy(server->server_cookie, edns->cookie + COOKIE_CLIENT_LEN,
               server->server_cookie_len);
    } else if (task->is_tcp && task->ask.match.client_cookie) {
        server->server_cookie_len = 0; /* it sends none any more */
    }
    if (task->is_tcp && task->is_suspect && !task->ask.match.is_case_preserved)
        server->no_case_until_ms = now_ms + INFRA_KEEP_MS;
    asked_addr(task)->is_silent = false;
    task->has_reply = true;
    infra_note_zone_up(task->engine->infra, task->parts.hash[task->delegation.labels]);
    note_case(task, server, kind, now_ms);
    if (!is_usable(kind))
        return;
    if (task->edns == TASK_EDNS_FULL && scrub_has_signatures(scrub))
        server->signs_until_ms = now_ms + INFRA_KEEP_MS;
    if (!task->has_doubted_edns) /* known already: do not extend it */
        return;
    if (task->edns == TASK_EDNS_BARE)
        server->no_options_until_ms = now_ms + INFRA_KEEP_MS;
    if (task->edns == TASK_EDNS_NONE)
        server->no_edns_until_ms = now_ms + INFRA_KEEP_MS;
}

/* ---- servers that mishandle mixed case ---- */

/* Return true if the reply may be caused by mixed case: then the query is repeated in lower
 * case before the reply is accepted.  A server is trusted that has answered mixed case with
 * data, or whose negative answers were often equal in both. */
static bool is_case_in_doubt(struct task *task, enum classify_kind kind, uint64_t now_ms)
{
    const struct infra_server *server =
        infra_get(task->engine->infra, &asked_addr(task)->addr, now_ms);
    bool is_negative = kind == CLASSIFY_NODATA || kind == CLASSIFY_NXDOMAIN ||
                       kind == CLASSIFY_EMPTY || kind == CLASSIFY_LAME ||
                       kind == CLASSIFY_ERROR;

    return is_negative && task->is_mixed && !server->knows_case &&
           server->same_cnt < CASE_SAME_MAX;
}

static enum task_state retry_lower_case(struct task *task, enum classify_kind kind,
                                        unsigned rcode)
{
    enum trace_outcome outcome = kind == CLASSIFY_ERROR   ? TRACE_RCODE
                                 : kind == CLASSIFY_LAME  ? TRACE_LAME
                                 : kind == CLASSIFY_EMPTY ? TRACE_EMPTY
                                                          : TRACE_ANSWERED;
    trace_end(&task->attempts, outcome, rcode);
    task_trace_note(task, kind == CLASSIFY_ERROR || kind == CLASSIFY_LAME
                              ? TRACE_NOTE_LOWER_ERROR
                              : TRACE_NOTE_LOWER_NEGATIVE);
    task->lower = TASK_LOWER_NEGATIVE;
    return TASK_ASK;
}

static bool had_options(const struct task *task)
{
    return task->edns == TASK_EDNS_FULL && (task->ask.match.client_cookie || task->ask.tls);
}

/* `scrub`: the accepted part of the reply; NULL: none. */
static void trace_reply(struct task *task, const struct message *message,
                        const struct scrub *scrub, enum classify_kind kind, const char *broken)
{
    if (!task_is_traced(task))
        return;
    struct trace_event event = task_event(task, TRACE_STEP_REPLY);
    event.reply.server = &asked_addr(task)->addr;
    event.reply.to = &task->ask.from;
    event.reply.message = message;
    event.reply.scrub = scrub;
    event.reply.broken = broken;
    event.reply.kind = kind;
    event.reply.transport = task_transport(task);
    event.reply.rtt_us = now_mono_us() - task->asked_us;
    trace_emit(&task->listeners, &event);
}

/* RFC 2181 5: a malformed record makes its whole RRset unusable; the event names the record. */
static void trace_unreadable(struct task *task, const struct message *reply,
                             const struct scrub *scrub)
{
    char broken[SCRUB_BROKEN_MAX];

    if (!task_is_traced(task))
        return;
    scrub_broken_print(scrub, broken);
    trace_reply(task, reply, NULL, CLASSIFY_UNREADABLE, broken);
}

static struct rejected_item *note_records(struct task *task, enum rejected_reason reason)
{
    const struct match *match = &task->ask.match;
    return rejected_note(&task->engine->rejected, reason, match, &match->to, now_wall_ms());
}

static void note_unreadable(struct task *task, const struct scrub *scrub)
{
    struct rejected_item *item = note_records(task, REJECTED_UNREADABLE);

    if (!scrub->broken.is_record)
        return;
    owners_write(scrub->owners, scrub->broken.owner, item->got_name);
    item->got_type = scrub->broken.type;
    item->record_cnt = 1;
}

static void note_out_of_bailiwick(struct task *task, const struct scrub *scrub)
{
    struct rejected_item *item = note_records(task, REJECTED_RECORDS);
    size_t first = 0;

    while (scrub_omission(scrub, &scrub->records[first]) != SCRUB_OUT_OF_BAILIWICK)
        first++;
    owners_write(scrub->owners, scrub->records[first].owner, item->got_name);
    item->got_type = scrub->records[first].type;
    item->got_section = scrub->records[first].section;
    item->record_cnt = scrub->dropped_cnt;
    item->zone_labels = task->delegation.labels;
}

static enum task_state scrub_failed(struct task *task, const struct message *reply,
                                    const struct scrub *scrub, enum err err)
{
    trace_unreadable(task, reply, scrub);
    if (err != ERR_NOMEM && !is_whole(task)) { /* records of a name above do not matter */
        trace_end(&task->attempts, TRACE_BROKEN, 0);
        return ask_full_name(task);
    }
    if (err == ERR_LIMIT)
        return fail_at_limit(task, scrub->limit);
    if (err == ERR_NOMEM)
        return task_fail(task, TASK_LIMITED, FAILURE_MEMORY);
    note_unreadable(task, scrub);
    return give_up_server(task, TRACE_BROKEN, 0);
}

static enum task_state handle_kind(struct task *task, const struct message *reply,
                                   const struct scrub *scrub, enum classify_kind kind,
                                   bool is_in_doubt)
{
    uint64_t now_ms = now_mono_ms();

    switch (kind) {
    case CLASSIFY_ANSWER:
    case CLASSIFY_CHAIN: return on_answer(task, reply, scrub);
    case CLASSIFY_NODATA:
        return is_in_doubt && !is_whole(task) ? send_more_labels(task)
                                              : on_nodata(task, reply, scrub);
    case CLASSIFY_NXDOMAIN: return on_nxdomain(task, reply, scrub);
    case CLASSIFY_DELEGATION: return on_delegation(task, reply, scrub);
    case CLASSIFY_LAME: return on_lame(task, now_ms);
    case CLASSIFY_ERROR: return on_error(task, classify_rcode(reply));
    case CLASSIFY_NO_EDNS: return on_no_edns(task, classify_rcode(reply), now_ms);
    case CLASSIFY_NO_OPTIONS:
        return retry_less_edns(task, TASK_EDNS_BARE, classify_rcode(reply));
    case CLASSIFY_EMPTY: return on_empty(task, classify_rcode(reply) == RRTYPE_RCODE_NXDOMAIN);
    case CLASSIFY_BAD_COOKIE: return on_bad_cookie(task);
    case CLASSIFY_TRUNCATED:
    case CLASSIFY_UNREADABLE: break; /* handled above */
    }
    return TASK_DONE;
}

static enum task_state process_reply(struct task *task, const struct message *reply)
{
    struct engine *engine = task->engine;
    bool is_forward = task->delegation.source == DELEGATION_FORWARD;
    struct scrub_asked asked = {.zone = task->delegation.zone,
                                .name = task_asked_name(task),
                                .type = task->asked_type,
                                .port = engine->policy->outgoing_port,
                                .is_forward = is_forward,
                                .checks_bailiwick = engine->policy->defences.bailiwick,
                                .checks_sections = engine->policy->defences.sections,
                                .rrset_records_max = engine->policy->limits.rrset_records,
                                .rrset_bytes_max = engine->policy->limits.rrset_bytes,
                                .may_follow = answers_for,
                                .data = task};
    const struct scrub *scrub;
    uint64_t now_ms = now_mono_ms();

    if (!task->held && !budget_spend_bytes(task->budget, reply->len))
        return task_fail(task, TASK_LIMITED, task->budget->spent);
    if (task->ask.match.has_trailing && !task->held) {
        engine->counts.trailing++;
        task_trace_note(task, TRACE_NOTE_TRAILING);
    }
    if (reply->flags & MESSAGE_TC) {
        trace_reply(task, reply, NULL, CLASSIFY_TRUNCATED, "");
        return on_truncated(task);
    }
    enum err err = scrub_reply(reply, &asked, engine->scrub_room, &engine->scratch, &scrub);
    engine->counts.work += scrub->work;
    if (!budget_spend_work(task->budget, scrub->work))
        return task_fail(task, TASK_LIMITED, task->budget->spent);
    if (err)
        return scrub_failed(task, reply, scrub, err);
    if (scrub->dropped_cnt > 0 && !task->held)
        note_out_of_bailiwick(task, scrub);
    struct classify_terms terms = {.had_edns = task->edns != TASK_EDNS_NONE,
                                   .had_options = had_options(task),
                                   .is_forward = is_forward,
                                   .may_be_cached = task->is_last_resort};
    enum classify_kind kind = classify_reply(reply, scrub, &terms);
    if (task->held)
        return handle_kind(task, reply, scrub, kind, false);
    trace_reply(task, reply, scrub, kind, "");
    note_server(task, reply, scrub, kind, now_ms);
    bool is_in_doubt = is_case_in_doubt(task, kind, now_ms);
    if (is_in_doubt && is_whole(task) && asked_addr(task)->tries < ASK_AGAIN_MAX)
        return retry_lower_case(task, kind, classify_rcode(reply));
    trace_end(&task->attempts, TRACE_ANSWERED, 0);
    return handle_kind(task, reply, scrub, kind, is_in_doubt);
}

/* A reply that waited for keys is read again, from the copy that was kept. */
enum task_state step_reply(struct task *task)
{
    const struct message *reply = task->reply;
    struct message held;

    task->is_paused = false;
    if (task->held) {
        enum message_state state = message_parse(task->held->wire, task->held->len, &held);
        must(state == MESSAGE_WHOLE || state == MESSAGE_TRAILING); /* as it was before */
        reply = &held;
    } else {
        task->wrong_links = 0;
        task->noted_cnt = 0;
        rules_renew_failures(&task->validation);
    }
    enum task_state next = process_reply(task, reply);
    if (next != TASK_WAIT)
        task_free_held(task);
    return next;
}
