/* layer 15 | dns/question.h | write a question to a server
 *
 * Owner:    the caller's buffer.
 * Thread:   any.
 */
#pragma once

#include "dns/message.h"

enum {
    QUESTION_MAX = MESSAGE_HEADER_LEN + DNAME_MAX + 4 + EDNS_FIXED_LEN + EDNS_OPTION_LEN +
                   COOKIE_CLIENT_LEN + COOKIE_SERVER_MAX
};

/* What to write. */
struct question {
    uint16_t id;
    uint16_t flags;      /* RD, CD */
    const uint8_t *name; /* as it shall stand there, case included */
    uint16_t type;
    bool has_edns; /* the rest counts only then */
    bool is_do;
    uint16_t udp_size;
    const uint8_t *cookie; /* client and server cookie; NULL: no option */
    size_t cookie_len;
};

/* Write it into QUESTION_MAX octets; returns its length. */
size_t question_write(const struct question *q, uint8_t out[QUESTION_MAX]);
