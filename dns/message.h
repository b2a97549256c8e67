/* dns/message.h | parser of received DNS messages
 *
 * One pass over header, question and all records checks every count, length and offset, so that
 * no other code has to.  What precedes the first error stays readable: an error response can
 * repeat the question.
 *
 * Owner:    the wire is borrowed as long as the message is used.
 * Thread:   any.
 */
#pragma once

#include "dns/dname.h"
#include "dns/edns.h"
#include "dns/rrtype.h"

enum { MESSAGE_HEADER_LEN = 12, MESSAGE_MAX = 65535 };

/* Bits of the second word of the header. */
enum message_flag {
    MESSAGE_QR = 0x8000,
    MESSAGE_AA = 0x0400,
    MESSAGE_TC = 0x0200,
    MESSAGE_RD = 0x0100,
    MESSAGE_RA = 0x0080,
    MESSAGE_AD = 0x0020,
    MESSAGE_CD = 0x0010,
};

enum message_section {
    MESSAGE_QUESTION,
    MESSAGE_ANSWER,
    MESSAGE_AUTHORITY,
    MESSAGE_ADDITIONAL
};

enum message_state {
    MESSAGE_WHOLE,    /* valid */
    MESSAGE_TRAILING, /* valid, but octets follow the last record */
    MESSAGE_BROKEN,   /* malformed after the header */
    MESSAGE_SHORT,    /* shorter than a header */
};

/* Lifetime: the request's; points into the wire. */
struct message {
    const uint8_t *wire;
    size_t len;
    uint16_t id;
    uint16_t flags; /* the second word of the header */
    uint16_t cnt[4];
    bool has_question; /* exactly one question, and it is valid */
    bool has_edns;
    uint16_t qtype;
    uint16_t qclass;
    uint16_t question_len; /* octets of the question, which starts at MESSAGE_HEADER_LEN */
    size_t records_at;     /* offset of the first record */
    struct edns edns;      /* if has_edns */
};

/* A record. */
struct message_record {
    uint8_t owner[DNAME_MAX]; /* decompressed */
    enum message_section section;
    uint16_t type;
    uint16_t class;
    uint32_t ttl;
    const uint8_t *rdata; /* points into the message; names in it may be compressed */
    uint16_t rdata_len;
};

/* A position among the records.  Lifetime: the loop. */
struct message_walk {
    struct cursor c;
    enum message_section section;
    uint16_t left; /* records left in `section` */
    const struct message *message;
};

/* Parse `len` octets. */
enum message_state message_parse(const uint8_t *wire, size_t len, struct message *out);

/* Return the opcode. */
static inline unsigned message_opcode(const struct message *m) { return (m->flags >> 11) & 15; }

/* Return the QNAME in wire format.  has_question must be true. */
static inline const uint8_t *message_qname(const struct message *m)
{
    return m->wire + MESSAGE_HEADER_LEN;
}

/* Start at the first record of a message that is MESSAGE_WHOLE or MESSAGE_TRAILING. */
struct message_walk message_walk(const struct message *m);

/* Get the next record.  False: there are no more records, or an owner name is malformed. */
bool message_next(struct message_walk *walk, struct message_record *out);
