/* layer 35 | resolver/pick.h | choose the next server address of a cut
 *
 * Among the addresses that may be asked, at random within a band above the fastest one: near servers serve, and who wants to
 * forge a reply does not know which was asked.  One question in sixteen explores the others.
 *
 * Owner:    the caller.
 * Thread:   one worker.
 * Words:    band - addresses whose round-trip time is within PICK_BAND_US of the best.
 */
#pragma once

#include "base/rng.h"
#include "resolver/infra.h"
#include "resolver/policy.h"

enum {
    PICK_BAND_US = 40000,
    PICK_EXPLORE = 16,
    PICK_TRIES_MAX = 3, /* of one address, by one task */
};

/* Which addresses count. */
enum pick_pass {
    PICK_GOOD,      /* neither dead nor lame, of a family that is up */
    PICK_LAST_HOPE, /* all that may be asked */
};

/* The number of the chosen address; -1: none counts. */
int pick_next(const struct cut *cut, const struct infra *infra, const struct policy *policy,
              enum pick_pass pass, struct rng *rng, uint64_t now_ms);
