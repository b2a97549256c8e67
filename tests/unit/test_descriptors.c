/* How descriptors are divided between clients and servers. */
#include "unit.h"

#include "net/loop/descriptors.h"

static void test_division(void **state)
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
    /* half of the remainder is for queries to servers, however many connections are wanted */
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_division)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
