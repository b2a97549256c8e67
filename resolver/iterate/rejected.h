/* resolver/iterate/rejected.h | replies and records that were not believed, counted and the
 * last of them kept
 *
 * Owner:    the engine.
 * Thread:   one worker.
 */
#pragma once

#include "net/upstream/match.h"

enum rejected_reason {
    /* first those of enum match_verdict */
    REJECTED_RECORDS = MATCH_VERDICTS, /* records that the server may not say */
    REJECTED_UNREADABLE,               /* records that break their format */
    REJECTED_REASONS
};

enum { REJECTED_KEPT = 64 };

struct rejected_item {
    int64_t when_ms; /* wall; 0: free */
    struct addr from;
    uint8_t name[DNAME_MAX]; /* that was asked for */
};

/* Lifetime: worker. */
struct rejected {
    uint64_t cnt[REJECTED_REASONS];
    struct rejected_item last[REJECTED_REASONS]
                             [REJECTED_KEPT]; /* the newest at cnt - 1, modulo */
};

/* Count one. */
void rejected_note(struct rejected *rejected, enum rejected_reason reason,
                   const struct addr *from, const uint8_t *name, int64_t now_ms);
