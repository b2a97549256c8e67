/* resolver/cache/claims.h | which worker finds out about which name
 *
 * A name and type that one worker resolves is claimed: another one that is asked for it waits
 * for the cache to have it, so that servers are asked once by the whole process (RFC 5452 5:
 * equal questions in flight are a forger's chances).  One compare-and-swap; two names that
 * share a slot are not kept apart for free: the second one is resolved without a claim.
 *
 * Owner:    the daemon.
 * Thread:   new and free from the main thread, the others from any.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/util.h"

enum { CLAIMS_WAITERS = 32 }; /* workers whose numbers agree modulo this are woken together */

struct claims;

enum claims_verdict {
    CLAIMS_OURS,   /* it is the caller's now: resolve it, and release it */
    CLAIMS_THEIRS, /* another worker has it, and will have the caller woken */
    CLAIMS_NONE,   /* the slot is taken by something else: resolve it without */
};

/* No claims; `wake` is called for the workers that have waited for one, with their number
 * modulo CLAIMS_WAITERS.  ERR_NOMEM. */
MUST_USE enum err claims_new(void (*wake)(void *data, size_t worker), void *data,
                             struct claims **out);

/* Claim `hash` for `worker`, or be told of its release; *turn tells which claim of several that
 * is. */
enum claims_verdict claims_take(struct claims *claims, uint64_t hash, size_t worker,
                                uint32_t *turn);

/* Whether the claim that claims_take said was theirs has not been released. */
bool claims_is_held(const struct claims *claims, uint64_t hash, uint32_t turn);

/* Whether somebody waits for it. */
bool claims_has_waiters(const struct claims *claims, uint64_t hash);

/* Give back what was ours, and wake who waits. */
void claims_release(struct claims *claims, uint64_t hash);

/* Clears the pointer; NULL inside is fine. */
void claims_free(struct claims **claims);
