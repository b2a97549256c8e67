/* tools/lab/record.h | the record of an experiment as a file, for marking
 *
 * Thread:   the only one.
 */
#pragma once

#include <stdbool.h>

#include "base/json.h"

/* Add the checksum and write the record to a file.  False: it cannot be written, which is
 * reported. */
MUST_USE bool record_write(const char *path, struct json *record);

/* rootline lab check FILE... [--seed N] [--json]: check records.  Return an exit status. */
int record_check(int argc, char **argv);
