/* resolver/iterate/step_no_reply.h | go on without a usable reply
 *
 * Thread:   the task's worker.
 */
#pragma once

#include "resolver/iterate/task.h"

/* Handle a query that timed out, met a mismatched reply, or failed over TCP or TLS: ask the
 * same server in another way, or choose another one. */
enum task_state step_no_reply(struct task *task);
