/* resolver/policy/private.h | private addresses that answers of public names must not have
 *
 * In DNS rebinding a name of the attacker leads first to the attacker's server and then to a
 * host of the client's own network: a page in the client's browser may then use that host as
 * its origin.  The resolver can tell, because it knows which addresses are internal.
 *
 * Owner:    the version.
 * Thread:   any, once it is built.
 */
#pragma once

#include "base/addr.h"
#include "dns/rrset.h"

/* `private-addresses` of the configuration.  Lifetime: published version. */
struct private_addresses {
    struct addr_prefixes prefixes;
    const uint8_t **except; /* zones whose names may have such addresses */
    size_t except_cnt;
};

/* Return true if an answer to a query for `name` must not have an address of these prefixes. */
bool private_guards(const struct private_addresses *private, const uint8_t *name);

/* Return true if an A or AAAA record of the RRset, or an address hint of an SVCB or HTTPS
 * record (RFC 9460 7.3), is in these prefixes; *out gets the address. */
bool private_find(const struct private_addresses *private, const struct rrset *set,
                  struct addr *out);
