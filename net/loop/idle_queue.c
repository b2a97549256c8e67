/* While there are jobs the loop polls without blocking; after each poll, the check handle knows
 * whether there were other events. */
#include "net/loop/idle_queue.h"

#include "base/now.h"

enum { SHARE = 10 /* jobs get 1/SHARE of a busy worker's time */, CREDIT_MAX_US = 20000 };

/* Lifetime: worker. */
struct idle_queue {
    uv_idle_t idle;
    uv_check_t check;
    struct list jobs;
    bool is_busy;      /* queries were answered in this turn */
    int64_t credit_us; /* time that jobs may use in busy turns */
    uint64_t since_us; /* when credit was last earned */
    unsigned handle_cnt;
};

/* An idle handle that is active keeps the poll from blocking. */
static void keep_polling(uv_idle_t *idle) { (void)idle; }

static void earn_idle_credit(struct idle_queue *l, uint64_t now_us)
{
    l->credit_us += (int64_t)((now_us - l->since_us) / SHARE);
    if (l->credit_us > CREDIT_MAX_US)
        l->credit_us = CREDIT_MAX_US;
    l->since_us = now_us;
}

static void run_idle_job(uv_check_t *check)
{
    struct idle_queue *l = check->data;
    uint64_t start_us = now_mono_us();
    bool is_busy = l->is_busy;

    l->is_busy = false;
    earn_idle_credit(l, start_us);
    if ((is_busy && l->credit_us <= 0) || list_is_empty(&l->jobs))
        return;
    struct idle_queue_job *job = container_of(l->jobs.next, struct idle_queue_job, link);
    idle_queue_remove(l, job);
    job->run(job);
    if (is_busy)
        l->credit_us -= (int64_t)(now_mono_us() - start_us);
}

enum err idle_queue_new(uv_loop_t *loop, struct idle_queue **out)
{
    struct idle_queue *l = calloc(1, sizeof(*l));
    if (!l)
        return ERR_NOMEM;
    list_init(&l->jobs);
    uv_idle_init(loop, &l->idle);
    uv_check_init(loop, &l->check);
    l->idle.data = l->check.data = l;
    l->handle_cnt = 2;
    l->since_us = now_mono_us();
    l->credit_us = CREDIT_MAX_US;
    *out = l;
    return ERR_OK;
}

static void free_idle_queue(uv_handle_t *handle)
{
    struct idle_queue *l = handle->data;
    if (--l->handle_cnt == 0)
        free(l);
}

void idle_queue_close(struct idle_queue **idle_queue)
{
    struct idle_queue *l = *idle_queue;
    if (!l)
        return;
    *idle_queue = NULL;
    uv_close((uv_handle_t *)&l->idle, free_idle_queue);
    uv_close((uv_handle_t *)&l->check, free_idle_queue);
}

void idle_queue_note_work(struct idle_queue *l) { l->is_busy = true; }

void idle_queue_put(struct idle_queue *l, struct idle_queue_job *job)
{
    if (job->is_waiting)
        return;
    if (list_is_empty(&l->jobs)) {
        uv_idle_start(&l->idle, keep_polling);
        uv_check_start(&l->check, run_idle_job);
    }
    job->is_waiting = true;
    list_add(&l->jobs, &job->link);
}

void idle_queue_remove(struct idle_queue *l, struct idle_queue_job *job)
{
    if (!job->is_waiting)
        return;
    job->is_waiting = false;
    list_remove(&job->link);
    if (list_is_empty(&l->jobs)) {
        uv_idle_stop(&l->idle);
        uv_check_stop(&l->check);
    }
}
