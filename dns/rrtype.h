/* dns/rrtype.h | record types, classes, opcodes and RCODEs, with their mnemonics
 *
 * dns/rrtype.def has a row for each known type.  Any other type is written TYPEnnn and has
 * opaque RDATA (RFC 3597).
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

/* A known type; dns/rrtype.def explains the letters.  Static. */
struct rrtype_row {
    const char *name; /* mnemonic */
    uint16_t type;
    const char *wire; /* fields of the RDATA; NULL: never zone data (RFC 6895 3.1) */
    const char *text; /* the same in presentation format */
    uint8_t target;   /* 1 + offset of the name for the additional section; 0: none */
};

/* Return the row of a type.  NULL: the type is unknown and its RDATA opaque (RFC 3597). */
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

/* Read a mnemonic or "TYPEnnn" of `len` bytes, in any case.  ERR_FORMAT: neither. */
MUST_USE enum err rrtype_read(const char *text, size_t len, uint16_t *type);

/* Print the mnemonic of an RCODE, or RCODEnnn. */
void rrtype_print_rcode(unsigned rcode, char out[RRTYPE_NAME_MAX]);

/* Print the mnemonic of a type, or TYPEnnn. */
void rrtype_print(uint16_t type, char out[RRTYPE_NAME_MAX]);

/* Read the mnemonic of a class or "CLASSnnn" of `len` bytes, in any case.
 * ERR_FORMAT: neither. */
MUST_USE enum err rrtype_read_class(const char *text, size_t len, uint16_t *class);

/* Return true for QTYPEs and meta-types, which are never zone data (RFC 6895 3.1). */
bool rrtype_is_meta(uint16_t type);

/* Return the mnemonic that `text` most likely misspells, NULL if none is close. */
const char *rrtype_nearest(const char *text, size_t len);
