/* Routes are asked of the kernel itself: files under /proc show one table only. */
#include "net/fence.h"

#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <unistd.h>

#include "base/addr.h"

static const char *const inside[] = {"127.0.0.0/8",    "192.0.2.0/24", "198.51.100.0/24",
                                     "203.0.113.0/24", "::1/128",      "2001:db8::/32",
                                     "fe80::/10"};

/* Whether one message of the kernel is a way to everywhere, those that lead nowhere aside. */
static bool is_default_route(const struct nlmsghdr *h)
{
    const struct rtmsg *route = NLMSG_DATA(h);
    return h->nlmsg_type == RTM_NEWROUTE && route->rtm_dst_len == 0 &&
           (route->rtm_type == RTN_UNICAST || route->rtm_type == RTN_MULTICAST);
}

/* Read a dump to its end; false when it could not be read. */
static bool read_routes(int fd, bool *has_default)
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
            *has_default |= is_default_route(h);
        }
    }
}

static enum err check_routes(bool *has_default)
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
                 read_routes(fd, has_default);
    if (fd >= 0)
        close(fd);
    return works ? ERR_OK : ERR_IO;
}

static enum err check_addresses(char *why, size_t size)
{
    struct addr_prefix at[ARRAY_LEN(inside)];
    struct addr_prefixes prefixes = {.at = at, .cnt = ARRAY_LEN(inside)};
    struct ifaddrs *all;
    enum err err = ERR_OK;

    for (size_t i = 0; i < ARRAY_LEN(inside); i++)
        must(addr_read_prefix(inside[i], &at[i]) == ERR_OK);
    if (getifaddrs(&all) != 0)
        return ERR_IO;
    for (struct ifaddrs *a = all; a && !err; a = a->ifa_next) {
        struct addr addr = {0};
        char text[ADDR_TEXT_MAX];
        if (!a->ifa_addr ||
            (a->ifa_addr->sa_family != AF_INET && a->ifa_addr->sa_family != AF_INET6))
            continue;
        memcpy(&addr.sock, a->ifa_addr,
               a->ifa_addr->sa_family == AF_INET ? sizeof(addr.sock.v4) : sizeof(addr.sock.v6));
        if (addr_is_in(&prefixes, &addr))
            continue;
        addr_print(&addr, text);
        snprintf(why, size, "%s has the address %s, which is none for documentation",
                 a->ifa_name, text);
        err = ERR_DENIED;
    }
    freeifaddrs(all);
    return err;
}

enum err fence_check(char *why, size_t size)
{
    bool has_default = false;

    snprintf(why, size, "there is no interface rl-fence");
    if (if_nametoindex("rl-fence") == 0)
        return ERR_DENIED;
    snprintf(why, size, "the routes cannot be read");
    if (check_routes(&has_default) != ERR_OK)
        return ERR_IO;
    snprintf(why, size, "there is a default route");
    if (has_default)
        return ERR_DENIED;
    snprintf(why, size, "the addresses cannot be read");
    return check_addresses(why, size);
}
