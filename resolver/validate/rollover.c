/* Keys are kept with the REVOKE bit clear, so that a key and its revoked form are one entry.
 * What the configuration trusts needs no entry: it is compared with the records themselves, so
 * that an operator who removes a record removes the trust. */
#include "resolver/validate/rollover.h"

#include "dns/ds.h"
#include "dns/rrsig.h"

enum {
    /* A reply so much older than the newest one: the time of that one was wrong. */
    CLOCK_RESET_S = 30 * 86400,
};

/* One reply.  Lifetime: one call. */
struct rollover_run {
    const struct rollover_reply *reply;
    const struct anchor *configured;
    struct rollover_zone *zone;
    struct keyset *keys;
    struct rollover_changes *changes;
    uint32_t elapsed_s; /* time that counts for hold-downs */
    uint32_t original_ttl;
    bool has_no_memory;
};

const char *rollover_state_name(enum rollover_state state)
{
    static const char *const names[] = {
        [ROLLOVER_START] = "start",     [ROLLOVER_PENDING] = "pending",
        [ROLLOVER_VALID] = "valid",     [ROLLOVER_MISSING] = "missing",
        [ROLLOVER_REVOKED] = "revoked", [ROLLOVER_REMOVED] = "removed",
    };
    return names[state];
}

enum err rollover_new(const struct anchor_set *configured, struct rollover **out)
{
    struct rollover *r = calloc(1, sizeof(*r));
    enum err err = r ? anchor_copy(configured, &r->configured) : ERR_NOMEM;

    if (!err) {
        r->zones = calloc(r->configured.cnt + 1, sizeof(*r->zones));
        err = r->zones ? ERR_OK : ERR_NOMEM;
    }
    if (err) {
        rollover_free(&r);
        return err;
    }
    r->cnt = r->configured.cnt;
    for (size_t i = 0; i < r->cnt; i++) {
        dname_lower(r->configured.anchors[i].zone, r->zones[i].zone);
        r->zones[i].retry_s = ROLLOVER_INTERVAL_MIN_S;
    }
    *out = r;
    return ERR_OK;
}

static void drop_rollover_key(struct rollover_zone *zone, unsigned i)
{
    free(zone->keys[i].rdata);
    zone->keys[i] = zone->keys[--zone->cnt];
}

void rollover_free(struct rollover **rollover)
{
    struct rollover *r = *rollover;

    if (!r)
        return;
    for (size_t i = 0; i < r->cnt; i++)
        while (r->zones[i].cnt > 0)
            drop_rollover_key(&r->zones[i], 0);
    free(r->zones);
    anchor_fini(&r->configured);
    free(r);
    *rollover = NULL;
}

/* ---- keys ---- */

static bool is_same_rdata(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    return a_len == b_len && memcmp(a, b, a_len) == 0;
}

struct rollover_key *rollover_find_key(struct rollover_zone *zone, const uint8_t *rdata,
                                       size_t len)
{
    for (unsigned i = 0; i < zone->cnt; i++)
        if (is_same_rdata(zone->keys[i].rdata, zone->keys[i].len, rdata, len))
            return &zone->keys[i];
    return NULL;
}

struct rollover_key *rollover_add_key(struct rollover_zone *zone, const uint8_t *rdata,
                                      size_t len, enum rollover_state state, int64_t now_s)
{
    if (zone->cnt == ROLLOVER_KEYS_MAX || len > ROLLOVER_RDATA_MAX)
        return NULL;
    uint8_t *copy = malloc(len);
    if (!copy)
        return NULL;
    memcpy(copy, rdata, len);
    struct rollover_key *key = &zone->keys[zone->cnt++];
    *key = (struct rollover_key){.state = state,
                                 .since_s = now_s,
                                 .hold_s = ROLLOVER_HOLD_S,
                                 .rdata = copy,
                                 .len = (uint16_t)len};
    return key;
}

static bool is_revoked_state(enum rollover_state state)
{
    return state == ROLLOVER_REVOKED || state == ROLLOVER_REMOVED;
}

static bool is_trusted_state(enum rollover_state state)
{
    return state == ROLLOVER_VALID || state == ROLLOVER_MISSING;
}

void rollover_forget(struct rollover_zone *zone)
{
    for (unsigned i = 0; i < zone->cnt;)
        if (is_revoked_state(zone->keys[i].state))
            i++;
        else
            drop_rollover_key(zone, i);
}

/* Return true if a DS is the digest of the key.  The REVOKE bit is clear in both. */
static enum err compare_ds(const uint8_t *zone, const struct rrset_record *ds_record,
                           const uint8_t *rdata, size_t len, bool *is_same)
{
    struct ds ds = ds_read(ds_record->rdata, ds_record->len);
    struct dnskey key = dnskey_read(rdata, len);

    *is_same = false;
    if (ds.tag != key.tag || ds.algorithm != key.algorithm)
        return ERR_OK;
    enum err err = ds_match(&ds, zone, rdata, len);
    *is_same = err == ERR_OK;
    return err == ERR_NOMEM ? err : ERR_OK;
}

/* Return true if a configured DS or DNSKEY names the key.  Without memory no DS does: then a
 * key is learned later. */
static bool is_configured_key(const struct anchor *configured, const uint8_t *rdata, size_t len)
{
    const struct rrset *ds = configured->ds, *keys = configured->keys;
    bool is_same = false;

    for (size_t pos = 0; keys && pos < keys->size && !is_same;) {
        struct rrset_record record = rrset_at(keys, pos, &pos);
        is_same = is_same_rdata(record.rdata, record.len, rdata, len);
    }
    for (size_t pos = 0; ds && pos < ds->size && !is_same;) {
        struct rrset_record record = rrset_at(ds, pos, &pos);
        if (compare_ds(configured->zone, &record, rdata, len, &is_same) != ERR_OK)
            return false;
    }
    return is_same;
}

/* ---- the anchors that are trusted ---- */

/* Decide whether a configured record is that of a revoked key. */
static enum err find_revoked(const struct rollover_zone *zone, uint16_t type,
                             const struct rrset_record *record, bool *is_revoked)
{
    enum err err = ERR_OK;

    *is_revoked = false;
    for (unsigned i = 0; i < zone->cnt && !*is_revoked && !err; i++) {
        const struct rollover_key *key = &zone->keys[i];
        if (!is_revoked_state(key->state))
            continue;
        if (type == RRTYPE_DNSKEY)
            *is_revoked = is_same_rdata(key->rdata, key->len, record->rdata, record->len);
        else
            err = compare_ds(zone->zone, record, key->rdata, key->len, is_revoked);
    }
    return err;
}

static enum err fill_configured(const struct rollover_zone *zone, const struct rrset *set,
                                struct anchor_set *out, unsigned *cnt)
{
    enum err err = ERR_OK;

    for (size_t pos = 0; set && pos < set->size && !err;) {
        struct rrset_record record = rrset_at(set, pos, &pos);
        bool is_revoked;
        err = find_revoked(zone, set->type, &record, &is_revoked);
        if (err || is_revoked)
            continue;
        err = anchor_put(out, zone->zone, set->type, &record);
        (*cnt)++;
    }
    return err;
}

/* Add the keys of one state.  trust_make_keys follows TRUST_DS_MAX records of an anchor, so
 * that more keys than that could push out valid ones. */
static enum err fill_learned(const struct rollover_zone *zone, enum rollover_state state,
                             struct anchor_set *out, unsigned *cnt)
{
    enum err err = ERR_OK;

    for (unsigned i = 0; i < zone->cnt && *cnt < TRUST_DS_MAX && !err; i++) {
        const struct rollover_key *key = &zone->keys[i];
        if (key->state != state)
            continue;
        struct rrset_record record = {key->rdata, key->len};
        err = anchor_put(out, zone->zone, RRTYPE_DNSKEY, &record);
        (*cnt)++;
    }
    return err;
}

static enum err fill_zone(const struct anchor *configured, const struct rollover_zone *zone,
                          struct anchor_set *out)
{
    unsigned cnt = 0;
    enum err err = fill_configured(zone, configured->ds, out, &cnt);

    if (!err)
        err = fill_configured(zone, configured->keys, out, &cnt);
    if (!err)
        err = fill_learned(zone, ROLLOVER_VALID, out, &cnt);
    if (!err)
        err = fill_learned(zone, ROLLOVER_MISSING, out, &cnt);
    return err == ERR_LIMIT ? ERR_OK : err;
}

enum err rollover_fill(const struct rollover *r, struct anchor_set *out)
{
    enum err err = ERR_OK;

    for (size_t i = 0; i < r->cnt && !err; i++)
        err = fill_zone(&r->configured.anchors[i], &r->zones[i], out);
    return err;
}

/* ---- events ---- */

static void note_rollover(struct rollover_run *run, const struct rollover_key *key,
                          enum rollover_state from, enum rollover_state to)
{
    struct dnskey dnskey = dnskey_read(key->rdata, key->len);

    if (run->changes->cnt < ARRAY_LEN(run->changes->at))
        run->changes->at[run->changes->cnt++] =
            (struct rollover_change){from, to, dnskey.tag, dnskey.algorithm};
}

static void set_rollover_state(struct rollover_run *run, struct rollover_key *key,
                               enum rollover_state state)
{
    note_rollover(run, key, key->state, state);
    key->state = state;
    key->since_s = run->reply->now_s;
    key->held_s = 0;
}

/* Return the RDATA of a key of the reply with the REVOKE bit clear; false if it is too large to
 * be kept. */
static bool copy_plain(const struct keyset_key *key, uint8_t out[ROLLOVER_RDATA_MAX])
{
    if (key->rdata_len > ROLLOVER_RDATA_MAX)
        return false;
    memcpy(out, keyset_rdata(key), key->rdata_len);
    util_put_u16(out, (uint16_t)(key->key.flags & ~DNSKEY_REVOKE));
    return true;
}

/* Make room for a revoked key: nothing is more important.  A pending key is learned again. */
static void make_room(struct rollover_run *run)
{
    struct rollover_zone *zone = run->zone;

    for (unsigned i = 0; i < zone->cnt && zone->cnt == ROLLOVER_KEYS_MAX; i++)
        if (zone->keys[i].state == ROLLOVER_PENDING) {
            note_rollover(run, &zone->keys[i], ROLLOVER_PENDING, ROLLOVER_START);
            drop_rollover_key(zone, i);
        }
    for (unsigned i = 0; i < zone->cnt && zone->cnt == ROLLOVER_KEYS_MAX; i++)
        if (zone->keys[i].state == ROLLOVER_REMOVED &&
            !is_configured_key(run->configured, zone->keys[i].rdata, zone->keys[i].len))
            drop_rollover_key(zone, i);
}

/* Process the key at `index`, which has the REVOKE bit, if it is trusted so far (RFC 5011
 * 2.1). */
static void revoke_key(struct rollover_run *run, unsigned index, struct rules_work *work,
                       struct arena *arena)
{
    const struct sigcheck check = {.owner = run->zone->zone,
                                   .set = run->reply->keys,
                                   .keys = run->keys,
                                   .rules = run->reply->rules};
    const struct keyset_key *revoked = &run->keys->keys[index];
    uint8_t plain[ROLLOVER_RDATA_MAX];
    struct sigcheck_found found;

    if (!copy_plain(revoked, plain))
        return;
    struct rollover_key *key = rollover_find_key(run->zone, plain, revoked->rdata_len);
    bool is_trusted = key && is_trusted_state(key->state);
    if (!key || key->state == ROLLOVER_PENDING)
        is_trusted = is_configured_key(run->configured, plain, revoked->rdata_len);
    if (!is_trusted ||
        sigcheck_by_key(&check, index, work, arena, &found).status != VERDICT_SECURE)
        return;
    if (!key) {
        make_room(run);
        key = rollover_add_key(run->zone, plain, revoked->rdata_len, ROLLOVER_START,
                               run->reply->now_s);
    }
    if (key)
        set_rollover_state(run, key, ROLLOVER_REVOKED);
    else
        run->has_no_memory = true;
}

static bool has_reply_key(const struct keyset *keys, const uint8_t *rdata, size_t len)
{
    for (unsigned i = 0; i < keys->cnt; i++)
        if (is_same_rdata(keyset_rdata(&keys->keys[i]), keys->keys[i].rdata_len, rdata, len))
            return true;
    return false;
}

static bool has_revoked_form(const struct keyset *keys, const struct rollover_key *key)
{
    uint8_t revoked[ROLLOVER_RDATA_MAX];

    memcpy(revoked, key->rdata, key->len);
    util_put_u16(revoked, (uint16_t)(util_get_u16(revoked) | DNSKEY_REVOKE));
    return has_reply_key(keys, revoked, key->len);
}

static bool has_valid_key(const struct rollover_zone *zone)
{
    for (unsigned i = 0; i < zone->cnt; i++)
        if (zone->keys[i].state == ROLLOVER_VALID)
            return true;
    return false;
}

/* Apply the events of RFC 5011 4.1 to a key.  Return the next state, ROLLOVER_START to forget
 * the key. */
static enum rollover_state next_state(const struct rollover_run *run, struct rollover_key *key)
{
    bool is_present = has_reply_key(run->keys, key->rdata, key->len);

    key->held_s = (uint32_t)util_min((size_t)key->held_s + run->elapsed_s, INT32_MAX);
    switch (key->state) {
    case ROLLOVER_PENDING:
        if (!is_present)
            return ROLLOVER_START;                                             /* KeyRem */
        return key->held_s >= key->hold_s ? ROLLOVER_VALID : ROLLOVER_PENDING; /* AddTime */
    case ROLLOVER_VALID:
        key->held_s = 0;
        return is_present ? ROLLOVER_VALID : ROLLOVER_MISSING;                    /* KeyRem */
    case ROLLOVER_MISSING: return is_present ? ROLLOVER_VALID : ROLLOVER_MISSING; /* KeyPres */
    case ROLLOVER_REVOKED:
        if (is_present || has_revoked_form(run->keys, key))
            key->held_s = 0;
        return key->held_s >= ROLLOVER_HOLD_S ? ROLLOVER_REMOVED
                                              : ROLLOVER_REVOKED; /* RemTime */
    case ROLLOVER_START:
    case ROLLOVER_REMOVED: break;
    }
    return key->state;
}

static void update_known_keys(struct rollover_run *run)
{
    struct rollover_zone *zone = run->zone;

    for (unsigned i = 0; i < zone->cnt;) {
        struct rollover_key *key = &zone->keys[i];
        enum rollover_state state = next_state(run, key);
        if (state == ROLLOVER_START) {
            note_rollover(run, key, key->state, state);
            drop_rollover_key(zone, i);
            continue;
        }
        if (state != key->state)
            set_rollover_state(run, key, state);
        i++;
    }
}

/* Forget keys that have been missing for long, unless no other key is valid.  RFC 5011 has no
 * such event; but a key that its owner no longer uses need not be trusted for ever. */
static void forget_missing_keys(struct rollover_run *run)
{
    struct rollover_zone *zone = run->zone;

    for (unsigned i = 0; i < zone->cnt && has_valid_key(zone);) {
        struct rollover_key *key = &zone->keys[i];
        if (key->state == ROLLOVER_MISSING && key->held_s > ROLLOVER_MISSING_MAX_S) {
            note_rollover(run, key, ROLLOVER_MISSING, ROLLOVER_START);
            drop_rollover_key(zone, i);
        } else {
            i++;
        }
    }
}

/* Add the keys of the reply that are new.  A configured key is trusted at once; any other one
 * must be a secure entry point whose algorithm is supported. */
static void add_new_keys(struct rollover_run *run)
{
    for (unsigned i = 0; i < run->keys->cnt; i++) {
        const struct keyset_key *key = &run->keys->keys[i];
        const uint8_t *rdata = keyset_rdata(key);
        if (keyset_fault(&key->key) != VERDICT_NONE || key->rdata_len > ROLLOVER_RDATA_MAX ||
            !rules_has_algorithm(run->reply->rules, key->key.algorithm))
            continue;
        struct rollover_key *known = rollover_find_key(run->zone, rdata, key->rdata_len);
        bool is_waiting = known && known->state == ROLLOVER_PENDING;
        if ((known && !is_waiting) || !(key->key.flags & DNSKEY_ENTRY))
            continue;
        bool is_configured = is_configured_key(run->configured, rdata, key->rdata_len);
        if (is_waiting) {
            if (is_configured)
                set_rollover_state(run, known, ROLLOVER_VALID);
            continue;
        }
        enum rollover_state state = is_configured ? ROLLOVER_VALID : ROLLOVER_PENDING;
        known = rollover_add_key(run->zone, rdata, key->rdata_len, state, run->reply->now_s);
        if (!known)
            continue; /* the next reply is another chance */
        known->hold_s = (uint32_t)util_max(ROLLOVER_HOLD_S, run->original_ttl);
        note_rollover(run, known, ROLLOVER_START, state);
    }
}

/* ---- times ---- */

/* Return the time since the newest reply, as far as it has not passed before. */
static uint32_t count_elapsed(struct rollover_zone *zone, int64_t now_s)
{
    int64_t passed_s = zone->newest_s ? now_s - zone->newest_s : 0;

    if (passed_s < -CLOCK_RESET_S) /* hold-downs begin again */
        for (unsigned i = 0; i < zone->cnt; i++)
            zone->keys[i].held_s = 0;
    if (passed_s > 0 || passed_s < -CLOCK_RESET_S || zone->newest_s == 0)
        zone->newest_s = now_s;
    return passed_s > 0 ? (uint32_t)util_min((size_t)passed_s, INT32_MAX) : 0;
}

static uint32_t clamp_interval(size_t seconds, size_t max_s)
{
    return (uint32_t)util_max(ROLLOVER_INTERVAL_MIN_S, util_min(seconds, max_s));
}

/* Set the times of the next queries (RFC 5011 2.3). */
static void set_rollover_times(struct rollover_run *run, const struct sigcheck_found *found)
{
    int32_t left_s = (int32_t)(found->expiration - (uint32_t)run->reply->now_s);
    size_t base_s = util_min(run->original_ttl, left_s > 0 ? (size_t)left_s : 0);

    run->zone->retry_s = clamp_interval(base_s / 10, ROLLOVER_RETRY_MAX_S);
    run->zone->next_s = run->reply->now_s + clamp_interval(base_s / 2, ROLLOVER_INTERVAL_MAX_S);
}

void rollover_fail(struct rollover_zone *zone, int64_t now_s)
{
    zone->next_s = now_s + zone->retry_s;
}

struct rollover_zone *rollover_find_due(const struct rollover *r, int64_t now_s, int64_t *due_s)
{
    struct rollover_zone *first = NULL;

    for (size_t i = 0; i < r->cnt; i++) {
        struct rollover_zone *zone = &r->zones[i];
        if (zone->next_s > now_s + ROLLOVER_INTERVAL_MAX_S)
            zone->next_s = 0; /* the clock was wrong when this was set */
        if (!first || zone->next_s < first->next_s)
            first = zone;
    }
    if (first)
        *due_s = first->next_s > now_s ? first->next_s : now_s;
    return first;
}

/* ---- a reply ---- */

/* Return the original TTL of the signature that was accepted. */
static uint32_t find_original_ttl(const struct rrset *keys, const struct sigcheck_found *found)
{
    const struct rrset *sigs = rrset_signatures(keys);

    for (size_t pos = 0; sigs && pos < sigs->size;) {
        struct rrset_record record = rrset_at(sigs, pos, &pos);
        struct rrsig sig = rrsig_read(record.rdata, record.len);
        if (sig.tag == found->tag && sig.algorithm == found->algorithm &&
            sig.expiration == found->expiration)
            return (uint32_t)util_min(sig.original_ttl, INT32_MAX);
    }
    return keys->ttl;
}

/* Verify the DNSKEY RRset with the keys that are trusted. */
static struct verdict verify_reply(struct rollover_run *run, struct rules_work *work,
                                   struct arena *arena, struct sigcheck_found *found)
{
    struct anchor_set trusted = {.cnt = 0};
    struct verdict v = {.status = VERDICT_UNKNOWN,
                        .reason = VERDICT_MEMORY,
                        .zone = run->zone->zone,
                        .name = run->zone->zone,
                        .type = RRTYPE_DNSKEY};
    struct keyset *keys = NULL;

    if (run->has_no_memory || fill_zone(run->configured, run->zone, &trusted) != ERR_OK) {
        anchor_fini(&trusted);
        return v;
    }
    struct trust trust = {.zone = run->zone->zone,
                          .ds = trusted.cnt ? trusted.anchors[0].ds : NULL,
                          .anchor_keys = trusted.cnt ? trusted.anchors[0].keys : NULL,
                          .keys = run->reply->keys,
                          .rules = run->reply->rules};
    v = trust_make_keys(&trust, work, arena, &keys, found);
    keyset_free(&keys);
    anchor_fini(&trusted);
    return v;
}

static struct verdict process_keys(struct rollover_run *run, struct rules_work *work,
                                   struct arena *arena)
{
    struct sigcheck_found found = {.ttl = 0};

    for (unsigned i = 0; i < run->keys->cnt; i++)
        if (run->keys->keys[i].key.flags & DNSKEY_REVOKE)
            revoke_key(run, i, work, arena);
    struct verdict v = verify_reply(run, work, arena, &found);
    if (v.status != VERDICT_SECURE || run->reply->rules->skips_time) {
        rollover_fail(run->zone, run->reply->now_s);
        if (v.status == VERDICT_INSECURE) /* only the operator can change that */
            run->zone->next_s = run->reply->now_s + ROLLOVER_INTERVAL_MAX_S;
        return v;
    }
    run->elapsed_s = count_elapsed(run->zone, run->reply->now_s);
    run->original_ttl = find_original_ttl(run->reply->keys, &found);
    update_known_keys(run);
    forget_missing_keys(run);
    add_new_keys(run);
    set_rollover_times(run, &found);
    return v;
}

struct verdict rollover_take(struct rollover *r, struct rollover_zone *zone,
                             const struct rollover_reply *reply, struct rules_work *work,
                             struct arena *arena, struct rollover_changes *changes)
{
    struct rollover_run run = {.reply = reply,
                               .configured = &r->configured.anchors[zone - r->zones],
                               .zone = zone,
                               .changes = changes};
    struct verdict v = {.status = VERDICT_UNKNOWN,
                        .reason = VERDICT_MEMORY,
                        .zone = zone->zone,
                        .name = zone->zone,
                        .type = RRTYPE_DNSKEY};

    changes->cnt = 0;
    enum err err = keyset_new(zone->zone, reply->keys, &run.keys);
    if (err) {
        if (err == ERR_LIMIT) {
            v.status = VERDICT_BOGUS;
            v.reason = VERDICT_TOO_MANY_KEYS;
        }
        rollover_fail(zone, reply->now_s);
        return v;
    }
    v = process_keys(&run, work, arena);
    keyset_free(&run.keys);
    return v;
}
