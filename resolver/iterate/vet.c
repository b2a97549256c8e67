/* First all chains of trust are looked up, then signatures are verified, so that none is
 * verified twice because a later one has to wait. */
#include "resolver/iterate/vet.h"

#include "base/now.h"
#include "dns/rrsig.h"
#include "resolver/cache/cache_denial.h"
#include "resolver/iterate/chain.h"
#include "resolver/validate/anchor_signal.h"
#include "resolver/validate/deny.h"

/* Lifetime: one call of vet_reply. */
struct vetting {
    struct task *task;
    const struct vet_reply_of *reply;
    struct vet *out;
    struct rules rules;
    struct rules_work work, before; /* now, and when the call began */
    unsigned note_cnt;              /* verdicts so far */
    struct arena *arena;
    struct sigmemo *memo;
    bool must_wait;
    enum verdict_reason insecure; /* why the RRset or denial is insecure */
    /* the proofs that were checked with the keys of `zone` */
    const uint8_t *zone;
    struct deny_record records[SCRUB_PROOFS_MAX];
    size_t record_cnt;
    struct verdict rejected; /* of one whose signatures do not hold; VERDICT_NONE: none */
};

/* ---- slices ---- */

/* A reply may need many slow verifications.  Once a slice of them is spent, and before the next
 * one, let other tasks have their turn: return true.  Signatures that hold are remembered, so
 * the next slice goes on behind them.  Those that fail are not, so they end the slices; they
 * are few. */
static bool pause_vetting(struct vetting *v)
{
    if (v->work.verified_time < RULES_SLICE || v->work.failures_left < v->before.failures_left)
        return false;
    v->must_wait = v->task->is_paused = true;
    return true;
}

/* ---- targets ---- */

/* The DS of a zone is its parent's (RFC 4035 5.2). */
static bool is_of_parent(uint16_t type, const uint8_t *owner)
{
    return type == RRTYPE_DS && *owner != 0;
}

static const uint8_t *parent_of(const uint8_t *name) { return name + *name + 1; }

/* Return the name whose zone must have signed an RRset without usable signatures. */
static const uint8_t *zone_target(uint16_t type, const uint8_t *owner)
{
    return is_of_parent(type, owner) ? parent_of(owner) : owner;
}

/* Return the name whose zone must have signed a link of the chain.  The parent answers a query
 * for a DS, with a CNAME too if the name has one. */
static const uint8_t *link_target(const struct vet_reply_of *reply, const struct scrub_set *set)
{
    bool is_asked = set == &reply->scrub->chain[0];
    return zone_target(is_asked ? reply->type : set->set->type, set->owner);
}

/* Return the first signer that is at or above the owner, or NULL. */
static const uint8_t *find_signer(const uint8_t *owner, uint16_t type, const struct rrset *set)
{
    const struct rrset *sigs = set ? rrset_signatures(set) : NULL;

    for (size_t pos = 0; sigs && pos < sigs->size;) {
        struct rrset_record record = rrset_at(sigs, pos, &pos);
        struct rrsig sig = rrsig_read(record.rdata, record.len);
        if (dname_is_under(zone_target(type, owner), sig.signer))
            return sig.signer;
    }
    return NULL;
}

/* ---- verdicts ---- */

static enum cache_security end_as_insecure(struct vetting *v, enum verdict_reason reason)
{
    v->insecure = reason;
    return CACHE_INSECURE;
}

/* Note what was found of an RRset or denial. */
static void set_security(const struct vetting *v, struct vet_state *state,
                         enum cache_security security)
{
    int ede = verdict_ede(v->insecure);

    state->security = security;
    state->ede = security == CACHE_INSECURE && ede > 0 ? (uint16_t)ede : 0;
}

static enum cache_security security_of_verdict(struct vetting *v, const struct verdict *verdict)
{
    if (verdict->status == VERDICT_UNKNOWN)
        v->out->is_unknown = v->task->is_limited = true;
    if (++v->note_cnt > v->task->noted_cnt) /* else an earlier slice has noted it */
        task_note_verdict(v->task, verdict);
    return verdict->status == VERDICT_SECURE     ? CACHE_SECURE
           : verdict->status == VERDICT_INSECURE ? end_as_insecure(v, verdict->reason)
                                                 : CACHE_BOGUS;
}

/* Return the state that a chain without keys gives to data below it. */
static enum cache_security security_of_chain(struct vetting *v, const struct chain *chain)
{
    if (chain->status == CHAIN_INSECURE)
        return end_as_insecure(v, chain->reason);
    if (chain->status == CHAIN_WAIT)
        v->must_wait = true;
    else
        task_note_broken(v->task, chain->ede, chain->text);
    v->out->is_unknown |= chain->status == CHAIN_FAILED && !chain->is_bogus;
    return CACHE_BOGUS;
}

/* Check the signatures of an RRset with the keys of a zone, and limit its TTL by theirs
 * (RFC 4035 5.3.3). */
static struct verdict vet_signatures(struct vetting *v, const uint8_t *owner, struct rrset *set,
                                     struct keyset *keys, bool is_answer,
                                     struct sigcheck_found *found)
{
    struct sigcheck in = {.owner = owner,
                          .set = set,
                          .keys = keys,
                          .rules = &v->rules,
                          .memo = v->memo,
                          .is_answer = is_answer};
    struct verdict verdict = sigcheck_rrset(&in, &v->work, v->arena, found);

    if (verdict.status == VERDICT_SECURE)
        set->ttl = found->ttl;
    return verdict;
}

/* ---- proofs ---- */

/* Check the proofs that the zone of these keys has signed. */
static void check_proofs(struct vetting *v, struct keyset *keys)
{
    const struct scrub *scrub = v->reply->scrub;

    if (v->zone && dname_is_equal(v->zone, keys->zone))
        return;
    v->zone = keys->zone;
    v->record_cnt = 0;
    v->rejected = (struct verdict){.reason = VERDICT_NONE};
    for (unsigned i = 0; i < scrub->proof_cnt; i++) {
        const struct scrub_set *proof = &scrub->proofs[i];
        const uint8_t *signer = find_signer(proof->owner, proof->set->type, proof->set);
        struct sigcheck_found found;
        if (!signer || !dname_is_equal(signer, keys->zone))
            continue;
        if (pause_vetting(v))
            return;
        struct verdict verdict =
            vet_signatures(v, proof->owner, proof->set, keys, false, &found);
        if (verdict.status == VERDICT_SECURE) {
            v->records[v->record_cnt++] = (struct deny_record){proof->owner, proof->set};
        } else {
            v->rejected = verdict;
            security_of_verdict(v, &verdict);
        }
    }
}

/* If there is no proof because the signatures of one do not hold, those are the fault. */
static struct verdict blame_signatures(const struct vetting *v, struct verdict verdict)
{
    bool is_rejected =
        verdict.reason == VERDICT_NO_PROOF && v->rejected.status == VERDICT_BOGUS;
    return is_rejected ? v->rejected : verdict;
}

static struct deny proofs_of(struct vetting *v, struct keyset *keys)
{
    check_proofs(v, keys);
    return (struct deny){.zone = keys->zone,
                         .records = v->records,
                         .cnt = v->record_cnt,
                         .rules = &v->rules,
                         .work = &v->work};
}

/* Keep the proofs of the zone, those too that this validator does not need, because that of a
 * client may; and cap the TTL of what they prove (RFC 8198 5.4). */
static void keep_checked_proofs(const struct vetting *v, struct vet_state *state,
                                struct rrset *proved)
{
    for (size_t i = 0; i < v->record_cnt; i++) {
        const struct deny_record *record = &v->records[i];
        state->proofs.at[state->proofs.cnt++] =
            (struct cache_proof){record->owner, record->set};
        if (proved)
            proved->ttl = (uint32_t)util_min(proved->ttl, record->set->ttl);
    }
}

static void keep_zone_proofs(const struct vetting *v, const struct deny_found *found,
                             struct vet_state *state, struct rrset *proved)
{
    if (found->used)
        keep_checked_proofs(v, state, proved);
}

/* True if a part of the reply is bogus: then none of it is used for other names. */
static bool is_part_bogus(const struct vetting *v)
{
    bool is_bogus = v->out->denial.security == CACHE_BOGUS;

    for (unsigned i = 0; i < v->reply->scrub->chain_cnt; i++)
        is_bogus |= v->out->chain[i].security == CACHE_BOGUS;
    return is_bogus || v->out->cut.security == CACHE_BOGUS;
}

/* Cache the proofs that were checked last by themselves, for aggressive use. */
static void cache_checked_proofs(struct vetting *v)
{
    const struct scrub *scrub = v->reply->scrub;
    struct task *task = v->task;
    struct cache_proof denials[SCRUB_PROOFS_MAX];
    bool has_soa = v->reply->is_denied && v->out->denial.security == CACHE_SECURE &&
                   scrub->soa && v->zone && dname_is_equal(scrub->soa_owner, v->zone);

    if (!task->engine->policy->is_aggressive || task->is_from_child || v->record_cnt == 0 ||
        is_part_bogus(v))
        return;
    for (size_t i = 0; i < v->record_cnt; i++)
        denials[i] = (struct cache_proof){v->records[i].owner, v->records[i].set};
    struct cache_denial_source source = {.zone = v->zone,
                                         .denials = denials,
                                         .cnt = v->record_cnt,
                                         .soa = has_soa ? scrub->soa : NULL,
                                         .now_ms = now_wall_ms(),
                                         .route = task->route};
    cache_denial_put(&task->engine->cache, &source, v->arena);
}

/* Keep all proofs as they came: a client may validate them. */
static void keep_all_proofs(const struct scrub *scrub, struct vet_state *state)
{
    for (unsigned i = 0; i < scrub->proof_cnt; i++)
        state->proofs.at[state->proofs.cnt++] =
            (struct cache_proof){scrub->proofs[i].owner, scrub->proofs[i].set};
}

static bool is_expanded(const struct scrub_set *set)
{
    const struct rrset *sigs = rrset_signatures(set->set);

    for (size_t pos = 0; sigs && pos < sigs->size;) {
        struct rrset_record record = rrset_at(sigs, pos, &pos);
        if (rrsig_read(record.rdata, record.len).labels < rrsig_count_labels(set->owner))
            return true;
    }
    return false;
}

/* ---- RRsets ---- */

/* Prove that a wildcard may answer for the owner. */
static enum cache_security vet_expansion(struct vetting *v, const struct scrub_set *set,
                                         struct keyset *keys, unsigned encloser_labels,
                                         struct vet_state *state)
{
    struct deny deny = proofs_of(v, keys);
    struct deny_found found;
    if (v->must_wait)
        return CACHE_BOGUS;
    struct verdict verdict =
        blame_signatures(v, deny_closer(&deny, set->owner, encloser_labels, &found));
    enum cache_security security = security_of_verdict(v, &verdict);

    if (security != CACHE_BOGUS)
        keep_zone_proofs(v, &found, state, set->set);
    state->is_wildcard = security == CACHE_SECURE;
    state->encloser_labels = encloser_labels;
    return security;
}

/* Check the RRset with the keys of the zone of `target`. */
static enum cache_security vet_with_zone(struct vetting *v, const struct scrub_set *set,
                                         const uint8_t *target, struct vet_state *state)
{
    struct chain chain = chain_find(v->task, target);
    struct sigcheck_found found;

    if (chain.status != CHAIN_SECURE)
        return security_of_chain(v, &chain);
    struct verdict verdict = vet_signatures(v, set->owner, set->set, chain.keys, true, &found);
    enum cache_security security = security_of_verdict(v, &verdict);
    if (security != CACHE_SECURE)
        return security;
    return found.is_wildcard ? vet_expansion(v, set, chain.keys, found.encloser_labels, state)
                             : CACHE_SECURE;
}

/* Tell the zone which of its keys are trusted, each time they are fetched (RFC 8145 5.1). */
static void signal_anchor(const struct vetting *v, const struct anchor *anchor)
{
    struct engine *engine = v->task->engine;
    uint8_t name[DNAME_MAX];

    if (!engine->policy->signals_anchors || anchor_signal_name(anchor, name) != ERR_OK)
        return;
    task_start(engine, name, ANCHOR_SIGNAL_TYPE); /* the answer does not matter */
}

/* Return what a chain says of its zone and of the zone's DNSKEY RRset. */
static struct trust trust_of_chain(const struct vetting *v, const struct chain *chain,
                                   const struct rrset *keys)
{
    return (struct trust){.zone = chain->zone,
                          .ds = chain->anchor ? chain->anchor->ds : chain->ds,
                          .anchor_keys = chain->anchor ? chain->anchor->keys : NULL,
                          .keys = keys,
                          .rules = &v->rules};
}

/* A DNSKEY RRset is validated by the DS RRset or the anchor, and not by keys that are known. */
static enum cache_security vet_keys(struct vetting *v, const struct scrub_set *set,
                                    const struct chain *chain)
{
    struct trust trust = trust_of_chain(v, chain, set->set);
    struct sigcheck_found found;
    struct keyset *keys = NULL;
    struct verdict verdict = trust_make_keys(&trust, &v->work, v->arena, &keys, &found);
    enum cache_security security = security_of_verdict(v, &verdict);

    if (security != CACHE_SECURE)
        return security;
    uint32_t ttl = chain->ds ? (uint32_t)util_min(found.ttl, chain->ds_ttl) : found.ttl;
    set->set->ttl = ttl;
    keycache_put(v->task->engine->keycache, &keys, now_wall_ms() + (int64_t)ttl * 1000 + 1000);
    if (chain->anchor)
        signal_anchor(v, chain->anchor);
    return CACHE_SECURE;
}

/* There may be a zone cut below the signer, and no chain of trust to the zone there: then the
 * signatures do not count.  If that has to be looked up, remember that they are wrong: they are
 * not verified again. */
static enum cache_security doubt_signer(struct vetting *v, const uint8_t *lowest, unsigned bit)
{
    struct chain chain = chain_find(v->task, lowest);

    if (chain.status == CHAIN_WAIT) {
        v->must_wait = true;
        v->task->wrong_links |= (uint32_t)1 << bit;
    }
    return chain.status == CHAIN_INSECURE ? end_as_insecure(v, chain.reason) : CACHE_BOGUS;
}

static bool is_known_wrong(const struct vetting *v, unsigned bit)
{
    return v->task->wrong_links >> bit & 1;
}

static enum cache_security vet_set(struct vetting *v, const struct scrub_set *set, unsigned bit,
                                   struct vet_state *state)
{
    const uint8_t *lowest = link_target(v->reply, set);
    uint16_t type = set->set->type;

    if (type == RRTYPE_RRSIG) /* signatures are not signed (RFC 4035 2.2) */
        return CACHE_INSECURE;
    if (type == RRTYPE_DNSKEY) {
        struct chain chain = chain_find_ds(v->task, set->owner);
        if (chain.status != CHAIN_SECURE)
            return security_of_chain(v, &chain);
        if (dname_is_equal(chain.zone, set->owner))
            return vet_keys(v, set, &chain);
    }
    const uint8_t *signer = find_signer(set->owner, type, set->set);
    if (!signer) {
        v->out->is_unsigned |= bit == 0;
        return vet_with_zone(v, set, lowest, state);
    }
    enum cache_security security =
        is_known_wrong(v, bit) ? CACHE_BOGUS : vet_with_zone(v, set, signer, state);
    if (security != CACHE_BOGUS || v->must_wait || v->out->is_unknown)
        return security;
    return doubt_signer(v, lowest, bit);
}

static void vet_link(struct vetting *v, unsigned i)
{
    const struct scrub_set *set = &v->reply->scrub->chain[i];
    struct vet_state *state = &v->out->chain[i];

    v->insecure = VERDICT_NONE;
    set_security(v, state, vet_set(v, set, i, state));
    if (state->security != CACHE_SECURE && state->proofs.cnt == 0 && is_expanded(set))
        keep_all_proofs(v->reply->scrub, state);
}

/* A server that follows a CNAME to a delegation of its own zone may prove beside it that there
 * is no DS: then the DS needs no query, neither from here nor from a client that validates. */
static void vet_beside_cname(struct vetting *v)
{
    const struct scrub *scrub = v->reply->scrub;
    unsigned last = scrub->chain_cnt - 1U;

    if (scrub->chain_cnt == 0 || scrub->proof_cnt == 0 || scrub->is_answered || v->zone ||
        v->out->chain[last].security != CACHE_SECURE)
        return;
    const struct scrub_set *set = &scrub->chain[last];
    const uint8_t *signer = find_signer(set->owner, set->set->type, set->set);
    if (!signer || !dname_is_under(scrub->last, signer))
        return;
    struct chain chain = chain_find(v->task, signer);
    if (chain.status != CHAIN_SECURE)
        return;
    check_proofs(v, chain.keys);
    keep_checked_proofs(v, &v->out->chain[last], set->set);
}

/* ---- denials ---- */

/* Return the name whose zone must have signed a denial: the signer of its records, or else the
 * name itself. */
static const uint8_t *denial_target(const struct scrub *scrub, const uint8_t *name,
                                    uint16_t type)
{
    const uint8_t *lowest = zone_target(type, name);
    const uint8_t *signer = scrub->soa ? find_signer(scrub->soa_owner, 0, scrub->soa) : NULL;

    for (unsigned i = 0; !signer && i < scrub->proof_cnt; i++)
        signer = find_signer(scrub->proofs[i].owner, 0, scrub->proofs[i].set);
    return signer && dname_is_under(lowest, signer) ? signer : lowest;
}

static enum cache_security vet_soa(struct vetting *v, struct keyset *keys)
{
    const struct scrub *scrub = v->reply->scrub;
    struct sigcheck_found found;

    if (!scrub->soa)
        return CACHE_SECURE;
    struct verdict verdict =
        vet_signatures(v, scrub->soa_owner, scrub->soa, keys, false, &found);
    return security_of_verdict(v, &verdict);
}

static struct verdict prove_denial(struct vetting *v, struct keyset *keys,
                                   struct deny_found *found)
{
    const struct vet_reply_of *reply = v->reply;
    const uint8_t *name = reply->scrub->last;
    struct deny deny = proofs_of(v, keys);

    bool is_ds = is_of_parent(reply->type, name);
    struct verdict of_name = {.status = VERDICT_BOGUS};
    if (v->must_wait)
        return of_name;
    if (reply->is_nxdomain)
        of_name = deny_name(&deny, name, found);
    if (reply->is_nxdomain && (of_name.status != VERDICT_BOGUS || !is_ds))
        return of_name;
    if (is_ds) {
        struct verdict verdict = deny_ds(&deny, name, found);
        /* servers deny empty non-terminals wrongly, and zones below them have keys */
        v->out->is_nodata = reply->is_nxdomain && verdict.status != VERDICT_BOGUS;
        if (reply->is_nxdomain && !v->out->is_nodata)
            return of_name;
        v->out->is_cut = verdict.status == VERDICT_SECURE && found->is_cut;
        return verdict;
    }
    return deny_type(&deny, name, reply->type, found);
}

static enum cache_security vet_denial_with(struct vetting *v, const uint8_t *target)
{
    const struct scrub *scrub = v->reply->scrub;
    struct chain chain = chain_find(v->task, target);
    struct deny_found found;

    if (chain.status != CHAIN_SECURE)
        return security_of_chain(v, &chain);
    enum cache_security of_soa = vet_soa(v, chain.keys);
    if (of_soa != CACHE_SECURE)
        return of_soa;
    struct verdict verdict = blame_signatures(v, prove_denial(v, chain.keys, &found));
    if (v->must_wait)
        return CACHE_BOGUS;
    enum cache_security security = security_of_verdict(v, &verdict);
    if (security != CACHE_BOGUS)
        keep_zone_proofs(v, &found, &v->out->denial, scrub->soa);
    return security;
}

/* A zone with a DS has DNSKEYs. */
static bool are_keys_denied(struct vetting *v)
{
    const struct vet_reply_of *reply = v->reply;
    const uint8_t *name = reply->scrub->last;

    if (reply->type != RRTYPE_DNSKEY)
        return false;
    struct chain chain = chain_find_ds(v->task, name);
    if (chain.status == CHAIN_WAIT)
        v->must_wait = true;
    if (chain.status != CHAIN_SECURE || !dname_is_equal(chain.zone, name))
        return false;
    struct trust trust = trust_of_chain(v, &chain, NULL);
    struct sigcheck_found found;
    struct keyset *keys;
    struct verdict verdict = trust_make_keys(&trust, &v->work, v->arena, &keys, &found);
    task_note_verdict(v->task, &verdict);
    return true;
}

static enum cache_security vet_denial_set(struct vetting *v)
{
    const struct vet_reply_of *reply = v->reply;
    const uint8_t *name = reply->scrub->last, *lowest = zone_target(reply->type, name);
    const uint8_t *target = denial_target(reply->scrub, name, reply->type);

    if (are_keys_denied(v) || v->must_wait)
        return CACHE_BOGUS;
    v->out->is_unsigned |= target == lowest;
    enum cache_security security =
        is_known_wrong(v, TASK_DENIAL) ? CACHE_BOGUS : vet_denial_with(v, target);
    if (security != CACHE_BOGUS || v->must_wait || v->out->is_unknown || target == lowest)
        return security;
    return doubt_signer(v, lowest, TASK_DENIAL);
}

static void vet_denial(struct vetting *v)
{
    struct vet_state *state = &v->out->denial;

    v->insecure = VERDICT_NONE;
    set_security(v, state, vet_denial_set(v));
    if (state->security != CACHE_SECURE && state->proofs.cnt == 0)
        keep_all_proofs(v->reply->scrub, state);
}

/* ---- referrals ---- */

/* Return the name whose zone must have signed the DS of a referral, or its denial. */
static const uint8_t *cut_target(const struct scrub *scrub)
{
    const uint8_t *cut = scrub->delegation->zone;
    const uint8_t *signer = find_signer(cut, RRTYPE_DS, scrub->ds);

    for (unsigned i = 0; !signer && !scrub->ds && i < scrub->proof_cnt; i++)
        signer = find_signer(scrub->proofs[i].owner, 0, scrub->proofs[i].set);
    return signer && dname_is_under(parent_of(cut), signer) ? signer : parent_of(cut);
}

/* Validate the DS RRset of the referral, or the proof that there is none.  If that fails, the
 * DS is looked up when it is needed. */
static enum cache_security vet_cut_with(struct vetting *v, struct keyset *keys)
{
    const struct scrub *scrub = v->reply->scrub;
    const uint8_t *cut = scrub->delegation->zone;
    struct deny_found denied;
    struct sigcheck_found found;

    if (scrub->ds) {
        struct verdict verdict = vet_signatures(v, cut, scrub->ds, keys, false, &found);
        return security_of_verdict(v, &verdict);
    }
    struct deny deny = proofs_of(v, keys);
    if (v->must_wait)
        return CACHE_BOGUS;
    struct verdict verdict = deny_ds(&deny, cut, &denied);
    enum cache_security security = security_of_verdict(v, &verdict);
    if (security == CACHE_BOGUS)
        return security;
    keep_zone_proofs(v, &denied, &v->out->cut, NULL);
    v->out->is_cut = security == CACHE_SECURE && denied.is_cut;
    v->out->cut_ttl = denied.ttl;
    return security;
}

static void vet_cut(struct vetting *v)
{
    struct chain chain = chain_find(v->task, cut_target(v->reply->scrub));

    if (chain.status == CHAIN_WAIT)
        v->must_wait = true;
    v->insecure = VERDICT_NONE;
    if (chain.status == CHAIN_SECURE)
        set_security(v, &v->out->cut, vet_cut_with(v, chain.keys));
}

/* ---- the reply ---- */

/* Look up the chains of trust of all that is in the reply. */
static void find_chains(struct vetting *v)
{
    const struct vet_reply_of *reply = v->reply;
    const struct scrub *scrub = reply->scrub;

    for (unsigned i = 0; i < scrub->chain_cnt; i++) {
        const struct scrub_set *set = &scrub->chain[i];
        uint16_t type = set->set->type;
        const uint8_t *signer = find_signer(set->owner, type, set->set);
        struct chain chain =
            type == RRTYPE_DNSKEY
                ? chain_find_ds(v->task, set->owner)
                : chain_find(v->task, signer ? signer : link_target(reply, set));
        v->must_wait |= chain.status == CHAIN_WAIT;
    }
    if (reply->is_denied && reply->type != RRTYPE_DNSKEY) {
        struct chain chain =
            chain_find(v->task, denial_target(scrub, scrub->last, reply->type));
        v->must_wait |= chain.status == CHAIN_WAIT;
    }
}

static void leave_unchecked(const struct vet_reply_of *reply, struct vet *out)
{
    const struct scrub *scrub = reply->scrub;

    for (unsigned i = 0; i < scrub->chain_cnt; i++)
        if (is_expanded(&scrub->chain[i]))
            keep_all_proofs(scrub, &out->chain[i]);
    if (reply->is_denied)
        keep_all_proofs(scrub, &out->denial);
}

bool vet_reply(struct task *task, const struct vet_reply_of *reply, struct vet *out)
{
    struct vetting v = {.task = task,
                        .reply = reply,
                        .out = out,
                        .rules = chain_rules(task),
                        .arena = &task->engine->scratch,
                        .memo = task->engine->sigmemo};

    memset(out, 0, sizeof(*out));
    if (!task->engine->policy->is_validating) {
        leave_unchecked(reply, out);
        return true;
    }
    find_chains(&v);
    v.work = rules_work_least(&task->validation, &task->budget->validation);
    v.before = v.work;
    for (unsigned i = 0; i < reply->scrub->chain_cnt && !v.must_wait && !pause_vetting(&v); i++)
        vet_link(&v, i);
    if (reply->is_denied && !v.must_wait && !pause_vetting(&v))
        vet_denial(&v);
    else if (!v.must_wait)
        vet_beside_cname(&v);
    if (reply->is_delegation && !v.must_wait)
        vet_cut(&v);
    if (!v.must_wait)
        cache_checked_proofs(&v);
    rules_work_take(&task->validation, &v.before, &v.work);
    rules_work_take(&task->budget->validation, &v.before, &v.work);
    task->noted_cnt = task->is_paused ? (unsigned)util_max(task->noted_cnt, v.note_cnt) : 0;
    task->engine->counts.verified += v.work.verified;
    task->engine->counts.hashes += v.work.hashed;
    return !v.must_wait;
}

bool vet_empty(struct task *task, struct vet_state *state)
{
    struct vetting v = {.task = task};

    *state = (struct vet_state){.security = CACHE_UNCHECKED};
    if (!task->engine->policy->is_validating)
        return true;
    struct chain chain = chain_find(task, zone_target(task->type, task->name));
    set_security(&v, state,
                 chain.status == CHAIN_INSECURE ? end_as_insecure(&v, chain.reason)
                                                : CACHE_BOGUS);
    if (chain.status == CHAIN_FAILED)
        task_note_broken(task, chain.ede, chain.text);
    if (chain.status == CHAIN_SECURE) {
        struct verdict verdict = {.status = VERDICT_BOGUS,
                                  .reason = VERDICT_NO_PROOF,
                                  .zone = chain.zone,
                                  .name = task->name,
                                  .type = task->type};
        task_note_verdict(task, &verdict);
    }
    return chain.status != CHAIN_WAIT;
}
