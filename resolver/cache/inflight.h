/* resolver/cache/inflight.h | which worker finds out about which name
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

enum { INFLIGHT_WAITERS = 32 }; /* workers whose numbers agree modulo this are woken together */

struct inflight;

enum inflight_verdict {
    INFLIGHT_OURS,   /* it is the caller's now: resolve it, and release it */
    INFLIGHT_THEIRS, /* another worker has it, and will have the caller woken */
    INFLIGHT_NONE,   /* the slot is taken by something else: resolve it without */
};

/* No claims; `wake` is called for the workers that have waited for one, with their number
 * modulo INFLIGHT_WAITERS.  ERR_NOMEM. */
MUST_USE enum err inflight_new(void (*wake)(void *data, size_t worker), void *data,
                               struct inflight **out);

/* Claim `hash` for `worker`, or be told of its release; *turn tells which claim of several that
 * is. */
enum inflight_verdict inflight_take(struct inflight *inflight, uint64_t hash, size_t worker,
                                    uint32_t *turn);

/* Whether the claim that inflight_take said was theirs has not been released. */
bool inflight_is_held(const struct inflight *inflight, uint64_t hash, uint32_t turn);

/* Whether somebody waits for it. */
bool inflight_has_waiters(const struct inflight *inflight, uint64_t hash);

/* Give back what was ours, and wake who waits. */
void inflight_release(struct inflight *inflight, uint64_t hash);

/* Clears the pointer; NULL inside is fine. */
void inflight_free(struct inflight **inflight);
