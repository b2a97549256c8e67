/* Limits on connections: in all, per front and per client, and the idle time. */
#include "unit.h"

#include "base/hash.h"
#include "net/request/client.h"
#include "net/request/conn_limit.h"

static struct conn_limit *limit;

static void make_limit(uint32_t connections, uint32_t per_client, size_t fronts)
{
    struct conn_limit_conf conf = {
        .connections = connections, .connections_per_client = per_client, .idle_ms = 10000};
    conn_limit_free(&limit);
    assert_int_equal(conn_limit_new(&conf, fronts, &limit), ERR_OK);
}

static struct addr read_address(const char *text)
{
    struct addr addr;
    assert_int_equal(addr_read(text, 53, &addr), ERR_OK);
    return addr;
}

static void test_connections_are_counted(void **state)
{
    struct addr a = read_address("192.0.2.1"), b = read_address("192.0.2.2"),
                six = read_address("2001:db8::1"), neighbour = read_address("2001:db8::2");
    (void)state;
    make_limit(8, 3, 1); /* a share of four, a pool of four */
    for (int i = 0; i < 3; i++)
        assert_int_equal(conn_limit_enter(limit, &a, (size_t)i), CONN_LIMIT_SHARE);
    assert_int_equal(conn_limit_enter(limit, &a, 3), CONN_LIMIT_CLIENT_FULL);
    assert_int_equal(conn_limit_enter(limit, &six, 3), CONN_LIMIT_SHARE);
    assert_int_equal(conn_limit_enter(limit, &neighbour, 4), CONN_LIMIT_POOL);
    assert_int_equal(conn_limit_enter(limit, &six, 5), CONN_LIMIT_POOL);
    assert_int_equal(conn_limit_enter(limit, &neighbour, 6), CONN_LIMIT_CLIENT_FULL);
    assert_int_equal(conn_limit_enter(limit, &b, 6), CONN_LIMIT_POOL);
    assert_int_equal(conn_limit_enter(limit, &b, 7), CONN_LIMIT_POOL);
    assert_int_equal(conn_limit_enter(limit, &b, 8), CONN_LIMIT_FULL);
    assert_int_equal(conn_limit_idle_ms(limit), CONN_LIMIT_IDLE_MIN_MS);
    conn_limit_leave(limit, &b, CONN_LIMIT_POOL);
    assert_int_equal(conn_limit_enter(limit, &b, 8), CONN_LIMIT_POOL);
    for (int i = 0; i < 3; i++)
        conn_limit_leave(limit, &a, CONN_LIMIT_SHARE);
    assert_int_equal(conn_limit_idle_ms(limit), 10000 * 3 * 2 / 8);
}

static void test_client_is_an_address_or_a_64(void **state)
{
    struct addr a = read_address("192.0.2.1@1"), again = read_address("192.0.2.1@2"),
                b = read_address("192.0.2.2"), six = read_address("2001:db8::1"),
                neighbour = read_address("2001:db8::ffff:0:0:2"),
                far = read_address("2001:db8:0:1::1");
    (void)state;
    assert_true(client_is_same(&a, &again) && client_hash(&a) == client_hash(&again));
    assert_false(client_is_same(&a, &b) || client_hash(&a) == client_hash(&b));
    assert_true(client_is_same(&six, &neighbour));
    assert_int_equal(client_hash(&six), client_hash(&neighbour));
    assert_false(client_is_same(&six, &far) || client_hash(&six) == client_hash(&far));
    assert_false(client_is_same(&a, &six));
}

static void test_full_front_leaves_shares_of_others(void **state)
{
    struct addr a = read_address("192.0.2.1");
    size_t own = 0;
    (void)state;
    make_limit(100, 1000, 2);
    while (conn_limit_enter(limit, &a, own) != CONN_LIMIT_FULL)
        own++;
    assert_int_equal(own, 75); /* its share of 25 and the pool of 50 */
    for (size_t i = 0; i < 25; i++)
        assert_int_equal(conn_limit_enter(limit, &a, i), CONN_LIMIT_SHARE);
    assert_int_equal(conn_limit_enter(limit, &a, 25), CONN_LIMIT_FULL);
}

static int free_limit(void **state)
{
    (void)state;
    conn_limit_free(&limit);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections_are_counted),
        cmocka_unit_test(test_client_is_an_address_or_a_64),
        cmocka_unit_test(test_full_front_leaves_shares_of_others),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, free_limit);
}
