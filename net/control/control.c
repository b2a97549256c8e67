/* A connection is not read while its request is being served, so memory is bounded by the
 * number of connections.  Idle connections, and peers that do not read, are closed. */
#include "net/control/control.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/now.h"
#include "net/loop/loop.h"

enum { BACKLOG = 64, SWEEP_MS = 5000 };

/* A connection.  Lifetime: until its handle is closed. */
struct control_peer {
    uv_pipe_t pipe;
    struct list link; /* control->peers, the idlest first */
    struct control *control;
    struct control_call *call; /* being served; NULL: none */
    uv_write_t write;
    char *response;   /* being written; NULL: none */
    uint64_t used_ms; /* mono: the last activity */
    bool is_ending;   /* close after the response that is being written */
    size_t len;
    char in[CONTROL_REQUEST_MAX];
};

/* Lifetime: process. */
struct control {
    struct control_parts parts;
    uv_pipe_t listener;
    uv_timer_t sweep;
    struct list peers;
    size_t peer_cnt;
    bool is_closing;
    bool is_rejecting; /* `rejected` is being closed */
    uv_pipe_t rejected;
    char path[CONTROL_PATH_MAX];
};

/* ---- connections ---- */

static void free_control_peer(uv_handle_t *handle)
{
    struct control_peer *p = handle->data;
    free(p->response);
    free(p);
}

static void close_control_peer(struct control_peer *p)
{
    if (uv_is_closing((uv_handle_t *)&p->pipe))
        return;
    if (p->call)
        p->call->peer = NULL;
    list_remove(&p->link);
    p->control->peer_cnt--;
    uv_close((uv_handle_t *)&p->pipe, free_control_peer);
}

static void note_activity(struct control_peer *p)
{
    p->used_ms = now_mono_ms();
    list_remove(&p->link);
    list_add(&p->control->peers, &p->link);
}

static void serve_next_request(struct control_peer *p);

static void on_response_written(uv_write_t *write, int status)
{
    struct control_peer *p = write->data;

    free(p->response);
    p->response = NULL;
    if (uv_is_closing((uv_handle_t *)&p->pipe))
        return;
    if (status < 0 || p->is_ending) {
        close_control_peer(p);
        return;
    }
    note_activity(p);
    serve_next_request(p);
}

static void write_response(struct control_peer *p, struct json *made)
{
    char *text = json_write(made, false);
    size_t len = text ? strlen(text) : 0;

    json_free(&made);
    if (!text) {
        close_control_peer(p);
        return;
    }
    text[len] = '\n'; /* it replaces the NUL */
    p->response = text;
    p->write.data = p;
    uv_buf_t part = uv_buf_init(text, (unsigned)len + 1);
    if (loop_admit((uv_handle_t *)&p->pipe) != ERR_OK ||
        uv_write(&p->write, (uv_stream_t *)&p->pipe, &part, 1, on_response_written) != 0)
        close_control_peer(p);
}

static void write_error(struct control_peer *p, const char *text)
{
    struct json *made = json_new_object();
    json_put_bool(made, "ok", false);
    json_put_text(made, "error", text);
    write_response(p, made);
}

/* ---- calls ---- */

static void free_control_call(struct control_call *call)
{
    struct json *request = (struct json *)(uintptr_t)call->request;
    json_free(&request);
    json_free(&call->result);
    free(call->state);
    free(call);
}

/* The call is back in the main thread. */
static void finish_call(struct job *job, void *data)
{
    struct control_call *call = container_of(job, struct control_call, job);
    struct control_peer *p = call->peer;

    (void)data;
    if (p) {
        p->call = NULL;
        note_activity(p);
    }
    if (p && *call->error) {
        write_error(p, call->error);
    } else if (p) {
        uint64_t lost = json_dropped();
        struct json *made = json_new_object();
        json_put_bool(made, "ok", true);
        json_put(made, "result", call->result);
        call->result = NULL;
        if (json_dropped() == lost) {
            write_response(p, made);
        } else {
            json_free(&made);
            write_error(p, "out of memory");
        }
    }
    free_control_call(call);
}

static void run_in_worker(struct job *job, void *engine)
{
    struct control_call *call = container_of(job, struct control_call, job);
    uint64_t lost = json_dropped();

    call->is_deferred = call->has_result = call->must_repeat = false;
    if (engine)
        call->run(call, engine);
    else
        control_fail(call, "the daemon is stopping");
    if (call->is_deferred)
        return;
    if (json_dropped() != lost) /* an incomplete result would look complete */
        control_fail(call, "out of memory");
    control_resume(call);
}

void control_resume(struct control_call *call)
{
    const struct control_parts *parts = &call->control->parts;

    if (!call->must_repeat)
        call->worker++;
    bool is_finished = *call->error || call->worker >= parts->worker_cnt ||
                       (!call->is_for_all && !call->must_repeat);
    call->job.run = is_finished ? finish_call : run_in_worker;
    if (is_finished)
        job_post(parts->home, &call->job);
    else
        worker_post(parts->workers[call->worker], &call->job);
}

void control_fail(struct control_call *call, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(call->error, sizeof(call->error), fmt, args);
    va_end(args);
}

static const struct control_command *find_control_command(const struct control_command *at,
                                                          const char *name)
{
    while (at && at->name && strcmp(at->name, name) != 0)
        at++;
    return at && at->name ? at : NULL;
}

static struct control_call *new_control_call(struct control_peer *p, struct json *request)
{
    struct control *c = p->control;
    struct control_call *call = calloc(1, sizeof(*call));

    if (!call)
        return NULL;
    call->request = request;
    call->result = json_new_object();
    call->settings = c->parts.settings;
    call->control = c;
    call->peer = p;
    list_init(&call->job.link);
    return call;
}

static void begin_call(struct control_peer *p, struct json *request)
{
    struct control *c = p->control;
    const char *name = json_get_text(request, "command", "");
    const struct control_command *ours = find_control_command(c->parts.commands[0], name),
                                 *theirs = find_control_command(c->parts.commands[1], name);
    struct control_call *call = ours || theirs ? new_control_call(p, request) : NULL;

    if (!call) {
        json_free(&request);
        write_error(p, ours || theirs ? "out of memory"
                                      : "this daemon does not know that command");
        return;
    }
    p->call = call;
    call->run = theirs ? theirs->run : NULL;
    call->is_for_all = theirs && theirs->is_for_all;
    uint64_t lost = json_dropped();
    if (ours && ours->begin)
        ours->begin(call, c->parts.data);
    if (json_dropped() != lost)
        control_fail(call, "out of memory");
    call->job.run = call->run ? run_in_worker : finish_call;
    if (call->run && !*call->error)
        worker_post(c->parts.workers[0], &call->job);
    else
        finish_call(&call->job, NULL);
}

/* ---- reading ---- */

static void serve_request(struct control_peer *p, size_t len)
{
    struct json *request = NULL;
    struct fault fault;

    enum err err = json_read(p->in, len, &request, &fault);
    p->len -= len + 1;
    memmove(p->in, p->in + len + 1, p->len);
    if (!err && !json_has_keys(request)) {
        json_free(&request);
        err = fault_set(&fault, ERR_FORMAT, "a request is a JSON object");
    }
    if (err)
        write_error(p, fault.text);
    else
        begin_call(p, request);
}

static void give_read_buffer(uv_handle_t *handle, size_t size, uv_buf_t *room)
{
    struct control_peer *p = handle->data;
    (void)size;
    *room = uv_buf_init(p->in + p->len, (unsigned)(sizeof(p->in) - p->len));
}

static void on_request_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *room)
{
    struct control_peer *p = stream->data;

    (void)room;
    if (got < 0) {
        close_control_peer(p);
        return;
    }
    p->len += (size_t)got;
    if (got > 0)
        note_activity(p);
    uv_read_stop(stream);
    serve_next_request(p);
}

/* Serve the next request, or read more of it. */
static void serve_next_request(struct control_peer *p)
{
    const char *end = memchr(p->in, '\n', p->len);

    if (p->control->is_closing) {
        close_control_peer(p);
    } else if (end) {
        serve_request(p, (size_t)(end - p->in));
    } else if (p->len == sizeof(p->in)) {
        p->is_ending = true;
        write_error(p, "the request is too long");
    } else if (loop_admit((uv_handle_t *)&p->pipe) != ERR_OK ||
               uv_read_start((uv_stream_t *)&p->pipe, give_read_buffer, on_request_read) != 0) {
        close_control_peer(p);
    }
}

/* ---- listening ---- */

/* Evict the idlest connection, preferably one whose request is not being served. */
static void evict_peer(struct control *c)
{
    list_for_each(struct control_peer, p, &c->peers, link) {
        if (!p->call) {
            close_control_peer(p);
            return;
        }
    }
    if (!list_is_empty(&c->peers)) /* all are being served */
        close_control_peer(container_of(c->peers.next, struct control_peer, link));
}

static void on_rejected_closed(uv_handle_t *handle)
{
    struct control *c = handle->data;
    c->is_rejecting = false;
}

/* Without memory for a peer, accept with a handle that is part of the control, and close: libuv
 * stops listening for good if a connection is not accepted. */
static void reject_connection(struct control *c)
{
    if (c->is_rejecting)
        return;
    c->is_rejecting = true;
    uv_pipe_init(c->parts.loop, &c->rejected, 0);
    c->rejected.data = c;
    (void)uv_accept((uv_stream_t *)&c->listener, (uv_stream_t *)&c->rejected);
    uv_close((uv_handle_t *)&c->rejected, on_rejected_closed);
}

static void on_control_connection(uv_stream_t *listener, int status)
{
    struct control *c = listener->data;
    struct control_peer *p = calloc(1, sizeof(*p));

    if (status < 0 || !p) {
        if (status >= 0)
            reject_connection(c);
        free(p);
        return;
    }
    if (c->peer_cnt >= CONTROL_CONNECTIONS_MAX)
        evict_peer(c);
    uv_pipe_init(c->parts.loop, &p->pipe, 0);
    p->pipe.data = p;
    p->control = c;
    c->peer_cnt++;
    list_init(&p->link);
    note_activity(p);
    if (uv_accept(listener, (uv_stream_t *)&p->pipe) == 0)
        serve_next_request(p);
    else
        close_control_peer(p);
}

static void close_idle_peers(uv_timer_t *timer)
{
    struct control *c = timer->data;
    uint64_t now_ms = now_mono_ms();
    list_for_each_safe(struct control_peer, p, &c->peers, link) {
        if (now_ms - p->used_ms < CONTROL_IDLE_MS)
            break;
        if (!p->call)
            close_control_peer(p);
    }
}

/* True if a process serves the socket that exists there. */
static bool is_served(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_there = fd >= 0 && (connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 ||
                                errno == EAGAIN || errno == EINPROGRESS);
    if (fd >= 0)
        close(fd);
    return is_there;
}

/* By name, which is safe where only root can write: no other user can put a link there. */
static void give_socket(const char *path, const char *user)
{
    const struct passwd *entry = geteuid() == 0 && *user ? getpwnam(user) : NULL;
    if (entry && lchown(path, entry->pw_uid, entry->pw_gid) != 0)
        log_warning("control: cannot give %s to the user %s: %s", path, user, strerror(errno));
}

enum err control_bind(const char *path, const char *user, int *fd, struct fault *fault)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat is;

    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    if (is_served(&at))
        return fault_set(fault, ERR_LIMIT, "%s is served by another process", path);
    enum err err = control_path_make_folder(path, "", fault);
    if (!err)
        err = control_path_check(path, fault);
    if (err)
        return err;
    if (lstat(path, &is) == 0 && S_ISSOCK(is.st_mode))
        (void)unlink(path);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0117);
    bool is_bound = *fd >= 0 && bind(*fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
                    listen(*fd, BACKLOG) == 0;
    int number = errno;
    umask(before);
    if (is_bound) {
        give_socket(path, user);
        return ERR_OK;
    }
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return fault_set(fault, number == EACCES || number == EPERM ? ERR_DENIED : ERR_IO, "%s: %s",
                     path, strerror(number));
}

enum err control_open(const struct control_parts *parts, const char *path, int fd,
                      struct control **out)
{
    struct control *c = calloc(1, sizeof(*c));

    if (!c) {
        close(fd);
        return ERR_NOMEM;
    }
    c->parts = *parts;
    list_init(&c->peers);
    snprintf(c->path, sizeof(c->path), "%s", path);
    uv_pipe_init(parts->loop, &c->listener, 0);
    uv_timer_init(parts->loop, &c->sweep);
    c->listener.data = c->sweep.data = c;
    must(uv_pipe_open(&c->listener, fd) == 0 &&
         uv_listen((uv_stream_t *)&c->listener, BACKLOG, on_control_connection) == 0);
    uv_timer_start(&c->sweep, close_idle_peers, SWEEP_MS, SWEEP_MS);
    *out = c;
    return ERR_OK;
}

void control_close(struct control *c)
{
    if (!c || c->is_closing)
        return;
    c->is_closing = true;
    (void)unlink(c->path);
    uv_close((uv_handle_t *)&c->listener, NULL);
    uv_close((uv_handle_t *)&c->sweep, NULL);
    while (!list_is_empty(&c->peers))
        close_control_peer(container_of(c->peers.next, struct control_peer, link));
}

void control_free(struct control **control)
{
    free(*control);
    *control = NULL;
}
