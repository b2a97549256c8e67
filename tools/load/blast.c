/* dns-blast: send queries over UDP to a loopback address as fast as the server answers.
 *
 *   dns-blast ADDRESS PORT SECONDS WINDOW FILE [SOURCES]
 *
 * FILE has queries, each after two octets of length.  At most WINDOW are outstanding; if no
 * reply comes for LOST_MS, all outstanding ones count as lost.  With SOURCES queries leave from
 * that many addresses, 127.X.Y.1, each in its own /24.  The program spins instead of sleeping,
 * because waking it would cost the server CPU time.  It prints one line of JSON. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 64,
    SIZE = 4096,
    LOST_MS = 100,
    SOCKETS_MAX = 4096,
    SECONDS_MAX = 60,
    RCVBUF = 4 << 20
};

struct query {
    const unsigned char *bytes;
    uint16_t len;
};

struct count {
    uint64_t sent, answered, lost, bytes_out, bytes_in, truncated;
    uint64_t rcodes[16];
};

static unsigned char answers[BATCH][SIZE];
static struct query *queries;
static size_t query_cnt, next_query;
static int sockets[SOCKETS_MAX];
static size_t socket_cnt;

static double blast_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int report_errno(const char *what)
{
    perror(what);
    return 1;
}

static int read_query_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        return report_errno(path);
    size_t size = (size_t)ftell(file), room = 0;
    unsigned char *bytes = malloc(size + 1);
    rewind(file);
    if (!bytes || fread(bytes, 1, size, file) != size)
        return report_errno(path);
    fclose(file);
    for (size_t at = 0; at + 2 < size;) {
        uint16_t len = (uint16_t)(bytes[at] << 8 | bytes[at + 1]);
        if (at + 2 + len > size)
            break;
        if (query_cnt == room) {
            room = room ? room * 2 : 1024;
            queries = realloc(queries, room * sizeof(*queries));
            if (!queries)
                return report_errno("memory");
        }
        queries[query_cnt++] = (struct query){bytes + at + 2, len};
        at += 2U + len;
    }
    if (query_cnt == 0)
        fprintf(stderr, "dns-blast: %s: there are no queries in this file\n", path);
    return query_cnt == 0;
}

static int open_blast_sockets(const char *address, const char *port, unsigned sources)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int size = RCVBUF;

    if (inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
        (ntohl(to.sin_addr.s_addr) >> 24) != 127) {
        fprintf(stderr, "dns-blast: %s: the address must be in 127.0.0.0/8\n", address);
        return 2;
    }
    for (unsigned i = 0; i < (sources ? sources : 1); i++) {
        int fd = socket(AF_INET, SOCK_DGRAM, 0);
        struct sockaddr_in from = {.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(0x7f000001U + ((i + 1) << 8))};
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        if (fd < 0 || (sources && bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0) ||
            connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
            return report_errno("socket");
        sockets[socket_cnt++] = fd;
    }
    return 0;
}

static uint64_t send_batch(int fd, struct count *count)
{
    struct mmsghdr out[BATCH];
    struct iovec parts[BATCH];

    memset(out, 0, sizeof(out));
    for (int i = 0; i < BATCH; i++) {
        const struct query *q = &queries[next_query++ % query_cnt];
        parts[i] = (struct iovec){.iov_base = (void *)(uintptr_t)q->bytes, .iov_len = q->len};
        out[i].msg_hdr.msg_iov = &parts[i];
        out[i].msg_hdr.msg_iovlen = 1;
    }
    int sent = 0;
    while (sent < BATCH) {
        int n = sendmmsg(fd, out + sent, (unsigned)(BATCH - sent), 0);
        if (n <= 0 && errno != EINTR && errno != ECONNREFUSED)
            break;
        sent += n > 0 ? n : 0;
    }
    for (int i = 0; i < sent; i++)
        count->bytes_out += parts[i].iov_len;
    count->sent += (uint64_t)sent;
    return (uint64_t)sent;
}

static int receive_batch(int fd, struct count *count)
{
    static struct mmsghdr in[BATCH];
    static struct iovec parts[BATCH];

    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){.iov_base = answers[i], .iov_len = SIZE};
        in[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    int got = recvmmsg(fd, in, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < got; i++) {
        count->bytes_in += in[i].msg_len;
        count->rcodes[answers[i][3] & 15]++;
        count->truncated += (answers[i][2] & 2) != 0;
    }
    return got > 0 ? got : 0;
}

static void run_blast(struct count *count, double end, uint64_t window)
{
    uint64_t waiting = 0;
    size_t turn = 0, batches = 0;
    double last = blast_seconds();

    for (double now = last; now < end; now = blast_seconds()) {
        int got = 0;
        for (size_t i = 0; i < (socket_cnt < 16 ? socket_cnt : 16); i++)
            got += receive_batch(sockets[(turn + i) % socket_cnt], count);
        turn += 16;
        count->answered += (uint64_t)got;
        waiting -= (uint64_t)got < waiting ? (uint64_t)got : waiting;
        if (got)
            last = now;
        if (now - last > LOST_MS / 1e3) {
            count->lost += waiting;
            waiting = 0;
            last = now;
        }
        if (waiting + BATCH <= window) {
            waiting += send_batch(sockets[batches++ % socket_cnt], count);
        }
    }
}

int main(int argc, char **argv)
{
    struct count count = {0};

    if (argc < 6 || argc > 7) {
        fprintf(stderr, "usage: dns-blast ADDRESS PORT SECONDS WINDOW FILE [SOURCES]\n");
        return 2;
    }
    double length = atof(argv[3]);
    unsigned sources = argc == 7 ? (unsigned)atoi(argv[6]) : 0;
    if (!(length > 0 && length <= SECONDS_MAX) || sources > SOCKETS_MAX) {
        fprintf(stderr, "dns-blast: SECONDS is at most %d, SOURCES at most %d\n", SECONDS_MAX,
                SOCKETS_MAX);
        return 2;
    }
    int status = read_query_file(argv[5]);
    if (!status)
        status = open_blast_sockets(argv[1], argv[2], sources);
    if (status)
        return status;
    double start = blast_seconds();
    run_blast(&count, start + length, (uint64_t)atoll(argv[4]));
    double took = blast_seconds() - start;
    printf("{\"seconds\": %.3f, \"sent\": %llu, \"answered\": %llu, \"lost\": %llu, "
           "\"bytes_out\": %llu, \"bytes_in\": %llu, "
           "\"truncated\": %llu, \"rcodes\": [",
           took, (unsigned long long)count.sent, (unsigned long long)count.answered,
           (unsigned long long)count.lost, (unsigned long long)count.bytes_out,
           (unsigned long long)count.bytes_in, (unsigned long long)count.truncated);
    for (int i = 0; i < 16; i++)
        printf("%s%llu", i ? ", " : "", (unsigned long long)count.rcodes[i]);
    printf("]}\n");
    return 0;
}
