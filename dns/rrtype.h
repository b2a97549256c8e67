/* layer 10 | dns/rrtype.h | the numbers of the DNS and their names
 *
 * Types with the shape of their RDATA, classes, opcodes, RCODEs, EDNS options.  One table; a
 * type that is not in it is TYPEnnn with opaque RDATA (RFC 3597).
 *
 * Thread:   any.
 * Words:    shape - a string, one letter a field of the RDATA; see rrtype_shape.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

/* Those that the code names; rrtype.c knows more. */
enum rrtype {
    RRTYPE_A = 1,
    RRTYPE_NS = 2,
    RRTYPE_CNAME = 5,
    RRTYPE_SOA = 6,
    RRTYPE_WKS = 11,
    RRTYPE_PTR = 12,
    RRTYPE_HINFO = 13,
    RRTYPE_MINFO = 14,
    RRTYPE_MX = 15,
    RRTYPE_TXT = 16,
    RRTYPE_RP = 17,
    RRTYPE_AFSDB = 18,
    RRTYPE_X25 = 19,
    RRTYPE_RT = 21,
    RRTYPE_NSAP = 22,
    RRTYPE_SIG = 24,
    RRTYPE_KEY = 25,
    RRTYPE_PX = 26,
    RRTYPE_GPOS = 27,
    RRTYPE_AAAA = 28,
    RRTYPE_LOC = 29,
    RRTYPE_NXT = 30,
    RRTYPE_EID = 31,
    RRTYPE_NIMLOC = 32,
    RRTYPE_SRV = 33,
    RRTYPE_ATMA = 34,
    RRTYPE_NAPTR = 35,
    RRTYPE_KX = 36,
    RRTYPE_CERT = 37,
    RRTYPE_DNAME = 39,
    RRTYPE_SINK = 40,
    RRTYPE_OPT = 41,
    RRTYPE_APL = 42,
    RRTYPE_DS = 43,
    RRTYPE_SSHFP = 44,
    RRTYPE_IPSECKEY = 45,
    RRTYPE_RRSIG = 46,
    RRTYPE_NSEC = 47,
    RRTYPE_DNSKEY = 48,
    RRTYPE_DHCID = 49,
    RRTYPE_NSEC3 = 50,
    RRTYPE_NSEC3PARAM = 51,
    RRTYPE_TLSA = 52,
    RRTYPE_SMIMEA = 53,
    RRTYPE_HIP = 55,
    RRTYPE_RKEY = 57,
    RRTYPE_TALINK = 58,
    RRTYPE_CDS = 59,
    RRTYPE_CDNSKEY = 60,
    RRTYPE_OPENPGPKEY = 61,
    RRTYPE_CSYNC = 62,
    RRTYPE_ZONEMD = 63,
    RRTYPE_SVCB = 64,
    RRTYPE_HTTPS = 65,
    RRTYPE_DSYNC = 66,
    RRTYPE_NID = 104,
    RRTYPE_L32 = 105,
    RRTYPE_L64 = 106,
    RRTYPE_LP = 107,
    RRTYPE_EUI48 = 108,
    RRTYPE_EUI64 = 109,
    RRTYPE_TKEY = 249,
    RRTYPE_TSIG = 250,
    RRTYPE_IXFR = 251,
    RRTYPE_AXFR = 252,
    RRTYPE_MAILB = 253,
    RRTYPE_MAILA = 254,
    RRTYPE_ANY = 255,
    RRTYPE_URI = 256,
    RRTYPE_CAA = 257,
    RRTYPE_DOA = 259,
    RRTYPE_TA = 32768,
    RRTYPE_DLV = 32769,
};

enum rrtype_class {
    RRTYPE_CLASS_IN = 1,
    RRTYPE_CLASS_CH = 3,
    RRTYPE_CLASS_HS = 4,
    RRTYPE_CLASS_ANY = 255,
};

enum rrtype_opcode { RRTYPE_OPCODE_QUERY = 0 };

enum rrtype_rcode {
    RRTYPE_RCODE_NOERROR = 0,
    RRTYPE_RCODE_FORMERR = 1,
    RRTYPE_RCODE_SERVFAIL = 2,
    RRTYPE_RCODE_NXDOMAIN = 3,
    RRTYPE_RCODE_NOTIMP = 4,
    RRTYPE_RCODE_REFUSED = 5,
    RRTYPE_RCODE_YXDOMAIN = 6,
    RRTYPE_RCODE_BADVERS = 16,
    RRTYPE_RCODE_BADCOOKIE = 23,
};

enum { RRTYPE_NAME_MAX = 16 };

/* The fields of the RDATA of `type`, or NULL for an unknown type:
 *   1 2 4 8  as many octets: a number, an IPv4 address ...
 *   X        16 octets (AAAA)
 *   N        name, compressible in messages (RFC 3597 4)
 *   L        name, lower-cased in canonical form (RFC 4034 6.2)
 *   P        name, kept as it is
 *   s t      one character-string; one or more of them
 *   b        type bitmap (RFC 4034 4.1.2)
 *   v        SvcParams (RFC 9460 2.2)
 *   h        one length octet, then 1 to 255 octets
 *   r R      the rest; the rest, at least one octet
 *   a        APL items (RFC 3123)
 *   i        IPSECKEY gateway and key (RFC 4025)
 *   m        AMTRELAY relay (RFC 8777)
 *   H        HIP (RFC 8005) */
const char *rrtype_shape(uint16_t type);

/* The number of a mnemonic or "TYPEnnn", in any case; `len` bytes. */
MUST_USE enum err rrtype_read(const char *text, size_t len, uint16_t *type);

/* "SERVFAIL" and so on, or RCODEnnn. */
void rrtype_print_rcode(unsigned rcode, char out[RRTYPE_NAME_MAX]);

/* The mnemonic, or TYPEnnn. */
void rrtype_print(uint16_t type, char out[RRTYPE_NAME_MAX]);

/* The number of a class mnemonic or "CLASSnnn". */
MUST_USE enum err rrtype_read_class(const char *text, size_t len, uint16_t *class);

/* Whether the type belongs to questions or messages and can never be zone data (RFC 6895 3.1).
 */
bool rrtype_is_meta(uint16_t type);

/* The mnemonic most like `text`; NULL when none is near. */
const char *rrtype_nearest(const char *text, size_t len);
