/* dns/builder.h | write an answer
 *
 * Appends to a buffer of the caller with name compression.  An RRset goes in whole or not at
 * all (RFC 2181 9).
 *
 * Owner:    the caller's buffer; nothing is allocated.
 * Thread:   one at a time.
 * Words:    limit - octets the message may have; room for OPT is kept by lowering it.
 */
#pragma once

#include "dns/message.h"
#include "dns/rrset.h"

enum {
    BUILDER_SLOTS = 64,          /* suffixes remembered for compression */
    BUILDER_NAMES = 32,          /* whole names remembered by the address they were read from */
    BUILDER_POINTER_MAX = 0x3fff /* offsets a pointer can hold (RFC 1035 4.1.4) */
};

/* A name that was written. */
struct builder_name {
    uint64_t hash; /* dname_hash of it */
    uint16_t at;   /* where it stands in the message; 0: where no pointer can lead */
};

/* Lifetime: the request's. */
struct builder {
    uint8_t *wire;
    size_t len;
    size_t limit;
    uint16_t cnt[4];
    struct {
        uint16_t tag; /* bits of the suffix's hash */
        uint16_t at;  /* its offset; 0: the slot is free */
    } slot[BUILDER_SLOTS];
    const uint8_t *read[BUILDER_NAMES]; /* where names were read, by that address; NULL: free */
    struct builder_name names[BUILDER_NAMES]; /* what is known of them */
};

/* An owner name: where it already stands in the message (`at` not 0), or its octets. */
struct builder_owner {
    uint16_t at;
    const uint8_t *name;
};

/* A message of at most `limit` octets in `wire`, which must hold a header at least; sections
 * empty. */
void builder_init(struct builder *b, uint8_t *wire, size_t limit);

/* Copy the question of `m`; `parts` is its name taken apart.  Leaves out what does not fit. */
void builder_question(struct builder *b, const struct message *m,
                      const struct dname_parts *parts);

/* Append all records of `set` with `ttl`, beginning with the one numbered `first` (modulo their
 * number).  The owner learns where it stands, which a rollback makes untrue.  ERR_SPACE:
 * nothing was written. */
MUST_USE enum err builder_rrset(struct builder *b, enum message_section section,
                                struct builder_owner *owner, const struct rrset *set,
                                uint32_t ttl, unsigned first);

/* Append one record whose RDATA is a name (a synthesised CNAME) or plain octets.  ERR_SPACE:
 * nothing was written. */
MUST_USE enum err builder_record(struct builder *b, enum message_section section,
                                 struct builder_owner owner, uint16_t type, uint16_t class,
                                 uint32_t ttl, const uint8_t *rdata, size_t rdata_len);

/* The hash of `name`, at hand when it has been written from this address into an RDATA (a
 * server of an NS RRset whose addresses are wanted next). */
uint64_t builder_hash(const struct builder *b, const uint8_t *name);

/* A point to come back to. */
struct builder_mark {
    size_t len;
    uint16_t cnt[4];
};
struct builder_mark builder_mark(const struct builder *b);
void builder_rollback(struct builder *b, const struct builder_mark *mark);
