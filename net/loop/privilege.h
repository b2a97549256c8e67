/* net/loop/privilege.h | dropping of privileges
 *
 * Thread:   the main thread, after binding and before workers start.
 */
#pragma once

#include <stddef.h>

#include "base/fault.h"

/* Become `user`, unless it is "", and drop all capabilities but CAP_NET_BIND_SERVICE, and
 * CAP_DAC_READ_SEARCH if the process stays root.  ERR_CONFIG: no such user; ERR_DENIED,
 * ERR_NOMEM.  On error `fault` has the text. */
MUST_USE enum err privilege_drop(const char *user, struct fault *fault);
