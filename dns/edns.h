/* layer 13 | dns/edns.h | the OPT record (RFC 6891)
 *
 * Owner:    values.
 * Thread:   any.
 */
#pragma once

#include "base/cursor.h"
#include "base/err.h"

enum {
    EDNS_OPTIONS_MAX =
        32, /* limits.md section 3: more is FORMERR, so that options cost constant time */
    EDNS_FIXED_LEN = 11,  /* owner, type, class, TTL and RDLENGTH of an OPT record */
    EDNS_OPTION_NSID = 3, /* RFC 5001 */
};

/* What a question said in its OPT record. */
struct edns {
    uint16_t udp_size; /* the sender's; below 512 means 512 (RFC 6891 6.2.3) */
    uint8_t ext_rcode; /* upper eight bits of the RCODE */
    uint8_t version;
    bool is_do;     /* DNSSEC records are wanted (RFC 3225) */
    bool has_nsid;  /* NSID is asked for */
    bool is_broken; /* an option runs over the RDATA, or there are too many: FORMERR */
};

/* Read an OPT record from its CLASS on (the cursor stands behind TYPE).  ERR_FORMAT when it
 * ends before its RDATA does; broken options only set is_broken. */
MUST_USE enum err edns_parse(struct cursor *c, struct edns *out);

/* Octets that edns_write needs for an NSID of `nsid_len` (0: none). */
size_t edns_len(size_t nsid_len);

/* Write an OPT record of edns_len(nsid_len) octets to `out`. */
void edns_write(uint8_t *out, const struct edns *edns, const char *nsid, size_t nsid_len);
