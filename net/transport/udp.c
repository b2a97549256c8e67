/* Used by the answers of a batch and by deferred answers. */
#define _GNU_SOURCE
#include "net/transport/udp.h"

#include <errno.h>
#include <netinet/in.h>

void udp_send(int fd, struct mmsghdr *messages, unsigned cnt)
{
    unsigned sent = 0;

    while (sent < cnt) {
        int n = sendmmsg(fd, messages + sent, cnt - sent, MSG_DONTWAIT);
        if (n > 0)
            sent += (unsigned)n;
        else if (errno != EINTR)
            sent++;
    }
}

void udp_forget_interface(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo *info = (struct in_pktinfo *)(void *)CMSG_DATA(c);
            info->ipi_ifindex = 0;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo *info = (struct in6_pktinfo *)(void *)CMSG_DATA(c);
            if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr))
                info->ipi6_ifindex = 0;
        }
    }
}
