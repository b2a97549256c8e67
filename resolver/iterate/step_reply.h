/* resolver/iterate/step_reply.h | what a reply means for the task
 *
 * Thread:   the task's worker.
 */
#pragma once

#include "resolver/iterate/task.h"

/* Judge the reply that matched, keep what may be kept, and say how to go on. */
enum task_state step_reply(struct task *task, const struct message *reply);

/* Take the empty answer of task->empty_addr as NODATA, now that no server of the zone has more
 * to say. */
enum task_state step_reply_empty(struct task *task);
