/* With SO_REUSEPORT alone a second server of the same user could bind the same address and take
 * half of the queries; the probe without it notices. */
#define _GNU_SOURCE
#include "net/loop/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <unistd.h>

#include "net/loop/port_owner.h"

enum { UDP_BUFFER = 4 << 20 }; /* octets that arrive during a reload or in a burst */

static void set_listen_option(int fd, int level, int option, int value)
{
    /* an option that the kernel does not know keeps its default: all are optional */
    (void)setsockopt(fd, level, option, &value, sizeof(value));
}

static void tune_udp(int fd, const struct addr *addr)
{
    bool is_v6 = addr_is_v6(addr);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &(int){UDP_BUFFER}, sizeof(int)) != 0)
        set_listen_option(fd, SOL_SOCKET, SO_RCVBUF, UDP_BUFFER);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &(int){UDP_BUFFER}, sizeof(int)) != 0)
        set_listen_option(fd, SOL_SOCKET, SO_SNDBUF, UDP_BUFFER);
    /* forged "fragmentation needed" messages must not make answers smaller (docs/LIMITS.md
     * section 1) */
    if (is_v6)
        set_listen_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
    else
        set_listen_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    if (addr_is_wildcard(addr))
        set_listen_option(fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP,
                          is_v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1);
}

static enum err explain_bind_error(const struct addr *addr, bool is_stream, int number,
                                   enum err err, struct fault *fault)
{
    char text[ADDR_TEXT_MAX], owner[PORT_OWNER_TEXT_MAX];

    addr_print(addr, text);
    if (number == EADDRINUSE) {
        port_owner_find(addr, is_stream, owner);
        return fault_set(fault, err,
                         "%s (%s) is in use by %s; stop it, or choose another address", text,
                         is_stream ? "TCP" : "UDP", owner);
    }
    if (number == EACCES || number == EPERM)
        return fault_set(
            fault, err,
            "%s: not allowed: ports below 1024 need root, CAP_NET_BIND_SERVICE, or a lower "
            "net.ipv4.ip_unprivileged_port_start",
            text);
    if (number == EADDRNOTAVAIL)
        return fault_set(fault, err, "%s: this machine does not have that address", text);
    return fault_set(fault, err, "%s (%s): %s", text, is_stream ? "TCP" : "UDP",
                     strerror(number));
}

static enum err bind_listen_socket(const struct addr *addr, bool is_stream, bool is_shared,
                                   int *fd, struct fault *fault)
{
    int type = (is_stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int s = socket(addr->sock.any.sa_family, type, 0);
    if (s < 0)
        return explain_bind_error(addr, is_stream, errno, ERR_IO, fault);
    if (addr_is_v6(addr))
        set_listen_option(s, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (is_stream)
        set_listen_option(s, SOL_SOCKET, SO_REUSEADDR,
                          1); /* connections in TIME_WAIT must not prevent a restart */
    if (is_shared)
        set_listen_option(s, SOL_SOCKET, SO_REUSEPORT, 1);
    if (is_shared && !is_stream)
        tune_udp(s, addr);
    if (bind(s, &addr->sock.any, addr_len(addr)) != 0 ||
        (is_stream && !is_shared && listen(s, 1) != 0)) {
        enum err err = explain_bind_error(addr, is_stream, errno, ERR_DENIED, fault);
        close(s);
        return err;
    }
    *fd = s;
    return ERR_OK;
}

enum err listen_probe(const struct addr *addr, bool has_udp, struct fault *fault)
{
    int udp = -1, tcp = -1;
    enum err err = has_udp ? bind_listen_socket(addr, false, false, &udp, fault) : ERR_OK;
    if (!err)
        err = bind_listen_socket(addr, true, false, &tcp, fault);
    if (udp >= 0)
        close(udp);
    if (tcp >= 0)
        close(tcp);
    return err;
}

enum err listen_open(const struct addr *addr, int *udp_fd, int *tcp_fd, struct fault *fault)
{
    enum err err = udp_fd ? bind_listen_socket(addr, false, true, udp_fd, fault) : ERR_OK;
    if (err)
        return err;
    err = bind_listen_socket(addr, true, true, tcp_fd, fault);
    if (err && udp_fd)
        close(*udp_fd);
    return err;
}
