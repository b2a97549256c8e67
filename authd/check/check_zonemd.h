/* authd/check/check_zonemd.h | whether a zone is as its digest says (RFC 8976)
 *
 * Thread:   one at a time.
 */
#pragma once

#include "authd/zone/zonebuild.h"

/* Compute the digests that the apex's ZONEMD records name, over sorted records, and compare;
 * findings go to the build's diag.  Without ZONEMD nothing happens.  ERR_NOMEM. */
MUST_USE enum err check_zonemd(struct zonebuild *build);
