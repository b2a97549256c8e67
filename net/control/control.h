/* net/control/control.h | the control socket: requests of the command `rootline`
 *
 * A Unix socket, mode 0660.  A request is one line of JSON, {"command": "status", ...}; so is
 * the response, {"ok": true, "result": {...}} or {"ok": false, "error": "..."}.  The main
 * thread serves it, so requests do not delay queries.  If a command needs the state of the
 * workers, its call travels from one worker to the next, and each adds to the result.
 *
 * Owner:    the daemon.
 * Thread:   the main thread; a call belongs to the thread that runs it.
 * Words:    call - a request being served; peer - a connection of the socket.
 */
#pragma once

#include <uv.h>

#include "base/json.h"
#include "net/control/control_path.h"
#include "net/transport/worker.h"

enum {
    CONTROL_REQUEST_MAX = 4096,   /* octets of a request, newline included */
    CONTROL_CONNECTIONS_MAX = 32, /* then a new one evicts the idlest */
    CONTROL_IDLE_MS = 60000,
    CONTROL_ERROR_MAX = 400
};

/* A request being served.  Lifetime: until its result is back in the main thread. */
struct control_call {
    struct job job;
    const struct json *request;
    struct json *result;           /* an object, to which commands add keys */
    char error[CONTROL_ERROR_MAX]; /* "": success */
    const struct exchange_settings *settings;
    /* Set by `run`: the result comes later, and control_resume will be called in this thread.
     */
    bool is_deferred;
    bool has_result; /* for a `run` whose result may come later: it is complete */
    /* Set by `run`: call it again in this worker, in another turn of the loop. */
    bool must_repeat;
    void *state; /* of `run`, kept between its calls; from malloc, freed with the call */
    struct control *control;
    struct control_peer *peer; /* of the main thread; NULL: the connection is closed */
    /* NULL: no worker takes part. */
    void (*run)(struct control_call *call, void *engine);
    bool is_for_all;
    size_t worker; /* that runs the call, or will run it next */
};

/* A command of the socket.  Lifetime: process. */
struct control_command {
    const char *name;
    /* Called first, in the main thread, with control_parts.data.  May be NULL. */
    void (*begin)(struct control_call *call, void *data);
    /* Called in the first worker, or in all workers in turn if is_for_all, with the worker's
     * engine.  May be NULL. */
    void (*run)(struct control_call *call, void *engine);
    bool is_for_all;
};

/* The parts of a control socket. */
struct control_parts {
    uv_loop_t *loop;
    struct job_box *home; /* the box of the main thread */
    struct worker **workers;
    size_t worker_cnt;
    const struct exchange_settings *settings;
    /* Two tables, each ended by a NULL name; the second may be NULL.  A command that is in both
     * takes `begin` from the first, and `run` and is_for_all from the second. */
    const struct control_command *commands[2];
    void *data; /* passed to `begin` */
};

/* Bind a socket at `path`, which is shorter than CONTROL_PATH_MAX, and listen; create its
 * folder if it does not exist, and replace a socket that no process serves.  Root must call it
 * only if control_path_is_roots; the socket is then given to `user`, unless that is "".
 * ERR_LIMIT: another process serves the socket; ERR_DENIED, ERR_IO.  On error `fault` has the
 * text.
 */
MUST_USE enum err control_bind(const char *path, const char *user, int *fd,
                               struct fault *fault);

/* Serve the socket `fd`, which is bound at `path`; `parts` is copied.  The control owns `fd`
 * from now on, also on error.  ERR_NOMEM. */
MUST_USE enum err control_open(const struct control_parts *parts, const char *path, int fd,
                               struct control **out);

/* Remove the socket and close all connections.  `control` may be NULL.  Caller must run the
 * loop until the handles are closed, then call control_free. */
void control_close(struct control *control);

/* Free *control and set it to NULL; it may be NULL already.  No call may be in a worker. */
void control_free(struct control **control);

/* Make the call fail with this text. */
void control_fail(struct control_call *call, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Continue a call whose `run` had set is_deferred: its result is complete. */
void control_resume(struct control_call *call);
