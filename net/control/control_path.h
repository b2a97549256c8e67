/* net/control/control_path.h | where a daemon's control socket is when nobody says
 *
 * /run/rootline, else $XDG_RUNTIME_DIR/rootline, else a folder of the user's own in /tmp.  The
 * command looks in the same places.
 *
 * Thread:   any.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/util.h"

enum {
    CONTROL_PATH_MAX = 108,
    CONTROL_PATH_PLACES = 3,
    CONTROL_PATH_SYSTEM = 0 /* the place whose folder only root can make */
};

/* The path at the `place`-th of them for "resolver" or "authd"; ERR_ABSENT: there is no such
 * place. */
MUST_USE enum err control_path_get(const char *daemon, unsigned place,
                                   char out[CONTROL_PATH_MAX]);

/* Make the folder of that path for `user` ("": who we are) if there is none.  As folder_make.
 */
MUST_USE enum err control_path_make_folder(const char *path, const char *user, char *why,
                                           size_t size);

/* Whether root can bind the socket there without being led elsewhere. */
bool control_path_is_roots(const char *path);

/* Whether the socket can be at that path and would be safe there.  ERR_DENIED; `why` names
 * cause and cure. */
MUST_USE enum err control_path_judge(const char *path, char *why, size_t size);
