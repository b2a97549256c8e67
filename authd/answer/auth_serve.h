/* authd/answer/auth_serve.h | the engine of rootline-authd
 *
 * Owner:    an engine belongs to its worker.
 * Thread:   its worker.
 */
#pragma once

#include "base/publish.h"
#include "net/request/service.h"

/* The calls that the front ends make; their `engine` argument comes from auth_serve_new. */
extern const struct service auth_serve_service;

/* Return an engine that answers from the newest zone set in `publish`, which must outlive it;
 * `worker` is its number there.  Caller frees it with auth_serve_free.  NULL without memory. */
void *auth_serve_new(struct publish *publish, size_t worker);

/* Free an engine; NULL is allowed. */
void auth_serve_free(void *engine);
