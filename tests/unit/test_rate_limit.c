/* Response rate limiting and the pacing of deferred answers, with a clock that the tests set.
 */
#include "unit.h"

#include "base/hash.h"
#include "net/request/rate_limit.h"

static struct rate_limit *limit;

static void make_limit(uint32_t per_second, uint32_t slip)
{
    static struct addr_prefix exempt[1];
    struct rate_limit_conf conf = {
        .per_second = per_second, .slip = slip, .exempt = {exempt, 1}};
    assert_int_equal(addr_read_prefix("127.0.0.0/8", &exempt[0]), ERR_OK);
    rate_limit_free(&limit);
    assert_int_equal(rate_limit_new(&conf, &limit), ERR_OK);
}

static struct addr read_address(const char *text)
{
    struct addr addr;
    assert_int_equal(addr_read(text, 53, &addr), ERR_OK);
    return addr;
}

/* Count the answers that pass, of `cnt` answers at intervals of `step_us` from *now_us on. */
static unsigned count_passed(const char *peer, unsigned cnt, uint64_t step_us, uint64_t *now_us)
{
    struct addr addr = read_address(peer);
    unsigned sum = 0;
    for (unsigned i = 0; i < cnt; i++, *now_us += step_us)
        sum += rate_limit_spend(limit, &addr, *now_us, i) == RATE_LIMIT_PASS;
    return sum;
}

static void test_one_second_of_burst_then_the_rate(void **state)
{
    uint64_t now_us = 1000;
    (void)state;
    make_limit(50, 2);
    assert_int_equal(count_passed("192.0.2.1", 200, 0, &now_us), 50);
    assert_int_equal(count_passed("192.0.2.77", 10, 0, &now_us), 0); /* the same /24 */
    assert_int_equal(count_passed("192.0.3.1", 10, 0, &now_us), 10);
    /* 1000 per second for ten seconds: 50 per second pass */
    assert_in_range(count_passed("192.0.2.1", 10000, 1000, &now_us), 499, 501);
    now_us += 1000000;
    assert_int_equal(count_passed("192.0.2.1", 200, 0, &now_us), 50);
}

static void test_all_pass_below_the_rate(void **state)
{
    uint64_t now_us = 5;
    (void)state;
    make_limit(50, 2);
    assert_int_equal(count_passed("2001:db8::1", 5000, 20000, &now_us), 5000);
}

static void test_ipv6_network_is_a_56(void **state)
{
    uint64_t now_us = 0;
    (void)state;
    make_limit(50, 2);
    assert_int_equal(count_passed("2001:db8:1:100::1", 100, 0, &now_us), 50);
    assert_int_equal(count_passed("2001:db8:1:1ff::1", 100, 0, &now_us), 0);
    assert_int_equal(count_passed("2001:db8:1:200::1", 100, 0, &now_us), 50);
}

static void test_exempt_networks_pass(void **state)
{
    uint64_t now_us = 0;
    (void)state;
    make_limit(1, 2);
    assert_int_equal(count_passed("127.9.9.9", 1000, 0, &now_us), 1000);
    assert_int_equal(rate_limit_counts(limit).dropped + rate_limit_counts(limit).slipped, 0);
}

static void test_slip(void **state)
{
    struct addr addr = read_address("192.0.2.1");
    unsigned slips[4] = {0};
    (void)state;
    for (uint32_t slip = 0; slip < 4; slip++) {
        make_limit(1, slip);
        for (unsigned i = 0; i < 1201; i++)
            slips[slip] += rate_limit_spend(limit, &addr, 0, i) == RATE_LIMIT_SLIP;
        assert_int_equal(rate_limit_counts(limit).slipped, slips[slip]);
        assert_int_equal(rate_limit_counts(limit).dropped + rate_limit_counts(limit).slipped,
                         1200);
    }
    assert_int_equal(slips[0], 0);
    assert_int_equal(slips[1], 1200);
    assert_in_range(slips[2], 599, 601);
    assert_in_range(slips[3], 399, 401);
}

static void test_time_wraps(void **state)
{
    uint64_t now_us = (1ULL << 44) - 500000;
    (void)state;
    make_limit(50, 2);
    assert_in_range(count_passed("192.0.2.1", 2000, 1000, &now_us), 148, 150);
}

/* More networks than the table has slots share slots: none passes without limit, and a network
 * that has been silent has its burst back. */
static void test_flood_of_networks_is_limited(void **state)
{
    struct addr addr = read_address("10.0.0.0");
    uint64_t sum = 0, now_us = 1;
    (void)state;
    make_limit(50, 2);
    for (unsigned round = 0; round < 60; round++)
        for (uint32_t i = 0; i < 300000; i++) {
            addr.sock.v4.sin_addr.s_addr = htonl(0x0a000000 + (i << 8));
            sum += rate_limit_spend(limit, &addr, now_us, i) == RATE_LIMIT_PASS;
        }
    assert_true(sum <= 300000ULL * 50);
    assert_true(sum >= 131072ULL * 40);
    now_us += 3000000;
    assert_int_equal(count_passed("198.51.100.1", 200, 0, &now_us), 50);
}

/* ---- pacing (DNSBomb) ---- */

enum { QUERIES = 600, WINDOW_US = 50000 };

/* 600 queries arrive evenly within `span_us`, and all are answered at `answered_us`, in reverse
 * order if `is_backwards`.  Return the most answers in any 50 ms, and the queries without an
 * answer in *dropped. */
static unsigned find_peak(const char *peer, uint64_t span_us, uint64_t answered_us,
                          bool is_backwards, unsigned *dropped)
{
    static uint64_t times[QUERIES];
    unsigned rates[QUERIES], most = 0, cnt = 0;
    struct addr addr = read_address(peer);
    uint64_t start_us = 77777777;

    make_limit(50, 2);
    for (unsigned i = 0; i < QUERIES; i++)
        rates[i] = rate_limit_note_deferred(limit, &addr, start_us + span_us * i / QUERIES);
    for (unsigned i = 0; i < QUERIES; i++)
        cnt += rate_limit_pace(limit, &addr, rates[is_backwards ? QUERIES - 1 - i : i], false,
                               start_us + answered_us, &times[cnt]);
    for (unsigned i = 0, from = 0; i < cnt; i++) {
        while (times[i] - times[from] >= WINDOW_US)
            from++;
        most = i - from + 1 > most ? i - from + 1 : most;
    }
    *dropped = QUERIES - cnt;
    return most;
}

static void test_deferred_answers_are_paced(void **state)
{
    static const unsigned spans_ms[] = {0, 50, 500, 1000, 2000, 4000, 6000, 6900};
    unsigned dropped;
    (void)state;
    for (size_t i = 0; i < sizeof(spans_ms) / sizeof(*spans_ms); i++)
        for (int back = 0; back < 2; back++) {
            uint64_t span_us = spans_ms[i] * 1000ULL;
            /* the limit: twice the queries in 50 ms, and ten */
            uint64_t rate =
                span_us < WINDOW_US ? QUERIES : QUERIES * (uint64_t)WINDOW_US / span_us;
            unsigned most = find_peak("192.0.2.1", span_us, span_us + 50000, back, &dropped);
            print_message("600 queries in %u ms: at most %u answers in 50 ms, limit %u\n",
                          spans_ms[i], most, (unsigned)(2 * rate + 10));
            assert_int_equal(dropped, 0);
            assert_in_range(most, 1, 2 * rate + 10);
        }
    struct rate_limit_counts counts = rate_limit_counts(limit);
    assert_in_range(counts.paced, 500, QUERIES);
    /* an exempt client is not paced, and each client has its own pace */
    assert_int_equal(find_peak("127.0.0.1", 4000000, 4050000, false, &dropped), QUERIES);
    struct addr other = read_address("192.0.2.2");
    uint64_t now_us;
    assert_true(rate_limit_pace(limit, &other, 1, false, 99000000, &now_us));
    assert_int_equal(now_us, 99000000);
}

/* An answer that would wait too long is dropped and counted. */
static void test_pacing_has_a_longest_delay(void **state)
{
    struct addr addr = read_address("2001:db8::1");
    uint64_t now_us = 5000000, at_us, last_us = 0;
    unsigned cnt = 0;
    (void)state;
    make_limit(50, 2);
    for (int i = 0; i < 1000; i++)
        if (rate_limit_pace(limit, &addr, 1, false, now_us, &at_us)) {
            last_us = at_us;
            cnt++;
        }
    assert_in_range(last_us, now_us + 1800000, now_us + 1900000);
    assert_in_range(cnt, 380, 430);
    struct rate_limit_counts counts = rate_limit_counts(limit);
    assert_int_equal(counts.paced_dropped, 1000 - cnt);
    struct addr same_64 = read_address("2001:db8::2");
    assert_false(rate_limit_pace(limit, &same_64, 1, false, now_us, &at_us));
    /* a prompt answer is never dropped, and waits only if others wait */
    assert_true(rate_limit_pace(limit, &same_64, 1, true, now_us, &at_us));
    assert_int_equal(at_us, now_us);
    assert_true(rate_limit_pace(limit, &same_64, 1, true, now_us + 100000, &at_us));
    assert_in_range(at_us, now_us + 1800000, now_us + 2000000);
    assert_true(rate_limit_pace(limit, &same_64, 1, true, now_us + 3000000, &at_us));
    assert_int_equal(at_us, now_us + 3000000);
}

static int free_limit(void **state)
{
    (void)state;
    rate_limit_free(&limit);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_second_of_burst_then_the_rate),
        cmocka_unit_test(test_all_pass_below_the_rate),
        cmocka_unit_test(test_ipv6_network_is_a_56),
        cmocka_unit_test(test_exempt_networks_pass),
        cmocka_unit_test(test_slip),
        cmocka_unit_test(test_time_wraps),
        cmocka_unit_test(test_flood_of_networks_is_limited),
        cmocka_unit_test(test_deferred_answers_are_paced),
        cmocka_unit_test(test_pacing_has_a_longest_delay),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, free_limit);
}
