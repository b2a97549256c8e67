/* net/transport/worker.h | one thread with its loop, its sockets and its engine
 *
 * Owner:    the daemon; what a worker holds is touched by its own thread only, once it runs.
 * Thread:   new, start, wake, stop and join from the main thread.
 */
#pragma once

#include <uv.h>

#include "net/loop/job.h"
#include "net/request/exchange.h"

struct worker;

/* Bound sockets of one worker for one address. */
struct worker_sockets {
    struct exchange_listener at;
    int udp_fd; /* -1: only connections */
    int tcp_fd;
};

/* What a worker is made of; copied. */
struct worker_parts {
    const struct exchange_settings *settings;
    const struct service *service;
    void *engine;
    const struct worker_sockets
        *sockets; /* socket_cnt; the worker owns their descriptors from now on */
    size_t socket_cnt;
    unsigned descriptors; /* every one of the process is below it */
    int cpu;              /* its thread runs there only; -1: anywhere */
    uv_async_t *done;     /* sent after each wake has been worked off, and at the end */
};

/* Make a worker; it does not run yet.  Where it fails *out may be set, and is for worker_join.
 */
MUST_USE enum err worker_new(const struct worker_parts *parts, struct worker **out);

/* Start its thread. */
MUST_USE enum err worker_start(struct worker *worker);

/* Have it call service->turn between two batches and then send `done`. */
void worker_wake(struct worker *worker);

/* Have it run a job, which gets the engine, between two turns, or NULL if the worker ends
 * before. */
void worker_post(struct worker *worker, struct job *job);

/* Have it drain and end. */
void worker_stop(struct worker *worker);

/* Wait for its thread and free it. */
void worker_join(struct worker **worker);
