/* resolver/explain/security.h | the chain of trust and the proofs of cached entries, as JSON
 *
 * Everything is read from the cache, so a cached answer has its chain too.  Signatures are not
 * verified again.  A denial is proved again from its records, to say what each of them does.
 *
 * Owner:    the JSON belongs to its object; the rest is borrowed.
 * Thread:   one worker.
 */
#pragma once

#include "base/json.h"
#include "resolver/iterate/engine.h"
#include "resolver/validate/verdict.h"

enum {
    SECURITY_TARGETS_MAX = 16,
    SECURITY_ZONES_MAX = 64, /* of one drawing */
    SECURITY_WHY_MAX = VERDICT_TEXT_MAX,
};

/* The state of an answer, and why. */
enum security_end {
    SECURITY_OFF, /* nothing is validated */
    SECURITY_SECURE,
    SECURITY_INSECURE,
    SECURITY_NEGATIVE_ANCHOR, /* insecure because of a negative trust anchor */
    SECURITY_BROKEN,          /* a link is bogus, or could not be looked up */
};

/* A drawing of chains of trust.  Lifetime: the caller's. */
struct security_chains {
    struct json *zones; /* a list; each zone is in it once, above the zones below it */
    const struct engine *engine;
    int64_t since_ms; /* wall: what was cached since counts as alive */
    size_t octets;    /* of the JSON text so far */
    size_t octets_max;
    unsigned omitted_cnt; /* zones that did not fit */
    uint64_t drawn[SECURITY_ZONES_MAX];
    unsigned drawn_cnt;
    enum security_end end;      /* of the target that came nearest to SECURITY_BROKEN */
    char why[SECURITY_WHY_MAX]; /* SECURITY_INSECURE and later: where the chain ends, and why */
};

/* Draw the chain from the trust anchor down to the zone of `target`. */
void security_draw(struct security_chains *chains, const uint8_t *target);

/* Write the name whose zone signs an entry of `owner` and `type` (0: the name itself) to
 * `target`: the signer, or the name whose zone would have to sign it. */
void security_find_target(const struct cache_found *found, const uint8_t *owner, uint16_t type,
                          uint8_t target[DNAME_MAX]);

/* Put the signatures of an RRset, as "signatures". */
void security_put_signatures(struct json *to, const struct rrset *set);

/* Put the owner, type, next name and types of an NSEC or NSEC3. */
void security_put_denial(struct json *to, const struct cache_proof *proof);

/* Put the records that prove an entry of `owner` and `type` (0: the name itself), and what each
 * does, as "proofs".  Nothing if it has none. */
void security_put_proofs(struct json *to, const struct cache_found *found, const uint8_t *owner,
                         uint16_t type);
