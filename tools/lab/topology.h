/* tools/lab/topology.h | the hosts of the laboratory: names, addresses, zones, links
 *
 * Owner:    constant data.
 * Thread:   any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TOPOLOGY_HOSTS_MAX = 16,
    TOPOLOGY_MAC_LEN = 6,
    TOPOLOGY_ZONES_MAX = 4,
};

/* A host.  Its network namespace has one interface, eth0. */
struct topology_host {
    const char *name; /* also the name of its link */
    const char *what; /* a noun phrase for `lab status` */
    const char *v4, *v6;
    const char
        *second; /* another IPv4 address, for the programs that answer queries; or NULL */
    const char *zones[TOPOLOGY_ZONES_MAX]; /* what its rootline-authd serves */
    const char
        *forged[TOPOLOGY_ZONES_MAX]; /* zones of others that it serves: zones/lab/forged */
    const char *page;                /* the title of its web page; NULL: no web server */
    unsigned delay_ms;               /* of its link, one way */
    bool is_overheard;               /* the on-path attacker receives a copy of its packets */
};

extern const struct topology_host topology_hosts[];
extern const size_t topology_host_cnt;

/* The prefixes of the laboratory: every host has a route to each of them through eth0. */
extern const char *const topology_prefixes[];
extern const size_t topology_prefix_cnt;

/* Return the host of this name; NULL: there is none. */
const struct topology_host *topology_find(const char *name);

/* Return the index of a host in topology_hosts. */
size_t topology_index(const struct topology_host *host);

/* Set the address of the host's network interface, or that of its link's other end. */
void topology_mac(size_t index, bool is_far_end, uint8_t out[TOPOLOGY_MAC_LEN]);

/* Return the index of the host with this interface address, or topology_host_cnt. */
size_t topology_by_mac(const uint8_t mac[TOPOLOGY_MAC_LEN]);
