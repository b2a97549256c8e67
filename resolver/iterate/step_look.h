/* resolver/iterate/step_look.h | find the nearest zone above the name whose servers are known
 *
 * Thread:   the task's worker.
 */
#pragma once

#include "resolver/iterate/task.h"

/* Fill task->cut, from the configuration, the cache or the hints. */
enum task_state step_look(struct task *task);
