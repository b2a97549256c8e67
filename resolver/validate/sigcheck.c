/* A signature costs its arithmetic only after all cheap checks, and a set of signatures or keys
 * that share a tag has a bound on tries (CVE-2023-50387), besides the allowance of the query.
 */
#include "resolver/validate/sigcheck.h"

#include <limits.h>

#include "dns/rrsig.h"

enum { RECORDS_ON_STACK = 32, ANY_KEY = -1 };

/* Lifetime: one check. */
struct sigcheck_run {
    const struct sigcheck *in;
    struct rules_work *work;
    struct arena *arena;
    int only_key; /* index of the one key that counts; ANY_KEY */
    unsigned owner_labels, zone_labels;
    struct rrsig_rdata on_stack[RECORDS_ON_STACK];
    struct rrsig_rdata *records; /* NULL: not listed yet */
    struct verdict worst;        /* the fault nearest to success so far */
};

/* Remember the fault if it is nearer to success than those before.  Returns false for brevity.
 */
static bool note_signature_fault(struct sigcheck_run *run, enum verdict_reason reason,
                                 const struct rrsig *sig)
{
    if (reason > run->worst.reason) {
        run->worst.reason = reason;
        run->worst.tag = sig->tag;
        run->worst.algorithm = sig->algorithm;
        run->worst.signer = sig->signer;
        run->worst.inception_s = sig->inception;
        run->worst.expiration_s = sig->expiration;
    }
    return false;
}

/* Stop: memory or the allowance of work ran out. */
static void end_sigcheck(struct sigcheck_run *run, enum verdict_reason reason)
{
    run->worst.status = VERDICT_UNKNOWN;
    run->worst.reason = reason;
}

/* RFC 4592 4 and RFC 4035 2.3: no wildcard stands for these, and an NSEC that was expanded from
 * one would deny whatever its owner is said to be.  What a DNAME of a wildcard means is not
 * defined (RFC 4592 4.4). */
static bool may_be_wildcard(uint16_t type, bool is_answer)
{
    switch (type) {
    case RRTYPE_NSEC: return is_answer;
    case RRTYPE_NSEC3:
    case RRTYPE_DS:
    case RRTYPE_DNSKEY:
    case RRTYPE_DNAME:
    case RRTYPE_SOA: return false;
    default: return true;
    }
}

/* RFC 4035 5.3.1.  The labels of the signer are the least (CVE-2026-44690): a wildcard above
 * the zone would stand for names of other zones. */
static bool check_signature_labels(struct sigcheck_run *run, const struct rrsig *sig)
{
    if (sig->labels > run->owner_labels || sig->labels < run->zone_labels)
        return note_signature_fault(run, VERDICT_SIGNATURE_LABELS, sig);
    if (sig->labels < run->owner_labels &&
        !may_be_wildcard(run->in->set->type, run->in->is_answer))
        return note_signature_fault(run, VERDICT_WILDCARD, sig);
    return true;
}

/* RFC 4034 3.1.5: serial numbers.  With the skew of both clocks in its favour. */
static bool check_signature_time(struct sigcheck_run *run, const struct rrsig *sig)
{
    const struct rules *rules = run->in->rules;

    if ((int32_t)(sig->expiration - sig->inception) < 0)
        return note_signature_fault(run, VERDICT_EXPIRED_BEFORE_VALID, sig);
    if (rules->skips_time)
        return true;
    if ((int32_t)(sig->expiration + rules->skew_s - rules->now_s) < 0)
        return note_signature_fault(run, VERDICT_EXPIRED, sig);
    if ((int32_t)(rules->now_s - (sig->inception - rules->skew_s)) < 0)
        return note_signature_fault(run, VERDICT_EARLY, sig);
    return true;
}

static bool is_key_of(const struct keyset_key *key, const struct rrsig *sig)
{
    return key->key.tag == sig->tag && key->key.algorithm == sig->algorithm;
}

/* Return true if at least one key may have made the signature; else the reason is noted. */
static bool has_key_for(struct sigcheck_run *run, const struct rrsig *sig)
{
    const struct keyset *keys = run->in->keys;
    enum verdict_reason reason = VERDICT_NO_KEY;

    if (run->only_key != ANY_KEY)
        return is_key_of(&keys->keys[run->only_key], sig) ||
               note_signature_fault(run, reason, sig);
    for (unsigned i = 0; i < keys->cnt; i++) {
        if (!is_key_of(&keys->keys[i], sig))
            continue;
        if (keys->keys[i].is_trusted)
            return true;
        enum verdict_reason fault = keyset_fault(&keys->keys[i].key);
        if (fault > reason)
            reason = fault;
    }
    return note_signature_fault(run, reason, sig);
}

/* Everything that costs no arithmetic. */
static bool check_signature_fields(struct sigcheck_run *run, const struct rrsig *sig)
{
    if (sig->covered != run->in->set->type)
        return false;
    if (!dname_is_equal(sig->signer, run->in->keys->zone))
        return note_signature_fault(run, VERDICT_FOREIGN_SIGNER, sig);
    if (!rules_has_algorithm(run->in->rules, sig->algorithm))
        return note_signature_fault(run, VERDICT_SIGNATURE_ALGORITHM, sig);
    return check_signature_labels(run, sig) && has_key_for(run, sig) &&
           check_signature_time(run, sig);
}

/* List the records as rrsig_verify wants them: once for all signatures. */
static bool list_signed_records(struct sigcheck_run *run)
{
    const struct rrset *set = run->in->set;
    size_t cnt = 0;

    if (run->records)
        return true;
    run->records = run->on_stack;
    if (set->cnt > RECORDS_ON_STACK)
        run->records = arena_alloc(run->arena, set->cnt * sizeof(*run->records));
    for (size_t pos = 0; run->records && pos < set->size;) {
        struct rrset_record record = rrset_at(set, pos, &pos);
        run->records[cnt++] = (struct rrsig_rdata){record.rdata, record.len};
    }
    return run->records;
}

/* What became of one signature. */
enum sigcheck_step { STEP_GOOD, STEP_WRONG, STEP_END };

/* Verify by arithmetic. */
static enum sigcheck_step verify_with_key(struct sigcheck_run *run, const struct rrsig *sig,
                                          struct keyset_key *key)
{
    struct evp_pkey_st *loaded = NULL;
    enum err err = ERR_OK;

    if (!list_signed_records(run))
        err = ERR_NOMEM;
    else if (!rules_spend_verification(run->work, sig->algorithm)) {
        end_sigcheck(run, VERDICT_WORK);
        return STEP_END;
    } else
        err = keyset_load(key, &loaded);
    bool is_broken = err == ERR_FORMAT;
    if (!err)
        err = rrsig_verify(sig, loaded, run->in->owner, run->records, run->in->set->cnt);
    if (err == ERR_NOMEM) {
        end_sigcheck(run, VERDICT_MEMORY);
        return STEP_END;
    }
    if (!err)
        return STEP_GOOD;
    rules_count_failure(run->work);
    note_signature_fault(run, is_broken ? VERDICT_BROKEN_KEY : VERDICT_WRONG_SIGNATURE, sig);
    return STEP_WRONG;
}

/* Verify, unless this signature was verified before. */
static enum sigcheck_step verify_once(struct sigcheck_run *run, const struct rrsig *sig,
                                      const struct rrset_record *record, struct keyset_key *key)
{
    struct sigmemo *memo = run->in->memo;
    struct sigmemo_mark mark;
    bool has_mark = memo && sigmemo_mark(run->in->owner, run->in->set, record, key, &mark);

    if (has_mark && sigmemo_has(memo, &mark))
        return STEP_GOOD;
    enum sigcheck_step step = verify_with_key(run, sig, key);
    if (has_mark && step == STEP_GOOD)
        sigmemo_add(memo, &mark);
    return step;
}

/* RFC 4035 5.3.1: keys may share a tag, so each is tried, up to KEYSET_TRIES_MAX. */
static enum sigcheck_step verify_by_tag(struct sigcheck_run *run, const struct rrsig *sig,
                                        const struct rrset_record *record)
{
    struct keyset *keys = run->in->keys;
    enum sigcheck_step step = STEP_WRONG;
    const unsigned most = run->in->rules->tries_all ? KEYSET_MAX : KEYSET_TRIES_MAX;
    unsigned tries = 0;

    for (unsigned i = 0; i < keys->cnt && tries < most && step == STEP_WRONG; i++) {
        struct keyset_key *key = &keys->keys[i];
        bool counts = run->only_key == ANY_KEY ? key->is_trusted : run->only_key == (int)i;
        if (!counts || !is_key_of(key, sig))
            continue;
        tries++;
        step = verify_once(run, sig, record, key);
    }
    return step;
}

static uint32_t cap_signed_ttl(const struct sigcheck *in, const struct rrsig *sig)
{
    const struct rrset *sigs = rrset_signatures(in->set);
    size_t ttl = util_min(util_min(in->set->ttl, sigs->ttl), sig->original_ttl);
    int32_t left_s = (int32_t)(sig->expiration - in->rules->now_s);

    if (!in->rules->skips_time)
        ttl = util_min(ttl, left_s > 0 ? (size_t)left_s : 0);
    return (uint32_t)ttl;
}

static struct sigcheck_found describe_signature(const struct sigcheck_run *run,
                                                const struct rrsig *sig)
{
    return (struct sigcheck_found){.ttl = cap_signed_ttl(run->in, sig),
                                   .tag = sig->tag,
                                   .algorithm = sig->algorithm,
                                   .inception = sig->inception,
                                   .expiration = sig->expiration,
                                   .is_wildcard = sig->labels < run->owner_labels,
                                   .encloser_labels = sig->labels};
}

/* Try the signatures in their order; true if one holds. */
static bool try_signatures(struct sigcheck_run *run, struct sigcheck_found *found)
{
    const struct rrset *sigs = rrset_signatures(run->in->set);
    const unsigned most = run->in->rules->tries_all ? UINT_MAX : SIGCHECK_SIGNATURES_MAX;
    unsigned tried = 0;

    for (size_t pos = 0; sigs && pos < sigs->size && tried < most;) {
        struct rrset_record record = rrset_at(sigs, pos, &pos);
        struct rrsig sig = rrsig_read(record.rdata, record.len);
        if (!check_signature_fields(run, &sig))
            continue;
        tried++;
        enum sigcheck_step step = verify_by_tag(run, &sig, &record);
        if (step == STEP_GOOD)
            *found = describe_signature(run, &sig);
        if (step != STEP_WRONG)
            return step == STEP_GOOD;
    }
    return false;
}

static struct verdict check_signatures(const struct sigcheck *in, int only_key,
                                       struct rules_work *work, struct arena *arena,
                                       struct sigcheck_found *found)
{
    struct sigcheck_run run = {.in = in,
                               .work = work,
                               .arena = arena,
                               .only_key = only_key,
                               .owner_labels = rrsig_count_labels(in->owner),
                               .zone_labels = dname_labels(in->keys->zone),
                               .worst = {.status = VERDICT_BOGUS,
                                         .reason = VERDICT_UNSIGNED,
                                         .zone = in->keys->zone,
                                         .name = in->owner,
                                         .type = in->set->type}};

    if (!dname_is_under(in->owner, in->keys->zone)) {
        run.worst.reason = VERDICT_FOREIGN_SIGNER;
        return run.worst;
    }
    /* RFC 4035 5.2: the DS of a zone is its parent's */
    if (in->set->type == RRTYPE_DS && dname_is_equal(in->owner, in->keys->zone)) {
        run.worst.reason = VERDICT_DS_AT_APEX;
        return run.worst;
    }
    if (try_signatures(&run, found)) {
        run.worst.status = VERDICT_SECURE;
        run.worst.reason = VERDICT_NONE;
        run.worst.tag = found->tag;
        run.worst.algorithm = found->algorithm;
        run.worst.inception_s = found->inception;
        run.worst.expiration_s = found->expiration;
    }
    return run.worst;
}

struct verdict sigcheck_rrset(const struct sigcheck *in, struct rules_work *work,
                              struct arena *arena, struct sigcheck_found *found)
{
    return check_signatures(in, ANY_KEY, work, arena, found);
}

struct verdict sigcheck_by_key(const struct sigcheck *in, unsigned index,
                               struct rules_work *work, struct arena *arena,
                               struct sigcheck_found *found)
{
    return check_signatures(in, (int)index, work, arena, found);
}
