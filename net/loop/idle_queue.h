/* net/loop/idle_queue.h | work that waits until the worker has nothing better to do
 *
 * Handshakes cost a hundred times what an answer costs, and anybody can begin one.  They run in
 * turns in which nothing else came; in busy turns they get a tenth of the time.  So whoever
 * asks over UDP does not notice them, and alone they have the whole core.
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

/* Something to run once.  Inside what it is about; zero, and `run` set, before it is put. */
struct idle_queue_job {
    struct list link;
    bool is_waiting;
    void (*run)(struct idle_queue_job *job);
};

/* ERR_NOMEM. */
MUST_USE enum err idle_queue_new(uv_loop_t *loop, struct idle_queue **out);

/* Forget what waits; memory goes when the loop has closed the handles.  Clears the pointer;
 * NULL inside is fine. */
void idle_queue_close(struct idle_queue **idle_queue);

/* Questions have been answered in this turn. */
void idle_queue_note_work(struct idle_queue *idle_queue);

/* Run it as soon as there is time; one that waits already keeps its place. */
void idle_queue_put(struct idle_queue *idle_queue, struct idle_queue_job *job);

/* Do not run it. */
void idle_queue_remove(struct idle_queue *idle_queue, struct idle_queue_job *job);
