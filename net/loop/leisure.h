/* net/loop/leisure.h | work that waits until the worker has nothing better to do
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

struct leisure;

/* Something to run once.  Inside what it is about; zero, and `run` set, before it is put. */
struct leisure_job {
    struct list link;
    bool is_waiting;
    void (*run)(struct leisure_job *job);
};

/* ERR_NOMEM. */
MUST_USE enum err leisure_new(uv_loop_t *loop, struct leisure **out);

/* Forget what waits; memory goes when the loop has closed the handles.  Clears the pointer;
 * NULL inside is fine. */
void leisure_close(struct leisure **leisure);

/* Questions have been answered in this turn. */
void leisure_note_work(struct leisure *leisure);

/* Run it as soon as there is time; one that waits already keeps its place. */
void leisure_put(struct leisure *leisure, struct leisure_job *job);

/* Do not run it. */
void leisure_remove(struct leisure *leisure, struct leisure_job *job);
