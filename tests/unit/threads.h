/* Threads in unit tests. cmocka sees only the assertions of the main thread, so a thread
 * returns NULL or a text that names the fault. */
#pragma once

#include <pthread.h>

#include "unit.h"

enum { THREADS_MAX = 8 };

/* Lifetime: one test. */
struct threads {
    pthread_t at[THREADS_MAX];
    size_t cnt;
};

/* Start a thread. */
static inline void threads_start(struct threads *threads, void *(*work)(void *), void *data)
{
    assert_in_range(threads->cnt, 0, THREADS_MAX - 1);
    assert_int_equal(pthread_create(&threads->at[threads->cnt], NULL, work, data), 0);
    threads->cnt++;
}

/* Wait for all threads.  Fail with the first text that one returned. */
static inline void threads_join(struct threads *threads)
{
    const char *wrong = NULL;

    for (size_t i = 0; i < threads->cnt; i++) {
        void *said;
        int failed = pthread_join(threads->at[i], &said);
        if (!wrong)
            wrong = failed ? "a thread could not be joined" : said;
    }
    threads->cnt = 0;
    if (wrong)
        fail_msg("%s", wrong);
}
