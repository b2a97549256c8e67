/* resolver/iterate/step_no_reply.h | state TASK_NO_REPLY: a query without a usable reply
 *
 * Thread:   the task's worker.
 */
#pragma once

#include "resolver/iterate/task.h"

/* Handle a query that timed out, had a mismatched reply, or failed over TCP or TLS.  Return
 * TASK_ASK to ask the same server in another way, or TASK_TARGET to choose another one. */
enum task_state step_no_reply(struct task *task);
