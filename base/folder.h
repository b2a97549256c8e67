/* base/folder.h | make a folder where no other user can interfere
 *
 * A process of root that works by name in a folder of another user can be led elsewhere by a
 * link.
 *
 * Thread:   the main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/util.h"

/* Whether only root can change what is in the folder, or put another one in its place. */
bool folder_is_root_only(const char *path);

/* Make the folder `path` with `mode` and give it to `user` ("": keep the caller's).  One that
 * exists stays as it is: the caller judges it.  Root makes none below a folder of another
 * user. ERR_DENIED, ERR_CONFIG (there is no such user), else as the system says; `why` (size
 * octets) tells. */
MUST_USE enum err folder_make(const char *path, mode_t mode, const char *user, char *why,
                              size_t size);
