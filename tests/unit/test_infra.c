/* The table of server addresses: round-trip times (RFC 6298), timeouts, address families,
 * lameness, zones without a server (RFC 9520), cookies, eviction. */
#include "tests/unit/unit.h"

#include "base/hash.h"
#include "base/rng.h"
#include "resolver/iterate/infra.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, T0 = 60 * MINUTE };

static struct infra *infra;

static int set_up(void **state)
{
    (void)state;
    return infra_new(&infra) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    infra_free(&infra);
    return infra ? -1 : 0;
}

static struct addr read_addr(const char *text)
{
    struct addr addr;
    assert_int_equal(addr_read(text, 53, &addr), ERR_OK);
    return addr;
}

static struct addr numbered_addr(unsigned number)
{
    uint8_t octets[4];
    struct addr addr;
    util_put_u32(octets, 0x0a000000 + number);
    assert_int_equal(addr_from_bytes(octets, 4, 53, &addr), ERR_OK);
    return addr;
}

/* Time out `cnt` queries, one per second from `at_ms` on. */
static void time_out(const struct addr *addr, unsigned cnt, uint64_t at_ms)
{
    for (unsigned i = 0; i < cnt; i++)
        infra_note_timeout(infra, addr, at_ms + i * SECOND, at_ms + i * SECOND);
}

/* ---- the table ---- */

static void test_unknown_servers(void **state)
{
    const struct addr a = read_addr("192.0.2.1");
    uint8_t zone[DNAME_MAX];
    (void)state;
    unit_name("example", zone);
    assert_null(infra_find(infra, &a, T0));
    assert_false(infra_is_lame(infra, &a, zone, T0));
    assert_false(infra_is_zone_down(infra, dname_hash(zone), T0));
    assert_false(infra_is_dead(infra, NULL, 1, T0));
    assert_true(infra_is_family_up(infra, false, T0) && infra_is_family_up(infra, true, T0));
    assert_int_equal(infra_rto_ms(NULL), INFRA_RTO_UNKNOWN_MS);
    /* infra_find adds nothing */
    assert_null(infra_find(infra, &a, T0));
    struct infra *none = NULL;
    infra_free(&none);
}

/* Each pair of address and port is a server of its own. */
static void test_servers_by_address_and_port(void **state)
{
    static const char *const texts[] = {"192.0.2.1",   "192.0.2.2",   "192.0.2.1@54",
                                        "2001:db8::1", "2001:db8::2", "2001:db8::1@54",
                                        "::192.0.2.1"};
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
        const struct addr a = read_addr(texts[i]);
        infra_get(infra, &a, T0)->same_cnt = (uint8_t)i;
    }
    for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
        const struct addr a = read_addr(texts[i]);
        const struct infra_server *s = infra_find(infra, &a, T0);
        assert_non_null(s);
        assert_int_equal(s->same_cnt, i);
        assert_true(addr_is_equal(&s->addr, &a));
    }
}

/* What is known of a server expires 15 minutes after its last use, except that it handles mixed
 * case. */
static void test_entries_expire(void **state)
{
    const struct addr a = read_addr("192.0.2.1");
    (void)state;
    struct infra_server *s = infra_get(infra, &a, T0);
    s->no_edns_until_ms = UINT64_MAX;
    s->knows_case = true;
    assert_ptr_equal(infra_find(infra, &a, T0 + INFRA_KEEP_MS), s);
    assert_null(infra_find(infra, &a, T0 + INFRA_KEEP_MS + 1));
    assert_int_equal(infra_get(infra, &a, T0 + INFRA_KEEP_MS)->no_edns_until_ms, UINT64_MAX);
    /* infra_get counts as a use, infra_find does not */
    assert_non_null(infra_find(infra, &a, T0 + 2 * INFRA_KEEP_MS));
    s = infra_get(infra, &a, T0 + 2 * INFRA_KEEP_MS + 1);
    assert_int_equal(s->no_edns_until_ms, 0);
    assert_true(s->knows_case);
}

/* 100,000 addresses evict each other; a server in constant use stays, and each entry belongs to
 * its address. */
static void test_a_flood_of_addresses(void **state)
{
    enum { FLOOD = 100000 };
    const struct addr a = read_addr("192.0.2.1");
    unsigned found = 0;
    (void)state;
    infra_get(infra, &a, T0)->same_cnt = 77;
    for (unsigned i = 0; i < FLOOD; i++) {
        const struct addr other = numbered_addr(i);
        struct infra_server *s = infra_get(infra, &other, T0 + i);
        assert_int_equal(s->srtt_us, 0);
        s->srtt_us = i + 1;
        assert_int_equal(infra_get(infra, &a, T0 + i)->same_cnt, 77);
    }
    for (unsigned i = 0; i < FLOOD; i++) {
        const struct addr other = numbered_addr(i);
        const struct infra_server *s = infra_find(infra, &other, T0 + FLOOD);
        found += s != NULL;
        assert_true(!s || s->srtt_us == i + 1);
    }
    assert_in_range(found, 8000, 8192);
}

/* ---- times ---- */

/* RFC 6298 2.2 and 2.3, in microseconds. */
static void test_round_trip_times(void **state)
{
    const struct addr a = read_addr("192.0.2.1");
    (void)state;
    infra_note_reply(infra, &a, 80000, T0);
    const struct infra_server *s = infra_find(infra, &a, T0);
    assert_true(s->srtt_us == 80000 && s->rttvar_us == 40000 && s->reply_ms == T0);
    assert_int_equal(infra_rto_ms(s), 80 + 4 * 40);
    infra_note_reply(infra, &a, 160000, T0 + 1);
    assert_true(s->srtt_us == 80000 - 10000 + 20000 && s->rttvar_us == 40000 - 10000 + 20000);
    infra_note_reply(infra, &a, 10000,
                     T0 + 2); /* the difference counts by its absolute value */
    assert_true(s->srtt_us == 90000 - 11250 + 1250 && s->rttvar_us == 50000 - 12500 + 20000);
    /* 0 us counts as 1 us, because 0 means unknown */
    const struct addr b = read_addr("192.0.2.2");
    infra_note_reply(infra, &b, 0, T0);
    assert_int_equal(infra_find(infra, &b, T0)->srtt_us, 1);
    assert_int_equal(infra_rto_ms(infra_find(infra, &b, T0)), INFRA_RTO_MIN_MS);
}

/* At least 100 ms, at most 3.5 s, doubled twice at most (RFC 6298 5.5). */
static void test_timeouts_of_queries(void **state)
{
    static const struct {
        uint32_t srtt_us, rttvar_us;
        uint16_t timeouts;
        unsigned rto_ms;
    } cases[] = {{0, 0, 0, INFRA_RTO_UNKNOWN_MS},
                 {0, 0, 1, 2 * INFRA_RTO_UNKNOWN_MS},
                 {0, 0, 2, 4 * INFRA_RTO_UNKNOWN_MS},
                 {0, 0, UINT16_MAX, 4 * INFRA_RTO_UNKNOWN_MS},
                 {1, 0, 0, INFRA_RTO_MIN_MS},
                 {1, 0, 2, 4 * INFRA_RTO_MIN_MS},
                 {100999, 0, 0, 100},
                 {101000, 0, 0, 101},
                 {100000, 50000, 0, 300},
                 {100000, 50000, 1, 600},
                 {3500000, 0, 0, INFRA_RTO_MAX_MS},
                 {3501000, 0, 0, INFRA_RTO_MAX_MS},
                 {1000000, 0, 2, INFRA_RTO_MAX_MS},
                 {UINT32_MAX, UINT32_MAX, UINT16_MAX, INFRA_RTO_MAX_MS}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct infra_server s = {.srtt_us = cases[i].srtt_us,
                                 .rttvar_us = cases[i].rttvar_us,
                                 .timeouts = cases[i].timeouts};
        assert_int_equal(infra_rto_ms(&s), cases[i].rto_ms);
    }
}

/* No round-trip time overflows the estimate. */
static void test_extreme_round_trip_times(void **state)
{
    static const uint32_t times[] = {UINT32_MAX, UINT32_MAX, 0, UINT32_MAX, 1, UINT32_MAX / 2};
    const struct addr a = read_addr("192.0.2.1");
    (void)state;
    for (size_t i = 0; i < 100; i++) {
        infra_note_reply(infra, &a, times[i % ARRAY_LEN(times)], T0);
        const struct infra_server *s = infra_find(infra, &a, T0);
        assert_true(s->srtt_us > 0);
        assert_in_range(infra_rto_ms(s), INFRA_RTO_MIN_MS, INFRA_RTO_MAX_MS);
    }
}

/* ---- silence ---- */

/* Queries in flight at the same time count as one timeout; a reply resets the count. */
static void test_timeouts_in_a_row(void **state)
{
    const struct addr a = read_addr("192.0.2.1");
    (void)state;
    infra_note_timeout(infra, &a, T0, T0 + 400);
    infra_note_timeout(infra, &a, T0 + 399, T0 + 800);
    const struct infra_server *s = infra_find(infra, &a, T0 + 800);
    assert_true(s->timeouts == 1 && s->timeout_ms == T0 + 400);
    infra_note_timeout(infra, &a, T0 + 400, T0 + 800);
    assert_true(s->timeouts == 2 && s->timeout_ms == T0 + 800 && s->dead_until_ms == 0);
    infra_note_reply(infra, &a, 1, T0 + 900);
    assert_int_equal(s->timeouts, 0);
    infra_note_timeout(infra, &a, T0, T0 + 950);
    assert_int_equal(s->timeouts, 1);
}

/* From the fourth timeout on the server is avoided for 4 s, doubled each time up to 32 s. While
 * no server at all replies, the network is at fault and 4 s are not doubled. */
static void test_dead_servers(void **state)
{
    static const unsigned seconds[] = {0, 0, 0, 4, 8, 16, 32, 32, 32, 32, 32, 32};
    (void)state;
    for (unsigned is_up = 0; is_up < 2; is_up++) {
        const struct addr a = numbered_addr(1 + is_up), b = numbered_addr(9);
        for (uint64_t i = 0; i < ARRAY_LEN(seconds); i++) {
            uint64_t now = T0 + is_up * MINUTE + i * SECOND;
            if (is_up)
                infra_note_reply(infra, &b, 1, now);
            infra_note_timeout(infra, &a, now, now);
            unsigned want = is_up ? seconds[i] : (unsigned)util_min(seconds[i], 4);
            assert_int_equal(infra_find(infra, &a, now)->dead_until_ms,
                             want ? now + want * SECOND : 0);
        }
        infra_note_reply(infra, &a, 1, T0 + 2 * MINUTE);
        assert_int_equal(infra_find(infra, &a, T0 + 2 * MINUTE)->dead_until_ms, 0);
    }
}

/* After six timeouts, while the other family has replies, a family is down for 30 s. */
static void test_families_that_are_down(void **state)
{
    const struct addr v4 = read_addr("192.0.2.1"), v6 = read_addr("2001:db8::1");
    (void)state;
    time_out(&v6, 20, SECOND); /* no replies from either, on a machine that has just started */
    assert_true(infra_is_family_up(infra, true, 21 * SECOND));
    infra_note_reply(infra, &v6, 1, T0 + MINUTE);
    infra_note_reply(infra, &v4, 1, T0 + MINUTE);
    time_out(&v6, 5, T0 + MINUTE);
    assert_true(infra_is_family_up(infra, true, T0 + MINUTE + 5 * SECOND));
    infra_note_timeout(infra, &v6, T0 + MINUTE + 5 * SECOND, T0 + MINUTE + 5 * SECOND);
    uint64_t end = T0 + MINUTE + 35 * SECOND;
    assert_false(infra_is_family_up(infra, true, end - 1));
    assert_true(infra_is_family_up(infra, true, end));
    assert_true(infra_is_family_up(infra, false, end - 1));
    infra_note_reply(infra, &v6, 1, end - 10 * SECOND); /* a reply ends that */
    assert_true(infra_is_family_up(infra, true, end - 1));
    /* the last reply of the other family is more than 30 s old */
    time_out(&v6, 10, T0 + 2 * MINUTE);
    assert_true(infra_is_family_up(infra, true, T0 + 2 * MINUTE + 10 * SECOND));
}

/* A server without a route is avoided for 4 s, and so is its family, unless other servers of
 * the family replied within 30 s. */
static void test_unreachable(void **state)
{
    const struct addr a = read_addr("2001:db8::1"), b = read_addr("2001:db8:1::1");
    (void)state;
    infra_note_unreachable(infra, &a, T0);
    assert_int_equal(infra_find(infra, &a, T0)->dead_until_ms, T0 + 4 * SECOND);
    assert_false(infra_is_family_up(infra, true, T0 + 4 * SECOND - 1));
    assert_true(infra_is_family_up(infra, true, T0 + 4 * SECOND));
    assert_true(infra_is_family_up(infra, false, T0));
    infra_note_reply(infra, &b, 1, T0 + MINUTE);
    infra_note_unreachable(infra, &a, T0 + MINUTE + 30 * SECOND);
    assert_true(infra_is_family_up(infra, true, T0 + MINUTE + 30 * SECOND));
    infra_note_unreachable(infra, &a, T0 + MINUTE + 30 * SECOND + 1);
    assert_false(infra_is_family_up(infra, true, T0 + MINUTE + 30 * SECOND + 1));
}

/* A server is dead for one subject only: for 4 s, doubled up to 32 s. */
static void test_dead_for_a_subject(void **state)
{
    enum { ZONE = 1234567, OTHER = 7654321 };
    static const unsigned seconds[] = {4, 8, 16, 32, 32};
    const struct addr a = read_addr("192.0.2.1"), b = read_addr("192.0.2.2");
    uint64_t now = T0;
    (void)state;
    infra_note_dead(infra, &a, ZONE, now); /* an unknown server is not added */
    assert_null(infra_find(infra, &a, now));
    time_out(&a, 1, now);
    infra_note_dead(infra, &a, ZONE, now); /* one timeout is not enough */
    const struct infra_server *s = infra_find(infra, &a, now);
    assert_false(infra_is_dead(infra, s, ZONE, now));
    now += SECOND;
    infra_note_timeout(infra, &a, now, now);
    assert_false(infra_is_dead(infra, s, ZONE, now)); /* not noted as dead yet */
    for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
        infra_note_dead(infra, &a, ZONE, now);
        assert_true(infra_is_dead(infra, s, ZONE, now + seconds[i] * SECOND - 1));
        assert_false(infra_is_dead(infra, s, ZONE, now + seconds[i] * SECOND));
        assert_false(infra_is_dead(infra, s, OTHER, now));
        now += seconds[i] * SECOND;
    }
    assert_false(infra_is_dead(infra, infra_find(infra, &b, now), ZONE, now));
    /* after more than 32 s it starts again with 4 s */
    now += 33 * SECOND;
    infra_note_dead(infra, &a, ZONE, now);
    assert_false(infra_is_dead(infra, s, ZONE, now + 4 * SECOND));
    /* during a probe the server stays dead for 4 s, for that subject */
    infra_note_probe(infra, &a, ZONE, now + 5 * SECOND);
    infra_note_probe(infra, &a, OTHER, now + 5 * SECOND);
    assert_true(infra_is_dead(infra, s, ZONE, now + 9 * SECOND - 1));
    assert_false(infra_is_dead(infra, s, ZONE, now + 9 * SECOND));
    assert_false(infra_is_dead(infra, s, OTHER, now + 5 * SECOND));
    infra_forget_zones(infra);
    assert_false(infra_is_dead(infra, s, ZONE, now));
}

/* A server that has replied within 15 s is not dead: it drops some queries only. */
static void test_a_server_that_replies_is_not_dead(void **state)
{
    enum { ZONE = 1 };
    const struct addr a = read_addr("192.0.2.1");
    (void)state;
    infra_note_reply(infra, &a, 1, T0);
    time_out(&a, 2, T0);
    infra_note_dead(infra, &a, ZONE, T0 + 12 * SECOND);
    const struct infra_server *s = infra_find(infra, &a, T0 + 12 * SECOND);
    assert_false(infra_is_dead(infra, s, ZONE, T0 + 15 * SECOND - 1));
    assert_true(infra_is_dead(infra, s, ZONE, T0 + 15 * SECOND));
    infra_note_reply(infra, &a, 1, T0 + 15 * SECOND);
    assert_false(infra_is_dead(infra, s, ZONE, T0 + 15 * SECOND));
}

/* A probe of a dead server makes other queries avoid it for 4 s more; a query to a live server
 * does not. */
static void test_one_probe_at_a_time(void **state)
{
    const struct addr a = read_addr("192.0.2.1");
    (void)state;
    time_out(&a, 3, T0);
    infra_note_probe(infra, &a, 1, T0 + 10 * SECOND);
    assert_int_equal(infra_find(infra, &a, T0 + 10 * SECOND)->dead_until_ms, 0);
    infra_note_timeout(infra, &a, T0 + 10 * SECOND, T0 + 10 * SECOND);
    infra_note_probe(infra, &a, 1, T0 + 20 * SECOND);
    assert_int_equal(infra_find(infra, &a, T0 + 20 * SECOND)->dead_until_ms, T0 + 24 * SECOND);
}

/* ---- lameness, zones ---- */

static void test_lameness(void **state)
{
    const struct addr a = read_addr("192.0.2.1"), b = read_addr("192.0.2.2");
    uint8_t zone[DNAME_MAX], upper[DNAME_MAX], below[DNAME_MAX];
    (void)state;
    unit_name("example.com", zone);
    unit_name("EXAMPLE.Com", upper);
    unit_name("www.example.com", below);
    infra_note_lame(infra, &a, zone, T0);
    assert_true(infra_is_lame(infra, &a, zone, T0));
    assert_true(infra_is_lame(infra, &a, upper, T0 + INFRA_KEEP_MS - 1));
    assert_false(infra_is_lame(infra, &a, upper, T0 + INFRA_KEEP_MS));
    assert_false(infra_is_lame(infra, &a, below, T0));
    assert_false(infra_is_lame(infra, &b, zone, T0));
    infra_forget_zones(infra); /* lameness is kept */
    assert_true(infra_is_lame(infra, &a, zone, T0));
}

static void test_bogus_servers(void **state)
{
    const struct addr a = read_addr("192.0.2.1"), b = read_addr("192.0.2.2");

    (void)state;
    infra_note_bogus(infra, &a, 1, T0);
    assert_true(infra_is_bogus(infra, &a, 1, T0 + INFRA_KEEP_MS - 1));
    assert_false(infra_is_bogus(infra, &a, 1, T0 + INFRA_KEEP_MS));
    assert_false(infra_is_bogus(infra, &a, 2, T0));
    assert_false(infra_is_bogus(infra, &b, 1, T0));
    infra_forget_zones(infra); /* other trust anchors may be configured */
    assert_false(infra_is_bogus(infra, &a, 1, T0));
}

/* A zone is down for 5 s, doubled up to 5 minutes (RFC 9520 3.2); then one query probes it. */
static void test_zones_without_a_server(void **state)
{
    static const unsigned seconds[] = {5, 10, 20, 40, 80, 160, 300, 300};
    enum { ZONE = 99 };
    uint64_t now = T0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
        infra_note_zone_down(infra, ZONE, now, now);
        /* a task that began before that counts as the same failure */
        infra_note_zone_down(infra, ZONE, now - 1, now + 1);
        assert_true(infra_is_zone_down(infra, ZONE, now + seconds[i] * SECOND - 1));
        assert_false(infra_is_zone_down(infra, ZONE + 1, now));
        now += seconds[i] * SECOND;
        /* one query per two seconds may probe */
        assert_false(infra_is_zone_down(infra, ZONE, now));
        assert_true(infra_is_zone_down(infra, ZONE, now));
        assert_true(infra_is_zone_down(infra, ZONE, now + 2 * SECOND - 1));
        now += 2 * SECOND;
        assert_false(infra_is_zone_down(infra, ZONE, now));
    }
    infra_note_zone_up(infra, ZONE + 1); /* of another zone */
    assert_true(infra_is_zone_down(infra, ZONE, now));
    infra_note_zone_up(infra, ZONE);
    assert_false(infra_is_zone_down(infra, ZONE, now));
    infra_note_zone_down(infra, ZONE, now, now); /* it starts again with 5 s */
    assert_false(infra_is_zone_down(infra, ZONE, now + 5 * SECOND));
    infra_note_zone_down(infra, ZONE, now + 6 * SECOND, now + 6 * SECOND);
    infra_forget_zones(infra);
    assert_false(infra_is_zone_down(infra, ZONE, now + 6 * SECOND));
    /* so it does five minutes after the zone was down */
    infra_note_zone_down(infra, ZONE, now, now);
    now += 5 * SECOND + 5 * MINUTE;
    assert_false(infra_is_zone_down(infra, ZONE, now));
    assert_false(infra_is_zone_down(infra, ZONE, now));
    infra_note_zone_down(infra, ZONE, now + 1, now + 1);
    assert_false(infra_is_zone_down(infra, ZONE, now + 1 + 5 * SECOND));
}

/* ---- cookies ---- */

/* One client cookie per server address, different in each process (RFC 7873 4.1). */
static void test_client_cookies(void **state)
{
    const struct addr a = read_addr("192.0.2.1"), b = read_addr("192.0.2.2"),
                      c = read_addr("2001:db8::1");
    uint8_t cookies[5][COOKIE_CLIENT_LEN];
    struct infra *other;
    (void)state;
    infra_client_cookie(infra, &a, cookies[0]);
    infra_client_cookie(infra, &a, cookies[1]);
    assert_memory_equal(cookies[0], cookies[1], COOKIE_CLIENT_LEN);
    infra_client_cookie(infra, &b, cookies[1]);
    infra_client_cookie(infra, &c, cookies[2]);
    assert_int_equal(infra_new(&other), ERR_OK);
    infra_client_cookie(other, &a, cookies[3]);
    infra_client_cookie(other, &c, cookies[4]);
    infra_free(&other);
    for (size_t i = 0; i < ARRAY_LEN(cookies); i++)
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(cookies[i], cookies[k], COOKIE_CLIENT_LEN);
}

/* ---- all of it ---- */

/* After any sequence of events the timeout is within its bounds, and no server, zone or family
 * is avoided for longer than its limit. */
static void test_random_events(void **state)
{
    struct rng rng;
    uint64_t now = T0;
    (void)state;
    rng_init_seeded(&rng, 5);
    for (unsigned i = 0; i < 200000; i++) {
        const struct addr a =
            rng_below(&rng, 4) ? numbered_addr(rng_below(&rng, 9)) : read_addr("2001:db8::1");
        uint64_t zone = rng_below(&rng, 3);
        now += rng_below(&rng, 10) ? rng_below(&rng, 3 * SECOND) : rng_below(&rng, 20 * MINUTE);
        switch (rng_below(&rng, 8)) {
        case 0: infra_note_reply(infra, &a, rng_u32(&rng) >> rng_below(&rng, 32), now); break;
        case 1:
        case 2: infra_note_timeout(infra, &a, now - rng_below(&rng, 4 * SECOND), now); break;
        case 3: infra_note_dead(infra, &a, zone, now); break;
        case 4: infra_note_probe(infra, &a, zone, now); break;
        case 5: infra_note_unreachable(infra, &a, now); break;
        case 6: infra_note_zone_down(infra, zone, now - rng_below(&rng, SECOND), now); break;
        default: infra_note_zone_up(infra, zone);
        }
        const struct infra_server *s = infra_find(infra, &a, now);
        assert_in_range(infra_rto_ms(s), INFRA_RTO_MIN_MS, INFRA_RTO_MAX_MS);
        assert_true(!s || s->dead_until_ms <= now + 32 * SECOND);
        assert_false(infra_is_dead(infra, s, zone, now + 32 * SECOND));
        assert_true(infra_is_family_up(infra, rng_below(&rng, 2), now + 30 * SECOND));
    }
    now += 10 * MINUTE + 1; /* five minutes down, and five without a probe */
    for (uint64_t zone = 0; zone < 3; zone++)
        assert_false(infra_is_zone_down(infra, zone, now));
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FRESH(test_unknown_servers),
        FRESH(test_servers_by_address_and_port),
        FRESH(test_entries_expire),
        FRESH(test_a_flood_of_addresses),
        FRESH(test_round_trip_times),
        FRESH(test_timeouts_of_queries),
        FRESH(test_extreme_round_trip_times),
        FRESH(test_timeouts_in_a_row),
        FRESH(test_dead_servers),
        FRESH(test_families_that_are_down),
        FRESH(test_unreachable),
        FRESH(test_dead_for_a_subject),
        FRESH(test_a_server_that_replies_is_not_dead),
        FRESH(test_one_probe_at_a_time),
        FRESH(test_lameness),
        FRESH(test_bogus_servers),
        FRESH(test_zones_without_a_server),
        FRESH(test_client_cookies),
        FRESH(test_random_events),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
