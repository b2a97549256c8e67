/* The rate of answers on a clock of our own, and the counting of connections. */
#include "unit.h"

#include "base/hash.h"
#include "net/guard.h"

static struct guard *guard;

static struct guard *make(uint32_t per_second, uint32_t slip, uint32_t connections, uint32_t per_client, size_t fronts)
{
    static struct addr_prefix exempt[1];
    struct guard_conf conf = {.per_second = per_second,
                              .slip = slip,
                              .exempt = {exempt, 1},
                              .connections = connections,
                              .connections_per_client = per_client,
                              .idle_ms = 10000};
    assert_int_equal(addr_read_prefix("127.0.0.0/8", &exempt[0]), ERR_OK);
    guard_free(&guard);
    assert_int_equal(guard_new(&conf, fronts, &guard), ERR_OK);
    return guard;
}

static struct addr at(const char *text)
{
    struct addr addr;
    assert_int_equal(addr_read(text, 53, &addr), ERR_OK);
    return addr;
}

/* Answers that pass of `cnt` asked every `step_us` from `*now_us` on. */
static unsigned passed(const char *peer, unsigned cnt, uint64_t step_us, uint64_t *now_us)
{
    struct addr addr = at(peer);
    unsigned sum = 0;
    for (unsigned i = 0; i < cnt; i++, *now_us += step_us)
        sum += guard_rate(guard, &addr, *now_us, i) == GUARD_PASS;
    return sum;
}

static void a_burst_of_a_second_then_the_rate(void **state)
{
    uint64_t now_us = 1000;
    (void)state;
    make(50, 2, 1, 1, 1);
    assert_int_equal(passed("192.0.2.1", 200, 0, &now_us), 50);
    assert_int_equal(passed("192.0.2.77", 10, 0, &now_us), 0); /* the same /24 */
    assert_int_equal(passed("192.0.3.1", 10, 0, &now_us), 10);
    /* 1000 a second for ten seconds: fifty a second get through */
    assert_in_range(passed("192.0.2.1", 10000, 1000, &now_us), 499, 501);
    now_us += 1000000;
    assert_int_equal(passed("192.0.2.1", 200, 0, &now_us), 50);
}

static void below_the_rate_nothing_is_refused(void **state)
{
    uint64_t now_us = 5;
    (void)state;
    make(50, 2, 1, 1, 1);
    assert_int_equal(passed("2001:db8::1", 5000, 20000, &now_us), 5000);
}

static void networks_of_ipv6_are_56s(void **state)
{
    uint64_t now_us = 0;
    (void)state;
    make(50, 2, 1, 1, 1);
    assert_int_equal(passed("2001:db8:1:100::1", 100, 0, &now_us), 50);
    assert_int_equal(passed("2001:db8:1:1ff::1", 100, 0, &now_us), 0);
    assert_int_equal(passed("2001:db8:1:200::1", 100, 0, &now_us), 50);
}

static void exempt_networks_pass(void **state)
{
    uint64_t now_us = 0;
    (void)state;
    make(1, 2, 1, 1, 1);
    assert_int_equal(passed("127.9.9.9", 1000, 0, &now_us), 1000);
    assert_int_equal(guard_counts(guard).dropped + guard_counts(guard).slipped, 0);
}

static void every_second_refused_answer_slips(void **state)
{
    struct addr addr = at("192.0.2.1");
    unsigned slips[4] = {0};
    (void)state;
    for (uint32_t slip = 0; slip < 4; slip++) {
        make(1, slip, 1, 1, 1);
        for (unsigned i = 0; i < 1201; i++)
            slips[slip] += guard_rate(guard, &addr, 0, i) == GUARD_SLIP;
        assert_int_equal(guard_counts(guard).slipped, slips[slip]);
        assert_int_equal(guard_counts(guard).dropped + guard_counts(guard).slipped, 1200);
    }
    assert_int_equal(slips[0], 0);
    assert_int_equal(slips[1], 1200);
    assert_in_range(slips[2], 599, 601);
    assert_in_range(slips[3], 399, 401);
}

static void the_clock_may_wrap(void **state)
{
    uint64_t now_us = (1ULL << 44) - 500000;
    (void)state;
    make(50, 2, 1, 1, 1);
    assert_in_range(passed("192.0.2.1", 2000, 1000, &now_us), 148, 150);
}

/* Networks beyond the table's size share places; none is let through without limit, and one that
 * was silent has its burst back. */
static void a_flood_of_networks_is_limited(void **state)
{
    struct addr addr = at("10.0.0.0");
    uint64_t sum = 0, now_us = 1;
    (void)state;
    make(50, 2, 1, 1, 1);
    for (unsigned round = 0; round < 60; round++)
        for (uint32_t i = 0; i < 300000; i++) {
            addr.sock.v4.sin_addr.s_addr = htonl(0x0a000000 + (i << 8));
            sum += guard_rate(guard, &addr, now_us, i) == GUARD_PASS;
        }
    assert_true(sum <= 300000ULL * 50);
    assert_true(sum >= 131072ULL * 40);
    now_us += 3000000;
    assert_int_equal(passed("198.51.100.1", 200, 0, &now_us), 50);
}

static void connections_are_counted(void **state)
{
    struct addr a = at("192.0.2.1"), b = at("192.0.2.2"), six = at("2001:db8::1"), neighbour = at("2001:db8::2");
    (void)state;
    make(0, 0, 8, 3, 1); /* a share of four, four in common */
    assert_false(guard_limits_rate(guard));
    for (int i = 0; i < 3; i++)
        assert_int_equal(guard_enter(guard, &a, (size_t)i), GUARD_ENTERED);
    assert_int_equal(guard_enter(guard, &a, 3), GUARD_CLIENT_FULL);
    assert_int_equal(guard_enter(guard, &six, 3), GUARD_ENTERED);
    assert_int_equal(guard_enter(guard, &neighbour, 4), GUARD_POOLED);
    assert_int_equal(guard_enter(guard, &six, 5), GUARD_POOLED);
    assert_int_equal(guard_enter(guard, &neighbour, 6), GUARD_CLIENT_FULL); /* one /64 */
    assert_true(guard_is_same_client(&six, &neighbour) && !guard_is_same_client(&a, &b));
    assert_int_equal(guard_enter(guard, &b, 6), GUARD_POOLED);
    assert_int_equal(guard_enter(guard, &b, 7), GUARD_POOLED);
    assert_int_equal(guard_enter(guard, &b, 8), GUARD_FULL);
    assert_int_equal(guard_idle_ms(guard), GUARD_IDLE_MIN_MS);
    guard_leave(guard, &b, GUARD_POOLED);
    assert_int_equal(guard_enter(guard, &b, 8), GUARD_POOLED);
    for (int i = 0; i < 3; i++)
        guard_leave(guard, &a, GUARD_ENTERED);
    assert_int_equal(guard_idle_ms(guard), 10000 * 3 * 2 / 8);
}

/* What fills one front leaves the share of another. */
static void a_front_cannot_shut_out_another(void **state)
{
    struct addr a = at("192.0.2.1");
    size_t own = 0;
    (void)state;
    make(0, 0, 100, 1000, 2);
    while (guard_enter(guard, &a, own) != GUARD_FULL)
        own++;
    assert_int_equal(own, 75); /* its 25 and the common 50 */
    for (size_t i = 0; i < 25; i++)
        assert_int_equal(guard_enter(guard, &a, i), GUARD_ENTERED);
    assert_int_equal(guard_enter(guard, &a, 25), GUARD_FULL);
}

static int stop(void **state)
{
    (void)state;
    guard_free(&guard);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_of_a_second_then_the_rate), cmocka_unit_test(below_the_rate_nothing_is_refused),
        cmocka_unit_test(networks_of_ipv6_are_56s),          cmocka_unit_test(exempt_networks_pass),
        cmocka_unit_test(every_second_refused_answer_slips), cmocka_unit_test(the_clock_may_wrap),
        cmocka_unit_test(a_flood_of_networks_is_limited),    cmocka_unit_test(connections_are_counted),
        cmocka_unit_test(a_front_cannot_shut_out_another),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, stop);
}
