/* Cache hits and finished resolutions take the same walk, so that there is one way to make an
 * answer. */
#include "resolver/answer/answer.h"

#include "base/log.h"
#include "base/now.h"
#include "dns/dname_text.h"
#include "dns/rrsig.h"
#include "net/request/reply.h"
#include "resolver/answer/aggressive.h"

enum {
    ADDITIONAL_MAX = 8,
    PROOFS_MAX = 64, /* more than fit into an answer */
    ANY_TTL = 3789,
    STALE_TEXT_MAX = 160,
    BLOCK_LOG_MS = 1000,
    WALK_MAX = ANSWER_CNAMES_MAX + 1
};

/* Lifetime: the call. */
struct walk {
    struct engine *engine;
    struct exchange *ex;
    struct arena *arena;
    struct answer *out;
    const struct trace_listeners *listeners; /* NULL: none */
    struct cache_time when;
    struct cache_time stale;  /* `when` with stale_ms; 0 there: no stale entry is used */
    bool is_after_bogus;      /* of those only secure ones are */
    int64_t oldest_expiry_ms; /* of the stale entry that expired first; 0: none is used */
    struct builder_mark begin;
    const uint8_t *name;         /* the current name of the chain */
    const uint8_t *first_public; /* name of the chain that has no local data; NULL: none */
    const uint8_t *last_public;
    const uint8_t *names[WALK_MAX];               /* the names before it */
    const uint8_t *dnames[ANSWER_CNAMES_MAX + 2]; /* owners of the DNAMEs that are written */
    unsigned dname_cnt;
    /* what follows the answer section, which ends with the chain */
    struct walk_proof {
        struct cache_proof proof;
        uint32_t ttl;
    } proofs[PROOFS_MAX];
    unsigned proof_cnt;
    const struct rrset *addressed; /* the RRset whose names get addresses; NULL: none */
    uint16_t type;
    unsigned steps;
    bool is_secure;         /* all entries so far are secure */
    uint16_t insecure_ede;  /* why the first that is not counts as unsigned; 0: no INFO-CODE */
    bool has_below;         /* there are local data below the name, so it exists (RFC 8020) */
    bool is_full;           /* a record did not fit: the answer is truncated */
    bool is_synthesised;    /* some of the answer is made from denials (RFC 8198) */
    struct rules_work work; /* of that */
    bool has_part;          /* some records of the RRset that did not fit are written */
    struct cache_name key;
    struct dname_parts parts;
};

static bool has_do(const struct walk *w)
{
    return w->ex->query.has_edns && w->ex->query.edns.is_do;
}

static void finish_walk(struct walk *w, unsigned rcode)
{
    w->out->kind = ANSWER_WRITTEN;
    w->out->rcode = rcode;
}

static bool are_signatures_in_time(const struct rrset *set, uint32_t now_s)
{
    const struct rrset *sigs = set ? rrset_signatures(set) : NULL;

    for (size_t pos = 0; sigs && pos < sigs->size;) {
        struct rrset_record record = rrset_at(sigs, pos, &pos);
        struct rrsig sig = rrsig_read(record.rdata, record.len);
        if (rrsig_check_time(&sig, now_s) != RRSIG_IN_TIME)
            return false;
    }
    return true;
}

/* True if the entry is still as secure as when it was validated: a stale one may have outlived
 * its signatures. */
static bool is_entry_secure(const struct walk *w, const struct cache_found *found)
{
    uint32_t now_s = (uint32_t)(w->when.now_ms / 1000);

    if (found->security != CACHE_SECURE || !found->is_stale)
        return found->security == CACHE_SECURE;
    bool is_secure = are_signatures_in_time(found->set, now_s);
    for (unsigned i = 0; i < found->proofs.cnt; i++)
        is_secure &= are_signatures_in_time(found->proofs.at[i].set, now_s);
    return is_secure;
}

/* Return the TTL of an entry in the answer, and note when it expires and whether it is secure.
 */
static uint32_t answer_ttl(struct walk *w, const struct cache_found *found)
{
    w->is_secure &= is_entry_secure(w, found);
    if (w->insecure_ede == 0)
        w->insecure_ede = found->ede;
    if (found->expire_ms < w->out->expire_ms)
        w->out->expire_ms = found->expire_ms;
    if (!found->is_stale)
        return found->ttl;
    if (w->oldest_expiry_ms == 0 || found->expire_ms < w->oldest_expiry_ms)
        w->oldest_expiry_ms = found->expire_ms;
    return w->engine->policy->stale_ttl;
}

static struct trace_event event_of(const struct walk *w, enum trace_step step)
{
    return (struct trace_event){.step = step, .name = w->name, .type = w->type};
}

static void trace_cached(const struct walk *w, const struct cache_found *found,
                         enum trace_cached what)
{
    if (__builtin_expect(w->listeners == NULL, 1))
        return;
    struct trace_event event = event_of(w, TRACE_STEP_CACHED);
    event.cached.found = found;
    event.cached.what = what;
    trace_emit(w->listeners, &event);
}

static void trace_local(const struct walk *w, enum local_kind kind)
{
    if (__builtin_expect(w->listeners == NULL, 1))
        return;
    struct trace_event event = event_of(w, TRACE_STEP_LOCAL);
    event.local = kind;
    trace_emit(w->listeners, &event);
}

static void fail_walk(struct walk *w, uint16_t ede, const char *text)
{
    builder_rollback(&w->ex->out, &w->begin);
    w->proof_cnt = 0;
    w->is_full = w->is_secure = false;
    w->out->is_explained = true;
    w->out->ede = ede;
    w->out->text = text;
    finish_walk(w, RRTYPE_RCODE_SERVFAIL);
}

/* Refuse an answer with a private address, against DNS rebinding.  The log names one per
 * second: more would help an attacker to fill the disk. */
static void block_walk(struct walk *w, const struct addr *addr)
{
    struct engine *engine = w->engine;
    const uint64_t now_ms = now_mono_ms();
    char address[ADDR_TEXT_MAX], text[EDNS_EDE_TEXT_MAX + 1], name[DNAME_TEXT_MAX];

    addr_print_host(addr, address);
    snprintf(text, sizeof(text), "%s is in private-addresses", address);
    const char *copy = arena_copy(w->arena, text, strlen(text) + 1);
    fail_walk(w, EDNS_EDE_BLOCKED, copy ? copy : "");
    finish_walk(w, RRTYPE_RCODE_REFUSED);
    engine->counts.blocked++;
    if (engine->block_log_ms && now_ms - engine->block_log_ms < BLOCK_LOG_MS)
        return;
    engine->block_log_ms = now_ms;
    dname_text_print(message_qname(&w->ex->query), name);
    log_info("the answer for %s is blocked: its address %s is in private-addresses", name,
             address);
}

static void end_in_miss(struct walk *w)
{
    if (__builtin_expect(w->listeners != NULL, 0)) {
        struct trace_event event = event_of(w, TRACE_STEP_MISS);
        trace_emit(w->listeners, &event);
    }
    builder_rollback(&w->ex->out, &w->begin);
    w->out->kind = ANSWER_MISS;
    w->out->name = w->name;
    w->out->type = w->type;
}

/* ---- writing ---- */

static struct builder_owner owner_in_answer(const struct walk *w, const uint8_t *name)
{
    /* the name in the question section is at a known offset: a pointer to it needs no search */
    bool is_asked = name == message_qname(&w->ex->query);
    return (struct builder_owner){.at = is_asked ? MESSAGE_HEADER_LEN : 0, .name = name};
}

static bool write_section_rrset(struct walk *w, enum message_section section,
                                const uint8_t *name, const struct rrset *set, uint32_t ttl)
{
    struct builder *b = &w->ex->out;
    struct builder_owner owner = owner_in_answer(w, name);
    struct builder_mark mark = builder_mark(b);
    const struct rrset *sigs = has_do(w) ? rrset_signatures(set) : NULL;
    unsigned first = w->ex->settings->is_rotating ? w->ex->turn : 0;

    bool fits = builder_rrset(b, section, &owner, set, ttl, first) == ERR_OK &&
                (!sigs || builder_rrset(b, section, &owner, sigs, ttl, 0) == ERR_OK);
    if (!fits)
        builder_rollback(b, &mark);
    return fits;
}

/* Write the records of an RRset that fit: stub resolvers without TCP (musl before 1.2.4) use
 * the addresses of a truncated answer.  With signatures a part of an RRset is useless. */
static void write_part(struct walk *w, const uint8_t *name, const struct rrset *set,
                       uint32_t ttl)
{
    unsigned first = w->ex->settings->is_rotating ? w->ex->turn % set->cnt : 0;

    for (unsigned round = 0; round < 2; round++) {
        unsigned number = 0;
        for (size_t pos = 0; pos < set->size; number++) {
            struct rrset_record r = rrset_at(set, pos, &pos);
            if ((number < first) == (round == 0))
                continue; /* the other round writes it */
            if (builder_record(&w->ex->out, MESSAGE_ANSWER, owner_in_answer(w, name), set->type,
                               RRTYPE_CLASS_IN, ttl, r.rdata, r.len) != ERR_OK)
                return;
            w->has_part = true;
        }
    }
}

static void write_data_rrset(struct walk *w, const uint8_t *name, const struct rrset *set,
                             uint32_t ttl)
{
    if (w->is_full || write_section_rrset(w, MESSAGE_ANSWER, name, set, ttl))
        return;
    w->is_full = true;
    if (!has_do(w))
        write_part(w, name, set, ttl);
}

/* Note a proof.  One may serve for several links. */
static void note_proof(struct walk *w, const struct cache_proof *proof, uint32_t ttl)
{
    for (unsigned i = 0; i < w->proof_cnt; i++)
        if (w->proofs[i].proof.set->type == proof->set->type &&
            dname_is_equal(w->proofs[i].proof.owner, proof->owner)) {
            w->proofs[i].ttl = (uint32_t)util_min(w->proofs[i].ttl, ttl);
            return;
        }
    if (w->proof_cnt < PROOFS_MAX)
        w->proofs[w->proof_cnt++] = (struct walk_proof){.proof = *proof, .ttl = ttl};
}

/* Note the records that prove a negative answer or the use of a wildcard (RFC 4035 3.1.3). */
static void note_proofs(struct walk *w, const struct cache_proofs *proofs, uint32_t ttl)
{
    for (unsigned i = 0; has_do(w) && i < proofs->cnt; i++)
        note_proof(w, &proofs->at[i], ttl);
}

static void write_cached_proofs(struct walk *w)
{
    for (unsigned i = 0; i < w->proof_cnt && !w->is_full; i++)
        w->is_full |= !write_section_rrset(w, MESSAGE_AUTHORITY, w->proofs[i].proof.owner,
                                           w->proofs[i].proof.set, w->proofs[i].ttl);
}

/* Add the SOA, from which clients take the TTL of the negative answer (RFC 2308 3). */
static void write_soa(struct walk *w, const uint8_t *owner, const struct rrset *soa,
                      uint32_t ttl)
{
    if (soa)
        w->is_full |= !write_section_rrset(w, MESSAGE_AUTHORITY, owner, soa, ttl);
}

static void write_denial(struct walk *w, const struct cache_found *found)
{
    uint32_t ttl = answer_ttl(w, found);

    write_soa(w, found->soa_owner, found->set, ttl);
    note_proofs(w, &found->proofs, ttl);
}

/* AD says nothing of the additional section (RFC 4035 3.2.3). */
static uint32_t additional_ttl(struct walk *w, const struct cache_found *found)
{
    bool is_secure = w->is_secure;
    uint16_t insecure_ede = w->insecure_ede;
    uint32_t ttl = answer_ttl(w, found);

    w->is_secure = is_secure;
    w->insecure_ede = insecure_ede;
    return ttl;
}

/* True if the RRset has an address that an answer to this query must not have.  What counts is
 * the name that the client asks for: the CNAME of an attacker may lead to an internal name. */
static bool is_private(const struct walk *w, const struct rrset *set, struct addr *out)
{
    const struct private_addresses *private = &w->engine->policy->private;

    return __builtin_expect(private->prefixes.cnt > 0, 0) && private_find(private, set, out) &&
           private_guards(private, message_qname(&w->ex->query));
}

/* Add the addresses of names in the answer that are in the cache and fit, which saves the
 * client a query.  Only the first ADDITIONAL_MAX names are looked up. */
static void write_additional(struct walk *w, const struct rrset *set)
{
    static const uint16_t types[] = {RRTYPE_A, RRTYPE_AAAA};
    unsigned looked = 0;

    for (size_t pos = 0; !w->is_full && pos < set->size && looked < ADDITIONAL_MAX;) {
        struct rrset_record record = rrset_at(set, pos, &pos);
        const uint8_t *target = rdata_target(set->type, record.rdata);
        struct cache_found found;
        struct addr addr;
        if (!target)
            return;
        if (*target == 0)
            continue;
        looked++;
        cache_name_init(&w->key, target);
        for (size_t i = 0; i < ARRAY_LEN(types); i++)
            if (cache_find(&w->engine->cache, &w->key, w->key.labels, types[i], &w->when,
                           w->arena, &found) &&
                found.kind == CACHE_DATA && found.ttl > 0 && !is_private(w, found.set, &addr) &&
                !write_section_rrset(w, MESSAGE_ADDITIONAL, target, found.set,
                                     additional_ttl(w, &found)))
                return;
    }
}

/* ---- the chain ---- */

/* End at a loop, which is an error (RFC 1034 3.6.2).  Its records stay in the answer. */
static void end_in_loop(struct walk *w)
{
    w->is_secure = false;
    w->out->is_explained = true;
    w->out->ede = EDNS_EDE_OTHER;
    w->out->text = "the CNAME chain is a loop";
    finish_walk(w, RRTYPE_RCODE_SERVFAIL);
}

/* Go on at `name`.  Return false if the chain is a loop or too long. */
static bool continue_at(struct walk *w, const uint8_t *name)
{
    w->names[w->steps++] = w->name;
    for (unsigned i = 0; i < w->steps; i++)
        if (dname_is_equal(w->names[i], name)) {
            end_in_loop(w);
            return false;
        }
    if (w->steps > util_min(w->engine->policy->limits.cnames, ANSWER_CNAMES_MAX)) {
        fail_walk(w, EDNS_EDE_OTHER, "the CNAME chain is longer than limits.cnames allows");
        return false;
    }
    w->name = name;
    return true;
}

static bool follow_cname_rrset(struct walk *w, const struct rrset *set, uint32_t ttl)
{
    write_data_rrset(w, w->name, set, ttl);
    return continue_at(w, rrset_first(set).rdata);
}

/* Return true if the DNAME of this owner is written: a chain may meet it again. */
static bool is_dname_written(const struct walk *w, const uint8_t *owner)
{
    for (unsigned i = 0; i < w->dname_cnt; i++)
        if (dname_is_equal(w->dnames[i], owner))
            return true;
    return false;
}

static void write_dname(struct walk *w, const uint8_t *owner, const struct rrset *set,
                        uint32_t ttl)
{
    if (is_dname_written(w, owner))
        return;
    if (w->dname_cnt < ARRAY_LEN(w->dnames))
        w->dnames[w->dname_cnt++] = owner;
    write_data_rrset(w, owner, set, ttl);
}

/* Write the DNAME and the CNAME that is synthesised from it (RFC 6672 3.1). */
static bool follow_dname_rrset(struct walk *w, const struct rrset *set, uint32_t ttl,
                               unsigned labels)
{
    const uint8_t *owner = dname_suffix(w->name, labels);
    uint8_t made[DNAME_MAX];
    size_t len = dname_substitute(w->name, owner, rrset_first(set).rdata, made);

    write_dname(w, owner, set, ttl);
    if (len == 0) {
        finish_walk(w, RRTYPE_RCODE_YXDOMAIN);
        return false;
    }
    const uint8_t *name = arena_copy(w->arena, made, len);
    if (!name) {
        fail_walk(w, EDNS_EDE_OTHER, "out of memory");
        return false;
    }
    w->is_full |= builder_record(&w->ex->out, MESSAGE_ANSWER, owner_in_answer(w, w->name),
                                 RRTYPE_CNAME, RRTYPE_CLASS_IN, ttl, name, len) != ERR_OK;
    if (w->type == RRTYPE_CNAME) {
        finish_walk(w, RRTYPE_RCODE_NOERROR);
        return false;
    }
    return continue_at(w, name);
}

static void answer_failure(struct walk *w, const struct cache_found *found)
{
    /* why validation failed says more than that it failed before */
    bool is_fresh = found->cached_ms >= w->when.since_ms || found->security == CACHE_BOGUS ||
                    (found->ede >= EDNS_EDE_BOGUS && found->ede <= EDNS_EDE_NSEC_MISSING);
    w->out->is_failure = true;
    w->out->is_bogus = found->security == CACHE_BOGUS;
    fail_walk(w, is_fresh ? found->ede : EDNS_EDE_CACHED_ERROR, found->text);
}

/* Write the RRset that the query asks for.  A CNAME that was synthesised from a DNAME goes with
 * that DNAME (RFC 6672 3.1). */
static void write_data(struct walk *w, const struct cache_found *found)
{
    struct cache_found dname;
    struct addr addr;
    unsigned labels;

    if ((found->set->flags & RRSET_IS_SYNTHESISED) &&
        cache_find_dname(&w->engine->cache, &w->key, &w->when, w->arena, &dname, &labels))
        write_dname(w, dname_suffix(w->name, labels), dname.set, answer_ttl(w, &dname));
    uint32_t ttl = answer_ttl(w, found);
    if (is_private(w, found->set, &addr)) {
        block_walk(w, &addr);
        return;
    }
    if (found->set->type == RRTYPE_DNAME)
        write_dname(w, w->name, found->set, ttl);
    else
        write_data_rrset(w, w->name, found->set, ttl);
    note_proofs(w, &found->proofs, ttl);
    w->addressed = found->set;
    finish_walk(w, RRTYPE_RCODE_NOERROR);
}

/* Note the entry if it is the next one to prefetch.  Entries with a TTL below ten seconds are
 * not prefetched. */
static void note_prefetch(struct walk *w, const struct cache_found *found)
{
    if (found->is_stale || found->prefetch_ms == found->expire_ms ||
        found->prefetch_ms >= w->out->prefetch_ms)
        return;
    w->out->prefetch_ms = found->prefetch_ms;
    w->out->prefetch_name = w->name;
    w->out->prefetch_type = w->type;
}

/* The entries of a name that can answer, and which of them exist. */
struct known {
    struct cache_found data, cname, nxdomain;
    bool has_data, has_cname, has_nxdomain;
};

/* Of stale entries only the newest counts: if NXDOMAIN was cached after an address, the address
 * is obsolete. */
static void keep_newest_stale(struct known *k)
{
    int64_t newest = INT64_MIN;
    if (k->has_data)
        newest = k->data.cached_ms;
    if (k->has_cname && k->cname.cached_ms > newest)
        newest = k->cname.cached_ms;
    if (k->has_nxdomain && k->nxdomain.cached_ms > newest)
        newest = k->nxdomain.cached_ms;
    k->has_data &= k->data.cached_ms == newest;
    k->has_cname &= k->cname.cached_ms == newest;
}

/* Look up the entries in the order in which they count.  The first is enough, unless stale ones
 * have to be compared. */
static void look_up_name(struct walk *w, const struct cache_time *when, struct known *k)
{
    struct cache *cache = &w->engine->cache;
    bool wants_all = when->stale_ms > 0;

    k->has_cname = k->has_nxdomain = false;
    k->has_data = cache_find(cache, &w->key, w->key.labels, w->type, when, w->arena, &k->data);
    if (!k->has_data || wants_all)
        k->has_cname = cache_find_cname(cache, &w->key, when, w->arena, &k->cname);
    if ((!k->has_data && !k->has_cname) || wants_all)
        k->has_nxdomain = cache_find_nxdomain(cache, &w->key, when, w->arena, &k->nxdomain);
    if (wants_all)
        keep_newest_stale(k);
    if (wants_all && w->is_after_bogus) {
        k->has_data = k->has_data && is_entry_secure(w, &k->data);
        k->has_cname = k->has_cname && is_entry_secure(w, &k->cname);
        k->has_nxdomain = k->has_nxdomain && is_entry_secure(w, &k->nxdomain);
    }
}

/* Answer with what is known.  Return whether the chain continues at another name. */
static bool answer_known(struct walk *w, const struct cache_time *when, const struct known *k)
{
    struct cache *cache = &w->engine->cache;
    struct cache_found dname;
    unsigned labels;

    if (k->has_data) {
        trace_cached(w, &k->data,
                     k->data.kind == CACHE_DATA ? TRACE_CACHED_DATA : TRACE_CACHED_NODATA);
        note_prefetch(w, &k->data);
        if (k->data.kind == CACHE_NODATA) {
            write_denial(w, &k->data);
            finish_walk(w, RRTYPE_RCODE_NOERROR);
        } else {
            write_data(w, &k->data);
        }
    } else if (k->has_cname) {
        trace_cached(w, &k->cname, TRACE_CACHED_CNAME);
        note_prefetch(w, &k->cname);
        bool is_made = (k->cname.set->flags & RRSET_IS_SYNTHESISED) &&
                       cache_find_dname(cache, &w->key, when, w->arena, &dname, &labels);
        if (is_made)
            return follow_dname_rrset(w, dname.set, answer_ttl(w, &dname), labels);
        uint32_t ttl = answer_ttl(w, &k->cname);
        note_proofs(w, &k->cname.proofs, ttl);
        return follow_cname_rrset(w, k->cname.set, ttl);
    } else if (k->has_nxdomain) {
        trace_cached(w, &k->nxdomain,
                     w->has_below ? TRACE_CACHED_NODATA : TRACE_CACHED_NXDOMAIN);
        note_prefetch(w, &k->nxdomain);
        write_denial(w, &k->nxdomain);
        w->is_secure &= !w->has_below;
        finish_walk(w, w->has_below ? RRTYPE_RCODE_NOERROR : RRTYPE_RCODE_NXDOMAIN);
    }
    return false;
}

/* Answer from the cache.  Return false if it has no entry that `when` admits.  *goes_on gets
 * whether the chain continues at another name. */
static bool answer_from_cache(struct walk *w, const struct cache_time *when, bool *goes_on)
{
    struct known k;

    look_up_name(w, when, &k);
    *goes_on = answer_known(w, when, &k);
    return k.has_data || k.has_cname || k.has_nxdomain;
}

/* The same from denials that were cached for other names.  Local data below the name prove that
 * it exists. */
static bool answer_from_denials(struct walk *w, bool *goes_on)
{
    struct known k;
    struct cache_found found;

    if (w->has_below ||
        !aggressive_find(w->engine, &w->key, w->type, &w->when, &w->work, w->arena, &found))
        return false;
    w->is_synthesised = true;
    k.has_nxdomain = found.kind == CACHE_NXDOMAIN;
    k.has_cname = found.kind == CACHE_DATA && found.set->type != w->type;
    k.has_data = !k.has_nxdomain && !k.has_cname;
    *(k.has_nxdomain ? &k.nxdomain : k.has_cname ? &k.cname : &k.data) = found;
    *goes_on = answer_known(w, &w->when, &k);
    return true;
}

/* A secure DNAME holds for all names below it (RFC 6672 3.4); others are asked for. */
static bool answer_from_dname(struct walk *w, bool *goes_on)
{
    struct cache_found found;
    unsigned labels;

    if (!w->engine->policy->is_validating ||
        !cache_find_dname(&w->engine->cache, &w->key, &w->when, w->arena, &found, &labels) ||
        found.security != CACHE_SECURE)
        return false;
    trace_cached(w, &found, TRACE_CACHED_CNAME);
    *goes_on = follow_dname_rrset(w, found.set, answer_ttl(w, &found), labels);
    return true;
}

/* Answer from the cache, or end with a cached failure or a miss.  Return true if the chain
 * continues at another name. */
static bool step_cache(struct walk *w)
{
    struct cache *cache = &w->engine->cache;
    struct cache_found found;
    unsigned labels;
    bool goes_on;

    cache_name_init(&w->key, w->name);
    if (answer_from_cache(w, &w->when, &goes_on) || answer_from_dname(w, &goes_on) ||
        answer_from_denials(w, &goes_on))
        return goes_on;
    if (w->stale.stale_ms > 0 && answer_from_cache(w, &w->stale, &goes_on))
        return goes_on;
    if (w->stale.stale_ms == 0 &&
        cache_find_failure(cache, &w->key, w->type, &w->when, w->arena, &found) &&
        !(w->when.admits_bogus && found.security == CACHE_BOGUS)) {
        trace_cached(w, &found, TRACE_CACHED_FAILURE);
        /* RFC 8020: local data below it prove that the name exists */
        if (w->has_below && *w->name != 0 && found.security != CACHE_BOGUS) {
            w->is_secure = false;
            const struct rrset *soa = w->engine->policy->local.soa;
            write_soa(w, w->name, soa, soa ? soa->ttl : 0);
            finish_walk(w, RRTYPE_RCODE_NOERROR);
            return false;
        }
        answer_failure(w, &found);
        return false;
    }
    /* the task that was waited for got YXDOMAIN: the DNAME makes the name too long */
    if (w->when.since_ms != INT64_MAX &&
        cache_find_dname(cache, &w->key, &w->when, w->arena, &found, &labels) &&
        found.cached_ms >= w->when.since_ms)
        return follow_dname_rrset(w, found.set, answer_ttl(w, &found), labels);
    end_in_miss(w);
    return false;
}

const char *answer_text(uint16_t ede)
{
    switch (ede) {
    case EDNS_EDE_UNSUPPORTED_ALGORITHM:
        return "the zone counts as unsigned: no DS has a supported algorithm";
    case EDNS_EDE_UNSUPPORTED_DIGEST:
        return "the zone counts as unsigned: no DS has a supported digest type";
    case EDNS_EDE_UNSUPPORTED_ITERATIONS:
        return "the zone counts as unsigned: its NSEC3 records have too many iterations";
    case EDNS_EDE_SYNTHESISED: return "from cached NSEC records (RFC 8198)";
    default: return NULL;
    }
}

/* Add the extended error of an answer that could not be validated (RFC 8914 4.2, 4.3, RFC 9276
 * 3.2). */
static void explain_insecure(struct walk *w)
{
    const char *text = answer_text(w->insecure_ede);

    if (!text)
        return;
    w->out->is_explained = true;
    w->out->ede = w->insecure_ede;
    w->out->text = text;
}

/* Add the extended error of a stale answer (RFC 8914 4.4, 4.20).  There is room for one code:
 * why it could not be validated is in the text. */
static void explain_stale(struct walk *w)
{
    char span[NOW_TEXT_MAX], text[STALE_TEXT_MAX];
    const char *insecure = answer_text(w->insecure_ede);

    now_print_span((w->when.now_ms - w->oldest_expiry_ms) / 1000, span);
    snprintf(text, sizeof(text), "it expired %s ago%s%s", span, insecure ? "; " : "",
             insecure ? insecure : "");
    const char *copy = arena_copy(w->arena, text, strlen(text));
    w->out->is_explained = w->out->is_stale = true;
    w->out->ede =
        w->out->rcode == RRTYPE_RCODE_NXDOMAIN ? EDNS_EDE_STALE_NXDOMAIN : EDNS_EDE_STALE;
    w->out->text = copy ? copy : "";
}

/* Without signature times the answer is not secure. */
static void explain_clock(struct walk *w)
{
    w->is_secure = false;
    if (w->out->kind != ANSWER_WRITTEN || w->out->is_explained)
        return;
    w->out->is_explained = true;
    w->out->ede = EDNS_EDE_OTHER;
    w->out->text = "the clock of this resolver is wrong, so the times of signatures were not "
                   "checked";
}

/* Add the extended error of an answer that was not validated because of a negative trust anchor
 * for the first or the last name of its chain.  Local data are never validated. */
static void explain_negative_anchor(struct walk *w)
{
    const struct policy *policy = w->engine->policy;
    const uint8_t *const names[] = {w->first_public, w->last_public};
    const struct nta *nta = NULL;
    char text[VERDICT_TEXT_MAX];
    size_t i = 0;

    for (; w->first_public && i < ARRAY_LEN(names) && !nta; i++)
        nta = nta_find(&policy->ntas, anchor_find(&policy->anchors, names[i]), names[i],
                       w->when.now_ms);
    if (!nta)
        return;
    struct verdict verdict = nta_verdict(nta, names[i - 1], w->type);
    verdict_print(&verdict, text);
    const char *copy = arena_copy(w->arena, text, strlen(text));
    w->out->is_explained = true;
    w->out->ede = (uint16_t)verdict_ede(verdict.reason);
    w->out->text = copy ? copy : "";
}

/* Add the extended error of a synthesised answer.  It is an answer like others, with AD. */
static void explain_synthesised(struct walk *w)
{
    w->out->is_explained = w->out->is_synthesised = true;
    w->out->ede = EDNS_EDE_SYNTHESISED;
    w->out->text = answer_text(EDNS_EDE_SYNTHESISED);
}

/* Answer from local data.  Return true if the chain continues at another name.  *is_local gets
 * whether there are local data for the name. */
static bool step_local(struct walk *w, const struct dname_parts *parts, bool *is_local)
{
    struct local_answer local = local_find(&w->engine->policy->local, parts, w->type);

    *is_local = local.kind != LOCAL_NONE;
    w->has_below = local.has_below;
    w->is_secure &= !*is_local;
    if (*is_local)
        trace_local(w, local.kind);
    switch (local.kind) {
    case LOCAL_NONE: return false;
    case LOCAL_CNAME: return follow_cname_rrset(w, local.set, local.set->ttl);
    case LOCAL_DNAME: return follow_dname_rrset(w, local.set, local.set->ttl, local.labels);
    case LOCAL_DATA:
        write_data_rrset(w, w->name, local.set, local.set->ttl);
        finish_walk(w, RRTYPE_RCODE_NOERROR);
        return false;
    case LOCAL_NODATA:
    case LOCAL_NXDOMAIN:
        write_soa(w, local.zone ? local.zone : w->name, local.soa,
                  local.soa ? local.soa->ttl : 0);
        finish_walk(w,
                    local.kind == LOCAL_NODATA ? RRTYPE_RCODE_NOERROR : RRTYPE_RCODE_NXDOMAIN);
        return false;
    }
    return false;
}

/* Answer ANY with a synthesised HINFO record (RFC 8482 4.2). */
static void answer_any(struct walk *w)
{
    w->is_secure = false;
    static const uint8_t hinfo[] = "\7RFC8482";
    w->is_full |=
        builder_record(&w->ex->out, MESSAGE_ANSWER, owner_in_answer(w, w->name), RRTYPE_HINFO,
                       RRTYPE_CLASS_IN, ANY_TTL, hinfo, sizeof(hinfo)) != ERR_OK;
    finish_walk(w, RRTYPE_RCODE_NOERROR);
}

static bool step_chain(struct walk *w)
{
    bool is_local;
    const struct dname_parts *parts = &w->ex->name;

    if (w->steps > 0) {
        dname_split(w->name, &w->parts);
        parts = &w->parts;
    }
    bool goes_on = step_local(w, parts, &is_local);
    if (is_local)
        return goes_on;
    if (!w->first_public)
        w->first_public = w->name;
    w->last_public = w->name;
    return step_cache(w);
}

void answer_write(struct engine *engine, struct exchange *ex, const struct answer_terms *terms,
                  struct arena *arena, struct answer *out)
{
    struct walk w;

    w.engine = engine;
    w.ex = ex;
    w.arena = arena;
    w.out = out;
    w.listeners = terms->listeners;
    w.when = engine_time(terms->since_ms);
    w.when.fresh_ms = terms->fresh_ms;
    w.when.admits_bogus = ex->query.flags & MESSAGE_CD;
    w.stale = w.when;
    w.stale.stale_ms = terms->stale_ms;
    w.is_after_bogus = terms->is_after_bogus;
    w.oldest_expiry_ms = 0;
    w.begin = builder_mark(&ex->out);
    w.name = message_qname(&ex->query);
    w.first_public = w.last_public = NULL;
    w.type = ex->query.qtype;
    w.steps = 0;
    w.dname_cnt = w.proof_cnt = 0;
    w.addressed = NULL;
    w.is_full = w.has_part = w.is_synthesised = false;
    w.work = (struct rules_work){.hashes_left = AGGRESSIVE_HASHES};
    w.is_secure = engine->policy->is_validating;
    w.insecure_ede = 0;
    *out =
        (struct answer){.kind = ANSWER_MISS, .prefetch_ms = INT64_MAX, .expire_ms = INT64_MAX};
    engine->cache.used.cnt = 0;
    if (w.type == RRTYPE_ANY) {
        answer_any(&w);
    } else {
        while (step_chain(&w))
            ;
    }
    engine->counts.hashes += w.work.hashed;
    if (out->kind == ANSWER_WRITTEN)
        write_cached_proofs(&w);
    if (out->kind == ANSWER_WRITTEN && w.addressed)
        write_additional(&w, w.addressed);
    bool is_doubtful = w.is_secure && engine->policy->is_validating &&
                       __builtin_expect(engine->oldest_ms > w.when.now_ms, 0);
    if (is_doubtful && engine_is_clock_wrong(engine))
        explain_clock(&w);
    out->is_secure = out->kind == ANSWER_WRITTEN && w.is_secure;
    out->is_prefetch_due = w.when.now_ms >= out->prefetch_ms;
    if (out->kind == ANSWER_WRITTEN && w.is_full) {
        ex->flags |= MESSAGE_TC;
        if (!w.has_part)
            builder_rollback(&ex->out, &w.begin);
    }
    if (out->kind == ANSWER_WRITTEN && !out->is_explained && w.oldest_expiry_ms != 0)
        explain_stale(&w);
    if (out->kind == ANSWER_WRITTEN && !out->is_explained && w.is_synthesised)
        explain_synthesised(&w);
    if (out->kind == ANSWER_WRITTEN && !out->is_explained && !out->is_secure &&
        engine->policy->is_validating && engine->policy->ntas.cnt > 0)
        explain_negative_anchor(&w);
    if (out->kind == ANSWER_WRITTEN && !out->is_explained && w.insecure_ede != 0)
        explain_insecure(&w);
}
