/* A mutex does: there are a few jobs a second, and nobody holds it for longer than it takes to link one. */
#include "net/job.h"

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

static struct list *take(struct job_box *box)
{
    struct list *first = NULL;

    pthread_mutex_lock(&box->lock);
    if (!list_is_empty(&box->jobs)) {
        first = box->jobs.next;
        list_remove(first);
    }
    pthread_mutex_unlock(&box->lock);
    return first;
}

void job_run_all(struct job_box *box, void *data)
{
    for (struct list *link = take(box); link; link = take(box)) {
        struct job *job = container_of(link, struct job, link);
        job->run(job, data);
    }
}

void job_box_fini(struct job_box *box) { pthread_mutex_destroy(&box->lock); }
