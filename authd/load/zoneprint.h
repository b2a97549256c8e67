/* authd/load/zoneprint.h | printer of master files
 *
 * Thread:   any.
 */
#pragma once

#include "authd/zone/zonebuild.h"

/* Print the sorted records, one per line with complete names, the SOA first: some readers
 * expect that.  The loader reads the same records back.  ERR_IO: errno has the reason;
 * ERR_NOMEM. */
MUST_USE enum err zoneprint(const struct zonebuild *build, FILE *out);
