/* layer 13 | dns/rrset.h | the records of one owner and type, packed as they go on the wire
 *
 * Behind the head stand `cnt` records, each its RDLENGTH in network order and its RDATA without
 * compression, in canonical order (RFC 4034 6.3).  A record of a type without compressible
 * names is one copy into a message.
 *
 * Owner:    whoever holds the memory; an rrset is never moved apart from its data.
 * Thread:   any while nobody writes.
 */
#pragma once

#include "dns/rdata.h"

/* Lifetime: that of the zone version it belongs to. */
struct rrset {
    uint16_t type;
    uint16_t cnt;
    uint32_t ttl;  /* seconds */
    uint32_t size; /* bytes of data */
    uint8_t data[];
};

/* One record inside an rrset; borrowed. */
struct rrset_record {
    const uint8_t *rdata;
    uint16_t len;
};

/* Bytes from the start of one rrset to that of the next one packed behind it. */
static inline size_t rrset_stride(const struct rrset *set)
{
    return (sizeof(*set) + set->size + 3) & ~(size_t)3;
}

/* The record at byte `pos` of the data, and the position of the one behind it. */
static inline struct rrset_record rrset_at(const struct rrset *set, size_t pos, size_t *next)
{
    struct rrset_record record = {.rdata = set->data + pos + 2,
                                  .len = util_get_u16(set->data + pos)};
    *next = pos + 2 + record.len;
    return record;
}

/* The first record; the set has at least one. */
static inline struct rrset_record rrset_first(const struct rrset *set)
{
    size_t next;
    return rrset_at(set, 0, &next);
}
