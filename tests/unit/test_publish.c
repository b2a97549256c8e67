/* A version is freed when all workers have taken a later one, and not before.  With threads,
 * for ThreadSanitizer and AddressSanitizer. */
#include "threads.h"

#include "base/publish.h"

static unsigned freed;

static void free_counted(void *data)
{
    freed++;
    free(data);
}

static int *new_int(int value)
{
    int *p = malloc(sizeof(*p));
    *p = value;
    return p;
}

static void versions_wait_for_every_worker(void **state)
{
    struct publish p;
    (void)state;
    freed = 0;
    publish_init(&p, 2);
    assert_null(publish_take(&p, 0));
    assert_int_equal(publish_put(&p, new_int(1), free_counted), ERR_OK);
    assert_int_equal(*(int *)publish_take(&p, 0), 1);
    assert_int_equal(*(int *)publish_take(&p, 1), 1);
    assert_int_equal(publish_put(&p, new_int(2), free_counted), ERR_OK);
    assert_int_equal(publish_put(&p, new_int(3), free_counted), ERR_OK);
    assert_int_equal(*(int *)publish_newest(&p), 3);
    assert_int_equal(publish_collect(&p), 2);
    assert_int_equal(*(int *)publish_take(&p, 0), 3);
    assert_int_equal(publish_collect(&p), 2);
    assert_int_equal(freed, 0);
    assert_int_equal(*(int *)publish_take(&p, 1), 3);
    assert_int_equal(publish_collect(&p), 0);
    assert_int_equal(freed, 2);
    publish_fini(&p);
    assert_int_equal(freed, 3);
}

enum { WORKERS = 3, VERSIONS = 20000 };

static struct publish shared;
static _Atomic bool is_over;

/* Return what is wrong, or NULL. */
static void *read_versions(void *data)
{
    size_t worker = (size_t)(uintptr_t)data;
    int last = 0;
    while (!atomic_load(&is_over)) {
        int *value = publish_take(&shared, worker);
        for (int i = 0; i < 20; i++) {
            if (*value < last)
                return (void *)"an older version followed a newer one";
            last = *value;
        }
    }
    return NULL;
}

static void readers_never_see_a_freed_version(void **state)
{
    struct threads threads = {.cnt = 0};
    unsigned failed_cnt = 0;
    (void)state;
    freed = 0;
    publish_init(&shared, WORKERS);
    assert_int_equal(publish_put(&shared, new_int(0), free_counted), ERR_OK);
    for (size_t i = 0; i < WORKERS; i++)
        threads_start(&threads, read_versions, (void *)(uintptr_t)i);
    for (int i = 1; i <= VERSIONS; i++) {
        failed_cnt += publish_put(&shared, new_int(i), free_counted) != ERR_OK;
        publish_collect(&shared);
    }
    atomic_store(&is_over, true);
    threads_join(&threads);
    assert_int_equal(failed_cnt, 0);
    publish_fini(&shared);
    assert_int_equal(freed, VERSIONS + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_wait_for_every_worker),
        cmocka_unit_test(readers_never_see_a_freed_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
