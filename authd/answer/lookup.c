/* Loading creates a node for every empty non-terminal, so the closest encloser is found by
 * removing labels until a node matches.  Each node stores the labels of the zone cut that it is
 * at or below, so no walk up the tree looks for cuts. */
#include "authd/answer/lookup.h"

static struct outcome make_referral(const struct zone *zone, const struct dname_parts *name,
                                    unsigned cut_labels)
{
    const struct node *cut = zone_find(zone, name, cut_labels);
    must(cut);
    return (struct outcome){
        .kind = OUTCOME_REFERRAL, .node = cut, .set = node_find(cut, RRTYPE_NS)};
}

/* True if the answer is a referral.  DS is the only type that the parent answers at the zone
 * cut itself (RFC 4035 3.1.4.1). */
static bool is_referred(const struct node *node, uint16_t qtype)
{
    return node->cut_labels && !(node_is_cut(node) && qtype == RRTYPE_DS);
}

static struct outcome choose_set(const struct node *node, uint16_t qtype)
{
    struct outcome o = {.kind = OUTCOME_ANSWER, .node = node};

    if (qtype == RRTYPE_ANY) {
        if (node->rrset_cnt == 0)
            o.kind = OUTCOME_NODATA;
        return o;
    }
    o.set = node_find(node, qtype);
    if (o.set)
        return o;
    o.set = node_find(node, RRTYPE_CNAME);
    o.kind = o.set ? OUTCOME_CNAME : OUTCOME_NODATA;
    return o;
}

static const struct node *find_encloser(const struct zone *zone, const struct dname_parts *name)
{
    for (unsigned n = name->labels; n-- > zone->labels;) {
        const struct node *node = zone_find(zone, name, n);
        if (node)
            return node;
    }
    return zone->apex;
}

struct outcome lookup_find(const struct zone *zone, const struct dname_parts *name,
                           uint16_t qtype)
{
    const struct node *node = zone_find(zone, name, name->labels);
    if (node)
        return is_referred(node, qtype) ? make_referral(zone, name, node->cut_labels)
                                        : choose_set(node, qtype);

    const struct node *encloser = find_encloser(zone, name);
    struct outcome o = {.kind = OUTCOME_NXDOMAIN};
    if (encloser->cut_labels)
        return make_referral(zone, name, encloser->cut_labels);
    if (encloser->flags & NODE_HAS_DNAME) {
        o = (struct outcome){
            .kind = OUTCOME_DNAME, .node = encloser, .set = node_find(encloser, RRTYPE_DNAME)};
    } else if (encloser->flags & NODE_HAS_WILDCARD) {
        o = choose_set(zone_find_wildcard(zone, encloser), qtype);
        o.is_wildcard = true;
    }
    o.encloser = encloser;
    return o;
}
