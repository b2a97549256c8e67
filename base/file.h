/* base/file.h | whole files: read into memory, and replaced at once
 *
 * Configuration and zone files are copied before they are parsed: if a writer truncated a
 * mapped file, reading it would raise SIGBUS instead of returning an error.
 *
 * A file is written beside its place and renamed when it is complete, so that no reader sees a
 * part of it.
 *
 * Owner:    the caller frees the data.
 * Thread:   any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/util.h"

/* Identifies a state of a file without reading it: a new stamp means new contents. */
struct file_stamp {
    uint64_t device, inode, size;
    int64_t mtime_ns;
};

/* Read the regular file `path` of at most `max` bytes.  *data is malloc'ed and ends in a NUL
 * that *len does not count.  `stamp` may be NULL.  ERR_ABSENT; ERR_DENIED; ERR_LIMIT: larger
 * than `max`; ERR_FORMAT: not a regular file; ERR_TIME: the file kept changing while it was
 * read; ERR_NOMEM; ERR_IO. */
MUST_USE enum err file_read(const char *path, size_t max, char **data, size_t *len,
                            struct file_stamp *stamp);

/* As file_read, for text: skip a UTF-8 byte order mark.  ERR_FORMAT also for UTF-16. */
MUST_USE enum err file_read_text(const char *path, size_t max, char **data, size_t *len,
                                 struct file_stamp *stamp);

/* As file_read, for a file with secrets.  *is_exposed: every user can read it.  ERR_CONFIG:
 * every user can write it, so that its contents cannot be trusted. */
MUST_USE enum err file_read_secret(const char *path, size_t max, char **data, size_t *len,
                                   bool *is_exposed);

/* Replace the contents of `path`, or create it with mode 0644.  After a power failure the file
 * has the old contents or the new.  The data is first written to a file whose name has ".new"
 * appended.  ERR_ABSENT: the folder does not exist; ERR_DENIED; ERR_SPACE: the disk is full;
 * ERR_NOMEM; ERR_IO. */
MUST_USE enum err file_replace(const char *path, const char *data, size_t len);

/* Wait until `path` has not been modified for a second: a file that is still being written may
 * look complete at the end of any line.  Wait at most *wait_ms milliseconds and subtract the
 * time spent from it.  ERR_TIME: the time is up and the file is still that new; else as
 * file_stat. */
MUST_USE enum err file_settle(const char *path, unsigned *wait_ms);

/* Return the length of the UTF-8 byte order mark at the start of `text`: 3, or 0 if it has
 * none. */
size_t file_bom_len(const char *text, size_t len);

/* Return a clause that explains an error of the file_read family to the user that configured
 * the path.  Never NULL. */
const char *file_problem(enum err err);

/* Get the current stamp of `path`.  ERR_ABSENT; ERR_DENIED; ERR_IO. */
MUST_USE enum err file_stat(const char *path, struct file_stamp *stamp);

/* Return `path` resolved against the folder of the file `from`; an absolute path is copied. The
 * caller frees it.  NULL without memory. */
MUST_USE char *file_resolve(const char *from, const char *path);

/* A file that is being written.  Lifetime: the caller's, until file_new_drop.  All zeros is
 * valid. */
struct file_new {
    FILE *out;       /* NULL: closed */
    char *path;      /* the final place */
    char *temporary; /* PATH.new; NULL: there is none */
};

/* Begin a file that will replace `path`, with the permissions `mode` less the umask.  On error
 * errno has the reason.  ERR_DENIED; ERR_ABSENT: the folder; ERR_NOMEM; ERR_IO. */
MUST_USE enum err file_new_open(struct file_new *file, const char *path, mode_t mode);

/* Write all data to the disk and close the file.  On error errno has the reason. */
MUST_USE enum err file_new_close(struct file_new *file);

/* Rename the closed file into place.  On error errno has the reason. */
MUST_USE enum err file_new_move(struct file_new *file);

/* Free `file`, and remove the new file unless it was moved. */
void file_new_drop(struct file_new *file);
