/* dns/rrline.h | reader of one record on one line of text
 *
 * "OWNER [TTL] [CLASS] TYPE RDATA", for root hints, local data and tests.  Directives,
 * parentheses and omitted owners are for zone files only, which have their own reader.
 *
 * Owner:    the caller.
 * Thread:   any, each with its own struct.
 */
#pragma once

#include "dns/rrtext.h"

/* About 200 KB, because any RDATA fits.
 * Lifetime: the caller's. */
struct rrline {
    uint8_t owner[DNAME_MAX];
    uint16_t type, class;
    uint32_t ttl;
    bool is_ttl_wrong; /* the TTL was above 2^31 - 1 and is now 0 (RFC 2181 8) */
    uint8_t rdata[RDATA_MAX];
    size_t rdata_len;
    struct fault fault; /* after ERR_FORMAT: the reason */
    struct rrtext_scratch scratch;
};

/* Read a line of `len` octets.  `origin` is appended to names without a final dot, which are
 * errors if it is NULL.  ERR_ABSENT: the line has only white space or a comment.  ERR_FORMAT:
 * out->fault has the reason. */
MUST_USE enum err rrline_read(const char *text, size_t len, const uint8_t *origin,
                              uint32_t default_ttl, struct rrline *out);
