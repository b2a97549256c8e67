/* The wall clock is the system's plus an offset, so that a class or a test sets the date of
 * this process without touching the system's. */
#include "base/now.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic int64_t wall_offset_ms;

static uint64_t frozen_us; /* both clocks of a test; 0: they run */

static int64_t read_us(clockid_t id)
{
    struct timespec ts = {0};
    if (__builtin_expect(frozen_us != 0, 0))
        return (int64_t)frozen_us;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t read_clock(clockid_t id) { return read_us(id) / 1000; }

uint64_t now_mono_ms(void) { return (uint64_t)read_clock(CLOCK_MONOTONIC); }

uint64_t now_mono_us(void) { return (uint64_t)read_us(CLOCK_MONOTONIC); }

void now_freeze(int64_t wall_ms)
{
    frozen_us = (uint64_t)wall_ms * 1000;
    atomic_store_explicit(&wall_offset_ms, 0, memory_order_relaxed);
}

void now_advance(uint64_t ms) { frozen_us += ms * 1000; }

bool now_is_set(void)
{
    return frozen_us != 0 || atomic_load_explicit(&wall_offset_ms, memory_order_relaxed) != 0;
}

int64_t now_wall_ms(void)
{
    return read_clock(CLOCK_REALTIME) +
           atomic_load_explicit(&wall_offset_ms, memory_order_relaxed);
}

void now_set_wall(int64_t ms)
{
    atomic_store_explicit(&wall_offset_ms, ms - read_clock(CLOCK_REALTIME),
                          memory_order_relaxed);
}

void now_add_wall(int64_t ms)
{
    atomic_fetch_add_explicit(&wall_offset_ms, ms, memory_order_relaxed);
}

enum err now_read(const char *text, int64_t *ms)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return ERR_FORMAT;
    int64_t part_ms = 0;
    if (*rest == '.') { /* digits below a millisecond are ignored */
        int64_t worth = 100;
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, worth /= 10)
            part_ms += worth * (*rest - '0');
    }
    int hours = 0, minutes = 0;
    char sign = *rest;
    if (sign == '+' || sign == '-') {
        int used = 0;
        if (sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 ||
            rest[1 + used] != '\0')
            return ERR_FORMAT;
    } else if (strcmp(rest, "Z") != 0) {
        return ERR_FORMAT;
    }
    int64_t shift = (int64_t)(hours * 60 + minutes) * 60;
    int64_t at = (int64_t)timegm(&tm) - (sign == '-' ? -shift : shift);
    *ms = at * 1000 + part_ms;
    return ERR_OK;
}

void now_print(int64_t ms, char out[NOW_TEXT_MAX])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t len = strftime(out, NOW_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + len, NOW_TEXT_MAX - len, ".%03dZ", (int)(ms % 1000));
}

void now_print_span(int64_t seconds, char out[NOW_TEXT_MAX])
{
    static const struct {
        const char *name;
        int64_t seconds;
    } units[] = {{"day", 86400}, {"hour", 3600}, {"minute", 60}, {"second", 1}};
    size_t unit = 0;

    while (unit < ARRAY_LEN(units) - 1 && seconds < 2 * units[unit].seconds)
        unit++;
    long long cnt = seconds / units[unit].seconds;
    snprintf(out, NOW_TEXT_MAX, "%lld %s%s", cnt, units[unit].name, cnt == 1 ? "" : "s");
}
