/* The hashes of a zone's own names are kept in their nodes, so most questions cost one hash at
 * most: that of the name one label longer than its closest encloser. */
#include "authd/answer/proof.h"

enum { CACHE_LINE = 64, RECORDS_ABOUT = 320 /* octets of an NSEC3 and its signature */ };

static void add(struct proof *proof, const struct node *node)
{
    if (!node)
        return;
    for (unsigned i = 0; i < proof->cnt; i++)
        if (proof->nodes[i] == node)
            return;
    if (proof->cnt == PROOF_MAX)
        return;
    proof->nodes[proof->cnt++] = node;
    /* its records are written when all owners are found: by then they are there */
    for (size_t at = 0; at < RECORDS_ABOUT; at += CACHE_LINE)
        __builtin_prefetch((const char *)node + at);
}

/* ---- NSEC ---- */

static void add_wildcard_absence(struct proof *proof, const struct zone *zone,
                                 const struct node *encloser)
{
    uint8_t wildcard[DNAME_MAX + 2] = {1, '*'};
    memcpy(wildcard + 2, encloser->name, encloser->name_len);
    add(proof, denial_find_name(&zone->denial, wildcard));
}

static void add_nsec(struct proof *proof, const struct zone *zone,
                     const struct dname_parts *name, const struct outcome *o)
{
    /* the name itself: its own NSEC, or the one that spans an empty non-terminal or a name that
     * is not there */
    if (!o->encloser) {
        if (o->kind == OUTCOME_NODATA || o->kind == OUTCOME_REFERRAL)
            add(proof, denial_find_name(&zone->denial, o->node->name));
        return;
    }
    add(proof, denial_find_name(&zone->denial, name->lower));
    if (o->kind == OUTCOME_NODATA)
        add(proof, denial_find_name(&zone->denial, o->node->name));
    else if (!o->is_wildcard)
        add_wildcard_absence(proof, zone, o->encloser);
}

/* ---- NSEC3 ---- */

/* The NSEC3 of `hash`; NULL when there is only one that covers it. */
static const struct node *match(const struct zone *zone, const uint8_t *hash)
{
    bool is_match = false;
    const struct node *node = hash ? denial_find_hash(&zone->denial, hash, &is_match) : NULL;
    return is_match ? node : NULL;
}

static void add_cover(struct proof *proof, const struct zone *zone, const uint8_t *hash)
{
    bool is_match;
    add(proof, denial_find_hash(&zone->denial, hash, &is_match));
}

/* The NSEC3 of "*" below `encloser`, or the one that covers it. */
static void add_wildcard_cover(struct proof *proof, const struct zone *zone,
                               const struct node *encloser)
{
    uint8_t wildcard[DNAME_MAX + 2] = {1, '*'};
    uint8_t hash[NSEC3_HASH_LEN];
    const uint8_t *kept = node_wildcard_hash(encloser);

    if (!kept) {
        memcpy(wildcard + 2, encloser->name, encloser->name_len);
        nsec3_hash(&zone->denial.params, wildcard, hash);
    }
    add_cover(proof, zone, kept ? kept : hash);
}

static void add_next_closer(struct proof *proof, const struct zone *zone,
                            const struct dname_parts *name, unsigned encloser_labels)
{
    uint8_t hash[NSEC3_HASH_LEN];
    nsec3_hash(&zone->denial.params, name->lower + name->at[encloser_labels + 1], hash);
    add_cover(proof, zone, hash);
}

/* RFC 5155 7.2.1: the longest ancestor that has an NSEC3, which is returned, and that nothing
 * matches one label further down.  With opt-out it may be above the closest encloser. */
static const struct node *add_encloser(struct proof *proof, const struct zone *zone,
                                       const struct dname_parts *name, unsigned labels)
{
    for (;; labels--) {
        const struct node *node = zone_find(zone, name, labels);
        const struct node *owner = node ? match(zone, node_hash(node)) : NULL;
        if (owner || labels == zone->labels) {
            add(proof, owner);
            add_next_closer(proof, zone, name, labels);
            return node;
        }
    }
}

static void add_nsec3(struct proof *proof, const struct zone *zone,
                      const struct dname_parts *name, const struct outcome *o)
{
    if (!o->encloser) {
        if (o->kind != OUTCOME_NODATA && o->kind != OUTCOME_REFERRAL)
            return;
        const struct node *owner = match(zone, node_hash(o->node));
        if (owner)
            add(proof, owner); /* 7.2.3, 7.2.4, 7.2.7 */
        else if (o->node->labels > zone->labels)
            (void)add_encloser(proof, zone, name, o->node->labels - 1U);
        return;
    }
    if (o->is_wildcard && o->kind != OUTCOME_NODATA) {
        add_next_closer(proof, zone, name, o->encloser->labels); /* 7.2.6 */
        return;
    }
    const struct node *encloser = add_encloser(proof, zone, name, o->encloser->labels);
    if (encloser)
        add_wildcard_cover(proof, zone, encloser); /* 7.2.2, 7.2.5 */
}

/* A secure delegation proves itself by its DS. */
static bool needs_none(const struct outcome *o)
{
    return o->kind == OUTCOME_DNAME ||
           (o->kind == OUTCOME_REFERRAL && node_find(o->node, RRTYPE_DS));
}

void proof_add(struct proof *proof, const struct zone *zone, const struct dname_parts *name,
               const struct outcome *o)
{
    if (needs_none(o))
        return;
    if (zone->denial.kind == DENIAL_NSEC)
        add_nsec(proof, zone, name, o);
    else if (zone->denial.kind == DENIAL_NSEC3)
        add_nsec3(proof, zone, name, o);
}
