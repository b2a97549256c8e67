/* Each line is one write, so that lines of several threads never mix.  Workers log too, so a
 * reader that does not read must not block them: lines are dropped instead. */
#include "base/log.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/now.h"
#include "base/text.h"

static enum log_level max_level = LOG_LEVEL_INFO;
static enum log_format line_format = LOG_FORMAT_TEXT;

void log_set(enum log_level level, enum log_format format)
{
    max_level = level;
    line_format = format;
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    return names[level];
}

static size_t format_text_line(char *line, size_t size, enum log_level level, const char *when,
                               const char *message)
{
    static const int priorities[] = {3, 4, 6, 7}; /* of syslog(3), as sd-daemon(3) wants them */
    int len = getenv("JOURNAL_STREAM")
                  ? snprintf(line, size, "<%d>%s\n", priorities[level], message)
                  : snprintf(line, size, "%s %-7s %s\n", when, log_level_name(level), message);
    return (size_t)len;
}

/* `message` is sanitised, so that only quotes and backslashes need escapes. */
static size_t format_json_line(char *line, size_t size, enum log_level level, const char *when,
                               const char *message)
{
    size_t len =
        (size_t)snprintf(line, size, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\"", when,
                         log_level_name(level));
    for (; *message; message++) {
        if (*message == '"' || *message == '\\')
            line[len++] = '\\';
        line[len++] = *message;
    }
    memcpy(line + len, "\"}\n", 3);
    return len + 3;
}

/* ---- recent lines ---- */

/* Lifetime: process. */
static struct {
    pthread_mutex_t lock;
    struct log_kept at[LOG_KEPT];
    uint64_t cnt;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void keep_recent_line(enum log_level level, int64_t when_ms, const char *message)
{
    pthread_mutex_lock(&kept.lock);
    struct log_kept *k = &kept.at[kept.cnt++ % LOG_KEPT];
    k->when_ms = when_ms;
    k->level = level;
    snprintf(k->text, sizeof(k->text), "%.*s", LOG_KEPT_TEXT - 1, message);
    pthread_mutex_unlock(&kept.lock);
}

size_t log_last(size_t cnt, void (*show)(void *data, const struct log_kept *line), void *data)
{
    pthread_mutex_lock(&kept.lock);
    size_t shown = util_min(util_min(cnt, LOG_KEPT), kept.cnt);
    for (size_t i = shown; i > 0; i--)
        show(data, &kept.at[(kept.cnt - i) % LOG_KEPT]);
    pthread_mutex_unlock(&kept.lock);
    return shown;
}

/* ---- writing ---- */

/* A pipe that polls as writable accepts PIPE_BUF octets without blocking. */
enum { MESSAGE_MAX = 2000, SHAPE_MAX = 90 };
_Static_assert(2 * MESSAGE_MAX + SHAPE_MAX <= PIPE_BUF,
               "a line must fit with each octet escaped");

/* Lifetime: process. */
static struct {
    pthread_mutex_t lock;
    uint64_t dropped; /* lines since the last one written */
} writing = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool write_line(enum log_level level, const char *when, const char *message)
{
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    char line[PIPE_BUF]; /* on the stack: logging must work without memory */

    if (poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
        return false;
    size_t len = line_format == LOG_FORMAT_JSON
                     ? format_json_line(line, sizeof(line), level, when, message)
                     : format_text_line(line, sizeof(line), level, when, message);
    return write(STDERR_FILENO, line, len) == (ssize_t)len;
}

/* Report dropped lines before the next one that can be written. */
static void write_or_drop(enum log_level level, const char *when, const char *message)
{
    char notice[80];

    pthread_mutex_lock(&writing.lock);
    if (writing.dropped > 0) {
        snprintf(notice, sizeof(notice),
                 "%llu log lines were dropped: stderr did not accept them",
                 (unsigned long long)writing.dropped);
        if (write_line(LOG_LEVEL_WARNING, when, notice))
            writing.dropped = 0;
    }
    writing.dropped += writing.dropped > 0 || !write_line(level, when, message);
    pthread_mutex_unlock(&writing.lock);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    char message[MESSAGE_MAX];
    char when[NOW_TEXT_MAX];
    va_list args;

    if (level > max_level)
        return;
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    text_sanitise(message, strlen(message), ""); /* no line breaks */
    int64_t now_ms = now_wall_ms();
    now_print(now_ms, when);
    keep_recent_line(level, now_ms, message);
    write_or_drop(level, when, message);
}
