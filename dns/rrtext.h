/* dns/rrtext.h | RDATA from presentation text
 *
 * Every type has its format here; ldns decodes the harder fields.  The result is always checked
 * against the type's shape.
 *
 * Owner:    values; tokens are borrowed.
 * Thread:   one at a time per struct.
 */
#pragma once

#include "dns/dname_text.h"
#include "dns/rdata.h"

/* A word of a master file as it stands there: escapes are kept, outer quotes are not. */
struct rrtext_token {
    const char *text;
    size_t len;
    bool is_quoted;
};

/* Where and why reading stopped. */
struct rrtext_fault {
    size_t token;  /* its index; the number of tokens: something is missing at the end */
    size_t offset; /* byte in the token */
    char why[160]; /* what was expected */
};

/* Room that one reading needs besides the result.  Lifetime: the caller's. */
struct rrtext_scratch {
    char text[2 * RDATA_MAX + 2];
};

/* Read the RDATA of `type` from `cnt` tokens; relative names get `origin`.  ERR_FORMAT: `fault`
 * says where. */
MUST_USE enum err rrtext_read(uint16_t type, const struct rrtext_token *tokens, size_t cnt,
                              const uint8_t *origin, struct rrtext_scratch *scratch,
                              uint8_t out[RDATA_MAX], size_t *out_len,
                              struct rrtext_fault *fault);

/* True if the word behind these may be a parameter with a quoted value, key="a value", which is
 * one word (RFC 9460 2.1): they have the type SVCB or HTTPS, and priority and target after it.
 */
bool rrtext_is_at_param(const struct rrtext_token *tokens, size_t cnt);

/* Read a TTL: seconds, or numbers with the units s m h d w as BIND writes them ("1h30m").
 * ERR_FORMAT when it is none or above 2^32-1; above 2^31-1 it counts as 0 (RFC 2181 8), which
 * is the caller's to do, and to tell. */
MUST_USE enum err rrtext_read_ttl(const char *text, size_t len, uint32_t *ttl);
