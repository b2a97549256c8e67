/* tools/ask.h | a request to a running daemon over its control socket
 *
 * Thread:   the only one.
 */
#pragma once

#include "base/json.h"

/* The daemons that know the answer. */
enum ask_target { ASK_RESOLVER, ASK_ANY };

/* Send `request`, which is freed, to the socket at `path`, or if `path` is NULL to the one that
 * $ROOTLINE_SOCKET names, else to the first default path where a daemon answers.  Return an
 * exit status of cmd.h; on CMD_DONE caller frees *result, on others the error is printed. */
int ask_daemon(const char *path, enum ask_target target, struct json *request,
               struct json **result);
