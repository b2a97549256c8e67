/* net/loop/idle_queue.h | work that a worker does when it has no queries to answer
 *
 * A TLS handshake costs as much as a hundred answers, and any client can start one.  Handshakes
 * run in turns of the loop without other events; in busy turns they get a tenth of the time.
 * Clients that query over UDP do not notice them, and without queries they use the whole core.
 *
 * Owner:    the worker.
 * Thread:   the worker.
 */
#pragma once

#include <uv.h>

#include "base/err.h"
#include "base/list.h"
#include "base/util.h"

struct idle_queue;

/* A job to run once, a member of the object that it works on.  Caller must zero it and set
 * `run` before the first idle_queue_put. */
struct idle_queue_job {
    struct list link;
    bool is_waiting;
    void (*run)(struct idle_queue_job *job);
};

/* Create a queue on the worker's loop.  ERR_NOMEM. */
MUST_USE enum err idle_queue_new(uv_loop_t *loop, struct idle_queue **out);

/* Discard the jobs and set *idle_queue to NULL; it may be NULL already.  The memory is freed
 * when the loop has closed the handles. */
void idle_queue_close(struct idle_queue **idle_queue);

/* Note that this turn of the loop was busy: queries were answered. */
void idle_queue_note_work(struct idle_queue *idle_queue);

/* Append a job; one that is in the queue keeps its place. */
void idle_queue_put(struct idle_queue *idle_queue, struct idle_queue_job *job);

/* Take a job out of the queue, if it is in. */
void idle_queue_remove(struct idle_queue *idle_queue, struct idle_queue_job *job);
