/* Everything that depends on a reason is in one table, so that a new one cannot be forgotten in
 * one place. */
#include "resolver/validate/verdict.h"

#include "base/now.h"

/* Letters in `text`, each behind a "%": z zone, n name, t a space and the
 * type, nothing for a name as a whole, k tag of the signature or DS, o
 * tag that is published, a algorithm, d digest type, i iterations, w time. */
struct verdict_row {
    const char *name;
    int ede;
    const char *text;
};

static const struct verdict_row verdict_rows[VERDICT_REASONS] = {
    [VERDICT_NONE] = {"none", EDNS_EDE_NONE, ""},
    [VERDICT_UNSIGNED] = {"unsigned", EDNS_EDE_RRSIGS_MISSING,
                          "%n%t has no signature of the zone %z"},
    [VERDICT_SIGNATURE_ALGORITHM] = {"signature-algorithm", EDNS_EDE_RRSIGS_MISSING,
                                     "%n%t is signed only with unsupported algorithms (the "
                                     "first is %a); the DS of %z promises a supported one"},
    [VERDICT_FOREIGN_SIGNER] = {"foreign-signer", EDNS_EDE_BOGUS,
                                "the signature of %n%t is by another zone than %z"},
    [VERDICT_SIGNATURE_LABELS] = {"signature-labels", EDNS_EDE_BOGUS,
                                  "the signature of %n%t by %z (key %k, algorithm %a) has an "
                                  "impossible label count"},
    [VERDICT_WILDCARD] = {"wildcard", EDNS_EDE_BOGUS,
                          "the signature of %n%t by %z (key %k, algorithm %a) is that of a "
                          "wildcard, which this type must not come from"},
    [VERDICT_NO_KEY] = {"no-key", EDNS_EDE_DNSKEY_MISSING,
                        "%n%t is signed by key %k (algorithm %a), which %z does not publish"},
    [VERDICT_REVOKED_KEY] = {"revoked-key", EDNS_EDE_DNSKEY_MISSING,
                             "%n%t is signed by key %k (algorithm %a) of %z, which is revoked"},
    [VERDICT_NOT_ZONE_KEY] = {"not-zone-key", EDNS_EDE_NO_ZONE_KEY_BIT,
                              "%n%t is signed by key %k (algorithm %a) of %z, which is no "
                              "zone key"},
    [VERDICT_EXPIRED_BEFORE_VALID] = {"expired-before-valid", EDNS_EDE_EXPIRED_BEFORE_VALID,
                                      "the signature of %n%t by %z (key %k, algorithm %a) "
                                      "expired on %w, before it became valid"},
    [VERDICT_EARLY] = {"early", EDNS_EDE_NOT_YET_VALID,
                       "the signature of %n%t by %z (key %k, algorithm %a) is not valid "
                       "before %w"},
    [VERDICT_EXPIRED] = {"expired", EDNS_EDE_SIGNATURE_EXPIRED,
                         "the signature of %n%t by %z (key %k, algorithm %a) expired on %w"},
    [VERDICT_BROKEN_KEY] = {"broken-key", EDNS_EDE_BOGUS,
                            "%n%t is signed by key %k of %z, which is no key of algorithm %a"},
    [VERDICT_WRONG_SIGNATURE] = {"wrong-signature", EDNS_EDE_BOGUS,
                                 "the signature of %n%t by %z (key %k, algorithm %a) does not "
                                 "match the data"},
    [VERDICT_DS_ALGORITHM] = {"ds-algorithm", EDNS_EDE_UNSUPPORTED_ALGORITHM,
                              "no DS of %z has a supported algorithm (the first is %a)"},
    [VERDICT_DS_DIGEST] = {"ds-digest", EDNS_EDE_UNSUPPORTED_DIGEST,
                           "no DS of %z has a supported digest type (the first is %d)"},
    [VERDICT_DS_NO_KEY] = {"ds-no-key", EDNS_EDE_DNSKEY_MISSING,
                           "the DS of %z names key %k (algorithm %a); %z publishes %o"},
    [VERDICT_DS_MISMATCH] = {"ds-mismatch", EDNS_EDE_DNSKEY_MISSING,
                             "the DS of %z names key %k (algorithm %a), but its digest is that "
                             "of another key"},
    [VERDICT_KEYS_UNSIGNED] = {"keys-unsigned", EDNS_EDE_RRSIGS_MISSING,
                               "the DNSKEY records of %z are not signed by key %k (algorithm "
                               "%a), which the DS names"},
    [VERDICT_KEYS_MISSING] = {"keys-missing", EDNS_EDE_DNSKEY_MISSING,
                              "%z has a DS and no DNSKEY"},
    [VERDICT_TOO_MANY_KEYS] = {"too-many-keys", EDNS_EDE_BOGUS, "%z has too many DNSKEYs"},
    [VERDICT_DS_AT_APEX] = {"ds-at-apex", EDNS_EDE_BOGUS,
                            "the DS of %n, or its denial, is signed by %z itself and not "
                            "by its parent"},
    [VERDICT_NO_PROOF] = {"no-proof", EDNS_EDE_NSEC_MISSING,
                          "the answer for %n%t has no NSEC or NSEC3 of %z to prove it"},
    [VERDICT_WRONG_PROOF] = {"wrong-proof", EDNS_EDE_BOGUS,
                             "the NSEC or NSEC3 records of %z do not prove the answer for "
                             "%n%t"},
    [VERDICT_EXISTS] = {"exists", EDNS_EDE_BOGUS,
                        "the answer denies %n%t, but an NSEC or NSEC3 of %z shows that it "
                        "exists"},
    [VERDICT_ANCESTOR_PROOF] = {"ancestor-proof", EDNS_EDE_BOGUS,
                                "the proof for %n%t is of %z, above a zone cut, and says "
                                "nothing of the zone below"},
    [VERDICT_NOT_A_CUT] = {"not-a-cut", EDNS_EDE_BOGUS,
                           "an NSEC or NSEC3 of %z shows that %n is no delegation"},
    [VERDICT_MIXED_NSEC3] = {"mixed-nsec3", EDNS_EDE_BOGUS,
                             "the NSEC3 records of %z have different parameters"},
    [VERDICT_OPT_OUT] = {"opt-out", EDNS_EDE_NONE,
                         "%n is in an opt-out span of %z, so it may be unsigned"},
    [VERDICT_NO_DS] = {"no-ds", EDNS_EDE_NONE, "%z proves that the delegation %n has no DS"},
    [VERDICT_NOT_PUBLIC] = {"not-public", EDNS_EDE_NONE,
                            "%z is a configured stub zone or forward zone, and the public tree "
                            "does not have it"},
    [VERDICT_ITERATIONS] = {"iterations", EDNS_EDE_UNSUPPORTED_ITERATIONS,
                            "the NSEC3 records of %z have %i iterations, which is too many "
                            "(RFC 9276)"},
    [VERDICT_NEGATIVE_ANCHOR] = {"negative-anchor", EDNS_EDE_NEGATIVE_ANCHOR,
                                 "the configuration has a negative trust anchor for %z"},
    [VERDICT_WORK] = {"work", EDNS_EDE_INDETERMINATE,
                      "validating %n%t in %z takes too much work"},
    [VERDICT_MEMORY] = {"memory", EDNS_EDE_INDETERMINATE,
                        "there was no memory to validate %n%t"},
};

int verdict_ede(enum verdict_reason reason) { return verdict_rows[reason].ede; }

const char *verdict_reason_name(enum verdict_reason reason)
{
    return verdict_rows[reason].name;
}

const char *verdict_status_name(enum verdict_status status)
{
    switch (status) {
    case VERDICT_SECURE: return "secure";
    case VERDICT_INSECURE: return "insecure";
    case VERDICT_BOGUS: return "bogus";
    case VERDICT_UNKNOWN: break;
    }
    return "unknown";
}

/* RFC 4034 3.1.5: seconds modulo 2^32; those that have the upper bit are of this century too.
 */
static void print_verdict_time(uint32_t time_s, char out[DNAME_TEXT_MAX])
{
    char text[NOW_TEXT_MAX];
    now_print((int64_t)time_s * 1000, text);
    snprintf(out, DNAME_TEXT_MAX, "%.10s %.8s UTC", text, text + 11);
}

static void print_verdict_field(const struct verdict *v, char letter, char out[DNAME_TEXT_MAX])
{
    char type[RRTYPE_NAME_MAX];
    const uint8_t *name = letter == 'z' ? v->zone : v->name;

    switch (letter) {
    case 'z':
    case 'n':
        if (name)
            dname_text_print(name, out);
        else
            snprintf(out, DNAME_TEXT_MAX, "?");
        break;
    case 't':
        rrtype_print(v->type, type);
        snprintf(out, DNAME_TEXT_MAX, "%s%s", v->type ? " " : "", v->type ? type : "");
        break;
    case 'k': snprintf(out, DNAME_TEXT_MAX, "%u", v->tag); break;
    case 'o':
        if (v->has_other_tag)
            snprintf(out, DNAME_TEXT_MAX, "%u", v->other_tag);
        else
            snprintf(out, DNAME_TEXT_MAX, "no zone key");
        break;
    case 'a': snprintf(out, DNAME_TEXT_MAX, "%u", v->algorithm); break;
    case 'd': snprintf(out, DNAME_TEXT_MAX, "%u", v->digest_type); break;
    case 'i': snprintf(out, DNAME_TEXT_MAX, "%u", v->iterations); break;
    case 'w': print_verdict_time(v->time_s, out); break;
    default: must(false); /* a letter of the table that has no field */
    }
}

void verdict_print(const struct verdict *verdict, char out[VERDICT_TEXT_MAX])
{
    char field[DNAME_TEXT_MAX];
    size_t len = 0;

    for (const char *at = verdict_rows[verdict->reason].text; *at; at++) {
        const char *piece = at;
        size_t piece_len = 1;
        if (*at == '%') {
            print_verdict_field(verdict, *++at, field);
            piece = field;
            piece_len = strlen(field);
        }
        piece_len = util_min(piece_len, VERDICT_TEXT_MAX - 1 - len);
        memcpy(out + len, piece, piece_len);
        len += piece_len;
    }
    out[len] = '\0';
}
