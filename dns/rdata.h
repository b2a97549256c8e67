/* dns/rdata.h | the inside of RDATA, walked by its shape
 *
 * One bounds-checked descriptor parser for every type; rrtype.def holds the descriptors.
 *
 * Owner:    bytes are borrowed.
 * Thread:   any.
 */
#pragma once

#include "dns/dname.h"
#include "dns/rrtype.h"

enum { RDATA_MAX = 65535 };

/* One field.  kind is its letter in the row of the type; 'P' for each name inside a HIP,
 * IPSECKEY or AMTRELAY. */
struct rdata_field {
    char kind;
    const uint8_t *at;
    size_t len;
};

/* Lifetime: the walk. */
struct rdata_walk {
    const char *wire; /* what is still to come */
    struct cursor c;  /* failed: the RDATA breaks its shape */
};

/* Start at the first field of RDATA of `type`; an unknown type is one field 'r'. */
struct rdata_walk rdata_walk(uint16_t type, const uint8_t *rdata, size_t len);

/* Step to the next field.  False at the end, or when the shape is broken (then the cursor has
 * failed). */
bool rdata_next(struct rdata_walk *walk, struct rdata_field *field);

/* Whether these bytes are RDATA of `type`: ERR_FORMAT when the shape is broken or bytes are
 * left over. */
MUST_USE enum err rdata_check(uint16_t type, const uint8_t *rdata, size_t len);

/* Canonical order of two checked RDATA of one type (RFC 4034 6.2, 6.3): names of the listed
 * types without case. */
int rdata_compare(uint16_t type, const uint8_t *a, size_t a_len, const uint8_t *b,
                  size_t b_len);

/* Copy checked RDATA in canonical form (RFC 4034 6.2): names of the listed types in lower case.
 * It has the same length. */
void rdata_canonical(uint16_t type, const uint8_t *rdata, size_t len, uint8_t *out);

/* Copy the RDATA of a received message, `len` octets at the cursor (which stands in the whole
 * message), with its names written out; the types whose names may be compressed are those of
 * RFC 3597 4, RFC 2782 and others that old servers compress all the same.  *out_len gets the
 * octets.  ERR_FORMAT: the RDATA breaks its shape, or became longer than `size`. */
MUST_USE enum err rdata_expand(uint16_t type, struct cursor *message, size_t len, uint8_t *out,
                               size_t size, size_t *out_len);

/* Whether names in this type may be compressed in messages (RFC 3597 4): those of RFC 1035. */
bool rdata_may_compress(uint16_t type);

/* The name in checked RDATA whose addresses belong in the additional section; NULL when the
 * type has none. */
const uint8_t *rdata_target(uint16_t type, const uint8_t *rdata);
