/* A key is loaded once for the whole zone. */
#include "authd/check/check_sigs.h"

#include "base/now.h"
#include "dns/dname_text.h"
#include "dns/rrsig.h"

/* One RRset costs a bounded number of verifications, whatever keys share a tag
 * (CVE-2023-50387). */
enum { KEYS_MAX = 64, SET_MAX = 65535, SIGNATURES_MAX = 16, TRIES_MAX = 4 };

struct key {
    struct dnskey key;
    struct evp_pkey_st *loaded; /* NULL: cannot be used, or need not be */
};

/* What is wrong with a signature. */
enum fault {
    FAULT_NONE,
    FAULT_SIGNER,
    FAULT_LABELS,
    FAULT_TTL,
    FAULT_EXPIRED,
    FAULT_EARLY,
    FAULT_NO_KEY,
    FAULT_WRONG, /* by arithmetic */
};

/* Lifetime: check_sigs. */
struct checking {
    struct zonebuild *build;
    uint32_t now_s;
    bool verifies;
    struct key keys[KEYS_MAX];
    unsigned key_cnt;
    struct rrsig_rdata *set; /* the RRset at hand, for the arithmetic */
    size_t untimely;         /* signatures that are expired, or not valid yet */
};

static void load_key(struct checking *k, size_t i, struct key *key)
{
    if (!k->verifies)
        return;
    enum err err = dnskey_load(&key->key, &key->loaded);
    if (err == ERR_DENIED)
        zonebuild_report(k->build, DIAG_WARNING, i,
                         "signatures of algorithm %u cannot be verified here",
                         key->key.algorithm);
    else if (err)
        zonebuild_report(k->build, k->build->signing, i, "this is no key of algorithm %u",
                         key->key.algorithm);
}

static void find_keys(struct checking *k)
{
    const struct zonebuild *build = k->build;

    for (size_t i = 0; i < build->cnt; i++) {
        const struct zonebuild_record *r = &build->records[i];
        if (!dname_is_equal(r->owner->name, build->origin))
            break; /* the apex comes first */
        if (r->type != RRTYPE_DNSKEY)
            continue;
        struct dnskey key = dnskey_read(r->rdata, r->len);
        if (key.protocol != DNSKEY_PROTOCOL)
            zonebuild_report(k->build, k->build->signing, i, "a DNSKEY of protocol %u, not %d",
                             key.protocol, DNSKEY_PROTOCOL);
        if (!(key.flags & DNSKEY_ZONE) || key.protocol != DNSKEY_PROTOCOL)
            continue;
        if (k->key_cnt == KEYS_MAX) {
            zonebuild_report(k->build, DIAG_WARNING, i,
                             "more than %d keys; the rest is not used", KEYS_MAX);
            return;
        }
        k->keys[k->key_cnt] = (struct key){.key = key};
        load_key(k, i, &k->keys[k->key_cnt++]);
    }
}

/* What is said about one RRset. */
struct subject {
    size_t from, to;         /* its records */
    size_t sig_from, sig_to; /* its signatures */
    char text[DNAME_TEXT_MAX + RRTYPE_NAME_MAX + 2];
};

static bool verify(struct checking *k, const struct subject *s, const struct rrsig *sig,
                   struct evp_pkey_st *key)
{
    const struct zonebuild *build = k->build;

    for (size_t i = s->from; i < s->to; i++)
        k->set[i - s->from] =
            (struct rrsig_rdata){build->records[i].rdata, build->records[i].len};
    return rrsig_verify(sig, key, build->records[s->from].owner->name, k->set,
                        s->to - s->from) == ERR_OK;
}

static enum fault judge_fields(const struct checking *k, const struct subject *s, size_t i,
                               const struct rrsig *sig)
{
    const struct zonebuild *build = k->build;

    if (!dname_is_equal(sig->signer, build->origin))
        return FAULT_SIGNER;
    if (sig->labels != rrsig_count_labels(build->records[i].owner->name))
        return FAULT_LABELS;
    if (sig->original_ttl != build->records[s->from].ttl)
        return FAULT_TTL;
    switch (rrsig_check_time(sig, k->now_s)) {
    case RRSIG_EXPIRED: return FAULT_EXPIRED;
    case RRSIG_EARLY: return FAULT_EARLY;
    default: return FAULT_NONE;
    }
}

/* The signature that is record `i`. */
static enum fault judge(struct checking *k, const struct subject *s, size_t i)
{
    const struct zonebuild_record *r = &k->build->records[i];
    struct rrsig sig = rrsig_read(r->rdata, r->len);
    enum fault fault = FAULT_NO_KEY;
    unsigned tries = 0;

    for (unsigned n = 0; n < k->key_cnt && tries < TRIES_MAX && fault != FAULT_NONE; n++) {
        struct key *key = &k->keys[n];
        if (key->key.tag != sig.tag || key->key.algorithm != sig.algorithm)
            continue;
        tries++;
        fault = judge_fields(k, s, i, &sig);
        if (fault == FAULT_NONE && key->loaded && !verify(k, s, &sig, key->loaded))
            fault = FAULT_WRONG;
    }
    return fault;
}

/* Of a zone that nobody signs any more all signatures are out of time: the first is shown, the
 * others are counted. */
static void tell_time(struct checking *k, enum diag_level level, const struct subject *s,
                      size_t i, const struct rrsig *sig, bool is_expired)
{
    char time[NOW_TEXT_MAX];

    if (k->untimely++ > 0)
        return;
    now_print((int64_t)(is_expired ? sig->expiration : sig->inception) * 1000, time);
    zonebuild_report(k->build, level, i, "the signature of %s %s on %.10s", s->text,
                     is_expired ? "expired" : "begins", time);
}

static void tell(struct checking *k, enum diag_level level, const struct subject *s, size_t i,
                 enum fault fault)
{
    struct zonebuild *build = k->build;
    const struct zonebuild_record *r = &build->records[i];
    struct rrsig sig = rrsig_read(r->rdata, r->len);

    switch (fault) {
    case FAULT_NONE: break;
    case FAULT_SIGNER: zonebuild_report(build, level, i, "the signer is not the zone"); break;
    case FAULT_LABELS:
        zonebuild_report(build, level, i, "the signature says %u labels, the name has %u",
                         sig.labels, rrsig_count_labels(r->owner->name));
        break;
    case FAULT_TTL:
        zonebuild_report(build, level, i, "the signature is for a TTL of %u, %s has %u",
                         sig.original_ttl, s->text, build->records[s->from].ttl);
        break;
    case FAULT_EXPIRED:
    case FAULT_EARLY: tell_time(k, level, s, i, &sig, fault == FAULT_EXPIRED); break;
    case FAULT_NO_KEY:
        zonebuild_report(build, DIAG_WARNING, i,
                         "signed by a key (tag %u, algorithm %u) that the zone does not have",
                         sig.tag, sig.algorithm);
        break;
    case FAULT_WRONG:
        zonebuild_report(build, level, i, "the signature of %s is wrong", s->text);
        break;
    }
}

/* By algorithm: a good signature is there, or at least one of a key of the zone. */
struct tally {
    bool is_good[256], is_there[256];
};

/* RFC 4035 2.2: each algorithm of the zone's keys signs each RRset. */
static void check_algorithms(struct checking *k, const struct subject *s,
                             const struct tally *tally)
{
    bool is_done[256] = {false};

    for (unsigned n = 0; n < k->key_cnt; n++) {
        uint8_t algorithm = k->keys[n].key.algorithm;
        bool is_revoked = k->keys[n].key.flags & DNSKEY_REVOKE;
        if (!is_revoked && !is_done[algorithm] && !tally->is_there[algorithm])
            zonebuild_report(k->build, k->build->signing, s->from,
                             "%s is not signed with algorithm %u, of which the zone has a key",
                             s->text, algorithm);
        is_done[algorithm] |= !is_revoked;
    }
}

static void check_set(struct checking *k, struct subject *s)
{
    char owner[DNAME_TEXT_MAX], type[RRTYPE_NAME_MAX];
    struct zonebuild *build = k->build;
    enum fault faults[SIGNATURES_MAX];
    struct tally tally = {.is_good = {false}};

    dname_text_print(build->records[s->from].owner->name, owner);
    rrtype_print(build->records[s->from].type, type);
    snprintf(s->text, sizeof(s->text), "%s %s", owner, type);
    if (s->sig_from == s->sig_to) {
        zonebuild_report(build, build->signing, s->from, "%s is not signed", s->text);
        return;
    }
    if (s->sig_to - s->sig_from > SIGNATURES_MAX) {
        zonebuild_report(build, DIAG_WARNING, s->sig_from,
                         "more than %d signatures; the rest is not looked at", SIGNATURES_MAX);
        s->sig_to = s->sig_from + SIGNATURES_MAX;
    }
    for (size_t i = s->sig_from; i < s->sig_to; i++) {
        enum fault fault = judge(k, s, i);
        uint8_t algorithm = build->records[i].rdata[2];
        faults[i - s->sig_from] = fault;
        tally.is_good[algorithm] |= fault == FAULT_NONE;
        tally.is_there[algorithm] |= fault != FAULT_NO_KEY;
    }
    /* a validator wants one good signature: what stands beside it does no harm */
    for (size_t i = s->sig_from; i < s->sig_to; i++)
        tell(k, tally.is_good[build->records[i].rdata[2]] ? DIAG_WARNING : build->signing, s, i,
             faults[i - s->sig_from]);
    check_algorithms(k, s, &tally);
}

/* Whether the RRset is the zone's own, so that it has to be signed. */
static bool wants_signature(const struct zonebuild_walk *w, const struct zonebuild_record *r)
{
    if (r->type == RRTYPE_RRSIG || w->view == ZONEBUILD_BELOW)
        return false;
    return w->view != ZONEBUILD_CUT || r->type == RRTYPE_DS || r->type == RRTYPE_NSEC;
}

static void check_owner(struct checking *k, const struct zonebuild_walk *w)
{
    struct zonebuild *build = k->build;

    for (size_t i = w->from; i < w->to; i = zonebuild_rrset_end(build, i)) {
        const struct zonebuild_record *r = &build->records[i];
        uint16_t covered = zonebuild_covered(r);
        struct subject s = {.from = i, .to = zonebuild_rrset_end(build, i)};
        if (r->type == RRTYPE_RRSIG) {
            if (covered == RRTYPE_RRSIG ||
                zonebuild_find_type(build, w->from, covered) == build->cnt)
                zonebuild_report(build, DIAG_WARNING, i,
                                 "a signature of what the name has not");
            continue;
        }
        s.sig_from = s.sig_to = zonebuild_find_signatures(build, w->from, r->type);
        if (s.sig_from < build->cnt)
            s.sig_to = zonebuild_rrset_end(build, s.sig_from);
        if (wants_signature(w, r))
            check_set(k, &s);
        else if (s.sig_from < s.sig_to)
            zonebuild_report(build, DIAG_WARNING, s.sig_from,
                             "a signature of what belongs to the child zone");
    }
}

enum err check_sigs(struct zonebuild *build, uint32_t now_s, bool verifies)
{
    struct zonebuild_walk w = {.build = build};
    struct diag_place whole = {.file = build->file_cnt ? build->files[0].path : NULL};
    struct checking *k = calloc(1, sizeof(*k));

    if (!k)
        return ERR_NOMEM;
    k->set = malloc(SET_MAX * sizeof(*k->set));
    if (!k->set) {
        free(k);
        return ERR_NOMEM;
    }
    k->build = build;
    k->now_s = now_s;
    k->verifies = verifies;
    find_keys(k);
    if (k->key_cnt == 0)
        diag_add(build->diag, build->signing, &whole,
                 "the zone has signatures and no DNSKEY that signs zones");
    while (k->key_cnt > 0 && zonebuild_next(&w))
        check_owner(k, &w);
    if (k->untimely > 1)
        diag_add(build->diag, build->signing, &whole, "%zu more signatures are not in time",
                 k->untimely - 1);
    for (unsigned n = 0; n < k->key_cnt; n++)
        dnskey_unload(&k->keys[n].loaded);
    free(k->set);
    free(k);
    return ERR_OK;
}
