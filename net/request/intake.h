/* net/request/intake.h | admit questions
 *
 * Every front end brings its requests here, a batch at a time.  What is no question worth an
 * engine's time is answered or dropped on the spot; the others are probed together and then
 * served one by one.
 *
 * Thread:   the worker.
 */
#pragma once

#include "net/request/exchange.h"

enum { INTAKE_BATCH_MAX = 64 };

/* A received message for each exchange: `wire[i]` of `len[i]` octets belongs to `batch[i]`,
 * whose settings, transport, peer, buffer and send are set.  At most INTAKE_BATCH_MAX. */
void intake_batch(const struct service *service, void *engine, struct exchange *const *batch,
                  const uint8_t *const *wire, const size_t *len, size_t cnt);
