#include "tools/lab/rtlink.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"

/* A request being built.  Lifetime: the call. */
struct rtlink_message {
    _Alignas(8) char octets[1024];
    size_t len;
};

static struct nlmsghdr *rtlink_begin(struct rtlink_message *m, uint16_t type, uint16_t flags,
                                     const void *body, size_t len)
{
    struct nlmsghdr *head = (struct nlmsghdr *)(void *)m->octets;

    memset(m, 0, sizeof(*m));
    head->nlmsg_type = type;
    head->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    memcpy(NLMSG_DATA(head), body, len);
    m->len = NLMSG_SPACE(len);
    return head;
}

/* Append an attribute; return its place, to end a nested one. */
static struct rtattr *rtlink_put(struct rtlink_message *m, uint16_t type, const void *data,
                                 size_t len)
{
    struct rtattr *a = (struct rtattr *)(void *)(m->octets + m->len);

    must(m->len + RTA_SPACE(len) <= sizeof(m->octets));
    a->rta_type = type;
    a->rta_len = (uint16_t)RTA_LENGTH(len);
    if (len > 0)
        memcpy(RTA_DATA(a), data, len);
    m->len += RTA_SPACE(len);
    return a;
}

static void rtlink_end(const struct rtlink_message *m, struct rtattr *nested)
{
    nested->rta_len = (uint16_t)(m->octets + m->len - (const char *)nested);
}

static bool rtlink_send(int fd, struct rtlink_message *m)
{
    struct nlmsghdr *head = (struct nlmsghdr *)(void *)m->octets;
    _Alignas(8) char buffer[4096];

    head->nlmsg_len = (uint32_t)m->len;
    if (send(fd, m->octets, m->len, 0) != (ssize_t)m->len)
        return false;
    ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
    const struct nlmsghdr *answer = (struct nlmsghdr *)(void *)buffer;
    if (got < (ssize_t)NLMSG_SPACE(sizeof(struct nlmsgerr)) ||
        answer->nlmsg_type != NLMSG_ERROR) {
        errno = got < 0 ? errno : EPROTO;
        return false;
    }
    const struct nlmsgerr *result = NLMSG_DATA(answer);
    errno = -result->error;
    return result->error == 0;
}

int rtlink_open(void) { return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE); }

bool rtlink_add_pair(int fd, const char *name, size_t index, pid_t peer)
{
    struct rtlink_message m;
    const struct ifinfomsg body = {.ifi_family = AF_UNSPEC};
    const uint32_t pid = (uint32_t)peer;
    uint8_t mac[TOPOLOGY_MAC_LEN];

    rtlink_begin(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
    rtlink_put(&m, IFLA_IFNAME, name, strlen(name) + 1);
    topology_mac(index, true, mac);
    rtlink_put(&m, IFLA_ADDRESS, mac, sizeof(mac));
    struct rtattr *info = rtlink_put(&m, IFLA_LINKINFO, NULL, 0);
    rtlink_put(&m, IFLA_INFO_KIND, "veth", 5);
    struct rtattr *data = rtlink_put(&m, IFLA_INFO_DATA, NULL, 0);
    struct rtattr *far_end = rtlink_put(&m, VETH_INFO_PEER, &body, sizeof(body));
    rtlink_put(&m, IFLA_IFNAME, "eth0", 5);
    topology_mac(index, false, mac);
    rtlink_put(&m, IFLA_ADDRESS, mac, sizeof(mac));
    rtlink_put(&m, IFLA_NET_NS_PID, &pid, sizeof(pid));
    rtlink_end(&m, far_end);
    rtlink_end(&m, data);
    rtlink_end(&m, info);
    return rtlink_send(fd, &m);
}

bool rtlink_set_up(int fd, const char *name)
{
    struct rtlink_message m;
    const struct ifinfomsg body = {.ifi_family = AF_UNSPEC,
                                   .ifi_index = (int)if_nametoindex(name),
                                   .ifi_flags = IFF_UP,
                                   .ifi_change = IFF_UP};
    const uint8_t no_address = IN6_ADDR_GEN_MODE_NONE;

    rtlink_begin(&m, RTM_NEWLINK, 0, &body, sizeof(body));
    struct rtattr *families = rtlink_put(&m, IFLA_AF_SPEC, NULL, 0);
    struct rtattr *v6 = rtlink_put(&m, AF_INET6, NULL, 0);
    rtlink_put(&m, IFLA_INET6_ADDR_GEN_MODE, &no_address, sizeof(no_address));
    rtlink_end(&m, v6);
    rtlink_end(&m, families);
    return rtlink_send(fd, &m);
}

bool rtlink_add_name(int fd, const char *name, const char *second)
{
    struct rtlink_message m;
    const struct ifinfomsg body = {.ifi_family = AF_UNSPEC,
                                   .ifi_index = (int)if_nametoindex(name)};

    rtlink_begin(&m, RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND, &body,
                 sizeof(body));
    struct rtattr *list = rtlink_put(&m, IFLA_PROP_LIST | NLA_F_NESTED, NULL, 0);
    rtlink_put(&m, IFLA_ALT_IFNAME, second, strlen(second) + 1);
    rtlink_end(&m, list);
    return rtlink_send(fd, &m);
}

/* The texts are those of topology.c, which are valid. */
static const uint8_t *read_host(const char *text, struct addr *out, size_t *len)
{
    must(addr_read(text, 0, out) == ERR_OK);
    return addr_bytes(out, len);
}

bool rtlink_add_address(int fd, const char *name, const char *address)
{
    struct rtlink_message m;
    struct addr addr;
    size_t len;
    const uint8_t *octets = read_host(address, &addr, &len);
    const struct ifaddrmsg body = {.ifa_family = (uint8_t)addr.sock.any.sa_family,
                                   .ifa_prefixlen = (uint8_t)(len * 8),
                                   .ifa_flags = IFA_F_NODAD,
                                   .ifa_index = if_nametoindex(name)};

    rtlink_begin(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
    rtlink_put(&m, IFA_LOCAL, octets, len);
    rtlink_put(&m, IFA_ADDRESS, octets, len);
    return rtlink_send(fd, &m);
}

bool rtlink_add_route(int fd, const char *name, const char *prefix)
{
    struct rtlink_message m;
    struct addr_prefix to;
    size_t len;
    const uint32_t index = if_nametoindex(name);

    must(addr_read_prefix(prefix, &to) == ERR_OK);
    const uint8_t *octets = addr_bytes(&to.addr, &len);
    const struct rtmsg body = {.rtm_family = (uint8_t)to.addr.sock.any.sa_family,
                               .rtm_dst_len = (uint8_t)to.bits,
                               .rtm_table = RT_TABLE_MAIN,
                               .rtm_protocol = RTPROT_STATIC,
                               .rtm_scope = RT_SCOPE_LINK,
                               .rtm_type = RTN_UNICAST};
    rtlink_begin(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &body, sizeof(body));
    rtlink_put(&m, RTA_DST, octets, len);
    rtlink_put(&m, RTA_OIF, &index, sizeof(index));
    return rtlink_send(fd, &m);
}

bool rtlink_add_neighbour(int fd, const char *name, const char *address,
                          const uint8_t mac[TOPOLOGY_MAC_LEN])
{
    struct rtlink_message m;
    struct addr addr;
    size_t len;
    const uint8_t *octets = read_host(address, &addr, &len);
    const struct ndmsg body = {.ndm_family = (uint8_t)addr.sock.any.sa_family,
                               .ndm_ifindex = (int)if_nametoindex(name),
                               .ndm_state = NUD_PERMANENT};

    rtlink_begin(&m, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &body, sizeof(body));
    rtlink_put(&m, NDA_DST, octets, len);
    rtlink_put(&m, NDA_LLADDR, mac, TOPOLOGY_MAC_LEN);
    return rtlink_send(fd, &m);
}

bool rtlink_set_plain(const char *name)
{
    static const uint32_t features[] = {ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO,
                                        ETHTOOL_SGRO};
    struct ifreq request = {0};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_done = fd >= 0;

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    for (size_t i = 0; i < ARRAY_LEN(features) && is_done; i++) {
        struct ethtool_value off = {.cmd = features[i]};
        request.ifr_data = (void *)&off;
        is_done = ioctl(fd, SIOCETHTOOL, &request) == 0;
    }
    if (fd >= 0)
        close(fd);
    return is_done;
}
