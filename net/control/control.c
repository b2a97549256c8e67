/* A connection has one request under way at a time and is not read meanwhile, so that memory is
 * bounded by their number; whoever neither asks nor reads is closed. */
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
    struct list link; /* control->peers, the one longest idle first */
    struct control *control;
    struct control_call *call; /* under way; NULL: none */
    uv_write_t write;
    char *answer; /* being written; NULL: none */
    uint64_t used_ms;
    bool is_ending; /* after the answer that is being written */
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
    bool is_refusing; /* `refused` is being closed */
    uv_pipe_t refused;
    char path[CONTROL_PATH_MAX];
};

/* ---- connections ---- */

static void on_closed(uv_handle_t *handle)
{
    struct control_peer *p = handle->data;
    free(p->answer);
    free(p);
}

static void close_peer(struct control_peer *p)
{
    if (uv_is_closing((uv_handle_t *)&p->pipe))
        return;
    if (p->call)
        p->call->peer = NULL;
    list_remove(&p->link);
    p->control->peer_cnt--;
    uv_close((uv_handle_t *)&p->pipe, on_closed);
}

static void touch(struct control_peer *p)
{
    p->used_ms = now_mono_ms();
    list_remove(&p->link);
    list_add(&p->control->peers, &p->link);
}

static void next_request(struct control_peer *p);

static void on_written(uv_write_t *write, int status)
{
    struct control_peer *p = write->data;

    free(p->answer);
    p->answer = NULL;
    if (uv_is_closing((uv_handle_t *)&p->pipe))
        return;
    if (status < 0 || p->is_ending) {
        close_peer(p);
        return;
    }
    touch(p);
    next_request(p);
}

static void answer(struct control_peer *p, struct json *answer_json)
{
    char *text = json_write(answer_json, false);
    size_t len = text ? strlen(text) : 0;

    json_free(&answer_json);
    if (!text) {
        close_peer(p);
        return;
    }
    text[len] = '\n'; /* in the place of the NUL */
    p->answer = text;
    p->write.data = p;
    uv_buf_t part = uv_buf_init(text, (unsigned)len + 1);
    if (loop_admit((uv_handle_t *)&p->pipe) != ERR_OK ||
        uv_write(&p->write, (uv_stream_t *)&p->pipe, &part, 1, on_written) != 0)
        close_peer(p);
}

static void answer_error(struct control_peer *p, const char *text)
{
    struct json *made = json_new_object();
    json_put_bool(made, "ok", false);
    json_put_text(made, "error", text);
    answer(p, made);
}

/* ---- calls ---- */

static void free_call(struct control_call *call)
{
    struct json *request = (struct json *)(uintptr_t)call->request;
    json_free(&request);
    json_free(&call->result);
    free(call->state);
    free(call);
}

/* Back in the main thread. */
static void on_home(struct job *job, void *data)
{
    struct control_call *call = container_of(job, struct control_call, job);
    struct control_peer *p = call->peer;

    (void)data;
    if (p) {
        p->call = NULL;
        touch(p);
    }
    if (p && *call->error) {
        answer_error(p, call->error);
    } else if (p) {
        uint64_t lost = json_dropped();
        struct json *made = json_new_object();
        json_put_bool(made, "ok", true);
        json_put(made, "result", call->result);
        call->result = NULL;
        if (json_dropped() == lost) {
            answer(p, made);
        } else {
            json_free(&made);
            answer_error(p, "out of memory");
        }
    }
    free_call(call);
}

static void on_worker(struct job *job, void *engine)
{
    struct control_call *call = container_of(job, struct control_call, job);
    uint64_t lost = json_dropped();

    call->is_held = call->is_there = call->is_again = false;
    if (engine)
        call->run(call, engine);
    else
        control_refuse(call, "this daemon is stopping");
    if (call->is_held)
        return;
    if (json_dropped() != lost) /* half a result would be taken for the whole */
        control_refuse(call, "out of memory");
    control_go_on(call);
}

void control_go_on(struct control_call *call)
{
    const struct control_parts *parts = &call->control->parts;

    if (!call->is_again)
        call->worker++;
    bool is_over = *call->error || call->worker >= parts->worker_cnt ||
                   (!call->is_for_all && !call->is_again);
    call->job.run = is_over ? on_home : on_worker;
    if (is_over)
        job_post(parts->home, &call->job);
    else
        worker_post(parts->workers[call->worker], &call->job);
}

void control_refuse(struct control_call *call, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(call->error, sizeof(call->error), fmt, args);
    va_end(args);
}

static const struct control_command *find_command(const struct control_command *at,
                                                  const char *name)
{
    while (at && at->name && strcmp(at->name, name) != 0)
        at++;
    return at && at->name ? at : NULL;
}

static struct control_call *new_call(struct control_peer *p, struct json *request)
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
    const struct control_command *ours = find_command(c->parts.commands[0], name),
                                 *theirs = find_command(c->parts.commands[1], name);
    struct control_call *call = ours || theirs ? new_call(p, request) : NULL;

    if (!call) {
        json_free(&request);
        answer_error(p, ours || theirs ? "out of memory"
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
        control_refuse(call, "out of memory");
    call->job.run = call->run ? on_worker : on_home;
    if (call->run && !*call->error)
        worker_post(c->parts.workers[0], &call->job);
    else
        on_home(&call->job, NULL);
}

/* ---- reading ---- */

static void take_request(struct control_peer *p, size_t len)
{
    struct json *request = NULL;
    char why[CONTROL_ERROR_MAX];

    enum err err = json_read(p->in, len, &request, why, sizeof(why));
    p->len -= len + 1;
    memmove(p->in, p->in + len + 1, p->len);
    if (!err && !json_has_keys(request)) {
        json_free(&request);
        snprintf(why, sizeof(why), "a request is an object");
        err = ERR_FORMAT;
    }
    if (err)
        answer_error(p, why);
    else
        begin_call(p, request);
}

static void give_room(uv_handle_t *handle, size_t size, uv_buf_t *room)
{
    struct control_peer *p = handle->data;
    (void)size;
    *room = uv_buf_init(p->in + p->len, (unsigned)(sizeof(p->in) - p->len));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *room)
{
    struct control_peer *p = stream->data;

    (void)room;
    if (got < 0) {
        close_peer(p);
        return;
    }
    p->len += (size_t)got;
    if (got > 0)
        touch(p);
    uv_read_stop(stream);
    next_request(p);
}

/* The next line that has come, or more of it. */
static void next_request(struct control_peer *p)
{
    const char *end = memchr(p->in, '\n', p->len);

    if (p->control->is_closing) {
        close_peer(p);
    } else if (end) {
        take_request(p, (size_t)(end - p->in));
    } else if (p->len == sizeof(p->in)) {
        p->is_ending = true;
        answer_error(p, "the request is too long");
    } else if (loop_admit((uv_handle_t *)&p->pipe) != ERR_OK ||
               uv_read_start((uv_stream_t *)&p->pipe, give_room, on_read) != 0) {
        close_peer(p);
    }
}

/* ---- listening ---- */

/* Make room for another one: the idlest that waits for nothing goes. */
static void make_room(struct control *c)
{
    for (struct list *l = c->peers.next; l != &c->peers; l = l->next) {
        struct control_peer *p = container_of(l, struct control_peer, link);
        if (!p->call) {
            close_peer(p);
            return;
        }
    }
    if (!list_is_empty(&c->peers)) /* all are busy: one of them is as good as another */
        close_peer(container_of(c->peers.next, struct control_peer, link));
}

static void on_refused_closed(uv_handle_t *handle)
{
    struct control *c = handle->data;
    c->is_refusing = false;
}

/* Accept and close, out of memory that is there already: libuv stops listening for good when
 * nobody accepts. */
static void turn_away(struct control *c)
{
    if (c->is_refusing)
        return;
    c->is_refusing = true;
    uv_pipe_init(c->parts.loop, &c->refused, 0);
    c->refused.data = c;
    (void)uv_accept((uv_stream_t *)&c->listener, (uv_stream_t *)&c->refused);
    uv_close((uv_handle_t *)&c->refused, on_refused_closed);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct control *c = listener->data;
    struct control_peer *p = calloc(1, sizeof(*p));

    if (status < 0 || !p) {
        if (status >= 0)
            turn_away(c);
        free(p);
        return;
    }
    if (c->peer_cnt >= CONTROL_CONNECTIONS_MAX)
        make_room(c);
    uv_pipe_init(c->parts.loop, &p->pipe, 0);
    p->pipe.data = p;
    p->control = c;
    c->peer_cnt++;
    list_init(&p->link);
    touch(p);
    if (uv_accept(listener, (uv_stream_t *)&p->pipe) == 0)
        next_request(p);
    else
        close_peer(p);
}

static void sweep(uv_timer_t *timer)
{
    struct control *c = timer->data;
    uint64_t now_ms = now_mono_ms();
    struct list *next;

    for (struct list *l = c->peers.next; l != &c->peers; l = next) {
        struct control_peer *p = container_of(l, struct control_peer, link);
        next = l->next;
        if (now_ms - p->used_ms < CONTROL_IDLE_MS)
            break;
        if (!p->call)
            close_peer(p);
    }
}

/* Whether a process serves the socket that is there. */
static bool is_served(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_there = fd >= 0 && (connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 ||
                                errno == EAGAIN || errno == EINPROGRESS);
    if (fd >= 0)
        close(fd);
    return is_there;
}

/* By name, where only root can write: no link can take its place. */
static void give_to(const char *path, const char *user)
{
    const struct passwd *entry = geteuid() == 0 && *user ? getpwnam(user) : NULL;
    if (entry && lchown(path, entry->pw_uid, entry->pw_gid) != 0)
        log_warning("control: %s stays root's: %s", path, strerror(errno));
}

enum err control_bind(const char *path, const char *user, int *fd, char *why, size_t size)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat is;

    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    if (is_served(&at)) {
        snprintf(why, size, "%s is served by another process", path);
        return ERR_LIMIT;
    }
    enum err err = control_path_make_folder(path, "", why, size);
    if (!err)
        err = control_path_judge(path, why, size);
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
        give_to(path, user);
        return ERR_OK;
    }
    snprintf(why, size, "%s: %s", path, strerror(number));
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return number == EACCES || number == EPERM ? ERR_DENIED : ERR_IO;
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
         uv_listen((uv_stream_t *)&c->listener, BACKLOG, on_connection) == 0);
    uv_timer_start(&c->sweep, sweep, SWEEP_MS, SWEEP_MS);
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
        close_peer(container_of(c->peers.next, struct control_peer, link));
}

void control_free(struct control **control)
{
    free(*control);
    *control = NULL;
}
