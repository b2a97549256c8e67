/* The routes come from netlink: files in /proc show one routing table only. */
#include "net/loop/fence.h"

#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/addr.h"

static const char *const lab_nets[] = {"127.0.0.0/8",    "192.0.2.0/24", "198.51.100.0/24",
                                       "203.0.113.0/24", "::1/128",      "2001:db8::/32",
                                       "fe80::/10"};

/* Read the destination of a route.  False: it has none, or one of another family. */
static bool read_destination(const struct nlmsghdr *h, struct addr *out)
{
    const struct rtmsg *route = NLMSG_DATA(h);
    size_t left = RTM_PAYLOAD(h);

    for (const struct rtattr *a = RTM_RTA(route); RTA_OK(a, left); a = RTA_NEXT(a, left))
        if (a->rta_type == RTA_DST)
            return addr_from_bytes(RTA_DATA(a), RTA_PAYLOAD(a), 0, out) == ERR_OK;
    return false;
}

/* True if a netlink message is a route out of the laboratory: the default route, or one to
 * other networks than `inside`. */
static bool leads_outside(const struct nlmsghdr *h, const struct addr_prefixes *inside)
{
    const struct rtmsg *route = NLMSG_DATA(h);
    struct addr to;

    if (h->nlmsg_type != RTM_NEWROUTE || route->rtm_type != RTN_UNICAST)
        return false;
    return route->rtm_dst_len == 0 || !read_destination(h, &to) || !addr_is_in(inside, &to);
}

/* Read the kernel's dump of all routes.  False: it cannot be read. */
static bool read_fence_routes(int fd, const struct addr_prefixes *inside, bool *leads_out)
{
    _Alignas(8) char buffer[32768];

    for (;;) {
        ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
        if (got <= 0)
            return false;
        size_t left = (size_t)got;
        for (struct nlmsghdr *h = (struct nlmsghdr *)(void *)buffer; NLMSG_OK(h, left);
             h = NLMSG_NEXT(h, left)) {
            if (h->nlmsg_type == NLMSG_DONE)
                return true;
            if (h->nlmsg_type == NLMSG_ERROR)
                return false;
            *leads_out |= leads_outside(h, inside);
        }
    }
}

static enum err check_routes(const struct addr_prefixes *inside, bool *leads_out)
{
    struct {
        struct nlmsghdr head;
        struct rtmsg route;
    } ask = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
                      .nlmsg_type = RTM_GETROUTE,
                      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
             .route = {.rtm_family = AF_UNSPEC}};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    bool works = fd >= 0 && send(fd, &ask, sizeof(ask), 0) == (ssize_t)sizeof(ask) &&
                 read_fence_routes(fd, inside, leads_out);
    if (fd >= 0)
        close(fd);
    return works ? ERR_OK : ERR_IO;
}

static enum err check_addresses(const struct addr_prefixes *inside, struct fault *fault)
{
    struct ifaddrs *all;
    enum err err = ERR_OK;

    if (getifaddrs(&all) != 0)
        return fault_set(fault, ERR_IO, "cannot read the addresses of the interfaces");
    for (struct ifaddrs *a = all; a && !err; a = a->ifa_next) {
        struct addr addr = {0};
        char text[ADDR_TEXT_MAX];
        if (!a->ifa_addr ||
            (a->ifa_addr->sa_family != AF_INET && a->ifa_addr->sa_family != AF_INET6))
            continue;
        memcpy(&addr.sock, a->ifa_addr,
               a->ifa_addr->sa_family == AF_INET ? sizeof(addr.sock.v4) : sizeof(addr.sock.v6));
        if (addr_is_in(inside, &addr))
            continue;
        addr_print_host(&addr, text);
        err = fault_set(fault, ERR_DENIED,
                        "interface %s has the address %s, which is not for documentation",
                        a->ifa_name, text);
    }
    freeifaddrs(all);
    return err;
}

/* True if pid 1 is in the network namespace of this process.  False if the kernel
 * does not tell this user. */
static bool is_namespace_of_init(void)
{
    struct stat of_init, own;

    return stat("/proc/1/ns/net", &of_init) == 0 && stat("/proc/self/ns/net", &own) == 0 &&
           of_init.st_dev == own.st_dev && of_init.st_ino == own.st_ino;
}

enum err fence_check(struct fault *fault)
{
    struct addr_prefix at[ARRAY_LEN(lab_nets)];
    struct addr_prefixes inside = {.at = at, .cnt = ARRAY_LEN(lab_nets)};
    bool leads_out = false;

    for (size_t i = 0; i < ARRAY_LEN(lab_nets); i++)
        must(addr_read_prefix(lab_nets[i], &at[i]) == ERR_OK);
    if (if_nametoindex("rl-fence") == 0) /* finds alternative names too */
        return fault_set(fault, ERR_DENIED, "there is no interface rl-fence");
    if (is_namespace_of_init())
        return fault_set(fault, ERR_DENIED,
                         "this is the network namespace of process 1: a laboratory has "
                         "namespaces of its own");
    if (check_routes(&inside, &leads_out) != ERR_OK)
        return fault_set(fault, ERR_IO, "cannot read the routing tables");
    if (leads_out)
        return fault_set(
            fault, ERR_DENIED,
            "there is a default route, or a route to networks that are not for documentation");
    return check_addresses(&inside, fault);
}
