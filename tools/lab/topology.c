/* All addresses are for documentation (RFC 5737, RFC 3849), so that a packet that escaped would
 * be dropped by any router. */
#include "tools/lab/topology.h"

#include <string.h>

#include "base/util.h"

const char *const topology_prefixes[] = {"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",
                                         "2001:db8::/32"};
const size_t topology_prefix_cnt = ARRAY_LEN(topology_prefixes);

/* clang-format off */
const struct topology_host topology_hosts[] = {
    {.name = "root", .what = "root server", .v4 = "192.0.2.1", .v6 = "2001:db8:2::1",
     .zones = {"."}, .delay_ms = 10},
    {.name = "com", .what = "server of com", .v4 = "192.0.2.10", .v6 = "2001:db8:2::10",
     .zones = {"com"}, .delay_ms = 10},
    {.name = "org", .what = "server of org", .v4 = "192.0.2.11", .v6 = "2001:db8:2::11",
     .zones = {"org"}, .delay_ms = 10},
    {.name = "bank", .what = "bank.com: server, web page", .v4 = "198.51.100.10",
     .v6 = "2001:db8:100::10", .zones = {"bank.com"}, .page = "The Bank", .delay_ms = 15},
    {.name = "shop", .what = "shop.com: server, web page", .v4 = "198.51.100.20",
     .v6 = "2001:db8:100::20", .second = "198.51.100.21", .zones = {"shop.com"},
     .page = "The Shop", .delay_ms = 15},
    {.name = "post", .what = "post.org: server, mail domain", .v4 = "198.51.100.30",
     .v6 = "2001:db8:100::30", .zones = {"post.org"}, .delay_ms = 15},
    {.name = "example", .what = "example.com: server, web page", .v4 = "198.51.100.40",
     .v6 = "2001:db8:100::40", .second = "198.51.100.41", .zones = {"example.com"},
     .page = "Example", .delay_ms = 15},
    {.name = "victim", .what = "victim of reflection", .v4 = "198.51.100.99",
     .v6 = "2001:db8:100::99", .delay_ms = 5},
    {.name = "resolver", .what = "resolver of the clients", .v4 = "203.0.113.53",
     .v6 = "2001:db8:113::53", .delay_ms = 1, .is_overheard = true},
    {.name = "alice", .what = "client", .v4 = "203.0.113.101", .v6 = "2001:db8:113::101",
     .delay_ms = 1, .is_overheard = true},
    {.name = "bob", .what = "client", .v4 = "203.0.113.102", .v6 = "2001:db8:113::102",
     .delay_ms = 1},
    {.name = "onpath", .what = "attacker who overhears resolver and alice",
     .v4 = "203.0.113.66", .v6 = "2001:db8:113::66"},
    {.name = "attacker", .what = "off-path attacker: attacker32.com, forged page",
     .v4 = "192.0.2.66", .v6 = "2001:db8:2::66", .second = "192.0.2.67",
     .zones = {"attacker32.com"}, .forged = {"bank.com", "example.com"},
     .page = "The Bank (FORGED by the attacker)", .delay_ms = 2},
};
/* clang-format on */
const size_t topology_host_cnt = ARRAY_LEN(topology_hosts);

_Static_assert(ARRAY_LEN(topology_hosts) <= TOPOLOGY_HOSTS_MAX, "too many hosts");

const struct topology_host *topology_find(const char *name)
{
    for (size_t i = 0; i < topology_host_cnt; i++)
        if (strcmp(topology_hosts[i].name, name) == 0)
            return &topology_hosts[i];
    return NULL;
}

size_t topology_index(const struct topology_host *host)
{
    return (size_t)(host - topology_hosts);
}

void topology_mac(size_t index, bool is_far_end, uint8_t out[TOPOLOGY_MAC_LEN])
{
    /* locally administered addresses */
    const uint8_t mac[TOPOLOGY_MAC_LEN] = {2, 0, 0, 0, is_far_end, (uint8_t)(index + 1)};
    memcpy(out, mac, sizeof(mac));
}

size_t topology_by_mac(const uint8_t mac[TOPOLOGY_MAC_LEN])
{
    uint8_t one[TOPOLOGY_MAC_LEN];
    size_t index = mac[TOPOLOGY_MAC_LEN - 1] - (size_t)1;

    if (index >= topology_host_cnt)
        return topology_host_cnt;
    topology_mac(index, false, one);
    return memcmp(one, mac, sizeof(one)) == 0 ? index : topology_host_cnt;
}
