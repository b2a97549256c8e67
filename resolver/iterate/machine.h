/* resolver/iterate/machine.h | the loop that runs tasks
 *
 * Thread:   the engine's worker.
 */
#pragma once

#include "resolver/iterate/task.h"

/* Run every task that has something to do, until none has.  From inside itself it does nothing.
 */
void machine_run(struct engine *engine);
