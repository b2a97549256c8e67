/* The choice of the next server address: which addresses may be chosen, and how often, from a
 * seed. */
#include "tests/unit/unit.h"

#include "base/hash.h"
#include "resolver/iterate/pick.h"

enum { NOW = 3600 * 1000, SUBJECT = 7, DRAWS = 16000 };

static const uint8_t zone[] = "\7example";
static struct infra *infra;
static struct policy *policy;
static struct rng rng;
static struct delegation delegation;
static struct pick_by by;
static struct addr_prefix barred[1];

static int set_up(void **state)
{
    (void)state;
    if (infra_new(&infra) != ERR_OK || !(policy = policy_new()))
        return -1;
    rng_init_seeded(&rng, 3);
    assert_int_equal(addr_read_prefix("192.0.2.99", &barred[0]), ERR_OK);
    policy->do_not_query = (struct addr_prefixes){barred, 1};
    delegation_init(&delegation, zone, DELEGATION_REFERRAL);
    by = (struct pick_by){
        .infra = infra, .policy = policy, .rng = &rng, .subject = SUBJECT, .now_ms = NOW};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    infra_free(&infra);
    policy_free(&policy);
    return 0;
}

/* Add an address with this smoothed round-trip time; 0: unknown. */
static struct delegation_addr *add_addr(const char *text, uint32_t srtt_us)
{
    static const uint8_t server[] = "\2ns\7example";
    int number = delegation_add_server(&delegation, server);
    struct addr addr;

    assert_int_equal(addr_read(text, 53, &addr), ERR_OK);
    struct delegation_addr *a = &delegation.addrs[delegation.addr_cnt++];
    *a = (struct delegation_addr){.addr = addr, .server = (uint8_t)number};
    if (srtt_us)
        infra_get(infra, &addr, NOW)->srtt_us = srtt_us;
    return a;
}

static struct infra_server *known(const struct delegation_addr *a)
{
    return infra_get(infra, &a->addr, NOW);
}

/* How often each address was chosen, and why. */
struct tally {
    unsigned cnt[DELEGATION_ADDRS_MAX];
    unsigned reasons[PICK_EXPLORE + 1];
};

static struct tally draw(unsigned times, enum pick_pass pass)
{
    struct tally tally = {{0}, {0}};

    for (unsigned i = 0; i < times; i++) {
        struct pick_why why;
        int at = pick_next(&delegation, &by, pass, &why);
        assert_in_range(at, 0, delegation.addr_cnt - 1);
        assert_true(pick_may(&delegation, &delegation.addrs[at], &by, pass));
        assert_int_equal(why.of, delegation.addr_cnt);
        assert_in_range(why.chosen_from, 1, delegation.addr_cnt);
        const struct infra_server *s = infra_find(infra, &delegation.addrs[at].addr, NOW);
        assert_int_equal(why.srtt_us, s ? s->srtt_us : 0);
        tally.cnt[at]++;
        tally.reasons[why.reason]++;
    }
    return tally;
}

/* Assert in which passes the address may be chosen. */
static void expect_passes(const struct delegation_addr *a, bool is_good, bool is_last_resort)
{
    assert_int_equal(pick_may(&delegation, a, &by, PICK_GOOD), is_good);
    assert_int_equal(pick_may(&delegation, a, &by, PICK_LAST_RESORT), is_last_resort);
}

static void test_no_address_may_be_chosen(void **state)
{
    struct pick_why why = {.reason = PICK_NEAR, .chosen_from = 77, .of = 78, .srtt_us = 79};
    (void)state;
    assert_int_equal(pick_next(&delegation, &by, PICK_GOOD, &why), -1);
    add_addr("192.0.2.99", 1000);
    add_addr("192.0.2.1", 1000)->is_useless = true;
    assert_int_equal(pick_next(&delegation, &by, PICK_GOOD, &why), -1);
    assert_int_equal(pick_next(&delegation, &by, PICK_LAST_RESORT, &why), -1);
    assert_true(why.reason == PICK_NEAR && why.chosen_from == 77 && why.of == 78 &&
                why.srtt_us == 79);
}

/* Each reason against an address, by itself. */
static void test_which_addresses_may_be_chosen(void **state)
{
    (void)state;
    struct delegation_addr *a = add_addr("192.0.2.1", 1000);
    expect_passes(a, true, true);
    a->is_useless = true;
    expect_passes(a, false, false);
    a->is_useless = false;
    a->is_full = true;
    expect_passes(a, false, false);
    a->is_full = false;
    a->tries = PICK_TRIES_MAX - 1;
    expect_passes(a, true, true);
    a->tries = PICK_TRIES_MAX;
    expect_passes(a, false, false);
    a->tries = 0;
    known(a)->dead_until_ms = NOW + 1;
    expect_passes(a, false, true);
    known(a)->dead_until_ms = NOW;
    expect_passes(a, true, true);
    infra_note_lame(infra, &a->addr, (const uint8_t *)"\5other", NOW);
    expect_passes(a, true, true);
    infra_note_lame(infra, &a->addr, zone, NOW);
    expect_passes(a, false, true);
    expect_passes(add_addr("192.0.2.99", 0), false, false);
}

/* A family that is down, and a server that is dead for this subject. */
static void test_families_and_dead_servers(void **state)
{
    (void)state;
    struct delegation_addr *a = add_addr("2001:db8::1", 0);
    infra_note_unreachable(infra, &a->addr, NOW);
    struct delegation_addr *b = add_addr("2001:db8::2", 0);
    expect_passes(b, false, true);
    struct delegation_addr *c = add_addr("192.0.2.1", 0);
    infra_note_timeout(infra, &c->addr, NOW, NOW);
    infra_note_timeout(infra, &c->addr, NOW, NOW);
    expect_passes(c, true, true);
    infra_note_dead(infra, &c->addr, SUBJECT + 1, NOW);
    expect_passes(c, true, true);
    infra_note_dead(infra, &c->addr, SUBJECT, NOW);
    expect_passes(c, false, false);
}

static void test_reasons(void **state)
{
    struct pick_why why;
    (void)state;
    add_addr("192.0.2.1", 0);
    assert_int_equal(pick_next(&delegation, &by, PICK_GOOD, &why), 0);
    assert_true(why.reason == PICK_ONLY && why.chosen_from == 1 && why.of == 1 &&
                why.srtt_us == 0);
    add_addr("192.0.2.99", 1); /* may not be queried; counts in `of` */
    known(&delegation.addrs[0])->srtt_us = 5000;
    assert_int_equal(pick_next(&delegation, &by, PICK_GOOD, &why), 0);
    assert_true(why.reason == PICK_ONLY && why.chosen_from == 1 && why.of == 2 &&
                why.srtt_us == 5000);
    known(&delegation.addrs[0])->srtt_us = 0;
    add_addr("192.0.2.2", 0);
    struct tally tally = draw(DRAWS, PICK_GOOD);
    assert_int_equal(tally.reasons[PICK_UNKNOWN], DRAWS);
    assert_in_range(tally.cnt[0], DRAWS / 2 - DRAWS / 20, DRAWS / 2 + DRAWS / 20);
}

/* Addresses within 40 ms of the fastest are chosen equally often, so that a forger cannot know
 * which was queried.  One query in sixteen goes to any address. */
static void test_the_band(void **state)
{
    (void)state;
    add_addr("192.0.2.1", 10000);
    add_addr("192.0.2.2", 10000 + PICK_BAND_US);
    add_addr("192.0.2.3", 10000 + PICK_BAND_US + 1);
    add_addr("192.0.2.4", UINT32_MAX);
    add_addr("192.0.2.5", 0); /* unknown */
    struct tally tally = draw(DRAWS, PICK_GOOD);
    unsigned explored = DRAWS / PICK_EXPLORE_ONE_IN;
    assert_in_range(tally.reasons[PICK_EXPLORE], explored * 8 / 10, explored * 12 / 10);
    assert_int_equal(tally.reasons[PICK_NEAR] + tally.reasons[PICK_EXPLORE], DRAWS);
    for (int i = 0; i < 2; i++)
        assert_in_range(tally.cnt[i], DRAWS / 2 * 9 / 10, DRAWS / 2);
    for (int i = 2; i < 5; i++)
        assert_in_range(tally.cnt[i], explored / 5 * 6 / 10, explored / 5 * 14 / 10);
}

/* The end of the band does not overflow. */
static void test_the_band_of_slow_servers(void **state)
{
    (void)state;
    add_addr("192.0.2.1", UINT32_MAX - 60000);
    add_addr("192.0.2.2", UINT32_MAX - 30000);
    add_addr("192.0.2.3", 0);
    struct tally tally = draw(DRAWS, PICK_GOOD);
    assert_true(tally.cnt[0] > DRAWS / 3 && tally.cnt[1] > DRAWS / 3);
}

/* Fewer tries come before shorter times; servers with timeouts come last. */
static void test_the_order(void **state)
{
    (void)state;
    struct delegation_addr *fast = add_addr("192.0.2.1", 1000),
                           *slow = add_addr("192.0.2.2", 900000),
                           *silent = add_addr("192.0.2.3", 1000);
    known(silent)->timeouts = 1;
    fast->tries = 1;
    assert_int_equal(draw(1000, PICK_GOOD).cnt[1], 1000);
    slow->tries = 2;
    assert_int_equal(draw(1000, PICK_GOOD).cnt[0], 1000);
    fast->tries = 2;
    assert_int_equal(draw(1000, PICK_GOOD).cnt[2], 0);
    fast->tries = PICK_TRIES_MAX;
    assert_int_equal(draw(1000, PICK_GOOD).cnt[1], 1000);
    slow->tries = PICK_TRIES_MAX;
    assert_int_equal(draw(1000, PICK_GOOD).cnt[2], 1000);
    known(silent)->dead_until_ms = NOW + 1;
    assert_int_equal(draw(1000, PICK_LAST_RESORT).cnt[2], 1000);
    fast->tries = slow->tries = 0;
    infra_note_bogus(infra, &fast->addr, by.subject, NOW);
    assert_int_equal(draw(1000, PICK_GOOD).cnt[1], 1000);
    infra_note_bogus(infra, &slow->addr, by.subject, NOW);
    assert_true(draw(1000, PICK_GOOD).cnt[0] > 0); /* all are last */
}

/* The largest number of addresses, all equally fast: each is chosen about equally often. */
static void test_many_addresses(void **state)
{
    char text[40];
    (void)state;
    for (int i = 0; i < DELEGATION_ADDRS_MAX; i++) {
        snprintf(text, sizeof(text), "198.51.100.%d", i + 1);
        add_addr(text, 20000);
    }
    struct tally tally = draw(DELEGATION_ADDRS_MAX * 1000, PICK_GOOD);
    for (int i = 0; i < DELEGATION_ADDRS_MAX; i++)
        assert_in_range(tally.cnt[i], 850, 1150);
}

static void test_the_same_seed_draws_the_same(void **state)
{
    int first[200];
    struct pick_why why;
    (void)state;
    for (int i = 0; i < 10; i++) {
        char text[40];
        snprintf(text, sizeof(text), "198.51.100.%d", i + 1);
        add_addr(text, (uint32_t)i * 10000);
    }
    for (int round = 0; round < 2; round++) {
        rng_init_seeded(&rng, 42);
        for (size_t i = 0; i < ARRAY_LEN(first); i++) {
            int at = pick_next(&delegation, &by, PICK_GOOD, &why);
            if (round == 0)
                first[i] = at;
            assert_int_equal(at, first[i]);
        }
    }
}

/* For addresses in any state the chosen one may be chosen and has the fewest tries; -1 means
 * that none may be chosen. */
static void test_random_states(void **state)
{
    unsigned none_cnt = 0;
    (void)state;
    for (unsigned n = 0; n < 20000; n++) {
        struct pick_why why;
        char text[40];
        delegation_init(&delegation, zone, DELEGATION_REFERRAL);
        for (unsigned i = rng_below(&rng, 6); i > 0; i--) {
            snprintf(text, sizeof(text), "192.0.2.%u", 94 + i);
            struct delegation_addr *a = add_addr(text, rng_below(&rng, 3) * 30000);
            a->tries = (uint8_t)rng_below(&rng, PICK_TRIES_MAX + 1);
            a->is_useless = rng_below(&rng, 4) == 0;
            a->is_full = rng_below(&rng, 4) == 0;
            known(a)->dead_until_ms = NOW + rng_below(&rng, 2);
            known(a)->timeouts = (uint16_t)rng_below(&rng, 2);
        }
        enum pick_pass pass = rng_below(&rng, 2) ? PICK_GOOD : PICK_LAST_RESORT;
        int at = pick_next(&delegation, &by, pass, &why);
        none_cnt += at < 0;
        for (int i = 0; i < delegation.addr_cnt; i++) {
            const struct delegation_addr *a = &delegation.addrs[i];
            bool may = pick_may(&delegation, a, &by, pass);
            assert_true(!may || at >= 0);
            assert_true(i != at || may);
            if (may && known(a)->timeouts == known(&delegation.addrs[at])->timeouts)
                assert_true(a->tries >= delegation.addrs[at].tries);
            assert_false(may && known(a)->timeouts < known(&delegation.addrs[at])->timeouts);
        }
    }
    assert_in_range(none_cnt, 2000, 18000);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FRESH(test_no_address_may_be_chosen),
        FRESH(test_which_addresses_may_be_chosen),
        FRESH(test_families_and_dead_servers),
        FRESH(test_reasons),
        FRESH(test_the_band),
        FRESH(test_the_band_of_slow_servers),
        FRESH(test_the_order),
        FRESH(test_many_addresses),
        FRESH(test_the_same_seed_draws_the_same),
        FRESH(test_random_states),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
