#include "tools/lab/capture.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/now.h"
#include "dns/dname_text.h"
#include "dns/message.h"
#include "tools/packet.h"
#include "tools/pcap_file.h"

enum { BUFFER = 8 << 20, TURN_MS = 200 };

int capture_open(void)
{
    const struct sockaddr_ll at = {.sll_family = AF_PACKET,
                                   .sll_protocol = htons(ETH_P_ALL),
                                   .sll_ifindex = (int)if_nametoindex("eth0")};
    const int buffer = BUFFER;
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
    if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    close(fd);
    return -1;
}

ssize_t capture_read(int fd, uint8_t frame[CAPTURE_FRAME_MAX], int wait_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    const int cnt = poll(&polled, 1, wait_ms);

    return cnt <= 0 ? cnt : recv(fd, frame, CAPTURE_FRAME_MAX, 0);
}

static void print_message(FILE *out, const struct message *m)
{
    char name[DNAME_TEXT_MAX] = "?", type[RRTYPE_NAME_MAX] = "";

    if (m->has_question) {
        dname_text_print(message_qname(m), name);
        rrtype_print(m->qtype, type);
    }
    fprintf(out, "%s %5u %s %s", m->flags & MESSAGE_QR ? "reply" : "query", m->id, name, type);
    if (m->flags & MESSAGE_QR)
        fprintf(out, "  RCODE %u%s%s, %u/%u/%u records", m->flags & 15,
                m->flags & MESSAGE_AA ? " AA" : "", m->flags & MESSAGE_TC ? " TC" : "",
                m->cnt[1], m->cnt[2], m->cnt[3]);
}

/* Print the ends of a TCP connection.  False: `ip` is no such packet. */
static bool print_segment(FILE *out, const uint8_t *ip, size_t len)
{
    const bool is_v4 = len >= 40 && ip[0] == 0x45 && ip[9] == IPPROTO_TCP,
               is_v6 = len >= 60 && ip[0] >> 4 == 6 && ip[6] == IPPROTO_TCP;
    const size_t size = is_v4 ? 4 : 16, at = is_v4 ? 12 : 8;
    const uint8_t *tcp = ip + (is_v4 ? 20 : 40);
    char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];
    struct addr addr;

    if ((!is_v4 && !is_v6) || addr_from_bytes(ip + at, size, util_get_u16(tcp), &addr))
        return false;
    addr_print(&addr, from);
    if (addr_from_bytes(ip + at + size, size, util_get_u16(tcp + 2), &addr))
        return false;
    addr_print(&addr, to);
    fprintf(out, "%s > %s  TCP, %zu octets\n", from, to, len);
    return true;
}

/* Print a packet as one line: a DNS message with its question and outcome, anything else with
 * its addresses.  `start_us` is when the capture began (now_mono_us). */
static void print_capture(FILE *out, const uint8_t *frame, size_t len, uint64_t start_us)
{
    const uint64_t at_us = now_mono_us() - start_us;
    char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];
    struct packet_view view;
    struct message m;

    fprintf(out, "%3llu.%06llu ", (unsigned long long)(at_us / 1000000),
            (unsigned long long)(at_us % 1000000));
    if (len < ETH_HLEN || !packet_read_udp(frame + ETH_HLEN, len - ETH_HLEN, &view)) {
        if (len < ETH_HLEN || !print_segment(out, frame + ETH_HLEN, len - ETH_HLEN))
            fprintf(out, "%zu octets, not a whole UDP datagram\n", len);
        return;
    }
    addr_print(&view.from, from);
    addr_print(&view.to, to);
    fprintf(out, "%s > %s  ", from, to);
    if (message_parse(view.payload, view.payload_len, &m) <= MESSAGE_TRAILING)
        print_message(out, &m);
    else
        fprintf(out, "%zu octets, not DNS", view.payload_len);
    fputc('\n', out);
}

static volatile sig_atomic_t must_end_capture;

static void on_capture_end(int number)
{
    (void)number;
    must_end_capture = 1;
}

bool capture_run(int fd, FILE *file, long long packets)
{
    static uint8_t frame[CAPTURE_FRAME_MAX];
    const uint64_t start_us = now_mono_us();
    bool works = fd >= 0 && (!file || pcap_file_begin(file, PCAP_FILE_ETHERNET));

    signal(SIGINT, on_capture_end);
    signal(SIGTERM, on_capture_end);
    signal(SIGHUP, on_capture_end);
    while (works && !must_end_capture && packets != 0) {
        ssize_t len = capture_read(fd, frame, TURN_MS);
        works = len >= 0 || errno == EINTR;
        if (len <= 0)
            continue;
        packets--;
        if (file)
            works = pcap_file_add(file, now_wall_ms() * 1000, frame, (size_t)len);
        else
            print_capture(stdout, frame, (size_t)len, start_us);
        works = fflush(file ? file : stdout) == 0 && works;
    }
    if (!works)
        fprintf(stderr, "rootline lab: cannot capture: %s\n", strerror(errno));
    return works;
}
