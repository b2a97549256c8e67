/* resolver/policy/ddr.h | designation of this resolver's encrypted listeners (DDR, RFC 9462)
 *
 * Owner:    the version.
 * Thread:   the main thread, while a version is built.
 */
#pragma once

#include "net/daemon/server_conf.h"
#include "resolver/policy/local.h"

/* Add an SVCB record of _dns.resolver.arpa for each TLS or HTTPS listener with an address that
 * the certificate contains: a client that found this resolver by its address verifies exactly
 * that (RFC 9462 4.2).  Without a certificate that contains a host name, add none.  ERR_NOMEM.
 */
MUST_USE enum err ddr_add(struct local *local, const struct server_conf *conf,
                          struct arena *arena);
