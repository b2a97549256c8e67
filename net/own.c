/* Each change makes the whole list be read again: changes are rare, and netlink messages can be
 * lost (ENOBUFS). */
#include "net/own.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <unistd.h>

#include "base/now.h"
#include "net/holder.h"

enum { SERVED_MAX = 256, SERVED_MS = 1000, LOOPBACK_NET = 127 };

struct own {
    uv_poll_t poll;
    int fd;
    struct own_list list;
    uint16_t served_port;
    uint64_t served_ms; /* mono: when `served` was read; 0: never */
    struct addr served[SERVED_MAX];
    size_t served_cnt;
};

static void make_key(const struct addr *addr, struct own_key *out)
{
    size_t len;
    const uint8_t *octets = addr_bytes(addr, &len);

    *out = (struct own_key){.octets = {[10] = 0xff, [11] = 0xff}};
    memcpy(out->octets + sizeof(out->octets) - len, octets, len);
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct own_key));
}

static bool take_address(const struct sockaddr *from, struct addr *out)
{
    if (!from || (from->sa_family != AF_INET && from->sa_family != AF_INET6))
        return false;
    memcpy(out, from, from->sa_family == AF_INET ? sizeof(out->sock.v4) : sizeof(out->sock.v6));
    return true;
}

enum err own_read_list(struct own_list *out)
{
    struct ifaddrs *interfaces;
    struct own_list list = {.cnt = 0};
    struct addr addr;
    size_t most = 0;

    if (getifaddrs(&interfaces) != 0)
        return ERR_IO;
    for (const struct ifaddrs *one = interfaces; one; one = one->ifa_next)
        most++;
    list.keys = calloc(most + 1, sizeof(*list.keys));
    for (const struct ifaddrs *one = interfaces; list.keys && one; one = one->ifa_next)
        if (take_address(one->ifa_addr, &addr))
            make_key(&addr, &list.keys[list.cnt++]);
    freeifaddrs(interfaces);
    if (!list.keys)
        return ERR_NOMEM;
    qsort(list.keys, list.cnt, sizeof(*list.keys), compare_keys);
    *out = list;
    return ERR_OK;
}

void own_fini_list(struct own_list *list)
{
    free(list->keys);
    *list = (struct own_list){.cnt = 0};
}

bool own_has(const struct own_list *list, const struct addr *addr)
{
    struct own_key key;

    make_key(addr, &key);
    return list->cnt > 0 &&
           bsearch(&key, list->keys, list->cnt, sizeof(*list->keys), compare_keys);
}

bool own_reaches(const struct own_list *list, const struct addr *listener,
                 const struct addr *addr)
{
    if (addr_is_equal(listener, addr))
        return true;
    if (!addr_is_wildcard(listener) || addr_port(listener) != addr_port(addr) ||
        addr_is_v6(listener) != addr_is_v6(addr))
        return false;
    /* of 127.0.0.0/8 every address is this machine's, and an interface has one */
    bool is_loopback =
        !addr_is_v6(addr) && ntohl(addr->sock.v4.sin_addr.s_addr) >> 24 == LOOPBACK_NET;
    return is_loopback || own_has(list, addr);
}

/* Replace the list; if it cannot be read the old one stays. */
static enum err refresh(struct own *own)
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

static void on_change(uv_poll_t *poll, int status, int events)
{
    struct own *own = poll->data;
    char message[4096]; /* its content is ignored */

    (void)events;
    while (recv(own->fd, message, sizeof(message), 0) >= 0 || errno == ENOBUFS ||
           errno == EINTR)
        ;
    if (refresh(own) == ERR_OK)
        own->served_ms = 0;
    if (status < 0) /* messages were lost, and libuv has stopped the handle */
        (void)uv_poll_start(poll, UV_READABLE, on_change);
}

static enum err open_netlink(int *fd)
{
    struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
                                 .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};

    *fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (*fd < 0)
        return ERR_IO;
    if (bind(*fd, (struct sockaddr *)&groups, sizeof(groups)) == 0)
        return ERR_OK;
    close(*fd);
    return ERR_IO;
}

static void on_closed(uv_handle_t *handle)
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
    enum err err =
        open_netlink(&own->fd); /* before reading the list, so that no change is missed */
    if (!err && uv_poll_init(loop, &own->poll, own->fd) != 0) {
        close(own->fd);
        err = ERR_IO;
    }
    if (err) {
        free(own);
        return err;
    }
    own->poll.data = own;
    err = refresh(own);
    if (!err && uv_poll_start(&own->poll, UV_READABLE, on_change) != 0)
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
        uv_close((uv_handle_t *)&(*own)->poll, on_closed);
    *own = NULL;
}

bool own_is_served(struct own *own, const struct addr *addr)
{
    uint64_t now_ms = now_mono_ms();

    if (own->served_ms == 0 || own->served_port != addr_port(addr) ||
        now_ms - own->served_ms >= SERVED_MS) {
        own->served_ms = now_ms;
        own->served_port = addr_port(addr);
        own->served_cnt = holder_list(own->served_port, own->served, SERVED_MAX);
    }
    for (size_t i = 0; i < own->served_cnt; i++) {
        const struct addr *other = &own->served[i];
        if (addr_is_equal(other, addr) ||
            (addr_is_wildcard(other) && (addr_is_v6(other) || !addr_is_v6(addr))))
            return true; /* a socket on :: receives IPv4 as well */
    }
    return false;
}
