/* The rate of answers on a clock of our own, and the counting of connections. */
#include "unit.h"

#include "base/hash.h"
#include "net/loop/descriptors.h"
#include "net/request/guard.h"

static struct guard *guard;

static struct guard *make(uint32_t per_second, uint32_t slip, uint32_t connections,
                          uint32_t per_client, size_t fronts)
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

/* Networks beyond the table's size share places; none is let through without limit, and one
 * that was silent has its burst back. */
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
    struct addr a = at("192.0.2.1"), b = at("192.0.2.2"), six = at("2001:db8::1"),
                neighbour = at("2001:db8::2");
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

/* ---- DNSBomb ---- */

enum { HEAPED = 600, WINDOW_US = 50000 };

/* 600 queries come evenly within `span_us`, in whatever order they are answered, all at
 * `answered_us`.  Return the most answers in any 50 ms; *dropped of them have none. */
static unsigned peak(const char *peer, uint64_t span_us, uint64_t answered_us,
                     bool is_backwards, unsigned *dropped)
{
    static uint64_t times[HEAPED];
    unsigned rates[HEAPED], most = 0, cnt = 0;
    struct addr addr = at(peer);
    uint64_t start_us = 77777777;

    make(50, 2, 1, 1, 1);
    for (unsigned i = 0; i < HEAPED; i++)
        rates[i] = guard_note_deferred(guard, &addr, start_us + span_us * i / HEAPED);
    for (unsigned i = 0; i < HEAPED; i++)
        cnt += guard_pace(guard, &addr, rates[is_backwards ? HEAPED - 1 - i : i], false,
                          start_us + answered_us, &times[cnt]);
    for (unsigned i = 0, from = 0; i < cnt; i++) {
        while (times[i] - times[from] >= WINDOW_US)
            from++;
        most = i - from + 1 > most ? i - from + 1 : most;
    }
    *dropped = HEAPED - cnt;
    return most;
}

static void deferred_answers_are_paced(void **state)
{
    static const unsigned spans_ms[] = {0, 50, 500, 1000, 2000, 4000, 6000, 6900};
    unsigned dropped;
    (void)state;
    for (size_t i = 0; i < sizeof(spans_ms) / sizeof(*spans_ms); i++)
        for (int back = 0; back < 2; back++) {
            uint64_t span_us = spans_ms[i] * 1000ULL;
            /* queries in 50 ms, twice, and ten */
            uint64_t rate =
                span_us < WINDOW_US ? HEAPED : HEAPED * (uint64_t)WINDOW_US / span_us;
            unsigned most = peak("192.0.2.1", span_us, span_us + 50000, back, &dropped);
            print_message("600 queries in %u ms: at most %u answers in 50 ms, limit %u\n",
                          spans_ms[i], most, (unsigned)(2 * rate + 10));
            assert_int_equal(dropped, 0);
            assert_in_range(most, 1, 2 * rate + 10);
        }
    struct guard_counts counts = guard_counts(guard);
    assert_in_range(counts.paced, 500, HEAPED);
    /* an exempt client is not paced, and a client has a pace of its own */
    assert_int_equal(peak("127.0.0.1", 4000000, 4050000, false, &dropped), HEAPED);
    struct addr other = at("192.0.2.2");
    uint64_t now_us;
    assert_true(guard_pace(guard, &other, 1, false, 99000000, &now_us));
    assert_int_equal(now_us, 99000000);
}

/* What would have to wait too long is dropped and counted. */
static void a_pacer_has_an_end(void **state)
{
    struct addr addr = at("2001:db8::1");
    uint64_t now_us = 5000000, at_us, last_us = 0;
    unsigned cnt = 0;
    (void)state;
    make(50, 2, 1, 1, 1);
    for (int i = 0; i < 1000; i++)
        if (guard_pace(guard, &addr, 1, false, now_us, &at_us)) {
            last_us = at_us;
            cnt++;
        }
    assert_in_range(last_us, now_us + 1800000, now_us + 1900000);
    assert_in_range(cnt, 380, 430);
    struct guard_counts counts = guard_counts(guard);
    assert_int_equal(counts.paced_drops, 1000 - cnt);
    struct addr same_64 = at("2001:db8::2");
    assert_false(guard_pace(guard, &same_64, 1, false, now_us, &at_us));
    /* a prompt answer is not dropped; it waits if others do, and otherwise not at all */
    assert_true(guard_pace(guard, &same_64, 1, true, now_us, &at_us));
    assert_int_equal(at_us, now_us);
    assert_true(guard_pace(guard, &same_64, 1, true, now_us + 100000, &at_us));
    assert_in_range(at_us, now_us + 1800000, now_us + 2000000);
    assert_true(guard_pace(guard, &same_64, 1, true, now_us + 3000000, &at_us));
    assert_int_equal(at_us, now_us + 3000000);
}

/* ---- descriptors ---- */

static void descriptors_are_divided(void **state)
{
    const struct descriptors_wish wish = {
        .workers = 2, .listeners = 3, .connections = 1024, .sockets = 8192};
    const struct descriptors_wish authd = {.workers = 4, .listeners = 2, .connections = 100000};
    const unsigned least = 128 + 2 * (16 + 4 * 3) + 64 + 2;
    struct descriptors got;
    (void)state;

    assert_true(descriptors_divide(1U << 20, &wish, &got));
    assert_int_equal(got.connections, 1024);
    assert_int_equal(got.sockets, 8192);
    /* half of what is left is for asking servers, whatever the clients want */
    for (unsigned limit = least; limit < 20000; limit += 7) {
        assert_true(descriptors_divide(limit, &wish, &got));
        assert_true(got.connections >= 32 && got.sockets >= 16);
        assert_true(got.connections + 2 * got.sockets + 128 + 2 * (16 + 3 * 4) <= limit);
        assert_true(got.sockets == wish.sockets || got.sockets >= (limit - least) / 4);
    }
    assert_false(descriptors_divide(least - 1, &wish, &got));
    assert_true(descriptors_divide(4096, &authd, &got));
    assert_int_equal(got.sockets, 0);
    assert_in_range(got.connections, 3000, 4096);
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
        cmocka_unit_test(a_burst_of_a_second_then_the_rate),
        cmocka_unit_test(below_the_rate_nothing_is_refused),
        cmocka_unit_test(networks_of_ipv6_are_56s),
        cmocka_unit_test(exempt_networks_pass),
        cmocka_unit_test(every_second_refused_answer_slips),
        cmocka_unit_test(the_clock_may_wrap),
        cmocka_unit_test(a_flood_of_networks_is_limited),
        cmocka_unit_test(connections_are_counted),
        cmocka_unit_test(a_front_cannot_shut_out_another),
        cmocka_unit_test(deferred_answers_are_paced),
        cmocka_unit_test(a_pacer_has_an_end),
        cmocka_unit_test(descriptors_are_divided),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, stop);
}
