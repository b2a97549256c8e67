/* The request is one line of JSON, and so is the answer.  An explanation takes as long as the
 * resolution of its query, so the time limit is far above that. */
#define _GNU_SOURCE /* struct ucred */
#include "tools/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/control/control_path.h"
#include "tools/cmd.h"

enum { WAIT_S = 60, CHUNK = 65536, ANSWER_MAX = 64 << 20 };

static int connect_to(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = WAIT_S};

    if (strlen(path) >= sizeof(at.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(at.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    int number = errno;
    close(fd);
    errno = number;
    return -1;
}

static const char *explain_errno(int number)
{
    switch (number) {
    case ENOENT:
        return "there is no such socket: start the daemon, or compare the path with "
               "server.control in its configuration";
    case ECONNREFUSED: return "no process listens on the socket: start the daemon";
    case EPERM:
        return "another user's process listens on the socket: name it with --socket if you "
               "trust it";
    case EACCES: return "permission denied: only the socket's owner and group may use it";
    default: return strerror(number);
    }
}

/* True if the process behind a default path may be used: any user can create the folder in /tmp
 * before the daemon does. */
static bool is_trusted(int fd, unsigned place)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    return place == CONTROL_PATH_SYSTEM ||
           (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
            (peer.uid == 0 || peer.uid == geteuid()));
}

/* Return a connection to the first default path where a daemon answers; -1 after an error. */
static int search_daemon(enum ask_target target)
{
    static const char *const names[] = {"resolver", "authd"};
    char path[CONTROL_PATH_MAX];
    int reason = ENOENT;
    char tried[4 * CONTROL_PATH_MAX] = "";

    for (size_t n = 0; n <= (target == ASK_ANY); n++)
        for (unsigned place = 0; place < CONTROL_PATH_PLACES; place++) {
            if (control_path_get(names[n], place, path) != ERR_OK)
                continue;
            int fd = connect_to(path);
            if (fd >= 0 && is_trusted(fd, place))
                return fd;
            if (fd >= 0) {
                close(fd);
                errno = EPERM;
            }
            if (errno != ENOENT)
                reason = errno;
            size_t len = strlen(tried);
            snprintf(tried + len, sizeof(tried) - len, "%s%s", len ? ", " : "", path);
        }
    fprintf(stderr,
            "rootline: cannot reach a %s: %s\n  tried %s\n  --socket PATH or $ROOTLINE_SOCKET "
            "names another path (server.control in the daemon's configuration)\n",
            target == ASK_ANY ? "daemon" : "resolver",
            reason == ENOENT ? "none is running" : explain_errno(reason), tried);
    return -1;
}

static int connect_daemon(const char *path, enum ask_target target)
{
    if (!path)
        path = getenv("ROOTLINE_SOCKET");
    if (!path || !*path)
        return search_daemon(target);
    int fd = connect_to(path);
    if (fd < 0)
        fprintf(stderr, "rootline: %s: %s\n", path, explain_errno(errno));
    return fd;
}

static bool send_text(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, text, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        text += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* Return the line without its newline, which caller frees; NULL if none was received. */
static char *receive_line(int fd)
{
    size_t len = 0, size = 0;
    char *line = NULL;

    while (len < ANSWER_MAX) {
        if (len + CHUNK > size) {
            char *grown = realloc(line, size += CHUNK + size / 2);
            if (!grown)
                break;
            line = grown;
        }
        ssize_t got = recv(fd, line + len, CHUNK - 1, 0);
        if (got <= 0)
            break;
        len += (size_t)got;
        if (line[len - 1] == '\n') {
            line[len - 1] = '\0';
            return line;
        }
    }
    free(line);
    return NULL;
}

static char *send_request(int fd, const struct json *request)
{
    char *text = json_write(request, false), *line = NULL;

    if (text && send_text(fd, text, strlen(text)) && send_text(fd, "\n", 1))
        line = receive_line(fd);
    free(text);
    return line;
}

static int read_daemon_answer(char *line, struct json **result)
{
    struct json *answer = NULL;
    struct fault fault;

    json_sanitise(line); /* a daemon quotes data from servers and clients */
    if (json_read(line, strlen(line), &answer, &fault) != ERR_OK) {
        fprintf(stderr, "rootline: the daemon's answer is not valid JSON: %s\n", fault.text);
        return CMD_UNREACHED;
    }
    int status = CMD_DONE;
    if (json_get_bool(answer, "ok", false)) {
        *result = json_take(answer, "result");
    } else {
        fprintf(stderr, "rootline: %s\n", json_get_text(answer, "error", "refused"));
        status = CMD_WRONG;
    }
    json_free(&answer);
    return status;
}

int ask_daemon(const char *path, enum ask_target target, struct json *request,
               struct json **result)
{
    int fd = connect_daemon(path, target);
    char *line = fd >= 0 ? send_request(fd, request) : NULL;
    int status = CMD_UNREACHED;

    json_free(&request);
    if (line)
        status = read_daemon_answer(line, result);
    else if (fd >= 0)
        fprintf(stderr,
                "rootline: the daemon closed the connection, or did not answer within %d "
                "seconds\n",
                WAIT_S);
    free(line);
    if (fd >= 0)
        close(fd);
    return status;
}
