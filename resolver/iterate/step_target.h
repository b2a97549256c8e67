/* resolver/iterate/step_target.h | state TASK_TARGET: an address of a server of the zone
 *
 * Thread:   the task's worker.
 */
#pragma once

#include "resolver/iterate/task.h"

/* Choose an address, set task->addr and return TASK_ASK.  If none is usable, start subqueries
 * for addresses of server names and return TASK_WAIT, or return the state of a task that asks
 * the parent zone again or gives up. */
enum task_state step_target(struct task *task);
