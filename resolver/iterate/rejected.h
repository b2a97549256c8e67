/* resolver/iterate/rejected.h | the ledger: counts and samples of rejected replies and records
 *
 * A sample has what the query expected beside what came, so that a reader sees which guess of a
 * forger was wrong.  Good replies cost nothing.
 *
 * Owner:    the engine.
 * Thread:   one worker.
 */
#pragma once

#include "net/upstream/out.h"

enum rejected_reason {
    /* 0 and up: enum match_verdict */
    REJECTED_RECORDS = MATCH_VERDICTS, /* records out of bailiwick */
    REJECTED_UNREADABLE,               /* a record that breaks the format of its type */
    REJECTED_REASONS
};

enum { REJECTED_KEPT = 32 };

/* One reply.  The reason says which fields below `is_tcp` are set. */
struct rejected_item {
    int64_t when_ms;           /* wall; 0: free */
    struct addr from;          /* the sender of the reply */
    struct addr server;        /* that was queried */
    uint8_t name[DNAME_MAX];   /* QNAME as it was sent, in mixed case */
    uint16_t type;             /* QTYPE */
    bool is_tcp;               /* over TCP or TLS */
    uint16_t id, got_id;       /* MATCH_ID */
    size_t octets, octets_max; /* of the reply, and the advertised size */
    uint16_t got_flags;        /* header flags; MATCH_NO_REPLY */
    bool has_header;           /* the reply has a header; MATCH_NO_REPLY */
    bool has_question;         /* the reply has one question: got_name and got_type */
    uint16_t question_cnt;     /* QDCOUNT of the reply */
    bool has_cookie;           /* the reply has a cookie */
    uint8_t cookie[COOKIE_CLIENT_LEN], got_cookie[COOKIE_CLIENT_LEN];
    uint8_t got_name[DNAME_MAX]; /* QNAME of the reply, or owner of the first bad record */
    uint16_t got_type;           /* QTYPE of the reply, or type of that record */
    uint8_t got_section;         /* enum message_section of that record */
    unsigned record_cnt;         /* REJECTED_RECORDS: how many records */
    unsigned zone_labels;        /* REJECTED_RECORDS: the zone is this suffix of `name` */
};

/* Lifetime: worker. */
struct rejected {
    uint64_t cnt[REJECTED_REASONS];
    /* a ring per reason; the newest item of one is at (cnt - 1) % REJECTED_KEPT */
    struct rejected_item last[REJECTED_REASONS][REJECTED_KEPT];
};

/* Count a rejected reply, or a reply with rejected records, to the query of `match`.  Return
 * the item that is kept among the last: the caller adds what is wrong with the records. */
struct rejected_item *rejected_note(struct rejected *rejected, enum rejected_reason reason,
                                    const struct match *match, const struct addr *from,
                                    int64_t now_ms);

/* Count a reply that was rejected as a whole, and keep what was wrong with it. */
void rejected_note_reply(struct rejected *rejected, const struct match *match,
                         const struct out_rejected *reply, int64_t now_ms);

/* Return the item of that reason that came `back` items before the last one.  NULL beyond the
 * ring. */
const struct rejected_item *rejected_find(const struct rejected *rejected,
                                          enum rejected_reason reason, uint64_t back);
