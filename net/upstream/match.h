/* net/upstream/match.h | is this the reply to that question?
 *
 * Everything an off-path attacker has to guess is compared here and nowhere else: source, ID,
 * question, case, cookie (RFC 5452 9.1, RFC 7873 5.3).  What does not match is refused for a
 * reason that is counted.
 *
 * Owner:    values; pointers are borrowed.
 * Thread:   any.
 */
#pragma once

#include "base/addr.h"
#include "dns/message.h"

/* Why a datagram or message is not believed. */
enum match_verdict {
    MATCH_OK,
    MATCH_SOURCE,   /* from another address or port than was asked */
    MATCH_ID,       /* another ID */
    MATCH_NO_REPLY, /* no header, QR clear, another opcode */
    MATCH_QUESTION, /* none, several, or another one */
    MATCH_CASE,     /* the question in other letters (0x20) */
    MATCH_COOKIE,   /* another client cookie, or none from a server that has given one */
    MATCH_BROKEN,   /* a record or option does not fit */
    MATCH_LARGE, /* over UDP, larger than was asked for: somewhere on its way it may have been
                    in fragments */
    MATCH_VERDICTS
};

/* What the reply has to repeat, and which of it counts: each defence is one bit that a
 * laboratory may clear. */
struct match {
    struct addr to;
    const uint8_t *wire; /* of the question as sent */
    const uint8_t
        *name; /* of the question as it is meant, its letters not mixed; NULL: as sent */
    size_t question_len;          /* name, type and class behind its header */
    const uint8_t *client_cookie; /* NULL: none was sent */
    size_t udp_size;              /* octets that a datagram may have */
    bool needs_cookie;            /* the server is known to give them */
    bool checks_source, checks_id, checks_question, checks_case, checks_cookie;
    /* Set by match_reply: */
    bool is_case_preserved; /* the letters came back as they were sent */
    bool lacks_cookie; /* MATCH_COOKIE because the reply has none, not because it is wrong */
    bool has_trailing; /* more octets follow the last record; they are ignored */
    bool is_tcp; /* a connection vouches for source and question: a server may leave out the
                    latter with an error */
};

/* Judge `len` octets from `from`.  On MATCH_OK *reply is the parsed message, and the question
 * in `wire` has its letters as they are meant: names further on point at it. */
enum match_verdict match_reply(struct match *match, const struct addr *from, uint8_t *wire,
                               size_t len, struct message *reply);
