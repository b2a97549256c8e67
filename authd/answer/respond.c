/* Sections are written in order of need: answer, authority, additional.  A record that does not
 * fit sets TC only if the answer would be wrong without it; the addresses of MX or SRV targets
 * may be left out (RFC 2181 9). */
#include "authd/answer/respond.h"

#include "authd/answer/proof.h"
#include "net/request/reply.h"

/* A DNAME of the chain and the name that it was applied to. */
struct dname_use {
    const struct node *node;
    uint8_t len;        /* octets of the name */
    uint8_t prefix_len; /* octets of its labels below the DNAME's owner */
};

/* Lifetime: one answer. */
struct answer {
    struct exchange *ex;
    const struct zoneset *set;
    const struct zone *zone;              /* of the current step */
    const struct dname_parts *name;       /* looked up in the current step */
    struct dname_parts target;            /* of the last CNAME: `name` from step two on */
    uint64_t seen[RESPOND_CHAIN_MAX + 1]; /* hashes of the names looked up so far */
    unsigned steps;
    const struct rrset *dnames[RESPOND_CHAIN_MAX + 1]; /* written DNAMEs */
    struct dname_use uses[RESPOND_CHAIN_MAX + 1];      /* since the last CNAME of a zone */
    unsigned use_cnt;
    unsigned dname_cnt;
    const struct rrset *sets[RESPOND_SETS_MAX]; /* written RRsets with targets */
    unsigned set_cnt;
    const uint8_t *extra[RESPOND_EXTRA_MAX]; /* targets whose addresses are written */
    unsigned extra_cnt;
    struct proof proof;
    unsigned rcode;
    bool is_full; /* a required record did not fit */
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

/* Return the suffix of `labels` labels of this step's name as an owner; of QNAME as a
 * compression pointer to the question. */
static struct builder_owner owner_at(const struct answer *a, unsigned labels)
{
    if (a->name == &a->ex->name && labels > 0)
        return (struct builder_owner){.at =
                                          (uint16_t)(MESSAGE_HEADER_LEN + a->name->at[labels])};
    return (struct builder_owner){.name = a->name->lower + a->name->at[labels]};
}

/* True if the client wants signatures and proofs (RFC 3225). */
static bool is_do_set(const struct answer *a)
{
    return a->ex->query.has_edns && a->ex->query.edns.is_do;
}

static bool write_rrset(struct answer *a, enum message_section section,
                        struct builder_owner *owner, const struct rrset *set, uint32_t ttl)
{
    unsigned first = a->ex->settings->is_rotating ? a->ex->turn : 0;
    if (builder_rrset(&a->ex->out, section, owner, set, ttl, first) == ERR_OK)
        return true;
    if (section != MESSAGE_ADDITIONAL)
        a->is_full = true;
    return false;
}

/* Write an RRset and, with DO, its signatures.  False if a required part did not fit: in the
 * additional section the signatures are optional (RFC 4035 3.1.1). */
static bool write_signed_rrset(struct answer *a, enum message_section section,
                               struct builder_owner owner, const struct rrset *set,
                               uint32_t ttl)
{
    const struct rrset *signatures = is_do_set(a) ? rrset_signatures(set) : NULL;

    if (!write_rrset(a, section, &owner, set, ttl))
        return false;
    return !signatures || write_rrset(a, section, &owner, signatures, ttl) ||
           section == MESSAGE_ADDITIONAL;
}

static void remember_targets(struct answer *a, const struct rrset *set)
{
    if (a->set_cnt < ARRAY_LEN(a->sets))
        a->sets[a->set_cnt++] = set;
}

/* True if `set` is a DNAME that write_dname_once has written or, with DO, its signatures. */
static bool is_rrset_written(const struct answer *a, const struct rrset *set)
{
    for (unsigned i = 0; i < a->dname_cnt; i++)
        if (a->dnames[i] == set || (is_do_set(a) && rrset_signatures(a->dnames[i]) == set))
            return true;
    return false;
}

static void write_answer_rrset(struct answer *a, struct builder_owner owner,
                               const struct rrset *set)
{
    if (is_rrset_written(a, set))
        return;
    if (write_signed_rrset(a, MESSAGE_ANSWER, owner, set, set->ttl))
        remember_targets(a, set);
}

/* ---- additional ---- */

static bool has_addresses_of(const struct answer *a, const uint8_t *target)
{
    for (unsigned i = 0; i < a->extra_cnt; i++)
        if (dname_is_equal(a->extra[i], target))
            return true;
    return false;
}

/* Return the node with the data of `target`: its own or the wildcard that matches it; NULL if
 * the zone has neither. */
static const struct node *find_target_node(const struct answer *a, const uint8_t *target)
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

/* Write the addresses of a target; false if they exist and do not fit.  Once `extra` is full
 * only `is_required` addresses are written: duplicates are no longer noticed. */
static bool write_addresses(struct answer *a, const uint8_t *target, bool is_required)
{
    static const uint16_t types[] = {RRTYPE_A, RRTYPE_AAAA};
    bool has_room = a->extra_cnt < RESPOND_EXTRA_MAX;

    if ((!has_room && !is_required) || has_addresses_of(a, target))
        return true;
    const struct node *node = find_target_node(a, target);
    if (!node)
        return true;
    if (has_room)
        a->extra[a->extra_cnt++] = target;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        const struct rrset *set = node_find(node, types[i]);
        struct builder_owner owner = {.name = target};
        if (set && !write_signed_rrset(a, MESSAGE_ADDITIONAL, owner, set, set->ttl))
            return false;
    }
    return true;
}

/* Write the addresses of the targets of `set`.  With a zone cut: if `below`, only of targets at
 * or below the cut, else only of the others. */
static bool write_target_addresses(struct answer *a, const struct rrset *set,
                                   const struct node *cut, bool below)
{
    for (size_t pos = 0; pos < set->size;) {
        struct rrset_record record = rrset_at(set, pos, &pos);
        const uint8_t *target = rdata_target(set->type, record.rdata);
        if (!target)
            return true;
        if (cut && dname_is_under(target, cut->name) != below)
            continue;
        if (!write_addresses(a, target, cut && below))
            return false;
    }
    return true;
}

/* ---- one function per kind of outcome ---- */

static bool is_dnssec_proof(const struct rrset *set)
{
    return set->type == RRTYPE_RRSIG || set->type == RRTYPE_NSEC;
}

static size_t any_cost(const struct rrset *set)
{
    return set->flags & RRSET_IS_TOO_LARGE ? SIZE_MAX : set->size;
}

/* Answer ANY over UDP with the smallest RRset (RFC 8482 4.1); with RRSIG or NSEC only if the
 * node has nothing else. */
static void write_smallest_rrset(struct answer *a, const struct node *node)
{
    const struct rrset *set = node_rrsets(node), *smallest = set;

    for (unsigned i = 0; i < node->rrset_cnt; i++, set = rrset_next(set))
        if (is_dnssec_proof(set) == is_dnssec_proof(smallest)
                ? any_cost(set) < any_cost(smallest)
                : is_dnssec_proof(smallest))
            smallest = set;
    write_answer_rrset(a, owner_at(a, a->name->labels), smallest);
}

/* Write all RRsets of the node, or only its RRSIGs. */
static void write_all_rrsets(struct answer *a, const struct node *node, bool only_signatures)
{
    const struct rrset *set = node_rrsets(node);
    struct builder_owner owner = owner_at(a, a->name->labels);

    for (unsigned i = 0; i < node->rrset_cnt && !a->is_full; i++, set = rrset_next(set))
        if ((!only_signatures || set->type == RRTYPE_RRSIG) && !is_rrset_written(a, set) &&
            write_rrset(a, MESSAGE_ANSWER, &owner, set, set->ttl))
            remember_targets(a, set);
}

static void write_found(struct answer *a, const struct outcome *o)
{
    if (o->set && o->set->type != RRTYPE_RRSIG)
        write_answer_rrset(a, owner_at(a, a->name->labels), o->set);
    else if (o->set)
        write_all_rrsets(a, o->node, true);
    else if (a->ex->transport == EXCHANGE_UDP && !a->set->is_any_whole)
        write_smallest_rrset(a, o->node);
    else
        write_all_rrsets(a, o->node, false);
}

static void write_negative_soa(struct answer *a)
{
    struct builder_owner owner = owner_at(a, a->zone->labels);
    write_signed_rrset(a, MESSAGE_AUTHORITY, owner, a->zone->soa, a->zone->negative_ttl);
}

/* Write the NSEC or NSEC3 records chosen so far. */
static void write_proofs(struct answer *a)
{
    for (unsigned i = 0; i < a->proof.cnt; i++) {
        const struct node *node = a->proof.nodes[i];
        const struct rrset *set = node_find(node, RRTYPE_NSEC);
        if (!set) /* the node of an NSEC3 has no other RRset */
            set = node_rrsets(node);
        write_signed_rrset(a, MESSAGE_AUTHORITY, (struct builder_owner){.name = node->name},
                           set, set->ttl);
    }
    a->proof.cnt = 0;
}

static void write_referral(struct answer *a, const struct outcome *o)
{
    if (a->steps == 0)
        a->ex->flags &= (uint16_t)~MESSAGE_AA;
    const struct rrset *ds = is_do_set(a) ? node_find(o->node, RRTYPE_DS) : NULL;
    if (!write_signed_rrset(a, MESSAGE_AUTHORITY, owner_at(a, o->node->labels), o->set,
                            o->set->ttl) ||
        (ds &&
         !write_signed_rrset(a, MESSAGE_AUTHORITY, owner_at(a, o->node->labels), ds, ds->ttl)))
        return;
    write_proofs(a);
    /* in-domain glue is required: without it the child cannot be reached (RFC 9471 3) */
    if (!write_target_addresses(a, o->set, o->node, true))
        a->is_full = true;
    else
        (void)write_target_addresses(a, o->set, o->node, false);
}

/* True if a name with this hash was looked up before in this answer; remember it. */
static bool is_name_seen(struct answer *a, uint64_t hash)
{
    for (unsigned i = 0; i <= a->steps; i++)
        if (a->seen[i] == hash)
            return true;
    a->seen[a->steps + 1] = hash;
    return false;
}

/* Make `target` the name of the next step; false if the chain ends here. */
static bool follow_target(struct answer *a, const uint8_t *target)
{
    if (a->steps + 1 >= RESPOND_CHAIN_MAX)
        return false;
    struct dname_parts next;
    dname_split(target, &next);
    if (is_name_seen(a, next.hash[next.labels]))
        return false;
    a->target = next;
    a->name = &a->target;
    a->steps++;
    a->zone = respond_choose_zone(a->set, a->name, a->ex->query.qtype);
    return a->zone && a->zone->is_loaded;
}

/* True if `target`, made by DNAME substitution, begins a loop: it is below a DNAME of this run
 * again, is not shorter than the name that DNAME was applied to, and still begins with that
 * name's labels.  A CNAME ends the run, since its target keeps no label of the name.  A DNAME
 * to one of its own ancestors is no loop: it makes names shorter. */
static bool is_dname_loop(const struct answer *a, const uint8_t *target)
{
    size_t len = dname_len(target);
    unsigned prefix_len = DNAME_MAX; /* octets that every substitution so far left alone */

    for (unsigned i = a->use_cnt; i-- > 0;) {
        const struct dname_use *use = &a->uses[i];
        if (use->prefix_len <= prefix_len && len >= use->len &&
            dname_is_under(target, use->node->name))
            return true;
        prefix_len = use->prefix_len < prefix_len ? use->prefix_len : prefix_len;
    }
    return false;
}

static void write_dname_once(struct answer *a, const struct outcome *o)
{
    for (unsigned i = 0; i < a->dname_cnt; i++)
        if (a->dnames[i] == o->set)
            return; /* a chain may use one DNAME several times */
    if (a->dname_cnt < ARRAY_LEN(a->dnames))
        a->dnames[a->dname_cnt++] = o->set;
    write_signed_rrset(a, MESSAGE_ANSWER, owner_at(a, o->node->labels), o->set, o->set->ttl);
}

/* Write the DNAME and the CNAME synthesised from it (RFC 6672 3.1); false if the chain ends
 * here. */
static bool apply_dname(struct answer *a, const struct outcome *o)
{
    uint8_t target[DNAME_MAX];
    /* the labels below the DNAME keep the case they were asked in */
    const uint8_t *asked =
        a->name == &a->ex->name ? message_qname(&a->ex->query) : a->name->lower;
    size_t len = dname_substitute(asked, o->node->name, rrset_first(o->set).rdata, target);

    write_dname_once(a, o);
    if (a->use_cnt < ARRAY_LEN(a->uses))
        a->uses[a->use_cnt++] = (struct dname_use){.node = o->node,
                                                   .len = (uint8_t)(a->name->at[0] + 1),
                                                   .prefix_len = a->name->at[o->node->labels]};
    if (len == 0) {
        a->rcode = RRTYPE_RCODE_YXDOMAIN;
        return false;
    }
    if (builder_record(&a->ex->out, MESSAGE_ANSWER, owner_at(a, a->name->labels), RRTYPE_CNAME,
                       RRTYPE_CLASS_IN, o->set->ttl, target, len) != ERR_OK) {
        a->is_full = true;
        return false;
    }
    return a->ex->query.qtype != RRTYPE_CNAME && !is_dname_loop(a, target) &&
           follow_target(a, target);
}

/* Look up the current name and write the outcome; false if there is nothing left to follow. */
static bool respond_step(struct answer *a)
{
    struct outcome o = lookup_find(a->zone, a->name, a->ex->query.qtype);

    if (is_do_set(a))
        proof_add(&a->proof, a->zone, a->name, &o);
    switch (o.kind) {
    case OUTCOME_ANSWER: write_found(a, &o); return false;
    case OUTCOME_NODATA: write_negative_soa(a); return false;
    case OUTCOME_NXDOMAIN:
        a->rcode = RRTYPE_RCODE_NXDOMAIN; /* the last name of the chain decides (RFC 6604 3) */
        write_negative_soa(a);
        return false;
    case OUTCOME_CNAME:
        a->use_cnt = 0;
        return write_signed_rrset(a, MESSAGE_ANSWER, owner_at(a, a->name->labels), o.set,
                                  o.set->ttl) &&
               follow_target(a, rrset_first(o.set).rdata);
    case OUTCOME_DNAME: return apply_dname(a, &o);
    case OUTCOME_REFERRAL: write_referral(a, &o); return false;
    }
    return false;
}

void respond(struct exchange *ex, const struct zoneset *set, const struct zone *zone)
{
    struct builder_mark start = builder_mark(&ex->out);
    struct answer a;

    /* `target`, a kilobyte, is left uninitialised until a chain needs it */
    a.ex = ex;
    a.set = set;
    a.zone = zone;
    a.name = &ex->name;
    a.seen[0] = ex->name.hash[ex->name.labels];
    a.steps = a.dname_cnt = a.use_cnt = a.set_cnt = a.extra_cnt = a.proof.cnt = 0;
    a.rcode = RRTYPE_RCODE_NOERROR;
    a.is_full = false;

    ex->flags |= MESSAGE_AA;
    while (respond_step(&a) && !a.is_full)
        ;
    write_proofs(&a);
    for (unsigned i = 0; i < a.set_cnt && !a.is_full; i++)
        if (!write_target_addresses(&a, a.sets[i], NULL, false))
            break;
    if (a.is_full)
        reply_truncate(ex, &start);
    if (ex->query.qclass == RRTYPE_CLASS_ANY)
        ex->flags &= (uint16_t)~MESSAGE_AA; /* other classes may have more (RFC 1034 6.2) */
    reply_send(ex, a.rcode);
}
