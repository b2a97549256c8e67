/* A key is loaded once for the whole zone. */
#include "authd/check_sigs.h"

#include "base/now.h"
#include "dns/dname_text.h"
#include "dns/rrsig.h"

enum { KEYS_MAX = 64, SET_MAX = 65535 };

struct key {
    struct dnskey key;
    struct evp_pkey_st *loaded; /* NULL: cannot be used, or need not be */
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
        if (!(key.flags & DNSKEY_ZONE) || (key.flags & DNSKEY_REVOKE))
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

/* Whether the signature is in time.  Of a zone that nobody signs any more all are not: the first
 * is shown, the others are counted. */
static bool check_time(struct checking *k, const struct subject *s, size_t i,
                       const struct rrsig *sig)
{
    enum rrsig_time is = rrsig_check_time(sig, k->now_s);
    char time[NOW_TEXT_MAX];

    if (is == RRSIG_IN_TIME)
        return true;
    if (k->untimely++ == 0) {
        now_print((int64_t)(is == RRSIG_EXPIRED ? sig->expiration : sig->inception) * 1000,
                  time);
        zonebuild_report(k->build, k->build->signing, i, "the signature of %s %s on %.10s",
                         s->text, is == RRSIG_EXPIRED ? "expired" : "begins", time);
    }
    return false;
}

/* Whether the signature's fields fit what it stands beside; says what does not. */
static bool check_fields(struct checking *k, const struct subject *s, size_t i,
                         const struct rrsig *sig)
{
    struct zonebuild *build = k->build;
    const uint8_t *owner = build->records[i].owner->name;

    if (!dname_is_equal(sig->signer, build->origin))
        zonebuild_report(build, build->signing, i, "the signer is not the zone");
    else if (sig->labels != rrsig_count_labels(owner))
        zonebuild_report(build, build->signing, i,
                         "the signature says %u labels, the name has %u", sig->labels,
                         rrsig_count_labels(owner));
    else if (sig->original_ttl != build->records[s->from].ttl)
        zonebuild_report(build, build->signing, i,
                         "the signature is for a TTL of %u, %s has %u", sig->original_ttl,
                         s->text, build->records[s->from].ttl);
    else
        return check_time(k, s, i, sig);
    return false;
}

/* Check the signature that is record `i`; marks in `is_used` the keys that made a good one. */
static void check_signature(struct checking *k, const struct subject *s, size_t i,
                            bool is_used[KEYS_MAX])
{
    const struct zonebuild_record *r = &k->build->records[i];
    struct rrsig sig = rrsig_read(r->rdata, r->len);
    bool has_key = false, is_right = false;

    bool fits = check_fields(k, s, i, &sig);
    for (unsigned n = 0; n < k->key_cnt; n++) {
        struct key *key = &k->keys[n];
        if (key->key.tag != sig.tag || key->key.algorithm != sig.algorithm)
            continue;
        has_key = true;
        /* what the fields say wrongly has been reported: it is not missing as well */
        if (!fits || !key->loaded || verify(k, s, &sig, key->loaded))
            is_used[n] = is_right = true;
    }
    if (!has_key)
        zonebuild_report(k->build, DIAG_WARNING, i,
                         "signed by a key (tag %u, algorithm %u) that the zone does not have",
                         sig.tag, sig.algorithm);
    else if (!is_right)
        zonebuild_report(k->build, k->build->signing, i, "the signature of %s is wrong",
                         s->text);
}

static void check_set(struct checking *k, struct subject *s)
{
    char owner[DNAME_TEXT_MAX], type[RRTYPE_NAME_MAX];
    bool is_used[KEYS_MAX] = {false};

    dname_text_print(k->build->records[s->from].owner->name, owner);
    rrtype_print(k->build->records[s->from].type, type);
    snprintf(s->text, sizeof(s->text), "%s %s", owner, type);
    if (s->sig_from == s->sig_to) {
        zonebuild_report(k->build, k->build->signing, s->from, "%s is not signed", s->text);
        return;
    }
    for (size_t i = s->sig_from; i < s->sig_to; i++)
        check_signature(k, s, i, is_used);
    for (unsigned n = 0; n < k->key_cnt; n++) {
        bool is_signed = false;
        for (unsigned other = 0; other < k->key_cnt; other++)
            is_signed |=
                is_used[other] && k->keys[other].key.algorithm == k->keys[n].key.algorithm;
        bool is_first = true;
        for (unsigned other = 0; other < n; other++)
            is_first &= k->keys[other].key.algorithm != k->keys[n].key.algorithm;
        if (is_first && !is_signed)
            zonebuild_report(k->build, k->build->signing, s->from,
                             "%s is not signed with algorithm %u, of which the zone has a key",
                             s->text, k->keys[n].key.algorithm);
    }
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
        struct subject s = {.from = i, .to = zonebuild_rrset_end(build, i)};
        for (size_t sig = w->from; sig < w->to; sig = zonebuild_rrset_end(build, sig))
            if (zonebuild_covered(&build->records[sig]) == r->type && r->type != 0) {
                s.sig_from = sig;
                s.sig_to = zonebuild_rrset_end(build, sig);
            }
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
