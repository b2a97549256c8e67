/* authd/check/zone_check.h | what is wrong with a zone as a whole
 *
 * Rules that no single record breaks: SOA and NS at the apex, CNAME and DNAME alone, glue,
 * targets.
 *
 * Thread:   one at a time.
 */
#pragma once

#include "authd/zone/zonebuild.h"

/* Look at the sorted records; findings go to the build's diag.  ERR_FORMAT when there was an
 * error. */
MUST_USE enum err zone_check(struct zonebuild *build);
