/* base/now.h | the time, and the one place that can move it
 *
 * Thread:   reading from any; now_set_wall before the threads start.
 * Words:    wall - seconds of UTC, for TTLs and signatures; mono - never steps, for deadlines.
 */
#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

/* Milliseconds of a clock that only runs forward. */
uint64_t now_mono_ms(void);

/* The same in microseconds. */
uint64_t now_mono_us(void);

/* Milliseconds of UTC since 1970, with the offset of now_set_wall. */
int64_t now_wall_ms(void);

/* Let the wall clock of this process stand at `ms` now and run on from there. */
void now_set_wall(int64_t ms);

/* Let both clocks stand still, and move them on by hand: for tests, before threads start. */
void now_freeze(int64_t wall_ms);
void now_advance(uint64_t ms);

/* An RFC 3339 instant ("2026-01-31T08:00:00Z") as milliseconds; ERR_FORMAT when it is none. */
MUST_USE enum err now_read(const char *text, int64_t *ms);

enum { NOW_TEXT_MAX = 32 };

/* A span of time in words, in the largest unit of which there are two: "90 seconds", "3 hours".
 */
void now_print_span(int64_t seconds, char out[NOW_TEXT_MAX]);

/* `ms` of wall time as RFC 3339 with milliseconds into `out`. */
void now_print(int64_t ms, char out[NOW_TEXT_MAX]);
