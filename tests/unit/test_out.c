/* The sockets that queries leave from: their ports and what a port scan reveals, their number,
 * and failing TCP servers. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/threads.h"

#include "net/loop/loop.h"
#include "net/upstream/out_net.h"

enum { PORTS = 2000, WORKERS = 4 };

static struct ports *system_ports;
static atomic_bool is_halted;

static void settle(void *data) { (void)data; }
static void done(struct out_ask *ask, enum out_result result, const struct message *reply)
{
    (void)ask;
    (void)result;
    (void)reply;
}
static void on_rejected(struct out_ask *ask, const struct out_rejected *reply)
{
    (void)ask;
    (void)reply;
}

/* Open a UDP socket on loopback; *at is its address. */
static int open_udp_server(struct addr *at)
{
    socklen_t len = sizeof(at->sock);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    assert_int_equal(addr_read("127.0.0.1", 0, at), ERR_OK);
    assert_int_equal(bind(fd, &at->sock.any, addr_len(at)), 0);
    assert_int_equal(getsockname(fd, &at->sock.any, &len), 0);
    return fd;
}

/* Return the port that the query now waiting at the sink came from; 0 if there is none. */
static uint16_t read_source_port(int fd)
{
    struct addr from = {.sock = {.any = {.sa_family = AF_UNSPEC}}};
    socklen_t len = sizeof(from.sock);
    uint8_t wire[512];
    bool is_received = recvfrom(fd, wire, sizeof(wire), 0, &from.sock.any, &len) > 0;
    return is_received ? addr_port(&from) : 0;
}

/* Lifetime: the test. */
struct asker {
    uv_loop_t loop;
    struct out *out;
    struct out_ask ask;
    struct addr server;
    int fd;
    double ports[PORTS];
};

static void open_asker_with(struct asker *a, unsigned socket_max)
{
    struct out_net_sources sources = {
        .ports = system_ports, .most = socket_max, .is_halted = &is_halted};

    a->fd = open_udp_server(&a->server);
    assert_int_equal(uv_loop_init(&a->loop), 0);
    assert_int_equal(out_net_new(&a->loop, &sources, &a->out), ERR_OK);
    a->out->settle = settle;
    a->ask = (struct out_ask){.match = {.to = a->server, .checks_source = true},
                              .len = 12,
                              .timeout_ms = 1000,
                              .done = done,
                              .rejected = on_rejected};
}

static void open_asker(struct asker *a) { open_asker_with(a, OUT_NET_SOCKETS_MAX); }

static void close_asker(struct asker *a)
{
    out_net_close(&a->out);
    uv_run(&a->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&a->loop), 0);
    close(a->fd);
}

/* Open a TCP socket on loopback; the asker's server has its address from now on. */
static int bind_tcp(struct asker *a)
{
    socklen_t len = sizeof(struct sockaddr_in);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    addr_set_port(&a->server, 0);
    assert_int_equal(bind(fd, &a->server.sock.any, addr_len(&a->server)), 0);
    assert_int_equal(getsockname(fd, &a->server.sock.any, &len), 0);
    return fd;
}

/* ---- ports (docs/LIMITS.md section 1: SAD DNS) ---- */

/* True if a datagram to the port from an address other than the server's gets an ICMP error:
 * port unreachable. */
static bool is_unreachable(uint16_t port)
{
    struct addr at;
    int fd = open_udp_server(&at);
    uint8_t byte = 0;

    if (addr_port(&at) == port) { /* it would send to itself */
        int self = fd;
        fd = open_udp_server(&at);
        close(self);
    }
    assert_int_equal(addr_read("127.0.0.1", port, &at), ERR_OK);
    assert_int_equal(connect(fd, &at.sock.any, addr_len(&at)), 0);
    assert_int_equal(send(fd, &byte, 1, 0), 1);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    poll(&wait, 1, 2000);
    bool is = recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNREFUSED;
    close(fd);
    return is;
}

static void test_open_ports_look_closed(void **state)
{
    static struct asker a;
    struct addr open_at, closed_at;
    (void)state;

    int closed = open_udp_server(&closed_at), open_fd = open_udp_server(&open_at);
    close(closed);
    assert_true(is_unreachable(addr_port(&closed_at)));
    assert_false(is_unreachable(addr_port(&open_at))); /* an unconnected socket is visible */
    open_asker(&a);
    assert_int_equal(a.out->ask(a.out, &a.ask), ERR_OK);
    uint16_t port = read_source_port(a.fd);
    assert_true(port > 0 && is_unreachable(port));
    a.out->cancel(a.out, &a.ask);
    close_asker(&a);
    close(open_fd);
}

/* ---- limits of the system ---- */

/* Watching fails, as when fs.epoll.max_user_watches is reached. */
static bool is_watching_failing;
int __real_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    if (!is_watching_failing)
        return __real_epoll_ctl(epoll, op, fd, event);
    errno = ENOSPC;
    return -1;
}

/* Disconnecting fails, as when the kernel has no memory. */
static bool is_disconnecting_failing;
int __real_connect(int fd, const struct sockaddr *at, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *at, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *at, socklen_t len)
{
    if (!is_disconnecting_failing || at->sa_family != AF_UNSPEC)
        return __real_connect(fd, at, len);
    errno = ENOBUFS;
    return -1;
}

static void test_loop_room_is_reserved(void **state)
{
    uv_loop_t loop;
    uv_tcp_t tcp;
    (void)state;

    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(loop_reserve(&loop, 1000), ERR_OK);
    assert_true(loop.nwatchers >= 1000);
    assert_int_equal(loop_reserve(&loop, 1U << 30), ERR_IO); /* above RLIMIT_NOFILE */
    assert_int_equal(uv_tcp_init(&loop, &tcp), 0);
    assert_int_equal(loop_admit((uv_handle_t *)&tcp), ERR_LIMIT); /* no descriptor yet */
    uv_close((uv_handle_t *)&tcp, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_tcp_init_ex(&loop, &tcp, AF_INET), 0);
    assert_int_equal(loop_admit((uv_handle_t *)&tcp), ERR_OK);
    assert_int_equal(loop_admit((uv_handle_t *)&tcp), ERR_OK);
    is_watching_failing = true;
    assert_int_equal(loop_admit((uv_handle_t *)&tcp), ERR_LIMIT);
    is_watching_failing = false;
    uv_close((uv_handle_t *)&tcp, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_unwatchable_connection(void **state)
{
    static struct asker a;
    (void)state;

    open_asker(&a);
    a.ask.is_tcp = true;
    is_watching_failing = true;
    assert_int_equal(a.out->ask(a.out, &a.ask), ERR_LIMIT);
    is_watching_failing = false;
    close_asker(&a);
}

/* UDP and TCP sockets are counted together; idle ones make room. */
static void test_sockets_are_bounded(void **state)
{
    static struct asker a;
    static struct out_ask asks[20];
    struct addr listener;
    (void)state;

    open_asker_with(&a, ARRAY_LEN(asks) - 4);
    int tcp = bind_tcp(&a);
    assert_int_equal(listen(tcp, 10), 0);
    listener = a.server;
    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        asks[i] = a.ask;
        enum err err = a.out->ask(a.out, &asks[i]);
        assert_int_equal(err, i < ARRAY_LEN(asks) - 4 ? ERR_OK : ERR_LIMIT);
    }
    struct out_ask over_tcp = a.ask;
    over_tcp.is_tcp = true;
    over_tcp.match.to = listener;
    assert_int_equal(a.out->ask(a.out, &over_tcp), ERR_LIMIT);
    a.out->cancel(a.out, &asks[0]);
    assert_int_equal(a.out->ask(a.out, &over_tcp), ERR_OK);
    assert_int_equal(a.out->ask(a.out, &asks[0]), ERR_LIMIT);
    for (size_t i = 1; i < ARRAY_LEN(asks); i++)
        a.out->cancel(a.out, &asks[i]);
    a.out->cancel(a.out, &over_tcp);
    for (size_t i = 0; i < ARRAY_LEN(asks) - 4;
         i++) /* the idle connection is closed for the last query */
        assert_int_equal(a.out->ask(a.out, &asks[i]), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(asks) - 4; i++)
        a.out->cancel(a.out, &asks[i]);
    close_asker(&a);
    close(tcp);
}

static size_t count_descriptors(void)
{
    size_t cnt = 0;
    for (int fd = 0; fd < 8192; fd++)
        cnt += fcntl(fd, F_GETFD) >= 0;
    return cnt;
}

/* Send 100 queries, each when the one before is cancelled, so that some leave from pooled
 * sockets.  Return how many descriptors are open then. */
static size_t count_after_queries(struct asker *a)
{
    for (int i = 0; i < 100; i++) {
        assert_int_equal(a->out->ask(a->out, &a->ask), ERR_OK);
        uint16_t port = read_source_port(a->fd);
        a->out->cancel(a->out, &a->ask);
        assert_true(port > 0 && is_unreachable(port));
    }
    return count_descriptors();
}

/* A socket that stays connected is closed: it would keep its port, and receive from a server
 * that is not asked. */
static void test_a_socket_that_stays_connected_is_closed(void **state)
{
    static struct asker a;
    (void)state;

    open_asker(&a);
    size_t before = count_descriptors();
    assert_int_equal(count_after_queries(&a), before + 1);
    is_disconnecting_failing = true;
    assert_int_equal(count_after_queries(&a), before);
    is_disconnecting_failing = false;
    close_asker(&a);
}

/* After a peak at most IDLE_SOCKETS_MAX sockets stay open. */
static void test_sockets_after_a_peak(void **state)
{
    static struct asker a;
    static struct out_ask asks[3000];
    struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096}, before;
    (void)state;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    if (before.rlim_max < limit.rlim_max)
        skip();
    limit.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    open_asker(&a);
    size_t idle_cnt = count_descriptors();
    for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
        asks[i] = a.ask;
        assert_int_equal(a.out->ask(a.out, &asks[i]), ERR_OK);
    }
    assert_true(count_descriptors() >= idle_cnt + ARRAY_LEN(asks));
    for (size_t i = 0; i < ARRAY_LEN(asks); i++)
        a.out->cancel(a.out, &asks[i]);
    assert_true(count_descriptors() <= idle_cnt + 1024);
    close_asker(&a);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* ---- the same range for all workers ---- */

/* Return what is wrong, or NULL. */
static void *draw_ports(void *data)
{
    struct asker *a = data;
    for (int i = 0; i < PORTS; i++) {
        if (a->out->ask(a->out, &a->ask) != ERR_OK)
            return (void *)"a query cannot be sent";
        uint16_t port = read_source_port(a->fd);
        if (port == 0)
            return (void *)"a query does not arrive";
        a->ports[i] = port;
        a->out->cancel(a->out, &a->ask);
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The Kolmogorov-Smirnov statistic of two sorted samples of equal size. */
static double ks_distance(const double *a, const double *b)
{
    double largest = 0;
    for (int i = 0, j = 0; i < PORTS && j < PORTS;) {
        double at = a[i] < b[j] ? a[i] : b[j];
        while (i < PORTS && a[i] <= at)
            i++;
        while (j < PORTS && b[j] <= at)
            j++;
        largest = fmax(largest, fabs((double)(i - j)) / PORTS);
    }
    return largest;
}

static void test_workers_draw_from_the_same_ports(void **state)
{
    static struct asker workers[WORKERS];
    static double even[PORTS];
    struct threads threads = {.cnt = 0};
    /* p < 1e-6 */
    const double limit = sqrt(-0.5 * log(0.5e-6)) * sqrt(2.0 / PORTS);
    (void)state;

    for (int i = 0; i < PORTS; i++)
        even[i] = 1024 + (double)(65535 - 1024) * i / PORTS;
    for (int w = 0; w < WORKERS; w++)
        open_asker(&workers[w]);
    for (int w = 0; w < WORKERS; w++)
        threads_start(&threads, draw_ports, &workers[w]);
    threads_join(&threads);
    for (int w = 0; w < WORKERS; w++) {
        qsort(workers[w].ports, PORTS, sizeof(double), compare);
        assert_true(ks_distance(workers[w].ports, even) < limit);
        for (int v = 0; v < w; v++)
            assert_true(ks_distance(workers[w].ports, workers[v].ports) < limit);
    }
    for (int w = 0; w < WORKERS; w++)
        close_asker(&workers[w]);
}

/* Every allowed port is drawn, and no other, by the kernel or by us. */
static void test_allowed_ports(void **state)
{
    static const struct ports_range allowed[] = {{40000, 40009}, {2000, 2009}, {61000, 61003}};
    static const struct ports_range except[] = {{2003, 2004}, {40002, 40002}};
    static struct asker a;
    struct ports_terms terms = {allowed, ARRAY_LEN(allowed), except, ARRAY_LEN(except)};
    struct ports *ports;
    bool seen[UINT16_MAX + 1] = {false};
    unsigned cnt = 0;
    (void)state;

    assert_int_equal(ports_new(&terms, &ports), ERR_OK);
    assert_int_equal(ports_cnt(ports), 21);
    assert_int_equal(ports_decibits(ports), 43);
    struct ports *old_ports = system_ports;
    system_ports = ports;
    open_asker(&a);
    for (int i = 0; i < 2000; i++) {
        if (a.out->ask(a.out, &a.ask) != ERR_OK)
            continue; /* the test's own socket occupies it */
        uint16_t port = read_source_port(a.fd);
        assert_true(is_unreachable(port));
        a.out->cancel(a.out, &a.ask);
        assert_true(is_unreachable(port));
        cnt += !seen[port];
        seen[port] = true;
        assert_true((port >= 2000 && port <= 2009 && port != 2003 && port != 2004) ||
                    (port >= 40000 && port <= 40009 && port != 40002) ||
                    (port >= 61000 && port <= 61003));
    }
    assert_in_range(cnt, 20, 21);
    close_asker(&a);
    system_ports = old_ports;
    ports_free(&ports);
    assert_int_equal(ports_new(&(struct ports_terms){except, 1, except, 1}, &ports),
                     ERR_CONFIG);
}

/* Queries that cannot be sent leave no socket open, whichever part of the ports they use; a
 * later query is sent. */
static void test_unsendable_queries(void **state)
{
    static const struct ports_range bound[] = {{2000, 9999}};
    static struct asker a;
    struct ports_terms terms = {bound, 1, NULL, 0};
    struct ports *old_ports = system_ports;
    (void)state;

    assert_int_equal(ports_new(&terms, &system_ports), ERR_OK);
    open_asker(&a);
    struct addr server_at = a.ask.match.to;
    assert_int_equal(addr_read("255.255.255.255", 53, &a.ask.match.to),
                     ERR_OK); /* broadcasts are forbidden */
    for (int i = 0; i < 9000; i++)
        assert_int_equal(a.out->ask(a.out, &a.ask), ERR_DENIED);
    a.ask.match.to = server_at;
    assert_int_equal(a.out->ask(a.out, &a.ask), ERR_OK);
    assert_in_range(read_source_port(a.fd), 2000, 9999);
    a.out->cancel(a.out, &a.ask);
    close_asker(&a);
    ports_free(&system_ports);
    system_ports = old_ports;
}

/* A duplicate of a reply is not counted as forged when the next query has the same socket. */
static unsigned rejected_cnt, done_cnt;

static void count_rejected(struct out_ask *ask, const struct out_rejected *reply)
{
    (void)ask;
    (void)reply;
    rejected_cnt++;
}

static void count_done(struct out_ask *ask, enum out_result result, const struct message *reply)
{
    (void)ask;
    (void)reply;
    done_cnt += result == OUT_REPLY;
}

static void set_query(struct asker *a, uint16_t id)
{
    static const uint8_t query[] = "\0\0\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0";
    memcpy(a->ask.wire, query, sizeof(query));
    a->ask.wire[sizeof(query) - 1] = 1;
    a->ask.len = sizeof(query);
    util_put_u16(a->ask.wire, id);
    a->ask.match = (struct match){.to = a->server,
                                  .wire = a->ask.wire,
                                  .question_len = sizeof(query) - 12,
                                  .udp_size = 1232,
                                  .checks_source = true,
                                  .checks_id = true,
                                  .checks_question = true};
    a->ask.done = count_done;
    a->ask.rejected = count_rejected;
}

/* Answer the query that is queued at the socket, `times` times. */
static void answer(struct asker *a, int times)
{
    struct addr from;
    socklen_t len = sizeof(from.sock);
    uint8_t wire[512];
    ssize_t got = recvfrom(a->fd, wire, sizeof(wire), 0, &from.sock.any, &len);
    assert_true(got > 0);
    wire[2] |= 0x80;
    for (int i = 0; i < times; i++)
        assert_int_equal(sendto(a->fd, wire, (size_t)got, 0, &from.sock.any, len), got);
}

static void test_duplicate_replies(void **state)
{
    static const struct ports_range allowed[] = {{32768, 60999}};
    struct ports_terms terms = {allowed, 1, NULL, 0};
    static struct asker a;
    struct ports *old_ports = system_ports;
    (void)state;

    assert_int_equal(ports_new(&terms, &system_ports), ERR_OK);
    open_asker(&a);
    rejected_cnt = done_cnt = 0;
    for (uint16_t id = 1; id <= 50; id++) {
        set_query(&a, id);
        assert_int_equal(a.out->ask(a.out, &a.ask), ERR_OK);
        answer(&a, 3);
        while (done_cnt < id)
            uv_run(&a.loop, UV_RUN_ONCE);
    }
    assert_int_equal(rejected_cnt, 0);
    close_asker(&a);
    ports_free(&system_ports);
    system_ports = old_ports;
}

/* Laboratory: without the check of the source a reply from another address counts. */
static void test_replies_from_another_address(void **state)
{
    static struct asker a;
    struct addr other, from;
    (void)state;

    open_asker(&a);
    int fd = open_udp_server(&other);
    for (int checks = 0; checks < 2; checks++) {
        socklen_t len = sizeof(from.sock);
        uint8_t wire[512];
        rejected_cnt = done_cnt = 0;
        set_query(&a, 1);
        a.ask.match.checks_source = checks;
        a.ask.timeout_ms = 200;
        assert_int_equal(a.out->ask(a.out, &a.ask), ERR_OK);
        ssize_t got = recvfrom(a.fd, wire, sizeof(wire), 0, &from.sock.any, &len);
        assert_true(got > 0);
        wire[2] |= 0x80;
        (void)!sendto(fd, wire, (size_t)got, 0, &from.sock.any, len);
        while (a.ask.slot)
            uv_run(&a.loop, UV_RUN_ONCE);
        assert_int_equal(done_cnt, checks ? 0 : 1);
    }
    close(fd);
    close_asker(&a);
}

/* An unanswered query wakes the loop once, at its deadline. */
static unsigned settle_cnt;

static void count_settle(void *data)
{
    (void)data;
    settle_cnt++;
}

static void test_wake_ups(void **state)
{
    static struct asker a;
    (void)state;

    open_asker(&a);
    a.out->settle = count_settle;
    settle_cnt = 0;
    a.ask.timeout_ms = 600;
    assert_int_equal(a.out->ask(a.out, &a.ask), ERR_OK);
    while (a.ask.slot)
        uv_run(&a.loop, UV_RUN_ONCE);
    assert_in_range(settle_cnt, 1, 3);
    close_asker(&a);
}

/* Why a query over TCP failed. */
static enum out_fault fault;
static bool has_failed;

static void note_fault(struct out_ask *ask, enum out_result result, const struct message *reply)
{
    (void)reply;
    has_failed = true;
    fault = result == OUT_FAILED ? ask->fault : OUT_FAULT_NONE;
}

static void test_faults_of_tcp(void **state)
{
    static const struct {
        const char *sends; /* NULL: the port is closed */
        size_t len;
        enum out_fault fault;
    } servers[] = {
        {NULL, 0, OUT_FAULT_REFUSED},
        {"", 0, OUT_FAULT_CLOSED},
        {"\0", 1, OUT_FAULT_CLOSED},    /* half a length */
        {"\0\1x", 3, OUT_FAULT_BROKEN}, /* a frame without an ID */
        {"\0\14\0\7\200\0\0\1\0\0\0\0\0\0", 14,
         OUT_FAULT_BROKEN}, /* the right ID without the question */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
        static struct asker a;
        int fd = -1;

        open_asker(&a);
        int listener = bind_tcp(&a);
        if (servers[i].sends)
            assert_int_equal(listen(listener, 1), 0);
        set_query(&a, 7);
        a.ask.done = note_fault;
        a.ask.is_tcp = a.ask.match.is_tcp = true;
        has_failed = false;
        enum err err = a.out->ask(a.out, &a.ask);
        assert_int_equal(err, ERR_OK);
        if (servers[i].sends) {
            fd = accept(listener, NULL, NULL);
            uv_run(&a.loop, UV_RUN_NOWAIT);
            assert_int_equal(send(fd, servers[i].sends, servers[i].len, 0), servers[i].len);
            shutdown(fd, SHUT_WR);
        }
        while (!has_failed)
            uv_run(&a.loop, UV_RUN_ONCE);
        assert_int_equal(fault, servers[i].fault);
        if (fd >= 0)
            close(fd);
        close(listener);
        close_asker(&a);
    }
}

static void run_turns(struct asker *a)
{
    for (int i = 0; i < 10; i++)
        uv_run(&a->loop, UV_RUN_NOWAIT);
}

/* A message without a query may be the reply to a cancelled one.  Several close the connection,
 * and so does one while no query is open. */
static void test_endless_messages(void **state)
{
    static const char other_id[] = "\0\23\1\1\200\0\0\1\0\0\0\0\0\0\1b\0\0\1\0\1";
    (void)state;
    for (int has_same_id = 0; has_same_id < 2; has_same_id++) {
        static struct asker a;
        char message[sizeof(other_id)];
        uint8_t wire[512];

        memcpy(message, other_id, sizeof(message));
        if (has_same_id)
            memcpy(message + 2, "\0\7", 2);
        open_asker(&a);
        int listener = bind_tcp(&a);
        assert_int_equal(listen(listener, 5), 0);
        set_query(&a, 7);
        a.ask.done = note_fault;
        a.ask.rejected = count_rejected;
        a.ask.is_tcp = a.ask.match.is_tcp = true;
        has_failed = false;
        rejected_cnt = 0;
        assert_int_equal(a.out->ask(a.out, &a.ask), ERR_OK);
        int fd = accept(listener, NULL, NULL);
        run_turns(&a);
        ssize_t query_len = recv(fd, wire, sizeof(wire), 0);
        for (int i = 0; i < 3; i++)
            send(fd, message, sizeof(message) - 1, 0);
        run_turns(&a);
        assert_false(has_failed);
        send(fd, message, sizeof(message) - 1, 0);
        for (int i = 0; i < 200 && !has_failed; i++)
            run_turns(&a);
        assert_true(has_failed && fault == OUT_FAULT_BROKEN);
        assert_int_equal(rejected_cnt, has_same_id ? 4 : 0);
        assert_int_equal(recv(fd, wire + 256, 1, 0), 0);
        close(fd);

        has_failed = false; /* one more after the answer */
        assert_int_equal(a.out->ask(a.out, &a.ask), ERR_OK);
        fd = accept(listener, NULL, NULL);
        run_turns(&a);
        query_len = recv(fd, wire, sizeof(wire), 0);
        wire[4] |= 0x80;
        assert_int_equal(send(fd, wire, (size_t)query_len, 0), query_len);
        for (int i = 0; i < 200 && !has_failed; i++)
            run_turns(&a);
        assert_true(has_failed && fault == OUT_FAULT_NONE);
        send(fd, message, sizeof(message) - 1, 0);
        run_turns(&a);
        assert_int_equal(recv(fd, wire, 1, MSG_DONTWAIT), 0);
        close(fd);
        close(listener);
        close_asker(&a);
    }
}

/* The queries of a connection that is dead without a sign share one new connection, well before
 * their deadline. */
static void test_silent_connection(void **state)
{
    static struct asker a;
    static struct out_ask asks[3];
    (void)state;

    open_asker(&a);
    int listener = bind_tcp(&a);
    assert_int_equal(listen(listener, 5), 0);
    set_query(&a, 1);
    a.ask.is_tcp = a.ask.match.is_tcp = true;
    a.ask.timeout_ms = 4000;
    done_cnt = 0;
    assert_int_equal(a.out->ask(a.out, &a.ask), ERR_OK);
    int first = accept(listener, NULL, NULL);
    uint8_t wire[512];
    uv_run(&a.loop, UV_RUN_NOWAIT);
    ssize_t got = recv(first, wire, sizeof(wire), 0);
    wire[4] |= 0x80;
    assert_int_equal(send(first, wire, (size_t)got, 0), got);
    while (done_cnt < 1)
        uv_run(&a.loop, UV_RUN_ONCE);
    /* from now on this connection only reads */
    for (uint16_t i = 0; i < 3; i++) {
        set_query(&a, (uint16_t)(10 + i));
        asks[i] = a.ask;
        asks[i].match.wire = asks[i].wire;
        assert_int_equal(a.out->ask(a.out, &asks[i]), ERR_OK);
    }
    struct pollfd wait = {.fd = listener, .events = POLLIN};
    while (poll(&wait, 1, 0) == 0)
        uv_run(&a.loop, UV_RUN_ONCE);
    int second = accept(listener, NULL, NULL);
    size_t have = 0;
    while (done_cnt < 4) {
        uv_run(&a.loop, UV_RUN_NOWAIT);
        got = recv(second, wire + have, sizeof(wire) - have, MSG_DONTWAIT);
        have += got > 0 ? (size_t)got : 0;
        while (have >= 2 && have >= 2U + util_get_u16(wire)) {
            size_t whole = 2U + util_get_u16(wire);
            wire[4] |= 0x80;
            assert_int_equal(send(second, wire, whole, 0), whole);
            memmove(wire, wire + whole, have - whole);
            have -= whole;
        }
    }
    assert_int_equal(poll(&wait, 1, 0), 0); /* no third connection */
    close(first);
    close(second);
    close(listener);
    close_asker(&a);
}

static int open_system_ports(void **state)
{
    (void)state;
    return ports_new(&(struct ports_terms){0}, &system_ports) == ERR_OK ? 0 : -1;
}

static int close_system_ports(void **state)
{
    (void)state;
    ports_free(&system_ports);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_ports_look_closed),
        cmocka_unit_test(test_loop_room_is_reserved),
        cmocka_unit_test(test_unwatchable_connection),
        cmocka_unit_test(test_sockets_are_bounded),
        cmocka_unit_test(test_a_socket_that_stays_connected_is_closed),
        cmocka_unit_test(test_sockets_after_a_peak),
        cmocka_unit_test(test_workers_draw_from_the_same_ports),
        cmocka_unit_test(test_allowed_ports),
        cmocka_unit_test(test_unsendable_queries),
        cmocka_unit_test(test_duplicate_replies),
        cmocka_unit_test(test_replies_from_another_address),
        cmocka_unit_test(test_wake_ups),
        cmocka_unit_test(test_faults_of_tcp),
        cmocka_unit_test(test_endless_messages),
        cmocka_unit_test(test_silent_connection),
    };
    return cmocka_run_group_tests(tests, open_system_ports, close_system_ports);
}
