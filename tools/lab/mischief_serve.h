/* tools/lab/mischief_serve.h | the sockets of mischief
 *
 * Thread:   the only one.
 */
#pragma once

#include "tools/lab/mischief_zone.h"

/* Serve until SIGTERM or SIGINT, then return 0.  Return 1 if the system refuses an address, and
 * 2 if the fence is broken; the reason is on stderr. */
int mischief_serve(const struct mischief_conf *conf);
