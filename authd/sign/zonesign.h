/* authd/sign/zonesign.h | offline signing of a whole zone (RFC 4035 2)
 *
 * The result depends on the records, the keys and the settings only: all signatures are
 * deterministic.
 *
 * Owner:    the caller owns build and keys.
 * Thread:   the caller's, and threads of its own that end before it returns.
 */
#pragma once

#include "authd/sign/keydir.h"
#include "authd/zone/zonebuild.h"

enum zonesign_denial {
    ZONESIGN_NSEC,
    ZONESIGN_NSEC3,   /* without salt and iterations (RFC 9276 3.1) */
    ZONESIGN_OPT_OUT, /* NSEC3 that omits unsigned delegations (RFC 5155 6) */
};

/* What becomes of the SOA's serial. */
enum zonesign_serial {
    ZONESIGN_KEEP,
    ZONESIGN_INCREMENT,
    ZONESIGN_UNIXTIME, /* seconds since 1970; if that is no increase, + 1 */
    ZONESIGN_DATE,     /* YYYYMMDD00; if that is no increase, + 1 */
};

/* Lifetime: the call. */
struct zonesign_conf {
    uint32_t now_s;                 /* wall time in seconds, for the serial */
    uint32_t inception, expiration; /* of all signatures, seconds */
    enum zonesign_denial denial;
    enum zonesign_serial serial;
    bool adds_zonemd; /* a ZONEMD that the zone already has is replaced without it as well */
    bool adds_cds;    /* CDS and CDNSKEY of each active key that signs the DNSKEY RRset */
    unsigned threads; /* at least 1 */
};

/* What was made. */
struct zonesign_result {
    uint32_t serial;
    size_t signature_cnt;
    bool has_zonemd;
};

/* Sign the zone in sorted records that were read without errors.  Old RRSIG, NSEC, NSEC3 and
 * NSEC3PARAM records are dropped first, and so are DNSKEYs of deleted keys; all other DNSKEYs
 * stay.  Then zone_check has its say.  Afterwards the records are sorted again and complete.
 * ERR_FORMAT: the build's diag has the faults; ERR_NOMEM; ERR_LIMIT: too many records. */
MUST_USE enum err zonesign(struct zonebuild *build, const struct keydir *keys,
                           const struct zonesign_conf *conf, struct zonesign_result *result);
