/* The async handle wakes the worker; flags say what to do, and new versions are in
 * base/publish. */
#define _GNU_SOURCE
#include "net/transport/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/log.h"
#include "net/loop/loop.h"
#include "net/transport/front_stream.h"
#include "net/transport/front_udp.h"

/* Lifetime: process. */
struct worker {
    uv_loop_t loop;
    uv_thread_t thread;
    uv_async_t inbox;
    struct job_box box;
    struct worker_parts parts;
    struct idle_queue *idle_queue;
    struct front_udp **udp;
    struct front_stream **stream;
    _Atomic bool must_stop;
    bool is_started, is_engine_open;
};

/* Close the engine and the fronts.  A worker that never ran does not answer queries first. */
static void close_fronts(struct worker *w)
{
    if (w->is_engine_open)
        w->parts.service->close(w->parts.engine);
    for (size_t i = 0; w->udp && w->stream && i < w->parts.socket_cnt; i++) {
        front_udp_close(&w->udp[i], w->is_started);
        front_stream_close(&w->stream[i], w->is_started);
    }
}

static void on_worker_wake(uv_async_t *inbox)
{
    struct worker *w = inbox->data;
    w->parts.service->turn(w->parts.engine);
    job_run_all(&w->box, w->parts.engine);
    if (atomic_load_explicit(&w->must_stop, memory_order_acquire) &&
        !uv_is_closing((uv_handle_t *)inbox)) {
        close_fronts(w);
        uv_close((uv_handle_t *)inbox, NULL);
    }
    uv_async_send(w->parts.done);
}

static void free_worker(struct worker *w)
{
    idle_queue_close(&w->idle_queue); /* not earlier: connections could be waiting there */
    uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_loop_close(&w->loop);
    job_run_all(&w->box, NULL); /* jobs posted after the last turn */
    job_box_fini(&w->box);
    free(w->udp);
    free(w->stream);
    free(w);
}

static enum err open_fronts(struct worker *w)
{
    const struct worker_parts *parts = &w->parts;
    struct front_parts front = {.loop = &w->loop,
                                .settings = parts->settings,
                                .service = parts->service,
                                .engine = parts->engine,
                                .idle_queue = w->idle_queue};
    enum err err = ERR_OK;

    for (size_t i = 0; i < parts->socket_cnt && !err; i++) {
        const struct worker_sockets *s = &parts->sockets[i];
        if (s->udp_fd >= 0)
            err = front_udp_new(&front, s->udp_fd, &s->at.address, &w->udp[i]);
        if (!err)
            err = front_stream_new(&front, s->tcp_fd, s->at.stack, &w->stream[i]);
    }
    return err;
}

static void wake_worker_box(void *bell) { uv_async_send(bell); }

enum err worker_new(const struct worker_parts *parts, struct worker **out)
{
    struct worker *w = calloc(1, sizeof(*w));
    enum err err = ERR_OK;

    if (!w || uv_loop_init(&w->loop) != 0) {
        free(w);
        return ERR_NOMEM;
    }
    w->parts = *parts;
    err = loop_reserve(&w->loop, parts->descriptors);
    w->udp = calloc(parts->socket_cnt + 1, sizeof(struct front_udp *));
    w->stream = calloc(parts->socket_cnt + 1, sizeof(struct front_stream *));
    if (!err && parts->service->open)
        err = parts->service->open(parts->engine, &w->loop);
    uv_async_init(&w->loop, &w->inbox, on_worker_wake);
    w->inbox.data = w;
    job_box_init(&w->box, wake_worker_box, &w->inbox);
    w->is_engine_open = parts->service->open && !err;
    if (!w->udp || !w->stream)
        err = ERR_NOMEM;
    if (!err)
        err = idle_queue_new(&w->loop, &w->idle_queue);
    if (!err)
        err = open_fronts(w);
    *out = w;
    return err;
}

static void run_worker(void *data)
{
    struct worker *w = data;
    uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_async_send(w->parts.done);
}

static void pin_worker(const struct worker *w)
{
    cpu_set_t only;

    CPU_ZERO(&only);
    CPU_SET((size_t)w->parts.cpu, &only);
    int error = pthread_setaffinity_np(w->thread, sizeof(only), &only);
    if (error)
        log_warning("cannot pin a worker thread to core %d: %s", w->parts.cpu, strerror(error));
}

enum err worker_start(struct worker *w)
{
    sigset_t all, before;

    /* signals are the main thread's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    w->parts.service->turn(w->parts.engine);
    w->is_started = true; /* before the thread reads it */
    if (uv_thread_create(&w->thread, run_worker, w) != 0)
        w->is_started = false;
    else if (w->parts.cpu >= 0) /* here, so that it is done before the log says "ready" */
        pin_worker(w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return w->is_started ? ERR_OK : ERR_NOMEM;
}

void worker_wake(struct worker *w) { uv_async_send(&w->inbox); }

void worker_post(struct worker *w, struct job *job) { job_post(&w->box, job); }

void worker_stop(struct worker *w)
{
    atomic_store_explicit(&w->must_stop, true, memory_order_release);
    worker_wake(w);
}

void worker_join(struct worker **worker)
{
    struct worker *w = *worker;
    if (!w)
        return;
    *worker = NULL;
    if (w->is_started) {
        uv_thread_join(&w->thread);
    } else {
        close_fronts(w);
        uv_close((uv_handle_t *)&w->inbox, NULL);
        uv_run(&w->loop, UV_RUN_DEFAULT);
    }
    free_worker(w);
}
