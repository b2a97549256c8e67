/* The order is that of a reader: answer, authority, then what is nice to have.  What does not
 * fit sets TC only where the answer would be wrong without it; addresses beside MX or SRV may
 * be left out (RFC 2181 9). */
#include "authd/answer/respond.h"

#include "authd/answer/proof.h"
#include "net/request/reply.h"

/* A DNAME on the way and the name that it was used for. */
struct dname_use {
    const struct node *node;
    uint8_t len;        /* of the name */
    uint8_t prefix_len; /* of its labels in front of the DNAME's owner */
};

/* Lifetime: one answer. */
struct answer {
    struct exchange *ex;
    const struct zoneset *set;
    const struct zone *zone;        /* of the current step */
    const struct dname_parts *name; /* asked in the current step */
    struct dname_parts target;      /* of the last CNAME; `name` from the second step on */
    uint64_t seen[RESPOND_CHAIN_MAX + 1]; /* hashes of the names asked so far */
    unsigned steps;
    const struct rrset *dnames[RESPOND_CHAIN_MAX + 1]; /* written already */
    struct dname_use uses[RESPOND_CHAIN_MAX + 1];      /* since the last CNAME of the zone */
    unsigned use_cnt;
    unsigned dname_cnt;
    const struct rrset *sets[RESPOND_SETS_MAX]; /* written ones whose targets want addresses */
    unsigned set_cnt;
    const uint8_t *extra[RESPOND_EXTRA_MAX]; /* names whose addresses are written */
    unsigned extra_cnt;
    struct proof proof;
    unsigned rcode;
    bool is_full; /* something that had to go in did not fit */
};

struct zone *respond_choose_zone(const struct zoneset *set, const struct dname_parts *name,
                                 uint16_t qtype)
{
    struct zone *zone = zoneset_find(set, name, name->labels);
    if (zone && qtype == RRTYPE_DS && zone->labels == name->labels && name->labels > 0) {
        struct zone *parent = zoneset_find(set, name, name->labels - 1U);
        return parent ? parent : zone;
    }
    return zone;
}

/* The suffix of `labels` labels of the name of this step, as an owner. */
static struct builder_owner own(const struct answer *a, unsigned labels)
{
    if (a->name == &a->ex->name && labels > 0)
        return (struct builder_owner){.at =
                                          (uint16_t)(MESSAGE_HEADER_LEN + a->name->at[labels])};
    return (struct builder_owner){.name = a->name->lower + a->name->at[labels]};
}

/* Whether the client wants signatures and proofs (RFC 3225). */
static bool wants_dnssec(const struct answer *a)
{
    return a->ex->query.has_edns && a->ex->query.edns.is_do;
}

static bool put_alone(struct answer *a, enum message_section section,
                      struct builder_owner *owner, const struct rrset *set, uint32_t ttl)
{
    unsigned first = a->ex->settings->is_rotating ? a->ex->turn : 0;
    if (builder_rrset(&a->ex->out, section, owner, set, ttl, first) == ERR_OK)
        return true;
    if (section != MESSAGE_ADDITIONAL)
        a->is_full = true;
    return false;
}

/* An RRset with its signatures.  Addresses beside an answer may go without theirs (RFC 4035
 * 3.1.1). */
static bool put(struct answer *a, enum message_section section, struct builder_owner owner,
                const struct rrset *set, uint32_t ttl)
{
    const struct rrset *signatures = wants_dnssec(a) ? rrset_signatures(set) : NULL;

    if (!put_alone(a, section, &owner, set, ttl))
        return false;
    return !signatures || put_alone(a, section, &owner, signatures, ttl) ||
           section == MESSAGE_ADDITIONAL;
}

static void remember_targets(struct answer *a, const struct rrset *set)
{
    if (a->set_cnt < ARRAY_LEN(a->sets))
        a->sets[a->set_cnt++] = set;
}

/* Whether a DNAME on the way has put it into the answer: the set, or with DO its signatures. */
static bool is_written(const struct answer *a, const struct rrset *set)
{
    for (unsigned i = 0; i < a->dname_cnt; i++)
        if (a->dnames[i] == set || (wants_dnssec(a) && rrset_signatures(a->dnames[i]) == set))
            return true;
    return false;
}

static void put_answer(struct answer *a, struct builder_owner owner, const struct rrset *set)
{
    if (is_written(a, set))
        return;
    if (put(a, MESSAGE_ANSWER, owner, set, set->ttl))
        remember_targets(a, set);
}

/* ---- additional ---- */

static bool is_extra(const struct answer *a, const uint8_t *target)
{
    for (unsigned i = 0; i < a->extra_cnt; i++)
        if (dname_is_equal(a->extra[i], target))
            return true;
    return false;
}

/* The node with the data of `target`: its own, or the wildcard that stands for it. */
static const struct node *find_target(const struct answer *a, const uint8_t *target)
{
    struct dname_parts name;
    const struct zone *zone = a->zone;
    const struct node *node = zone_find_name(zone, builder_hash(&a->ex->out, target), target);
    if (node || !dname_is_under(target, zone->name))
        return node;
    dname_split(target, &name);
    struct outcome o = lookup_find(zone, &name, RRTYPE_ANY);
    return o.kind == OUTCOME_ANSWER ? o.node : NULL;
}

/* Addresses of a target; false when they exist and do not fit.  Where nothing can be remembered
 * any more, only what must go in still does. */
static bool put_addresses(struct answer *a, const uint8_t *target, bool must_go)
{
    static const uint16_t types[] = {RRTYPE_A, RRTYPE_AAAA};
    bool is_remembered = a->extra_cnt < RESPOND_EXTRA_MAX;

    if ((!is_remembered && !must_go) || is_extra(a, target))
        return true;
    const struct node *node = find_target(a, target);
    if (!node)
        return true;
    if (is_remembered)
        a->extra[a->extra_cnt++] = target;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        const struct rrset *set = node_find(node, types[i]);
        struct builder_owner owner = {.name = target};
        if (set && !put(a, MESSAGE_ADDITIONAL, owner, set, set->ttl))
            return false;
    }
    return true;
}

/* The targets of `set`; with a cut, only those at or below it (`below`) or only the others. */
static bool put_targets(struct answer *a, const struct rrset *set, const struct node *cut,
                        bool below)
{
    for (size_t pos = 0; pos < set->size;) {
        struct rrset_record record = rrset_at(set, pos, &pos);
        const uint8_t *target = rdata_target(set->type, record.rdata);
        if (!target)
            return true;
        if (cut && dname_is_under(target, cut->name) != below)
            continue;
        if (!put_addresses(a, target, cut && below))
            return false;
    }
    return true;
}

/* ---- the kinds of outcome ---- */

static bool is_proof(const struct rrset *set)
{
    return set->type == RRTYPE_RRSIG || set->type == RRTYPE_NSEC;
}

static size_t cost(const struct rrset *set)
{
    return set->flags & RRSET_IS_TOO_LARGE ? SIZE_MAX : set->size;
}

/* RFC 8482 4.1: one RRset, the smallest, and of proofs only when there is nothing else. */
static void put_smallest(struct answer *a, const struct node *node)
{
    const struct rrset *set = node_rrsets(node), *smallest = set;

    for (unsigned i = 0; i < node->rrset_cnt; i++, set = rrset_next(set))
        if (is_proof(set) == is_proof(smallest) ? cost(set) < cost(smallest)
                                                : is_proof(smallest))
            smallest = set;
    put_answer(a, own(a, a->name->labels), smallest);
}

/* All RRsets of the node, or all of RRSIGs. */
static void put_all(struct answer *a, const struct node *node, bool only_signatures)
{
    const struct rrset *set = node_rrsets(node);
    struct builder_owner owner = own(a, a->name->labels);

    for (unsigned i = 0; i < node->rrset_cnt && !a->is_full; i++, set = rrset_next(set))
        if ((!only_signatures || set->type == RRTYPE_RRSIG) && !is_written(a, set) &&
            put_alone(a, MESSAGE_ANSWER, &owner, set, set->ttl))
            remember_targets(a, set);
}

static void put_found(struct answer *a, const struct outcome *o)
{
    if (o->set && o->set->type != RRTYPE_RRSIG)
        put_answer(a, own(a, a->name->labels), o->set);
    else if (o->set)
        put_all(a, o->node, true);
    else if (a->ex->transport == EXCHANGE_UDP)
        put_smallest(a, o->node);
    else
        put_all(a, o->node, false);
}

static void put_negative(struct answer *a)
{
    struct builder_owner owner = own(a, a->zone->labels);
    put(a, MESSAGE_AUTHORITY, owner, a->zone->soa, a->zone->negative_ttl);
}

/* NSEC and NSEC3 of the proofs gathered so far. */
static void put_proofs(struct answer *a)
{
    for (unsigned i = 0; i < a->proof.cnt; i++) {
        const struct node *node = a->proof.nodes[i];
        const struct rrset *set = node_find(node, RRTYPE_NSEC);
        if (!set) /* an owner of NSEC3 has nothing else */
            set = node_rrsets(node);
        put(a, MESSAGE_AUTHORITY, (struct builder_owner){.name = node->name}, set, set->ttl);
    }
    a->proof.cnt = 0;
}

static void put_referral(struct answer *a, const struct outcome *o)
{
    if (a->steps == 0)
        a->ex->flags &= (uint16_t)~MESSAGE_AA;
    const struct rrset *ds = wants_dnssec(a) ? node_find(o->node, RRTYPE_DS) : NULL;
    if (!put(a, MESSAGE_AUTHORITY, own(a, o->node->labels), o->set, o->set->ttl) ||
        (ds && !put(a, MESSAGE_AUTHORITY, own(a, o->node->labels), ds, ds->ttl)))
        return;
    put_proofs(a);
    /* without the glue in its domain the child cannot be reached (RFC 9471 3) */
    if (!put_targets(a, o->set, o->node, true))
        a->is_full = true;
    else
        (void)put_targets(a, o->set, o->node, false);
}

/* Whether the name has been asked before in this answer; remembers it. */
static bool is_seen(struct answer *a, uint64_t hash)
{
    for (unsigned i = 0; i <= a->steps; i++)
        if (a->seen[i] == hash)
            return true;
    a->seen[a->steps + 1] = hash;
    return false;
}

/* Go on with `target`; false when the chain ends here. */
static bool follow(struct answer *a, const uint8_t *target)
{
    if (a->steps + 1 >= RESPOND_CHAIN_MAX)
        return false;
    struct dname_parts next;
    dname_split(target, &next);
    if (is_seen(a, next.hash[next.labels]))
        return false;
    a->target = next;
    a->name = &a->target;
    a->steps++;
    a->zone = respond_choose_zone(a->set, a->name, a->ex->query.qtype);
    return a->zone && a->zone->is_loaded;
}

/* Whether the name made of the one at hand goes into a loop: it is under a DNAME of this run
 * again, no shorter, and with the labels in front that it had there.  A CNAME ends the run, as
 * its target has nothing of the name; a DNAME whose target is above itself makes names shorter.
 */
static bool is_looping(const struct answer *a, const uint8_t *target)
{
    size_t len = dname_len(target);
    unsigned kept = DNAME_MAX;

    for (unsigned i = a->use_cnt; i-- > 0;) {
        const struct dname_use *use = &a->uses[i];
        if (use->prefix_len <= kept && len >= use->len &&
            dname_is_under(target, use->node->name))
            return true;
        kept = use->prefix_len < kept ? use->prefix_len : kept;
    }
    return false;
}

static void put_dname(struct answer *a, const struct outcome *o)
{
    for (unsigned i = 0; i < a->dname_cnt; i++)
        if (a->dnames[i] == o->set)
            return; /* a loop meets it again; once is enough */
    if (a->dname_cnt < ARRAY_LEN(a->dnames))
        a->dnames[a->dname_cnt++] = o->set;
    put(a, MESSAGE_ANSWER, own(a, o->node->labels), o->set, o->set->ttl);
}

/* RFC 6672 3.1: the DNAME, and a CNAME made from it; false when the chain ends here. */
static bool redirect(struct answer *a, const struct outcome *o)
{
    uint8_t target[DNAME_MAX];
    /* the labels below the DNAME keep the case they were asked in */
    const uint8_t *asked =
        a->name == &a->ex->name ? message_qname(&a->ex->query) : a->name->lower;
    size_t len = dname_substitute(asked, o->node->name, rrset_first(o->set).rdata, target);

    put_dname(a, o);
    if (a->use_cnt < ARRAY_LEN(a->uses))
        a->uses[a->use_cnt++] = (struct dname_use){.node = o->node,
                                                   .len = (uint8_t)(a->name->at[0] + 1),
                                                   .prefix_len = a->name->at[o->node->labels]};
    if (len == 0) {
        a->rcode = RRTYPE_RCODE_YXDOMAIN;
        return false;
    }
    if (builder_record(&a->ex->out, MESSAGE_ANSWER, own(a, a->name->labels), RRTYPE_CNAME,
                       RRTYPE_CLASS_IN, o->set->ttl, target, len) != ERR_OK) {
        a->is_full = true;
        return false;
    }
    return a->ex->query.qtype != RRTYPE_CNAME && !is_looping(a, target) && follow(a, target);
}

/* One outcome; false when nothing is left to follow. */
static bool step(struct answer *a)
{
    struct outcome o = lookup_find(a->zone, a->name, a->ex->query.qtype);

    if (wants_dnssec(a))
        proof_add(&a->proof, a->zone, a->name, &o);
    switch (o.kind) {
    case OUTCOME_ANSWER: put_found(a, &o); return false;
    case OUTCOME_NODATA: put_negative(a); return false;
    case OUTCOME_NXDOMAIN:
        a->rcode = RRTYPE_RCODE_NXDOMAIN; /* of the last name (RFC 6604 3) */
        put_negative(a);
        return false;
    case OUTCOME_CNAME:
        a->use_cnt = 0;
        return put(a, MESSAGE_ANSWER, own(a, a->name->labels), o.set, o.set->ttl) &&
               follow(a, rrset_first(o.set).rdata);
    case OUTCOME_DNAME: return redirect(a, &o);
    case OUTCOME_REFERRAL: put_referral(a, &o); return false;
    }
    return false;
}

void respond(struct exchange *ex, const struct zoneset *set, const struct zone *zone)
{
    struct builder_mark start = builder_mark(&ex->out);
    struct answer a;

    /* `target` stays unset until it is used: it is a kilobyte */
    a.ex = ex;
    a.set = set;
    a.zone = zone;
    a.name = &ex->name;
    a.seen[0] = ex->name.hash[ex->name.labels];
    a.steps = a.dname_cnt = a.use_cnt = a.set_cnt = a.extra_cnt = a.proof.cnt = 0;
    a.rcode = RRTYPE_RCODE_NOERROR;
    a.is_full = false;

    ex->flags |= MESSAGE_AA;
    while (step(&a) && !a.is_full)
        ;
    put_proofs(&a);
    for (unsigned i = 0; i < a.set_cnt && !a.is_full; i++)
        if (!put_targets(&a, a.sets[i], NULL, false))
            break;
    if (a.is_full)
        reply_truncate(ex, &start);
    if (ex->query.qclass == RRTYPE_CLASS_ANY)
        ex->flags &= (uint16_t)~MESSAGE_AA; /* RFC 1034 6.2: other classes may say more */
    reply_send(ex, a.rcode);
}
