/* resolver/iterate/step_target.h | find an address to ask
 *
 * Thread:   the task's worker.
 */
#pragma once

#include "resolver/iterate/task.h"

/* Set task->addr, or start lookups of server names and wait for them. */
enum task_state step_target(struct task *task);
