/* udp-echo: return every datagram with QR set: the upper limit for a DNS server on these
 * sockets.
 *
 *   udp-echo ADDRESS PORT
 *
 * It makes the system calls of net/transport/front_udp.c with the same batch size, without
 * libuv and without DNS. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64, SIZE = 4096 };

static unsigned char bytes[BATCH][SIZE];

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET}, peers[BATCH];
    struct iovec parts[BATCH];
    struct mmsghdr in[BATCH], out[BATCH];

    if (argc != 3 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
        fprintf(stderr, "usage: udp-echo ADDRESS PORT\n");
        return 2;
    }
    address.sin_port = htons((uint16_t)atoi(argv[2]));
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        perror("udp-echo");
        return 1;
    }
    printf("ready\n");
    fflush(stdout);
    memset(in, 0, sizeof(in));
    memset(out, 0, sizeof(out));
    for (int i = 0; i < BATCH; i++) {
        parts[i].iov_base = bytes[i];
        in[i].msg_hdr =
            (struct msghdr){.msg_name = &peers[i], .msg_iov = &parts[i], .msg_iovlen = 1};
        out[i].msg_hdr = in[i].msg_hdr;
    }
    for (;;) {
        for (int i = 0; i < BATCH; i++) {
            parts[i].iov_len = SIZE;
            in[i].msg_hdr.msg_namelen = sizeof(peers[i]);
        }
        int got = recvmmsg(fd, in, BATCH, MSG_DONTWAIT, NULL);
        if (got <= 0) {
            struct pollfd wait = {.fd = fd, .events = POLLIN};
            poll(&wait, 1, -1);
            continue;
        }
        for (int i = 0; i < got; i++) {
            parts[i].iov_len = in[i].msg_len;
            bytes[i][2] |= 0x80; /* QR */
            out[i].msg_hdr.msg_namelen = in[i].msg_hdr.msg_namelen;
        }
        for (int sent = 0; sent < got;) {
            int n = sendmmsg(fd, out + sent, (unsigned)(got - sent), MSG_DONTWAIT);
            sent += n > 0 ? n : 1;
        }
    }
}
