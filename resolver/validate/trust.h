/* resolver/validate/trust.h | from the DS records or the anchor of a zone to its trusted keys
 *
 * RFC 4035 5.2: a DNSKEY that a DS names has to sign the DNSKEY RRset, and then all of its zone
 * keys are trusted.  One valid path is enough; not every DS has to lead to a key (RFC 6840
 * 5.11).
 *
 * Owner:    input is borrowed; the key set that is made is the caller's.
 * Thread:   one worker.
 */
#pragma once

#include "resolver/validate/anchor.h"
#include "resolver/validate/sigcheck.h"

enum { TRUST_DS_MAX = 8 }; /* supported DS records, or anchor keys, that are followed */

/* What is known of a zone.  Lifetime: the call. */
struct trust {
    const uint8_t *zone;
    const struct rrset *ds;          /* secure, or of an anchor; NULL: none */
    const struct rrset *anchor_keys; /* DNSKEYs of an anchor; NULL: none */
    const struct rrset *keys; /* the zone's DNSKEY RRset, signatures behind it; NULL: there is
                                 none */
    const struct rules *rules;
};

/* Decide whether a zone with these DS records, anchor keys or both has to be signed, before its
 * keys are known: VERDICT_SECURE, or VERDICT_INSECURE if no record has a supported algorithm
 * and digest type (RFC 4035 5.2, RFC 6840 5.2).  `keys` is not used. */
struct verdict trust_weigh(const struct trust *in);

/* The same for a trust anchor: VERDICT_INSECURE if none of its records can be used (RFC 6840
 * 5.2). */
struct verdict trust_weigh_anchor(const struct anchor *anchor, const struct rules *rules);

/* Make the trusted keys of a zone.  VERDICT_SECURE: *out is set, and *found tells the signature
 * of the DNSKEY RRset.  VERDICT_INSECURE: as trust_weigh.  VERDICT_BOGUS; VERDICT_UNKNOWN. */
struct verdict trust_make_keys(const struct trust *in, struct rules_work *work,
                               struct arena *arena, struct keyset **out,
                               struct sigcheck_found *found);
