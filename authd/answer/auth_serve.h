/* authd/answer/auth_serve.h | the engine of authd
 *
 * Owner:    an engine belongs to its worker.
 * Thread:   its worker.
 */
#pragma once

#include "base/publish.h"
#include "net/request/service.h"

/* The calls for the front ends. */
extern const struct service auth_serve_service;

/* An engine that serves the zone sets put into `publish`; NULL without memory. */
void *auth_serve_new(struct publish *publish, size_t worker);

/* Free it. */
void auth_serve_free(void *engine);
