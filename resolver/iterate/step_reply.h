/* resolver/iterate/step_reply.h | process a matching reply
 *
 * Thread:   the task's worker.
 */
#pragma once

#include "resolver/iterate/task.h"

/* Servers of a zone that are asked, if all replies are bogus. */
enum { STEP_REPLY_BOGUS_SERVERS_MAX = 3 };

/* Classify task->reply, cache what may be cached, and return the next state. */
enum task_state step_reply(struct task *task);

/* Accept the empty answer of task->empty_addr as NODATA or NXDOMAIN, now that no server of the
 * zone sent more. */
enum task_state step_reply_empty(struct task *task);
