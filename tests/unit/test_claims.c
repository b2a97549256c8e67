/* Who resolves a name: one worker at a time, and nobody who waits is forgotten. */
#include <pthread.h>

#include "tests/unit/unit.h"

#include "resolver/cache/claims.h"

enum { THREADS = 4, ROUNDS = 20000 };

static struct claims *claims;
static unsigned woken[CLAIMS_WAITERS];
static _Atomic int holders, most;

static void wake(void *data, size_t worker)
{
    (void)data;
    woken[worker]++;
}

static void nobody(void *data, size_t worker)
{
    (void)data;
    (void)worker;
}

static void test_one_has_it(void **state)
{
    const uint64_t hash = 0x1234567890abcdef;
    uint32_t turn, later;
    (void)state;
    assert_int_equal(claims_new(wake, NULL, &claims), ERR_OK);
    assert_int_equal(claims_take(claims, hash, 0, &turn), CLAIMS_OURS);
    assert_false(claims_has_waiters(claims, hash));
    assert_int_equal(claims_take(claims, hash, 1, &turn), CLAIMS_THEIRS);
    assert_int_equal(claims_take(claims, hash, 33, &turn),
                     CLAIMS_THEIRS); /* shares a bit with 1 */
    assert_int_equal(claims_take(claims, hash, 5, &turn), CLAIMS_THEIRS);
    assert_true(claims_has_waiters(claims, hash) && claims_is_held(claims, hash, turn));
    /* another name in the same slot */
    assert_int_equal(claims_take(claims, hash ^ 1, 2, &later), CLAIMS_NONE);
    claims_release(claims, hash);
    assert_true(woken[1] == 1 && woken[5] == 1 && woken[0] == 0 && woken[2] == 0);
    assert_false(claims_is_held(claims, hash, turn));
    /* claimed again before who waited has looked: what it waited for is over all the same */
    assert_int_equal(claims_take(claims, hash, 2, &later), CLAIMS_OURS);
    assert_false(claims_is_held(claims, hash, turn));
    assert_int_equal(claims_take(claims, hash, 1, &later), CLAIMS_THEIRS);
    assert_true(claims_is_held(claims, hash, later));
    claims_release(claims, hash);
    assert_int_equal(woken[1], 2);
    claims_free(&claims);
    assert_null(claims);
}

static void *work(void *data)
{
    uint32_t turn;
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (claims_take(claims, 77, (size_t)data, &turn) != CLAIMS_OURS)
            continue;
        int now = ++holders;
        if (now > most)
            most = now;
        holders--;
        claims_release(claims, 77);
    }
    return NULL;
}

static void test_never_two(void **state)
{
    pthread_t threads[THREADS];
    (void)state;
    assert_int_equal(claims_new(nobody, NULL, &claims), ERR_OK);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(most, 1);
    claims_free(&claims);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_has_it),
        cmocka_unit_test(test_never_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
