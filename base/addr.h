/* base/addr.h | socket addresses and prefixes, and their text
 *
 * Text is "192.0.2.1", "192.0.2.1@5300", "::1@5300" or "fe80::1%eth0"; a prefix is
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

/* An IPv4 or IPv6 address with a port.  A value. */
struct addr {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } sock;
};

enum { ADDR_TEXT_MAX = INET6_ADDRSTRLEN + IF_NAMESIZE + 9 };

/* Read "ADDR" or "ADDR@PORT" into `out`, with `default_port` if the text has no port.  A
 * link-local address may name its interface.  An IPv4-mapped address becomes IPv4, as in
 * addr_unmap. ERR_FORMAT: neither form.  ERR_ABSENT: this machine has no such interface. */
MUST_USE enum err addr_read(const char *text, uint16_t default_port, struct addr *out);

/* Replace an IPv4-mapped IPv6 address (RFC 4291 2.5.5.2) with the IPv4 address inside; leave
 * any other address unchanged.  For addresses from text or from a proxy.  Do not use it on the
 * peer of an IPv6 socket: replies to that peer need the mapped form. */
void addr_unmap(struct addr *addr);

/* Print as "ADDR@PORT". */
void addr_print(const struct addr *addr, char out[ADDR_TEXT_MAX]);

/* Print as "ADDR", without the port.  Return the length of the text. */
size_t addr_print_host(const struct addr *addr, char out[ADDR_TEXT_MAX]);

/* Return the size of the sockaddr in bytes. */
socklen_t addr_len(const struct addr *addr);

/* Return true for an IPv6 address. */
bool addr_is_v6(const struct addr *addr);

/* Return true for 0.0.0.0 and ::, which stand for every address of this machine. */
bool addr_is_wildcard(const struct addr *addr);

/* Return true for an address in fe80::/10, which has a meaning on one link only. */
bool addr_is_link_local(const struct addr *addr);

/* Return true for a multicast address and for the limited broadcast address. */
bool addr_is_group(const struct addr *addr);

/* Return the port in host byte order. */
uint16_t addr_port(const struct addr *addr);

/* Set the port, given in host byte order. */
void addr_set_port(struct addr *addr, uint16_t port);

/* Return true if address, port and scope are equal. */
bool addr_is_equal(const struct addr *a, const struct addr *b);

/* Return the address in network byte order, borrowed from `addr`; set *len to 4 or 16. */
const uint8_t *addr_bytes(const struct addr *addr, size_t *len);

/* Make an address from 4 or 16 octets in network byte order and a port in host byte order.
 * ERR_FORMAT: another number of octets. */
MUST_USE enum err addr_from_bytes(const uint8_t *octets, size_t len, uint16_t port,
                                  struct addr *out);

/* An address of which the first `bits` bits are compared.  A value. */
struct addr_prefix {
    struct addr addr;
    unsigned bits;
};

/* Lifetime: that of the array. */
struct addr_prefixes {
    const struct addr_prefix *at;
    size_t cnt;
};

/* Read "ADDR/LEN", or "ADDR" for a prefix of full length.  ERR_FORMAT: neither form. */
MUST_USE enum err addr_read_prefix(const char *text, struct addr_prefix *out);

/* Return true if `addr` is in one of the prefixes.  Ports are ignored. */
bool addr_is_in(const struct addr_prefixes *prefixes, const struct addr *addr);
