/* net/control/control.h | the control socket: requests of the command `rootline`
 *
 * A Unix socket, mode 0660.  A request is one line of JSON, {"command": "status", ...}; so is
 * its answer, {"ok": true, "result":
 * {...}} or {"ok": false, "error": "..."}.  It is served by the main thread, which no question
 * of a client ever waits for.  What only a worker knows is asked of the workers one after
 * another, each of which adds to the result.
 *
 * Owner:    the daemon.
 * Thread:   the main thread; a call is run by the worker that has it.
 */
#pragma once

#include <uv.h>

#include "base/json.h"
#include "net/control/control_path.h"
#include "net/transport/worker.h"

enum {
    CONTROL_REQUEST_MAX = 4096,   /* octets of a line */
    CONTROL_CONNECTIONS_MAX = 32, /* the idlest goes when another one comes */
    CONTROL_IDLE_MS = 60000,
    CONTROL_ERROR_MAX = 400
};

/* One request under way.  Lifetime: until its answer is written. */
struct control_call {
    struct job job;
    const struct json *request;
    struct json *result;           /* an object */
    char error[CONTROL_ERROR_MAX]; /* "": none */
    const struct exchange_settings *settings;
    /* Set by `run`: it is not over, control_go_on will be called in the same thread. */
    bool is_held;
    bool is_there; /* of `run`, where the result comes later: it has come */
    /* Set by `run`: the same worker shall run it once more, after other things. */
    bool is_again;
    void *state; /* of `run`, from one time to the next; malloc'ed, freed with the call */
    struct control *control;
    struct control_peer *peer; /* the main thread's; NULL: it has gone */
    /* NULL: no worker has to do anything. */
    void (*run)(struct control_call *call, void *engine);
    bool is_for_all;
    size_t worker; /* that has it, or comes next */
};

/* Lifetime: process. */
struct control_command {
    const char *name;
    /* In the main thread, with the daemon's data, before any worker; NULL: nothing. */
    void (*begin)(struct control_call *call, void *data);
    /* In a worker, with its engine; NULL: nothing.  In the first one, or in all of them in
     * turn. */
    void (*run)(struct control_call *call, void *engine);
    bool is_for_all;
};

/* What a control socket is made of; copied. */
struct control_parts {
    uv_loop_t *loop;
    struct job_box *home; /* of the main thread */
    struct worker **workers;
    size_t worker_cnt;
    const struct exchange_settings *settings;
    /* Each ended by a NULL name; the second may be NULL.  A command in both has `begin` from
     * the first, the rest from the other. */
    const struct control_command *commands[2];
    void *data;
};

/* Bind a socket at `path`, shorter than CONTROL_PATH_MAX, and listen; the folder is made if
 * need be.  As root only where control_path_is_roots, and then for `user` ("": who we are).  A
 * socket that no process serves any more is replaced.  ERR_DENIED, ERR_IO; ERR_LIMIT: another
 * process serves it.  `why` (size octets) tells. */
MUST_USE enum err control_bind(const char *path, const char *user, int *fd, char *why,
                               size_t size);

/* Serve what was bound at `path`; `fd` is the control's from now on.  ERR_NOMEM. */
MUST_USE enum err control_open(const struct control_parts *parts, const char *path, int fd,
                               struct control **out);

/* Remove the socket and close all connections: memory goes with control_free, when the loop has
 * closed the handles. */
void control_close(struct control *control);

/* Free it; no call is under way in any worker.  Clears the pointer; NULL inside is fine. */
void control_free(struct control **control);

/* Say that the request cannot be served, and why. */
void control_refuse(struct control_call *call, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A call that was held is over. */
void control_go_on(struct control_call *call);
