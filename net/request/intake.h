/* net/request/intake.h | checks on received messages before the engine sees them
 *
 * Every front passes messages here, a batch at a time.  A message that the engine need not see
 * is answered or dropped; the other queries are probed together, then served one by one.
 *
 * Thread:   the worker.
 */
#pragma once

#include "net/request/exchange.h"

enum { INTAKE_BATCH_MAX = 64 };

/* Handle `cnt` received messages, 1 to INTAKE_BATCH_MAX: `wire[i]`, of `len[i]` octets, is the
 * message of `batch[i]`.  Caller must have set settings, transport, peer, buffer, size, send
 * and defer of each exchange. */
void intake_batch(const struct service *service, void *engine, struct exchange *const *batch,
                  const uint8_t *const *wire, const size_t *len, size_t cnt);
