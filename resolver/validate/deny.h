/* resolver/validate/deny.h | proofs that a name, a type or a DS does not exist
 *
 * From NSEC (RFC 4035 5.4) or NSEC3 (RFC 5155 8) records of one zone, with signatures that
 * hold. The records are those of one reply, or of the cache (RFC 8198): a record proves no more
 * than it says, whatever stands beside it.
 *
 * Owner:    input is borrowed.
 * Thread:   one worker.
 * Words:    closest encloser - the longest existing name at or above a name (RFC 4592 3.3.1);
 * next closer name - one label longer (RFC 5155 1.3).
 */
#pragma once

#include "dns/nsec3.h"
#include "dns/rrset.h"
#include "resolver/validate/rules.h"
#include "resolver/validate/verdict.h"

enum { DENY_RECORDS_MAX = 32 }; /* of one proof that are looked at */

/* An NSEC or NSEC3 RRset with a signature of the zone that holds, not expanded from a
 * wildcard (sigcheck_rrset sees to both).  Its TTL is the one that sigcheck_rrset capped.
 * RRsets of other types are ignored. */
struct deny_record {
    const uint8_t *owner;
    const struct rrset *set;
};

/* What a proof is made of.  Lifetime: the proofs. */
struct deny {
    const uint8_t *zone; /* that signed the records */
    const struct deny_record *records;
    size_t cnt;
    const struct rules *rules;
    struct rules_work *work;
};

/* What a record of a proof does to a name. */
enum deny_act {
    DENY_MATCHES, /* the record is that of the name, or of its hash */
    DENY_COVERS,  /* the name, or its hash, is between the owner and the next name */
    DENY_SPANS,   /* an NSEC covers the name and ends below it: it is an empty non-terminal */
    DENY_ACTS
};

/* The name that it does it to. */
enum deny_subject {
    DENY_NAME, /* that is denied */
    DENY_CLOSEST_ENCLOSER,
    DENY_NEXT_CLOSER,
    DENY_WILDCARD, /* at the closest encloser */
    DENY_SUBJECTS
};

struct deny_step {
    uint8_t record; /* index in the input */
    enum deny_act act;
    enum deny_subject subject;
};

enum { DENY_STEPS_MAX = 4 };

/* What a proof found besides its verdict. */
struct deny_found {
    unsigned encloser_labels; /* labels of the closest encloser; of deny_name and, if
                                 is_wildcard, deny_type */
    bool is_wildcard;  /* deny_type: the wildcard at the closest encloser lacks the type */
    bool is_cut;       /* deny_ds: the name is a delegation, or an opt-out span may have one */
    uint32_t ttl;      /* the least of the records that were used, seconds (RFC 8198 5.4) */
    uint32_t used;     /* bit i: record i of the input was used */
    unsigned step_cnt; /* of the proof, in order; 0 with VERDICT_ITERATIONS */
    struct deny_step steps[DENY_STEPS_MAX];
};

/* Every proof: VERDICT_SECURE, it is proved.  VERDICT_INSECURE: proved as far as the zone can,
 * by an opt-out span (RFC 5155 9.2), or the zone has too many iterations to be hashed (RFC 9276
 * 3.2).  VERDICT_BOGUS: it is not proved.  VERDICT_UNKNOWN: the allowance of hashes is used up.
 * *found is set for VERDICT_SECURE and VERDICT_INSECURE. */

/* Prove NXDOMAIN: neither the name nor a wildcard that would answer for it exists. */
struct verdict deny_name(const struct deny *in, const uint8_t *name, struct deny_found *found);

/* Prove NODATA: the name exists, as an empty non-terminal too, or a wildcard answers for it,
 * and has neither the type nor a CNAME (RFC 6840 4.3).  For the type DS use deny_ds where the
 * question is whether a zone cut is secure. */
struct verdict deny_type(const struct deny *in, const uint8_t *name, uint16_t type,
                         struct deny_found *found);

/* Prove that the wildcard at the closest encloser, the suffix of `encloser_labels` labels, may
 * answer for `name`: no closer name exists (RFC 4035 5.3.4, RFC 5155 8.8).  VERDICT_BOGUS too
 * if the suffix is not above `name`, or is above the zone. */
struct verdict deny_closer(const struct deny *in, const uint8_t *name, unsigned encloser_labels,
                           struct deny_found *found);

/* Prove that `name`, below the zone's apex, has no DS.  found->is_cut tells whether there is a
 * delegation: then the zone below is insecure (RFC 4035 5.2, RFC 6840 4.4).  If not, the name
 * belongs to this zone: it exists without NS, as an empty non-terminal, or not at all. */
struct verdict deny_ds(const struct deny *in, const uint8_t *name, struct deny_found *found);
