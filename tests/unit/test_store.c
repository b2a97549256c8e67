/* The cache's file: each worker reads what was written, also after a restart, and no damage to
 * the file makes it read anything else. */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/threads.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/now.h"
#include "base/rng.h"
#include "resolver/cache/cache_clock.h"
#include "resolver/cache/cache_lmdb.h"
#include "resolver/cache/cache_memory.h"
#include "resolver/cache/sketch.h"

enum { SMALL = 8 << 20, MODEL = 3000, THREADS = 4 };

static char folder[] = "/tmp/rootline-store-XXXXXX";
static char path[100], damaged[100];
static struct cache_lmdb *disk;
static struct rng rng;
static struct fault fault;

static void announced(void *data, uint64_t hash)
{
    (void)hash;
    atomic_fetch_add((_Atomic uint64_t *)data, 1);
}

static _Atomic uint64_t announce_cnt;

static enum err open_disk(uint64_t size)
{
    struct cache_lmdb_conf conf = {.directory = folder,
                                   .size = size,
                                   .worker_cnt = THREADS,
                                   .announced = announced,
                                   .data = &announce_cnt};
    return cache_lmdb_open(&conf, &disk, &fault);
}

static struct cache_store *view(void)
{
    struct cache_store *store;
    assert_int_equal(cache_lmdb_view(disk, &store), ERR_OK);
    return store;
}

/* Keys as the cache makes them: a space, labels from the root on, a type. */
static struct cache_key key_of(const char *tld, unsigned domain, unsigned number,
                               uint8_t bytes[100])
{
    int len = snprintf((char *)bytes, 100, "\1%s%cd%u%cn%u%c%c%c", tld, 0, domain, 0, number, 0,
                       0, 1);
    return (struct cache_key){bytes, (size_t)len, hash_more(hash_start(), bytes, (size_t)len)};
}

/* Write the value that belongs to a number, and return its length: a wrong value is noticed. */
static size_t value_of(unsigned number, unsigned round, uint8_t value[CACHE_STORE_VALUE_MAX])
{
    size_t len = number % 50 == 7 ? 9000 + number % 7000 : 60 + number % 150;
    for (size_t i = 0; i < len; i += 4)
        util_put_u32(value + i, number * 31 + round);
    return len;
}

static void put(struct cache_store *store, unsigned number, unsigned round)
{
    static _Thread_local uint8_t value[CACHE_STORE_VALUE_MAX + 4];
    uint8_t bytes[100];
    struct cache_key key = key_of("test", number % 100, number, bytes);
    size_t len = value_of(number, round, value);
    assert_int_equal(store->put(store, &key, value, len, now_wall_ms() + 100000), ERR_OK);
}

static bool has(struct cache_store *store, unsigned number, unsigned round)
{
    static _Thread_local uint8_t value[CACHE_STORE_VALUE_MAX + 4];
    uint8_t bytes[100];
    struct cache_key key = key_of("test", number % 100, number, bytes);
    size_t want = value_of(number, round, value), len;
    const uint8_t *got = store->get(store, &key, &len);
    return got && len == want && memcmp(got, value, len) == 0;
}

static bool is_there(struct cache_store *store, unsigned number)
{
    uint8_t bytes[100];
    size_t len;
    struct cache_key key = key_of("test", number % 100, number, bytes);
    return store->get(store, &key, &len) != NULL;
}

/* Commit what was written through `store`. */
static void flush(struct cache_store *store)
{
    store->announce(store, 1, true);
    store->settle(store);
}

static int set_up(void **state)
{
    (void)state;
    hash_init();
    rng_init_seeded(&rng, 11);
    now_freeze(1600000000000);
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/" CACHE_DISK_FILE, folder);
    snprintf(damaged, sizeof(damaged), "%s/" CACHE_DISK_DAMAGED, folder);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    unlink(path);
    unlink(damaged);
    return open_disk(SMALL) == ERR_OK && !*fault.text ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    cache_lmdb_free(&disk);
    return 0;
}

static int tear_down(void **state)
{
    char lock[120];
    (void)state;
    snprintf(lock, sizeof(lock), "%s-lock", path);
    unlink(path);
    unlink(damaged);
    unlink(lock);
    return rmdir(folder);
}

/* ---- one view and several ---- */

static void test_what_is_written_is_read(void **state)
{
    struct cache_store *a = view(), *b = view();
    uint8_t bytes[100];
    (void)state;

    put(a, 1, 0);
    assert_true(has(a, 1, 0));
    assert_false(is_there(b, 1)); /* its batch is not committed yet */
    assert_true(a->settle(a));
    b->settle(b);
    flush(a);
    assert_false(a->settle(a));
    assert_true(has(a, 1, 0) && has(b, 1, 0));
    put(b, 1, 1);
    assert_true(has(b, 1, 1) && has(a, 1, 0));
    flush(b);
    assert_true(has(a, 1, 0)); /* the snapshot stays the same within a turn */
    a->settle(a);
    assert_true(has(a, 1, 1));
    struct cache_key key = key_of("test", 1, 1, bytes);
    uint32_t version = atomic_load(&a->versions->slots[key.hash % CACHE_STORE_SLOTS]);
    a->remove(a, &key);
    assert_false(is_there(a, 1));
    flush(a);
    b->settle(b);
    assert_false(is_there(b, 1));
    assert_int_not_equal(atomic_load(&a->versions->slots[key.hash % CACHE_STORE_SLOTS]),
                         version);
    a->free(&a);
    b->free(&b);
}

static void test_small_batches_do_not_wait_long(void **state)
{
    struct cache_store *a = view(), *b = view();
    (void)state;
    put(a, 5, 0);
    assert_true(a->settle(a));
    now_advance(6);
    assert_false(a->settle(a));
    assert_true(has(b, 5, 0));
    a->free(&a);
    b->free(&b);
}

static void test_values_that_are_too_large(void **state)
{
    struct cache_store *a = view();
    static uint8_t value[CACHE_STORE_VALUE_MAX + 1];
    uint8_t bytes[CACHE_STORE_KEY_MAX + 1] = {1};
    struct cache_key key = {bytes, sizeof(bytes), 5};
    (void)state;
    assert_int_equal(a->put(a, &key, value, 10, 0), ERR_SPACE);
    key.len--;
    assert_int_equal(a->put(a, &key, value, sizeof(value), 0), ERR_SPACE);
    assert_int_equal(a->put(a, &key, value, sizeof(value) - 1, 0), ERR_OK);
    flush(a);
    size_t len;
    assert_non_null(a->get(a, &key, &len));
    assert_int_equal(len, CACHE_STORE_VALUE_MAX);
    a->free(&a);
}

static void reopen(void)
{
    cache_lmdb_free(&disk);
    assert_int_equal(open_disk(SMALL), ERR_OK);
    assert_string_equal(fault.text, "");
}

/* Random puts and removals beside a model, with restarts, each of which checks the whole file.
 */
static void test_beside_a_model(void **state)
{
    static unsigned rounds[MODEL]; /* 0: not there */
    static const uint8_t large[13000];
    (void)state;
    for (unsigned turn = 1; turn <= 12; turn++) {
        struct cache_store *stores[2] = {view(), view()};
        for (unsigned i = 0; i < 1500; i++) {
            unsigned number = rng_below(&rng, MODEL) % (turn % 3 ? MODEL : 300);
            struct cache_store *store = stores[i % 2];
            uint8_t bytes[100];
            struct cache_key key = key_of("test", number % 100, number, bytes);
            if (number % 50 == 7 && number % 300 != 7)
                continue; /* few of the large values, or the file becomes full */
            bool is_removal = rng_below(&rng, 3) == 0;
            /* now and then a large value that is replaced in the same transaction */
            if (rng_below(&rng, 8) == 0)
                assert_int_equal(store->put(store, &key, large, sizeof(large), 0), ERR_OK);
            if (is_removal)
                store->remove(store, &key);
            else
                put(store, number, turn);
            rounds[number] = is_removal ? 0 : turn;
            flush(store);
            stores[!(i % 2)]->settle(stores[!(i % 2)]);
        }
        for (unsigned k = 0; k < 2; k++)
            stores[k]->free(&stores[k]);
        reopen();
        struct cache_store *store = view();
        unsigned cnt = 0;
        for (unsigned i = 0; i < MODEL; i++) {
            assert_true(rounds[i] ? has(store, i, rounds[i]) : !is_there(store, i));
            cnt += rounds[i] != 0;
        }
        assert_int_equal(cache_lmdb_stats(disk).entries, cnt);
        store->free(&store);
    }
    assert_int_equal(cache_lmdb_stats(disk).trimmed, 0);
}

/* ---- order ---- */

enum { ORDERED = 600 };

/* Key number `i` of the ordered space; its order is that of the numbers.  Others stand before
 * and behind the space. */
static struct cache_key ordered_key(unsigned i, uint8_t bytes[100])
{
    int len = snprintf((char *)bytes, 100, "%c%c%03u%s", CACHE_STORE_ORDERED,
                       i % 200 < 100 ? 'a' : 'b', i, i % 3 ? "" : "long");
    return (struct cache_key){bytes, (size_t)len, hash_more(hash_start(), bytes, (size_t)len)};
}

static int compare_octets(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    int diff = memcmp(a, b, util_min(a_len, b_len));
    return diff ? diff : (a_len > b_len) - (a_len < b_len);
}

/* Look for the last key up to `i` beside all keys of the model. */
static void check_before(struct cache_store *store, const unsigned *model, unsigned i,
                         size_t prefix_len)
{
    uint8_t bytes[100], other[100], want[100];
    struct cache_key key = ordered_key(i, bytes);
    struct cache_place place;
    size_t want_len = 0, len;
    unsigned number = 0;

    for (unsigned k = 0; k < ORDERED; k++) {
        struct cache_key o = ordered_key(k, other);
        if (!model[k] || memcmp(o.bytes, key.bytes, prefix_len) != 0 ||
            compare_octets(o.bytes, o.len, key.bytes, key.len) > 0 ||
            (want_len && compare_octets(o.bytes, o.len, want, want_len) < 0))
            continue;
        memcpy(want, o.bytes, o.len);
        want_len = o.len;
        number = k;
    }
    const uint8_t *value = store->get_before(store, &key, prefix_len, &place, &len);
    if (!want_len) {
        assert_null(value);
        return;
    }
    assert_non_null(value);
    assert_int_equal(place.len, want_len);
    assert_memory_equal(place.key, want, want_len);
    assert_int_equal(len, 4 + number % 9);
    assert_int_equal(util_get_u32(value), model[number]);
}

/* Random puts, removals and lookups beside a model; on a file some are not committed yet. */
static void check_order(struct cache_store *store)
{
    static unsigned model[ORDERED];
    uint8_t bytes[100], value[16] = {0};

    memset(model, 0, sizeof(model));
    for (unsigned i = 0; i < 6000; i++) {
        unsigned number = rng_below(&rng, ORDERED);
        struct cache_key key = ordered_key(number, bytes);
        bool is_removal = rng_below(&rng, 3) == 0;
        util_put_u32(value, i + 1);
        if (is_removal)
            store->remove(store, &key);
        else
            assert_int_equal(store->put(store, &key, value, 4 + number % 9, 1), ERR_OK);
        model[number] = is_removal ? 0 : i + 1;
        if (rng_below(&rng, 20) == 0)
            put(store, number, 1);
        if (rng_below(&rng, 60) == 0)
            (void)store->sync(store);
        check_before(store, model, rng_below(&rng, ORDERED), 1 + rng_below(&rng, 2));
    }
}

static void test_order_in_a_file(void **state)
{
    struct cache_store *store = view();
    (void)state;
    check_order(store);
    store->free(&store);
}

static void test_order_in_memory(void **state)
{
    struct cache_store *store;
    uint8_t bytes[100], value[300] = {0};
    struct cache_place place;
    size_t len;
    (void)state;
    assert_int_equal(cache_memory_new(1 << 20, &store), ERR_OK);
    check_order(store);
    store->free(&store);
    /* evicted keys are not found */
    assert_int_equal(cache_memory_new(20000, &store), ERR_OK);
    for (unsigned i = 0; i < ORDERED; i++) {
        struct cache_key key = ordered_key(i, bytes);
        assert_int_equal(store->put(store, &key, value, sizeof(value), 1), ERR_OK);
        const uint8_t *found = store->get_before(store, &key, 1, &place, &len);
        assert_ptr_equal(found, store->get(store, &key, &len));
    }
    store->free(&store);
}

/* ---- room ---- */

static void test_the_file_never_grows(void **state)
{
    struct cache_store *a = view();
    uint8_t bytes[100];
    struct file_stamp before, after;
    size_t len;
    (void)state;

    assert_int_equal(file_stat(path, &before), ERR_OK);
    assert_int_equal(before.size, SMALL);
    for (unsigned i = 0; i < 100; i++) { /* popular entries */
        struct cache_key key = key_of("good", i, i, bytes);
        assert_int_equal(a->put(a, &key, (const uint8_t *)"value", 6, now_wall_ms() + 1000000),
                         ERR_OK);
        for (unsigned k = 0; k < 10; k++)
            a->use(a, key.hash);
    }
    for (unsigned i = 0; i < 60000; i++) {
        put(a, i, 0);
        assert_true(has(a, i, 0)); /* the view that wrote it always finds it */
        a->settle(a);
    }
    struct cache_lmdb_stats stats = cache_lmdb_stats(disk);
    print_message("%llu entries in %llu of %llu octets, %llu evicted, %llu dropped\n",
                  (unsigned long long)stats.entries, (unsigned long long)stats.used,
                  (unsigned long long)stats.size, (unsigned long long)stats.trimmed,
                  (unsigned long long)stats.dropped);
    assert_true(stats.used <= stats.size && stats.trimmed > 10000 && stats.entries > 1000);
    assert_int_equal(stats.dropped, 0);
    unsigned kept = 0;
    for (unsigned i = 0; i < 100; i++) {
        struct cache_key key = key_of("good", i, i, bytes);
        kept += a->get(a, &key, &len) != NULL;
    }
    assert_int_equal(kept, 100);
    assert_int_equal(file_stat(path, &after), ERR_OK);
    assert_int_equal(after.size, SMALL);
    a->free(&a);
    reopen();
}

/* Expired entries are evicted first, however popular they were. */
static void test_expired_entries_are_evicted_first(void **state)
{
    struct cache_store *a = view();
    uint8_t bytes[100];
    size_t len;
    unsigned expired = 0;
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        struct cache_key key = key_of("old", i, i, bytes);
        assert_int_equal(a->put(a, &key, (const uint8_t *)"value", 6, now_wall_ms() + 1000),
                         ERR_OK);
        for (unsigned k = 0; k < 15; k++)
            a->use(a, key.hash);
    }
    flush(a);
    assert_int_equal(cache_lmdb_stats(disk).entries, 1000);
    now_advance(2000);
    for (unsigned i = 0; i < 40000; i++) {
        put(a, i, 0);
        a->settle(a);
    }
    for (unsigned i = 0; i < 1000; i++) {
        struct cache_key key = key_of("old", i, i, bytes);
        expired += a->get(a, &key, &len) != NULL;
    }
    assert_int_equal(expired, 0);
    a->free(&a);
}

/* Which time counts of the boots before this one. */
static void test_clock_of_boots(void **state)
{
    struct cache_store *a = view();
    const int64_t now_ms = now_wall_ms(), far_ms = now_ms + INT64_C(100000000000);
    (void)state;
    assert_int_equal(cache_clock_find_agreed(a, "b"), 0);
    cache_clock_put(a, "a", far_ms); /* corrected while it runs */
    cache_clock_put(a, "a", now_ms);
    assert_int_equal(cache_clock_find_agreed(a, "b"), 0);
    cache_clock_put(a, "b", far_ms); /* one wrong boot */
    assert_int_equal(cache_clock_find_agreed(a, "c"), now_ms);
    assert_int_equal(cache_clock_find_agreed(a, "b"), 0); /* its own time says nothing */
    cache_clock_put(a, "c", now_ms + 3);
    assert_int_equal(cache_clock_find_agreed(a, "d"), now_ms + 3);
    cache_clock_put(a, "d", far_ms); /* two of the last three */
    assert_int_equal(cache_clock_find_agreed(a, "e"), far_ms);
    for (int i = 0; i < 3; i++) /* restarts of the daemon */
        cache_clock_put(a, "e", now_ms + 5);
    assert_int_equal(cache_clock_find_agreed(a, "f"), now_ms + 5);
    cache_clock_put(a, "f", 1000); /* a clock of 1970 */
    assert_int_equal(cache_clock_find_agreed(a, "g"), now_ms + 5);
    cache_clock_put(a, "g", now_ms + 7);
    for (unsigned i = 0; i < 60000; i++) { /* eviction and a restart leave it */
        put(a, i, 0);
        a->settle(a);
    }
    assert_true(cache_lmdb_stats(disk).trimmed > 1000);
    a->free(&a);
    reopen();
    a = view();
    assert_int_equal(cache_clock_find_agreed(a, "h"), now_ms + 5);
    assert_int_equal(cache_clock_find_agreed(a, ""), 0);
    a->free(&a);
}

/* A domain that writes as fast as it can, with as many uses per entry as others have, does not
 * displace them. */
static void test_a_domain_has_its_share(void **state)
{
    struct cache_store *a = view();
    uint8_t bytes[100], value[400] = {0};
    size_t len;
    unsigned kept = 0;
    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        struct cache_key key = key_of("good", i, i, bytes);
        assert_int_equal(a->put(a, &key, value, 100, now_wall_ms() + 1000000), ERR_OK);
        a->use(a, key.hash);
        a->use(a, key.hash);
        a->settle(a);
    }
    for (unsigned i = 0; i < 100000; i++) {
        struct cache_key key = key_of("evil", 1, i, bytes);
        assert_int_equal(a->put(a, &key, value, sizeof(value), now_wall_ms() + 1000000),
                         ERR_OK);
        a->use(a, key.hash); /* the attacker queries its own names as often */
        a->use(a, key.hash);
        a->settle(a);
    }
    for (unsigned i = 0; i < 2000; i++) {
        struct cache_key key = key_of("good", i, i, bytes);
        kept += a->get(a, &key, &len) != NULL;
    }
    print_message("%u of 2,000 entries of other domains are left\n", kept);
    assert_true(kept > 1900);
    a->free(&a);
}

/* Few entries, all of them large, so that each lap of the hand is short. */
static void test_large_values_only(void **state)
{
    struct cache_store *a = view(), *b = view();
    static uint8_t value[CACHE_STORE_VALUE_MAX];
    uint8_t bytes[100];
    size_t len;
    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        struct cache_key key = key_of("big", i % 7, i, bytes);
        assert_int_equal(
            a->put(a, &key, value, sizeof(value) - i % 5000, now_wall_ms() + 1000000), ERR_OK);
        assert_non_null(a->get(a, &key, &len));
        if (i % 10 == 0) /* a reader that keeps its snapshot for long */
            b->settle(b);
        (void)b->get(b, &key, &len);
        a->settle(a);
    }
    struct cache_lmdb_stats stats = cache_lmdb_stats(disk);
    assert_true(stats.entries > 20 && stats.trimmed > 2000);
    put(a, 1, 0);
    flush(a);
    b->settle(b);
    assert_true(has(b, 1, 0)); /* the file is in use, not the memory of `a` */
    a->free(&a);
    b->free(&b);
    reopen();
}

static void test_sketch(void **state)
{
    struct sketch *s;
    (void)state;
    assert_int_equal(sketch_new(&s), ERR_OK);
    for (uint64_t i = 0; i < 20; i++) {
        assert_true(sketch_count(s, 77) == (i < SKETCH_MOST ? i : SKETCH_MOST));
        sketch_add(s, 77);
    }
    assert_int_equal(sketch_count(s, 78), 0);
    sketch_age(s);
    assert_int_equal(sketch_count(s, 77), SKETCH_MOST / 2);
    sketch_free(&s);
}

/* ---- the file ---- */

static void write_file(const uint8_t *bytes, size_t len)
{
    static const uint8_t zeros[4096];
    unlink(
        path); /* an overwritten file would be flushed to the disk at once, a new one is not */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    /* leave holes for pages of zeros: the file is large */
    for (size_t at = 0, end = 0; at < len; at = end) {
        bool is_zero = memcmp(bytes + at, zeros, util_min(len - at, 4096)) == 0;
        for (end = at; end < len &&
                       (memcmp(bytes + end, zeros, util_min(len - end, 4096)) == 0) == is_zero;)
            end += util_min(len - end, 4096);
        if (!is_zero)
            assert_int_equal(pwrite(fd, bytes + at, end - at, (off_t)at), end - at);
    }
    assert_int_equal(ftruncate(fd, (off_t)len), 0);
    close(fd);
}

static void fill(unsigned cnt)
{
    struct cache_store *a = view();
    for (unsigned i = 0; i < cnt; i++)
        if (i % 50 != 7 || i < 500)
            put(a, i, 0);
    for (unsigned i = 0; i < cnt; i += 3) { /* make free pages */
        uint8_t bytes[100];
        struct cache_key key = key_of("test", i % 100, i, bytes);
        a->remove(a, &key);
        flush(a);
    }
    a->free(&a);
}

/* 1,000 files with flipped bits, or truncated: each start succeeds, and each value that is
 * found is one that was written. */
static void test_damaged_files(void **state)
{
    unsigned aside_cnt = 0, found = 0, lost = 0;
    char *good;
    size_t len;
    (void)state;

    fill(4000);
    uint64_t used = cache_lmdb_stats(disk).used;
    cache_lmdb_free(&disk);
    assert_int_equal(file_read(path, SMALL, &good, &len, NULL), ERR_OK);
    for (unsigned turn = 0; turn < 1000; turn++) {
        uint8_t *bad = malloc(len);
        size_t bad_len = turn % 4 == 3 ? rng_below(&rng, (uint32_t)len) : len;
        memcpy(bad, good, len);
        for (unsigned flips = turn % 4 == 3 ? 0 : 1 + turn % 4 * 20; flips > 0; flips--) {
            /* every eighth time in the first pages, else mostly in the used part of the file */
            size_t at = rng_below(&rng, (uint32_t)(turn % 8 == 0 ? 3 * 4096 : used + 8 * 4096));
            bad[at] ^= (uint8_t)(1 << rng_below(&rng, 8));
        }
        write_file(bad, bad_len);
        free(bad);
        assert_int_equal(open_disk(SMALL), ERR_OK);
        aside_cnt += *fault.text != '\0';
        struct cache_store *a = view();
        for (unsigned i = 0; i < 4000; i++) {
            bool is = is_there(a, i);
            found += is;
            lost += !is && i % 3 && (i % 50 != 7 || i < 500);
            assert_true(!is || has(a, i, 0));
        }
        for (unsigned i = 0; i < 200; i++) /* the file can be written */
            put(a, i, 1);
        flush(a);
        for (unsigned i = 0; i < 200; i++)
            assert_true(has(a, i, 1));
        a->free(&a);
        cache_lmdb_free(&disk);
    }
    print_message(
        "%u of 1,000 set aside; in the others %u values were found and %u had broken\n",
        aside_cnt, found, lost - aside_cnt * 2600);
    assert_true(aside_cnt > 300 && aside_cnt < 1000);
    free(good);
    assert_int_equal(open_disk(SMALL), ERR_OK);
}

/* The checksum of a value finds each flipped bit. */
static void test_a_flipped_value_is_not_found(void **state)
{
    char *bytes;
    size_t len, at;
    uint8_t value[CACHE_STORE_VALUE_MAX + 4];
    struct cache_store *a = view();
    (void)state;
    put(a, 1, 0);
    a->free(&a);
    cache_lmdb_free(&disk);
    assert_int_equal(file_read(path, SMALL, &bytes, &len, NULL), ERR_OK);
    size_t value_len = value_of(1, 0, value);
    for (at = 0; memcmp(bytes + at, value, value_len) != 0; at++)
        ;
    for (size_t i = 0; i < 8 * (value_len + 8); i += 7) { /* expire_ms too */
        bytes[at - 8 + i / 8] ^= (char)(1 << i % 8);
        write_file((const uint8_t *)bytes, len);
        bytes[at - 8 + i / 8] ^= (char)(1 << i % 8);
        assert_int_equal(open_disk(SMALL), ERR_OK);
        assert_string_equal(fault.text, "");
        a = view();
        assert_false(is_there(a, 1));
        assert_int_equal(cache_lmdb_stats(disk).broken, 1);
        a->free(&a);
        cache_lmdb_free(&disk);
    }
    free(bytes);
    assert_int_equal(open_disk(SMALL), ERR_OK);
}

/* Files with another page size, of other versions, and of other programs. */
static void test_foreign_files(void **state)
{
    static const struct {
        size_t at;
        uint32_t value;
        const char *says;
    } cases[] = {
        {16, 0x12345678, "not an LMDB file"},
        {20, 999, "another version of LMDB"},
        {40, 16384, "page size"},
    };
    char *good;
    size_t len;
    (void)state;

    cache_lmdb_free(&disk);
    assert_int_equal(file_read(path, SMALL, &good, &len, NULL), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t *bad = malloc(len);
        memcpy(bad, good, len);
        memcpy(bad + cases[i].at, &cases[i].value, 4);
        write_file(bad, len);
        free(bad);
        assert_int_equal(open_disk(SMALL), ERR_OK);
        assert_non_null(strstr(fault.text, cases[i].says));
        assert_int_equal(access(damaged, F_OK), 0);
        cache_lmdb_free(&disk);
    }
    char *mark = memmem(good, len, "rootline", 8);
    assert_non_null(mark);
    mark[8]++; /* the format */
    write_file((const uint8_t *)good, len);
    free(good);
    assert_int_equal(open_disk(SMALL), ERR_OK);
    assert_non_null(strstr(fault.text, "another version of Rootline"));
    cache_lmdb_free(&disk);
    write_file((const uint8_t *)"hello\n", 6);
    assert_int_equal(open_disk(SMALL), ERR_OK);
    assert_non_null(strstr(fault.text, "too short"));
    cache_lmdb_free(&disk);
    assert_int_equal(open_disk(SMALL / 2), ERR_OK);
    assert_non_null(strstr(fault.text, "larger than cache.size"));
    cache_lmdb_free(&disk);
    assert_int_equal(open_disk(SMALL), ERR_OK); /* the small file grows to the new size */
    assert_string_equal(fault.text, "");
}

static void test_a_folder_has_one_owner(void **state)
{
    struct cache_lmdb_conf conf = {.directory = folder, .size = SMALL, .worker_cnt = 1};
    struct cache_lmdb *second = NULL;
    (void)state;
    assert_int_equal(cache_lmdb_open(&conf, &second, &fault), ERR_DENIED);
    assert_non_null(strstr(fault.text, "another process"));
    conf.directory = "/proc/no/such";
    assert_int_equal(cache_lmdb_open(&conf, &second, &fault), ERR_ABSENT);
    assert_null(second);
}

/* ---- several threads ---- */

/* Return what is wrong, or NULL. */
static void *work(void *data)
{
    struct cache_store *store = data;
    unsigned found = 0;

    for (unsigned i = 0; i < 20000; i++) {
        unsigned number = i * 7 % 5000;
        uint8_t bytes[100], value[CACHE_STORE_VALUE_MAX + 4];
        struct cache_key key = key_of("test", number % 100, number, bytes);
        if (number % 50 == 7)
            continue;
        if (i % 4 == 0 && store->put(store, &key, value, value_of(number, 0, value),
                                     now_wall_ms() + 100000) != ERR_OK)
            return (void *)"a value was not stored";
        if (i % 4 == 0 && !has(store, number, 0))
            return (void *)"a value that was just written is missing";
        bool is = is_there(store, number);
        if (is && !has(store, number, 0))
            return (void *)"a value differs from what was written";
        found += is;
        store->use(store, number);
        if (i % 8 == 0)
            store->announce(store, i, true);
        if (i % 5 == 0)
            store->settle(store);
    }
    return found > 4000 ? NULL : (void *)"values of other workers are missing";
}

static int put_fails_with; /* the error of the next mdb_put; 0: it succeeds */

int __real_mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value, unsigned flags);
int __wrap_mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value, unsigned flags);
int __wrap_mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value, unsigned flags)
{
    int rc = put_fails_with;
    put_fails_with = 0;
    return rc ? rc : __real_mdb_put(txn, dbi, key, value, flags);
}

static bool is_cursor_failing;

int __real_mdb_cursor_open(MDB_txn *txn, MDB_dbi dbi, MDB_cursor **cursor);
int __wrap_mdb_cursor_open(MDB_txn *txn, MDB_dbi dbi, MDB_cursor **cursor);
int __wrap_mdb_cursor_open(MDB_txn *txn, MDB_dbi dbi, MDB_cursor **cursor)
{
    return is_cursor_failing ? ENOMEM : __real_mdb_cursor_open(txn, dbi, cursor);
}

/* remove_below asks to be called again while memory is short, and then goes on. */
static void test_removing_waits_for_memory(void **state)
{
    struct cache_store *a = view();
    static const uint8_t below[] = {1};
    struct cache_place place = {0};
    size_t cnt = 0;
    (void)state;

    put(a, 1, 0);
    flush(a);
    a->renew(a);
    is_cursor_failing = true;
    assert_true(a->remove_below(a, below, 1, &place, 10, &cnt));
    is_cursor_failing = false;
    assert_int_equal(cnt, 0);
    while (a->remove_below(a, below, 1, &place, 10, &cnt))
        a->renew(a);
    assert_true(cnt >= 1);
    flush(a);
    a->renew(a);
    assert_false(has(a, 1, 0));
    a->free(&a);
    reopen();
}

/* The file stays in use after a moment without memory, but not after a damaged page. */
static void test_errors_that_pass(void **state)
{
    struct cache_store *a, *b;
    (void)state;
    for (int lasts = 0; lasts < 2; lasts++) {
        a = view();
        b = view();
        put(a, 1, 0);
        flush(a);
        put_fails_with = lasts ? MDB_CORRUPTED : ENOMEM;
        put(a, 2, 0);
        flush(a);
        put(a, 3, 0);
        flush(a);
        b->renew(b);
        assert_true(has(b, 3, 0) == !lasts && has(b, 1, 0) == !lasts);
        assert_int_equal(a->is_shared, !lasts);
        a->free(&a);
        b->free(&b);
        reopen();
    }
}

static void test_threads(void **state)
{
    struct cache_store *stores[THREADS];
    struct threads threads = {.cnt = 0};
    (void)state;
    announce_cnt = 0;
    for (unsigned i = 0; i < THREADS; i++)
        stores[i] = view();
    for (unsigned i = 0; i < THREADS; i++)
        threads_start(&threads, work, stores[i]);
    threads_join(&threads);
    for (unsigned i = 0; i < THREADS; i++)
        stores[i]->free(&stores[i]);
    assert_int_equal(announce_cnt, THREADS * 2500);
    reopen();
}

/* Run all tests, or the one that the argument names. */
int main(int argc, char **argv)
{
#define ON_A_FILE(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        ON_A_FILE(test_what_is_written_is_read),
        ON_A_FILE(test_small_batches_do_not_wait_long),
        ON_A_FILE(test_values_that_are_too_large),
        ON_A_FILE(test_beside_a_model),
        ON_A_FILE(test_order_in_a_file),
        cmocka_unit_test(test_order_in_memory),
        ON_A_FILE(test_the_file_never_grows),
        ON_A_FILE(test_expired_entries_are_evicted_first),
        ON_A_FILE(test_clock_of_boots),
        ON_A_FILE(test_a_domain_has_its_share),
        ON_A_FILE(test_large_values_only),
        ON_A_FILE(test_damaged_files),
        ON_A_FILE(test_a_flipped_value_is_not_found),
        ON_A_FILE(test_foreign_files),
        ON_A_FILE(test_a_folder_has_one_owner),
        ON_A_FILE(test_errors_that_pass),
        ON_A_FILE(test_removing_waits_for_memory),
        ON_A_FILE(test_threads),
        cmocka_unit_test(test_sketch),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
