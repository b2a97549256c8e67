/* dns/rrtext.h | reader of RDATA in presentation format
 *
 * Follows the text column of dns/rrtype.def; ldns decodes the harder fields.  The result always
 * passes rdata_check.
 *
 * Owner:    values; tokens are borrowed.
 * Thread:   any, each with its own scratch.
 */
#pragma once

#include "dns/dname_text.h"
#include "dns/rdata.h"

/* A word of a zone file, with its escapes but without outer quotes.  Borrowed. */
struct rrtext_token {
    const char *text;
    size_t len;
    bool is_quoted;
};

/* A syntax error. */
struct rrtext_fault {
    size_t token;  /* index; the number of tokens if a field is missing at the end */
    size_t offset; /* of the wrong byte in the token */
    struct fault reason;
};

/* Working memory of one call.  Lifetime: the caller's. */
struct rrtext_scratch {
    char text[2 * RDATA_MAX + 2];
};

/* Read the RDATA of `type` from `cnt` tokens and set *out_len.  `origin` is appended to
 * relative names. ERR_FORMAT: `fault` has place and reason. */
MUST_USE enum err rrtext_read(uint16_t type, const struct rrtext_token *tokens, size_t cnt,
                              const uint8_t *origin, struct rrtext_scratch *scratch,
                              uint8_t out[RDATA_MAX], size_t *out_len,
                              struct rrtext_fault *fault);

/* Return true if the word after these `cnt` words may be a SvcParam, such as key="a value",
 * which is one word although it has quotes inside (RFC 9460 2.1).  That is so after the type
 * SVCB or HTTPS, the priority and the target. */
bool rrtext_is_at_param(const struct rrtext_token *tokens, size_t cnt);

/* Read a TTL in seconds, or in BIND's units s, m, h, d and w ("1h30m").  ERR_FORMAT: not a TTL,
 * or above 2^32 - 1.  The caller must treat a TTL above 2^31 - 1 as 0 (RFC 2181 8) and report
 * it. */
MUST_USE enum err rrtext_read_ttl(const char *text, size_t len, uint32_t *ttl);
