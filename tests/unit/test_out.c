/* The sockets that questions leave from: what ports they have, and what somebody who probes them learns. */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "tests/unit/unit.h"

#include "net/out_net.h"

enum { PORTS = 2000, WORKERS = 4 };

static void settle(void *data) { (void)data; }
static void done(struct out_ask *ask, enum out_result result, const struct message *reply)
{
    (void)ask;
    (void)result;
    (void)reply;
}
static void refused(struct out_ask *ask, enum match_verdict why, const struct addr *from)
{
    (void)ask;
    (void)why;
    (void)from;
}

/* A socket on loopback, and where it is. */
static int sink(struct addr *at)
{
    socklen_t len = sizeof(at->sock);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    assert_int_equal(addr_read("127.0.0.1", 0, at), ERR_OK);
    assert_int_equal(bind(fd, &at->sock.any, addr_len(at)), 0);
    assert_int_equal(getsockname(fd, &at->sock.any, &len), 0);
    return fd;
}

/* The port that the question now waiting at the sink came from. */
static uint16_t port_of_question(int fd)
{
    struct addr from;
    socklen_t len = sizeof(from.sock);
    uint8_t wire[512];
    assert_true(recvfrom(fd, wire, sizeof(wire), 0, &from.sock.any, &len) > 0);
    return addr_port(&from);
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

static void open_asker(struct asker *a)
{
    struct out_net_sources sources = {NULL, 0};

    a->fd = sink(&a->server);
    assert_int_equal(uv_loop_init(&a->loop), 0);
    assert_int_equal(out_net_new(&a->loop, &sources, &a->out), ERR_OK);
    a->out->settle = settle;
    a->ask = (struct out_ask){.match = {.to = a->server}, .len = 12, .timeout_ms = 1000, .done = done, .refused = refused};
}

static void close_asker(struct asker *a)
{
    out_net_close(&a->out);
    uv_run(&a->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&a->loop), 0);
    close(a->fd);
}

/* ---- ports (limits.md section 1: SAD DNS) ---- */

/* Whether a datagram to that port from another address than the server's comes back as "nobody there". */
static bool is_refused(uint16_t port)
{
    struct addr at;
    int fd = sink(&at);
    uint8_t byte = 0;

    assert_int_equal(addr_read("127.0.0.1", port, &at), ERR_OK);
    assert_int_equal(connect(fd, &at.sock.any, addr_len(&at)), 0);
    assert_int_equal(send(fd, &byte, 1, 0), 1);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    poll(&wait, 1, 200);
    bool is = recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == ECONNREFUSED;
    close(fd);
    return is;
}

static void test_open_ports_look_closed(void **state)
{
    static struct asker a;
    struct addr open_at, closed_at;
    (void)state;

    int closed = sink(&closed_at), open_fd = sink(&open_at);
    close(closed);
    assert_true(is_refused(addr_port(&closed_at)));
    assert_false(is_refused(addr_port(&open_at))); /* what a socket without a peer gives away */
    open_asker(&a);
    assert_int_equal(a.out->ask(a.out, &a.ask), ERR_OK);
    uint16_t port = port_of_question(a.fd);
    assert_true(is_refused(port));
    a.out->cancel(a.out, &a.ask);
    close_asker(&a);
    close(open_fd);
}

/* ---- the same range for all workers ---- */

static void *draw(void *data)
{
    struct asker *a = data;
    for (int i = 0; i < PORTS; i++) {
        assert_int_equal(a->out->ask(a->out, &a->ask), ERR_OK);
        a->ports[i] = port_of_question(a->fd);
        a->out->cancel(a->out, &a->ask);
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Kolmogorov and Smirnov: the largest distance of two distributions of as many values, both in order. */
static double distance(const double *a, const double *b)
{
    double most = 0;
    for (int i = 0, j = 0; i < PORTS && j < PORTS;) {
        double at = a[i] < b[j] ? a[i] : b[j];
        while (i < PORTS && a[i] <= at)
            i++;
        while (j < PORTS && b[j] <= at)
            j++;
        most = fmax(most, fabs((double)(i - j)) / PORTS);
    }
    return most;
}

static void test_workers_draw_from_the_same_ports(void **state)
{
    static struct asker workers[WORKERS];
    static double even[PORTS];
    pthread_t threads[WORKERS];
    unsigned first, last;
    /* p < 1e-6 */
    const double limit = sqrt(-0.5 * log(0.5e-6)) * sqrt(2.0 / PORTS);
    (void)state;

    FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%u %u", &first, &last), 2);
    fclose(f);
    assert_int_equal(out_net_port_cnt(), last - first + 1);
    for (int i = 0; i < PORTS; i++)
        even[i] = first + (double)(last - first) * i / PORTS;
    for (int w = 0; w < WORKERS; w++)
        open_asker(&workers[w]);
    for (int w = 0; w < WORKERS; w++)
        assert_int_equal(pthread_create(&threads[w], NULL, draw, &workers[w]), 0);
    for (int w = 0; w < WORKERS; w++)
        pthread_join(threads[w], NULL);
    for (int w = 0; w < WORKERS; w++) {
        qsort(workers[w].ports, PORTS, sizeof(double), compare);
        assert_true(distance(workers[w].ports, even) < limit);
        for (int v = 0; v < w; v++)
            assert_true(distance(workers[w].ports, workers[v].ports) < limit);
    }
    for (int w = 0; w < WORKERS; w++)
        close_asker(&workers[w]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_ports_look_closed),
        cmocka_unit_test(test_workers_draw_from_the_same_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
