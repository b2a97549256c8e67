/* dns/question.h | write a question to a server
 *
 * Owner:    the caller's buffer.
 * Thread:   any.
 */
#pragma once

#include "dns/message.h"

enum {
    QUESTION_BLOCK = 128, /* padded questions are multiples of it (RFC 8467 4.1) */
    QUESTION_MAX =
        3 * QUESTION_BLOCK /* header, name, OPT with a cookie, and what makes them a multiple */
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
    bool is_padded; /* it is encrypted: nobody shall know the name by its length */
};

/* Write it into QUESTION_MAX octets; returns its length. */
size_t question_write(const struct question *q, uint8_t out[QUESTION_MAX]);
