/* base/log.h | lines on stderr
 *
 * Text, one JSON object a line, or text with the priority prefix that the journal of systemd
 * turns into a field. Nothing on an answer path calls this.  A line that would have to wait for
 * its reader is lost, and the next that is written tells how many were.
 *
 * Thread:   any, after log_set; a line is one write that does not wait.
 */
#pragma once

#include "base/util.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* What is written and how.  Once, before threads start. */
void log_set(enum log_level level, enum log_format format);

enum { LOG_KEPT = 200, LOG_KEPT_TEXT = 400 };

/* A line that was written.  Lifetime: the call. */
struct log_kept {
    int64_t when_ms; /* wall */
    enum log_level level;
    char text[LOG_KEPT_TEXT]; /* its beginning */
};

/* Show the last `cnt` lines, the oldest first, but no more than are kept; how many they were.
 */
size_t log_last(size_t cnt, void (*show)(void *data, const struct log_kept *line), void *data);

/* "warning" and so on. */
const char *log_level_name(enum log_level level);

/* Write one line when `level` is wanted. */
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
