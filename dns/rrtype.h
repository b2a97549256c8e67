/* dns/rrtype.h | the numbers of the DNS and their names
 *
 * Types (one row each in rrtype.def), classes, opcodes, RCODEs.  A type without a row is
 * TYPEnnn with opaque RDATA (RFC 3597).
 *
 * Thread:   any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

enum rrtype {
#define RRTYPE_ROW(id, name, number, wire, text, target) RRTYPE_##id = (number),
#include "dns/rrtype.def"
#undef RRTYPE_ROW
};

/* What is known of a type; dns/rrtype.def says what the letters mean.  Static. */
struct rrtype_row {
    const char *name; /* the mnemonic */
    uint16_t type;
    const char *wire,
        *text;      /* fields of the RDATA; NULL: it is never zone data (RFC 6895 3.1) */
    uint8_t target; /* 1 + the octet where a name begins for the additional section; 0: none */
};

/* The row of a type; NULL for one that is unknown: its RDATA is opaque (RFC 3597). */
const struct rrtype_row *rrtype_find(uint16_t type);

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
