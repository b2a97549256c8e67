/* resolver/iterate/trace.h | what a resolution did
 *
 * Always kept: the last attempts of each task, and the last finished tasks of a worker.  On
 * request: every event, as typed facts, for any number of listeners; without a listener an
 * event costs one branch.  Identifiers and sentences for the enumerations are in wording.h.
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
    TRACE_OPEN,
    TRACE_ANSWERED,
    TRACE_TIMEOUT,
    TRACE_MISMATCH, /* a mismatched reply arrived: the query was repeated over TCP */
    TRACE_TRUNCATED,
    TRACE_TCP_REFUSED,
    TRACE_TCP_CLOSED,
    TRACE_UNTRUSTED,   /* over TLS: the certificate does not fit */
    TRACE_UNREACHABLE, /* no route */
    TRACE_LAME,
    TRACE_RCODE,  /* `rcode` says which */
    TRACE_BROKEN, /* records that cannot be read */
    TRACE_EMPTY,  /* neither records nor authority */
    TRACE_QUOTA,  /* the limit of queries to that zone or server was reached */
    TRACE_OUTCOMES
};

struct trace_attempt {
    uint8_t octets[16];
    uint8_t octets_len;
    uint8_t zone_labels; /* of the task's name: the zone whose server was asked */
    uint8_t outcome;     /* enum trace_outcome */
    uint8_t rcode;
    uint16_t rtt_ms;
    bool is_tcp;
};

/* Lifetime: the task's. */
struct trace_attempts {
    struct trace_attempt at[TRACE_ATTEMPTS]; /* a ring */
    unsigned cnt;
};

/* Note that a query goes out. */
void trace_begin(struct trace_attempts *attempts, const struct addr *server,
                 unsigned zone_labels, bool is_tcp);

/* Note that the last query is over after `rtt_ms`: a reply arrived, or none in time. */
void trace_replied(struct trace_attempts *attempts, unsigned rtt_ms);

/* Note the result of the last query; a later call replaces it. */
void trace_end(struct trace_attempts *attempts, enum trace_outcome outcome, unsigned rcode);

/* Return the server, with port 0. */
struct addr trace_server(const struct trace_attempt *attempt);

/* ---- events ---- */

/* What happens on the way to an answer.  The values that a step carries are in the member of
 * struct trace_event that is named beside it. */
enum trace_step {
    TRACE_STEP_BEGIN,    /* begin: a task begins, for its parent or for a client */
    TRACE_STEP_JOIN,     /* begin: a task in flight is waited for by one more */
    TRACE_STEP_ZONE,     /* zone: the closest zone whose servers are known */
    TRACE_STEP_QUERY,    /* query: a query goes to a server */
    TRACE_STEP_REPLY,    /* reply: a reply that matches the query arrived */
    TRACE_STEP_NO_REPLY, /* no_reply */
    TRACE_STEP_REJECTED, /* rejected: a reply that does not match the query arrived */
    TRACE_STEP_NOTE,     /* note: a limit or a habit of servers changed the course */
    TRACE_STEP_END,      /* end: the task has ended, or the listener leaves before that */
    TRACE_STEP_CACHED, /* cached; no task: the answer being written takes this from the cache */
    TRACE_STEP_LOCAL,  /* local; no task: it takes this from local data */
    TRACE_STEP_MISS,   /* no task: the answer needs this name and type, and the cache has
                          nothing of it */
    TRACE_STEPS
};

/* What a task is for. */
enum trace_purpose { TRACE_FOR_CLIENT, TRACE_FOR_ADDRESS, TRACE_FOR_SERVERS };

enum trace_transport { TRACE_UDP, TRACE_TCP, TRACE_TLS };

/* Why no reply came. */
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
    TRACE_NOTE_LIMIT, /* `failure` says which */
    TRACE_NOTE_LOOP,  /* the lookup that would resolve this name waits for it */
    TRACE_NOTE_PLACE, /* it waits for a place at the zone or the server */
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

/* What the cache has of a name and type. */
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
    TRACE_ENDED_UNFINISHED, /* it goes on, but the client's time is up */
};

struct cache_found;
struct message;
struct pick_why;
struct scrub;

/* One event, whole: a listener needs no other memory to understand it.  Lifetime: the call. */
struct trace_event {
    enum trace_step step;
    uint64_t task; /* its number in this worker, from 1; 0: no task */
    const uint8_t *name;
    uint16_t type;
    const uint8_t *zone; /* NULL: none is known yet */
    union {
        struct {
            uint64_t parent; /* number of the task that needs it; 0: none */
            enum trace_purpose purpose;
        } begin;
        struct {
            const struct delegation *delegation;
            bool is_cached;    /* it was in the cache before this task */
            int64_t expire_ms; /* wall; if it was cached */
        } zone_found;
        struct {
            const struct addr *server;
            const struct addr *from; /* of this machine; sa_family 0: not known */
            const uint8_t *server_name;
            const struct pick_why *why;
            const uint8_t *wire;
            size_t len;
            enum trace_transport transport;
            bool is_minimised; /* the name or the type is not the task's */
            bool has_edns;
            bool is_after_mismatch; /* over TCP because a reply over UDP was rejected */
        } query;
        struct {
            const struct addr *server;
            const struct addr *to; /* of this machine; sa_family 0: not known */
            const struct message *message;
            const struct scrub *scrub; /* what was taken of it; NULL: nothing */
            const char *broken;        /* unreadable: the record and its octet, else "" */
            unsigned kind;             /* enum classify_kind */
            enum trace_transport transport;
            uint64_t rtt_us;
        } reply;
        struct {
            const struct addr *server;
            const char *detail; /* what TLS found wrong, or "" */
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
            bool is_limited;  /* a limit was reached on the way */
            const char *text; /* servers and what they did; failed only, else "" */
            const struct trace_attempts *attempts;
            const struct delegation *delegation;
        } end;
        struct {
            const struct cache_found *found;
            enum trace_cached what;
        } cached;
        unsigned local; /* enum local_kind */
    };
};

/* A listener.  Lifetime: until task_unlisten. */
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

/* Add a sink once; without effect if there are TRACE_LISTENERS_MAX. */
void trace_listen(struct trace_listeners *to, const struct trace_sink *sink);

/* Add all of `from`; NULL adds none. */
void trace_listen_all(struct trace_listeners *to, const struct trace_listeners *from);

/* Remove a sink; return false if it was not there. */
bool trace_unlisten(struct trace_listeners *from, const struct trace_sink *sink);

/* Pass an event on to all. */
void trace_emit(const struct trace_listeners *to, const struct trace_event *event);

/* A finished task. */
struct trace_finished {
    uint8_t name[DNAME_MAX];
    uint16_t type;
    uint16_t queries; /* to servers */
    uint32_t took_ms;
    int64_t ended_ms; /* wall */
    bool has_failed;
    uint8_t failure;    /* enum failure; if it has */
    bool is_configured; /* the configuration named the servers, not a delegation */
    uint8_t attempt_cnt;
    struct trace_attempt attempts[TRACE_FINISHED_ATTEMPTS]; /* the last ones, in their order */
};

/* Lifetime: worker. */
struct trace_ring {
    struct trace_finished at[TRACE_FINISHED];
    uint64_t cnt;
};
