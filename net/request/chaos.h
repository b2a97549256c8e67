/* net/request/chaos.h | class CH: what a server says of itself (RFC 4892)
 *
 * version.bind and version.server, hostname.bind, id.server as TXT; everything else of the
 * class is refused.
 *
 * Thread:   the exchange's worker.
 */
#pragma once

#include "net/request/exchange.h"

/* Answer a question of class CH, or have the engine do it. */
void chaos_serve(const struct service *service, void *engine, struct exchange *ex);
