/* net/loop/fence.h | is this process inside a laboratory that nothing can leave?
 *
 * Thread:   the main thread.
 */
#pragma once

#include "base/err.h"
#include "base/util.h"

/* Prove it: an interface "rl-fence" that the laboratory has made, no route in any table and no
 * address but of loopback and those for documentation (RFC 5737, RFC 3849).  ERR_DENIED: `why`
 * tells what is missing; ERR_IO. */
MUST_USE enum err fence_check(char *why, size_t size);
