/* net/transport/front.h | the worker's parts that its fronts share
 *
 * Owner:    the worker.
 * Thread:   the worker.
 */
#pragma once

#include "net/loop/idle_queue.h"
#include "net/request/exchange.h"

/* Lifetime: worker. */
struct front_parts {
    uv_loop_t *loop;
    const struct exchange_settings *settings;
    const struct service *service;
    void *engine;
    struct idle_queue *idle_queue;
};
