/* base/file.h | a whole file as bytes
 *
 * Configuration and zone files are read before they are looked at: a mapped file that is cut
 * short by its writer would be a signal instead of an error.
 *
 * Thread:   any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

/* What tells one state of a file from another without reading it. */
struct file_stamp {
    uint64_t device, inode, size;
    int64_t mtime_ns;
};

/* Read the regular file `path` of at most `max` bytes.  *data is malloc'ed, with a NUL behind
 * it, and belongs to the caller; `stamp` may be NULL.  ERR_ABSENT, ERR_DENIED, ERR_LIMIT
 * (larger than max), ERR_FORMAT (not a file), ERR_TIME (it changes all the time), ERR_IO. */
MUST_USE enum err file_read(const char *path, size_t max, char **data, size_t *len,
                            struct file_stamp *stamp);

/* The same for text: a byte-order mark of UTF-8 at its beginning is skipped.  ERR_FORMAT also
 * for UTF-16. */
MUST_USE enum err file_read_text(const char *path, size_t max, char **data, size_t *len,
                                 struct file_stamp *stamp);

/* As file_read, for a file whose contents are secret.  ERR_CONFIG also: every user may write
 * it, so its contents are not trusted.  *is_exposed: every user may read it. */
MUST_USE enum err file_read_secret(const char *path, size_t max, char **data, size_t *len,
                                   bool *is_exposed);

/* Wait until `path` has not been written to for a second: a file that is still being written
 * may end at the end of a line. Of *wait_ms, milliseconds, what was waited is taken.  ERR_TIME:
 * they are over, and it is still younger; else as file_stat. */
MUST_USE enum err file_settle(const char *path, unsigned *wait_ms);

/* Octets of the byte-order mark that `text` begins with: 3 or 0. */
size_t file_bom_len(const char *text, size_t len);

/* What an error of file_read or file_read_text means, for the person who wrote the name of the
 * file. */
const char *file_problem(enum err err);

/* The stamp of `path` now. */
MUST_USE enum err file_stat(const char *path, struct file_stamp *stamp);

/* `path` as seen from the folder of the file `from`, malloc'ed; an absolute path as it is.
 * NULL: no memory. */
MUST_USE char *file_resolve(const char *from, const char *path);
