/* The index of a zone: every size, names in any case, hashes that collide, pages that split. */
#include "unit.h"

#include "authd/zone/index.h"
#include "base/hash.h"

enum { NAMES_MAX = 20000 };

static struct slab_list memory;
static struct index names;
static struct node *nodes[NAMES_MAX];

static int set_up(void **state)
{
    (void)state;
    memory = (struct slab_list){.bytes = 0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    index_fini(&names);
    slab_fini(&memory);
    return 0;
}

static struct node *make_node(const uint8_t *name)
{
    size_t len = dname_len(name);
    struct node *node = slab_alloc(&memory, sizeof(*node) + len, 16);

    assert_non_null(node);
    node->name_len = (uint8_t)len;
    memcpy(node->name, name, len);
    return node;
}

/* The node of "N.example." in mixed case. */
static struct node *make_numbered(unsigned number)
{
    char text[40];
    uint8_t name[DNAME_MAX];

    snprintf(text, sizeof(text), "N%u.eXample.", number);
    return make_node(unit_name(text, name));
}

static struct node *find(const uint8_t *name)
{
    return index_find(&names, dname_hash(name), name, dname_len(name));
}

static struct node *find_text(const char *text)
{
    uint8_t name[DNAME_MAX];
    return find(unit_name(text, name));
}

/* Assert that "n0.example." to "n<cnt-1>.example." are found in lower case, and no other. */
static void expect_numbered(unsigned cnt)
{
    char text[40];

    for (unsigned i = 0; i < cnt; i++) {
        snprintf(text, sizeof(text), "n%u.example.", i);
        assert_ptr_equal(find_text(text), nodes[i]);
    }
    for (unsigned i = cnt; i < cnt + 20; i++) {
        snprintf(text, sizeof(text), "n%u.example.", i);
        assert_null(find_text(text));
    }
}

static void test_an_empty_index_finds_nothing(void **state)
{
    (void)state;
    assert_int_equal(index_init(&names, &memory, 0), ERR_OK);
    assert_null(find_text("."));
    assert_null(find_text("example."));
}

/* An index has room for the number of names it was made for, whatever that number is. */
static void test_every_size_has_room(void **state)
{
    static const unsigned larger[] = {1000, 2000, 5000, 10000, NAMES_MAX};
    (void)state;
    for (unsigned i = 0; i < NAMES_MAX; i++)
        nodes[i] = make_numbered(i);
    for (unsigned n = 0; n < 700 + ARRAY_LEN(larger); n++) {
        unsigned cnt = n < 700 ? n : larger[n - 700];
        assert_int_equal(index_init(&names, &memory, cnt), ERR_OK);
        for (unsigned i = 0; i < cnt; i++)
            assert_int_equal(index_put(&names, dname_hash(nodes[i]->name), nodes[i]), ERR_OK);
        expect_numbered(cnt);
        index_fini(&names);
    }
    assert_int_equal(index_init(&names, &memory, 0), ERR_OK); /* for tear_down */
}

/* An index made for 400 names takes 4000: its pages split, and every name is found meanwhile.
 */
/* An index made for few names ends with an error when many more come. */
static void test_a_small_index_has_a_limit(void **state)
{
    enum err err = ERR_OK;
    unsigned cnt = 0;
    (void)state;
    assert_int_equal(index_init(&names, &memory, 1), ERR_OK);
    while (cnt < 4096 && !err) {
        nodes[cnt] = make_numbered(cnt);
        err = index_put(&names, dname_hash(nodes[cnt]->name), nodes[cnt]);
        cnt += !err;
    }
    assert_int_equal(err, ERR_LIMIT);
    assert_true(cnt >= 1);
    expect_numbered(cnt);
}

static void test_pages_split(void **state)
{
    (void)state;
    assert_int_equal(index_init(&names, &memory, 400), ERR_OK);
    unsigned depth = names.depth;
    for (unsigned i = 0; i < 4000; i++) {
        nodes[i] = make_numbered(i);
        assert_int_equal(index_put(&names, dname_hash(nodes[i]->name), nodes[i]), ERR_OK);
        assert_ptr_equal(find(nodes[i]->name), nodes[i]);
    }
    assert_true(names.depth > depth);
    expect_numbered(4000);
}

/* Names whose hashes share more bits than the directory may have end in ERR_LIMIT, not in a
 * directory that keeps growing.  The names put before are still found. */
static void test_names_that_agree_in_too_many_bits(void **state)
{
    enum err err = ERR_OK;
    unsigned cnt = 0;
    (void)state;
    assert_int_equal(index_init(&names, &memory, 1), ERR_OK);
    index_fini(&names);
    assert_int_equal(index_init(&names, &memory, 400), ERR_OK);
    for (unsigned i = 0; err == ERR_OK; i++) {
        struct node *node = make_numbered(i);
        uint64_t hash = dname_hash(node->name);
        assert_true(i < 1 << 20);
        if (hash >> (64 - names.depth_max) != 0)
            continue;
        err = index_put(&names, hash, node);
        if (!err)
            nodes[cnt++] = node;
    }
    assert_int_equal(err, ERR_LIMIT);
    assert_int_equal(names.depth, names.depth_max);
    assert_true(cnt > 400);
    for (unsigned i = 0; i < cnt; i++)
        assert_ptr_equal(find(nodes[i]->name), nodes[i]);
}

/* Nodes with equal hashes are told apart by their names, whose case does not count. */
static void test_equal_hashes(void **state)
{
    static const char *const texts[] = {"a.example.",   "b.example.", "aa.example.",
                                        "a.example.b.", ".",          "\\097b.test.",
                                        "@.example.",   "`.example."};
    uint8_t name[DNAME_MAX];
    (void)state;
    for (unsigned bucket = 0; bucket < 64;
         bucket += 63) { /* bucket 63 overflows into bucket 0 */
        uint64_t hash = 0x1234567890abcd00 | bucket;
        assert_int_equal(index_init(&names, &memory, 300), ERR_OK);
        for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
            nodes[i] = make_node(unit_name(texts[i], name));
            assert_int_equal(index_put(&names, hash, nodes[i]), ERR_OK);
        }
        for (size_t i = 0; i < 16; i++) { /* more than fit one bucket */
            nodes[8 + i] = make_numbered((unsigned)i);
            assert_int_equal(index_put(&names, hash, nodes[8 + i]), ERR_OK);
        }
        for (size_t i = 0; i < 24; i++)
            assert_ptr_equal(index_find(&names, hash, nodes[i]->name, nodes[i]->name_len),
                             nodes[i]);
        unit_name("AB.TEST.", name);
        assert_ptr_equal(index_find(&names, hash, name, dname_len(name)), nodes[5]);
        unit_name("c.example.", name);
        assert_null(index_find(&names, hash, name, dname_len(name)));
        /* the same bucket and another hash */
        unit_name("a.example.", name);
        assert_null(index_find(&names, hash ^ 1 << 8, name, dname_len(name)));
        index_fini(&names);
    }
    assert_int_equal(index_init(&names, &memory, 0), ERR_OK); /* for tear_down */
}

/* A name of 255 octets, and labels of every octet. */
static void test_names_of_any_octets(void **state)
{
    uint8_t longest[DNAME_MAX], other[DNAME_MAX];
    (void)state;
    for (size_t at = 0; at < 252; at += 63) {
        longest[at] = 62;
        memset(longest + at + 1, 'x', 62);
    }
    longest[252] = 1;
    longest[253] = 'x';
    longest[254] = 0;
    assert_int_equal(dname_check(longest, sizeof(longest)), 255);
    assert_int_equal(index_init(&names, &memory, 300), ERR_OK);
    nodes[0] = make_node(longest);
    assert_int_equal(index_put(&names, dname_hash(longest), nodes[0]), ERR_OK);
    for (unsigned octet = 0; octet < 256; octet++) {
        uint8_t name[] = {1, (uint8_t)octet, 0};
        if (octet >= 'A' && octet <= 'Z')
            continue;
        nodes[1 + octet] = make_node(name);
        assert_int_equal(index_put(&names, dname_hash(name), nodes[1 + octet]), ERR_OK);
    }
    memcpy(other, longest, sizeof(other));
    other[1] = 'X';
    assert_ptr_equal(find(other), nodes[0]);
    other[253] = 'y';
    assert_null(find(other));
    for (unsigned octet = 0; octet < 256; octet++) {
        uint8_t name[] = {1, (uint8_t)octet, 0};
        unsigned lower = octet >= 'A' && octet <= 'Z' ? octet + 32 : octet;
        assert_ptr_equal(find(name), nodes[1 + lower]);
    }
}

/* Prefetching accepts any hash and changes nothing. */
static void test_prefetching_changes_nothing(void **state)
{
    (void)state;
    for (unsigned cnt = 1; cnt <= 1000; cnt *= 10) {
        assert_int_equal(index_init(&names, &memory, cnt), ERR_OK);
        for (unsigned i = 0; i < cnt; i++) {
            nodes[i] = make_numbered(i);
            assert_int_equal(index_put(&names, dname_hash(nodes[i]->name), nodes[i]), ERR_OK);
        }
        for (uint64_t i = 0; i < 4096; i++) {
            uint64_t hash = i < cnt ? dname_hash(nodes[i]->name) : i * 0x9e3779b97f4a7c15U;
            index_prefetch_page(&names, hash);
            index_prefetch_bucket(&names, hash);
            index_prefetch_node(&names, hash);
            index_prefetch_put(&names, hash);
        }
        expect_numbered(cnt);
        index_fini(&names);
    }
    assert_int_equal(index_init(&names, &memory, 0), ERR_OK); /* for tear_down */
}

int main(void)
{
#define WITH_MEMORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_MEMORY(test_an_empty_index_finds_nothing),
        WITH_MEMORY(test_every_size_has_room),
        WITH_MEMORY(test_a_small_index_has_a_limit),
        WITH_MEMORY(test_pages_split),
        WITH_MEMORY(test_names_that_agree_in_too_many_bits),
        WITH_MEMORY(test_equal_hashes),
        WITH_MEMORY(test_names_of_any_octets),
        WITH_MEMORY(test_prefetching_changes_nothing),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
