/* authd/load/zonefile.h | read a zone from master files
 *
 * The one loader of the daemon and of `rootline zone check`: $ORIGIN, $TTL, $INCLUDE, $GENERATE
 * and records, then the rules of zone_check.  Every error of the files is found in one run.
 *
 * Thread:   one zone at a time a caller; several callers do not disturb each other.
 */
#pragma once

#include "authd/zone/zone.h"
#include "base/diag.h"

/* What a signed zone is held against besides the rules without which it cannot be served. */
struct zonefile_checks {
    uint32_t now_s;  /* signatures are to be in time then; seconds of wall time */
    bool has_crypto; /* verify them; faults are errors then, else warnings: the zone can be
                        served */
};

/* Read the zone `origin` from `path`; with `checks` (NULL: none) the chain of NSEC or NSEC3,
 * the signatures and ZONEMD are looked at too.  ERR_FORMAT or ERR_IO: the diag says what is
 * wrong; ERR_NOMEM. */
MUST_USE enum err zonefile_load(const uint8_t *origin, const char *path,
                                const struct zonefile_checks *checks, struct diag *diag,
                                struct zone **out);

/* The same from memory, for files that come from elsewhere; `path` serves messages and
 * $INCLUDE. */
MUST_USE enum err zonefile_parse(const uint8_t *origin, const char *path, const char *text,
                                 size_t len, const struct zonefile_checks *checks,
                                 struct diag *diag, struct zone **out);
