/* One record with the newest boot first.  Its key is in the space of the mark, whose keys are
 * not evicted; docs/CACHE.md describes it. */
#include "resolver/cache/cache_clock.h"

#include <stdio.h>

#include "base/hash.h"

enum { BOOTS_BEFORE = 3, BOOTS_KEPT = BOOTS_BEFORE + 1 };

struct boot_time {
    uint64_t boot; /* hash; 0: none */
    int64_t wall_ms;
};

static const uint8_t clock_key[] = {CACHE_STORE_OWN, 1};
static const uint64_t boot_keys[2] = {1, 3}; /* the same after a restart */

void cache_clock_read_boot(char out[CACHE_CLOCK_BOOT_MAX])
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

    *out = '\0';
    if (!file)
        return;
    if (!fgets(out, CACHE_CLOCK_BOOT_MAX, file))
        *out = '\0';
    (void)fclose(file);
}

static uint64_t hash_boot(const char *boot)
{
    return hash_more_keyed(boot_keys, boot_keys[0], (const uint8_t *)boot, strlen(boot)) | 1;
}

static struct cache_key key_of_clock(void)
{
    return (struct cache_key){clock_key, sizeof(clock_key),
                              hash_more(hash_start(), clock_key, sizeof(clock_key))};
}

static void read_boots(struct cache_store *store, struct boot_time out[BOOTS_KEPT])
{
    struct cache_key key = key_of_clock();
    size_t len, size = BOOTS_KEPT * sizeof(*out);
    const uint8_t *value = store->get(store, &key, &len);

    memset(out, 0, size);
    if (value && len == size)
        memcpy(out, value, size);
}

int64_t cache_clock_find_agreed(struct cache_store *store, const char *boot)
{
    struct boot_time boots[BOOTS_KEPT];
    int64_t latest_ms = 0, second_ms = 0;
    unsigned before = 0;

    if (!*boot)
        return 0;
    read_boots(store, boots);
    for (size_t i = 0; i < BOOTS_KEPT && before < BOOTS_BEFORE; i++) {
        int64_t wall_ms = boots[i].wall_ms;
        if (boots[i].boot == 0 || boots[i].boot == hash_boot(boot))
            continue;
        before++;
        if (wall_ms > latest_ms) {
            second_ms = latest_ms;
            latest_ms = wall_ms;
        } else if (wall_ms > second_ms) {
            second_ms = wall_ms;
        }
    }
    return second_ms;
}

void cache_clock_put(struct cache_store *store, const char *boot, int64_t now_ms)
{
    struct boot_time boots[BOOTS_KEPT];
    struct cache_key key = key_of_clock();
    size_t at = 0;

    if (!*boot)
        return;
    read_boots(store, boots);
    while (at < BOOTS_KEPT - 1 && boots[at].boot != hash_boot(boot))
        at++;
    memmove(boots + 1, boots, at * sizeof(*boots)); /* over its own place, or the oldest */
    boots[0] = (struct boot_time){.boot = hash_boot(boot), .wall_ms = now_ms};
    enum err err = store->put(store, &key, (const uint8_t *)boots, sizeof(boots), INT64_MAX);
    (void)err;
}
