/* net/transport/udp.h | batches of datagrams to be sent
 *
 * Thread:   any.
 */
#pragma once

#ifndef _GNU_SOURCE
#error "struct mmsghdr wants _GNU_SOURCE before the first include"
#endif
#include <sys/socket.h>

/* Send `cnt` messages.  A message that cannot be sent (full buffer, unreachable peer) is
 * dropped: its client retries. */
void udp_send(int fd, struct mmsghdr *messages, unsigned cnt);

/* Clear the interface in the control messages of a query, which are those of its answer: the
 * answer leaves from the address that was queried, by the route of the kernel's choice.  A
 * link-local address keeps its interface. */
void udp_forget_interface(struct msghdr *message);
