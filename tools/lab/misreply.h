/* tools/lab/misreply.h | a reply that is wrong on purpose, while it is made
 *
 * misreply_begin starts a valid reply without records.  A kind of mischief (mischief_kinds.c)
 * adds records and changes fields; misreply_end writes the header and the OPT record.
 *
 * Owner:    the caller owns the struct, which points into the query.
 * Thread:   one at a time.
 * Words:    host - an address of this server, by number: 0 is that of the zone, then each kind
 *           has one, and the last is a good second server for all kinds.
 */
#pragma once

#include "base/addr.h"
#include "base/rng.h"
#include "dns/builder.h"

/* The address in each record that a resolver may believe, and in each that it must reject. */
#define MISREPLY_GOOD "192.0.2.1"
#define MISREPLY_FORGED "192.0.2.66"

enum {
    MISREPLY_ROOM = 1024, /* octets behind MESSAGE_MAX, for what makes a message too long */
    MISREPLY_TTL = 300,
    MISREPLY_PLACES_MAX = 8,
};

/* The prefixes that the server's addresses are in.  A value. */
struct misreply_places {
    struct addr_prefix at[MISREPLY_PLACES_MAX];
    size_t cnt;
    uint16_t port;
};

/* Lifetime: one query.  The fields of the second and third part may be changed by a kind. */
struct misreply {
    /* the query */
    const struct message *query;
    const uint8_t *name;   /* QNAME, in the case in which it was received */
    const uint8_t *zone;   /* of the kind: KIND.ZONE; points into the QNAME */
    const uint8_t *child;  /* one label more than `zone` if the QNAME has it, else `zone` */
    const uint8_t *apex;   /* the server's zone */
    const uint8_t *victim; /* KIND.VICTIM, a name of another operator's zone */
    const struct misreply_places *places;
    const char *text; /* what the kind does, for TXT records */
    unsigned host;    /* where the query was received */
    unsigned first;   /* the host of the kind's first server */
    unsigned second;  /* and of its second one, which is good */
    unsigned earlier; /* queries that this kind has answered before */
    uint32_t number;  /* the parameter of the kind's row in mischief.def */
    bool is_tcp;
    struct rng rng; /* determined by the seed, the kind and `earlier` */

    /* the message */
    struct builder b;
    uint16_t id, flags;     /* of the header, `flags` without the RCODE */
    uint16_t rcode;         /* with the upper bits, which the OPT record has */
    unsigned opt_cnt;       /* OPT records at the end of the additional section */
    struct edns_answer opt; /* what they contain */
    int cnt_error[4];       /* added to the counts of the header */
    size_t removed, added;  /* octets at the end of the message */

    /* how it is sent */
    bool is_silent; /* not at all */
    bool from_other_port, from_other_address;
    unsigned copies;
    unsigned delay_ms; /* before the first octet */
    unsigned pace_ms;  /* over TCP: between two octets; 0: all at once */
    int frame_error;   /* over TCP: added to the two octets of length */
    bool is_last;      /* over TCP: close the connection afterwards */
    void (*send)(struct misreply *m);
    void *link; /* of `send` */

    uint8_t wire[MESSAGE_MAX + MISREPLY_ROOM];
};

/* A record of which each octet can be chosen. */
struct misreply_record {
    const void *owner; /* NULL: a pointer to the QNAME, or the QNAME if there is no question */
    size_t owner_len;
    uint16_t type;  /* 0: A */
    uint16_t class; /* 0: IN */
    uint32_t ttl;
    const void *rdata;
    size_t len;
    int len_error; /* added to RDLENGTH */
};

/* Set `out` to the address of a host: that of a prefix of full length is the only one. */
void misreply_address(const struct misreply_places *places, size_t place, unsigned host,
                      struct addr *out);

/* Start a valid reply; all fields that describe the query are set.  A message that was started
 * before is dropped. */
void misreply_begin(struct misreply *m);

/* Drop the question section that misreply_begin copied, and with it all records. */
void misreply_drop_question(struct misreply *m);

/* Write the header and the OPT records; the message is b.len octets at `wire`. */
void misreply_end(struct misreply *m);

/* End this message, send it, and start another one. */
void misreply_flush(struct misreply *m);

/* Write LABELS.PARENT to `out` and return `out`.  It must not be too long for a name. */
const uint8_t *misreply_name(const char *labels, const uint8_t *parent, uint8_t out[DNAME_MAX]);

/* Append a valid record.  Records are added in the order of their sections.  What does not fit
 * is left out. */
void misreply_add(struct misreply *m, enum message_section section, const uint8_t *owner,
                  uint16_t type, uint32_t ttl, const void *rdata, size_t len);

/* Append an A record with the address in `text`, or a record whose RDATA is one name. */
void misreply_add_a(struct misreply *m, enum message_section section, const uint8_t *owner,
                    const char *text);
void misreply_add_name(struct misreply *m, enum message_section section, const uint8_t *owner,
                       uint16_t type, const uint8_t *target);

/* Append an SOA record; `minimum` is the TTL of negative answers (RFC 2308 4). */
void misreply_add_soa(struct misreply *m, enum message_section section, const uint8_t *owner,
                      uint32_t minimum);

/* Append the addresses of a host: RRTYPE_A, RRTYPE_AAAA, or RRTYPE_ANY for both.  Return the
 * number of records. */
unsigned misreply_add_host(struct misreply *m, enum message_section section,
                           const uint8_t *owner, uint16_t type, unsigned host);

/* Append an NS record, and in the additional section the addresses of its server. */
void misreply_add_server(struct misreply *m, const uint8_t *owner, const uint8_t *server,
                         unsigned host);

/* Append an OPT record. */
void misreply_add_opt(struct misreply *m, enum message_section section);

/* Append a record octet by octet, without compression. */
void misreply_add_raw(struct misreply *m, enum message_section section,
                      const struct misreply_record *record);

/* Append the true answer: a record of the type, or the SOA of the kind's zone if the name has
 * none. */
void misreply_add_answer(struct misreply *m);

/* Replace the message by one without records that has TC set, so that the client uses TCP. */
void misreply_truncate(struct misreply *m);
