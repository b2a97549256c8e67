/* A damaged cache file must open, give no value but those that were written, and accept new
 * values.  Invalid values must never be read past their end.
 *
 * Input: the first octet modulo 3 selects the test.  0: the rest is the cache file.  1: the
 * rest changes a valid file, by four octets of offset and an octet to add, again and again.  2:
 * the next octet selects the key space of a name, and the rest is its value. */
#include <fcntl.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/now.h"
#include "resolver/cache/cache.h"
#include "resolver/cache/cache_lmdb.h"
#include "resolver/cache/cache_memory.h"

enum { SIZE = 4 << 20, ENTRIES = 400, CHANGES_MAX = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/rootline-fuzz-XXXXXX", path[100];
static uint8_t *valid_file;
static size_t valid_len; /* the rest of the file is zeros */

static void ignore_announcement(void *data, uint64_t hash)
{
    (void)data;
    (void)hash;
}

static struct cache_lmdb *open_disk(void)
{
    struct cache_lmdb_conf conf = {
        .directory = folder, .size = SIZE, .worker_cnt = 1, .announced = ignore_announcement};
    struct cache_lmdb *disk;
    struct fault fault;
    must(cache_lmdb_open(&conf, &disk, &fault) == ERR_OK);
    return disk;
}

static struct cache_key make_key(unsigned number, uint8_t bytes[40])
{
    int len = snprintf((char *)bytes, 40, "\1test%cd%u%cn%u%c%c%c", 0, number % 9, 0, number, 0,
                       0, 1);
    return (struct cache_key){bytes, (size_t)len, hash_more(hash_start(), bytes, (size_t)len)};
}

static size_t make_value(unsigned number, uint8_t value[CACHE_STORE_VALUE_MAX])
{
    size_t len = number % 40 == 7 ? 9000 : 60 + number % 100;
    memset(value, (int)number, len);
    return len;
}

static void write_entry(struct cache_store *store, unsigned number)
{
    uint8_t bytes[40], value[CACHE_STORE_VALUE_MAX];
    struct cache_key key = make_key(number, bytes);
    enum err err = store->put(store, &key, value, make_value(number, value), 0);
    must(err == ERR_OK || err == ERR_NOMEM);
}

/* Check that each value is the one written, or absent. */
static void check_entries(struct cache_store *store, unsigned cnt)
{
    uint8_t bytes[40], value[CACHE_STORE_VALUE_MAX];
    for (unsigned i = 0; i < cnt; i++) {
        size_t len;
        struct cache_key key = make_key(i, bytes);
        const uint8_t *got = store->get(store, &key, &len);
        must(!got || (len == make_value(i, value) && memcmp(got, value, len) == 0));
    }
}

static void flush_store(struct cache_store *store)
{
    store->announce(store, 0, true);
    store->settle(store);
}

static void remove_folder(void)
{
    static const char *const names[] = {CACHE_DISK_FILE, CACHE_DISK_FILE "-lock",
                                        CACHE_DISK_DAMAGED};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char name[150];
        snprintf(name, sizeof(name), "%s/%s", folder, names[i]);
        unlink(name);
    }
    rmdir(folder);
}

static void make_good(void)
{
    struct cache_store *store;

    must(mkdtemp(folder) != NULL && atexit(remove_folder) == 0);
    snprintf(path, sizeof(path), "%s/" CACHE_DISK_FILE, folder);
    struct cache_lmdb *disk = open_disk();
    must(cache_lmdb_view(disk, &store) == ERR_OK);
    for (unsigned i = 0; i < ENTRIES; i++)
        write_entry(store, i);
    flush_store(store);
    for (unsigned i = 0; i < ENTRIES; i += 3) { /* so that the file has free pages */
        uint8_t bytes[40];
        struct cache_key key = make_key(i, bytes);
        store->remove(store, &key);
        flush_store(store);
    }
    store->free(&store);
    cache_lmdb_free(&disk);
    valid_file = malloc(SIZE);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    must(valid_file && fd >= 0 && read(fd, valid_file, SIZE) == SIZE);
    close(fd);
    for (valid_len = SIZE; valid_file[valid_len - 1] == 0; valid_len--)
        ;
}

static void use_file(void)
{
    struct cache_store *store;
    struct cache_lmdb *disk = open_disk();

    must(cache_lmdb_view(disk, &store) == ERR_OK);
    check_entries(store, ENTRIES);
    for (unsigned i = 0; i < 150; i++) {
        uint8_t bytes[40];
        struct cache_key key = make_key(2 * i + 1, bytes);
        write_entry(store, ENTRIES + i);
        store->remove(store, &key);
        if (i % 50 == 49)
            flush_store(store);
    }
    check_entries(store, ENTRIES + 150);
    store->free(&store);
    cache_lmdb_free(&disk);
}

static void write_file(const uint8_t *bytes, size_t len, size_t file_len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, bytes, len) == (ssize_t)len &&
         ftruncate(fd, (off_t)file_len) == 0);
    close(fd);
}

static void change_file(const uint8_t *data, size_t size)
{
    static uint8_t bad[SIZE];
    struct cursor c = cursor_over(data, size);

    memcpy(bad, valid_file, valid_len);
    for (unsigned i = 0; i < CHANGES_MAX && cursor_left(&c) >= 5; i++) {
        uint32_t at = cursor_u32(&c);
        bad[at % valid_len] = (uint8_t)(bad[at % valid_len] + cursor_u8(&c));
    }
    write_file(bad, valid_len, SIZE);
    use_file();
}

static void read_value(const uint8_t *data, size_t size)
{
    static const uint8_t name[] = "\3www\1a\4test";
    static const uint8_t spaces[][10] = {"\1test\0a\0", "\2test\0a\0", "\3test\0a\0"};
    struct cache cache = {.ttls = {.max = 86400, .negative_max = 3600}};
    struct cache_time when = {
        .now_ms = 1600000000000, .since_ms = 0, .stale_ms = INT64_MAX / 4};
    struct cache_found found;
    struct cache_name key;
    struct arena arena;
    struct delegation delegation;
    int64_t expire_ms;
    uint8_t bytes[20];
    unsigned space = size > 0 ? data[0] % 3 : 0, type = size > 0 && data[0] & 4 ? RRTYPE_A : 0;

    must(cache_memory_new(1 << 20, &cache.store) == ERR_OK);
    size_t len = 8;
    memcpy(bytes, spaces[space], len);
    if (space != 1) {
        util_put_u16(bytes + len, (uint16_t)type);
        len += 2;
    }
    struct cache_key in = {bytes, len, hash_more(hash_start(), bytes, len)};
    must(cache.store->put(cache.store, &in, data + (size > 0), size - (size > 0), 0) == ERR_OK);
    arena_init(&arena, 0);
    cache_name_init(&key, name);
    cache_find(&cache, &key, 2, RRTYPE_A, &when, &arena, &found);
    cache_name_init(&key, name + 4);
    cache_find_failure(&cache, &key, (uint16_t)type, &when, &arena, &found);
    cache_find_nxdomain(&cache, &key, &when, &arena, &found);
    if (cache_find_delegation(&cache, &key, 2, 0, &when, 53, &arena, &delegation, &expire_ms))
        must(delegation.server_cnt <= DELEGATION_SERVERS_MAX &&
             delegation.addr_cnt <= DELEGATION_ADDRS_MAX);
    arena_fini(&arena);
    cache.store->free(&cache.store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!valid_file) {
        hash_init();
        now_freeze(1600000000000);
        make_good();
    }
    if (size == 0)
        return 0;
    switch (data[0] % 3) {
    case 0:
        write_file(data + 1, size - 1, size - 1);
        use_file();
        break;
    case 1: change_file(data + 1, size - 1); break;
    default: read_value(data + 1, util_min(size - 1, CACHE_STORE_VALUE_MAX + 1)); break;
    }
    return 0;
}
