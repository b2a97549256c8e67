/* A line is put together in memory and written at once, so that lines of several threads never
 * mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/json.h"
#include "base/now.h"

static enum log_level wanted = LOG_LEVEL_INFO;
static enum log_format shape = LOG_FORMAT_TEXT;

void log_set(enum log_level level, enum log_format format)
{
    wanted = level;
    shape = format;
}

static const char *level_name(enum log_level level)
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
        fprintf(out, "%s %-7s %s\n", when, level_name(level), message);
}

static void print_json(FILE *out, enum log_level level, const char *when, const char *message)
{
    fprintf(out, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":", when, level_name(level));
    json_print_string(out, message);
    fputs("}\n", out);
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
    now_print(now_wall_ms(), when);

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
