/* resolver/validate/verdict.h | what validation found of one RRset, key set or proof, and why
 *
 * A verdict carries what an explanation needs: the zone, the name, the key and the times.  The
 * EDE code (RFC 8914) and the sentence follow from the reason by one table.
 *
 * Owner:    values; names are borrowed from the input of the check.
 * Thread:   any.
 */
#pragma once

#include "dns/dname_text.h"
#include "dns/edns.h"
#include "dns/rrtype.h"

/* RFC 4033 5. */
enum verdict_status {
    VERDICT_UNKNOWN, /* memory or the allowance of work ran out: says nothing of the data */
    VERDICT_SECURE,
    VERDICT_INSECURE, /* proved to be unsigned, or signed in a way that is not supported */
    VERDICT_BOGUS,
};

/* Of the failures of several signatures the one that comes last here is reported: it is the
 * one that came nearest to success. */
enum verdict_reason {
    VERDICT_NONE,
    /* signatures */
    VERDICT_UNSIGNED,             /* no RRSIG of this RRset */
    VERDICT_SIGNATURE_ALGORITHM,  /* all RRSIGs have unsupported algorithms */
    VERDICT_FOREIGN_SIGNER,       /* the signer is not the zone, or the owner is outside it */
    VERDICT_SIGNATURE_LABELS,     /* the label count is impossible (RFC 4035 5.3.1) */
    VERDICT_WILDCARD,             /* expanded from a wildcard, which this type must not be */
    VERDICT_NO_KEY,               /* no trusted key has the tag and algorithm */
    VERDICT_REVOKED_KEY,          /* the key has the REVOKE bit (RFC 5011 2.1) */
    VERDICT_NOT_ZONE_KEY,         /* the key lacks the zone flag, or protocol 3 */
    VERDICT_EXPIRED_BEFORE_VALID, /* the expiration is before the inception */
    VERDICT_EARLY,                /* the inception is in the future */
    VERDICT_EXPIRED,
    VERDICT_BROKEN_KEY,      /* its octets are no key of the algorithm */
    VERDICT_WRONG_SIGNATURE, /* by arithmetic */
    /* the chain of trust */
    VERDICT_DS_ALGORITHM,  /* insecure: no DS has a supported algorithm */
    VERDICT_DS_DIGEST,     /* insecure: no DS has a supported digest type */
    VERDICT_DS_NO_KEY,     /* no DNSKEY has the tag and algorithm of a DS or anchor */
    VERDICT_DS_MISMATCH,   /* the DNSKEY with the tag has another digest */
    VERDICT_KEYS_UNSIGNED, /* no key that a DS names signs the DNSKEY RRset */
    VERDICT_KEYS_MISSING,  /* there is no DNSKEY RRset */
    VERDICT_TOO_MANY_KEYS, /* more than KEYSET_MAX */
    VERDICT_DS_AT_APEX,    /* a DS that the child zone signed */
    /* denial of existence */
    VERDICT_NO_PROOF,       /* there is no NSEC or NSEC3 at all */
    VERDICT_WRONG_PROOF,    /* those that are there do not prove it */
    VERDICT_EXISTS,         /* the proof shows that the name or type exists */
    VERDICT_ANCESTOR_PROOF, /* only an NSEC of the parent side of a zone cut (RFC 6840 4.1) */
    VERDICT_MIXED_NSEC3,    /* parameters differ within one proof (RFC 5155 8.2) */
    VERDICT_OPT_OUT,        /* insecure: an opt-out span covers the name */
    VERDICT_NO_DS,          /* insecure: the delegation has no DS */
    VERDICT_NOT_PUBLIC, /* insecure: a configured zone, which the public tree does not have */
    VERDICT_ITERATIONS, /* insecure: too many NSEC3 iterations (RFC 9276 3.2) */
    VERDICT_NEGATIVE_ANCHOR, /* insecure: below a negative trust anchor (RFC 7646) */
    /* unknown */
    VERDICT_WORK,   /* the allowance of work is used up */
    VERDICT_MEMORY, /* no memory */
    VERDICT_REASONS
};

/* Fields that do not belong to the reason are 0 or NULL.  Lifetime: that of the names. */
struct verdict {
    enum verdict_status status;
    enum verdict_reason reason;
    const uint8_t *zone; /* the zone that signs */
    const uint8_t *name; /* the owner, or the name that is denied */
    uint16_t type;
    const uint8_t *signer; /* in the signature; NULL: none is at fault */
    const uint8_t
        *parent;        /* the zone that signs the DS; NULL: there is a trust anchor instead */
    uint16_t tag;       /* of the signature, DS or anchor; with an algorithm */
    uint16_t other_tag; /* of a key that the zone publishes instead; with has_other_tag */
    bool has_other_tag;
    uint8_t algorithm;   /* of the signature, key or DS; 0: none is known */
    uint8_t digest_type; /* of the DS */
    uint16_t iterations;
    uint32_t inception_s, expiration_s; /* of the signature, seconds of wall time; 0: none */
    const uint8_t *proof; /* owner of the NSEC or NSEC3 at fault; NULL: no single one is */
    uint16_t proof_type;  /* its type */
};

enum { VERDICT_TEXT_MAX = 3 * DNAME_TEXT_MAX + 200 };

/* Return the EDE code of a reason; EDNS_EDE_NONE if it has none. */
int verdict_ede(enum verdict_reason reason);

/* Return the reason as a stable identifier, "expired".  Never NULL. */
const char *verdict_reason_name(enum verdict_reason reason);

/* Return "secure", "insecure", "bogus" or "unknown". */
const char *verdict_status_name(enum verdict_status status);

/* Print the reason as a sentence that names zone, name, key and time as far as they are known;
 * "" for VERDICT_NONE. */
void verdict_print(const struct verdict *verdict, char out[VERDICT_TEXT_MAX]);
