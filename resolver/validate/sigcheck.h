/* resolver/validate/sigcheck.h | the signatures of one RRset, checked with the keys of a zone
 *
 * Everything that needs no arithmetic is checked first (RFC 4035 5.3.1): most faults and all
 * floods of signatures end there.
 *
 * Owner:    input is borrowed; the arena is the caller's.
 * Thread:   one worker.
 * Words:    closest encloser - of a name that a wildcard answered: the name that is left when
 * the "*" is taken off the wildcard (RFC 4592 3.3.1).
 */
#pragma once

#include "base/arena.h"
#include "resolver/validate/keyset.h"
#include "resolver/validate/rules.h"
#include "resolver/validate/sigmemo.h"

enum { SIGCHECK_SIGNATURES_MAX = 8 }; /* of one RRset that reach a key (SigJam) */

/* What is checked.  Lifetime: the call. */
struct sigcheck {
    const uint8_t *owner;
    const struct rrset *set; /* its signatures stand behind it, if it has any */
    struct keyset *keys;     /* of the zone that has to have signed it */
    const struct rules *rules;
    struct sigmemo *memo; /* signatures in it are not verified again; NULL: none */
    bool is_answer; /* it answers a query and proves nothing: an NSEC may be that of a wildcard
                     */
};

/* The signature that was accepted. */
struct sigcheck_found {
    uint32_t ttl; /* of the RRset: at most the original TTL, and not beyond the expiration (RFC
                     4035 5.3.3) */
    uint16_t tag;
    uint8_t algorithm;
    uint32_t inception, expiration;
    bool is_wildcard; /* expanded: deny_closer has to prove that nothing closer exists */
    unsigned encloser_labels; /* labels of the closest encloser, if is_wildcard */
};

/* Look for one signature that holds.  VERDICT_SECURE: *found is set.  VERDICT_BOGUS: no
 * signature holds, and the verdict names the fault nearest to success.  VERDICT_UNKNOWN: the
 * allowance of work or memory ran out before.  Names in the verdict are those of the input. */
struct verdict sigcheck_rrset(const struct sigcheck *in, struct rules_work *work,
                              struct arena *arena, struct sigcheck_found *found);

/* The same, but only signatures of the one key at `index` of the key set count, trusted or not,
 * revoked or not: for RFC 5011 2.1, where a revoked key has to sign its own revocation. */
struct verdict sigcheck_by_key(const struct sigcheck *in, unsigned index,
                               struct rules_work *work, struct arena *arena,
                               struct sigcheck_found *found);
