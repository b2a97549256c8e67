/* What accepting and reading cost with many connections, counted in calls. */
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/machine_bits.h"
#include "tests/unit/unit.h"

#include "base/hash.h"
#include "net/request/conn_limit.h"
#include "net/transport/front_stream.h"
#include "net/transport/stream.h"

enum { CLIENTS = 100, EACH = 10, ALL = CLIENTS * EACH };

/* Comparisons of two clients, and calls of stream_memory. */
static unsigned compared_cnt, examined_cnt;

bool __real_client_is_same(const struct addr *a, const struct addr *b);
bool __wrap_client_is_same(const struct addr *a, const struct addr *b);
bool __wrap_client_is_same(const struct addr *a, const struct addr *b)
{
    compared_cnt++;
    return __real_client_is_same(a, b);
}

size_t __real_stream_memory(const struct stream *s);
size_t __wrap_stream_memory(const struct stream *s);
size_t __wrap_stream_memory(const struct stream *s)
{
    examined_cnt++;
    return __real_stream_memory(s);
}

static void serve(void *engine, struct exchange *ex)
{
    (void)engine;
    (void)ex;
}

/* Lifetime: the test. */
static struct {
    uv_loop_t loop;
    struct conn_limit *conn_limit;
    struct exchange_settings settings;
    struct idle_queue *idle_queue;
    struct front_stream *front;
    struct addr at;
    int fds[2 * ALL];
    size_t fd_cnt;
} world;

static void run_turns(void)
{
    for (int i = 0; i < 5; i++)
        uv_run(&world.loop, UV_RUN_NOWAIT);
}

static void set_up_world(void)
{
    static const struct service service = {.serve = serve};
    struct conn_limit_conf conf = {.connections = 4 * ALL,
                                   .connections_per_client = EACH,
                                   .idle_ms = 60000,
                                   .memory = 1 << 20};
    struct front_parts parts = {
        .loop = &world.loop, .settings = &world.settings, .service = &service};
    socklen_t len = sizeof(world.at.sock);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    memset(&world, 0, sizeof(world));
    assert_int_equal(addr_read("127.0.0.1", 0, &world.at), ERR_OK);
    assert_int_equal(bind(fd, &world.at.sock.any, addr_len(&world.at)), 0);
    assert_int_equal(getsockname(fd, &world.at.sock.any, &len), 0);
    assert_int_equal(conn_limit_new(&conf, 1, &world.conn_limit), ERR_OK);
    world.settings.conn_limit = world.conn_limit;
    assert_int_equal(uv_loop_init(&world.loop), 0);
    assert_int_equal(idle_queue_new(&world.loop, &world.idle_queue), ERR_OK);
    parts.idle_queue = world.idle_queue;
    assert_int_equal(front_stream_new(&parts, fd, EXCHANGE_STACK_DNS, &world.front), ERR_OK);
}

static void tear_down_world(void)
{
    while (world.fd_cnt > 0)
        close(world.fds[--world.fd_cnt]);
    front_stream_close(&world.front, false);
    idle_queue_close(&world.idle_queue);
    uv_run(&world.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world.loop), 0);
    assert_int_equal(conn_limit_counts(world.conn_limit).connections, 0);
    conn_limit_free(&world.conn_limit);
}

/* Connect from 127.9.x.y. */
static int connect_as(unsigned client)
{
    struct addr from;
    char text[ADDR_TEXT_MAX];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    snprintf(text, sizeof(text), "127.9.%u.%u", client / 250, client % 250 + 1);
    assert_int_equal(addr_read(text, 0, &from), ERR_OK);
    assert_int_equal(bind(fd, &from.sock.any, addr_len(&from)), 0);
    assert_int_equal(connect(fd, &world.at.sock.any, addr_len(&world.at)), 0);
    world.fds[world.fd_cnt++] = fd;
    run_turns();
    return fd;
}

static bool is_closed(int fd)
{
    uint8_t octet;
    return recv(fd, &octet, 1, MSG_DONTWAIT) == 0;
}

/* A new connection of a client at its limit evicts that client's own longest idle connection;
 * the others are not compared. */
static void test_a_client_at_its_limit(void **state)
{
    int first[EACH];
    (void)state;

    set_up_world();
    for (unsigned i = 0; i < ALL; i++)
        connect_as(i % CLIENTS);
    for (unsigned i = 0; i < EACH; i++)
        first[i] = connect_as(CLIENTS);
    assert_int_equal(conn_limit_counts(world.conn_limit).connections, ALL + EACH);
    compared_cnt = 0;
    for (unsigned i = 0; i < EACH; i++) {
        connect_as(CLIENTS);
        for (unsigned n = 0; n < EACH; n++)
            assert_int_equal(is_closed(first[n]), n <= i); /* the longest idle first */
    }
    for (unsigned i = 0; i < 90; i++)
        connect_as(CLIENTS);
    assert_int_equal(conn_limit_counts(world.conn_limit).connections, ALL + EACH);
    assert_int_equal(conn_limit_counts(world.conn_limit).closed_client, 100);
    assert_in_range(compared_cnt, 100, 100 * 2 * EACH);
    tear_down_world();
}

/* While memory is full, a read examines the connection that was read and no other. */
static void test_reading_while_memory_is_full(void **state)
{
    (void)state;

    set_up_world();
    for (unsigned i = 0; i < ALL; i++)
        connect_as(i % CLIENTS);
    conn_limit_add_memory(world.conn_limit, (1 << 20) + 1);
    assert_true(conn_limit_is_memory_full(world.conn_limit));
    examined_cnt = 0;
    for (unsigned i = 0; i < ALL; i++) {
        assert_int_equal(send(world.fds[i], "\0", 1, 0), 1);
        uv_run(&world.loop, UV_RUN_NOWAIT);
    }
    /* four times per second all of them are examined: on any machine that is less than once per
     * read */
    assert_in_range(examined_cnt, 500, 100 * ALL);
    conn_limit_subtract_memory(world.conn_limit, (1 << 20) + 1);
    tear_down_world();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_client_at_its_limit),
        cmocka_unit_test(test_reading_while_memory_is_full),
    };
    /* which clients share a slot of the limit depends on the secret of the hash: with this one
     * none of them do */
    rng_init_seeded(&machine_bits, 7);
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
