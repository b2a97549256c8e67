/* resolver/iterate/rejected.h | counts and samples of rejected replies and records
 *
 * Owner:    the engine.
 * Thread:   one worker.
 */
#pragma once

#include "net/upstream/match.h"

enum rejected_reason {
    /* 0 and up: enum match_verdict */
    REJECTED_RECORDS = MATCH_VERDICTS, /* records out of bailiwick */
    REJECTED_UNREADABLE,               /* a record that breaks the format of its type */
    REJECTED_REASONS
};

enum { REJECTED_KEPT = 64 };

struct rejected_item {
    int64_t when_ms;         /* wall; 0: free */
    struct addr from;        /* the sender of the reply */
    uint8_t name[DNAME_MAX]; /* the name in the query */
};

/* Lifetime: worker. */
struct rejected {
    uint64_t cnt[REJECTED_REASONS];
    /* a ring per reason; the newest item of one is at (cnt - 1) % REJECTED_KEPT */
    struct rejected_item last[REJECTED_REASONS][REJECTED_KEPT];
};

/* Count a rejected reply, or a reply with rejected records, and keep it among the last. */
void rejected_note(struct rejected *rejected, enum rejected_reason reason,
                   const struct addr *from, const uint8_t *name, int64_t now_ms);
