/* resolver/explain/cause.h | the cause of an answer: a kind, a text and advice
 *
 * cause_find is a pure function of facts that explain.c collects during the resolution.
 *
 * Thread:   any.
 */
#pragma once

#include "resolver/delegation/delegation.h"
#include "resolver/explain/security.h"
#include "resolver/iterate/trace.h"
#include "resolver/iterate/wording.h"

enum {
    CAUSE_FAILURES_MAX = 8,
    CAUSE_TEXT_MAX = 1000,
    CAUSE_NAMES_MAX = DELEGATION_SERVERS_MAX,
    CAUSE_CHAIN_MAX = 12
};

/* The kinds of cause; docs/EXPLAIN.md describes them. */
enum cause_kind {
    CAUSE_ANSWERED,
    CAUSE_LOCAL,
    CAUSE_STALE,
    CAUSE_NODATA,
    CAUSE_NXDOMAIN,
    CAUSE_CNAME_TARGET, /* a CNAME leads to a name that does not exist */
    CAUSE_CNAME_LOOP,
    CAUSE_REFUSED,
    CAUSE_SILENT,
    CAUSE_LAME,
    CAUSE_SERVER_FAILURE,
    CAUSE_NO_TCP,
    CAUSE_MALFORMED,
    CAUSE_UNUSABLE, /* the servers failed for different reasons */
    CAUSE_UNREACHABLE,
    CAUSE_FORBIDDEN,
    CAUSE_DEPENDENCY_LOOP,
    CAUSE_NO_SERVER_NAMES,
    CAUSE_CACHED_FAILURE,
    CAUSE_LIMIT,
    CAUSE_DNAME_TOO_LONG,
    CAUSE_BOGUS,       /* validation failed */
    CAUSE_UNVALIDATED, /* the chain of trust could not be followed */
    CAUSE_OTHER,
    CAUSE_KINDS
};

/* Return the identifier of a kind. */
const char *cause_id(enum cause_kind kind);

/* A resolution that failed. */
struct cause_failure {
    uint8_t name[DNAME_MAX], zone[DNAME_MAX];
    bool is_limited;
    bool is_configured; /* the servers are those of a stub zone or a forward zone */
    bool is_loop;       /* dependency loop: a lookup that it needed waited for it */
    bool is_forbidden;  /* the servers have addresses, but none may be asked */
    bool is_v6_only;    /* the servers have IPv6 addresses only, and IPv6 is off */
    unsigned addr_cnt;  /* addresses of the servers */
    enum failure failure;
    char text[WORDING_TEXT_MAX]; /* of the failure; "": none */
    struct trace_attempts attempts;
    unsigned denied_cnt; /* names of servers that do not exist or have no address */
    uint8_t denied[CAUSE_NAMES_MAX][DNAME_MAX];
    unsigned server_cnt;
};

/* The source of an answer: a cache entry or local data.  All zeros: none is known. */
struct cause_source {
    bool is_there, is_local, is_stale;
    int64_t cached_ms;  /* wall */
    int64_t age_s;      /* since it was cached; if it is stale, since it expired */
    uint32_t left_s;    /* until it expires */
    struct addr server; /* that sent it; sa_family 0: not known */
    bool is_bogus;      /* a failure: validation failed */
    int ede;            /* of a failure, as it was cached; EDNS_EDE_NONE: none */
};

/* The facts about a query that its cause depends on.  Lifetime: the explanation's. */
struct cause_facts {
    const uint8_t *name; /* in the question section */
    uint16_t type;
    char client[ADDR_TEXT_MAX]; /* without a port */
    unsigned rcode;
    unsigned answer_cnt;                       /* records of `type` at the end of the chain */
    uint8_t chain[CAUSE_CHAIN_MAX][DNAME_MAX]; /* targets of CNAMEs, in order */
    unsigned cname_cnt;          /* CNAMEs; if above CAUSE_CHAIN_MAX, `chain` lacks some */
    struct cause_source source;  /* of the answer */
    struct cause_source failure; /* of the cached failure, if one was found */
    unsigned query_cnt;          /* queries to servers */
    unsigned truncated_cnt;      /* truncated replies */
    unsigned mismatch_cnt;       /* queries repeated over TCP after a mismatched reply */
    bool is_joined;              /* another client's query was resolving the name already */
    struct addr last_server;     /* sa_family 0: no server was asked */
    bool is_cached_failure;      /* the failure was cached, and no server was asked */
    int ede;                     /* in the answer; EDNS_EDE_NONE: none */
    const char *ede_text;        /* "": none */
    enum security_end security;  /* of the entries in the answer */
    char security_why[SECURITY_WHY_MAX];
    struct cause_failure *failures; /* failed resolutions, in the order in which they ended */
    unsigned failure_cnt;
};

/* A cause.  The texts are for people: no code compares them. */
struct cause {
    enum cause_kind kind;
    char text[CAUSE_TEXT_MAX];
    char advice[CAUSE_TEXT_MAX]; /* "": there is nothing to do */
};

/* Find the cause and write it to `out`.  Texts that do not fit are truncated. */
void cause_find(const struct cause_facts *facts, struct cause *out);
