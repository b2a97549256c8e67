/* A mutex is enough: there are a few jobs per second, and it is locked only to link one. */
#include "net/loop/job.h"

void job_box_init(struct job_box *box, void (*ring)(void *bell), void *bell)
{
    pthread_mutex_init(&box->lock, NULL);
    list_init(&box->jobs);
    box->ring = ring;
    box->bell = bell;
}

void job_post(struct job_box *box, struct job *job)
{
    pthread_mutex_lock(&box->lock);
    list_add(&box->jobs, &job->link);
    pthread_mutex_unlock(&box->lock);
    box->ring(box->bell);
}

/* Jobs that are posted meanwhile run after the next wakeup, so that the loop gets its turn. */
void job_run_all(struct job_box *box, void *data)
{
    struct list jobs;

    list_init(&jobs);
    pthread_mutex_lock(&box->lock);
    while (!list_is_empty(&box->jobs)) {
        struct list *link = box->jobs.next;
        list_remove(link);
        list_add(&jobs, link);
    }
    pthread_mutex_unlock(&box->lock);
    while (!list_is_empty(&jobs)) {
        struct job *job = container_of(jobs.next, struct job, link);
        list_remove(&job->link);
        job->run(job, data);
    }
}

void job_box_fini(struct job_box *box) { pthread_mutex_destroy(&box->lock); }
