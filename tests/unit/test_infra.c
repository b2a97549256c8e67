/* What is known of each server's address: times (RFC 6298), silence, families, lameness, zones
 * without a server (RFC 9520), cookies, and a table that does not grow. */
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

/* Let `cnt` queries in a row, a second apart from `at_ms` on, time out. */
static void time_out(const struct addr *addr, unsigned cnt, uint64_t at_ms)
{
    for (unsigned i = 0; i < cnt; i++)
        infra_note_timeout(infra, addr, at_ms + i * SECOND, at_ms + i * SECOND);
}

/* ---- the table ---- */

static void test_what_is_not_there(void **state)
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
    /* looking for it did not add it */
    assert_null(infra_find(infra, &a, T0));
    struct infra *none = NULL;
    infra_free(&none);
}

/* Address, family and port tell servers apart. */
static void test_what_one_server_is(void **state)
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

/* A server is forgotten a quarter of an hour after its last use; that it has answered in mixed
 * case is not, since nothing is risked by that. */
static void test_it_is_forgotten(void **state)
{
    const struct addr a = read_addr("192.0.2.1");
    (void)state;
    struct infra_server *s = infra_get(infra, &a, T0);
    s->no_edns_until_ms = UINT64_MAX;
    s->knows_case = true;
    assert_ptr_equal(infra_find(infra, &a, T0 + INFRA_KEEP_MS), s);
    assert_null(infra_find(infra, &a, T0 + INFRA_KEEP_MS + 1));
    assert_int_equal(infra_get(infra, &a, T0 + INFRA_KEEP_MS)->no_edns_until_ms, UINT64_MAX);
    /* that was a use, looking is not */
    assert_non_null(infra_find(infra, &a, T0 + 2 * INFRA_KEEP_MS));
    s = infra_get(infra, &a, T0 + 2 * INFRA_KEEP_MS + 1);
    assert_int_equal(s->no_edns_until_ms, 0);
    assert_true(s->knows_case);
}

/* A hundred thousand addresses push out the least used; one that is used all the time stays,
 * and what is found is about the address that was asked for. */
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
    infra_note_reply(infra, &a, 10000, T0 + 2); /* faster than before: the same difference */
    assert_true(s->srtt_us == 90000 - 11250 + 1250 && s->rttvar_us == 50000 - 12500 + 20000);
    /* a time of 0 is measured too: 0 is the value for unknown */
    const struct addr b = read_addr("192.0.2.2");
    infra_note_reply(infra, &b, 0, T0);
    assert_int_equal(infra_find(infra, &b, T0)->srtt_us, 1);
    assert_int_equal(infra_rto_ms(infra_find(infra, &b, T0)), INFRA_RTO_MIN_MS);
}

/* Not below a tenth of a second, not above 3.5 s, doubled twice at most (RFC 6298 5.5). */
static void test_how_long_to_wait(void **state)
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

/* The largest times there are: nothing overflows. */
static void test_absurd_times(void **state)
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

/* Queries that were out together are one silence; a reply ends the row. */
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

/* After four the server is left alone for 4 s, twice as long each time, at most for 32 s; as
 * long as nothing answers at all, it is the network, and 4 s stay 4 s. */
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

/* A family that is silent six times while the other one answers is down for half a minute. */
static void test_a_silent_family(void **state)
{
    const struct addr v4 = read_addr("192.0.2.1"), v6 = read_addr("2001:db8::1");
    (void)state;
    time_out(&v6, 20, SECOND); /* neither answers, the machine has just started */
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
    infra_note_reply(infra, &v6, 1, end - 10 * SECOND); /* one reply: it is up */
    assert_true(infra_is_family_up(infra, true, end - 1));
    /* the other family answered too long ago to tell */
    time_out(&v6, 10, T0 + 2 * MINUTE);
    assert_true(infra_is_family_up(infra, true, T0 + 2 * MINUTE + 10 * SECOND));
}

/* Without a route the server is left alone for 4 s, and its family too unless that answers
 * from other networks. */
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

/* A server that was silent for one subject is dead for that subject only: 4 s, doubled up to
 * 32 s while it stays silent. */
static void test_dead_for_a_subject(void **state)
{
    enum { ZONE = 1234567, OTHER = 7654321 };
    static const unsigned seconds[] = {4, 8, 16, 32, 32};
    const struct addr a = read_addr("192.0.2.1"), b = read_addr("192.0.2.2");
    uint64_t now = T0;
    (void)state;
    infra_note_dead(infra, &a, ZONE, now); /* nothing is known of it */
    assert_null(infra_find(infra, &a, now));
    time_out(&a, 1, now);
    infra_note_dead(infra, &a, ZONE, now); /* once may be chance */
    const struct infra_server *s = infra_find(infra, &a, now);
    assert_false(infra_is_dead(infra, s, ZONE, now));
    now += SECOND;
    infra_note_timeout(infra, &a, now, now);
    assert_false(infra_is_dead(infra, s, ZONE, now)); /* silent, but of no zone */
    for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
        infra_note_dead(infra, &a, ZONE, now);
        assert_true(infra_is_dead(infra, s, ZONE, now + seconds[i] * SECOND - 1));
        assert_false(infra_is_dead(infra, s, ZONE, now + seconds[i] * SECOND));
        assert_false(infra_is_dead(infra, s, OTHER, now));
        now += seconds[i] * SECOND;
    }
    assert_false(infra_is_dead(infra, infra_find(infra, &b, now), ZONE, now));
    /* a long time after it had passed, it begins with 4 s again */
    now += 33 * SECOND;
    infra_note_dead(infra, &a, ZONE, now);
    assert_false(infra_is_dead(infra, s, ZONE, now + 4 * SECOND));
    /* one query probes it, the others go on leaving it alone for 4 s */
    infra_note_probe(infra, &a, ZONE, now + 5 * SECOND);
    infra_note_probe(infra, &a, OTHER, now + 5 * SECOND);
    assert_true(infra_is_dead(infra, s, ZONE, now + 9 * SECOND - 1));
    assert_false(infra_is_dead(infra, s, ZONE, now + 9 * SECOND));
    assert_false(infra_is_dead(infra, s, OTHER, now + 5 * SECOND));
    infra_forget_zones(infra);
    assert_false(infra_is_dead(infra, s, ZONE, now));
}

/* A server that answers other queries drops some kinds: it is not dead. */
static void test_one_that_answers_is_not_dead(void **state)
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

/* A query to a server that is left alone keeps others from it for 4 s more; one to another
 * server changes nothing. */
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
    infra_forget_zones(infra); /* a new configuration says nothing of that */
    assert_true(infra_is_lame(infra, &a, zone, T0));
}

/* RFC 9520 3.2: 5 s first, doubled in a row up to 5 minutes; one query probes at the end. */
static void test_zones_without_a_server(void **state)
{
    static const unsigned seconds[] = {5, 10, 20, 40, 80, 160, 300, 300};
    enum { ZONE = 99 };
    uint64_t now = T0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
        infra_note_zone_down(infra, ZONE, now, now);
        /* tasks that began before have met the same fault: they count once */
        infra_note_zone_down(infra, ZONE, now - 1, now + 1);
        assert_true(infra_is_zone_down(infra, ZONE, now + seconds[i] * SECOND - 1));
        assert_false(infra_is_zone_down(infra, ZONE + 1, now));
        now += seconds[i] * SECOND;
        /* the first may find out, within two seconds, then another */
        assert_false(infra_is_zone_down(infra, ZONE, now));
        assert_true(infra_is_zone_down(infra, ZONE, now));
        assert_true(infra_is_zone_down(infra, ZONE, now + 2 * SECOND - 1));
        now += 2 * SECOND;
        assert_false(infra_is_zone_down(infra, ZONE, now));
    }
    infra_note_zone_up(infra, ZONE + 1); /* another one */
    assert_true(infra_is_zone_down(infra, ZONE, now));
    infra_note_zone_up(infra, ZONE);
    assert_false(infra_is_zone_down(infra, ZONE, now));
    infra_note_zone_down(infra, ZONE, now, now); /* and the row begins anew */
    assert_false(infra_is_zone_down(infra, ZONE, now + 5 * SECOND));
    infra_note_zone_down(infra, ZONE, now + 6 * SECOND, now + 6 * SECOND);
    infra_forget_zones(infra);
    assert_false(infra_is_zone_down(infra, ZONE, now + 6 * SECOND));
    /* what was five minutes ago is no row */
    infra_note_zone_down(infra, ZONE, now, now);
    now += 5 * SECOND + 5 * MINUTE;
    assert_false(infra_is_zone_down(infra, ZONE, now));
    assert_false(infra_is_zone_down(infra, ZONE, now));
    infra_note_zone_down(infra, ZONE, now + 1, now + 1);
    assert_false(infra_is_zone_down(infra, ZONE, now + 1 + 5 * SECOND));
}

/* ---- cookies ---- */

/* RFC 7873 4.1: the same for one address, another for each other one, and no other resolver
 * can tell it. */
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

/* Whatever happens, in any order: times to wait are within their bounds, and a server, zone or
 * family is left alone for no longer than its most. */
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
    now += 10 * MINUTE + 1; /* five minutes, and as many without a probe */
    for (uint64_t zone = 0; zone < 3; zone++)
        assert_false(infra_is_zone_down(infra, zone, now));
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FRESH(test_what_is_not_there),
        FRESH(test_what_one_server_is),
        FRESH(test_it_is_forgotten),
        FRESH(test_a_flood_of_addresses),
        FRESH(test_round_trip_times),
        FRESH(test_how_long_to_wait),
        FRESH(test_absurd_times),
        FRESH(test_timeouts_in_a_row),
        FRESH(test_dead_servers),
        FRESH(test_a_silent_family),
        FRESH(test_unreachable),
        FRESH(test_dead_for_a_subject),
        FRESH(test_one_that_answers_is_not_dead),
        FRESH(test_one_probe_at_a_time),
        FRESH(test_lameness),
        FRESH(test_zones_without_a_server),
        FRESH(test_client_cookies),
        FRESH(test_random_events),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
