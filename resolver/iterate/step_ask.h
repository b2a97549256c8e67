/* resolver/iterate/step_ask.h | put the question and send it
 *
 * Thread:   the task's worker.
 */
#pragma once

#include "resolver/iterate/task.h"

/* Ask the address that was picked, or join a task that has the same question out. */
enum task_state step_ask(struct task *task);
