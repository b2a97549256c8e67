/* authd/check/check_sigs.h | whether a zone's signatures are all there and in time
 *
 * Every RRset that is the zone's own has one for each algorithm of its keys, by a key of the
 * zone (RFC 4035 2.2); on request each is verified.
 *
 * Thread:   one at a time.
 */
#pragma once

#include "authd/zone/zonebuild.h"

/* Look at sorted records of a signed zone as of `now_s`, seconds of wall time; with `verifies`
 * do the arithmetic too.  Findings go to the build's diag.  ERR_NOMEM. */
MUST_USE enum err check_sigs(struct zonebuild *build, uint32_t now_s, bool verifies);
