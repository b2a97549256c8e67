/* authd/check/check_zonemd.h | check of a zone's message digest, ZONEMD (RFC 8976)
 *
 * Thread:   one at a time.
 */
#pragma once

#include "authd/zone/zonebuild.h"

/* Compare the apex's ZONEMD records with digests of the sorted records; add findings to the
 * build's diag.  Do nothing without ZONEMD.  ERR_NOMEM. */
MUST_USE enum err check_zonemd(struct zonebuild *build);
