/* A line is put together in memory and written at once, so that lines of several threads never
 * mix. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/json.h"
#include "base/now.h"
#include "base/text.h"

static enum log_level wanted = LOG_LEVEL_INFO;
static enum log_format shape = LOG_FORMAT_TEXT;

void log_set(enum log_level level, enum log_format format)
{
    wanted = level;
    shape = format;
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    return names[level];
}

static void print_text(FILE *out, enum log_level level, const char *when, const char *message)
{
    static const int priorities[] = {3, 4, 6,
                                     7}; /* of syslog(3), what sd-daemon(3) prefixes mean */

    if (getenv("JOURNAL_STREAM"))
        fprintf(out, "<%d>%s\n", priorities[level], message);
    else
        fprintf(out, "%s %-7s %s\n", when, log_level_name(level), message);
}

static void print_json(FILE *out, enum log_level level, const char *when, const char *message)
{
    struct json *line = json_new_object();
    json_put_text(line, "time", when);
    json_put_text(line, "level", log_level_name(level));
    json_put_text(line, "message", message);
    char *text = json_write(line, false);
    fprintf(out, "%s\n", text ? text : "");
    free(text);
    json_free(&line);
}

/* ---- the last lines ---- */

/* Lifetime: process. */
static struct {
    pthread_mutex_t lock;
    struct log_kept at[LOG_KEPT];
    uint64_t cnt;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void keep(enum log_level level, int64_t when_ms, const char *message)
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

void log_line(enum log_level level, const char *fmt, ...)
{
    char message[2048];
    char when[NOW_TEXT_MAX];
    char *line = NULL;
    size_t len = 0;
    va_list args;

    if (level > wanted)
        return;
    va_start(args, fmt);
    vsnprintf(message, sizeof(message), fmt, args);
    va_end(args);
    text_make_harmless(message, strlen(message), ""); /* one line stays one */
    int64_t now_ms = now_wall_ms();
    now_print(now_ms, when);
    keep(level, now_ms, message);

    FILE *out = open_memstream(&line, &len);
    if (!out)
        return;
    if (shape == LOG_FORMAT_JSON)
        print_json(out, level, when, message);
    else
        print_text(out, level, when, message);
    fclose(out);
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written; /* a log that nobody can read must not stop the server */
    free(line);
}
