/* net/transport/udp.h | send datagrams in batches
 *
 * Thread:   any.
 */
#pragma once

#ifndef _GNU_SOURCE
#error "struct mmsghdr wants _GNU_SOURCE before the first include"
#endif
#include <sys/socket.h>

/* Send them all.  One that cannot go out (full buffer, unreachable peer) is left out: its
 * client asks again. */
void udp_send(int fd, struct mmsghdr *messages, unsigned cnt);

/* Make the answer leave from the address that was asked, by whatever way the routes say; only a
 * link-local address needs its link. `message` has the control messages of the query. */
void udp_forget_interface(struct msghdr *message);
