/* net/loop/loop.h | what libuv cannot do without is obtained before it asks
 *
 * libuv ends the process when its table of watchers cannot grow, or when the kernel refuses to
 * watch a descriptor.
 *
 * Thread:   that of the loop.
 */
#pragma once

#include <uv.h>

#include "base/err.h"
#include "base/util.h"

/* Let the loop's table of watchers have room for all descriptors below `limit`, for good: 8
 * octets each.  ERR_IO, ERR_NOMEM. */
MUST_USE enum err loop_reserve(uv_loop_t *loop, unsigned limit);

/* Have the kernel watch the descriptor of a handle before libuv asks it to: before the first
 * read or write, and before reading begins again.  ERR_LIMIT: it does not. */
MUST_USE enum err loop_admit(const uv_handle_t *handle);
