/* One walk serves cache hits and finished resolutions alike, so that there is one way an answer
 * comes about. */
#include "resolver/answer/answer.h"

#include "base/now.h"
#include "net/request/reply.h"

enum {
    ADDITIONAL_MAX = 8,
    ANY_TTL = 3789,
    STALE_TEXT_MAX = 60,
    WALK_MAX = ANSWER_CNAMES_MAX + 1
};

/* Lifetime: the call. */
struct walk {
    struct engine *engine;
    struct exchange *ex;
    struct arena *arena;
    struct answer *out;
    const struct trace_listeners *listeners; /* NULL: none */
    struct cache_time when, stale; /* stale.stale_ms 0: what has ended is not looked for */
    int64_t stale_until_ms;        /* of what has ended first; 0: nothing has */
    struct builder_mark begin;
    const uint8_t *name;                          /* where the chain has come */
    const uint8_t *names[WALK_MAX];               /* where it was before */
    const uint8_t *dnames[ANSWER_CNAMES_MAX + 2]; /* owners of the DNAMEs that were put */
    unsigned dname_cnt;
    uint16_t type;
    unsigned steps;
    bool has_below; /* the configuration has names below this one: it exists (RFC 8020) */
    bool is_full;   /* something did not fit */
    bool has_part;  /* but some records of it are there */
    struct cache_name key;
    struct dname_parts parts;
};

static bool wants_dnssec(const struct walk *w)
{
    return w->ex->query.has_edns && w->ex->query.edns.is_do;
}

static void finish(struct walk *w, unsigned rcode)
{
    w->out->kind = ANSWER_WRITTEN;
    w->out->rcode = rcode;
}

/* The TTL that goes out with it. */
static uint32_t ttl_of(struct walk *w, const struct cache_found *found)
{
    if (found->expire_ms < w->out->expire_ms)
        w->out->expire_ms = found->expire_ms;
    if (!found->is_stale)
        return found->ttl;
    if (w->stale_until_ms == 0 || found->expire_ms < w->stale_until_ms)
        w->stale_until_ms = found->expire_ms;
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

static void fail(struct walk *w, uint16_t ede, const char *text)
{
    builder_rollback(&w->ex->out, &w->begin);
    w->is_full = false;
    w->out->is_explained = true;
    w->out->ede = ede;
    w->out->text = text;
    finish(w, RRTYPE_RCODE_SERVFAIL);
}

static void miss(struct walk *w)
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

static struct builder_owner owner_of(const struct walk *w, const uint8_t *name)
{
    /* the question's name stands where every message has it */
    bool is_asked = name == message_qname(&w->ex->query);
    return (struct builder_owner){.at = is_asked ? MESSAGE_HEADER_LEN : 0, .name = name};
}

static bool put_set(struct walk *w, enum message_section section, const uint8_t *name,
                    const struct rrset *set, uint32_t ttl)
{
    struct builder *b = &w->ex->out;
    struct builder_owner owner = owner_of(w, name);
    struct builder_mark mark = builder_mark(b);
    const struct rrset *sigs = wants_dnssec(w) ? rrset_signatures(set) : NULL;
    unsigned first = w->ex->settings->is_rotating ? w->ex->turn : 0;

    bool fits = builder_rrset(b, section, &owner, set, ttl, first) == ERR_OK &&
                (!sigs || builder_rrset(b, section, &owner, sigs, ttl, 0) == ERR_OK);
    if (!fits)
        builder_rollback(b, &mark);
    return fits;
}

/* Of a set that does not fit, what does: stub resolvers that do not speak TCP (musl
 * before 1.2.4) take the addresses that came.  With signatures a part is worth nothing. */
static void put_part(struct walk *w, const uint8_t *name, const struct rrset *set, uint32_t ttl)
{
    unsigned first = w->ex->settings->is_rotating ? w->ex->turn % set->cnt : 0;

    for (unsigned round = 0; round < 2; round++) {
        unsigned number = 0;
        for (size_t pos = 0; pos < set->size; number++) {
            struct rrset_record r = rrset_at(set, pos, &pos);
            if ((number < first) == (round == 0))
                continue; /* of the other round */
            if (builder_record(&w->ex->out, MESSAGE_ANSWER, owner_of(w, name), set->type,
                               RRTYPE_CLASS_IN, ttl, r.rdata, r.len) != ERR_OK)
                return;
            w->has_part = true;
        }
    }
}

static void put_answer(struct walk *w, const uint8_t *name, const struct rrset *set,
                       uint32_t ttl)
{
    if (w->is_full || put_set(w, MESSAGE_ANSWER, name, set, ttl))
        return;
    w->is_full = true;
    if (!wants_dnssec(w))
        put_part(w, name, set, ttl);
}

/* RFC 2308 3: the SOA goes along, so that others know how long to believe the absence. */
static void put_soa(struct walk *w, const uint8_t *owner, const struct rrset *soa, uint32_t ttl)
{
    if (soa)
        w->is_full |= !put_set(w, MESSAGE_AUTHORITY, owner, soa, ttl);
}

/* Addresses of the names in the answer, as far as they are known and fit: nobody has to ask for
 * them.  Of many names only the first are looked at. */
static void put_additional(struct walk *w, const struct rrset *set)
{
    static const uint16_t types[] = {RRTYPE_A, RRTYPE_AAAA};
    unsigned looked = 0;

    for (size_t pos = 0; !w->is_full && pos < set->size && looked < ADDITIONAL_MAX;) {
        struct rrset_record record = rrset_at(set, pos, &pos);
        const uint8_t *target = rdata_target(set->type, record.rdata);
        struct cache_found found;
        if (!target)
            return;
        if (*target == 0)
            continue;
        looked++;
        cache_name_init(&w->key, target);
        for (size_t i = 0; i < ARRAY_LEN(types); i++)
            if (cache_find(&w->engine->cache, &w->key, w->key.labels, types[i], &w->when,
                           w->arena, &found) &&
                found.kind == CACHE_DATA && found.ttl > 0 &&
                !put_set(w, MESSAGE_ADDITIONAL, target, found.set, ttl_of(w, &found)))
                return;
    }
}

/* ---- the chain ---- */

/* RFC 1034 3.6.2: a circle is an error; how it goes round stays in the answer. */
static void end_circle(struct walk *w)
{
    w->out->is_explained = true;
    w->out->ede = EDNS_EDE_OTHER;
    w->out->text = "the aliases lead round in a circle";
    finish(w, RRTYPE_RCODE_SERVFAIL);
}

/* Go on at `name`; false when the chain goes round, or is too long. */
static bool go_on(struct walk *w, const uint8_t *name)
{
    w->names[w->steps++] = w->name;
    for (unsigned i = 0; i < w->steps; i++)
        if (dname_is_equal(w->names[i], name)) {
            end_circle(w);
            return false;
        }
    if (w->steps > util_min(w->engine->policy->limits.cnames, ANSWER_CNAMES_MAX)) {
        fail(w, EDNS_EDE_OTHER, "the chain of aliases is too long");
        return false;
    }
    w->name = name;
    return true;
}

static bool follow_cname(struct walk *w, const struct rrset *set, uint32_t ttl)
{
    put_answer(w, w->name, set, ttl);
    return go_on(w, rrset_first(set).rdata);
}

/* A chain may come back to a DNAME: it is put once. */
static bool is_put(const struct walk *w, const uint8_t *owner)
{
    for (unsigned i = 0; i < w->dname_cnt; i++)
        if (dname_is_equal(w->dnames[i], owner))
            return true;
    return false;
}

static void put_dname(struct walk *w, const uint8_t *owner, const struct rrset *set,
                      uint32_t ttl)
{
    if (is_put(w, owner))
        return;
    if (w->dname_cnt < ARRAY_LEN(w->dnames))
        w->dnames[w->dname_cnt++] = owner;
    put_answer(w, owner, set, ttl);
}

/* RFC 6672 3.1: the DNAME, and the CNAME that it makes of this name. */
static bool follow_dname(struct walk *w, const struct rrset *set, uint32_t ttl, unsigned labels)
{
    const uint8_t *owner = dname_suffix(w->name, labels);
    const uint8_t *target = rrset_first(set).rdata;
    size_t head = dname_len(w->name) - dname_len(owner), tail = dname_len(target);
    uint8_t made[DNAME_MAX];

    put_dname(w, owner, set, ttl);
    if (head + tail > DNAME_MAX) {
        finish(w, RRTYPE_RCODE_YXDOMAIN);
        return false;
    }
    memcpy(made, w->name, head);
    memcpy(made + head, target, tail);
    const uint8_t *name = arena_copy(w->arena, made, head + tail);
    if (!name) {
        fail(w, EDNS_EDE_OTHER, "out of memory");
        return false;
    }
    w->is_full |=
        builder_record(&w->ex->out, MESSAGE_ANSWER, owner_of(w, w->name), RRTYPE_CNAME,
                       RRTYPE_CLASS_IN, ttl, name, head + tail) != ERR_OK;
    return go_on(w, name);
}

static void answer_failure(struct walk *w, const struct cache_found *found)
{
    bool is_fresh = found->cached_ms >= w->when.since_ms;
    w->out->is_failure = true;
    fail(w, is_fresh ? found->ede : EDNS_EDE_CACHED_ERROR, found->text);
}

/* What was asked for.  A CNAME that a DNAME has made comes with that (RFC 6672 3.1). */
static void answer_data(struct walk *w, const struct cache_found *found)
{
    struct cache_found dname;
    unsigned labels;

    if ((found->set->flags & RRSET_IS_SYNTHESISED) &&
        cache_find_dname(&w->engine->cache, &w->key, &w->when, w->arena, &dname, &labels))
        put_dname(w, dname_suffix(w->name, labels), dname.set, ttl_of(w, &dname));
    if (found->set->type == RRTYPE_DNAME)
        put_dname(w, w->name, found->set, ttl_of(w, found));
    else
        put_answer(w, w->name, found->set, ttl_of(w, found));
    put_additional(w, found->set);
    finish(w, RRTYPE_RCODE_NOERROR);
}

/* RFC 8767: it is worth asking again before it ends. */
static void note_ending(struct walk *w, const struct cache_found *found)
{
    if (found->is_stale || found->prefetch_ms == found->expire_ms ||
        found->prefetch_ms >= w->out->prefetch_ms)
        return; /* less than ten seconds, from the first: they are not worth it */
    w->out->prefetch_ms = found->prefetch_ms;
    w->out->prefetch_name = w->name;
    w->out->prefetch_type = w->type;
}

/* An entry of each kind that may answer; which of them exist. */
struct known {
    struct cache_found data, cname, denial;
    bool has_data, has_cname, has_denial;
};

/* Of what has ended only the newest counts: a name that was denied after it had an address has
 * none. */
static void keep_newest(struct known *k)
{
    int64_t newest = INT64_MIN;
    if (k->has_data)
        newest = k->data.cached_ms;
    if (k->has_cname && k->cname.cached_ms > newest)
        newest = k->cname.cached_ms;
    if (k->has_denial && k->denial.cached_ms > newest)
        newest = k->denial.cached_ms;
    k->has_data &= k->data.cached_ms == newest;
    k->has_cname &= k->cname.cached_ms == newest;
}

/* Look for them, in the order in which they count; what comes after the first is only looked
 * for when all have to be compared. */
static void look(struct walk *w, const struct cache_time *when, struct known *k)
{
    struct cache *cache = &w->engine->cache;
    bool wants_all = when->stale_ms > 0;

    k->has_cname = k->has_denial = false;
    k->has_data = cache_find(cache, &w->key, w->key.labels, w->type, when, w->arena, &k->data);
    if (!k->has_data || wants_all)
        k->has_cname = cache_find_cname(cache, &w->key, when, w->arena, &k->cname);
    if ((!k->has_data && !k->has_cname) || wants_all)
        k->has_denial = cache_find_nxdomain(cache, &w->key, when, w->arena, &k->denial);
    if (wants_all)
        keep_newest(k);
}

/* What the cache knows of the name at that time; false: nothing.  *goes_on: another name is
 * next. */
static bool know(struct walk *w, const struct cache_time *when, bool *goes_on)
{
    struct cache *cache = &w->engine->cache;
    struct cache_found dname;
    struct known k;
    unsigned labels;

    *goes_on = false;
    look(w, when, &k);
    if (k.has_data) {
        trace_cached(w, &k.data,
                     k.data.kind == CACHE_DATA ? TRACE_CACHED_DATA : TRACE_CACHED_NODATA);
        note_ending(w, &k.data);
        if (k.data.kind == CACHE_NODATA) {
            put_soa(w, k.data.soa_owner, k.data.set, ttl_of(w, &k.data));
            finish(w, RRTYPE_RCODE_NOERROR);
        } else {
            answer_data(w, &k.data);
        }
    } else if (k.has_cname) {
        trace_cached(w, &k.cname, TRACE_CACHED_CNAME);
        note_ending(w, &k.cname);
        bool is_made = (k.cname.set->flags & RRSET_IS_SYNTHESISED) &&
                       cache_find_dname(cache, &w->key, when, w->arena, &dname, &labels);
        *goes_on = is_made ? follow_dname(w, dname.set, ttl_of(w, &dname), labels)
                           : follow_cname(w, k.cname.set, ttl_of(w, &k.cname));
    } else if (k.has_denial) {
        trace_cached(w, &k.denial, w->has_below ? TRACE_CACHED_NODATA : TRACE_CACHED_NXDOMAIN);
        note_ending(w, &k.denial);
        put_soa(w, k.denial.soa_owner, k.denial.set, ttl_of(w, &k.denial));
        finish(w, w->has_below ? RRTYPE_RCODE_NOERROR : RRTYPE_RCODE_NXDOMAIN);
    }
    return k.has_data || k.has_cname || k.has_denial;
}

/* True: go on with another name. */
static bool step_cache(struct walk *w)
{
    struct cache *cache = &w->engine->cache;
    struct cache_found found;
    unsigned labels;
    bool goes_on;

    cache_name_init(&w->key, w->name);
    if (know(w, &w->when, &goes_on))
        return goes_on;
    if (w->stale.stale_ms > 0 && know(w, &w->stale, &goes_on))
        return goes_on;
    if (w->stale.stale_ms == 0 &&
        cache_find_failure(cache, &w->key, w->type, &w->when, w->arena, &found)) {
        trace_cached(w, &found, TRACE_CACHED_FAILURE);
        if (w->has_below) { /* RFC 8020: the local data below it are enough to know that it
                               exists */
            const struct rrset *soa = w->engine->policy->local.soa;
            put_soa(w, w->name, soa, soa ? soa->ttl : 0);
            finish(w, RRTYPE_RCODE_NOERROR);
            return false;
        }
        answer_failure(w, &found);
        return false;
    }
    /* the reply that was just waited for had no room for the name the DNAME makes */
    if (w->when.since_ms != INT64_MAX &&
        cache_find_dname(cache, &w->key, &w->when, w->arena, &found, &labels) &&
        found.cached_ms >= w->when.since_ms)
        return follow_dname(w, found.set, ttl_of(w, &found), labels);
    miss(w);
    return false;
}

/* RFC 8914 4.4, 4.20: how old it is. */
static void explain_stale(struct walk *w)
{
    char span[NOW_TEXT_MAX], text[STALE_TEXT_MAX];

    now_print_span((w->when.now_ms - w->stale_until_ms) / 1000, span);
    snprintf(text, sizeof(text), "its TTL ended %s ago", span);
    const char *copy = arena_copy(w->arena, text, strlen(text));
    w->out->is_explained = w->out->is_stale = true;
    w->out->ede =
        w->out->rcode == RRTYPE_RCODE_NXDOMAIN ? EDNS_EDE_STALE_NXDOMAIN : EDNS_EDE_STALE;
    w->out->text = copy ? copy : "";
}

/* What the configuration says of the name; true: go on.  *is_ours: it says something. */
static bool step_local(struct walk *w, const struct dname_parts *parts, bool *is_ours)
{
    struct local_answer local = local_find(&w->engine->policy->local, parts, w->type);

    *is_ours = local.kind != LOCAL_NONE;
    w->has_below = local.has_below;
    if (*is_ours)
        trace_local(w, local.kind);
    switch (local.kind) {
    case LOCAL_NONE: return false;
    case LOCAL_CNAME: return follow_cname(w, local.set, local.set->ttl);
    case LOCAL_DNAME: return follow_dname(w, local.set, local.set->ttl, local.labels);
    case LOCAL_DATA:
        put_answer(w, w->name, local.set, local.set->ttl);
        finish(w, RRTYPE_RCODE_NOERROR);
        return false;
    case LOCAL_NODATA:
    case LOCAL_NXDOMAIN:
        put_soa(w, local.zone ? local.zone : w->name, local.soa,
                local.soa ? local.soa->ttl : 0);
        finish(w, local.kind == LOCAL_NODATA ? RRTYPE_RCODE_NOERROR : RRTYPE_RCODE_NXDOMAIN);
        return false;
    }
    return false;
}

/* RFC 8482 4.2: a record that nobody has to be asked for. */
static void answer_any(struct walk *w)
{
    static const uint8_t hinfo[] = "\7RFC8482";
    w->is_full |=
        builder_record(&w->ex->out, MESSAGE_ANSWER, owner_of(w, w->name), RRTYPE_HINFO,
                       RRTYPE_CLASS_IN, ANY_TTL, hinfo, sizeof(hinfo)) != ERR_OK;
    finish(w, RRTYPE_RCODE_NOERROR);
}

static bool step(struct walk *w)
{
    bool is_ours;
    const struct dname_parts *parts = &w->ex->name;

    if (w->steps > 0) {
        dname_split(w->name, &w->parts);
        parts = &w->parts;
    }
    bool goes_on = step_local(w, parts, &is_ours);
    if (is_ours)
        return goes_on;
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
    w.stale = w.when;
    w.stale.stale_ms = terms->stale_ms;
    w.stale_until_ms = 0;
    w.begin = builder_mark(&ex->out);
    w.name = message_qname(&ex->query);
    w.type = ex->query.qtype;
    w.steps = 0;
    w.dname_cnt = 0;
    w.is_full = w.has_part = false;
    *out =
        (struct answer){.kind = ANSWER_MISS, .prefetch_ms = INT64_MAX, .expire_ms = INT64_MAX};
    engine->cache.used.cnt = 0;
    if (w.type == RRTYPE_ANY) {
        answer_any(&w);
    } else {
        while (step(&w))
            ;
    }
    out->is_prefetch_due = w.when.now_ms >= out->prefetch_ms;
    if (out->kind == ANSWER_WRITTEN && w.is_full) {
        ex->flags |= MESSAGE_TC;
        if (!w.has_part)
            builder_rollback(&ex->out, &w.begin);
    }
    if (out->kind == ANSWER_WRITTEN && !out->is_explained && w.stale_until_ms != 0)
        explain_stale(&w);
}
