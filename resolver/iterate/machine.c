/* A table from states to steps, and the only loop that calls them; it decides nothing. */
#include "resolver/iterate/machine.h"

#include "base/now.h"
#include "resolver/iterate/step_ask.h"
#include "resolver/iterate/step_done.h"
#include "resolver/iterate/step_look.h"
#include "resolver/iterate/step_target.h"

static void run_task(struct task *task)
{
    while (task->state != TASK_WAIT && task->state != TASK_DONE) {
        arena_reset(&task->engine->scratch);
        switch (task->state) {
        case TASK_LOOK: task->state = step_look(task); break;
        case TASK_TARGET: task->state = step_target(task); break;
        case TASK_ASK: task->state = step_ask(task); break;
        case TASK_WAIT:
        case TASK_DONE: break;
        }
    }
    if (task->state == TASK_DONE)
        step_done(task);
}

void machine_run(struct engine *engine)
{
    if (engine->is_running)
        return;
    engine->is_running = true;
    task_look_at_parked(engine, now_mono_ms());
    while (!list_is_empty(&engine->runnable)) {
        struct task *task = container_of(engine->runnable.next, struct task, link);
        list_remove(&task->link);
        run_task(task);
    }
    engine->is_running = false;
}
