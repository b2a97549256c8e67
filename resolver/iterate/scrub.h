/* resolver/iterate/scrub.h | take from a reply what the asked server may say, and nothing else
 *
 * Answer: what was asked for, or the CNAME or DNAME that stands in its place, and what that
 * leads to as far as the server answers for it: the rest is not sure to come from its own zone
 * (RFC 2181 5.4.1).  Of a forwarder, the whole chain.  Authority: a SOA above the last name of
 * the chain, or a delegation below the zone and above the name.  Additional: addresses of the
 * servers of that delegation.  Everything else is dropped and counted (docs/LIMITS.md section
 * 2).
 *
 * Owner:    what is found lives in the room until it is used for the next reply.
 * Thread:   one worker.
 * Words:    bailiwick - at or below the zone that the server was asked for.
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
    SCRUB_ASIDE_MAX = 512, /* records of authority and additional that are looked at */
    SCRUB_RECORDS_MAX = MESSAGE_MAX / 11 + 1, /* no message has more */
    SCRUB_EXTRA_MAX = 64,
    SCRUB_SIGS_MAX =
        16, /* signatures of one RRset that are kept (docs/LIMITS.md section 2: KeyTrap) */
    SCRUB_COPIES_MAX = 16, /* of a CNAME or DNAME; there is no more than one at a name */
    SCRUB_BROKEN_MAX = DNAME_TEXT_MAX + 80
};

/* What was asked of whom, and which rules hold: each is a defence that a laboratory may clear.
 */
struct scrub_asked {
    const uint8_t *zone; /* of the server */
    const uint8_t *name;
    uint16_t type;
    uint16_t port;   /* of the servers of a delegation */
    bool is_forward; /* a forwarder: delegates nothing, and has looked cnames up itself */
    bool checks_bailiwick, checks_sections;
    size_t rrset_records_max, rrset_bytes_max; /* of one RRset, written out */
    /* True if the server that was asked answers for `name` too, as far as is known: a CNAME or
     * DNAME in its zone is followed there within the reply.  NULL: no link is followed. */
    bool (*may_follow)(void *data, const uint8_t *name);
    void *data;
};

struct scrub_set {
    const uint8_t *owner;
    struct rrset *set;
    uint8_t section; /* enum message_section; of `extra` only */
};

/* A record of the reply, whatever became of it. */
struct scrub_record {
    uint32_t ttl;
    uint16_t type;
    uint16_t owner;    /* its number */
    uint16_t next;     /* 1 + the next record of the owner; 0: none */
    uint16_t rdata_at; /* in the message */
    uint16_t rdata_len;
    uint8_t section; /* enum message_section */
    bool is_used;
};

/* Why a record of a reply was left out. */
enum scrub_omission {
    SCRUB_TAKEN, /* it was not */
    SCRUB_OUT_OF_BAILIWICK,
    SCRUB_SYNTHESISED,      /* from a DNAME that was taken (RFC 6672 3.1) */
    SCRUB_FURTHER_LINK,     /* of the chain, for which the server is not authoritative */
    SCRUB_UNUSED_SIGNATURE, /* of an RRset that was left out */
    SCRUB_FORWARDER_NS,
    SCRUB_CHILD_NS, /* of the zone itself */
    SCRUB_UNRELATED_ADDITIONAL,
    SCRUB_UNRELATED,
    SCRUB_OMISSIONS
};

/* A record that breaks the format of its type. */
struct scrub_broken {
    bool is_record; /* false: it is not one record */
    uint16_t owner; /* its number */
    uint16_t type;
    unsigned number; /* of the record in its RRset, from 1 */
    size_t at;       /* octets into the message */
};

/* Lifetime: until the room is used again. */
struct scrub {
    struct scrub_set chain[SCRUB_CHAIN_MAX]; /* CNAME, DNAME, and last what was asked for */
    unsigned chain_cnt;
    bool is_answered;         /* the last of the chain has the type that was asked for */
    const uint8_t *last;      /* where the chain leads */
    bool is_last_ours;        /* the reply may speak of `last` too, and has no record for it */
    const uint8_t *soa_owner; /* NULL: none that may be believed */
    struct rrset *soa;
    struct delegation *delegation; /* NULL: none */
    uint32_t delegation_ttl;
    bool has_other_ns; /* NS records that are no delegation below: of the zone itself or from
                          above */
    struct scrub_set extra[SCRUB_EXTRA_MAX]; /* laboratory, without checks_sections: what is
                                                believed all the same */
    unsigned extra_cnt;
    unsigned dropped_cnt; /* records out of bailiwick */
    unsigned unread_cnt;  /* behind SCRUB_ASIDE_MAX */
    unsigned work;        /* labels read, records looked at, pieces of 16 octets written out */
    struct scrub_asked asked;
    struct owners *owners;        /* the names of the reply; those in bailiwick are marked */
    struct scrub_record *records; /* class IN, without OPT */
    size_t record_cnt;
    struct scrub_broken broken; /* ERR_FORMAT: what could not be read */
    enum failure limit;         /* ERR_LIMIT: which */
};

/* The memory that one worker scrubs in.  NULL: there is none.  Freeing clears the pointer. */
struct scrub_room;
MUST_USE struct scrub_room *scrub_new_room(void);
void scrub_free_room(struct scrub_room **room);

/* Sort out `message`; what is made of it is written into `arena` and the room.  *out is set in
 * any case.  ERR_FORMAT: its records cannot be read; ERR_NOMEM; ERR_LIMIT: an RRset is too
 * large, or there are too many names. */
MUST_USE enum err scrub_reply(const struct message *message, const struct scrub_asked *asked,
                              struct scrub_room *room, struct arena *arena,
                              const struct scrub **out);

/* Whether any record is a signature. */
bool scrub_has_signatures(const struct scrub *scrub);

/* Write which record of a reply is malformed, and where: "www.example. A, record 2 at octet
 * 57"; "" if it is not a record. */
void scrub_broken_print(const struct scrub *scrub, char out[SCRUB_BROKEN_MAX]);

/* Return why a record was left out. */
enum scrub_omission scrub_omission(const struct scrub *scrub,
                                   const struct scrub_record *record);
