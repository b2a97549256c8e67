/* resolver/validate/rollover_file.h | the state file of automatic trust anchor updates
 *
 * Text that a person can read, one line per key: its state, its times and its DNSKEY record.
 * Each zone also lists the configured records that its keys were learned from.  If the operator
 * removes one of them, what was learned counts no longer; what is revoked stays revoked.  A
 * file that is damaged in any place is not used at all.
 *
 * Owner:    the caller.
 * Thread:   one at a time.
 */
#pragma once

#include "resolver/validate/rollover.h"

enum { ROLLOVER_FILE_MAX = 4 << 20 }; /* octets */

/* Read the text of a state file into `r`, which has learned nothing yet.  Zones that are no
 * longer configured are ignored.  ERR_CONFIG: the text is damaged, `diag` has one finding, and
 * `r` still has learned nothing; ERR_NOMEM: likewise without a finding. */
MUST_USE enum err rollover_file_read(struct rollover *r, const char *file, const char *text,
                                     size_t len, struct diag *diag);

/* Print the state as text, which the caller frees.  ERR_NOMEM. */
MUST_USE enum err rollover_file_print(const struct rollover *r, char **text, size_t *len);

/* As rollover_file_read, from the file `path`.  ERR_ABSENT: there is no such file.  ERR_CONFIG:
 * it cannot be read or is damaged; `diag` has one finding. */
MUST_USE enum err rollover_file_load(struct rollover *r, const char *path, struct diag *diag);

/* Replace the file `path` with the state; after a power failure it is the old or the new one.
 * Errors are those of file_replace. */
MUST_USE enum err rollover_file_save(const struct rollover *r, const char *path);
