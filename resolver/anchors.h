/* resolver/anchors.h | trust anchors that follow their zones (RFC 5011)
 *
 * One worker queries for the keys of each zone that has a trust anchor when they are due, and
 * keeps what it learns in a file beside the cache.  The main thread reads that file when it
 * reads the configuration, and when the worker says that other keys are trusted now: then it
 * publishes a version of the policy with other anchors.  The configuration is not read for
 * that, because its file may have been edited meanwhile, and only a reload may make that
 * active.
 *
 * Owner:    the worker.
 * Thread:   one worker; anchors_learn and anchors_renew the main thread.
 */
#pragma once

#include "resolver/answer/res_serve.h"

struct anchors;

/* Add to the configured anchors of a policy what the state file in `directory` has learned.  A
 * damaged file is logged and not used.  Without a directory ("") nothing is learned.
 * ERR_NOMEM. */
MUST_USE enum err anchors_learn(struct policy *policy, const char *directory);

/* Make a version of `before` with what the state file in `directory` has now.  ERR_NOMEM. */
MUST_USE enum err anchors_renew(struct policy *before, const char *directory,
                                struct policy **out);

/* Make the keeper of the anchors, for one worker.  `directory` is copied.  When other keys are
 * trusted, `renew` is called with `data`.  NULL without memory. */
MUST_USE struct anchors *anchors_new(struct res_serve *serve, const char *directory,
                                     void (*renew)(void *data), void *data);

/* Query for the keys that are due.  Return after how many milliseconds to call it again; 0:
 * when the query has ended. */
unsigned anchors_tick(struct anchors *anchors);

/* End the query in flight.  Clears the pointer; NULL inside is fine. */
void anchors_free(struct anchors **anchors);
