/* resolver/iterate/step_look.h | state TASK_LOOK: the closest zone with known servers
 *
 * Thread:   the task's worker.
 */
#pragma once

#include "resolver/iterate/task.h"

/* Set task->delegation to the closest stub zone, forward zone, cached delegation or the root
 * hints.  Return the next state: TASK_TARGET, or that of a task that has ended. */
enum task_state step_look(struct task *task);
