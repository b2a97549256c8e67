/* net/request/client.h | which addresses count as one client
 *
 * A client is an IPv4 address, or the /64 of an IPv6 address: a subscriber has at least a
 * /64, so a limit per IPv6 address would limit nothing.
 *
 * Thread:   any, after hash_init.
 */
#pragma once

#include "base/addr.h"

/* Return a hash that is the same for all addresses of one client, the port left out.  Two
 * clients may share a hash. */
uint64_t client_hash(const struct addr *addr);

/* True if both addresses belong to one client. */
bool client_is_same(const struct addr *a, const struct addr *b);
