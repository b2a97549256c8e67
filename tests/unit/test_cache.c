/* The cache: order of keys, TTLs, ranks, negative answers, failures and delegations; and small
 * modules around it. */
#include "tests/unit/unit.h"

#include <ldns/ldns.h>

#include "base/hash.h"
#include "base/now.h"
#include "base/rng.h"
#include "dns/names.h"
#include "dns/rrline.h"
#include "resolver/cache/cache.h"
#include "resolver/cache/cache_memory.h"
#include "resolver/iterate/qmin.h"

static struct cache cache;
static struct arena arena;
static const uint8_t root[] = {0};

static int set_up(void **state)
{
    (void)state;
    hash_init();
    now_freeze(1600000000000);
    arena_init(&arena, 0);
    cache.ttls = (struct cache_ttls){.min = 0, .max = 86400, .negative_max = 3600};
    return cache_memory_new(1 << 20, &cache.store) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    cache.store->free(&cache.store);
    arena_fini(&arena);
    return 0;
}

static struct cache_time now_time(void)
{
    return (struct cache_time){.now_ms = now_wall_ms(), .since_ms = INT64_MAX};
}

/* Cache an A record of 192.0.2.`octet`. */
static void put(const char *name, uint8_t octet, uint32_t ttl, enum cache_rank rank)
{
    uint8_t dname[DNAME_MAX], rdata[4] = {192, 0, 2, octet}, room[64];
    struct rrset_record record = {.rdata = rdata, .len = 4};
    struct rrset *set = (struct rrset *)(void *)room;
    struct cache_origin origin = {.rank = rank, .now_ms = now_wall_ms()};

    assert_int_equal(rrset_pack(RRTYPE_A, ttl, &record, 1, set), ERR_OK);
    assert_int_equal(cache_put(&cache, unit_name(name, dname), set, &origin), ERR_OK);
}

static bool find(const char *name, uint16_t type, int64_t since_ms, struct cache_found *found)
{
    uint8_t dname[DNAME_MAX];
    struct cache_name key;
    struct cache_time when = now_time();

    when.since_ms = since_ms;
    cache_name_init(&key, unit_name(name, dname));
    return cache_find(&cache, &key, key.labels, type, &when, &arena, found);
}

static void test_keys_are_in_canonical_order(void **state)
{
    struct rng rng;
    uint8_t a[DNAME_MAX], b[DNAME_MAX];
    (void)state;
    rng_init_seeded(&rng, 1);
    for (int i = 0; i < 20000; i++) {
        uint8_t *names[] = {a, b};
        struct cache_name keys[2];
        for (int n = 0; n < 2; n++) {
            uint8_t *p = names[n];
            for (unsigned labels = rng_below(&rng, 4); labels > 0; labels--) {
                *p = (uint8_t)(1 + rng_below(&rng, 3));
                for (int k = 0; k < *p; k++)
                    p[1 + k] = (uint8_t) "\0\1\2aAbB.\377-"[rng_below(&rng, 10)];
                p += *p + 1;
            }
            *p = 0;
            cache_name_init(&keys[n], names[n]);
        }
        size_t x = keys[0].end[keys[0].labels] - 1U, y = keys[1].end[keys[1].labels] - 1U;
        int diff = memcmp(keys[0].key + 1, keys[1].key + 1, util_min(x, y));
        if (diff == 0)
            diff = x < y ? -1 : x > y;
        ldns_rdf *rdfs[] = {ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, dname_len(a), a),
                            ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, dname_len(b), b)};
        int want = ldns_dname_compare(rdfs[0], rdfs[1]);
        ldns_rdf_deep_free(rdfs[0]);
        ldns_rdf_deep_free(rdfs[1]);
        assert_int_equal(diff < 0, want < 0);
        assert_int_equal(diff > 0, want > 0);
    }
}

static void test_ttl(void **state)
{
    struct cache_found found;
    (void)state;
    put("a.test", 1, 10, CACHE_NONAUTH_ANSWER);
    assert_true(find("A.TEST", RRTYPE_A, INT64_MAX, &found) && found.ttl == 10);
    now_advance(9001);
    assert_true(find("a.test", RRTYPE_A, INT64_MAX, &found) && found.ttl == 1);
    now_advance(999);
    assert_false(find("a.test", RRTYPE_A, INT64_MAX, &found));
    /* a query that began before it was cached still finds it */
    assert_true(find("a.test", RRTYPE_A, now_wall_ms() - 10000, &found) && found.ttl == 0);
    put("zero.test", 1, 0, CACHE_NONAUTH_ANSWER);
    assert_false(find("zero.test", RRTYPE_A, INT64_MAX, &found));
    assert_true(find("zero.test", RRTYPE_A, now_wall_ms(), &found));
}

static void test_ranks(void **state)
{
    struct cache_found found;
    (void)state;
    put("a.test", 1, 10, CACHE_AUTH_ANSWER);
    put("a.test", 2, 10, CACHE_NONAUTH_ANSWER);
    assert_true(find("a.test", RRTYPE_A, INT64_MAX, &found));
    assert_int_equal(rrset_first(found.set).rdata[3], 1);
    put("a.test", 3, 10, CACHE_AUTH_ANSWER);
    assert_true(find("a.test", RRTYPE_A, INT64_MAX, &found));
    assert_int_equal(rrset_first(found.set).rdata[3], 3);
    now_advance(11000); /* an expired entry outranks nothing */
    put("a.test", 4, 10, CACHE_NONAUTH_ANSWER);
    assert_true(find("a.test", RRTYPE_A, INT64_MAX, &found));
    assert_int_equal(rrset_first(found.set).rdata[3], 4);
}

static void test_negative_answers(void **state)
{
    static const uint8_t rdata[] = "\1a\0\1b\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\x3c";
    struct rrset_record record = {.rdata = rdata, .len = sizeof(rdata) - 1};
    struct cache_origin origin = {.rank = CACHE_AUTH_ANSWER, .now_ms = now_wall_ms()};
    struct cache_time when = now_time();
    uint8_t room[100], name[DNAME_MAX], zone[DNAME_MAX];
    struct rrset *soa = (struct rrset *)(void *)room;
    struct cache_found found;
    struct cache_name key;

    (void)state;
    assert_int_equal(rrset_pack(RRTYPE_SOA, 3600, &record, 1, soa), ERR_OK);
    unit_name("test", zone);
    cache_name_init(&key, unit_name("gone.test", name));
    assert_int_equal(cache_put_negative(&cache, name, 0, zone, soa, &origin), ERR_OK);
    assert_true(cache_find_nxdomain(&cache, &key, &when, &arena, &found));
    assert_int_equal(found.ttl, 60); /* RFC 2308 5: MINIMUM is less than its TTL */
    assert_true(dname_is_equal(found.soa_owner, zone) && found.set->type == RRTYPE_SOA);
    put("gone.test", 1, 10, CACHE_AUTH_ANSWER); /* data replace NXDOMAIN */
    assert_false(cache_find_nxdomain(&cache, &key, &when, &arena, &found));
    assert_int_equal(cache_put_negative(&cache, name, RRTYPE_MX, NULL, NULL, &origin), ERR_OK);
    assert_true(cache_find(&cache, &key, 2, RRTYPE_MX, &when, &arena, &found));
    assert_true(found.kind == CACHE_NODATA && !found.set && found.ttl == 5);
}

/* A forwarder's answer does not replace an authoritative NXDOMAIN that is alive (RFC 2181
 * 5.4.1). */
static void test_nxdomain_has_its_rank(void **state)
{
    struct cache_origin origin = {.rank = CACHE_AUTH_ANSWER, .now_ms = now_wall_ms()};
    struct cache_time when = now_time();
    struct cache_found found;
    struct cache_name key;
    uint8_t name[DNAME_MAX];
    (void)state;
    cache_name_init(&key, unit_name("denied.test", name));
    assert_int_equal(cache_put_negative(&cache, name, 0, NULL, NULL, &origin), ERR_OK);
    put("denied.test", 1, 100, CACHE_NONAUTH_ANSWER);
    assert_false(find("denied.test", RRTYPE_A, INT64_MAX, &found));
    assert_true(cache_find_nxdomain(&cache, &key, &when, &arena, &found));
    now_advance(6000);
    put("denied.test", 1, 100, CACHE_NONAUTH_ANSWER);
    assert_true(find("denied.test", RRTYPE_A, INT64_MAX, &found));
}

/* After the clock was set back, entries that were cached in the future are not found. */
static void test_the_clock_goes_back(void **state)
{
    struct cache_found found;
    (void)state;
    put("now.test", 1, 3600, CACHE_NONAUTH_ANSWER);
    now_freeze(1600000000000 - 5000); /* a small step is tolerated */
    assert_true(find("now.test", RRTYPE_A, INT64_MAX, &found));
    assert_true(found.ttl <= 3600);
    now_freeze(1600000000000 - 86400000);
    assert_false(find("now.test", RRTYPE_A, INT64_MAX, &found));
    put("now.test", 2, 10, CACHE_NONAUTH_ANSWER);
    assert_true(find("now.test", RRTYPE_A, INT64_MAX, &found) && found.ttl == 10);
}

/* An expired entry is found for stale_ms, but not if its TTL was 0. */
static void test_expired_entries(void **state)
{
    struct cache_time when;
    struct cache_found found;
    struct cache_name key;
    uint8_t name[DNAME_MAX];
    (void)state;
    put("old.test", 1, 60, CACHE_NONAUTH_ANSWER);
    cache_name_init(&key, unit_name("old.test", name));
    now_advance(60000);
    when = now_time();
    assert_false(cache_find(&cache, &key, 2, RRTYPE_A, &when, &arena, &found));
    when.stale_ms = 1000;
    assert_true(cache_find(&cache, &key, 2, RRTYPE_A, &when, &arena, &found));
    assert_true(found.is_stale && found.expire_ms == now_wall_ms());
    now_advance(1000);
    when.now_ms = now_wall_ms();
    assert_false(cache_find(&cache, &key, 2, RRTYPE_A, &when, &arena, &found));
    put("none.test", 1, 0, CACHE_NONAUTH_ANSWER);
    cache_name_init(&key, unit_name("none.test", name));
    assert_false(cache_find(&cache, &key, 2, RRTYPE_A, &when, &arena, &found));
}

/* A name has at most a hundred types in the cache: the common ones keep their places, the
 * others replace one another. */
static void test_types_of_a_name(void **state)
{
    struct cache_origin origin = {.rank = CACHE_NONAUTH_ANSWER, .now_ms = now_wall_ms()};
    uint8_t name[DNAME_MAX], rdata[4] = {1, 2, 3, 4}, room[64];
    struct rrset *set = (struct rrset *)(void *)room;
    struct rrset_record record = {.rdata = rdata, .len = 4};
    struct cache_found found;
    unsigned cnt = 0;
    (void)state;
    unit_name("many.test", name);
    put("many.test", 1, 100, CACHE_NONAUTH_ANSWER);
    for (unsigned type = 1000; type < 4000; type++) {
        assert_int_equal(rrset_pack((uint16_t)type, 100, &record, 1, set), ERR_OK);
        assert_int_equal(cache_put(&cache, name, set, &origin), ERR_OK);
        assert_true(find("many.test", (uint16_t)type, INT64_MAX, &found) &&
                    found.set->type == type);
    }
    for (unsigned type = 1000; type < 4000; type++)
        cnt += find("many.test", (uint16_t)type, INT64_MAX, &found);
    assert_true(cnt <= CACHE_TYPES_MAX - 66 && cnt > 30);
    assert_true(find("many.test", RRTYPE_A, INT64_MAX, &found) &&
                rrset_first(found.set).rdata[3] == 1);
}

/* Names of many octets 00 and 01 have keys that are too long, and are hashed: each is found,
 * and none for another. */
static void test_long_keys(void **state)
{
    char text[1100] = "";
    struct cache_found found;
    (void)state;
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 63; k++)
            strcat(text, "\\000");
        strcat(text, ".");
    }
    for (int k = 0; k < 60; k++)
        strcat(text, "\\001");
    for (uint8_t octet = 1; octet <= 3; octet++) {
        text[3] = (char)('0' + octet); /* \001, \002, \003 in the first label */
        put(text, octet, 100, CACHE_NONAUTH_ANSWER);
    }
    for (uint8_t octet = 1; octet <= 3; octet++) {
        text[3] = (char)('0' + octet);
        assert_true(find(text, RRTYPE_A, INT64_MAX, &found));
        assert_int_equal(rrset_first(found.set).rdata[3], octet);
    }
}

static void test_failures_last_longer_each_time(void **state)
{
    struct cache_found found;
    uint8_t name[DNAME_MAX];
    unsigned expected[] = {5, 10, 20, 40, 80, 160, 300, 300};
    (void)state;
    struct cache_name key;
    cache_name_init(&key, unit_name("bad.test", name));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        struct cache_origin origin = {.now_ms = now_wall_ms()};
        struct cache_time when = now_time();
        cache_put_failure(&cache, name, RRTYPE_A, 22, "why", 0, &origin);
        assert_true(cache_find_failure(&cache, &key, RRTYPE_A, &when, &arena, &found));
        assert_int_equal(found.ttl, expected[i]);
        assert_string_equal(found.text, "why");
        now_advance(expected[i] * 1000ULL);
    }
    struct cache_origin origin = {.now_ms = now_wall_ms()};
    struct cache_time when = now_time();
    cache_put_failure(&cache, name, RRTYPE_AAAA, 22, "why", 0, &origin);
    assert_true(cache_find_failure(&cache, &key, RRTYPE_AAAA, &when, &arena, &found));
    now_advance(1);
    when = now_time();
    cache.start_ms = now_wall_ms(); /* a restart */
    assert_false(cache_find_failure(&cache, &key, RRTYPE_AAAA, &when, &arena, &found));
    cache.start_ms = now_wall_ms() + 86400000; /* the clock was set back since the start */
    cache_put_failure(&cache, name, RRTYPE_AAAA, 22, "why", 0,
                      &(struct cache_origin){.now_ms = now_wall_ms()});
    assert_true(cache_find_failure(&cache, &key, RRTYPE_AAAA, &when, &arena, &found));
    cache.start_ms = 0;
    cache.trust++; /* other trust anchors, or none: it may not be bogus any more */
    assert_false(cache_find_failure(&cache, &key, RRTYPE_AAAA, &when, &arena, &found));
    cache.trust--;
    /* a failure does not replace data */
    put("bad.test", 1, 100, CACHE_NONAUTH_ANSWER);
    cache_put_failure(&cache, name, RRTYPE_A, 22, "why", 0, &origin);
    assert_true(find("bad.test", RRTYPE_A, INT64_MAX, &found) && found.kind == CACHE_DATA);
}

static void test_delegations(void **state)
{
    uint8_t zone[DNAME_MAX], ns[DNAME_MAX], name[DNAME_MAX];
    struct cache_time when = now_time();
    struct cache_name key;
    struct delegation delegation, found;
    struct addr addr;
    int64_t expire_ms;

    (void)state;
    delegation_init(&delegation, unit_name("a.test", zone), DELEGATION_REFERRAL);
    int server = delegation_add_server(&delegation, unit_name("ns.a.test", ns));
    for (int i = 0; i < 10; i++) {
        char text[20];
        snprintf(text, sizeof(text), "192.0.2.%d", i / 2);
        assert_int_equal(addr_read(text, 53, &addr), ERR_OK);
        delegation_add_addr(&delegation, server, &addr);
    }
    assert_int_equal(delegation.addr_cnt, 5);
    struct cache_origin origin = {.now_ms = now_wall_ms()};
    cache_put_delegation(&cache, &delegation, 3600, now_wall_ms() + 60000, &origin);
    cache_name_init(&key, unit_name("www.x.A.TEST", name));
    assert_true(
        cache_find_delegation(&cache, &key, 4, 0, &when, 5353, &arena, &found, &expire_ms));
    assert_int_equal(found.labels, 2);
    assert_int_equal(found.addr_cnt, 5);
    assert_int_equal(addr_port(&found.addrs[4].addr), 5353);
    assert_true(dname_is_equal(found.zone, zone) && dname_is_equal(found.servers[0].name, ns));
    assert_int_equal(expire_ms, now_wall_ms() + 60000); /* not beyond the zone above */
    assert_false(
        cache_find_delegation(&cache, &key, 1, 0, &when, 53, &arena, &found, &expire_ms));
    assert_false(
        cache_find_delegation(&cache, &key, 4, 3, &when, 53, &arena, &found, &expire_ms));
}

/* Return the key of a name and type in the space of data, as docs/CACHE.md describes it. */
static struct cache_key key_in(const char *text, uint16_t type,
                               uint8_t bytes[DNAME_KEY_MAX + 3])
{
    uint8_t dname[DNAME_MAX];
    size_t len = 1 + dname_key(unit_name(text, dname), bytes + 1);
    bytes[0] = 1;
    util_put_u16(bytes + len, type);
    return (struct cache_key){bytes, len + 2, hash_more(hash_start(), bytes, len + 2)};
}

/* A damaged value is found or not, but never read past its end. */
static void test_damaged_values(void **state)
{
    struct rng rng;
    uint8_t bytes[DNAME_KEY_MAX + 3];
    struct cache_found found;
    size_t len;

    (void)state;
    rng_init_seeded(&rng, 3);
    put("a.test", 1, 10, CACHE_NONAUTH_ANSWER);
    struct cache_key key = key_in("a.test", RRTYPE_A, bytes);
    const uint8_t *value = cache.store->get(cache.store, &key, &len);
    assert_non_null(value);
    uint8_t *copy = arena_copy(&arena, value, len);
    for (int i = 0; i < 20000; i++) {
        uint8_t *bad = malloc(len);
        size_t bad_len = rng_below(&rng, 4) ? len : rng_below(&rng, (uint32_t)len + 1);
        memcpy(bad, copy, len);
        bad[rng_below(&rng, (uint32_t)len)] ^= (uint8_t)(1 << rng_below(&rng, 8));
        assert_int_equal(cache.store->put(cache.store, &key, bad, bad_len, now_wall_ms()),
                         ERR_OK);
        free(bad);
        if (find("a.test", RRTYPE_A, INT64_MAX, &found) && found.kind == CACHE_DATA)
            assert_int_equal(found.set->type, RRTYPE_A);
        arena_reset(&arena);
        put("a.test", 1, 10, CACHE_AUTH_ANSWER);
        value = cache.store->get(cache.store, &key, &len);
        copy = arena_copy(&arena, value, len);
        cache.store->settle(cache.store);
    }
}

static struct cache_key number_key(uint32_t number, uint8_t bytes[8])
{
    util_put_u32(bytes, number);
    return (struct cache_key){bytes, 4, hash_more(hash_start(), bytes, 4)};
}

static void test_the_memory_store_keeps_its_size(void **state)
{
    struct cache_store *store;
    uint8_t value[1000] = {0}, key[8];
    size_t len, kept = 0;
    (void)state;
    assert_int_equal(cache_memory_new(100000, &store), ERR_OK);
    for (uint32_t i = 0; i < 10000; i++) {
        struct cache_key k = number_key(i, key);
        assert_int_equal(store->put(store, &k, value, sizeof(value), 0), ERR_OK);
        k = number_key(0, key); /* a key that is read again and again stays */
        assert_true(i < 1 || store->get(store, &k, &len) != NULL);
    }
    for (uint32_t i = 0; i < 10000; i++) {
        struct cache_key k = number_key(i, key);
        kept += store->get(store, &k, &len) != NULL;
    }
    assert_true(kept > 50 && kept < 100);
    store->free(&store);
}

static void test_qmin(void **state)
{
    (void)state;
    for (unsigned labels = 1; labels <= 127; labels++)
        for (unsigned known = 0; known < labels; known++) {
            unsigned minimised = known, step = 0;
            while (minimised < labels) {
                unsigned next = qmin_next(labels, minimised, step, 10);
                assert_true(next > minimised && next <= labels);
                assert_true(step >= QMIN_ONE_LABEL_STEPS || next == minimised + 1);
                minimised = next;
                step++;
            }
            assert_true(step <= 11);
        }
}

static void test_the_table_of_names(void **state)
{
    struct names names = {.cnt = 0};
    struct dname_parts parts;
    uint8_t name[DNAME_MAX];
    static int values[1000];
    (void)state;
    for (int i = 0; i < 1000; i++) {
        char text[40];
        snprintf(text, sizeof(text), "z%d.test", i);
        void **place = names_put(&names, &arena, unit_name(text, name));
        assert_true(place && !*place);
        *place = &values[i];
    }
    dname_split(unit_name("a.b.Z77.Test", name), &parts);
    assert_ptr_equal(names_find(&names, &parts, 2), &values[77]);
    assert_null(names_find(&names, &parts, 3));
    assert_null(names_find(&names, &parts, 1));
    names_fini(&names);
}

static void test_record_lines(void **state)
{
    struct rrline *r = malloc(sizeof(*r));
    static const char *const good[] = {"a.test. 60 IN A 192.0.2.1",
                                       "a.test. IN 60 A 192.0.2.1 ; why", "a.test. A 192.0.2.1",
                                       "  a.test. 1m A 192.0.2.1"};
    static const char *const bad[] = {"a.test.", "a.test. 60 IN", "a.test. 60 A 192.0.2",
                                      "a.test. QQ x", "a..test. A 1.2.3.4"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_int_equal(rrline_read(good[i], strlen(good[i]), root, 60, r), ERR_OK);
        assert_true(r->type == RRTYPE_A && r->ttl == 60 && r->rdata_len == 4);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(rrline_read(bad[i], strlen(bad[i]), root, 60, r), ERR_FORMAT);
        assert_true(strlen(r->fault.text) > 5);
    }
    assert_int_equal(rrline_read(" ; nothing", 10, root, 60, r), ERR_ABSENT);
    free(r);
}

static void test_rrsets_are_sorted_without_duplicates(void **state)
{
    uint8_t room[200];
    struct rrset *set = (struct rrset *)(void *)room;
    struct rrset_record records[] = {{(const uint8_t *)"\3c", 2},
                                     {(const uint8_t *)"\1a", 2},
                                     {(const uint8_t *)"\3c", 2},
                                     {(const uint8_t *)"\1b", 2}};
    size_t pos = 0;
    (void)state;
    assert_int_equal(rrset_pack(65280, 60, records, 4, set), ERR_OK);
    assert_int_equal(set->cnt, 3);
    assert_memory_equal(rrset_at(set, pos, &pos).rdata, "\1a", 2);
    assert_memory_equal(rrset_at(set, pos, &pos).rdata, "\1b", 2);
    assert_memory_equal(rrset_at(set, pos, &pos).rdata, "\3c", 2);
    assert_true(rrset_check(room, rrset_stride(set)));
    assert_false(rrset_check(room, rrset_stride(set) - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keys_are_in_canonical_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ttl, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ranks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_negative_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nxdomain_has_its_rank, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_clock_goes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_expired_entries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_types_of_a_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures_last_longer_each_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_delegations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damaged_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_memory_store_keeps_its_size, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_qmin, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_table_of_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_record_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rrsets_are_sorted_without_duplicates, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
