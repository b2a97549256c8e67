/* dns/edns.h | reader and writer of the OPT record (RFC 6891)
 *
 * Owner:    values; a cookie points into the message.
 * Thread:   any.
 */
#pragma once

#include "base/cursor.h"
#include "base/err.h"
#include "dns/cookie.h"

enum {
    EDNS_UDP_SIZE = 1232,  /* octets, unless configured (docs/LIMITS.md section 1) */
    EDNS_OPTIONS_MAX = 32, /* more is FORMERR (docs/LIMITS.md section 3) */
    EDNS_FIXED_LEN = 11,   /* owner, type, class, TTL and RDLENGTH of an OPT record */
    EDNS_OPTION_LEN = 4,   /* code and length of an option */
    EDNS_DO = 0x8000,      /* DO bit of the flags (RFC 3225) */
    EDNS_EDE_TEXT_MAX = 240,
};

enum edns_option {
    EDNS_NSID = 3,       /* RFC 5001 */
    EDNS_COOKIE = 10,    /* RFC 7873 */
    EDNS_KEEPALIVE = 11, /* RFC 7828 */
    EDNS_PADDING = 12,   /* RFC 7830 */
    EDNS_EDE = 15,       /* RFC 8914 */
};

/* The extended DNS errors that this software reports (RFC 8914 4). */
enum edns_ede {
    EDNS_EDE_NONE = -1,
    EDNS_EDE_OTHER = 0,
    EDNS_EDE_UNSUPPORTED_ALGORITHM = 1,
    EDNS_EDE_UNSUPPORTED_DIGEST = 2,
    EDNS_EDE_STALE = 3,
    EDNS_EDE_INDETERMINATE = 5,
    EDNS_EDE_BOGUS = 6,
    EDNS_EDE_SIGNATURE_EXPIRED = 7,
    EDNS_EDE_NOT_YET_VALID = 8,
    EDNS_EDE_DNSKEY_MISSING = 9,
    EDNS_EDE_RRSIGS_MISSING = 10,
    EDNS_EDE_NO_ZONE_KEY_BIT = 11,
    EDNS_EDE_NSEC_MISSING = 12,
    EDNS_EDE_CACHED_ERROR = 13,
    EDNS_EDE_BLOCKED = 15,
    EDNS_EDE_PROHIBITED = 18,
    EDNS_EDE_STALE_NXDOMAIN = 19,
    EDNS_EDE_NOT_AUTHORITATIVE = 20,
    EDNS_EDE_NOT_SUPPORTED = 21,
    EDNS_EDE_NO_REACHABLE_AUTHORITY = 22,
    EDNS_EDE_NETWORK_ERROR = 23,
    EDNS_EDE_INVALID_DATA = 24,
    EDNS_EDE_EXPIRED_BEFORE_VALID = 25,
    EDNS_EDE_UNSUPPORTED_ITERATIONS = 27, /* RFC 9276 6 */
    EDNS_EDE_SYNTHESISED = 29,            /* of RFC 8198 */
    EDNS_EDE_NEGATIVE_ANCHOR = 33,
};

/* The contents of a received OPT record. */
struct edns {
    uint16_t udp_size; /* the sender's, as received; below 512 means 512 (RFC 6891 6.2.3) */
    uint8_t ext_rcode; /* upper eight bits of the RCODE */
    uint8_t version;
    bool is_do;         /* the sender accepts DNSSEC records (RFC 3225) */
    bool has_nsid;      /* requests the server's identifier */
    bool has_keepalive; /* requests the idle timeout of the connection */
    bool has_padding;   /* padded, so the response may be padded too */
    /* An option overruns the RDATA or has a wrong length, there are two cookies, or more than
     * EDNS_OPTIONS_MAX options: FORMERR. */
    bool is_broken;
    const uint8_t *cookie; /* client cookie, then perhaps a server cookie; borrowed */
    uint8_t cookie_len;    /* 8, or 16 to 40; 0: no cookie */
};

/* Read an OPT record; the cursor is after TYPE.  ERR_FORMAT: the message ends within the
 * record. Malformed options only set is_broken. */
MUST_USE enum err edns_parse(struct cursor *c, struct edns *out);

/* An OPT record to write. */
struct edns_answer {
    uint16_t udp_size;
    uint8_t ext_rcode;
    bool is_do;
    const char *nsid;             /* "": no option */
    const uint8_t *client_cookie; /* NULL: no option */
    uint8_t server_cookie[COOKIE_SERVER_LEN];
    unsigned keepalive_ms; /* rounded down to 100 ms; 0: no option */
    int ede;               /* EDNS_EDE_NONE: no option */
    const char *ede_text;  /* at most EDNS_EDE_TEXT_MAX octets; may be "" */
    /* An EDE "Other" of every answer, besides that (RFC 8914 2 allows several); "": none. */
    const char *notice;
    bool is_padded; /* add a padding option of padding_len octets */
    uint16_t padding_len;
};

/* Return the number of octets that edns_write writes. */
size_t edns_len(const struct edns_answer *answer);

/* Write the OPT record to `out`. */
void edns_write(uint8_t *out, const struct edns_answer *answer);
