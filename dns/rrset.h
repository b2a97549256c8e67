/* dns/rrset.h | RRset in one piece of memory, packed as on the wire
 *
 * The head is followed by `cnt` records in canonical order (RFC 4034 6.3), each an RDLENGTH in
 * network byte order and RDATA without compression.  Unless the type has compressible names, a
 * record is copied into a message as it is.
 *
 * Owner:    the owner of the memory; head and data are only copied together.
 * Thread:   any may read while no thread writes.
 */
#pragma once

#include "base/arena.h"
#include "dns/rdata.h"

enum rrset_flag {
    RRSET_IS_SIGNED = 1,      /* the RRset of its RRSIGs follows immediately */
    RRSET_IS_SYNTHESISED = 2, /* a CNAME synthesised from a DNAME (RFC 6672 3.1) */
    RRSET_IS_TOO_LARGE = 4,   /* for any message: some records were left out */
};

/* The RRSIGs that cover a type are an RRset of their own, with the TTL of the RRset that they
 * sign (RFC 4034 3).
 * Lifetime: that of the zone version or cache entry. */
struct rrset {
    uint16_t type;
    uint16_t cnt;
    uint32_t ttl;  /* seconds */
    uint16_t size; /* octets of `data`; they fit a message */
    uint16_t flags;
    uint8_t data[];
};

/* A record of an RRset.  Borrowed. */
struct rrset_record {
    const uint8_t *rdata;
    uint16_t len;
};

/* Return the distance to an RRset that is packed behind `set`, in bytes. */
static inline size_t rrset_stride(const struct rrset *set)
{
    return (sizeof(*set) + set->size + 3) & ~(size_t)3;
}

/* Return the RRset that is packed behind `set`. */
static inline const struct rrset *rrset_next(const struct rrset *set)
{
    return (const struct rrset *)(const void *)((const uint8_t *)set + rrset_stride(set));
}

/* Return the RRSIGs of `set`, NULL if it has none. */
static inline const struct rrset *rrset_signatures(const struct rrset *set)
{
    return set->flags & RRSET_IS_SIGNED ? rrset_next(set) : NULL;
}

/* Return the record at offset `pos` of the data, and set *next to the offset of the following
 * one. */
static inline struct rrset_record rrset_at(const struct rrset *set, size_t pos, size_t *next)
{
    struct rrset_record record = {.rdata = set->data + pos + 2,
                                  .len = util_get_u16(set->data + pos)};
    *next = pos + 2 + record.len;
    return record;
}

/* Return the first record.  An RRset is never empty. */
static inline struct rrset_record rrset_first(const struct rrset *set)
{
    size_t next;
    return rrset_at(set, 0, &next);
}

/* Return the number of bytes that rrset_pack needs for `cnt` records. */
size_t rrset_room(const struct rrset_record *records, size_t cnt);

/* Pack records of one type into `out`, in canonical order and without duplicates (RFC 2181 5).
 * Sorts `records` in place.  ERR_SPACE: they have more than 65,535 octets. */
MUST_USE enum err rrset_pack(uint16_t type, uint32_t ttl, struct rrset_record *records,
                             size_t cnt, struct rrset *out);

/* Return true if `len` octets are a packed RRset, its RRSIGs if the flag says so, and nothing
 * else. Octets that come from a file must be checked before use. */
bool rrset_check(const uint8_t *bytes, size_t len);
