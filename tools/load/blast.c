/* dns-blast: ask as fast as the server answers, over UDP to a loopback address.
 *
 *   dns-blast ADDRESS PORT SECONDS WINDOW FILE [SOURCES]
 *
 * FILE holds questions, each with two octets of length in front.  At most WINDOW of them are on
 * their way at a time; what is not answered within LOST_MS is lost.  With SOURCES the questions
 * leave from that many addresses, 127.X.Y.1, each in a /24 of its own.  It spins instead of
 * sleeping: to wake it would be the server's work.  Prints one line of JSON. */
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

struct question {
    const unsigned char *bytes;
    uint16_t len;
};

struct count {
    uint64_t sent, answered, lost, bytes_out, bytes_in, truncated;
    uint64_t rcodes[16];
};

static unsigned char answers[BATCH][SIZE];
static struct question *questions;
static size_t question_cnt, next_question;
static int sockets[SOCKETS_MAX];
static size_t socket_cnt;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int fail(const char *what)
{
    perror(what);
    return 1;
}

static int read_questions(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        return fail(path);
    size_t size = (size_t)ftell(file), room = 0;
    unsigned char *bytes = malloc(size + 1);
    rewind(file);
    if (!bytes || fread(bytes, 1, size, file) != size)
        return fail(path);
    fclose(file);
    for (size_t at = 0; at + 2 < size;) {
        uint16_t len = (uint16_t)(bytes[at] << 8 | bytes[at + 1]);
        if (at + 2 + len > size)
            break;
        if (question_cnt == room) {
            room = room ? room * 2 : 1024;
            questions = realloc(questions, room * sizeof(*questions));
            if (!questions)
                return fail("memory");
        }
        questions[question_cnt++] = (struct question){bytes + at + 2, len};
        at += 2U + len;
    }
    if (question_cnt == 0)
        fprintf(stderr, "%s: no questions\n", path);
    return question_cnt == 0;
}

static int open_sockets(const char *address, const char *port, unsigned sources)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int size = RCVBUF;

    if (inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
        (ntohl(to.sin_addr.s_addr) >> 24) != 127) {
        fprintf(stderr, "%s: only addresses of 127.0.0.0/8 are asked\n", address);
        return 2;
    }
    for (unsigned i = 0; i < (sources ? sources : 1); i++) {
        int fd = socket(AF_INET, SOCK_DGRAM, 0);
        struct sockaddr_in from = {.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(0x7f000001U + ((i + 1) << 8))};
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
        if (fd < 0 || (sources && bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0) ||
            connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
            return fail("socket");
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
        const struct question *q = &questions[next_question++ % question_cnt];
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

static void run(struct count *count, double end, uint64_t window)
{
    uint64_t waiting = 0;
    size_t turn = 0, batches = 0;
    double last = seconds();

    for (double now = last; now < end; now = seconds()) {
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
        fprintf(stderr, "dns-blast: at most %d seconds and %d sources\n", SECONDS_MAX,
                SOCKETS_MAX);
        return 2;
    }
    int status = read_questions(argv[5]);
    if (!status)
        status = open_sockets(argv[1], argv[2], sources);
    if (status)
        return status;
    double start = seconds();
    run(&count, start + length, (uint64_t)atoll(argv[4]));
    double took = seconds() - start;
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
