/* resolver/validate/rules.h | the rules of one validation, and the work that it may cost
 *
 * Owner:    values.
 * Thread:   one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

enum {
    RULES_SKEW_S = 300,        /* clocks may differ by so much */
    RULES_ITERATIONS_MAX = 50, /* NSEC3 zones with more are insecure (RFC 9276 3.2) */
    RULES_VERIFICATIONS = 16,  /* docs/LIMITS.md section 6: KeyTrap, SigJam */
    RULES_SLICE = 4,           /* fast verifications before other tasks have their turn */
    RULES_FAILURES = 2,        /* verifications of one reply that fail */
    RULES_HASHES = 150,        /* of NSEC3 (CVE-2023-50868) */
    /* of all tasks of a client's query: a cold chain of CNAMEs leads through several zones */
    RULES_QUERY_VERIFICATIONS = 64,
    RULES_QUERY_FAILURES = 12,
    RULES_QUERY_HASHES = 450,
};

/* What holds for a check.  Lifetime: the caller's. */
struct rules {
    uint32_t now_s;          /* wall time, seconds modulo 2^32 (RFC 4034 3.1.5) */
    uint32_t skew_s;         /* a signature counts so long before and after its time */
    uint16_t iterations_max; /* of NSEC3 */
    bool skips_time;         /* the clock is wrong: no signature is too early or expired */
    bool tries_all;          /* laboratory: keys and signatures without a bound on tries */
    bool accepts_sha1; /* verify algorithms 5 and 7; else zones with no other algorithm are
                          insecure (RFC 9905 2) */
};

/* Return the defaults of docs/LIMITS.md, without SHA-1. */
struct rules rules_defaults(uint32_t now_s);

/* Return true if signatures of the algorithm can be verified and count (RFC 8624 3.1, RFC 9905
 * 2). */
bool rules_has_algorithm(const struct rules *rules, uint8_t algorithm);

/* Work that is left, to one task or to all tasks of a client's query, and what was done of it.
 * Lifetime: the caller's. */
struct rules_work {
    uint16_t verifications_left, failures_left, hashes_left; /* in units of their prices */
    /* since the struct was initialised: verifications, their time in units of RULES_SLICE, and
     * hashes */
    uint16_t verified, verified_time, hashed;
};

/* Return the full allowance of a task, and of a client's query (docs/LIMITS.md). */
struct rules_work rules_work_defaults(void);
struct rules_work rules_work_of_query(void);

/* Return an allowance that no answer uses up, for both; for laboratories. */
struct rules_work rules_work_unlimited(void);

/* Return the lesser of what is left to the task and to its query. */
struct rules_work rules_work_least(const struct rules_work *task,
                                   const struct rules_work *query);

/* Take from `work` what was spent between two states of another struct, at most all. */
void rules_work_take(struct rules_work *work, const struct rules_work *before,
                     const struct rules_work *after);

/* Spend one verification by the algorithm; false if too little is left.  It also needs a
 * failure left, since it may fail. */
bool rules_spend_verification(struct rules_work *work, uint8_t algorithm);

/* Spend one hash with a salt of so many octets; false if too little is left. */
bool rules_spend_hash(struct rules_work *work, uint8_t salt_len);

/* Begin the next reply of a task: the wrong signatures of one server are no reason to leave
 * those of another one unverified.  The allowance of the query is the bound. */
void rules_renew_failures(struct rules_work *task);

/* Count a verification that failed, or a key that cannot be used. */
void rules_count_failure(struct rules_work *work);
