/* net/control/control_path.h | default places of a daemon's control socket
 *
 * /run/rootline, else $XDG_RUNTIME_DIR/rootline, else a folder of the user's own in /tmp.  The
 * daemon and the command `rootline` try them in this order.
 *
 * Thread:   any.
 */
#pragma once

#include <stdbool.h>

#include "base/fault.h"

enum {
    CONTROL_PATH_MAX = 108, /* octets with the NUL: sun_path */
    CONTROL_PATH_PLACES = 3,
    CONTROL_PATH_SYSTEM = 0 /* the place whose folder only root can create */
};

/* Print the path of place number `place`, from 0, for the daemon "resolver" or "authd".
 * ERR_ABSENT: this place does not exist. */
MUST_USE enum err control_path_get(const char *daemon, unsigned place,
                                   char out[CONTROL_PATH_MAX]);

/* Create the folder of `path`, if it does not exist, and give it to `user`, unless that is "".
 * Errors of folder_make. */
MUST_USE enum err control_path_make_folder(const char *path, const char *user,
                                           struct fault *fault);

/* True if root can bind a socket there: no other user can put a link in its way. */
bool control_path_is_roots(const char *path);

/* Check that the folder of `path` exists, is writable, and that other users cannot replace a
 * socket in it.  ERR_DENIED: `fault` has the cause and what to do. */
MUST_USE enum err control_path_check(const char *path, struct fault *fault);
