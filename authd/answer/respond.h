/* authd/answer/respond.h | the sections of an authoritative answer
 *
 * Follow CNAME and DNAME through the served zones, then write the negative answer or the
 * referral, then the additional section.
 *
 * Thread:   the exchange's worker.
 */
#pragma once

#include "authd/answer/lookup.h"
#include "authd/zone/zoneset.h"
#include "net/request/exchange.h"

enum {
    RESPOND_CHAIN_MAX = 16, /* CNAME and DNAME steps per answer */
    RESPOND_SETS_MAX = 24,  /* RRsets per answer whose targets get additional data */
    RESPOND_EXTRA_MAX = 64, /* names whose addresses go into the additional section */
};

/* Return the zone that answers for `name`: the longest match; for DS at an apex the parent
 * zone, if it is served too (RFC 4035 3.1.4.1).  NULL if no zone matches. */
struct zone *respond_choose_zone(const struct zoneset *set, const struct dname_parts *name,
                                 uint16_t qtype);

/* Answer the query from `zone`, a loaded zone that respond_choose_zone returned, and send the
 * reply. */
void respond(struct exchange *ex, const struct zoneset *set, const struct zone *zone);
