/* resolver/iterate/machine.h | the loop that runs tasks
 *
 * Thread:   the engine's worker.
 */
#pragma once

#include "resolver/iterate/task.h"

/* Run all runnable tasks until none is left.  Called from inside a step it does nothing. */
void machine_run(struct engine *engine);

/* Run the step for task->result, which borrows task->reply, and make the task runnable in the
 * state that the step returns; then release its followers. */
void machine_take_result(struct task *task);
