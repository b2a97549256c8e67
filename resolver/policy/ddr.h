/* resolver/policy/ddr.h | what this resolver says of its encrypted ways in (RFC 9462)
 *
 * Owner:    the version.
 * Thread:   the main thread, while a version is built.
 */
#pragma once

#include "net/daemon/server_conf.h"
#include "resolver/policy/local.h"

/* Add an SVCB record of _dns.resolver.arpa for each listener for TLS and HTTPS whose address
 * the certificate is for (RFC 9462 4.2: a client that knows nothing but the address verifies
 * just that).  None without a certificate that names a host. */
MUST_USE enum err ddr_add(struct local *local, const struct server_conf *conf,
                          struct arena *arena);
