/* base/log.h | log lines on standard error
 *
 * Text, text with the syslog priority prefix under systemd's journal, or one JSON object per
 * line. Answer paths log at most one line per second.  Logging never blocks: a line that would
 * have to wait for the reader is dropped, and the next line that is written is preceded by the
 * number of dropped lines.
 *
 * Thread:   any, after log_set; each line is one write(2).
 */
#pragma once

#include "base/util.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Set the least severe level that is logged, and the format.  Call it before threads start. */
void log_set(enum log_level level, enum log_format format);

enum { LOG_KEPT = 200, LOG_KEPT_TEXT = 400 };

/* A recent line.  Lifetime: the call of `show`. */
struct log_kept {
    int64_t when_ms; /* wall clock */
    enum log_level level;
    char text[LOG_KEPT_TEXT]; /* truncated */
};

/* Call `show` for each of the last `cnt` lines, oldest first; at most LOG_KEPT lines are
 * available. Return how many were shown.  `show` must not log. */
size_t log_last(size_t cnt, void (*show)(void *data, const struct log_kept *line), void *data);

/* Return the name of a level: "error", "warning", "info" or "debug". */
const char *log_level_name(enum log_level level);

/* Log one line if `level` is enabled. */
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
