/* resolver/iterate/scrub.h | the filter for replies: only records that the server may give
 *
 * Answer section: the RRset that the query asks for, or the CNAME or DNAME in its place.
 * Further links of the chain are accepted only while the server is known to serve their names,
 * because it is not authoritative for others (RFC 2181 5.4.1).  From a forwarder the whole
 * chain is accepted.  Authority section: the SOA record of a zone that contains the last name
 * of the chain, or a delegation at or above the query name and below the server's zone; for
 * validation also the NSEC and NSEC3 RRsets, and the DS RRset of that delegation.
 * Additional section: the addresses of the servers of that delegation.  All other records are
 * left out, and those out of bailiwick are counted (docs/LIMITS.md section 2).
 *
 * Owner:    the room and the arena hold the result until the next reply.
 * Thread:   one worker.
 * Words:    bailiwick - the names at or below the zone that the server was asked for.
 * Words:    room - the memory for one reply, used again for the next.
 */
#pragma once

#include "dns/dname_text.h"
#include "dns/message.h"
#include "dns/owners.h"
#include "dns/rrset.h"
#include "resolver/delegation/delegation.h"
#include "resolver/limits/failure.h"

enum {
    SCRUB_CHAIN_MAX = 12,
    SCRUB_ASIDE_MAX = 512, /* records read of the authority and additional sections together */
    SCRUB_RECORDS_MAX = MESSAGE_MAX / 11 + 1, /* a record has at least 11 octets */
    SCRUB_EXTRA_MAX = 64,
    SCRUB_PROOFS_MAX = 12, /* NSEC and NSEC3 RRsets kept (docs/LIMITS.md section 6) */
    SCRUB_SIGS_MAX = 16,   /* signatures kept per RRset (docs/LIMITS.md section 2: KeyTrap) */
    SCRUB_COPIES_MAX = 16, /* records of a CNAME or DNAME RRset, which should have one */
    SCRUB_BROKEN_MAX = DNAME_TEXT_MAX + 80
};

/* The query, the server, and the rules.  Each rule is a defence that tests can turn off. */
struct scrub_asked {
    const uint8_t *zone; /* that the server was asked for */
    const uint8_t *name;
    uint16_t type;
    uint16_t port;   /* of the servers of a delegation */
    bool is_forward; /* a forwarder: it sends no delegations, and follows CNAMEs itself */
    bool checks_bailiwick, checks_sections;
    size_t rrset_records_max, rrset_bytes_max; /* of one RRset, names not compressed */
    /* True if the server is known to serve `name` too: then a CNAME or DNAME is followed to
     * that name within the reply.  NULL: no link is followed. */
    bool (*may_follow)(void *data, const uint8_t *name);
    void *data;
};

struct scrub_set {
    const uint8_t *owner;
    struct rrset *set;
    uint8_t section; /* enum message_section; set in `extra` only */
};

/* A record of the reply, accepted or left out. */
struct scrub_record {
    uint32_t ttl;
    uint16_t type;
    uint16_t owner;    /* number in `owners` */
    uint16_t next;     /* 1 + the next record of the owner; 0: none */
    uint16_t rdata_at; /* offset in the message */
    uint16_t rdata_len;
    uint8_t section; /* enum message_section */
    bool is_used;    /* accepted */
};

/* Why a record of a reply was left out. */
enum scrub_omission {
    SCRUB_TAKEN, /* it was accepted */
    SCRUB_OUT_OF_BAILIWICK,
    SCRUB_SYNTHESISED,      /* a CNAME that an accepted DNAME implies (RFC 6672 3.1) */
    SCRUB_FURTHER_LINK,     /* a link of the chain, for which the server is not authoritative */
    SCRUB_UNUSED_SIGNATURE, /* its RRset was left out */
    SCRUB_FORWARDER_NS,
    SCRUB_CHILD_NS, /* NS records of the zone itself */
    SCRUB_UNRELATED_ADDITIONAL,
    SCRUB_UNRELATED,
    SCRUB_OMISSIONS
};

/* A record that breaks the format of its type. */
struct scrub_broken {
    bool is_record; /* false: the fault is not in a record, and the rest is 0 */
    uint16_t owner; /* number in `owners` */
    uint16_t type;
    unsigned number; /* of the record in its RRset, from 1; 0: not known */
    size_t at;       /* offset in the message */
};

/* Lifetime: until the next reply is scrubbed in the room. */
struct scrub {
    struct scrub_set chain[SCRUB_CHAIN_MAX]; /* CNAMEs and DNAMEs, at the end the answer */
    unsigned chain_cnt;
    bool is_answered;    /* the last RRset of the chain has the type of the query */
    const uint8_t *last; /* the name that the chain leads to */
    bool is_last_ours;   /* the server serves `last` too, and the reply has no data for it */
    const uint8_t *soa_owner; /* NULL: no SOA record was accepted */
    struct rrset *soa;
    struct delegation *delegation;             /* NULL: none was accepted */
    struct rrset *ds;                          /* of the delegation; NULL: none */
    struct scrub_set proofs[SCRUB_PROOFS_MAX]; /* NSEC and NSEC3 */
    unsigned proof_cnt;
    uint32_t delegation_ttl;
    bool has_other_ns; /* the authority section has NS records of the zone itself, of a zone
                          above it or of an unrelated one */
    struct scrub_set extra[SCRUB_EXTRA_MAX]; /* without checks_sections: all other RRsets */
    unsigned extra_cnt;
    unsigned dropped_cnt; /* records out of bailiwick */
    unsigned unread_cnt;  /* records beyond SCRUB_ASIDE_MAX */
    unsigned work;        /* labels, records visited and pieces of 16 octets of RDATA */
    struct scrub_asked asked;
    struct owners *owners;        /* the names of the reply; those in bailiwick are marked */
    struct scrub_record *records; /* of class IN, without OPT */
    size_t record_cnt;
    struct scrub_broken broken; /* after ERR_FORMAT: the malformed record */
    enum failure limit;         /* after ERR_LIMIT: the limit */
};

struct scrub_room;

/* Allocate the room of a worker.  NULL without memory. */
MUST_USE struct scrub_room *scrub_new_room(void);

/* Free a room and clear the pointer.  *room may be NULL. */
void scrub_free_room(struct scrub_room **room);

/* Choose the records of `message` that the server may give, and write them to `arena` and the
 * room.  *out is set also after an error.  ERR_FORMAT: a record is malformed; ERR_NOMEM;
 * ERR_LIMIT: an RRset is too large, or the reply has too many names. */
MUST_USE enum err scrub_reply(const struct message *message, const struct scrub_asked *asked,
                              struct scrub_room *room, struct arena *arena,
                              const struct scrub **out);

/* True if the reply has an RRSIG record, accepted or not. */
bool scrub_has_signatures(const struct scrub *scrub);

/* Write which record of a reply is malformed, and where: "www.example. A, record 2 at octet
 * 57".  Write "" if the fault is not in a record. */
void scrub_broken_print(const struct scrub *scrub, char out[SCRUB_BROKEN_MAX]);

/* Return why a record was left out; SCRUB_TAKEN if it was accepted. */
enum scrub_omission scrub_omission(const struct scrub *scrub,
                                   const struct scrub_record *record);
