/* net/loop/job.h | work that one thread has another one do
 *
 * Each worker has a box, and so has the main thread.  Whoever posts a job rings the owner's
 * bell; the owner takes what is there between two turns.  Nothing on an answer path does.
 *
 * Owner:    a job is its poster's until it is posted, then the box owner's.
 * Thread:   job_post from any, the others from the owner of the box.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>

#include "base/list.h"
#include "base/util.h"

/* Lifetime: the poster's business. */
struct job {
    struct list link;
    /* In the thread of the box, or after it ended, then with NULL; may free the job. */
    void (*run)(struct job *job, void *data);
};

/* Lifetime: worker, or process. */
struct job_box {
    pthread_mutex_t lock;
    struct list jobs;
    void (*ring)(void *bell); /* wakes the owner; from any thread */
    void *bell;
};

/* An empty box. */
void job_box_init(struct job_box *box, void (*ring)(void *bell), void *bell);

/* Put a job into the box and ring. */
void job_post(struct job_box *box, struct job *job);

/* Run the jobs that are in it now, with `data`. */
void job_run_all(struct job_box *box, void *data);

/* Free what the box holds on to; there are no jobs in it. */
void job_box_fini(struct job_box *box);
