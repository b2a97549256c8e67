/* The addresses of this machine are those of its table of local routes: addresses of
 * interfaces, prefixes routed to it as a whole (AnyIP), and IPv6 anycast addresses; getifaddrs
 * reports the first only. 127.0.0.0/8 as a whole is left to do-not-query.  After each change
 * the whole list is read again: changes are rare, and netlink messages can be lost (ENOBUFS).
 */
#include "net/upstream/own.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/now.h"
#include "net/loop/port_owner.h"
#include "net/loop/loop.h"

enum { SERVED_MAX = 256, SERVED_MS = 1000, CHUNK = 32768, READ_TRIES = 5, LOOPBACK_NET = 127 };

struct own {
    uv_poll_t poll;
    int fd;
    struct own_list list;
    uint16_t served_port;
    /* Mono: when `served` was read; 0: never, or the addresses changed since. */
    uint64_t served_ms;
    struct addr served[SERVED_MAX];
    size_t served_cnt;
};

static enum err open_netlink(uint32_t groups, int *fd)
{
    struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = groups};

    *fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (*fd < 0)
        return ERR_IO;
    if (bind(*fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        return ERR_OK;
    close(*fd);
    return ERR_IO;
}

/* ---- the list ---- */

struct key {
    uint8_t octets[16]; /* IPv6, or IPv4 in its mapped form */
};

struct own_range {
    struct key first, last;
};

/* A list that is being read.  Lifetime: the call. */
struct reading {
    struct own_list list;
    size_t size;
    bool is_done;
    enum err err;
};

static struct key make_key(const uint8_t *octets, size_t len)
{
    struct key key = {.octets = {[10] = 0xff, [11] = 0xff}};

    memcpy(key.octets + sizeof(key.octets) - len, octets, len);
    return key;
}

static int compare_keys(const struct key *a, const struct key *b)
{
    return memcmp(a, b, sizeof(*a));
}

static int compare_ranges(const void *a, const void *b)
{
    return compare_keys(&((const struct own_range *)a)->first,
                        &((const struct own_range *)b)->first);
}

static struct own_range make_range(const uint8_t *prefix, size_t len, unsigned prefix_len)
{
    struct own_range range = {.first = make_key(prefix, len), .last = make_key(prefix, len)};
    size_t at = (sizeof(range.last.octets) - len) * 8 + prefix_len;

    for (; at < sizeof(range.last.octets) * 8; at++)
        range.last.octets[at / 8] |= (uint8_t)(0x80 >> at % 8);
    return range;
}

static void add_range(struct reading *r, const struct own_range *range)
{
    if (r->list.cnt == r->size) {
        size_t size = r->size ? 2 * r->size : 32;
        struct own_range *ranges = reallocarray(r->list.ranges, size, sizeof(*ranges));
        if (!ranges) {
            r->err = ERR_NOMEM;
            return;
        }
        r->list.ranges = ranges;
        r->size = size;
    }
    r->list.ranges[r->list.cnt++] = *range;
}

/* True for a route that delivers packets to this machine.  Tables other than "local" are for
 * marked packets only (a transparent proxy delivers the whole Internet to itself there). */
static bool is_own_route(const struct nlmsghdr *h)
{
    const struct rtmsg *route = NLMSG_DATA(h);

    return (h->nlmsg_type == RTM_NEWROUTE || h->nlmsg_type == RTM_DELROUTE) &&
           h->nlmsg_len >= NLMSG_LENGTH(sizeof(*route)) && route->rtm_table == RT_TABLE_LOCAL &&
           (route->rtm_type == RTN_LOCAL || route->rtm_type == RTN_ANYCAST);
}

static void add_route(struct reading *r, const struct nlmsghdr *h)
{
    const struct rtmsg *route = NLMSG_DATA(h);
    size_t len = route->rtm_family == AF_INET6 ? 16 : 4;
    uint8_t prefix[16] = {0}; /* stays zero without RTA_DST: the default route */
    unsigned left = (unsigned)RTM_PAYLOAD(h);

    for (const struct rtattr *a = RTM_RTA(route); RTA_OK(a, left); a = RTA_NEXT(a, left))
        if (a->rta_type == RTA_DST && RTA_PAYLOAD(a) == len)
            memcpy(prefix, RTA_DATA(a), len);
    bool is_loopback_net = len == 4 && prefix[0] == LOOPBACK_NET && route->rtm_dst_len < 32;
    if (route->rtm_dst_len > len * 8 || is_loopback_net)
        return;
    struct own_range range = make_range(prefix, len, route->rtm_dst_len);
    add_range(r, &range);
}

static void add_routes(struct reading *r, const char *octets, size_t size)
{
    unsigned left = (unsigned)size;

    for (const struct nlmsghdr *h = (const struct nlmsghdr *)octets; NLMSG_OK(h, left);
         h = NLMSG_NEXT(h, left)) {
        if (h->nlmsg_flags & NLM_F_DUMP_INTR || h->nlmsg_type == NLMSG_ERROR)
            r->err = ERR_IO;
        if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
            r->is_done = true;
        else if (is_own_route(h))
            add_route(r, h);
    }
}

/* Merge ranges that overlap, so that a search finds at most one. */
static void merge_ranges(struct own_list *list)
{
    size_t merged_cnt = 0;

    qsort(list->ranges, list->cnt, sizeof(*list->ranges), compare_ranges);
    for (size_t i = 0; i < list->cnt; i++) {
        struct own_range *last = merged_cnt > 0 ? &list->ranges[merged_cnt - 1] : NULL;
        if (!last || compare_keys(&list->ranges[i].first, &last->last) > 0)
            list->ranges[merged_cnt++] = list->ranges[i];
        else if (compare_keys(&list->ranges[i].last, &last->last) > 0)
            last->last = list->ranges[i].last;
    }
    list->cnt = merged_cnt;
}

/* Dump the routes of the table "local".  ERR_IO also if they changed meanwhile. */
static enum err read_routes(int fd, struct reading *r)
{
    /* The kernel filters by table; older kernels send all routes. */
    static const int is_strict = 1;
    _Alignas(struct nlmsghdr) char octets[CHUNK];
    struct {
        struct nlmsghdr head;
        struct rtmsg route;
    } ask = {{.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
              .nlmsg_type = RTM_GETROUTE,
              .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
             {.rtm_family = AF_UNSPEC, .rtm_table = RT_TABLE_LOCAL}};

    (void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &is_strict, sizeof(is_strict));
    if (send(fd, &ask, sizeof(ask), 0) < 0)
        return ERR_IO;
    while (!r->is_done && !r->err) {
        ssize_t got = recv(fd, octets, sizeof(octets), 0);
        if (got > 0)
            add_routes(r, octets, (size_t)got);
        else if (got == 0 || errno != EINTR)
            r->err = ERR_IO;
    }
    return r->err;
}

enum err own_read_list(struct own_list *out)
{
    enum err err = ERR_IO;

    for (int i = 0; i < READ_TRIES && err == ERR_IO; i++) {
        struct reading r = {.size = 0};
        int fd;
        err = open_netlink(0, &fd);
        if (err)
            return err;
        err = read_routes(fd, &r);
        close(fd);
        if (err) {
            own_fini_list(&r.list);
            continue;
        }
        merge_ranges(&r.list);
        *out = r.list;
    }
    return err;
}

void own_fini_list(struct own_list *list)
{
    free(list->ranges);
    *list = (struct own_list){.cnt = 0};
}

static int compare_to_range(const void *key, const void *element)
{
    const struct own_range *range = element;

    if (compare_keys(key, &range->first) < 0)
        return -1;
    return compare_keys(key, &range->last) > 0;
}

bool own_has(const struct own_list *list, const struct addr *addr)
{
    size_t len;
    const uint8_t *octets = addr_bytes(addr, &len);
    struct key key = make_key(octets, len);

    return list->cnt > 0 &&
           bsearch(&key, list->ranges, list->cnt, sizeof(*list->ranges), compare_to_range);
}

bool own_reaches(const struct own_list *list, const struct addr *listener,
                 const struct addr *addr)
{
    if (addr_is_equal(listener, addr))
        return true;
    bool is_loopback =
        !addr_is_v6(addr) && ntohl(addr->sock.v4.sin_addr.s_addr) >> 24 == LOOPBACK_NET;
    return addr_is_wildcard(listener) && addr_port(listener) == addr_port(addr) &&
           addr_is_v6(listener) == addr_is_v6(addr) && (is_loopback || own_has(list, addr));
}

/* Read the list again; if that fails the old one stays. */
static enum err refresh_own_list(struct own *own)
{
    struct own_list list;
    enum err err = own_read_list(&list);

    if (err)
        return err;
    own_fini_list(&own->list);
    own->list = list;
    return ERR_OK;
}

const struct own_list *own_addresses(const struct own *own) { return &own->list; }

/* A router gets messages about routes to elsewhere all day; they are ignored. */
static bool has_own_route(const char *octets, size_t size)
{
    unsigned left = (unsigned)size;

    for (const struct nlmsghdr *h = (const struct nlmsghdr *)octets; NLMSG_OK(h, left);
         h = NLMSG_NEXT(h, left))
        if (is_own_route(h))
            return true;
    return false;
}

static void on_address_change(uv_poll_t *poll, int status, int events)
{
    struct own *own = poll->data;
    _Alignas(struct nlmsghdr) char octets[CHUNK];
    bool has_changed = status < 0;

    (void)events;
    for (;;) {
        ssize_t got = recv(own->fd, octets, sizeof(octets), 0);
        if (got < 0 && errno != ENOBUFS && errno != EINTR)
            break;
        has_changed |= got < 0 ? errno == ENOBUFS : has_own_route(octets, (size_t)got);
    }
    if (has_changed && refresh_own_list(own) == ERR_OK)
        own->served_ms = 0;
    /* messages were lost and libuv has stopped the handle: start it again */
    if (status < 0 && loop_admit((uv_handle_t *)poll) == ERR_OK)
        (void)uv_poll_start(poll, UV_READABLE, on_address_change);
}

static void on_own_closed(uv_handle_t *handle)
{
    struct own *own = handle->data;
    close(own->fd);
    own_fini_list(&own->list);
    free(own);
}

enum err own_new(uv_loop_t *loop, struct own **out)
{
    struct own *own = calloc(1, sizeof(*own));

    if (!own)
        return ERR_NOMEM;
    /* before the list is read, so that no change is missed */
    enum err err = open_netlink(RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE, &own->fd);
    if (!err && uv_poll_init(loop, &own->poll, own->fd) != 0) {
        close(own->fd);
        err = ERR_IO;
    }
    if (err) {
        free(own);
        return err;
    }
    own->poll.data = own;
    err = refresh_own_list(own);
    if (!err && uv_poll_start(&own->poll, UV_READABLE, on_address_change) != 0)
        err = ERR_IO;
    if (err)
        own_close(&own);
    else
        *out = own;
    return err;
}

void own_close(struct own **own)
{
    if (*own)
        uv_close((uv_handle_t *)&(*own)->poll, on_own_closed);
    *own = NULL;
}

bool own_is_served(struct own *own, const struct addr *addr)
{
    uint64_t now_ms = now_mono_ms();

    if (own->served_ms == 0 || own->served_port != addr_port(addr) ||
        now_ms - own->served_ms >= SERVED_MS) {
        own->served_ms = now_ms;
        own->served_port = addr_port(addr);
        own->served_cnt = port_owner_list(own->served_port, own->served, SERVED_MAX);
    }
    for (size_t i = 0; i < own->served_cnt; i++) {
        const struct addr *other = &own->served[i];
        if (addr_is_equal(other, addr) ||
            (addr_is_wildcard(other) && (addr_is_v6(other) || !addr_is_v6(addr))))
            return true; /* a socket on :: may receive IPv4 as well */
    }
    return false;
}
