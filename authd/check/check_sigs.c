/* Each key is loaded once per zone, not once per signature. */
#include "authd/check/check_sigs.h"

#include "base/now.h"
#include "dns/dname_text.h"
#include "dns/rrsig.h"

/* The limits bound the verifications per RRset, even if many keys share a tag
 * (CVE-2023-50387). */
enum { KEYS_MAX = 64, SET_MAX = 65535, SIGNATURES_MAX = 16, TRIES_MAX = 4 };

struct key {
    struct dnskey key;
    struct evp_pkey_st *loaded; /* NULL: not verifying, or the key is unusable */
};

/* The result of checking a signature. */
enum flaw {
    FLAW_NONE,
    FLAW_SIGNER,
    FLAW_LABELS,
    FLAW_TTL,
    FLAW_EXPIRED,
    FLAW_EARLY,
    FLAW_NO_KEY,
    FLAW_WRONG, /* verification failed */
};

/* Lifetime: check_sigs. */
struct checking {
    struct zonebuild *build;
    uint32_t now_s;
    bool verifies;
    struct key keys[KEYS_MAX];
    unsigned key_cnt;
    struct rrsig_rdata *set; /* RDATA of the current RRset, for rrsig_verify */
    size_t untimely_cnt;     /* signatures that have expired or are not valid yet */
};

static void load_zone_key(struct checking *k, size_t i, struct key *key)
{
    if (!k->verifies)
        return;
    enum err err = dnskey_load(&key->key, &key->loaded);
    if (err == ERR_DENIED)
        zonebuild_report(k->build, DIAG_WARNING, i,
                         "algorithm %u is not supported: its signatures are not verified",
                         key->key.algorithm);
    else if (err)
        zonebuild_report(k->build, k->build->dnssec_level, i,
                         "this is not a valid key of algorithm %u", key->key.algorithm);
}

static void find_zone_keys(struct checking *k)
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
            zonebuild_report(k->build, k->build->dnssec_level, i,
                             "the protocol of this DNSKEY is %u, but must be %d", key.protocol,
                             DNSKEY_PROTOCOL);
        if (!dnskey_is_zone_key(&key))
            continue;
        if (k->key_cnt == KEYS_MAX) {
            zonebuild_report(k->build, DIAG_WARNING, i,
                             "more than %d zone keys: the others are ignored", KEYS_MAX);
            return;
        }
        k->keys[k->key_cnt] = (struct key){.key = key};
        load_zone_key(k, i, &k->keys[k->key_cnt++]);
    }
}

/* An RRset to check. */
struct subject {
    size_t from, to;         /* its records are from..to - 1 */
    size_t sig_from, sig_to; /* its signatures are sig_from..sig_to - 1 */
    char text[DNAME_TEXT_MAX + RRTYPE_NAME_MAX + 2];
};

static bool verify_signature(struct checking *k, const struct subject *s,
                             const struct rrsig *sig, struct evp_pkey_st *key)
{
    const struct zonebuild *build = k->build;

    for (size_t i = s->from; i < s->to; i++)
        k->set[i - s->from] =
            (struct rrsig_rdata){build->records[i].rdata, build->records[i].len};
    return rrsig_verify(sig, key, build->records[s->from].owner->name, k->set,
                        s->to - s->from) == ERR_OK;
}

static enum flaw judge_signature_fields(const struct checking *k, const struct subject *s,
                                        size_t i, const struct rrsig *sig)
{
    const struct zonebuild *build = k->build;

    if (!dname_is_equal(sig->signer, build->origin))
        return FLAW_SIGNER;
    if (sig->labels != rrsig_count_labels(build->records[i].owner->name))
        return FLAW_LABELS;
    if (sig->original_ttl != build->records[s->from].ttl)
        return FLAW_TTL;
    switch (rrsig_check_time(sig, k->now_s)) {
    case RRSIG_EXPIRED: return FLAW_EXPIRED;
    case RRSIG_EARLY: return FLAW_EARLY;
    default: return FLAW_NONE;
    }
}

/* Check the signature in record `i` against the keys with its tag and algorithm. */
static enum flaw judge_signature(struct checking *k, const struct subject *s, size_t i)
{
    const struct zonebuild_record *r = &k->build->records[i];
    struct rrsig sig = rrsig_read(r->rdata, r->len);
    enum flaw flaw = FLAW_NO_KEY;
    unsigned tries = 0;

    for (unsigned n = 0; n < k->key_cnt && tries < TRIES_MAX && flaw != FLAW_NONE; n++) {
        struct key *key = &k->keys[n];
        if (key->key.tag != sig.tag || key->key.algorithm != sig.algorithm)
            continue;
        tries++;
        flaw = judge_signature_fields(k, s, i, &sig);
        if (flaw == FLAW_NONE && key->loaded && !verify_signature(k, s, &sig, key->loaded))
            flaw = FLAW_WRONG;
    }
    return flaw;
}

/* If re-signing has stopped, all signatures of a zone expire: report the first and count the
 * others. */
static void report_signature_time(struct checking *k, enum diag_level level,
                                  const struct subject *s, size_t i, const struct rrsig *sig,
                                  bool is_expired)
{
    char time[NOW_TEXT_MAX];

    if (k->untimely_cnt++ > 0)
        return;
    now_print((int64_t)(is_expired ? sig->expiration : sig->inception) * 1000, time);
    zonebuild_report(k->build, level, i, "the signature of %s %s %.10s", s->text,
                     is_expired ? "expired on" : "is not valid before", time);
}

static void report_signature(struct checking *k, enum diag_level level, const struct subject *s,
                             size_t i, enum flaw flaw)
{
    struct zonebuild *build = k->build;
    const struct zonebuild_record *r = &build->records[i];
    struct rrsig sig = rrsig_read(r->rdata, r->len);

    switch (flaw) {
    case FLAW_NONE: break;
    case FLAW_SIGNER:
        zonebuild_report(build, level, i, "the signer's name is not the zone's name");
        break;
    case FLAW_LABELS:
        zonebuild_report(build, level, i, "the signature is for %u labels, but the name has %u",
                         sig.labels, rrsig_count_labels(r->owner->name));
        break;
    case FLAW_TTL:
        zonebuild_report(build, level, i, "the signature is for a TTL of %u, but %s has %u",
                         sig.original_ttl, s->text, build->records[s->from].ttl);
        break;
    case FLAW_EXPIRED:
    case FLAW_EARLY: report_signature_time(k, level, s, i, &sig, flaw == FLAW_EXPIRED); break;
    case FLAW_NO_KEY:
        zonebuild_report(build, DIAG_WARNING, i,
                         "the zone does not have the signing key (tag %u, algorithm %u)",
                         sig.tag, sig.algorithm);
        break;
    case FLAW_WRONG:
        zonebuild_report(build, level, i, "the signature of %s does not verify", s->text);
        break;
    }
}

/* By algorithm: the RRset has a good signature; it has one by a key of the zone. */
struct tally {
    bool is_good[256], is_present[256];
};

/* RFC 4035 2.2: each algorithm of the zone's keys must sign each RRset. */
static void check_algorithms(struct checking *k, const struct subject *s,
                             const struct tally *tally)
{
    bool is_done[256] = {false};

    for (unsigned n = 0; n < k->key_cnt; n++) {
        uint8_t algorithm = k->keys[n].key.algorithm;
        bool is_revoked = k->keys[n].key.flags & DNSKEY_REVOKE;
        if (!is_revoked && !is_done[algorithm] && !tally->is_present[algorithm])
            zonebuild_report(k->build, k->build->dnssec_level, s->from,
                             "%s is not signed with algorithm %u, for which the zone has a key",
                             s->text, algorithm);
        is_done[algorithm] |= !is_revoked;
    }
}

static void check_rrset_signatures(struct checking *k, struct subject *s)
{
    char owner[DNAME_TEXT_MAX], type[RRTYPE_NAME_MAX];
    struct zonebuild *build = k->build;
    enum flaw flaws[SIGNATURES_MAX];
    struct tally tally = {.is_good = {false}};

    dname_text_print(build->records[s->from].owner->name, owner);
    rrtype_print(build->records[s->from].type, type);
    snprintf(s->text, sizeof(s->text), "%s %s", owner, type);
    if (s->sig_from == s->sig_to) {
        zonebuild_report(build, build->dnssec_level, s->from, "%s is not signed", s->text);
        return;
    }
    if (s->sig_to - s->sig_from > SIGNATURES_MAX) {
        zonebuild_report(build, DIAG_WARNING, s->sig_from,
                         "more than %d signatures of %s: the others are not checked",
                         SIGNATURES_MAX, s->text);
        s->sig_to = s->sig_from + SIGNATURES_MAX;
    }
    for (size_t i = s->sig_from; i < s->sig_to; i++) {
        enum flaw flaw = judge_signature(k, s, i);
        uint8_t algorithm = build->records[i].rdata[2];
        flaws[i - s->sig_from] = flaw;
        tally.is_good[algorithm] |= flaw == FLAW_NONE;
        tally.is_present[algorithm] |= flaw != FLAW_NO_KEY;
    }
    /* a validator needs one good signature: beside it a bad one is only worth a warning */
    for (size_t i = s->sig_from; i < s->sig_to; i++)
        report_signature(
            k, tally.is_good[build->records[i].rdata[2]] ? DIAG_WARNING : build->dnssec_level,
            s, i, flaws[i - s->sig_from]);
    check_algorithms(k, s, &tally);
}

static void check_owner_signatures(struct checking *k, const struct zonebuild_walk *w)
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
                                 "the name does not have the RRset that this signature covers");
            continue;
        }
        s.sig_from = s.sig_to = zonebuild_find_signatures(build, w->from, r->type);
        if (s.sig_from < build->cnt)
            s.sig_to = zonebuild_rrset_end(build, s.sig_from);
        if (zonebuild_is_signed(w, r))
            check_rrset_signatures(k, &s);
        else if (s.sig_from < s.sig_to)
            zonebuild_report(build, DIAG_WARNING, s.sig_from,
                             "this signature covers data of the child zone");
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
    find_zone_keys(k);
    if (k->key_cnt == 0)
        diag_add(build->diag, build->dnssec_level, &whole,
                 "the zone has signatures, but no DNSKEY that is a zone key");
    while (k->key_cnt > 0 && zonebuild_next(&w))
        check_owner_signatures(k, &w);
    if (k->untimely_cnt > 1)
        diag_add(build->diag, build->dnssec_level, &whole,
                 "%zu more signatures have expired or are not valid yet", k->untimely_cnt - 1);
    for (unsigned n = 0; n < k->key_cnt; n++)
        dnskey_unload(&k->keys[n].loaded);
    free(k->set);
    free(k);
    return ERR_OK;
}
