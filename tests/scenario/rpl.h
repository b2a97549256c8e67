/* A replay scenario as its file has it: servers and their replies, the queries of a client, and
 * the answers it must get. ../shared/scenarios/README.md specifies the format. */
#pragma once

#include "base/addr.h"
#include "base/arena.h"
#include "base/fault.h"
#include "dns/message.h"

enum { RPL_RRS_MAX = 400, RPL_ADDRS_MAX = 80, RPL_KEYS_MAX = 200 };

/* What a MATCH line compares. */
enum rpl_match {
    RPL_OPCODE = 1 << 0,
    RPL_QNAME = 1 << 1,
    RPL_QTYPE = 1 << 2,
    RPL_SUBDOMAIN = 1 << 3,
    RPL_FLAGS = 1 << 4,
    RPL_RCODE = 1 << 5,
    RPL_ANSWER = 1 << 6,
    RPL_AUTHORITY = 1 << 7,
    RPL_ADDITIONAL = 1 << 8,
    RPL_TTL = 1 << 9,
    RPL_TCP = 1 << 10,
    RPL_UDP = 1 << 11,
    RPL_EDE = 1 << 12,
    RPL_DO = 1 << 13,
    RPL_QCASE = 1 << 14,
};

/* What an ADJUST line changes. */
enum rpl_adjust { RPL_COPY_ID = 1, RPL_COPY_QUERY = 2, RPL_DO_NOT_ANSWER = 4, RPL_RAW_ID = 8 };

/* A resource record. */
struct rpl_rr {
    enum message_section section;
    const uint8_t *owner;
    uint16_t type, class;
    uint32_t ttl;
    const uint8_t *rdata;
    size_t rdata_len;
};

/* A message: of a server, of the client, or expected. */
struct rpl_entry {
    struct rpl_entry *next;
    unsigned match, adjust;
    int ede;        /* with RPL_EDE; -1: any */
    uint16_t flags; /* of the header, without opcode and RCODE */
    unsigned rcode;
    bool is_do, has_reply, has_question; /* a QUESTION section, which may be empty */
    const uint8_t *qname;                /* NULL: no question */
    uint16_t qtype;
    struct rpl_rr *rrs;
    size_t rr_cnt;
    const uint8_t *raw; /* the whole message, instead of the above */
    size_t raw_len;
};

/* Replies of servers at these addresses, from one step to another. */
struct rpl_range {
    struct rpl_range *next;
    unsigned from, to;
    struct addr addrs[RPL_ADDRS_MAX];
    size_t addr_cnt; /* 0: any server */
    struct rpl_entry *entries;
};

enum rpl_kind {
    RPL_QUERY,
    RPL_CHECK_ANSWER,
    RPL_TIME_PASSES,
    RPL_REPLY,
    RPL_CHECK_OUT_QUERY,
    RPL_TIMEOUT,
    RPL_TRAFFIC,
    RPL_NOTHING,
    RPL_ASSIGN,
    RPL_CHECK_AUTOTRUST,
    RPL_OTHER,
};

/* A trust anchor that follows its zone (RFC 5011): initial, or as it has to be at a step. */
struct rpl_anchor {
    struct rpl_anchor *next;
    const char *text; /* the record */
    struct rpl_rr rr;
    int state;         /* enum rollover_state; -1: not given */
    const char *since; /* expression of the time when that began; "": not compared */
};

/* A step of the client or of time. */
struct rpl_step {
    struct rpl_step *next;
    unsigned number;
    enum rpl_kind kind;
    uint64_t elapse_ms;
    struct addr client; /* sa_family 0: the default address */
    struct rpl_entry *entry;
    const char *variable, *expression; /* of RPL_ASSIGN; of TIME_PASSES EVAL the latter */
    struct rpl_anchor *anchors;        /* of RPL_CHECK_AUTOTRUST */
};

/* A key of the header and its value. */
struct rpl_key {
    const char *name, *value;
};

/* A scenario.  Lifetime: until rpl_fini. */
struct rpl {
    struct arena arena;
    struct rpl_key keys[RPL_KEYS_MAX];
    size_t key_cnt;
    struct rpl_anchor *anchors;
    struct rpl_range *ranges;
    struct rpl_step *steps;
    struct fault fault; /* what is wrong with the file, if rpl_read failed */
};

/* Read a scenario.  False if the file is missing or malformed: out->fault says why.  Caller
 * must call rpl_fini in either case. */
bool rpl_read(const char *path, struct rpl *out);

/* Free a scenario. */
void rpl_fini(struct rpl *rpl);

/* Return the first key of that name after `after` (NULL: the first of all), or NULL. */
const struct rpl_key *rpl_find(const struct rpl *rpl, const char *name,
                               const struct rpl_key *after);
