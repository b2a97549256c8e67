/* net/transport/worker.h | a thread with its event loop, sockets and engine
 *
 * Owner:    the daemon; once the worker runs, only its thread uses its parts.
 * Thread:   new, start, wake, stop and join from the main thread.
 */
#pragma once

#include <uv.h>

#include "net/loop/job.h"
#include "net/request/exchange.h"

struct worker;

/* The bound sockets of one worker for one listener. */
struct worker_sockets {
    struct exchange_listener at;
    int udp_fd; /* -1: the listener has no UDP */
    int tcp_fd;
};

/* The parts of a worker.  Copied. */
struct worker_parts {
    const struct exchange_settings *settings;
    const struct service *service;
    void *engine;
    /* socket_cnt of them; the worker closes their descriptors. */
    const struct worker_sockets *sockets;
    size_t socket_cnt;
    unsigned descriptors; /* an upper bound of the process's descriptors */
    int cpu;              /* pin the thread to this core; -1: do not pin it */
    uv_async_t *done;     /* sent after each wake and when the thread ends */
};

/* Create a worker that does not run yet.  On failure *out may be set: caller must pass it to
 * worker_join.  ERR_NOMEM, or an error of service->open. */
MUST_USE enum err worker_new(const struct worker_parts *parts, struct worker **out);

/* Start the thread.  ERR_NOMEM. */
MUST_USE enum err worker_start(struct worker *worker);

/* Have the worker call service->turn between two turns of its loop, then send `done`. */
void worker_wake(struct worker *worker);

/* Have the worker run a job between two turns.  The job gets the engine, or NULL if the worker
 * has ended. */
void worker_post(struct worker *worker, struct job *job);

/* Have the worker answer what has arrived, close its sockets and end. */
void worker_stop(struct worker *worker);

/* Wait for the thread, free the worker and set *worker to NULL; it may be NULL already. */
void worker_join(struct worker **worker);
