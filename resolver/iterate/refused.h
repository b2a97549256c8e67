/* resolver/iterate/refused.h | replies and records that were not believed, counted and the last
 * of them kept
 *
 * Owner:    the engine.
 * Thread:   one worker.
 */
#pragma once

#include "net/upstream/match.h"

enum refused_reason {
    /* first those of enum match_verdict */
    REFUSED_RECORDS = MATCH_VERDICTS, /* records that the server may not say */
    REFUSED_UNREADABLE,               /* records that break their format */
    REFUSED_REASONS
};

enum { REFUSED_KEPT = 64 };

struct refused_item {
    int64_t when_ms; /* wall; 0: free */
    struct addr from;
    uint8_t name[DNAME_MAX]; /* that was asked for */
};

/* Lifetime: worker. */
struct refused {
    uint64_t cnt[REFUSED_REASONS];
    struct refused_item last[REFUSED_REASONS][REFUSED_KEPT]; /* the newest at cnt - 1, modulo */
};

/* Count one. */
void refused_note(struct refused *refused, enum refused_reason reason, const struct addr *from,
                  const uint8_t *name, int64_t now_ms);
