/* authd/check/check_sigs.h | check of a zone's signatures
 *
 * Every authoritative RRset must have a signature, valid now, by each algorithm of the zone's
 * keys (RFC 4035 2.2).
 *
 * Thread:   one at a time.
 */
#pragma once

#include "authd/zone/zonebuild.h"

/* Check the sorted records of a signed zone at the time `now_s`, seconds of wall time; add
 * findings to the build's diag.  If `verifies`, also verify the signatures.  ERR_NOMEM. */
MUST_USE enum err check_sigs(struct zonebuild *build, uint32_t now_s, bool verifies);
