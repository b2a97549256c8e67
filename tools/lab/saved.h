/* tools/lab/saved.h | a laboratory in a file: zones, keys, configurations, links, clock
 *
 * The file is JSON.  Caches are not in it: they fill again.
 *
 * Thread:   the only one.
 */
#pragma once

#include "base/fault.h"
#include "tools/lab/space.h"

/* Write the laboratory that this process has entered to the file `path`.  False: the fault. */
MUST_USE bool saved_write(const struct space *space, const char *path, struct fault *fault);

/* Make the laboratory that this process has entered as the file says: replace its files, set
 * its links, start its daemons anew, and move their clocks as far ahead.  A file that is wrong
 * changes nothing.  False: the fault. */
MUST_USE bool saved_load(const struct space *space, const char *path, struct fault *fault);
