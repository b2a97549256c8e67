/* base/addr.h | addresses of sockets as people write them
 *
 * "192.0.2.1", "192.0.2.1@5300", "::1@5300", "fe80::1%eth0", and prefixes such as
 * "192.0.2.0/24".
 *
 * Owner:    values.
 * Thread:   any.
 */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/util.h"

/* An IPv4 or IPv6 endpoint.  A value. */
struct addr {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } sock;
};

enum { ADDR_TEXT_MAX = INET6_ADDRSTRLEN + IF_NAMESIZE + 9 };

/* Read "ADDR" or "ADDR@PORT"; without a port it is `default_port`.  A link-local address may
 * name its interface.  ERR_FORMAT when it is neither; ERR_ABSENT: there is no such interface.
 */
MUST_USE enum err addr_read(const char *text, uint16_t default_port, struct addr *out);

/* Turn an IPv4-mapped IPv6 address (RFC 4291 2.5.5.2) into the IPv4 address that it stands for;
 * others stay.  Addresses that people or proxies write are read in this form.  Not for the peer
 * of a socket, to which an answer goes. */
void addr_unmap(struct addr *addr);

/* Print as "ADDR@PORT". */
void addr_print(const struct addr *addr, char out[ADDR_TEXT_MAX]);

/* Bytes of the sockaddr inside. */
socklen_t addr_len(const struct addr *addr);

/* Whether it is an IPv6 address. */
bool addr_is_v6(const struct addr *addr);

/* Whether it stands for every address of the machine (0.0.0.0 or ::). */
bool addr_is_wildcard(const struct addr *addr);

/* True for fe80::/10, whose addresses mean something on one link only. */
bool addr_is_link_local(const struct addr *addr);

/* True for an address of many: multicast, or broadcast. */
bool addr_is_group(const struct addr *addr);

/* The port, in host order. */
uint16_t addr_port(const struct addr *addr);

/* Change the port. */
void addr_set_port(struct addr *addr, uint16_t port);

/* Whether both are the same address and port. */
bool addr_is_equal(const struct addr *a, const struct addr *b);

/* Octets of the address in network order; *len is 4 or 16. */
const uint8_t *addr_bytes(const struct addr *addr, size_t *len);

/* The endpoint of 4 or 16 octets in network order; ERR_FORMAT when they are another number. */
MUST_USE enum err addr_from_bytes(const uint8_t *octets, size_t len, uint16_t port,
                                  struct addr *out);

/* An address and how many of its first bits count.  A value. */
struct addr_prefix {
    struct addr addr;
    unsigned bits;
};

/* Lifetime: that of the array. */
struct addr_prefixes {
    const struct addr_prefix *at;
    size_t cnt;
};

/* Read "ADDR/LEN", or "ADDR" for all of its bits.  ERR_FORMAT when it is neither. */
MUST_USE enum err addr_read_prefix(const char *text, struct addr_prefix *out);

/* Whether one of the prefixes holds the address. */
bool addr_is_in(const struct addr_prefixes *prefixes, const struct addr *addr);
