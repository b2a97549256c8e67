/* Everything that depends on a reason is in one table, so that a new one cannot be forgotten in
 * one place. */
#include "resolver/validate/verdict.h"

#include "base/now.h"
#include "dns/dnskey.h"
#include "dns/ds.h"

enum { VERDICT_FIELD_MAX = 2 * DNAME_TEXT_MAX + 40 };

/* Letters in `text`, each behind a "%": z zone, n name, t a space and the type, nothing for a
 * name as a whole, s signer, k tag of the signature, DS or anchor, o tag that is published, a
 * algorithm, d digest type, i iterations, b inception, e expiration, p the DS of the zone or
 * its trust anchor, r the record at fault in a proof. */
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
                                "%n%t is signed by %s and not by its zone %z"},
    [VERDICT_SIGNATURE_LABELS] = {"signature-labels", EDNS_EDE_BOGUS,
                                  "the signature of %n%t by %z (key %k, %a) has an "
                                  "impossible label count"},
    [VERDICT_WILDCARD] = {"wildcard", EDNS_EDE_BOGUS,
                          "the signature of %n%t by %z (key %k, %a) is that of a "
                          "wildcard, which this type must not come from"},
    [VERDICT_NO_KEY] = {"no-key", EDNS_EDE_DNSKEY_MISSING,
                        "%n%t is signed by key %k (%a), which %z does not publish"},
    [VERDICT_REVOKED_KEY] = {"revoked-key", EDNS_EDE_DNSKEY_MISSING,
                             "%n%t is signed by key %k (%a) of %z, which is revoked"},
    [VERDICT_NOT_ZONE_KEY] = {"not-zone-key", EDNS_EDE_NO_ZONE_KEY_BIT,
                              "%n%t is signed by key %k (%a) of %z, which is no "
                              "zone key"},
    [VERDICT_EXPIRED_BEFORE_VALID] = {"expired-before-valid", EDNS_EDE_EXPIRED_BEFORE_VALID,
                                      "the signature of %n%t by %z (key %k, %a) "
                                      "expires on %e, before it becomes valid on %b"},
    [VERDICT_EARLY] = {"early", EDNS_EDE_NOT_YET_VALID,
                       "the signature of %n%t by %z (key %k, %a) is not valid "
                       "before %b"},
    [VERDICT_EXPIRED] = {"expired", EDNS_EDE_SIGNATURE_EXPIRED,
                         "the signature of %n%t by %z (key %k, %a) expired on %e"},
    [VERDICT_BROKEN_KEY] = {"broken-key", EDNS_EDE_BOGUS,
                            "%n%t is signed by key %k of %z, which is no valid key of %a"},
    [VERDICT_WRONG_SIGNATURE] = {"wrong-signature", EDNS_EDE_BOGUS,
                                 "the signature of %n%t by %z (key %k, %a) does not "
                                 "match the data"},
    [VERDICT_DS_ALGORITHM] = {"ds-algorithm", EDNS_EDE_UNSUPPORTED_ALGORITHM,
                              "no DS of %z has a supported algorithm (the first is %a)"},
    [VERDICT_DS_DIGEST] = {"ds-digest", EDNS_EDE_UNSUPPORTED_DIGEST,
                           "no DS of %z has a supported digest type (the first is %d)"},
    [VERDICT_DS_NO_KEY] = {"ds-no-key", EDNS_EDE_DNSKEY_MISSING,
                           "%p names key %k (%a); %z publishes %o"},
    [VERDICT_DS_MISMATCH] =
        {"ds-mismatch", EDNS_EDE_DNSKEY_MISSING,
         "%p names key %k (%a), but %z publishes a key %k with another %d digest"},
    [VERDICT_KEYS_UNSIGNED] =
        {"keys-unsigned", EDNS_EDE_RRSIGS_MISSING,
         "the DNSKEY records of %z are not signed by key %k (%a), which %p names"},
    [VERDICT_KEYS_MISSING] = {"keys-missing", EDNS_EDE_DNSKEY_MISSING,
                              "%z publishes no DNSKEY, but %p says that it is signed"},
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
                        "the proof has to deny %n%t, but %r of %z shows that it, or a wildcard "
                        "for it, exists"},
    [VERDICT_ANCESTOR_PROOF] =
        {"ancestor-proof", EDNS_EDE_BOGUS,
         "%r of %z is of a zone cut or DNAME above %n%t, and says nothing of what is below"},
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

/* Print a number or a mnemonic behind `kind` if it is a number. */
static void print_verdict_code(const char *kind, const char *code, char out[DNAME_TEXT_MAX])
{
    bool is_number = *code >= '0' && *code <= '9';
    snprintf(out, DNAME_TEXT_MAX, "%s%s%s", is_number ? kind : "", is_number ? " " : "", code);
}

static void print_verdict_name(const uint8_t *name, char out[DNAME_TEXT_MAX])
{
    if (name)
        dname_text_print(name, out);
    else
        snprintf(out, DNAME_TEXT_MAX, "?");
}

static void print_verdict_source(const struct verdict *v, char out[VERDICT_FIELD_MAX])
{
    char zone[DNAME_TEXT_MAX], parent[DNAME_TEXT_MAX];

    print_verdict_name(v->zone, zone);
    print_verdict_name(v->parent, parent);
    if (v->parent)
        snprintf(out, VERDICT_FIELD_MAX, "the DS of %s in %s", zone, parent);
    else
        snprintf(out, VERDICT_FIELD_MAX, "the trust anchor of %s", zone);
}

static void print_verdict_proof(const struct verdict *v, char out[VERDICT_FIELD_MAX])
{
    char type[RRTYPE_NAME_MAX], owner[DNAME_TEXT_MAX];

    rrtype_print(v->proof_type, type);
    print_verdict_name(v->proof, owner);
    if (v->proof)
        snprintf(out, VERDICT_FIELD_MAX, "the %s %s", type, owner);
    else
        snprintf(out, VERDICT_FIELD_MAX, "an NSEC or NSEC3");
}

static void print_verdict_field(const struct verdict *v, char letter,
                                char out[VERDICT_FIELD_MAX])
{
    char code[RRTYPE_NAME_MAX + DNSKEY_ALGORITHM_MAX + DS_DIGEST_NAME_MAX];

    switch (letter) {
    case 'z': print_verdict_name(v->zone, out); break;
    case 'n': print_verdict_name(v->name, out); break;
    case 's': print_verdict_name(v->signer, out); break;
    case 't':
        rrtype_print(v->type, code);
        snprintf(out, DNAME_TEXT_MAX, "%s%s", v->type ? " " : "", v->type ? code : "");
        break;
    case 'k': snprintf(out, DNAME_TEXT_MAX, "%u", v->tag); break;
    case 'o':
        if (v->has_other_tag)
            snprintf(out, DNAME_TEXT_MAX, "%u", v->other_tag);
        else
            snprintf(out, DNAME_TEXT_MAX, "no zone key");
        break;
    case 'a':
        dnskey_print_algorithm(v->algorithm, code);
        print_verdict_code("algorithm", code, out);
        break;
    case 'd':
        ds_print_digest(v->digest_type, code);
        print_verdict_code("type", code, out);
        break;
    case 'i': snprintf(out, DNAME_TEXT_MAX, "%u", v->iterations); break;
    case 'b': print_verdict_time(v->inception_s, out); break;
    case 'e': print_verdict_time(v->expiration_s, out); break;
    case 'p': print_verdict_source(v, out); break;
    case 'r': print_verdict_proof(v, out); break;
    default: must(false); /* a letter of the table that has no field */
    }
}

void verdict_print(const struct verdict *verdict, char out[VERDICT_TEXT_MAX])
{
    char field[VERDICT_FIELD_MAX];
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
