/* dns/rdata.h | the fields of RDATA, walked by a description of the type
 *
 * One bounds-checked parser serves every type; dns/rrtype.def has the descriptions.
 *
 * Owner:    RDATA is borrowed.
 * Thread:   any.
 */
#pragma once

#include "dns/dname.h"
#include "dns/rrtype.h"

enum { RDATA_MAX = 65535 };

/* A field.  `kind` is its letter in the row of the type (dns/rrtype.def). */
struct rdata_field {
    char kind;
    const uint8_t *at;
    size_t len;
};

/* A position in RDATA.  Lifetime: the loop. */
struct rdata_walk {
    const char *wire; /* the letters of the remaining fields */
    struct cursor c;  /* failed: the RDATA does not match its type */
};

/* Start at the first field of RDATA of `type`.  An unknown type has one field, 'r'. */
struct rdata_walk rdata_walk(uint16_t type, const uint8_t *rdata, size_t len);

/* Get the next field.  False at the end, and if the RDATA does not match its type: then the
 * cursor has failed. */
bool rdata_next(struct rdata_walk *walk, struct rdata_field *field);

/* Check that `len` octets are RDATA of `type`, without compressed names.  ERR_FORMAT: a field
 * is invalid, or octets are left over. */
MUST_USE enum err rdata_check(uint16_t type, const uint8_t *rdata, size_t len);

/* Compare two checked RDATA of one type in canonical order (RFC 4034 6.2, 6.3), in which names
 * of the types listed there are compared in lower case.  Return <0, 0 or >0. */
int rdata_compare(uint16_t type, const uint8_t *a, size_t a_len, const uint8_t *b,
                  size_t b_len);

/* Copy checked RDATA to `out` in canonical form (RFC 4034 6.2): names of the types listed there
 * in lower case.  The length stays. */
void rdata_canonical(uint16_t type, const uint8_t *rdata, size_t len, uint8_t *out);

/* Copy the RDATA of a received record, `len` octets at the cursor, to `out` and decompress its
 * names; set *out_len.  The cursor is over the whole message.  Names may be compressed in the
 * types of RFC 3597 4, in SRV (RFC 2782) and in other types that old servers compress.
 * ERR_FORMAT: the RDATA does not match its type, or needs more than `size` octets. */
MUST_USE enum err rdata_expand(uint16_t type, struct cursor *message, size_t len, uint8_t *out,
                               size_t size, size_t *out_len);

/* Return true if names in this type may be compressed when sent (RFC 3597 4): the types of RFC
 * 1035. */
bool rdata_may_compress(uint16_t type);

/* Return the name in checked RDATA whose addresses belong in the additional section.  NULL: the
 * type has none. */
const uint8_t *rdata_target(uint16_t type, const uint8_t *rdata);
