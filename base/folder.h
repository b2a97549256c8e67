/* base/folder.h | creation of folders that other users cannot redirect
 *
 * When root works by name in a folder that belongs to another user, that user can lead it
 * elsewhere with a symbolic link.
 *
 * Thread:   the main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/fault.h"

/* Return true if only root can change the contents of the folder `path`, or replace the folder
 * or one of its parents. */
bool folder_is_root_only(const char *path);

/* Create the folder `path` with `mode` and give it to `user` ("": keep the caller's user).  A
 * folder that exists is left unchanged: the caller must judge it.  Root creates nothing below a
 * folder of another user.  ERR_DENIED: it would be.  ERR_CONFIG: there is no such user.  Other
 * errors are those of mkdir and chown.  On error `fault` has a sentence for the user. */
MUST_USE enum err folder_make(const char *path, mode_t mode, const char *user,
                              struct fault *fault);
