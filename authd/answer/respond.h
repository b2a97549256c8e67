/* authd/answer/respond.h | from outcomes to the sections of an answer
 *
 * Follows CNAME and DNAME through the served zones, then negative or referral, then additional
 * data.
 *
 * Thread:   the exchange's worker.
 */
#pragma once

#include "authd/answer/lookup.h"
#include "authd/zone/zoneset.h"
#include "net/request/exchange.h"

enum {
    RESPOND_CHAIN_MAX = 16, /* CNAME and DNAME steps of one answer */
    RESPOND_SETS_MAX = 24,  /* RRsets of an answer to ANY that get additional data */
    RESPOND_EXTRA_MAX = 64, /* names whose addresses go into the additional section */
};

/* The zone that answers for the name: the longest match, for DS at an apex the parent's if it
 * is served. */
struct zone *respond_choose_zone(const struct zoneset *set, const struct dname_parts *name,
                                 uint16_t qtype);

/* Answer the question from `zone`, which respond_choose_zone gave. */
void respond(struct exchange *ex, const struct zoneset *set, const struct zone *zone);
