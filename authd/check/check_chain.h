/* authd/check/check_chain.h | whether NSEC or NSEC3 of a zone hold together
 *
 * Every name of the zone has its record, each names the next, and its bitmap tells the types
 * that are there (RFC 4034 4, RFC 4035 2.3, RFC 5155 7.1).
 *
 * Thread:   one at a time.
 */
#pragma once

#include "authd/zone/zonebuild.h"

/* Look at sorted records of a signed zone; findings go to the build's diag.  ERR_NOMEM. */
MUST_USE enum err check_chain(struct zonebuild *build);
