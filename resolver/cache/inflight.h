/* resolver/cache/inflight.h | the in-flight table: which worker resolves which name and type
 *
 * The worker that begins to resolve a name and type takes its entry.  Another worker that needs
 * the same waits until the entry is released, and then finds the answer in the cache: the whole
 * process queries servers once, and equal queries in flight, a forger's chances (RFC 5452 5),
 * stay rare.  An entry is taken by one compare-and-swap.  Of two names that share a slot the
 * second is resolved without an entry.
 *
 * Owner:    the daemon.
 * Thread:   new and free from the main thread, the others from any.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/util.h"

/* Workers whose numbers are equal modulo this are woken together. */
enum { INFLIGHT_WAITERS = 32 };

struct inflight;

enum inflight_verdict {
    INFLIGHT_OURS,   /* the caller has the entry: it resolves the name, then releases it */
    INFLIGHT_THEIRS, /* another worker has it; the caller will be woken at its release */
    INFLIGHT_NONE,   /* the slot is busy with another name: resolve without an entry */
};

/* Make an empty table.  At a release `wake` is called for each worker that waits, with its
 * number modulo INFLIGHT_WAITERS, on the thread that releases.  ERR_NOMEM. */
MUST_USE enum err inflight_new(void (*wake)(void *data, size_t worker), void *data,
                               struct inflight **out);

/* Take the entry of `hash` for `worker`, or have that worker woken at its release.  *turn tells
 * this use of the slot from later ones. */
enum inflight_verdict inflight_take(struct inflight *inflight, uint64_t hash, size_t worker,
                                    uint32_t *turn);

/* Return true if the entry that inflight_take found to be theirs has not been released. */
bool inflight_is_held(const struct inflight *inflight, uint64_t hash, uint32_t turn);

/* Return true if other workers wait for the entry. */
bool inflight_has_waiters(const struct inflight *inflight, uint64_t hash);

/* Release an entry that was ours, and wake the workers that wait for it. */
void inflight_release(struct inflight *inflight, uint64_t hash);

/* Clears the pointer; NULL inside is fine. */
void inflight_free(struct inflight **inflight);
