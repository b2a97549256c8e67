/* resolver/explain/cause.h | the cause of an answer, in plain English
 *
 * Pure: facts noted during the resolution go in; a kind, a sentence and advice come out.
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
    CAUSE_OTHER,
    CAUSE_KINDS
};

/* Return the identifier of a kind. */
const char *cause_id(enum cause_kind kind);

/* A resolution that failed. */
struct cause_failure {
    uint8_t name[DNAME_MAX], zone[DNAME_MAX];
    bool is_limited;
    bool is_configured; /* the configuration names its servers, not the parent zone */
    bool is_loop;       /* a lookup that it needs waited for it */
    bool is_forbidden;  /* its servers have addresses, and none may be asked */
    bool is_v6_only;    /* its servers have IPv6 addresses only, and IPv6 is off */
    unsigned addr_cnt;  /* addresses of its servers */
    enum failure failure;
    struct trace_attempts attempts;
    unsigned denied_cnt; /* servers whose names do not exist or have no address */
    uint8_t denied[CAUSE_NAMES_MAX][DNAME_MAX];
    unsigned server_cnt;
};

/* The cache entry that was used last. */
struct cause_source {
    bool is_there, is_local, is_stale;
    int64_t cached_ms; /* wall */
    int64_t age_s;     /* since it was cached; if it is stale, since it expired */
    uint32_t left_s;
    struct addr server; /* sa_family 0: unknown */
};

/* What a query's cause is made of.  Lifetime: the explanation's. */
struct cause_facts {
    const uint8_t *name; /* of the question */
    uint16_t type;
    char client[ADDR_TEXT_MAX]; /* without a port */
    unsigned rcode;
    unsigned answer_cnt;                       /* records of that type */
    uint8_t chain[CAUSE_CHAIN_MAX][DNAME_MAX]; /* targets of CNAMEs, in order */
    unsigned cname_cnt;
    struct cause_source source;  /* of the answer */
    struct cause_source failure; /* of the cached failure, if one was found */
    unsigned query_cnt;          /* to servers */
    unsigned truncated_cnt;      /* replies that did not fit into a datagram */
    unsigned mismatch_cnt;       /* queries repeated over TCP after a mismatched reply */
    bool is_joined;              /* another client's query was resolving it already */
    struct addr last_server;     /* sa_family 0: no server was asked */
    bool is_cached_failure;      /* the failure comes from the cache, and no server was asked */
    int ede;                     /* of the answer; EDNS_EDE_NONE: none */
    const char *ede_text;        /* "" for none */
    struct cause_failure *failures; /* in the order in which they ended */
    unsigned failure_cnt;
};

struct cause {
    enum cause_kind kind;
    char text[CAUSE_TEXT_MAX];
    char advice[CAUSE_TEXT_MAX]; /* "": there is nothing to do */
};

/* Find the cause and write it to `out`. */
void cause_find(const struct cause_facts *facts, struct cause *out);
