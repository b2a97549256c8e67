/* tools/lab/rtlink.h | links, addresses and routes of a network namespace, over rtnetlink
 *
 * Each function speaks to the namespace in which `fd` was opened, waits for the kernel's
 * acknowledgement, and returns false with errno set if the kernel refuses.
 *
 * Thread:   one at a time per socket.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/util.h"
#include "tools/lab/topology.h"

/* Open a socket in the caller's network namespace; the caller closes it.  -1: errno. */
int rtlink_open(void);

/* Make a pair of interfaces: `name` here, and eth0 in the network namespace of process `peer`,
 * with the interface addresses of host `index`. */
MUST_USE bool rtlink_add_pair(int fd, const char *name, size_t index, pid_t peer);

/* Bring an interface up.  It gets no link-local address. */
MUST_USE bool rtlink_set_up(int fd, const char *name);

/* Give an interface a second name, by which if_nametoindex finds it too. */
MUST_USE bool rtlink_add_name(int fd, const char *name, const char *second);

/* Add an address without a prefix: a route is a separate matter. */
MUST_USE bool rtlink_add_address(int fd, const char *name, const char *address);

/* Send packets to `prefix` ("ADDR/LEN") out of the interface, without a gateway. */
MUST_USE bool rtlink_add_route(int fd, const char *name, const char *prefix);

/* Say at which interface address a neighbour is, so that nobody asks by ARP or ND. */
MUST_USE bool rtlink_add_neighbour(int fd, const char *name, const char *address,
                                   const uint8_t mac[TOPOLOGY_MAC_LEN]);

/* Turn off what network cards compute for the kernel: a packet that leaves this interface then
 * has its checksums, and at most one MTU. */
MUST_USE bool rtlink_set_plain(const char *name);
