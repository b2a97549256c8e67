/* net/loop/fence.h | proof that the process is in a laboratory that packets cannot leave
 *
 * Thread:   the main thread.
 */
#pragma once

#include "base/fault.h"

/* Check that the laboratory's interface "rl-fence" exists, and that all routes and addresses
 * are loopback, link-local or for documentation (RFC 5737, RFC 3849).  ERR_DENIED: they are
 * not; ERR_IO: the kernel does not say.  On error `fault` has the text. */
MUST_USE enum err fence_check(struct fault *fault);
