/* The in-flight table: one worker at a time resolves a name, and each waiting worker is woken.
 */
#include "tests/unit/threads.h"

#include "resolver/cache/inflight.h"

enum { THREADS = 4, ROUNDS = 20000 };

static struct inflight *inflight;
static unsigned woken[INFLIGHT_WAITERS];
static _Atomic unsigned owners, owned;

static void wake(void *data, size_t worker)
{
    (void)data;
    woken[worker]++;
}

static void wake_nothing(void *data, size_t worker)
{
    (void)data;
    (void)worker;
}

static void test_one_worker_has_the_entry(void **state)
{
    const uint64_t hash = 0x1234567890abcdef;
    uint32_t turn, later;
    (void)state;
    assert_int_equal(inflight_new(wake, NULL, &inflight), ERR_OK);
    assert_int_equal(inflight_take(inflight, hash, 0, &turn), INFLIGHT_OURS);
    assert_false(inflight_has_waiters(inflight, hash));
    assert_int_equal(inflight_take(inflight, hash, 1, &turn), INFLIGHT_THEIRS);
    assert_int_equal(inflight_take(inflight, hash, 33, &turn),
                     INFLIGHT_THEIRS); /* shares a bit with 1 */
    assert_int_equal(inflight_take(inflight, hash, 5, &turn), INFLIGHT_THEIRS);
    assert_true(inflight_has_waiters(inflight, hash) && inflight_is_held(inflight, hash, turn));
    /* another name in the same slot */
    assert_int_equal(inflight_take(inflight, hash ^ 1, 2, &later), INFLIGHT_NONE);
    inflight_release(inflight, hash);
    assert_true(woken[1] == 1 && woken[5] == 1 && woken[0] == 0 && woken[2] == 0);
    assert_false(inflight_is_held(inflight, hash, turn));
    /* taken again before the waiting worker checks: the entry that it waited for is released */
    assert_int_equal(inflight_take(inflight, hash, 2, &later), INFLIGHT_OURS);
    assert_false(inflight_is_held(inflight, hash, turn));
    assert_int_equal(inflight_take(inflight, hash, 1, &later), INFLIGHT_THEIRS);
    assert_true(inflight_is_held(inflight, hash, later));
    inflight_release(inflight, hash);
    assert_int_equal(woken[1], 2);
    inflight_free(&inflight);
    assert_null(inflight);
}

/* Return what is wrong, or NULL. */
static void *take_and_release(void *data)
{
    uint32_t turn;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (inflight_take(inflight, 77, (size_t)data, &turn) != INFLIGHT_OURS)
            continue;
        if (++owners > 1)
            return (void *)"two workers have the same entry";
        owned++;
        owners--;
        inflight_release(inflight, 77);
    }
    return NULL;
}

static void test_never_two(void **state)
{
    struct threads threads = {.cnt = 0};
    (void)state;
    assert_int_equal(inflight_new(wake_nothing, NULL, &inflight), ERR_OK);
    for (size_t i = 0; i < THREADS; i++)
        threads_start(&threads, take_and_release, (void *)i);
    threads_join(&threads);
    assert_true(owned > 0);
    inflight_free(&inflight);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_worker_has_the_entry),
        cmocka_unit_test(test_never_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
