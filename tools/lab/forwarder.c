/* Packets that wait for their time are in a heap.  A packet without delay takes the same way,
 * so that a link keeps the order of its packets unless it is told to reorder. */
#define _GNU_SOURCE /* recvmmsg */
#include "tools/lab/forwarder.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"

enum {
    FRAME_MAX = 1536,
    BATCH = 64,
    QUEUE_MAX = 16384, /* packets under way; more are dropped, as by a router */
    SOCKET_BUFFER = 8 << 20,
    NS_PER_S = 1000000000,
};

/* A packet under way.  Lifetime: from its receipt until it is handed over. */
struct frame {
    uint64_t due_ns, order; /* equal times: the one that came first */
    uint16_t len;
    uint8_t to; /* index of the host */
    uint8_t octets[FRAME_MAX];
};

/* Lifetime: process. */
struct forwarder {
    struct forwarder_shared *shared;
    int fds[TOPOLOGY_HOSTS_MAX];
    uint64_t free_ns[TOPOLOGY_HOSTS_MAX]; /* when a link with a rate has sent what it has */
    struct rng rng;
    uint64_t seed, order;
    struct frame *frames;       /* QUEUE_MAX */
    uint16_t unused[QUEUE_MAX]; /* indices of free frames */
    uint16_t heap[QUEUE_MAX];   /* indices of frames, the earliest first */
    size_t unused_cnt, heap_cnt;
};

static uint64_t read_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

struct forwarder_shared *forwarder_share(void)
{
    struct forwarder_shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return NULL;
    forwarder_reset(shared);
    return shared;
}

void forwarder_reset(struct forwarder_shared *shared)
{
    for (size_t i = 0; i < topology_host_cnt; i++) {
        struct forwarder_link *link = &shared->links[i];
        link->delay_us = topology_hosts[i].delay_ms * 1000;
        link->loss = link->reordering = link->copies = 0;
        link->rate = 0;
    }
    shared->slow = 1;
}

/* ---- the heap ---- */

static bool is_earlier(const struct forwarder *f, uint16_t a, uint16_t b)
{
    const struct frame *x = &f->frames[a], *y = &f->frames[b];
    return x->due_ns != y->due_ns ? x->due_ns < y->due_ns : x->order < y->order;
}

static void push_frame(struct forwarder *f, uint16_t frame)
{
    size_t at = f->heap_cnt++;

    for (; at > 0 && is_earlier(f, frame, f->heap[(at - 1) / 2]); at = (at - 1) / 2)
        f->heap[at] = f->heap[(at - 1) / 2];
    f->heap[at] = frame;
}

static uint16_t pop_frame(struct forwarder *f)
{
    const uint16_t first = f->heap[0], last = f->heap[--f->heap_cnt];
    size_t at = 0;

    for (size_t child = 1; child < f->heap_cnt; child = 2 * at + 1) {
        child += child + 1 < f->heap_cnt && is_earlier(f, f->heap[child + 1], f->heap[child]);
        if (!is_earlier(f, f->heap[child], last))
            break;
        f->heap[at] = f->heap[child];
        at = child;
    }
    f->heap[at] = last;
    return first;
}

/* ---- one packet ---- */

static bool happens(struct forwarder *f, uint32_t parts)
{
    return parts > 0 && rng_below(&f->rng, FORWARDER_PARTS) < parts;
}

/* When a packet that enters the link at `now_ns` has left it at the other end. */
static uint64_t cross_link(struct forwarder *f, size_t host, size_t len, uint64_t now_ns)
{
    const struct forwarder_link *link = &f->shared->links[host];
    const uint64_t rate = link->rate;

    if (rate > 0) {
        uint64_t begin_ns = f->free_ns[host] > now_ns ? f->free_ns[host] : now_ns;
        now_ns = f->free_ns[host] = begin_ns + len * 8 * NS_PER_S / rate;
    }
    if (happens(f, link->reordering))
        return now_ns; /* it overtakes those that wait */
    return now_ns + (uint64_t)link->delay_us * 1000 * f->shared->slow;
}

static void queue_frame(struct forwarder *f, size_t to, const uint8_t *octets, size_t len,
                        uint64_t due_ns)
{
    if (f->unused_cnt == 0) {
        f->shared->links[to].dropped++;
        return;
    }
    const uint16_t index = f->unused[--f->unused_cnt];
    struct frame *frame = &f->frames[index];
    frame->due_ns = due_ns;
    frame->order = f->order++;
    frame->len = (uint16_t)len;
    frame->to = (uint8_t)to;
    memcpy(frame->octets, octets, len);
    push_frame(f, index);
}

static void send_along(struct forwarder *f, size_t from, size_t to, const uint8_t *octets,
                       size_t len, uint64_t now_ns)
{
    struct forwarder_link *ends[] = {&f->shared->links[from], &f->shared->links[to]};

    if (happens(f, ends[0]->loss) || happens(f, ends[1]->loss)) {
        ends[1]->dropped++;
        return;
    }
    uint64_t due_ns = cross_link(f, to, len, cross_link(f, from, len, now_ns));
    queue_frame(f, to, octets, len, due_ns);
    if (happens(f, ends[0]->copies) || happens(f, ends[1]->copies))
        queue_frame(f, to, octets, len, due_ns);
}

/* The on-path attacker hears a packet when it enters or leaves an overheard link, before it is
 * delayed: an attacker in the same network is nearer than any server. */
static void copy_to_attacker(struct forwarder *f, size_t from, size_t to, const uint8_t *octets,
                             size_t len, uint64_t now_ns)
{
    static size_t attacker = SIZE_MAX;

    if (attacker == SIZE_MAX)
        attacker = topology_index(topology_find("onpath"));
    if (from != attacker && to != attacker &&
        (topology_hosts[from].is_overheard || topology_hosts[to].is_overheard))
        queue_frame(f, attacker, octets, len, now_ns);
}

static void forward_frame(struct forwarder *f, size_t from, const uint8_t *octets, size_t len)
{
    const uint64_t now_ns = read_clock_ns();
    const size_t to = topology_by_mac(octets);

    /* broadcasts and unknown addresses go nowhere: all neighbours are known */
    if (to >= topology_host_cnt || to == from)
        return;
    copy_to_attacker(f, from, to, octets, len, now_ns);
    send_along(f, from, to, octets, len, now_ns);
}

/* ---- the loop ---- */

static void read_link(struct forwarder *f, size_t from)
{
    static uint8_t octets[BATCH][FRAME_MAX];
    struct iovec parts[BATCH];
    struct sockaddr_ll senders[BATCH];
    struct mmsghdr messages[BATCH] = {0};

    for (size_t i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){.iov_base = octets[i], .iov_len = FRAME_MAX};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &senders[i],
                                              .msg_namelen = sizeof(senders[i]),
                                              .msg_iov = &parts[i],
                                              .msg_iovlen = 1};
    }
    int cnt = recvmmsg(f->fds[from], messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < cnt; i++)
        if (senders[i].sll_pkttype != PACKET_OUTGOING && messages[i].msg_len >= ETH_HLEN &&
            !(messages[i].msg_hdr.msg_flags & MSG_TRUNC))
            forward_frame(f, from, octets[i], messages[i].msg_len);
}

static void hand_over(struct forwarder *f, const struct frame *frame)
{
    struct forwarder_link *link = &f->shared->links[frame->to];

    if (send(f->fds[frame->to], frame->octets, frame->len, MSG_DONTWAIT) == frame->len) {
        link->packets++;
        link->octets += frame->len;
    } else {
        link->dropped++;
    }
}

static void send_due(struct forwarder *f)
{
    while (f->heap_cnt > 0 && f->frames[f->heap[0]].due_ns <= read_clock_ns()) {
        const uint16_t index = pop_frame(f);
        hand_over(f, &f->frames[index]);
        f->unused[f->unused_cnt++] = index;
    }
}

/* A new seed begins a new sequence, so that a run with this seed can be repeated. */
static void take_seed(struct forwarder *f)
{
    const uint64_t seed = f->shared->seed;

    if (seed == f->seed)
        return;
    f->seed = seed;
    rng_init_seeded(&f->rng, seed);
}

static void wait_for_frames(struct forwarder *f)
{
    struct pollfd polled[TOPOLOGY_HOSTS_MAX];
    struct timespec wait = {.tv_sec = 1};

    for (size_t i = 0; i < topology_host_cnt; i++)
        polled[i] = (struct pollfd){.fd = f->fds[i], .events = POLLIN};
    if (f->heap_cnt > 0) {
        const uint64_t due_ns = f->frames[f->heap[0]].due_ns, now_ns = read_clock_ns();
        const uint64_t left_ns = due_ns > now_ns ? due_ns - now_ns : 0;
        wait.tv_sec = (time_t)(left_ns / NS_PER_S);
        wait.tv_nsec = (long)(left_ns % NS_PER_S);
    }
    if (ppoll(polled, topology_host_cnt, &wait, NULL) <= 0)
        return;
    for (size_t i = 0; i < topology_host_cnt; i++)
        if (polled[i].revents & POLLIN)
            read_link(f, i);
        else if (polled[i].revents)
            (void)getsockopt(f->fds[i], SOL_SOCKET, SO_ERROR, &(int){0},
                             &(socklen_t){sizeof(int)});
}

static int open_link(const char *name)
{
    const struct sockaddr_ll at = {.sll_family = AF_PACKET,
                                   .sll_protocol = htons(ETH_P_ALL),
                                   .sll_ifindex = (int)if_nametoindex(name)};
    const int buffer = SOCKET_BUFFER, on = 1;
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
    (void)setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    close(fd);
    return -1;
}

void forwarder_run(struct forwarder_shared *shared)
{
    static struct forwarder f;

    f.shared = shared;
    f.frames = calloc(QUEUE_MAX, sizeof(*f.frames));
    if (!f.frames)
        return;
    for (size_t i = 0; i < QUEUE_MAX; i++)
        f.unused[f.unused_cnt++] = (uint16_t)i;
    rng_init_seeded(&f.rng, f.seed);
    for (size_t i = 0; i < topology_host_cnt; i++)
        if ((f.fds[i] = open_link(topology_hosts[i].name)) < 0)
            return;
    for (;;) {
        take_seed(&f);
        wait_for_frames(&f);
        send_due(&f);
    }
}
