/* Quotas: the limits hold, no client or class takes all places, and each place is given back.
 */
#include "threads.h"

#include <semaphore.h>
#include <time.h>

#include "base/hash.h"
#include "base/rng.h"
#include "resolver/limits/quota.h"
#include "resolver/res_conf.h"

enum {
    THREADS = 2,
    ROUNDS = 500000,
    HELD_MAX = 50,
    ZONES = 2,
    SERVERS = 2,
    CLIENTS = 6,
    WAITERS = 4,
    WAITER_ROUNDS = 50000,
    PATIENCE_S = 20,
    ZONE_LIMIT = 20,
    SERVER_LIMIT = 20,
    ALL_LIMIT = 36
};

static struct quota *quota;
static _Atomic unsigned zone_cnt[ZONES], all_cnt, taken_cnt;

static struct quota_place place_of(uint64_t zone, const char *server, uint64_t client)
{
    struct addr addr;
    assert_int_equal(addr_read(server, 53, &addr), ERR_OK);
    struct quota_terms terms = {.zone = zone, .server = &addr, .client = client};
    return quota_place(quota, &terms);
}

static void expect_sums(uint64_t held, uint64_t waiting)
{
    struct quota_sums sums = quota_sums(quota);
    for (enum quota_kind kind = 0; kind < QUOTA_KINDS; kind++) {
        assert_int_equal(sums.all[kind], held);
        assert_int_equal(sums.of_class[kind], held);
        assert_int_equal(sums.own[kind], held);
    }
    assert_int_equal(sums.waiting, waiting);
    assert_int_equal(sums.announced, 0);
}

/* A client gets no more places than stay free for others of its class. */
static void test_the_share_of_one_client(void **state)
{
    enum { FORGED = 2, PROVEN = 3, OTHER = 7 };
    static const struct {
        uint64_t client;
        unsigned gets;
    } cases[] = {{FORGED, 75}, {PROVEN, 75}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        unsigned got = 0;
        assert_int_equal(quota_new(&(struct quota_limits){.per_zone = 200}, &quota), ERR_OK);
        struct quota_place place = place_of(1, "192.0.2.1", cases[i].client),
                           other = place_of(1, "192.0.2.1", OTHER);
        while (quota_spend(quota, &place) == QUOTA_KINDS)
            got++;
        assert_int_equal(got, cases[i].gets);
        assert_false(quota_has_room(quota, &place, QUOTA_ZONE));
        assert_true(quota_has_room(quota, &place, QUOTA_SERVER) &&
                    quota_has_room(quota, &other, QUOTA_ZONE));
        expect_sums(got, 0);
        for (; got > 0; got--)
            quota_give_back(quota, &place);
        expect_sums(0, 0);
        quota_free(&quota);
    }
}

/* Ten, a hundred or a thousand clients of one class take all the places they can: ten clients
 * of the other class still find a place each. */
static void test_no_class_takes_all_places(void **state)
{
    (void)state;
    for (unsigned is_proven = 0; is_proven < 2; is_proven++)
        for (unsigned hogs = 10; hogs <= 1000; hogs *= 10) {
            unsigned got = 0;
            assert_int_equal(quota_new(&(struct quota_limits){.per_zone = 200}, &quota),
                             ERR_OK);
            for (bool is_more = true; is_more;) {
                is_more = false;
                for (unsigned i = 0; i < hogs; i++) {
                    struct quota_place hog =
                        place_of(1, "192.0.2.1", 4000 + 4 * i + 2 + is_proven);
                    bool is_spent = quota_spend(quota, &hog) == QUOTA_KINDS;
                    is_more |= is_spent;
                    got += is_spent;
                }
            }
            print_message("%u clients of one class: %u places\n", hogs, got);
            assert_in_range(got, 130, 150);
            for (unsigned i = 0; i < 10; i++) {
                struct quota_place other = place_of(1, "192.0.2.1", 4 * i + 3 - is_proven);
                assert_int_equal(quota_spend(quota, &other), QUOTA_KINDS);
            }
            quota_free(&quota);
        }
}

/* quota_spend returns the kind that is full, and takes no place of the other kinds then. */
static void test_the_full_kind_is_returned(void **state)
{
    (void)state;
    assert_int_equal(
        quota_new(&(struct quota_limits){.per_zone = 8, .per_server = 2, .in_all = 3}, &quota),
        ERR_OK);
    struct quota_place a = place_of(1, "192.0.2.1", 3), b = place_of(2, "192.0.2.2", 7),
                       c = place_of(3, "192.0.2.3", 11);
    a.is_exempt = b.is_exempt = c.is_exempt = true;
    assert_int_equal(quota_spend(quota, &a), QUOTA_KINDS);
    assert_int_equal(quota_spend(quota, &a), QUOTA_KINDS);
    assert_int_equal(quota_spend(quota, &a), QUOTA_SERVER);
    expect_sums(2, 0);
    assert_int_equal(quota_spend(quota, &b), QUOTA_KINDS);
    assert_int_equal(quota_spend(quota, &c), QUOTA_ALL);
    expect_sums(3, 0);
    (*quota_waiting(quota, 3))++;
    expect_sums(3, 1);
    quota_free(&quota);
}

static struct quota_place places[ZONES][SERVERS][CLIENTS];

/* Return what is wrong, or NULL. */
static void *spend_and_give_back(void *data)
{
    struct held {
        const struct quota_place *place;
        unsigned zone;
    } held[HELD_MAX];
    unsigned cnt = 0;
    struct rng rng;

    rng_init_seeded(&rng, (uint64_t)(uintptr_t)data);
    for (unsigned i = 0; i < ROUNDS || cnt > 0; i++) {
        if (cnt == HELD_MAX || i >= ROUNDS || (cnt > 0 && rng_below(&rng, 2))) {
            unsigned at = rng_below(&rng, cnt--);
            zone_cnt[held[at].zone]--;
            all_cnt--;
            quota_give_back(quota, held[at].place);
            held[at] = held[cnt];
            continue;
        }
        unsigned zone = rng_below(&rng, ZONES);
        held[cnt] = (struct held){
            &places[zone][rng_below(&rng, SERVERS)][rng_below(&rng, CLIENTS)], zone};
        if (quota_spend(quota, held[cnt].place) != QUOTA_KINDS)
            continue;
        if (++zone_cnt[zone] > ZONE_LIMIT || ++all_cnt > ALL_LIMIT)
            return (void *)"more places are taken than there are";
        taken_cnt++;
        cnt++;
    }
    return NULL;
}

/* With two workers no limit is exceeded, and in the end all places are free. */
static void test_two_workers(void **state)
{
    static const char *const servers[SERVERS] = {"192.0.2.1", "2001:db8::1"};
    static const uint64_t clients[CLIENTS] = {
        2, 3}; /* spoofable, proven, and more that are exempt */
    struct threads threads = {.cnt = 0};
    (void)state;
    assert_int_equal(quota_new(&(struct quota_limits){.per_zone = ZONE_LIMIT,
                                                      .per_server = SERVER_LIMIT,
                                                      .in_all = ALL_LIMIT},
                               &quota),
                     ERR_OK);
    for (unsigned z = 0; z < ZONES; z++)
        for (unsigned v = 0; v < SERVERS; v++)
            for (unsigned c = 0; c < CLIENTS; c++) {
                places[z][v][c] = place_of(z + 1, servers[v], clients[c]);
                places[z][v][c].is_exempt = clients[c] == 0;
            }
    for (size_t i = 0; i < THREADS; i++)
        threads_start(&threads, spend_and_give_back, (void *)(i + 1));
    threads_join(&threads);
    assert_int_equal(all_cnt, 0);
    assert_true(taken_cnt > ROUNDS / 10);
    expect_sums(0, 0);
    quota_free(&quota);
}

static unsigned woken[QUOTA_WORKERS];

static void note_wake(void *data, size_t worker)
{
    (void)data;
    woken[worker]++;
}

/* A place is left to the other workers that wait for the same zone; each is woken once until it
 * has seen that. */
static void test_a_place_is_left_to_others(void **state)
{
    (void)state;
    assert_int_equal(quota_new(&(struct quota_limits){.per_zone = 1}, &quota), ERR_OK);
    quota_set_wake(quota, note_wake, NULL);
    memset(woken, 0, sizeof(woken));
    struct quota_place place = place_of(1, "192.0.2.1", 3), other = place_of(2, "192.0.2.1", 3);
    quota_announce(quota, &place, QUOTA_ZONE, 0);
    quota_announce(quota, &place, QUOTA_ZONE, 3);
    quota_announce(quota, &place, QUOTA_ZONE, QUOTA_WORKERS + 5);
    assert_true(quota_is_wanted(quota, &place, QUOTA_ZONE, 0));
    assert_false(quota_is_wanted(quota, &other, QUOTA_ZONE, 0) ||
                 quota_is_wanted(quota, &place, QUOTA_SERVER, 0));
    quota_leave(quota, &place, QUOTA_ZONE, 0);
    quota_leave(quota, &place, QUOTA_ZONE, 0);
    assert_true(woken[0] == 0 && woken[3] == 1 && woken[5] == 1);
    assert_true(quota_see_left(quota, 3) && !quota_see_left(quota, 3) &&
                !quota_see_left(quota, 0));
    quota_end_announcement(quota, &place, QUOTA_ZONE, QUOTA_WORKERS + 5);
    quota_leave(quota, &place, QUOTA_ZONE, 0);
    assert_true(woken[3] == 2 && woken[5] == 1);
    quota_end_announcement(quota, &place, QUOTA_ZONE, 3);
    assert_false(quota_is_wanted(quota, &place, QUOTA_ZONE, 0));
    quota_end_announcement(quota, &place, QUOTA_ZONE, 0);
    expect_sums(0, 0);
    quota_free(&quota);
}

/* An exempt client spares the places that were left to other workers, other clients do not. */
static void test_left_places_are_spared(void **state)
{
    (void)state;
    assert_int_equal(quota_new(&(struct quota_limits){.per_zone = 4}, &quota), ERR_OK);
    struct quota_place place = place_of(1, "192.0.2.1", 3);
    place.left[QUOTA_ZONE] = 3;
    assert_int_equal(quota_spend(quota, &place), QUOTA_KINDS);
    place.is_exempt = true;
    assert_int_equal(quota_spend(quota, &place), QUOTA_ZONE);
    place.left[QUOTA_ZONE] = 2;
    assert_int_equal(quota_spend(quota, &place), QUOTA_KINDS);
    place.left[QUOTA_ZONE] = UINT32_MAX;
    assert_false(quota_has_room(quota, &place, QUOTA_ZONE));
    quota_free(&quota);
}

/* A worker of the next test. */
static struct waiter {
    size_t number;
    sem_t woken;
} waiters[WAITERS];

static void wake_waiter(void *data, size_t worker)
{
    (void)data;
    sem_post(&waiters[worker].woken);
}

/* Wait without a timer of its own, as if ENGINE_LOOK_MS were infinite. */
static bool wait_for_place(struct waiter *w, const struct quota_place *place)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE_S;
    quota_announce(quota, place, QUOTA_ZONE, w->number);
    while (!quota_has_room(quota, place, QUOTA_ZONE)) {
        if (sem_timedwait(&w->woken, &end) != 0)
            return false;
        (void)quota_see_left(quota, w->number);
    }
    quota_end_announcement(quota, place, QUOTA_ZONE, w->number);
    return true;
}

/* Return what is wrong, or NULL. */
static void *take_turns(void *data)
{
    struct waiter *w = data;
    const struct quota_place *place = &places[0][0][0];

    for (unsigned i = 0; i < WAITER_ROUNDS; i++) {
        while (quota_spend(quota, place) != QUOTA_KINDS)
            if (!wait_for_place(w, place))
                return (void *)"a place is free, and a worker that waits for it is not woken";
        quota_give_back(quota, place);
        if (quota_is_wanted(quota, place, QUOTA_ZONE, w->number))
            quota_leave(quota, place, QUOTA_ZONE, w->number);
    }
    return NULL;
}

/* Workers that sleep until they are woken miss no place. */
static void test_no_wake_up_is_lost(void **state)
{
    (void)state;
    for (uint32_t limit = 1; limit < WAITERS; limit++) {
        struct threads threads = {.cnt = 0};
        assert_int_equal(quota_new(&(struct quota_limits){.per_zone = limit}, &quota), ERR_OK);
        quota_set_wake(quota, wake_waiter, NULL);
        places[0][0][0] = place_of(1, "192.0.2.1", 3);
        places[0][0][0].is_exempt = true;
        for (size_t i = 0; i < WAITERS; i++) {
            waiters[i].number = i;
            assert_int_equal(sem_init(&waiters[i].woken, 0, 0), 0);
        }
        for (size_t i = 0; i < WAITERS; i++)
            threads_start(&threads, take_turns, &waiters[i]);
        threads_join(&threads);
        expect_sums(0, 0);
        for (size_t i = 0; i < WAITERS; i++)
            sem_destroy(&waiters[i].woken);
        quota_free(&quota);
    }
}

static enum err read_limits(const char *text, struct res_conf **conf)
{
    char whole[200];
    struct diag diag;

    snprintf(whole, sizeof(whole), "server: {listen: [127.0.0.1]}\n%s", text);
    diag_init(&diag);
    enum err err = res_conf_parse("c.yaml", whole, strlen(whole), &diag, conf);
    diag_fini(&diag);
    return err;
}

static void test_the_configuration(void **state)
{
    struct res_conf *conf = NULL;
    (void)state;
    assert_int_equal(read_limits("", &conf), ERR_OK);
    assert_int_equal(conf->quota_limits.per_zone, 200);
    assert_int_equal(conf->quota_limits.per_server, 400);
    assert_int_equal(conf->quota_limits.per_forwarder, QUOTA_FORWARDER_MAX);
    assert_int_equal(conf->quota_limits.in_all, QUOTA_ALL_MAX);
    res_conf_free(&conf);
    assert_int_equal(
        read_limits("limits: {fetches-per-zone: 3, fetches-per-server: 5}\n", &conf), ERR_OK);
    assert_int_equal(conf->quota_limits.per_zone, 3);
    assert_int_equal(conf->quota_limits.per_server, 5);
    res_conf_free(&conf);
    assert_int_equal(read_limits("limits: {fetches-per-zone: 0}\n", &conf), ERR_CONFIG);
    res_conf_free(&conf);
    assert_int_equal(read_limits("limits: {fetches-per-server: -1}\n", &conf), ERR_CONFIG);
    res_conf_free(&conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_share_of_one_client),
        cmocka_unit_test(test_no_class_takes_all_places),
        cmocka_unit_test(test_the_full_kind_is_returned),
        cmocka_unit_test(test_two_workers),
        cmocka_unit_test(test_a_place_is_left_to_others),
        cmocka_unit_test(test_left_places_are_spared),
        cmocka_unit_test(test_no_wake_up_is_lost),
        cmocka_unit_test(test_the_configuration),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
