/* authd/check/check_zonemd.h | a zone's message digest: made and checked, ZONEMD (RFC 8976)
 *
 * Thread:   one at a time.
 */
#pragma once

#include "authd/zone/zonebuild.h"

enum { CHECK_ZONEMD_LEN = 6 + 48 }; /* of a ZONEMD with SHA-384 */

/* Write the RDATA of the ZONEMD with scheme SIMPLE and SHA-384 of the sorted records, which
 * have a SOA.  ERR_NOMEM. */
MUST_USE enum err check_zonemd_make(const struct zonebuild *build,
                                    uint8_t out[CHECK_ZONEMD_LEN]);

/* Compare the apex's ZONEMD records with digests of the sorted records; add findings to the
 * build's diag.  Do nothing without ZONEMD.  ERR_NOMEM. */
MUST_USE enum err check_zonemd(struct zonebuild *build);
