/* dns/rrline.h | one record on one line of text
 *
 * "OWNER [TTL] [CLASS] TYPE RDATA", as in root hints, local data and tests.  No directives, no
 * parentheses, no owner left out: zone files have a reader of their own.
 *
 * Owner:    the caller's struct.
 * Thread:   any, each with its own struct.
 */
#pragma once

#include "dns/rrtext.h"

/* Lifetime: the caller's; large, because any RDATA fits. */
struct rrline {
    uint8_t owner[DNAME_MAX];
    uint16_t type, class;
    uint32_t ttl;
    bool is_ttl_wrong; /* it was more than 2^31 - 1, and is 0 now (RFC 2181 8) */
    uint8_t rdata[RDATA_MAX];
    size_t rdata_len;
    char why[200]; /* after ERR_FORMAT: what is wrong */
    struct rrtext_scratch scratch;
};

/* Read `len` octets; names without a final dot get `origin` (NULL: they are errors).
 * ERR_ABSENT: nothing but white space and a comment.  ERR_FORMAT: `out->why` tells. */
MUST_USE enum err rrline_read(const char *text, size_t len, const uint8_t *origin,
                              uint32_t default_ttl, struct rrline *out);
