/* authd/check/zone_check.h | rules that a zone as a whole must follow
 *
 * SOA and NS at the apex, no data beside CNAME or below DNAME, glue, targets, denial.
 *
 * Thread:   one at a time.
 */
#pragma once

#include "authd/zone/zonebuild.h"

/* Check the sorted records; add findings to the build's diag.  ERR_FORMAT if one of them is an
 * error. */
MUST_USE enum err zone_check(struct zonebuild *build);
