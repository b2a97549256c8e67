/* dns/rrset.h | the records of one owner and type, packed as they go on the wire
 *
 * Behind the head stand `cnt` records, each its RDLENGTH in network order and its RDATA without
 * compression, in canonical order (RFC 4034 6.3).  A record of a type without compressible
 * names is one copy into a message.
 *
 * Owner:    whoever holds the memory; an rrset is never moved apart from its data.
 * Thread:   any while nobody writes.
 */
#pragma once

#include "base/arena.h"
#include "dns/rdata.h"

enum rrset_flag {
    RRSET_IS_SIGNED = 1,      /* the RRset of its RRSIGs stands right behind it */
    RRSET_IS_SYNTHESISED = 2, /* a CNAME that a DNAME has made (RFC 6672 3.1) */
    RRSET_IS_TOO_LARGE = 4,   /* for any message: it is there, and not all of its records are */
};

/* Signatures are an RRset of their own for each type they cover: each has the TTL of what it
 * signs (RFC 4034 3).  Lifetime: that of the zone version it belongs to. */
struct rrset {
    uint16_t type;
    uint16_t cnt;
    uint32_t ttl;  /* seconds */
    uint16_t size; /* bytes of data: all records together fit a message */
    uint16_t flags;
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

/* The RRset packed behind `set`. */
static inline const struct rrset *rrset_next(const struct rrset *set)
{
    return (const struct rrset *)(const void *)((const uint8_t *)set + rrset_stride(set));
}

/* The signatures of `set`, NULL when there are none. */
static inline const struct rrset *rrset_signatures(const struct rrset *set)
{
    return set->flags & RRSET_IS_SIGNED ? rrset_next(set) : NULL;
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

/* Octets that rrset_pack needs for `cnt` records. */
size_t rrset_room(const struct rrset_record *records, size_t cnt);

/* Pack records of one type into `room`, at most 65,535 octets of data in all: in canonical
 * order, each once (RFC 2181 5).  The records are sorted in place.  ERR_SPACE when they are too
 * many or too long. */
MUST_USE enum err rrset_pack(uint16_t type, uint32_t ttl, struct rrset_record *records,
                             size_t cnt, struct rrset *out);

/* Whether `len` octets at `bytes` are a packed RRset and, if it says so, its signatures, and
 * nothing more: what comes out of a file is checked before it is used. */
bool rrset_check(const uint8_t *bytes, size_t len);
