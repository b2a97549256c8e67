/* Nodes store the NSEC3 hashes of their names, so most queries compute at most one hash: that
 * of the next closer name. */
#include "authd/answer/proof.h"

enum { CACHE_LINE = 64, PREFETCH_LEN = 320 /* octets of a typical NSEC3 and its signature */ };

static void add_proof_node(struct proof *proof, const struct node *node)
{
    if (!node)
        return;
    for (unsigned i = 0; i < proof->cnt; i++)
        if (proof->nodes[i] == node)
            return;
    if (proof->cnt == PROOF_MAX)
        return;
    proof->nodes[proof->cnt++] = node;
    /* respond writes the records after all owners are found: by then they are in the cache */
    for (size_t at = 0; at < PREFETCH_LEN; at += CACHE_LINE)
        __builtin_prefetch((const char *)node + at);
}

/* ---- NSEC ---- */

static void add_wildcard_nsec(struct proof *proof, const struct zone *zone,
                              const struct node *encloser)
{
    uint8_t wildcard[DNAME_MAX + 2] = {1, '*'};
    memcpy(wildcard + 2, encloser->name, encloser->name_len);
    add_proof_node(proof, denial_find_name(&zone->denial, wildcard));
}

static void add_nsec(struct proof *proof, const struct zone *zone,
                     const struct dname_parts *name, const struct outcome *o)
{
    /* an existing name: its own NSEC, or for an empty non-terminal the NSEC that covers it */
    if (!o->encloser) {
        if (o->kind == OUTCOME_NODATA || o->kind == OUTCOME_REFERRAL)
            add_proof_node(proof, denial_find_name(&zone->denial, o->node->name));
        return;
    }
    add_proof_node(proof, denial_find_name(&zone->denial, name->lower));
    if (o->kind == OUTCOME_NODATA)
        add_proof_node(proof, denial_find_name(&zone->denial, o->node->name));
    else if (!o->is_wildcard)
        add_wildcard_nsec(proof, zone, o->encloser);
}

/* ---- NSEC3 ---- */

/* Return the NSEC3 that matches `hash`, which may be NULL; NULL if none matches it. */
static const struct node *find_matching_nsec3(const struct zone *zone, const uint8_t *hash)
{
    bool is_match = false;
    const struct node *node = hash ? denial_find_hash(&zone->denial, hash, &is_match) : NULL;
    return is_match ? node : NULL;
}

static void add_cover(struct proof *proof, const struct zone *zone, const uint8_t *hash)
{
    bool is_match;
    add_proof_node(proof, denial_find_hash(&zone->denial, hash, &is_match));
}

/* Add the NSEC3 that matches or covers the wildcard of `encloser`. */
static void add_wildcard_cover(struct proof *proof, const struct zone *zone,
                               const struct node *encloser)
{
    uint8_t wildcard[DNAME_MAX + 2] = {1, '*'};
    uint8_t hash[NSEC3_HASH_LEN];
    const uint8_t *stored = node_wildcard_hash(encloser);

    if (!stored) {
        memcpy(wildcard + 2, encloser->name, encloser->name_len);
        nsec3_hash(&zone->denial.params, wildcard, hash);
    }
    add_cover(proof, zone, stored ? stored : hash);
}

static void add_next_closer(struct proof *proof, const struct zone *zone,
                            const struct dname_parts *name, unsigned encloser_labels)
{
    uint8_t hash[NSEC3_HASH_LEN];
    nsec3_hash(&zone->denial.params, name->lower + name->at[encloser_labels + 1], hash);
    add_cover(proof, zone, hash);
}

/* Add the closest encloser proof (RFC 5155 7.2.1) for `name`, whose ancestor of `labels` labels
 * exists: the NSEC3 of the closest provable encloser and the NSEC3 that covers the next closer
 * name.  With opt-out the provable encloser may be above the real one.  Return its node; the
 * apex if no ancestor has an NSEC3. */
static const struct node *add_closest_encloser(struct proof *proof, const struct zone *zone,
                                               const struct dname_parts *name, unsigned labels)
{
    for (;; labels--) {
        const struct node *node = zone_find(zone, name, labels);
        const struct node *owner = node ? find_matching_nsec3(zone, node_hash(node)) : NULL;
        if (owner || labels == zone->labels) {
            add_proof_node(proof, owner);
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
        const struct node *owner = find_matching_nsec3(zone, node_hash(o->node));
        if (owner)
            add_proof_node(proof, owner); /* 7.2.3, 7.2.4, 7.2.7 */
        else if (o->node->labels > zone->labels)
            (void)add_closest_encloser(proof, zone, name, o->node->labels - 1U);
        return;
    }
    if (o->is_wildcard && o->kind != OUTCOME_NODATA) {
        add_next_closer(proof, zone, name, o->encloser->labels); /* 7.2.6 */
        return;
    }
    const struct node *encloser = add_closest_encloser(proof, zone, name, o->encloser->labels);
    if (encloser)
        add_wildcard_cover(proof, zone, encloser); /* 7.2.2, 7.2.5 */
}

/* The signed DNAME, or the signed DS of a referral, is proof enough. */
static bool needs_no_proof(const struct outcome *o)
{
    return o->kind == OUTCOME_DNAME ||
           (o->kind == OUTCOME_REFERRAL && node_find(o->node, RRTYPE_DS));
}

void proof_add(struct proof *proof, const struct zone *zone, const struct dname_parts *name,
               const struct outcome *o)
{
    if (needs_no_proof(o))
        return;
    if (zone->denial.kind == DENIAL_NSEC)
        add_nsec(proof, zone, name, o);
    else if (zone->denial.kind == DENIAL_NSEC3)
        add_nsec3(proof, zone, name, o);
}
