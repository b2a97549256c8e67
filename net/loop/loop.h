/* net/loop/loop.h | resources that libuv must not run out of
 *
 * libuv aborts the process if its table of watchers cannot grow, or if the kernel does not
 * watch a descriptor.  Both are tried here first, where failure is an error.
 *
 * Thread:   the thread of the loop.
 */
#pragma once

#include <uv.h>

#include "base/err.h"
#include "base/util.h"

/* Make the loop's table of watchers large enough for all descriptors below `limit`, 8 octets
 * each.  ERR_IO, ERR_NOMEM. */
MUST_USE enum err loop_reserve(uv_loop_t *loop, unsigned limit);

/* Add the descriptor of a handle to the loop's epoll set.  Caller must call it before the first
 * read or write, and before reading starts again.  ERR_LIMIT: the kernel does not watch it. */
MUST_USE enum err loop_admit(const uv_handle_t *handle);
