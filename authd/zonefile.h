/* layer 36 | authd/zonefile.h | read a zone from master files
 *
 * The one loader of the daemon and of `rootline zone check`: $ORIGIN, $TTL, $INCLUDE, $GENERATE
 * and records, then the rules of zone_check.  Every error of the files is found in one run.
 *
 * Thread:   one zone at a time a caller; several callers do not disturb each other.
 */
#pragma once

#include "authd/zone.h"
#include "base/diag.h"

/* Read the zone `origin` from `path`.  ERR_FORMAT or ERR_IO: the diag says what is wrong;
 * ERR_NOMEM. */
MUST_USE enum err zonefile_load(const uint8_t *origin, const char *path, struct diag *diag,
                                struct zone **out);

/* The same from memory, for files that come from elsewhere; `path` serves messages and
 * $INCLUDE. */
MUST_USE enum err zonefile_parse(const uint8_t *origin, const char *path, const char *text,
                                 size_t len, struct diag *diag, struct zone **out);
