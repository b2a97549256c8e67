/* resolver/iterate/step_ask.h | compose and send a query
 *
 * Thread:   the task's worker.
 */
#pragma once

#include "resolver/iterate/task.h"

/* Send a query to the chosen address, or follow a task that has the same query outstanding. */
enum task_state step_ask(struct task *task);
