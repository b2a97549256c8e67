/* dns/message.h | a DNS message from the wire, checked once
 *
 * One pass over header, question and all records: every count, length and offset is checked
 * here and nowhere else. What was understood before the first fault stays readable, so that an
 * error reply can repeat the question.
 *
 * Owner:    the wire is borrowed while the view is used.
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
    MESSAGE_WHOLE,    /* everything fits */
    MESSAGE_TRAILING, /* everything fits, and more octets follow the last record */
    MESSAGE_BROKEN,   /* a header, and behind it something that does not fit */
    MESSAGE_SHORT,    /* not even a header */
};

/* Lifetime: the request's; points into the wire. */
struct message {
    const uint8_t *wire;
    size_t len;
    uint16_t id;
    uint16_t flags; /* the header's second word */
    uint16_t cnt[4];
    bool has_question; /* exactly one, and it could be read */
    bool has_edns;
    uint16_t qtype;
    uint16_t qclass;
    uint16_t question_len; /* octets of the question, from MESSAGE_HEADER_LEN on */
    size_t records_at;     /* where the first record stands */
    struct edns edns;      /* when has_edns */
};

/* One record. */
struct message_record {
    uint8_t owner[DNAME_MAX]; /* decompressed */
    enum message_section section;
    uint16_t type;
    uint16_t class;
    uint32_t ttl;
    const uint8_t *rdata; /* in the message: its names may be compressed */
    uint16_t rdata_len;
};

/* Lifetime: the loop. */
struct message_walk {
    struct cursor c;
    enum message_section section;
    uint16_t left; /* records left in this section */
    const struct message *message;
};

/* Look at `len` octets. */
enum message_state message_parse(const uint8_t *wire, size_t len, struct message *out);

/* The opcode. */
static inline unsigned message_opcode(const struct message *m) { return (m->flags >> 11) & 15; }

/* The question's name in wire form; has_question must hold. */
static inline const uint8_t *message_qname(const struct message *m)
{
    return m->wire + MESSAGE_HEADER_LEN;
}

/* Start at the first record of a whole message. */
struct message_walk message_walk(const struct message *m);

/* The next record; false behind the last. */
bool message_next(struct message_walk *walk, struct message_record *out);
