/* authd/load/zonefile.h | loader of master files
 *
 * The only loader, for the daemon and for `rootline zone check`: it reads $ORIGIN, $TTL,
 * $INCLUDE, $GENERATE and records, then applies the rules of zone_check.  One run reports every
 * error of the files.
 *
 * Thread:   any; calls share no state.
 */
#pragma once

#include "authd/zone/zonebuild.h"
#include "base/diag.h"

enum { ZONEFILE_INCLUDE_DEPTH_MAX = 10 }; /* files within files */

/* Checks of a signed zone that are not required to serve it. */
struct zonefile_checks {
    uint32_t now_s;  /* the time to check validity periods against; seconds of wall time */
    bool has_crypto; /* verify signatures, and report faults as errors, not as warnings */
};

/* Read the zone `origin` from `path`; caller drops the reference with zone_unref.  With
 * `checks`, which may be NULL, also check the chain of NSEC or NSEC3, the signatures and
 * ZONEMD.  ERR_FORMAT, ERR_IO: `diag` has the errors; ERR_LIMIT, ERR_NOMEM. */
MUST_USE enum err zonefile_load(const uint8_t *origin, const char *path,
                                const struct zonefile_checks *checks, struct diag *diag,
                                struct zone **out);

/* The same for a text in memory; `path` is its name in messages, and relative paths of $INCLUDE
 * start in its folder. */
MUST_USE enum err zonefile_parse(const uint8_t *origin, const char *path, const char *text,
                                 size_t len, const struct zonefile_checks *checks,
                                 struct diag *diag, struct zone **out);

/* Read and sort the records of the zone `origin` from `path`, without any rule of a whole zone,
 * so that they can be signed.  Caller frees the build with zonebuild_fini, after an error as
 * well.  ERR_FORMAT, ERR_IO: `diag` has the errors; ERR_LIMIT, ERR_NOMEM. */
MUST_USE enum err zonefile_read(const uint8_t *origin, const char *path, struct diag *diag,
                                struct zonebuild *out);
