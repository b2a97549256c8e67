/* net/loop/fence.h | proof that the process is in a laboratory that packets cannot leave
 *
 * Thread:   the main thread.
 */
#pragma once

#include "base/fault.h"

/* Check that an interface has the name or the alternative name "rl-fence", that the network
 * namespace is not that of process 1 as far as this user may know it, and that all routes and
 * addresses are loopback, link-local or for documentation (RFC 5737, RFC 3849).  It costs a
 * few system calls, so it may be called once a second.  ERR_DENIED: a condition is not met;
 * ERR_IO: the kernel does not say.  On error `fault` has the text. */
MUST_USE enum err fence_check(struct fault *fault);
