/* resolver/iterate/step_reply.h | process a matching reply
 *
 * Thread:   the task's worker.
 */
#pragma once

#include "resolver/iterate/task.h"

/* Classify task->reply, cache what may be cached, and return the next state. */
enum task_state step_reply(struct task *task);

/* Accept the empty answer of task->empty_addr as NODATA or NXDOMAIN, now that no server of the
 * zone sent more. */
enum task_state step_reply_empty(struct task *task);
