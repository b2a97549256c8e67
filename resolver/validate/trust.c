/* The keys that a DS names are trusted first, alone: they are what has to sign the DNSKEY
 * RRset. */
#include "resolver/validate/trust.h"

#include "dns/ds.h"
#include "dns/rrsig.h"

/* Lifetime: one call. */
struct trust_run {
    const struct trust *in;
    struct keyset *keys;
    unsigned followed;      /* DS records and anchor keys */
    unsigned trusted_cnt;   /* keys that one of them names */
    struct verdict verdict; /* of the first that leads nowhere */
};

static bool is_ds_supported(const struct rules *rules, const struct ds *ds)
{
    return ds_digest_len(ds->digest_type) > 0 && rules_has_algorithm(rules, ds->algorithm);
}

/* RFC 4509 3: SHA-1 does not count beside a supported DS of a stronger digest type. */
static bool has_strong_digest(const struct rules *rules, const struct rrset *set)
{
    for (size_t pos = 0; set && pos < set->size;) {
        struct rrset_record record = rrset_at(set, pos, &pos);
        struct ds ds = ds_read(record.rdata, record.len);
        if (ds.digest_type != DS_SHA1 && is_ds_supported(rules, &ds))
            return true;
    }
    return false;
}

static struct verdict start_trust_verdict(const struct trust *in)
{
    const struct rrset *sigs = in->ds ? rrset_signatures(in->ds) : NULL;
    struct rrset_record sig = sigs ? rrset_first(sigs) : (struct rrset_record){0};

    return (struct verdict){.status = VERDICT_BOGUS,
                            .zone = in->zone,
                            .name = in->zone,
                            .type = RRTYPE_DNSKEY,
                            .parent = sigs ? rrsig_read(sig.rdata, sig.len).signer : NULL};
}

struct verdict trust_weigh(const struct trust *in)
{
    struct verdict v = start_trust_verdict(in), secure = v;
    bool has_algorithm = false;

    v.status = VERDICT_INSECURE;
    secure.status = VERDICT_SECURE;
    for (size_t pos = 0; in->ds && pos < in->ds->size;) {
        struct rrset_record record = rrset_at(in->ds, pos, &pos);
        struct ds ds = ds_read(record.rdata, record.len);
        if (is_ds_supported(in->rules, &ds))
            return secure;
        bool is_known = rules_has_algorithm(in->rules, ds.algorithm);
        if (v.reason == VERDICT_NONE || (is_known && !has_algorithm)) {
            v.tag = ds.tag;
            v.algorithm = ds.algorithm;
            v.digest_type = ds.digest_type;
        }
        has_algorithm |= is_known;
        v.reason = has_algorithm ? VERDICT_DS_DIGEST : VERDICT_DS_ALGORITHM;
    }
    for (size_t pos = 0; in->anchor_keys && pos < in->anchor_keys->size;) {
        struct rrset_record record = rrset_at(in->anchor_keys, pos, &pos);
        struct dnskey key = dnskey_read(record.rdata, record.len);
        if (rules_has_algorithm(in->rules, key.algorithm))
            return secure;
        if (v.reason == VERDICT_NONE) {
            v.reason = VERDICT_DS_ALGORITHM;
            v.tag = key.tag;
            v.algorithm = key.algorithm;
        }
    }
    if (v.reason == VERDICT_NONE)
        v.reason = VERDICT_NO_DS;
    return v;
}

struct verdict trust_weigh_anchor(const struct anchor *anchor, const struct rules *rules)
{
    struct trust trust = {
        .zone = anchor->zone, .ds = anchor->ds, .anchor_keys = anchor->keys, .rules = rules};
    return trust_weigh(&trust);
}

/* Note why a DS or anchor key leads nowhere, unless an earlier one came nearer to success. */
static void note_trust_fault(struct trust_run *run, enum verdict_reason reason, uint16_t tag,
                             uint8_t algorithm, uint8_t digest_type)
{
    bool is_fault_of_key = reason == VERDICT_NOT_ZONE_KEY || reason == VERDICT_REVOKED_KEY;
    bool is_first = run->verdict.reason == VERDICT_NONE;
    bool is_nearer = run->verdict.reason == VERDICT_DS_NO_KEY &&
                     (reason == VERDICT_DS_MISMATCH || is_fault_of_key);

    if (!is_first && !is_nearer)
        return;
    run->verdict.reason = reason;
    run->verdict.tag = tag;
    run->verdict.algorithm = algorithm;
    run->verdict.digest_type = digest_type;
}

/* Trust a key that a DS or anchor names, if it may sign. */
static void trust_key(struct trust_run *run, struct keyset_key *key)
{
    enum verdict_reason fault = keyset_fault(&key->key);

    if (fault != VERDICT_NONE) {
        note_trust_fault(run, fault, key->key.tag, key->key.algorithm, 0);
        return;
    }
    run->trusted_cnt += !key->is_trusted;
    key->is_trusted = true;
}

/* Find the key of a DS.  Few keys have one tag, so few digests are made. */
static enum err follow_ds(struct trust_run *run, const struct ds *ds)
{
    enum verdict_reason reason = VERDICT_DS_NO_KEY;
    unsigned tries = 0;

    for (unsigned i = 0; i < run->keys->cnt && tries < KEYSET_TRIES_MAX; i++) {
        struct keyset_key *key = &run->keys->keys[i];
        if (key->key.tag != ds->tag || key->key.algorithm != ds->algorithm)
            continue;
        tries++;
        enum err err = ds_match(ds, run->in->zone, keyset_rdata(key), key->rdata_len);
        if (err == ERR_NOMEM)
            return err;
        if (!err) {
            trust_key(run, key);
            return ERR_OK;
        }
        reason = VERDICT_DS_MISMATCH;
    }
    note_trust_fault(run, reason, ds->tag, ds->algorithm, ds->digest_type);
    return ERR_OK;
}

static enum err follow_all_ds(struct trust_run *run)
{
    const struct rrset *set = run->in->ds;
    bool ignores_sha1 = has_strong_digest(run->in->rules, set);
    enum err err = ERR_OK;

    for (size_t pos = 0; set && pos < set->size && !err && run->followed < TRUST_DS_MAX;) {
        struct rrset_record record = rrset_at(set, pos, &pos);
        struct ds ds = ds_read(record.rdata, record.len);
        if (!is_ds_supported(run->in->rules, &ds) ||
            (ignores_sha1 && ds.digest_type == DS_SHA1))
            continue;
        run->followed++;
        err = follow_ds(run, &ds);
    }
    return err;
}

static void follow_anchor_key(struct trust_run *run, const struct rrset_record *record)
{
    struct dnskey anchor = dnskey_read(record->rdata, record->len);

    for (unsigned i = 0; i < run->keys->cnt; i++) {
        struct keyset_key *key = &run->keys->keys[i];
        if (key->rdata_len == record->len &&
            memcmp(keyset_rdata(key), record->rdata, record->len) == 0) {
            trust_key(run, key);
            return;
        }
    }
    note_trust_fault(run, VERDICT_DS_NO_KEY, anchor.tag, anchor.algorithm, 0);
}

static void follow_anchor_keys(struct trust_run *run)
{
    const struct rrset *set = run->in->anchor_keys;

    for (size_t pos = 0; set && pos < set->size && run->followed < TRUST_DS_MAX;) {
        struct rrset_record record = rrset_at(set, pos, &pos);
        struct dnskey key = dnskey_read(record.rdata, record.len);
        if (!rules_has_algorithm(run->in->rules, key.algorithm))
            continue;
        run->followed++;
        follow_anchor_key(run, &record);
    }
}

/* Name a key that the zone publishes instead: a key that signs keys, if there is one. */
static void name_published_key(struct trust_run *run)
{
    for (unsigned i = 0; i < run->keys->cnt; i++) {
        const struct dnskey *key = &run->keys->keys[i].key;
        if (keyset_fault(key) != VERDICT_NONE)
            continue;
        bool is_entry = key->flags & DNSKEY_ENTRY;
        if (!run->verdict.has_other_tag || is_entry) {
            run->verdict.has_other_tag = true;
            run->verdict.other_tag = key->tag;
        }
        if (is_entry)
            return;
    }
}

/* The verdict on the DNSKEY RRset by the keys that are trusted so far. */
static struct verdict check_key_signatures(struct trust_run *run, struct rules_work *work,
                                           struct arena *arena, struct sigcheck_found *found)
{
    const struct sigcheck in = {.owner = run->in->zone,
                                .set = run->in->keys,
                                .keys = run->keys,
                                .rules = run->in->rules};
    struct verdict v = sigcheck_rrset(&in, work, arena, found);

    v.zone = run->in->zone; /* not of the key set, which ends with a failure */
    v.parent = run->verdict.parent;
    if (v.status == VERDICT_BOGUS && v.reason == VERDICT_NO_KEY) {
        v.reason = VERDICT_KEYS_UNSIGNED;
        v.inception_s = v.expiration_s = 0;
        for (unsigned i = 0; i < run->keys->cnt; i++)
            if (run->keys->keys[i].is_trusted) {
                v.tag = run->keys->keys[i].key.tag;
                v.algorithm = run->keys->keys[i].key.algorithm;
                break;
            }
    }
    return v;
}

static struct verdict follow_to_keys(struct trust_run *run, struct rules_work *work,
                                     struct arena *arena, struct sigcheck_found *found)
{
    if (follow_all_ds(run) != ERR_OK) {
        run->verdict.status = VERDICT_UNKNOWN;
        run->verdict.reason = VERDICT_MEMORY;
        return run->verdict;
    }
    follow_anchor_keys(run);
    if (run->trusted_cnt == 0) {
        name_published_key(run);
        return run->verdict;
    }
    return check_key_signatures(run, work, arena, found);
}

struct verdict trust_make_keys(const struct trust *in, struct rules_work *work,
                               struct arena *arena, struct keyset **out,
                               struct sigcheck_found *found)
{
    struct trust_run run = {.in = in, .verdict = trust_weigh(in)};

    if (run.verdict.status == VERDICT_INSECURE)
        return run.verdict;
    run.verdict = start_trust_verdict(in);
    if (!in->keys) {
        run.verdict.reason = VERDICT_KEYS_MISSING;
        return run.verdict;
    }
    enum err err = keyset_new(in->zone, in->keys, &run.keys);
    if (err) {
        run.verdict.status = err == ERR_LIMIT ? VERDICT_BOGUS : VERDICT_UNKNOWN;
        run.verdict.reason = err == ERR_LIMIT ? VERDICT_TOO_MANY_KEYS : VERDICT_MEMORY;
        return run.verdict;
    }
    struct verdict v = follow_to_keys(&run, work, arena, found);
    if (v.status != VERDICT_SECURE) {
        keyset_free(&run.keys);
        return v;
    }
    keyset_trust_all(run.keys);
    run.keys->ttl = found->ttl;
    *out = run.keys;
    return v;
}
