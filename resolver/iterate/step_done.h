/* resolver/iterate/step_done.h | end a task: remember a failure, wake those who wait
 *
 * Thread:   the task's worker.
 */
#pragma once

#include "resolver/iterate/task.h"

/* The task is gone afterwards. */
void step_done(struct task *task);
