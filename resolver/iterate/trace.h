/* resolver/iterate/trace.h | the record of a resolution: attempts, events, finished tasks
 *
 * Always recorded: the last attempts of each task, and the last finished tasks of a worker.  On
 * request: each event, as an enumeration and typed values, for several listeners.  Without a
 * listener an event costs one branch.  wording.h has the identifiers and sentences.
 *
 * Owner:    the task owns its attempts, the engine the ring.
 * Thread:   one worker.
 */
#pragma once

#include "base/addr.h"
#include "dns/dname.h"
#include "resolver/delegation/delegation.h"
#include "resolver/limits/failure.h"

enum {
    TRACE_ATTEMPTS = 32,
    TRACE_FINISHED = 1024,
    TRACE_FINISHED_ATTEMPTS = 6,
};

/* The result of one query to a server. */
enum trace_outcome {
    TRACE_OPEN, /* no result yet */
    TRACE_ANSWERED,
    TRACE_TIMEOUT,
    TRACE_MISMATCH, /* a mismatched reply arrived: the query is repeated over TCP */
    TRACE_TRUNCATED,
    TRACE_TCP_REFUSED,
    TRACE_TCP_CLOSED,
    TRACE_UNTRUSTED,   /* TLS did not authenticate the server */
    TRACE_UNREACHABLE, /* no route */
    TRACE_LAME,
    TRACE_RCODE,  /* an error; `rcode` has its code */
    TRACE_BROKEN, /* a malformed reply */
    TRACE_EMPTY,  /* neither records nor authority */
    TRACE_BOGUS,  /* validation failed */
    TRACE_QUOTA,  /* not sent: the limit of queries to that zone or server was reached */
    TRACE_OUTCOMES
};

/* One query of a task. */
struct trace_attempt {
    uint8_t octets[16]; /* the server's address */
    uint8_t octets_len;
    uint8_t zone_labels; /* the server's zone is the suffix of the task's name with so many
                            labels */
    uint8_t outcome;     /* enum trace_outcome */
    uint8_t rcode;
    uint16_t rtt_ms; /* until the reply or the end of the wait */
    bool is_tcp;
};

/* The attempts of a task.  Lifetime: the task's. */
struct trace_attempts {
    struct trace_attempt at[TRACE_ATTEMPTS]; /* a ring */
    unsigned cnt;
};

/* Add an attempt: a query is being sent. */
void trace_begin(struct trace_attempts *attempts, const struct addr *server,
                 unsigned zone_labels, bool is_tcp);

/* Set the time of the last attempt, in milliseconds: a reply arrived, or the wait is over. */
void trace_replied(struct trace_attempts *attempts, unsigned rtt_ms);

/* Set the result of the last attempt.  A later call replaces it. */
void trace_end(struct trace_attempts *attempts, enum trace_outcome outcome, unsigned rcode);

/* Return the address of the server, with port 0. */
struct addr trace_server(const struct trace_attempt *attempt);

/* ---- events ---- */

/* The steps on the way to an answer.  Each comment begins with the member of struct trace_event
 * that has the step's values. */
enum trace_step {
    TRACE_STEP_BEGIN,     /* begin: a task begins, for another task or for a client */
    TRACE_STEP_JOIN,      /* begin: another task or client waits for a task in flight */
    TRACE_STEP_ZONE,      /* zone_found: the closest zone with known servers was found */
    TRACE_STEP_QUERY,     /* query: a query is sent to a server */
    TRACE_STEP_REPLY,     /* reply: a reply that matches the query arrived */
    TRACE_STEP_NO_REPLY,  /* no_reply: the query ended without a reply */
    TRACE_STEP_REJECTED,  /* rejected: a mismatched reply arrived */
    TRACE_STEP_NOTE,      /* note: a limit or a server's behaviour changed the course */
    TRACE_STEP_VALIDATED, /* validated: an RRset or a denial of a reply was validated */
    TRACE_STEP_END,       /* end: the task ended, or its listener leaves before the end */
    /* events of the walk that writes the answer, without a task */
    TRACE_STEP_CACHED, /* cached: it used an entry of the cache */
    TRACE_STEP_LOCAL,  /* local: it used local data */
    TRACE_STEP_MISS,   /* no values: it needs this name and type, which are not cached */
    TRACE_STEPS
};

/* The purpose of a task. */
enum trace_purpose {
    TRACE_FOR_CLIENT,
    TRACE_FOR_ADDRESS, /* the address of a server */
    TRACE_FOR_SERVERS, /* the NS records of a zone */
    TRACE_FOR_CHAIN,   /* the DS or DNSKEY records of a zone, for validation */
};

enum trace_transport { TRACE_UDP, TRACE_TCP, TRACE_TLS };

/* Why a query has no reply. */
enum trace_silence {
    TRACE_SILENCE_TIMEOUT,
    TRACE_SILENCE_TCP_CLOSED,
    TRACE_SILENCE_TCP_REFUSED,
    TRACE_SILENCE_TCP_BROKEN,
    TRACE_SILENCE_TCP_TIMEOUT,
    TRACE_SILENCE_UNREACHABLE,
    TRACE_SILENCE_UNSENT,
    TRACE_SILENCE_TLS_UNTRUSTED,
    TRACE_SILENCES
};

/* What changed the course of a task. */
enum trace_note {
    TRACE_NOTE_LIMIT, /* `failure` names the limit */
    TRACE_NOTE_LOOP, /* dependency loop: the lookup that would resolve this name waits for it */
    TRACE_NOTE_PLACE, /* it waits: the query limit of the zone or the server is reached */
    TRACE_NOTE_FOLLOW,
    TRACE_NOTE_LAST_RESORT,
    TRACE_NOTE_PARENT,
    TRACE_NOTE_CHILD,
    TRACE_NOTE_TCP_AFTER_MISMATCH,
    TRACE_NOTE_LOWER_ALTERED,
    TRACE_NOTE_LOWER_ERROR,
    TRACE_NOTE_LOWER_NEGATIVE,
    TRACE_NOTE_NO_COOKIE,
    TRACE_NOTE_NEW_COOKIE,
    TRACE_NOTE_TLS_FALLBACK,
    TRACE_NOTE_WHOLE_NAME_SILENT,
    TRACE_NOTE_WHOLE_NAME_ERROR,
    TRACE_NOTE_WHOLE_NAME_DENIED,
    TRACE_NOTE_NO_EDNS,
    TRACE_NOTE_NO_OPTIONS,
    TRACE_NOTE_EMPTY_NXDOMAIN,
    TRACE_NOTE_EMPTY_NODATA,
    TRACE_NOTE_TRAILING,
    TRACE_NOTES
};

/* The kind of an entry of the cache. */
enum trace_cached {
    TRACE_CACHED_DATA,
    TRACE_CACHED_CNAME,
    TRACE_CACHED_NODATA,
    TRACE_CACHED_NXDOMAIN,
    TRACE_CACHED_FAILURE,
};

/* How a task ended. */
enum trace_ending {
    TRACE_ENDED_ANSWERED,
    TRACE_ENDED_ELSEWHERE, /* another worker resolved it */
    TRACE_ENDED_FAILED,
    TRACE_ENDED_UNFINISHED, /* it continues, but the client has its answer already */
};

struct cache_found;
struct message;
struct pick_why;
struct scrub;
struct verdict;

/* An event.  It is self-contained: a listener needs no earlier event to understand it.
 *
 * Lifetime: the call of the listener; all pointers are borrowed.
 */
struct trace_event {
    enum trace_step step;
    uint64_t task; /* number of the task in this worker, from 1; 0: no task */
    const uint8_t *name;
    uint16_t type;
    const uint8_t *zone; /* NULL: not found yet */
    union {
        struct {
            uint64_t parent; /* number of the task that needs it; 0: none */
            enum trace_purpose purpose;
        } begin;
        struct {
            const struct delegation *delegation;
            bool is_cached;    /* it was cached before this task */
            int64_t expire_ms; /* wall; valid if is_cached */
        } zone_found;
        struct {
            const struct addr *server;
            const struct addr *from; /* local address; sa_family 0: not known */
            const uint8_t *server_name;
            const struct pick_why *why;
            const uint8_t *wire;
            size_t len;
            enum trace_transport transport;
            bool is_minimised; /* name or type differ from the task's (RFC 9156) */
            bool has_edns;
            bool is_after_mismatch; /* over TCP because a reply over UDP was rejected */
        } query;
        struct {
            const struct addr *server;
            const struct addr *to; /* local address; sa_family 0: not known */
            const struct message *message;
            const struct scrub *scrub; /* its accepted records; NULL: none was read */
            const char *broken;        /* scrub_broken_print of a malformed reply, else "" */
            unsigned kind;             /* enum classify_kind */
            enum trace_transport transport;
            uint64_t rtt_us;
        } reply;
        struct {
            const struct addr *server;
            const char *detail; /* the error of TLS, or "" */
            enum trace_silence why;
            uint64_t waited_us;
        } no_reply;
        struct {
            const struct addr *from;
            unsigned why; /* enum match_verdict */
        } rejected;
        struct {
            enum trace_note note;
            enum failure failure;
        } note;
        struct {
            enum trace_ending how;
            enum failure failure;
            bool is_limited;  /* a limit was reached during the task */
            const char *text; /* wording_failure of a failed task, else "" */
            const struct trace_attempts *attempts;
            const struct delegation *delegation;
        } end;
        struct {
            const struct cache_found *found;
            enum trace_cached what;
        } cached;
        const struct verdict *validated;
        unsigned local; /* enum local_kind */
    };
};

/* A listener.  Lifetime: at least until task_unlisten. */
struct trace_sink {
    void (*note)(void *data, const struct trace_event *event);
    void *data;
};

enum { TRACE_LISTENERS_MAX = 4 };

/* The listeners of a query, a task or a worker.  A value. */
struct trace_listeners {
    const struct trace_sink *at[TRACE_LISTENERS_MAX];
    uint8_t cnt;
};

/* Add a listener, unless it is there already or there are TRACE_LISTENERS_MAX. */
void trace_listen(struct trace_listeners *to, const struct trace_sink *sink);

/* Add all listeners of `from`, which may be NULL. */
void trace_listen_all(struct trace_listeners *to, const struct trace_listeners *from);

/* Remove a listener.  Return false if it was not there. */
bool trace_unlisten(struct trace_listeners *from, const struct trace_sink *sink);

/* Pass an event to all listeners. */
void trace_emit(const struct trace_listeners *to, const struct trace_event *event);

/* A finished task. */
struct trace_finished {
    uint8_t name[DNAME_MAX];
    uint16_t type;
    uint16_t queries; /* sent to servers */
    uint32_t took_ms;
    int64_t ended_ms; /* wall */
    bool has_failed;
    uint8_t failure;    /* enum failure; valid if has_failed */
    bool is_configured; /* the servers are those of a stub zone or a forward zone */
    uint8_t attempt_cnt;
    struct trace_attempt attempts[TRACE_FINISHED_ATTEMPTS]; /* the last ones, oldest first */
};

/* The last finished tasks: a ring, with the newest at (cnt - 1) % TRACE_FINISHED.
 *
 * Lifetime: worker.
 */
struct trace_ring {
    struct trace_finished at[TRACE_FINISHED];
    uint64_t cnt;
};
