/* resolver/iterate/step_done.h | state TASK_DONE: the end of a task
 *
 * Thread:   the task's worker.
 */
#pragma once

#include "resolver/iterate/task.h"

/* Cache a failure, record the task as finished, end it and wake its waiters.  Caller must not
 * use the task afterwards. */
void step_done(struct task *task);
