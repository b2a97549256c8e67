/* resolver/iterate/trace.h | what a resolution did, kept for whoever asks why
 *
 * Always: the last attempts of each task, and the last finished tasks of a worker.  On request:
 * every event, for one branch when nobody requested.
 *
 * Owner:    attempts are the task's, the ring is the engine's.
 * Thread:   one worker.
 */
#pragma once

#include "base/addr.h"
#include "dns/dname.h"
#include "resolver/delegation/delegation.h"

enum {
    TRACE_ATTEMPTS = 32,
    TRACE_FINISHED = 1024,
    TRACE_FINISHED_ATTEMPTS = 6,
    TRACE_TEXT_MAX = 200,
    TRACE_WORDS_MAX = 24
};

/* What became of one question to a server. */
enum trace_outcome {
    TRACE_OPEN,
    TRACE_ANSWERED,
    TRACE_TIMEOUT,
    TRACE_SUSPECT, /* a wrong reply came: asked again over TCP */
    TRACE_TRUNCATED,
    TRACE_TCP_REFUSED,
    TRACE_TCP_CLOSED,
    TRACE_DISTRUST,    /* over TLS: it is not the server that is wanted */
    TRACE_UNREACHABLE, /* no way there */
    TRACE_LAME,
    TRACE_RCODE,  /* `rcode` says which */
    TRACE_BROKEN, /* records that cannot be read */
    TRACE_EMPTY,  /* neither a record nor authority */
    TRACE_QUOTA,  /* too many questions are out to that zone or server */
};

struct trace_attempt {
    uint8_t octets[16];
    uint8_t octets_len;
    uint8_t zone_labels; /* of the task's name: the zone that was asked about */
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

/* A question goes out. */
void trace_begin(struct trace_attempts *attempts, const struct addr *server,
                 unsigned zone_labels, bool is_tcp);

/* The last one is over after `rtt_ms`: a reply came, or none came in time. */
void trace_heard(struct trace_attempts *attempts, unsigned rtt_ms);

/* What became of it; called again when more is known. */
void trace_end(struct trace_attempts *attempts, enum trace_outcome outcome, unsigned rcode);

/* "timed out", "said SERVFAIL" and so on; `room` is used for numbers. */
const char *trace_words(const struct trace_attempt *attempt, char room[TRACE_WORDS_MAX]);

/* Its server, without a port. */
struct addr trace_server(const struct trace_attempt *attempt);

/* Say in a line why the name could not be resolved: `cause`, then what each server of which
 * zone did; if no server was asked, the zone and its servers. */
void trace_explain(const struct trace_attempts *attempts, const uint8_t *name,
                   const struct delegation *delegation, const char *cause,
                   char out[TRACE_TEXT_MAX]);

/* What happens on the way to an answer, for whoever listens. */
enum trace_step {
    TRACE_STEP_BEGIN, /* a task begins, for `parent` or for a client */
    TRACE_STEP_JOIN,  /* somebody wants what the task has begun for others */
    TRACE_STEP_ZONE,  /* the nearest zone whose servers are known */
    TRACE_STEP_ASK, /* a question goes to `server`; name and type are those that are shown to it
                     */
    TRACE_STEP_REPLY,    /* a reply that matches came: `message`, and what was taken from it */
    TRACE_STEP_SILENCE,  /* none came, or there is no way there */
    TRACE_STEP_REJECTED, /* a reply from `server` was not believed */
    TRACE_STEP_NOTE,     /* a limit or a habit of servers changed its way */
    TRACE_STEP_END,
    TRACE_STEP_KNOWN, /* no task: the answer that is being written takes this from the cache or
                         from local data */
    TRACE_STEP_UNKNOWN, /* no task: it wants this, and nobody here knows */
};

struct task;
struct cache_found;
struct message;
struct scrub;

/* Lifetime: the call. */
struct trace_event {
    enum trace_step step;
    const struct task *task; /* the same in all events of one; NULL: none */
    const struct task *parent;
    const uint8_t *name, *zone; /* zone NULL: none */
    uint16_t type;
    const struct addr *server;       /* NULL: none */
    const char *what;                /* a few words, or "" */
    const struct message *message;   /* REPLY */
    const struct scrub *scrub;       /* REPLY; NULL: nothing was taken */
    const struct cache_found *found; /* KNOWN; NULL: it is local data */
};

/* Who listens.  Owner: whoever hands it to a budget or an engine, and takes it back
 * (task_unlisten). */
struct trace_sink {
    void (*note)(void *data, const struct trace_event *event);
    void *data;
};

/* A finished task. */
struct trace_finished {
    uint8_t name[DNAME_MAX];
    uint16_t type;
    uint16_t queries; /* to servers */
    uint32_t took_ms;
    int64_t ended_ms; /* wall */
    bool has_failed;
    uint16_t ede;       /* if it has */
    const char *cause;  /* static; likewise */
    bool is_configured; /* its servers were named by the configuration, not by a delegation */
    uint8_t attempt_cnt;
    struct trace_attempt attempts[TRACE_FINISHED_ATTEMPTS]; /* the last ones, in their order */
};

/* Lifetime: worker. */
struct trace_ring {
    struct trace_finished at[TRACE_FINISHED];
    uint64_t cnt;
};
