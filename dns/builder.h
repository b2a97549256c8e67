/* dns/builder.h | writer of response messages
 *
 * Appends records to the caller's buffer with name compression.  An RRset is appended whole or
 * not at all (RFC 2181 9).
 *
 * Owner:    the caller owns the buffer; nothing is allocated.
 * Thread:   one at a time.
 * Words:    limit - octets the message may have; lower it to reserve room for the OPT record.
 */
#pragma once

#include "dns/message.h"
#include "dns/rrset.h"

enum {
    BUILDER_SLOTS = 64,          /* suffixes in the compression table */
    BUILDER_NAMES = 32,          /* names cached by the address of their source */
    BUILDER_POINTER_MAX = 0x3fff /* largest offset of a pointer (RFC 1035 4.1.4) */
};

/* A name that has been written. */
struct builder_name {
    uint64_t hash; /* dname_hash */
    uint16_t at;   /* offset in the message; 0: no pointer can lead there */
};

/* Lifetime: the request's. */
struct builder {
    uint8_t *wire;
    size_t len;
    size_t limit;
    uint16_t cnt[4];
    struct {
        uint16_t tag; /* upper bits of the suffix's hash */
        uint16_t at;  /* offset of the suffix; 0: the slot is free */
    } slot[BUILDER_SLOTS];
    const uint8_t *read[BUILDER_NAMES];       /* address of the name's source; NULL: free */
    struct builder_name names[BUILDER_NAMES]; /* the name that was written from there */
};

/* An owner name: its offset in the message if `at` is not 0, else its octets. */
struct builder_owner {
    uint16_t at;
    const uint8_t *name;
};

/* Begin a message of at most `limit` octets in `wire`, with empty sections.  `limit` must be at
 * least MESSAGE_HEADER_LEN.  The caller writes the header. */
void builder_init(struct builder *b, uint8_t *wire, size_t limit);

/* Copy the question section of `m`, of which `parts` is the QNAME.  Nothing if it does
 * not fit. */
void builder_question(struct builder *b, const struct message *m,
                      const struct dname_parts *parts);

/* Append all records of `set` with `ttl`, beginning with record `first` (modulo their number).
 * Sets owner->at if the owner was written, which is invalid after a rollback.  ERR_SPACE:
 * nothing was written. */
MUST_USE enum err builder_rrset(struct builder *b, enum message_section section,
                                struct builder_owner *owner, const struct rrset *set,
                                uint32_t ttl, unsigned first);

/* Append one record, such as a synthesised CNAME.  ERR_SPACE: nothing was written. */
MUST_USE enum err builder_record(struct builder *b, enum message_section section,
                                 struct builder_owner owner, uint16_t type, uint16_t class,
                                 uint32_t ttl, const uint8_t *rdata, size_t rdata_len);

/* Return dname_hash of `name`.  It is known already if the name was written from this address:
 * that of a server in an NS RRset, whose address records follow. */
uint64_t builder_hash(const struct builder *b, const uint8_t *name);

/* A state of a message, to roll back to. */
struct builder_mark {
    size_t len;
    uint16_t cnt[4];
};

/* Return the current state. */
struct builder_mark builder_mark(const struct builder *b);

/* Remove everything that was appended since `mark`. */
void builder_rollback(struct builder *b, const struct builder_mark *mark);
