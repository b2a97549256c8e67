/* net/loop/privilege.h | give up what is no longer needed
 *
 * Thread:   the main thread, after binding and before workers start.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/util.h"

/* Become `user` ("": stay who we are) and keep no capability but CAP_NET_BIND_SERVICE,
 * and CAP_DAC_READ_SEARCH for who stays root.  On
 * failure `why` has the cause. */
MUST_USE enum err privilege_drop(const char *user, char *why, size_t size);
