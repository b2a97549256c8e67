/* resolver/cache/cache_clock.h | the last boots of this machine and their clocks, in the cache
 *
 * A machine without a battery for its clock starts with a time of the past.  The cache has the
 * time that each of the last boots has shown, so that a later boot notices it.
 *
 * No single boot is believed: one with a clock far in the future would make all later clocks
 * look wrong, for ever.  A time counts only when two boots agree that it is not too late: of
 * the three boots before this one, the second latest time counts.  A wrong boot is forgotten
 * after three others.  A restart of the daemon is no boot, because the clock is the machine's;
 * and a boot whose clock was corrected has the corrected time, because its newest time replaces
 * the one before it.
 *
 * Owner:    the caller.
 * Thread:   one worker.
 */
#pragma once

#include "resolver/cache/cache_store.h"

enum { CACHE_CLOCK_BOOT_MAX = 40 };

/* Copy what identifies this boot of the machine, a text; "" if the kernel does not say. */
void cache_clock_read_boot(char out[CACHE_CLOCK_BOOT_MAX]);

/* Return the time that two boots before `boot` agree on, in milliseconds of wall time; 0 if
 * there is none, or if `boot` is "". */
int64_t cache_clock_find_agreed(struct cache_store *store, const char *boot);

/* Store the time that the clock shows in this boot.  Without memory the time before it stays.
 */
void cache_clock_put(struct cache_store *store, const char *boot, int64_t now_ms);
