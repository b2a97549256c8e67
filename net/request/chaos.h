/* net/request/chaos.h | class CH: the server's version, host name and identity (RFC 4892)
 *
 * The names are version.bind and version.server, hostname.bind, and id.server; the type is TXT.
 * Queries for other names go to the engine, which may answer them; the rest is REFUSED.
 *
 * Thread:   the exchange's worker.
 */
#pragma once

#include "net/request/exchange.h"

/* Answer a query of class CH, or let the engine answer it. */
void chaos_serve(const struct service *service, void *engine, struct exchange *ex);
