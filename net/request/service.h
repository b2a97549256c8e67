/* net/request/service.h | what an engine gives to the front ends
 *
 * A front end receives questions in batches; intake checks them and hands them to the engine
 * through these calls.  resolver and authd are engines; net never asks what a name means.
 *
 * Owner:    the table is static; an engine belongs to its worker.
 * Thread:   every call from the engine's worker.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct exchange;
struct uv_loop_s;

/* Lifetime: process. */
struct service {
    /* Have a first look at checked questions and prefetch what serve will read.  May be NULL.
     */
    void (*probe)(void *engine, struct exchange *const *batch, size_t cnt);
    /* Answer one of them, now or later, with reply_send or reply_drop; exactly once. */
    void (*serve)(void *engine, struct exchange *ex);
    /* A question of class CH that the front end itself has no answer to: true, and it is
     * answered now or later as by serve; false: it is none of the engine's either.  May be
     * NULL. */
    bool (*chaos)(void *engine, struct exchange *ex);
    /* Between two batches: adopt newly published versions. */
    void (*turn)(void *engine);
    /* Once, before the first question: make what the engine needs of the worker's loop.  May be
     * NULL. */
    enum err (*open)(void *engine, struct uv_loop_s *loop);
    /* Once, before the fronts end: drop the questions that wait, close what was opened.  NULL
     * as open is. */
    void (*close)(void *engine);
};
