/* net/upstream/match.h | whether a reply matches its query
 *
 * Everything that an off-path attacker has to guess is compared here and nowhere else: source,
 * ID, question, case, cookie (RFC 5452 9.1, RFC 7873 5.3).  A mismatched reply is rejected for
 * a reason that is counted.
 *
 * Owner:    values; pointers are borrowed.
 * Thread:   any.
 */
#pragma once

#include "base/addr.h"
#include "dns/message.h"

/* Why a datagram or message was rejected. */
enum match_verdict {
    MATCH_OK,
    MATCH_SOURCE,    /* from another address or port than the query's destination */
    MATCH_ID,        /* the ID differs */
    MATCH_NO_REPLY,  /* no header, QR clear, or another opcode */
    MATCH_QUESTION,  /* no question, several, or a different one */
    MATCH_CASE,      /* the letters of QNAME differ in case (0x20) */
    MATCH_COOKIE,    /* a wrong client cookie, or none although the server has sent one */
    MATCH_MALFORMED, /* a record or option is malformed */
    /* Over UDP, larger than the advertised size: it may have been fragmented on its way. */
    MATCH_LARGE,
    MATCH_VERDICTS
};

/* What a reply has to repeat.  Each check is one bit that a laboratory may clear. */
struct match {
    struct addr to;
    const uint8_t *wire;          /* the query as sent */
    const uint8_t *name;          /* QNAME before its case was mixed, or NULL */
    size_t question_len;          /* octets of QNAME, QTYPE and QCLASS */
    const uint8_t *client_cookie; /* NULL: the query has none */
    size_t udp_size;              /* the largest datagram, in octets */
    bool needs_cookie;            /* the server has sent cookies before */
    /* A connection proves the source; over it a server may omit the question of an error. */
    bool is_tcp;
    bool checks_source, checks_id, checks_question, checks_case, checks_cookie;
    /* Set by match_reply: */
    bool is_case_preserved; /* the case of QNAME was preserved */
    /* The reply has no cookie: with MATCH_COOKIE, it is missing and not wrong. */
    bool lacks_cookie;
    /* Octets follow the last record; they are ignored. */
    bool has_trailing;
};

/* Parse `len` octets from `from` and compare them with the query.  On MATCH_OK *reply is the
 * parsed message, and the question in `wire` has the case of `name`: compressed names point at
 * it. */
enum match_verdict match_reply(struct match *match, const struct addr *from, uint8_t *wire,
                               size_t len, struct message *reply);
