/* One switch from states to steps, and the loop that runs it; nothing is decided here. */
#include "resolver/iterate/machine.h"

#include "base/now.h"
#include "resolver/iterate/step_ask.h"
#include "resolver/iterate/step_done.h"
#include "resolver/iterate/step_look.h"
#include "resolver/iterate/step_no_reply.h"
#include "resolver/iterate/step_reply.h"
#include "resolver/iterate/step_target.h"

/* The only place where a state leads to the next. */
static enum task_state run_step(struct task *task)
{
    switch (task->state) {
    case TASK_LOOK: return step_look(task);
    case TASK_TARGET: return step_target(task);
    case TASK_ASK: return step_ask(task);
    case TASK_REPLY: return step_reply(task);
    case TASK_NO_REPLY: return step_no_reply(task);
    case TASK_WAIT:
    case TASK_DONE: break;
    }
    return task->state;
}

/* Release the followers, unless the reply still has to be validated. */
static void release_after_result(struct task *task, bool was_minimising)
{
    task->reply = NULL;
    if (!task->held)
        task_release_followers(task, was_minimising && !task->is_minimising);
}

static void run_task(struct task *task)
{
    while (task->state != TASK_WAIT && task->state != TASK_DONE) {
        bool was_minimising = task->is_minimising, is_result = task->state == TASK_REPLY;
        arena_reset(&task->engine->scratch);
        task->state = run_step(task);
        if (is_result)
            release_after_result(task, was_minimising);
    }
    if (task->state == TASK_DONE)
        step_done(task);
    else if (task->is_paused)
        list_add(&task->engine->paused, &task->link);
}

void machine_take_result(struct task *task)
{
    bool was_minimising = task->is_minimising;

    arena_reset(&task->engine->scratch);
    task->state = task->result == OUT_REPLY ? TASK_REPLY : TASK_NO_REPLY;
    enum task_state next = run_step(task);
    /* before its followers: they would ask again in the way that has just failed */
    task_wake(task, next);
    release_after_result(task, was_minimising);
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
