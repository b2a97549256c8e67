/* base/now.h | the clocks of the process, and their text
 *
 * Thread:   any; now_set_wall, now_freeze and now_advance before threads start.
 * Words:    wall - UTC, for TTLs and signatures; mono - monotonic, for deadlines.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

/* Return the monotonic time in milliseconds. */
uint64_t now_mono_ms(void);

/* Return the monotonic time in microseconds. */
uint64_t now_mono_us(void);

/* Return true if now_set_wall, now_add_wall or now_freeze has set the wall clock: then it is
 * meant to be what it is. */
bool now_is_set(void);

/* Return milliseconds of UTC since 1970, shifted by now_set_wall and now_add_wall. */
int64_t now_wall_ms(void);

/* Set the wall clock of this process to `ms`; it runs on from there. */
void now_set_wall(int64_t ms);

/* Move the wall clock of this process forward by `ms` >= 0, at any time.  Other threads find it
 * moved when they next read it. */
void now_add_wall(int64_t ms);

/* For tests: stop both clocks at `wall_ms`, and move both forward by `ms`. */
void now_freeze(int64_t wall_ms);
void now_advance(uint64_t ms);

/* Read an RFC 3339 date and time such as "2026-01-31T08:00:00Z" into milliseconds of UTC since
 * 1970. ERR_FORMAT: the text is something else. */
MUST_USE enum err now_read(const char *text, int64_t *ms);

enum { NOW_TEXT_MAX = 32 };

/* Print a duration in the largest unit of which it has at least two: "90 seconds",
 * "3 hours". */
void now_print_span(int64_t seconds, char out[NOW_TEXT_MAX]);

/* Print wall time as RFC 3339 with milliseconds. */
void now_print(int64_t ms, char out[NOW_TEXT_MAX]);
