/* dns/query.h | writer of the queries that are sent to servers
 *
 * Owner:    the caller's buffer.
 * Thread:   any.
 */
#pragma once

#include "dns/message.h"

enum {
    QUERY_BLOCK = 128,           /* the length of a padded query is a multiple (RFC 8467 4.1) */
    QUERY_MAX = 3 * QUERY_BLOCK, /* header, longest name, OPT with a cookie, and padding */
};

/* The fields of a query. */
struct query {
    uint16_t id;
    uint16_t flags;      /* RD, CD */
    const uint8_t *name; /* copied as it is: the caller chose the case of its letters */
    uint16_t type;
    bool has_edns; /* false: the fields below are ignored */
    bool is_do;
    uint16_t udp_size;
    const uint8_t *cookie; /* client cookie, then server cookie; NULL: no option */
    size_t cookie_len;
    bool is_padded; /* encrypted: the length must not reveal the name */
};

/* Write the query to `out` and return its length. */
size_t query_write(const struct query *q, uint8_t out[QUERY_MAX]);
