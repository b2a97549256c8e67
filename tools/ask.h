/* tools/ask.h | a request to a running daemon over its control socket
 *
 * Thread:   the only one.
 */
#pragma once

#include "base/json.h"

/* Which daemons know the answer. */
enum ask_whom { ASK_RESOLVER, ASK_ANY };

/* Send `request`, which is taken over, to the socket at `path` (NULL: the one that
 * $ROOTLINE_SOCKET names, or where daemons have it unless they are told otherwise).  Returns an
 * exit status; *result is the caller's on CMD_DONE, else the error has been printed. */
int ask_daemon(const char *path, enum ask_whom whom, struct json *request,
               struct json **result);
