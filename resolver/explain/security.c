/* The walk down is that of chain.c, without lookups. */
#include "resolver/explain/security.h"

#include "base/now.h"
#include "dns/bitmap.h"
#include "dns/ds.h"
#include "dns/rrsig.h"
#include "resolver/explain/to_json.h"
#include "resolver/iterate/chain.h"
#include "resolver/iterate/keycache.h"
#include "resolver/iterate/wording.h"
#include "resolver/validate/deny.h"

enum { ARENA_MAX = 1 << 20, LISTED_MAX = 32, WILDCARD_MAX = DNAME_MAX + 2 };

/* ---- plain values ---- */

static void put_algorithm(struct json *to, uint8_t algorithm)
{
    char text[DNSKEY_ALGORITHM_MAX];
    dnskey_print_algorithm(algorithm, text);
    json_put_text(to, "algorithm", text);
}

static void put_digest_type(struct json *to, uint8_t digest_type)
{
    char text[DS_DIGEST_NAME_MAX];
    ds_print_digest(digest_type, text);
    json_put_text(to, "digest-type", text);
}

static void add_ds(struct json *list, const struct ds *ds)
{
    struct json *one = json_add_object(list);
    json_put_text(one, "type", "DS");
    json_put_number(one, "tag", ds->tag);
    put_algorithm(one, ds->algorithm);
    put_digest_type(one, ds->digest_type);
}

static void add_dnskey(struct json *list, const struct dnskey *key)
{
    struct json *one = json_add_object(list);
    json_put_text(one, "type", "DNSKEY");
    json_put_number(one, "tag", key->tag);
    put_algorithm(one, key->algorithm);
    json_put_bool(one, "entry-point", key->flags & DNSKEY_ENTRY);
    if (key->flags & DNSKEY_REVOKE)
        json_put_bool(one, "revoked", true);
}

/* Add the DS or DNSKEY records of a set, which may be NULL. */
static void add_links(struct json *list, const struct rrset *set)
{
    unsigned cnt = 0;

    for (size_t pos = 0; set && pos < set->size && cnt++ < LISTED_MAX;) {
        struct rrset_record r = rrset_at(set, pos, &pos);
        if (set->type == RRTYPE_DS) {
            struct ds ds = ds_read(r.rdata, r.len);
            add_ds(list, &ds);
        } else {
            struct dnskey key = dnskey_read(r.rdata, r.len);
            add_dnskey(list, &key);
        }
    }
}

void security_put_signatures(struct json *to, const struct rrset *set)
{
    const struct rrset *sigs = set ? rrset_signatures(set) : NULL;
    struct json *list = sigs ? json_put_list(to, "signatures") : NULL;
    unsigned cnt = 0;

    for (size_t pos = 0; sigs && pos < sigs->size && cnt++ < LISTED_MAX;) {
        struct rrset_record r = rrset_at(sigs, pos, &pos);
        struct rrsig sig = rrsig_read(r.rdata, r.len);
        struct json *one = json_add_object(list);
        to_json_name(one, "signer", sig.signer);
        json_put_number(one, "tag", sig.tag);
        put_algorithm(one, sig.algorithm);
        to_json_time(one, "inception", (int64_t)sig.inception * 1000);
        to_json_time(one, "expiration", (int64_t)sig.expiration * 1000);
    }
}

static const uint8_t *find_signer_of(const struct rrset *set)
{
    const struct rrset *sigs = set ? rrset_signatures(set) : NULL;

    if (!sigs)
        return NULL;
    struct rrset_record first = rrset_first(sigs);
    return rrsig_read(first.rdata, first.len).signer;
}

void security_find_target(const struct cache_found *found, const uint8_t *owner, uint16_t type,
                          uint8_t target[DNAME_MAX])
{
    const uint8_t *lowest = type == RRTYPE_DS && *owner ? owner + *owner + 1 : owner;
    const uint8_t *signer = find_signer_of(found->set);

    if (!signer && found->proofs.cnt > 0)
        signer = find_signer_of(found->proofs.at[0].set);
    if (!signer || !dname_is_under(lowest, signer))
        signer = lowest;
    memcpy(target, signer, dname_len(signer));
}

/* ---- proofs ---- */

static struct verdict prove_again(const struct deny *deny, const struct cache_found *found,
                                  const uint8_t *owner, uint16_t type,
                                  struct deny_found *denied)
{
    if (found->kind == CACHE_NXDOMAIN)
        return deny_name(deny, owner, denied);
    if (found->kind == CACHE_NODATA)
        return type == RRTYPE_DS && *owner ? deny_ds(deny, owner, denied)
                                           : deny_type(deny, owner, type, denied);
    struct rrset_record sig = rrset_first(rrset_signatures(found->set));
    return deny_closer(deny, owner, rrsig_read(sig.rdata, sig.len).labels, denied);
}

/* Prove an entry again from its records.  VERDICT_UNKNOWN: it has no records, or did not
 * count as proved. */
static struct verdict prove_entry(const struct cache_found *found, const uint8_t *owner,
                                  uint16_t type, struct deny_found *denied)
{
    struct deny_record records[CACHE_PROOFS_MAX];
    struct rules rules = rules_defaults((uint32_t)(now_wall_ms() / 1000));
    struct rules_work work = rules_work_defaults();
    const struct cache_proofs *proofs = &found->proofs;
    const uint8_t *zone = proofs->cnt ? find_signer_of(proofs->at[0].set) : NULL;
    struct deny deny = {
        .zone = zone, .records = records, .cnt = proofs->cnt, .rules = &rules, .work = &work};
    bool is_proved = found->security == CACHE_SECURE || found->security == CACHE_INSECURE;

    *denied = (struct deny_found){0};
    if (!zone || !is_proved || (found->kind == CACHE_DATA && !find_signer_of(found->set)))
        return (struct verdict){.status = VERDICT_UNKNOWN};
    for (unsigned i = 0; i < proofs->cnt; i++)
        records[i] = (struct deny_record){proofs->at[i].owner, proofs->at[i].set};
    return prove_again(&deny, found, owner, type, denied);
}

static void put_subject_name(struct json *to, const uint8_t *owner,
                             const struct deny_found *denied, enum deny_subject subject)
{
    uint8_t wildcard[WILDCARD_MAX] = {1, '*'};
    const uint8_t *encloser = dname_suffix(owner, denied->encloser_labels);

    switch (subject) {
    case DENY_CLOSEST_ENCLOSER: to_json_name(to, "name", encloser); break;
    case DENY_NEXT_CLOSER:
        to_json_name(to, "name", dname_suffix(owner, denied->encloser_labels + 1));
        break;
    case DENY_WILDCARD:
        memcpy(wildcard + 2, encloser, dname_len(encloser));
        to_json_name(to, "name", wildcard);
        break;
    default: to_json_name(to, "name", owner); break;
    }
}

/* Put the next name or hash of a proof record, and the types at its owner. */
static void put_proof_data(struct json *to, const struct rrset *set)
{
    struct rrset_record r = rrset_first(set);
    const uint8_t *bitmap = r.rdata;
    char hash[NSEC3_LABEL_LEN + 1];
    size_t len;

    if (set->type == RRTYPE_NSEC3) {
        bitmap = nsec3_next_hash(r.rdata, &len);
        if (len == NSEC3_HASH_LEN) {
            nsec3_print_label(bitmap, hash);
            json_put_text(to, "next", hash);
        }
        json_put_bool(to, "opt-out", nsec3_read_params(r.rdata).flags & NSEC3_OPT_OUT);
    } else {
        to_json_name(to, "next", r.rdata);
        len = dname_len(r.rdata);
    }
    bitmap += len;
    struct json *types = json_put_list(to, "types");
    len = (size_t)(r.rdata + r.len - bitmap);
    for (int type = bitmap_next(bitmap, len, -1); type >= 0 && json_count(types) < LISTED_MAX;
         type = bitmap_next(bitmap, len, type)) {
        char text[RRTYPE_NAME_MAX];
        rrtype_print((uint16_t)type, text);
        json_add_text(types, text);
    }
}

void security_put_denial(struct json *to, const struct cache_proof *proof)
{
    to_json_name(to, "owner", proof->owner);
    to_json_type(to, "type", proof->set->type);
    put_proof_data(to, proof->set);
}

static void add_proof(struct json *list, const struct cache_proof *proof, unsigned index,
                      const uint8_t *owner, const struct deny_found *denied)
{
    struct json *one = json_add_object(list);

    security_put_denial(one, proof);
    struct json *steps = json_put_list(one, "steps");
    for (unsigned i = 0; i < denied->step_cnt; i++) {
        const struct deny_step *step = &denied->steps[i];
        if (step->record != index)
            continue;
        struct json *what = json_add_object(steps);
        json_put_text(what, "act", wording_id(&wording_acts, step->act));
        json_put_text(what, "subject", wording_id(&wording_subjects, step->subject));
        put_subject_name(what, owner, denied, step->subject);
    }
}

static void put_proved(struct json *to, const struct cache_found *found, const uint8_t *owner,
                       const struct deny_found *denied)
{
    struct json *list = found->proofs.cnt ? json_put_list(to, "proofs") : NULL;

    for (unsigned i = 0; i < found->proofs.cnt; i++)
        add_proof(list, &found->proofs.at[i], i, owner, denied);
}

void security_put_proofs(struct json *to, const struct cache_found *found, const uint8_t *owner,
                         uint16_t type)
{
    struct deny_found denied;

    (void)prove_entry(found, owner, type, &denied);
    put_proved(to, found, owner, &denied);
}

/* ---- the chain ---- */

/* Lifetime: one chain. */
struct chain_walk {
    struct security_chains *chains;
    struct arena arena;
    struct cache *cache;
    struct cache_time when;
    struct rules rules;
    const uint8_t *parent; /* the zone above; NULL: none */
};

/* Add a zone.  NULL if it is there already or does not fit. */
static struct json *add_chain_zone(struct chain_walk *w, const uint8_t *zone)
{
    struct security_chains *c = w->chains;
    uint64_t hash = dname_hash(zone);

    for (unsigned i = 0; i < c->drawn_cnt; i++)
        if (c->drawn[i] == hash)
            return NULL;
    if (c->drawn_cnt == SECURITY_ZONES_MAX || c->octets >= c->octets_max) {
        c->omitted_cnt++;
        return NULL;
    }
    c->drawn[c->drawn_cnt++] = hash;
    struct json *node = json_add_object(c->zones);
    to_json_name(node, "zone", zone);
    if (w->parent)
        to_json_name(node, "parent", w->parent);
    return node;
}

/* Note how the chain of a target ends. */
static void end_walk(struct chain_walk *w, enum security_end end, const char *why)
{
    struct security_chains *c = w->chains;

    if (end <= c->end)
        return;
    c->end = end;
    snprintf(c->why, sizeof(c->why), "%s", why);
}

static void put_end(struct json *node, enum verdict_status status, const char *reason,
                    const char *text)
{
    json_put_text(node, "status", verdict_status_name(status));
    if (*reason)
        json_put_text(node, "reason", reason);
    if (*text)
        json_put_text(node, "text", text);
}

/* Put the cached failure to look up a link, which breaks the chain.  Return false if there is
 * none. */
static bool put_broken_link(struct chain_walk *w, struct json *node, const uint8_t *zone,
                            uint16_t type)
{
    struct cache_name key;
    struct cache_found found;

    cache_name_init(&key, zone);
    if (!cache_find_failure(w->cache, &key, type, &w->when, &w->arena, &found))
        return false;
    put_end(node, found.security == CACHE_BOGUS ? VERDICT_BOGUS : VERDICT_UNKNOWN, "",
            found.text);
    end_walk(w, SECURITY_BROKEN, found.text);
    return true;
}

static void put_loaded_keys(struct json *to, const struct keyset *keys)
{
    struct json *list = json_put_list(to, "records");

    for (unsigned i = 0; i < util_min(keys->cnt, LISTED_MAX); i++)
        add_dnskey(list, &keys->keys[i].key);
}

/* Put the DNSKEY RRset of a zone: of the cache, or else the keys in use.  Return false if the
 * chain ends here. */
static bool put_zone_keys(struct chain_walk *w, struct json *node, const uint8_t *zone)
{
    struct keyset *loaded = keycache_find(w->chains->engine->keycache, zone, w->when.now_ms);
    struct cache_time when = w->when;
    struct cache_name key;
    struct cache_found found;

    cache_name_init(&key, zone);
    when.admits_bogus = true; /* what the zone publishes instead */
    bool is_cached =
        cache_find(w->cache, &key, key.labels, RRTYPE_DNSKEY, &when, &w->arena, &found) &&
        found.kind == CACHE_DATA;
    struct json *to = is_cached || loaded ? json_put_object(node, "dnskey") : NULL;
    if (is_cached) {
        json_put_number(to, "ttl", found.ttl);
        add_links(json_put_list(to, "records"), found.set);
        security_put_signatures(to, found.set);
    } else if (loaded) {
        put_loaded_keys(to, loaded);
    }
    if ((is_cached && found.security == CACHE_SECURE) || loaded) {
        bool is_whole = is_cached && (json_find(node, "ds") || json_find(node, "anchor"));
        put_end(node, VERDICT_SECURE, "",
                is_whole ? ""
                         : "its keys are in use; what they follow from is no longer cached");
        return true;
    }
    if (!put_broken_link(w, node, zone, RRTYPE_DNSKEY))
        put_end(node, VERDICT_UNKNOWN, "", "its DNSKEY records are not cached");
    return false;
}

static bool draw_anchor(struct chain_walk *w, const struct anchor *anchor)
{
    struct json *node = add_chain_zone(w, anchor->zone);
    struct json *list = json_put_list(node, "anchor");

    add_links(list, anchor->ds);
    add_links(list, anchor->keys);
    struct verdict v = trust_weigh_anchor(anchor, &w->rules);
    if (v.status == VERDICT_SECURE)
        return put_zone_keys(w, node, anchor->zone);
    char text[VERDICT_TEXT_MAX];
    verdict_print(&v, text);
    put_end(node, VERDICT_INSECURE, verdict_reason_name(v.reason), text);
    end_walk(w, SECURITY_INSECURE, text);
    return false;
}

static bool draw_cut(struct chain_walk *w, const uint8_t *zone, const struct cache_found *found)
{
    struct json *node = add_chain_zone(w, zone);
    struct json *ds = json_put_object(node, "ds");

    json_put_number(ds, "ttl", found->ttl);
    add_links(json_put_list(ds, "records"), found->set);
    security_put_signatures(ds, found->set);
    return put_zone_keys(w, node, zone);
}

/* Put why the chain ends insecurely at `name`. */
static void draw_insecure(struct chain_walk *w, const uint8_t *name,
                          const struct cache_found *found, enum verdict_reason reason)
{
    struct json *node = add_chain_zone(w, name);
    struct deny_found denied;
    struct verdict proved = prove_entry(found, name, RRTYPE_DS, &denied);
    struct verdict v = {
        .reason = reason, .zone = proved.zone ? proved.zone : w->parent, .name = name};
    struct trust trust = {.zone = name, .ds = found->set, .rules = &w->rules};
    char text[VERDICT_TEXT_MAX];

    if (found->kind == CACHE_DATA && found->set->type == RRTYPE_DS) {
        struct json *ds = json_put_object(node, "ds");
        v = trust_weigh(&trust);
        add_links(json_put_list(ds, "records"), found->set);
        security_put_signatures(ds, found->set);
    } else if (proved.status == VERDICT_INSECURE) {
        v = proved;
    }
    verdict_print(&v, text);
    put_end(node, VERDICT_INSECURE, verdict_reason_name(v.reason), text);
    put_proved(node, found, name, &denied);
    end_walk(w, SECURITY_INSECURE, text);
}

/* Draw a suffix of the target of which the cache knows no DS: the lookup of it may have failed,
 * or the keys in use have outlived it.  Return false if the chain ends. */
static bool draw_uncached(struct chain_walk *w, const uint8_t *name)
{
    struct cache_name key;
    struct cache_found found;

    cache_name_init(&key, name);
    if (cache_find_failure(w->cache, &key, RRTYPE_DS, &w->when, &w->arena, &found)) {
        put_broken_link(w, add_chain_zone(w, name), name, RRTYPE_DS);
        return false;
    }
    if (!keycache_find(w->chains->engine->keycache, name, w->when.now_ms))
        return true;
    put_zone_keys(w, add_chain_zone(w, name), name);
    w->parent = name;
    return true;
}

/* There is no zone cut at the suffix, but perhaps a configured zone.  Return false if the chain
 * ends. */
static bool draw_no_cut(struct chain_walk *w, const struct cache_name *target, unsigned labels,
                        const struct cache_found *found, bool is_denied)
{
    const uint8_t *zone =
        chain_find_not_public(&w->chains->engine->policy->route, target, labels, is_denied);
    const struct verdict v = {.reason = VERDICT_NOT_PUBLIC, .zone = zone, .name = zone};
    char text[VERDICT_TEXT_MAX];

    if (!zone)
        return !is_denied;
    struct json *node = add_chain_zone(w, zone);
    verdict_print(&v, text);
    put_end(node, VERDICT_INSECURE, verdict_reason_name(v.reason), text);
    security_put_proofs(node, found, dname_suffix(target->dname, labels),
                        is_denied ? 0 : RRTYPE_DS);
    end_walk(w, SECURITY_INSECURE, text);
    return false;
}

/* Draw the step to a suffix of the target.  Return false if the chain ends. */
static bool draw_step(struct chain_walk *w, const struct cache_name *target, unsigned labels)
{
    const uint8_t *name = dname_suffix(target->dname, labels);
    enum verdict_reason reason = VERDICT_NONE;
    struct cache_found found;
    bool goes_on = false;

    switch (chain_read_step(w->cache, target, labels, &w->when, &w->rules, &w->arena, &found,
                            &reason)) {
    case CHAIN_STEP_SAME: return draw_no_cut(w, target, labels, &found, false);
    case CHAIN_STEP_CUT: goes_on = draw_cut(w, name, &found); break;
    case CHAIN_STEP_INSECURE: draw_insecure(w, name, &found, reason); break;
    case CHAIN_STEP_ABSENT: return draw_no_cut(w, target, labels, &found, true);
    case CHAIN_STEP_UNKNOWN: return draw_uncached(w, name);
    }
    w->parent = name;
    return goes_on;
}

static void draw_unanchored(struct chain_walk *w, const uint8_t *target)
{
    char name[DNAME_TEXT_MAX], text[VERDICT_TEXT_MAX];
    struct json *node = add_chain_zone(w, target);

    dname_text_print(target, name);
    snprintf(text, sizeof(text), "no trust anchor is configured at or above %s", name);
    put_end(node, VERDICT_INSECURE, "no-anchor", text);
    end_walk(w, SECURITY_INSECURE, text);
}

static void draw_negative_anchor(struct chain_walk *w, const struct nta *nta)
{
    char until[NOW_TEXT_MAX], text[VERDICT_TEXT_MAX + NOW_TEXT_MAX + 10];
    struct json *node = add_chain_zone(w, nta->name);
    struct verdict v = nta_verdict(nta, nta->name, 0);

    verdict_print(&v, text);
    if (nta->until_ms != INT64_MAX) {
        size_t len = strlen(text);
        now_print(nta->until_ms, until);
        snprintf(text + len, sizeof(text) - len, " until %s", until);
    }
    put_end(node, v.status, verdict_reason_name(v.reason), text);
    end_walk(w, SECURITY_NEGATIVE_ANCHOR, text);
}

static void draw_from_anchor(struct chain_walk *w, const struct anchor *anchor,
                             const uint8_t *target)
{
    struct cache_name name;
    unsigned labels = dname_labels(anchor->zone);

    cache_name_init(&name, target);
    if (!draw_anchor(w, anchor))
        return;
    w->parent = dname_suffix(target, labels);
    while (++labels <= name.labels)
        if (!draw_step(w, &name, labels))
            return;
}

void security_draw(struct security_chains *chains, const uint8_t *target)
{
    const struct policy *policy = chains->engine->policy;
    const struct anchor *anchor = anchor_find(&policy->anchors, target);
    const struct nta *nta = nta_find(&policy->ntas, anchor, target, now_wall_ms());
    struct cache cache = chains->engine->cache; /* a copy: it counts no uses */
    struct chain_walk w = {.chains = chains, .cache = &cache, .when = engine_time(0)};
    size_t first = json_count(chains->zones);

    w.when.since_ms = chains->since_ms;
    w.rules = rules_defaults((uint32_t)(w.when.now_ms / 1000));
    arena_init(&w.arena, ARENA_MAX);
    end_walk(&w, SECURITY_SECURE, "");
    if (nta)
        draw_negative_anchor(&w, nta);
    else if (!anchor)
        draw_unanchored(&w, target);
    else
        draw_from_anchor(&w, anchor, target);
    for (size_t i = first; i < json_count(chains->zones); i++)
        chains->octets += json_size(json_at(chains->zones, i));
    arena_fini(&w.arena);
}
