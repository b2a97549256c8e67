/* authd/check/check_chain.h | check of a zone's NSEC or NSEC3 chain
 *
 * Every name must have its NSEC or NSEC3, each must point to the next, and its type bitmap must
 * list the types that exist (RFC 4034 4, RFC 4035 2.3, RFC 5155 7.1).
 *
 * Thread:   one at a time.
 */
#pragma once

#include "authd/zone/zonebuild.h"

/* Check the sorted records of a signed zone; add findings to the build's diag.  ERR_NOMEM. */
MUST_USE enum err check_chain(struct zonebuild *build);
