/* net/loop/job.h | messages between threads: jobs that one thread posts to another
 *
 * Each worker and the main thread has a box.  Posting a job wakes the owner of the box, which
 * runs the jobs between two turns of its loop.  Answer paths never post jobs.
 *
 * Owner:    of a job: the poster, until it is posted, then the owner of the box.
 * Thread:   job_post from any, the others from the owner of the box.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>

#include "base/list.h"
#include "base/util.h"

/* Lifetime: the poster decides. */
struct job {
    struct list link;
    /* Called by job_run_all with its `data`.  May free the job. */
    void (*run)(struct job *job, void *data);
};

/* Lifetime: worker, or process. */
struct job_box {
    pthread_mutex_t lock;
    struct list jobs;
    void (*ring)(void *bell); /* wakes the owner; called from any thread */
    void *bell;
};

/* Make the box empty; `ring` will be called with `bell`. */
void job_box_init(struct job_box *box, void (*ring)(void *bell), void *bell);

/* Append a job and wake the owner. */
void job_post(struct job_box *box, struct job *job);

/* Run the jobs that are in the box now and pass them `data`; NULL means that the thread of the
 * box has ended. */
void job_run_all(struct job_box *box, void *data);

/* Destroy the box.  Caller must have run all jobs. */
void job_box_fini(struct job_box *box);
