/* resolver/explain/cause.h | why a name was answered as it was, in plain English
 *
 * Pure: facts that were noted on the way go in, a sentence and what to do about it come out.
 *
 * Thread:   any.
 */
#pragma once

#include "resolver/delegation/delegation.h"
#include "resolver/iterate/trace.h"

enum {
    CAUSE_FAILURES_MAX = 8,
    CAUSE_TEXT_MAX = 1000,
    CAUSE_NAMES_MAX = DELEGATION_SERVERS_MAX,
    CAUSE_CHAIN_MAX = 12
};

/* A resolution that led nowhere. */
struct cause_failure {
    uint8_t name[DNAME_MAX], zone[DNAME_MAX];
    bool is_limited;
    bool is_configured; /* the configuration names its servers, and no zone above */
    bool is_loop;       /* whoever could have told it waited for it */
    bool is_forbidden;  /* its servers have addresses, and none may be asked */
    bool is_v6_only;    /* the addresses of its servers are IPv6 */
    unsigned addr_cnt;  /* addresses of its servers */
    const char *cause;  /* static */
    struct trace_attempts attempts;
    unsigned denied_cnt; /* servers whose names do not exist or have no address */
    uint8_t denied[CAUSE_NAMES_MAX][DNAME_MAX];
    unsigned server_cnt;
};

/* Where the last that was used of the cache came from. */
struct cause_source {
    bool is_there, is_local, is_stale;
    int64_t cached_ms;
    int64_t age_s; /* since it was learnt; if it is stale, since it ended */
    uint32_t left_s;
    struct addr server; /* sa_family 0: unknown */
};

/* Lifetime: the explanation's. */
struct cause_facts {
    const uint8_t *name; /* that was asked for */
    uint16_t type;
    char client[ADDR_TEXT_MAX];
    unsigned rcode;
    unsigned answer_cnt;                       /* records of that type */
    uint8_t chain[CAUSE_CHAIN_MAX][DNAME_MAX]; /* where cnames led, in their order */
    unsigned cname_cnt;
    struct cause_source source;  /* of what answered */
    struct cause_source failure; /* of the failure that was remembered, if one was */
    unsigned query_cnt;          /* to servers, for it */
    unsigned cut_cnt,
        suspect_cnt;         /* replies that did not fit a datagram; that were not believed */
    bool is_joined;          /* somebody else had it looked up already */
    struct addr last_server; /* that was asked; sa_family 0: none was */
    bool is_remembered;      /* it failed before, and nobody was asked now */
    int ede;                 /* of the answer; EDNS_EDE_NONE: none */
    const char *ede_text;    /* "" for none */
    struct cause_failure *failures; /* in the order in which they ended */
    unsigned failure_cnt;
};

struct cause {
    const char *kind; /* one word for programs; docs/EXPLAIN.md lists them */
    char text[CAUSE_TEXT_MAX];
    char advice[CAUSE_TEXT_MAX]; /* "": there is nothing to do */
};

/* Find it. */
void cause_find(const struct cause_facts *facts, struct cause *out);
