/* The park beside a model of it, which finds everything by linear search. */
#include "unit.h"

#include "base/rng.h"
#include "resolver/limits/park.h"

enum { MOST = 40, ENTRIES = 60, KEYS = 5, CLIENTS = 9, OPERATIONS = 10000, SEEDS = 10 };

/* An entry, and its ranks in the three orders: the smallest is first. */
static struct item {
    struct park_entry entry;
    bool waits;
    unsigned key, client;
    int64_t in_line, of_client, in_all;
} items[ENTRIES];

static int64_t line_turn[KEYS][CLIENTS], key_turn[KEYS], cnt_since[CLIENTS];
static bool is_passed[KEYS];
static uint32_t passed[KEYS];
static int64_t last, first; /* the next rank at the end of an order, or at its head */
static struct park *park;

/* Numbers with equal lower halves: hashing and comparing must use all 64 bits. */
static uint64_t key_of(unsigned key) { return (uint64_t)key << 40 | 7; }
static uint64_t client_of(unsigned client) { return (uint64_t)client << 33 | 2; }

/* ---- the model ---- */

static size_t count(int key, int client)
{
    size_t cnt = 0;
    for (size_t i = 0; i < ENTRIES; i++)
        cnt += items[i].waits && (key < 0 || items[i].key == (unsigned)key) &&
               (client < 0 || items[i].client == (unsigned)client);
    return cnt;
}

static size_t count_lines(unsigned key)
{
    size_t cnt = 0;
    for (int client = 0; client < CLIENTS; client++)
        cnt += count((int)key, client) > 0;
    return cnt;
}

static void model_remove(struct item *item)
{
    item->waits = false;
    cnt_since[item->client] = ++last;
}

static void model_put(struct item *item, unsigned key, unsigned client, bool is_first)
{
    bool is_new = count((int)key, (int)client) == 0;
    if (count((int)key, -1) == 0) {
        key_turn[key] = ++last;
        is_passed[key] = false;
        passed[key] = 0;
    }
    if (is_first)
        line_turn[key][client] = --first;
    else if (is_new)
        line_turn[key][client] = ++last;
    *item = (struct item){.entry = item->entry,
                          .waits = true,
                          .key = key,
                          .client = client,
                          .in_line = is_first ? --first : ++last,
                          .of_client = is_first ? --first : ++last,
                          .in_all = ++last};
    cnt_since[client] = ++last;
}

/* Return the oldest entry of the client with the most; of several such clients, the one that
 * has had so many for longest. */
static struct item *model_evict(void)
{
    int worst = -1;
    struct item *oldest = NULL;
    for (int client = 0; client < CLIENTS; client++) {
        size_t cnt = count(-1, client);
        if (worst < 0 || cnt > count(-1, worst) ||
            (cnt == count(-1, worst) && cnt_since[client] < cnt_since[worst]))
            worst = client;
    }
    for (size_t i = 0; i < ENTRIES; i++)
        if (items[i].waits && items[i].client == (unsigned)worst &&
            (!oldest || items[i].of_client < oldest->of_client))
            oldest = &items[i];
    return oldest;
}

/* The line whose turn it is; -1: none. */
static int model_line(unsigned key)
{
    int next = -1;
    for (int client = 0; client < CLIENTS; client++)
        if (count((int)key, client) > 0 &&
            (next < 0 || line_turn[key][client] < line_turn[key][next]))
            next = client;
    return next;
}

static struct item *model_first(unsigned key)
{
    int line = model_line(key);
    struct item *item = NULL;
    for (size_t i = 0; i < ENTRIES; i++)
        if (items[i].waits && items[i].key == key && items[i].client == (unsigned)line &&
            (!item || items[i].in_line < item->in_line))
            item = &items[i];
    return item;
}

static struct item *model_call(unsigned key)
{
    struct item *item = model_first(key);
    if (item)
        line_turn[key][item->client] = ++last;
    return item;
}

static bool model_pass(unsigned key)
{
    if (count((int)key, -1) == 0)
        return true;
    is_passed[key] = !is_passed[key];
    passed[key] += is_passed[key];
    return is_passed[key];
}

static bool model_favour(struct item *item, unsigned client)
{
    size_t mine = count((int)item->key, (int)item->client),
           other = count((int)item->key, (int)client);
    if (item->client == client || (other > 0 && other >= mine - 1))
        return false;
    model_remove(item);
    model_put(item, item->key, client, false);
    return true;
}

/* ---- both ---- */

static struct item *item_of(struct park_entry *entry)
{
    return entry ? container_of(entry, struct item, entry) : NULL;
}

static void put(struct item *item, struct rng *rng)
{
    unsigned key = rng_below(rng, KEYS), client = rng_below(rng, CLIENTS);
    bool is_first = rng_below(rng, 4) == 0;
    struct item *gone = NULL;

    if (rng_below(rng, 2)) /* one client has more entries than the others */
        client = 0;
    if (count(-1, -1) == MOST) {
        gone = model_evict();
        model_remove(gone);
    }
    assert_ptr_equal(
        item_of(park_put(park, &item->entry, key_of(key), client_of(client), is_first)), gone);
    model_put(item, key, client, is_first);
}

static void look(void)
{
    struct item *next = NULL;
    for (size_t i = 0; i < ENTRIES; i++)
        if (items[i].waits && (!next || items[i].in_all < next->in_all))
            next = &items[i];
    assert_ptr_equal(item_of(park_look(park)), next);
    if (next)
        next->in_all = ++last;
}

static void look_at_key(void)
{
    uint64_t found = 0;
    int next = -1;
    for (int key = 0; key < KEYS; key++)
        if (count(key, -1) > 0 && (next < 0 || key_turn[key] < key_turn[next]))
            next = key;
    assert_int_equal(park_look_key(park, &found), next >= 0);
    if (next < 0)
        return;
    assert_int_equal(found, key_of((unsigned)next));
    key_turn[next] = ++last;
}

static void operate(struct rng *rng)
{
    struct item *item = &items[rng_below(rng, ENTRIES)];
    unsigned key = rng_below(rng, KEYS), client = rng_below(rng, CLIENTS);

    switch (rng_below(rng, 13)) {
    case 0: assert_ptr_equal(item_of(park_call(park, key_of(key))), model_call(key)); break;
    case 1:
        if (item->waits)
            assert_int_equal(park_favour(park, &item->entry, client_of(client)),
                             model_favour(item, client));
        break;
    case 2: look(); break;
    case 3: look_at_key(); break;
    case 4:
    case 5:
    case 6:
    case 7:
        park_remove(park, &item->entry); /* also an entry that does not wait */
        if (item->waits)
            model_remove(item);
        break;
    case 8: assert_int_equal(park_pass(park, key_of(key)), model_pass(key)); break;
    case 9:
        if (rng_below(rng, 3) == 0) {
            park_forget_passed(park, key_of(key));
            passed[key] = 0;
        }
        break;
    default:
        if (!item->waits)
            put(item, rng);
    }
    assert_ptr_equal(item_of(park_first(park, key_of(key))), model_first(key));
    assert_int_equal(park_passed(park, key_of(key)), count((int)key, -1) > 0 ? passed[key] : 0);
    assert_int_equal(park_cnt(park), count(-1, -1));
    size_t keys = 0;
    for (int k = 0; k < KEYS; k++)
        keys += count(k, -1) > 0;
    assert_int_equal(park_keys(park), keys);
    assert_int_equal(park_lines(park, key_of(key)), count_lines(key));
    assert_int_equal(park_has(&item->entry), item->waits);
}

/* No pool has lost an element: as many keys, clients and lines as the park has room for. */
static void fill(void)
{
    uint64_t key;
    struct park_entry entries[MOST] = {0};

    assert_int_equal(park_cnt(park), 0);
    assert_null(park_look(park));
    assert_false(park_look_key(park, &key));
    for (unsigned i = 0; i < MOST; i++)
        assert_null(park_put(park, &entries[i], 1000 + i, 2000 + i, false));
    for (unsigned i = 0; i < MOST; i++) {
        assert_int_equal(park_lines(park, 1000 + i), 1);
        assert_ptr_equal(park_call(park, 1000 + i), &entries[i]);
        assert_ptr_equal(park_look(park), &entries[i]);
    }
    for (unsigned i = 0; i < MOST; i++)
        park_remove(park, &entries[i]);
    assert_int_equal(park_cnt(park), 0);
}

static void test_beside_a_model(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        struct rng rng;
        print_message("seed %u\n", seed);
        rng_init_seeded(&rng, seed);
        assert_int_equal(park_new(MOST, &park), ERR_OK);
        memset(items, 0, sizeof(items));
        for (unsigned i = 0; i < OPERATIONS; i++)
            operate(&rng);
        for (size_t i = 0; i < ENTRIES; i++)
            park_remove(park, &items[i].entry);
        fill();
        park_free(&park);
        assert_null(park);
    }
    park_free(&park);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_beside_a_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
