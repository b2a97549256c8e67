/* The records that may prove something are collected first, each by one step in the ordered
 * keys of its zone; then the proofs are those of a reply. */
#include "resolver/answer/aggressive.h"

#include "dns/rrsig.h"
#include "resolver/cache/cache_denial.h"
#include "resolver/iterate/engine.h"
#include "resolver/validate/deny.h"

/* Lifetime: one answer. */
struct evidence {
    const struct aggressive *in;
    struct cache_denial_zone zone;
    struct cache_denial found[DENY_RECORDS_MAX];
    struct deny_record records[DENY_RECORDS_MAX];
    struct deny deny;             /* of `records` */
    int64_t cached_ms, expire_ms; /* of what the answer is made of: the oldest, the first */
    struct cache_used before;     /* entries of the links before */
    uint64_t data_hash;           /* of the SOA or wildcard that is cached as data; 0: none */
};

static const uint8_t *name_of(const struct evidence *e) { return e->in->name->dname; }

/* ---- collecting ---- */

static bool add_evidence(struct evidence *e, const struct cache_denial *denial)
{
    for (size_t i = 0; i < e->deny.cnt; i++)
        if (e->found[i].hash == denial->hash)
            return true;
    if (e->deny.cnt == DENY_RECORDS_MAX)
        return false;
    e->found[e->deny.cnt] = *denial;
    e->records[e->deny.cnt++] = (struct deny_record){denial->proof.owner, denial->proof.set};
    return true;
}

static bool collect_nsec(struct evidence *e, const struct cache_name *name)
{
    struct cache_denial denial;

    return cache_denial_find_nsec(e->in->cache, &e->zone, name, e->in->when, e->in->arena,
                                  &denial) &&
           add_evidence(e, &denial);
}

/* Collect the NSEC3 that matches or covers the name.  *is_match: it matches. */
static bool collect_nsec3(struct evidence *e, const uint8_t *name, bool *is_match)
{
    uint8_t hash[NSEC3_HASH_LEN], owner[NSEC3_HASH_LEN];
    struct cache_denial denial;

    *is_match = false;
    if (!rules_spend_hash(e->in->work, e->zone.params.salt_len))
        return false;
    nsec3_hash(&e->zone.params, name, hash);
    if (!cache_denial_find_nsec3(e->in->cache, &e->zone, hash, e->in->when, e->in->arena,
                                 &denial) ||
        !add_evidence(e, &denial))
        return false;
    *is_match =
        nsec3_read_label(denial.proof.owner, owner) && memcmp(owner, hash, NSEC3_HASH_LEN) == 0;
    return true;
}

/* Write the name of the wildcard below the suffix of `labels` labels.  False: too long. */
static bool name_wildcard(const struct evidence *e, unsigned labels, uint8_t out[DNAME_MAX])
{
    const uint8_t *encloser = dname_suffix(name_of(e), labels);
    size_t len = dname_len(encloser);

    if (len + 2 > DNAME_MAX)
        return false;
    out[0] = 1;
    out[1] = '*';
    memcpy(out + 2, encloser, len);
    return true;
}

/* ---- the end ---- */

static void limit_life(struct evidence *e, int64_t cached_ms, int64_t expire_ms)
{
    if (cached_ms < e->cached_ms)
        e->cached_ms = cached_ms;
    if (expire_ms < e->expire_ms)
        e->expire_ms = expire_ms;
}

/* Note what the answer is made of, and not all that was looked up for it: the answer cache
 * keeps it until one of these entries is written again.  Its own key comes first, because the
 * answer cache keeps what is popular, and the denials of a flood are.  The zone's entry is
 * written again with each new denial, which says nothing of this answer. */
static void note_evidence(const struct evidence *e, uint32_t used)
{
    struct cache *cache = e->in->cache;

    cache->used = e->before;
    cache_note_use(cache, cache_hash(e->in->name, e->in->type));
    for (size_t i = 0; i < e->deny.cnt; i++)
        if (used >> i & 1)
            cache_note_use(cache, e->found[i].hash);
    if (e->data_hash)
        cache_note_use(cache, e->data_hash);
    cache->store->use(cache->store, e->zone.hash);
}

/* Fill in the answer.  False: it has expired, or it has too many proofs. */
static bool end_answer(struct evidence *e, enum cache_kind kind, uint32_t used,
                       struct cache_found *out)
{
    *out = (struct cache_found){.kind = kind,
                                .rank = CACHE_AUTH_ANSWER,
                                .security = CACHE_SECURE,
                                .is_synthesised = true,
                                .text = ""};
    for (size_t i = 0; i < e->deny.cnt; i++) {
        if (!(used >> i & 1))
            continue;
        if (out->proofs.cnt == CACHE_PROOFS_MAX)
            return false;
        out->proofs.at[out->proofs.cnt++] = e->found[i].proof;
        limit_life(e, e->found[i].cached_ms, e->found[i].expire_ms);
    }
    int64_t left_ms = e->expire_ms - e->in->when->now_ms;
    if (left_ms <= 0)
        return false;
    out->ttl = (uint32_t)((left_ms + 999) / 1000);
    out->ttl_whole = (uint32_t)((e->expire_ms - e->cached_ms + 999) / 1000);
    out->cached_ms = e->cached_ms;
    out->expire_ms = out->prefetch_ms = e->expire_ms;
    note_evidence(e, used);
    return true;
}

/* End with the SOA of the zone: of its entry, or as cached data. */
static bool end_denial(struct evidence *e, enum cache_kind kind, uint32_t used,
                       struct cache_found *out)
{
    const struct aggressive *in = e->in;
    const struct rrset *soa = e->zone.soa;
    struct cache_found found;

    if (soa && in->when->now_ms < e->zone.soa_expire_ms &&
        e->zone.soa_cached_ms >= in->when->fresh_ms) {
        limit_life(e, e->zone.soa_cached_ms, e->zone.soa_expire_ms);
    } else if (cache_find(in->cache, in->name, in->zone_labels, RRTYPE_SOA, in->when, in->arena,
                          &found) &&
               found.kind == CACHE_DATA && found.security == CACHE_SECURE) {
        soa = found.set;
        e->data_hash = found.hash;
        limit_life(e, found.cached_ms, found.expire_ms);
        limit_life(e, found.cached_ms,
                   found.cached_ms + (int64_t)cache_negative_ttl(in->cache, soa) * 1000);
    } else {
        return false;
    }
    if (!end_answer(e, kind, used, out))
        return false;
    out->set = soa;
    out->soa_owner = e->deny.zone;
    return true;
}

/* ---- one proof each ---- */

static bool is_proved(struct verdict verdict) { return verdict.status == VERDICT_SECURE; }

static bool deny_type_here(struct evidence *e, struct cache_found *out)
{
    struct deny_found found;

    return is_proved(deny_type(&e->deny, name_of(e), e->in->type, &found)) &&
           end_denial(e, CACHE_NODATA, found.used, out);
}

static bool deny_name_here(struct evidence *e, struct cache_found *out)
{
    struct deny_found found;

    return is_proved(deny_name(&e->deny, name_of(e), &found)) &&
           end_denial(e, CACHE_NXDOMAIN, found.used, out);
}

/* True if the zone itself signed the RRset as that of the wildcard below the suffix of `labels`
 * labels, and not a zone whose apex is called "*". */
static bool is_signed_by_zone(const struct evidence *e, const struct rrset *set,
                              unsigned labels)
{
    const struct rrset *sigs = rrset_signatures(set);

    for (size_t pos = 0; sigs && pos < sigs->size;) {
        struct rrset_record record = rrset_at(sigs, pos, &pos);
        struct rrsig sig = rrsig_read(record.rdata, record.len);
        if (sig.labels == labels && dname_is_equal(sig.signer, e->deny.zone))
            return true;
    }
    return false;
}

/* Types that no wildcard answers for: they belong to a zone cut, to DNSSEC, or redirect what is
 * below (RFC 4592 4, RFC 6672 3.3). */
static bool is_wildcard_type(uint16_t type)
{
    return type != RRTYPE_NS && type != RRTYPE_SOA && type != RRTYPE_DS &&
           type != RRTYPE_DNSKEY && type != RRTYPE_DNAME && type != RRTYPE_NSEC &&
           type != RRTYPE_NSEC3 && type != RRTYPE_NSEC3PARAM && type != RRTYPE_RRSIG;
}

/* Answer with the cached RRset of the wildcard below the suffix of `labels` labels, which is
 * the closest encloser as `used` proves. */
static bool expand_wildcard(struct evidence *e, unsigned labels, uint32_t used,
                            struct cache_found *out)
{
    const struct aggressive *in = e->in;
    uint8_t wildcard[DNAME_MAX];
    struct cache_name name;
    struct cache_found found;

    if (!is_wildcard_type(in->type) || !name_wildcard(e, labels, wildcard))
        return false;
    cache_name_init(&name, wildcard);
    bool is_there =
        (cache_find(in->cache, &name, name.labels, in->type, in->when, in->arena, &found) &&
         found.kind == CACHE_DATA) ||
        cache_find_cname(in->cache, &name, in->when, in->arena, &found);
    if (!is_there || found.security != CACHE_SECURE || found.is_stale ||
        !is_signed_by_zone(e, found.set, labels))
        return false;
    limit_life(e, found.cached_ms, found.expire_ms);
    e->data_hash = found.hash;
    if (!end_answer(e, CACHE_DATA, used, out))
        return false;
    out->set = found.set;
    return true;
}

/* Deny the name, or the type of the wildcard that answers for it. */
static bool deny_below(struct evidence *e, struct cache_found *out)
{
    return deny_name_here(e, out) || deny_type_here(e, out);
}

/* ---- NSEC ---- */

static bool answer_from_nsec(struct evidence *e, struct cache_found *out)
{
    uint8_t wildcard[DNAME_MAX];
    struct deny_found found;
    struct cache_name name;
    unsigned labels = e->in->name->labels;

    if (!collect_nsec(e, e->in->name))
        return false;
    if (deny_type_here(e, out))
        return true;
    while (labels > e->in->zone_labels &&
           !is_proved(deny_closer(&e->deny, name_of(e), labels - 1, &found)))
        labels--;
    if (labels == e->in->zone_labels) /* no encloser: the name exists, or is not covered */
        return false;
    labels--;
    if (expand_wildcard(e, labels, found.used, out))
        return true;
    if (!name_wildcard(e, labels, wildcard))
        return deny_name_here(e, out);
    cache_name_init(&name, wildcard);
    return collect_nsec(e, &name) && deny_below(e, out);
}

/* ---- NSEC3 ---- */

/* Descend from the apex to the first name that does not exist.  A name in between of which
 * nothing is known is passed by: one below it may be known. */
static bool answer_from_nsec3(struct evidence *e, struct cache_found *out)
{
    uint8_t wildcard[DNAME_MAX];
    struct deny_found found;
    bool is_match;

    for (unsigned n = e->in->zone_labels; n <= e->in->name->labels; n++) {
        const uint8_t *name = dname_suffix(name_of(e), n);
        if (!collect_nsec3(e, name, &is_match) || is_match || n == e->in->zone_labels ||
            !is_proved(deny_closer(&e->deny, name_of(e), n - 1, &found)))
            continue;
        if (expand_wildcard(e, n - 1, found.used, out))
            return true;
        return !name_wildcard(e, n - 1, wildcard)
                   ? deny_name_here(e, out)
                   : collect_nsec3(e, wildcard, &is_match) && deny_below(e, out);
    }
    return deny_type_here(e, out);
}

/* ---- the answer ---- */

/* True if data are cached that the answer would contradict: the zone has changed since. */
static bool has_cached_data(const struct aggressive *in)
{
    static const uint16_t types[] = {RRTYPE_A,   RRTYPE_AAAA, RRTYPE_NS,   RRTYPE_MX,
                                     RRTYPE_TXT, RRTYPE_SRV,  RRTYPE_HTTPS};
    struct cache_found found;

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (cache_find(in->cache, in->name, in->name->labels, types[i], in->when, in->arena,
                       &found) &&
            found.kind == CACHE_DATA)
            return true;
    return false;
}

bool aggressive_answer(const struct aggressive *in, struct cache_found *out)
{
    struct evidence e;

    e.in = in;
    e.before = in->cache->used;
    if (!cache_denial_find_zone(in->cache, in->name, in->zone_labels, in->when, in->arena,
                                &e.zone) ||
        (in->cache->route &&
         e.zone.route != cache_route(in->cache, in->name, in->name->labels, in->type)))
        return false;
    e.deny = (struct deny){.zone = dname_suffix(name_of(&e), in->zone_labels),
                           .records = e.records,
                           .rules = &in->rules,
                           .work = in->work};
    e.cached_ms = e.expire_ms = INT64_MAX;
    e.data_hash = 0;
    bool is_answered = e.zone.has_nsec && answer_from_nsec(&e, out);
    if (!is_answered && e.zone.has_nsec3 &&
        e.zone.params.iterations <= in->rules.iterations_max) {
        e.deny.cnt = 0; /* of a zone that has changed from NSEC to NSEC3 */
        is_answered = answer_from_nsec3(&e, out);
    }
    return is_answered && (out->kind == CACHE_NODATA || !has_cached_data(in));
}

/* True if a delegation between the zone and the name is known: the zone has changed since its
 * denials were cached. */
static bool is_delegated_below(const struct aggressive *in, unsigned top)
{
    struct delegation delegation;
    int64_t expire_ms;

    return cache_find_delegation(in->cache, in->name, top, in->zone_labels + 1, in->when, 0,
                                 in->arena, &delegation, &expire_ms);
}

/* True if the configuration says that nothing is validated there. */
static bool is_below_nta(const struct policy *policy, const struct aggressive *in)
{
    const uint8_t *name = in->name->dname;
    const struct anchor *anchor = anchor_find(&policy->anchors, name);
    return nta_find(&policy->ntas, anchor, name, in->when->now_ms) != NULL;
}

/* A zone whose keys this worker has is secure.  So a lookup in vain costs little where nothing
 * is signed, and denials that outlived a restart count again when the keys are known again. */
bool aggressive_find(struct engine *engine, const struct cache_name *name, uint16_t type,
                     const struct cache_time *when, struct rules_work *work,
                     struct arena *arena, struct cache_found *out)
{
    const struct policy *policy = engine->policy;
    unsigned top = name->labels - (type == RRTYPE_DS && name->labels > 0), labels = top + 1;

    if (!policy->is_aggressive || !policy->is_validating || when->admits_bogus)
        return false;
    while (labels > 0 && !keycache_find(engine->keycache, dname_suffix(name->dname, labels - 1),
                                        when->now_ms))
        labels--;
    if (labels == 0)
        return false;
    struct aggressive in = {.cache = &engine->cache,
                            .name = name,
                            .type = type,
                            .zone_labels = labels - 1,
                            .when = when,
                            .rules = rules_defaults((uint32_t)(when->now_ms / 1000)),
                            .work = work,
                            .arena = arena};
    return aggressive_answer(&in, out) && !is_delegated_below(&in, top) &&
           !is_below_nta(policy, &in);
}
