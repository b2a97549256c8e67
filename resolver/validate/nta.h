/* resolver/validate/nta.h | negative trust anchors: names below which nothing is validated
 *
 * RFC 7646: the operator of the resolver lists a domain whose signatures are broken by mistake,
 * so that its names resolve until its operator has repaired them.
 *
 * Owner:    the set holds its anchors.
 * Thread:   any once read; part of the published configuration.
 */
#pragma once

#include "dns/dname_text.h"
#include "resolver/validate/anchor.h"
#include "resolver/validate/verdict.h"

enum {
    NTA_MAX = 256,
};

/* Lifetime: that of its set. */
struct nta {
    uint8_t name[DNAME_MAX]; /* in lower case */
    int64_t until_ms;        /* wall time of the expiry; INT64_MAX: never */
};

/* Lifetime: the caller's.  Zeros: none. */
struct nta_set {
    struct nta *at;
    size_t cnt, size;
};

/* Add the anchor of the text "NAME" or "NAME until TIME", the time as in RFC 3339.  ERR_CONFIG:
 * `fault` says what is wrong; ERR_NOMEM. */
MUST_USE enum err nta_add(struct nta_set *set, const char *text, struct fault *fault);

/* Return the closest negative anchor at or above `name` that has not expired.  NULL: there is
 * none, or `anchor`, the closest trust anchor of the name (NULL: none), is below it.  At the
 * same name the negative anchor has precedence (RFC 7646 3).  For a DS record pass the name of
 * its parent, whose zone signs it. */
const struct nta *nta_find(const struct nta_set *set, const struct anchor *anchor,
                           const uint8_t *name, int64_t now_ms);

/* Return the verdict on a name below the negative anchor: insecure, EDE 33.  It borrows both
 * names. */
struct verdict nta_verdict(const struct nta *nta, const uint8_t *name, uint16_t type);

/* Free the anchors, and leave an empty set. */
void nta_fini(struct nta_set *set);
