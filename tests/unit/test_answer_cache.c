/* The answer cache: which answers are kept, for how long, what invalidates them, and that they
 * are returned as they were written. */
#include "tests/unit/unit.h"

#include "base/hash.h"
#include "dns/query.h"
#include "resolver/cache/answer_cache.h"

enum { T0 = 1600000000, SAMPLE = 64, WAYS = 8 };

static const int64_t t0_ms = T0 * 1000LL;
static struct answer_cache *answers;
static struct cache_versions versions;
static unsigned popularity;

static unsigned popularity_of(const struct cache_store *store, uint64_t hash)
{
    (void)store;
    (void)hash;
    return popularity;
}

static struct cache_store store = {.popularity = popularity_of, .versions = &versions};
static struct cache cache = {.store = &store};

static int set_up(void **state)
{
    (void)state;
    memset(&versions, 0, sizeof(versions));
    store.epoch = 0;
    popularity = 2;
    cache.used = (struct cache_used){.cnt = 1, .hashes = {77}};
    return answer_cache_new(1 << 20, &answers) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    answer_cache_free(&answers);
    return answers ? -1 : 0;
}

/* A query and the answer to it.  Lifetime: the test's. */
struct asked {
    struct exchange ex;
    uint8_t query[QUERY_MAX], answer[4096];
};

/* A query.  Zeros: type A, no EDNS, 4096 octets for the answer. */
struct terms {
    uint16_t type;
    bool has_edns, is_do;
    size_t limit;
};

static void begin(struct asked *a, const char *text, const struct terms *terms)
{
    uint8_t name[DNAME_MAX];
    struct query q = {.id = 7,
                      .name = unit_name(text, name),
                      .type = terms && terms->type ? terms->type : RRTYPE_A,
                      .has_edns = terms && terms->has_edns,
                      .is_do = terms && terms->is_do,
                      .udp_size = 1232};
    size_t len = query_write(&q, a->query);

    memset(&a->ex, 0, sizeof(a->ex));
    assert_int_equal(message_parse(a->query, len, &a->ex.query), MESSAGE_WHOLE);
    dname_split(message_qname(&a->ex.query), &a->ex.name);
    builder_init(&a->ex.out, a->answer,
                 terms && terms->limit ? terms->limit : sizeof(a->answer));
    builder_question(&a->ex.out, &a->ex.query, &a->ex.name);
}

/* Append a record of the query name. */
static void add(struct asked *a, enum message_section section, uint16_t type, uint32_t ttl,
                const void *rdata, size_t len)
{
    struct builder_owner owner = {.name = message_qname(&a->ex.query)};
    assert_int_equal(
        builder_record(&a->ex.out, section, owner, type, RRTYPE_CLASS_IN, ttl, rdata, len),
        ERR_OK);
}

static const struct answer_cache_header noerror = {.rcode = RRTYPE_RCODE_NOERROR},
                                        nxdomain = {.rcode = RRTYPE_RCODE_NXDOMAIN};

/* Write an answer with one address and offer it to the cache. */
static void keep(const char *name, uint8_t octet, uint32_t ttl)
{
    static struct asked a;
    const uint8_t rdata[] = {192, 0, 2, octet};

    begin(&a, name, NULL);
    add(&a, MESSAGE_ANSWER, RRTYPE_A, ttl, rdata, sizeof(rdata));
    answer_cache_keep(answers, &cache, &a.ex, &noerror, t0_ms, INT64_MAX);
}

/* Query, and again if there is no answer: one cache hit in SAMPLE is passed on. */
static bool is_answered(struct asked *a, const char *name, const struct terms *terms,
                        int64_t now_ms, unsigned *rcode)
{
    struct answer_cache_header header = {0};

    begin(a, name, terms);
    bool is_hit = answer_cache_answer(answers, &versions, &a->ex, now_ms, &header) ||
                  answer_cache_answer(answers, &versions, &a->ex, now_ms, &header);
    *rcode = header.rcode;
    return is_hit;
}

static bool is_kept(const char *name, int64_t now_ms)
{
    static struct asked a;
    unsigned rcode;
    return is_answered(&a, name, NULL, now_ms, &rcode);
}

/* Return the last octet of the first address of the answer, or its TTL. */
static uint8_t last_octet(const struct asked *a)
{
    return a->ex.out.wire[MESSAGE_HEADER_LEN + a->ex.query.question_len + 15];
}

static uint32_t first_ttl(const struct asked *a)
{
    return util_get_u32(a->ex.out.wire + MESSAGE_HEADER_LEN + a->ex.query.question_len + 6);
}

static void test_an_empty_cache(void **state)
{
    struct asked a;
    struct answer_cache_header header = {.rcode = 77};
    (void)state;
    begin(&a, "a.test", NULL);
    size_t len = a.ex.out.len;
    assert_false(answer_cache_answer(answers, &versions, &a.ex, t0_ms, &header));
    assert_true(a.ex.out.len == len && header.rcode == 77);
    struct answer_cache *none = NULL;
    answer_cache_free(&none);
}

/* All sections and the RCODE are returned as written, with TTLs that are reduced by the age. */
static void test_answers_are_returned_as_written(void **state)
{
    static struct asked a, b;
    static const uint8_t soa[] = "\1a\0\1b\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5";
    const struct terms terms = {.has_edns = true, .is_do = true};
    unsigned rcode = 77;
    (void)state;
    begin(&a, "www.Example.TEST", &terms);
    add(&a, MESSAGE_ANSWER, RRTYPE_A, 300, "\300\0\2\1", 4);
    add(&a, MESSAGE_ANSWER, RRTYPE_CNAME, 200, "\1x\4test", 8);
    add(&a, MESSAGE_AUTHORITY, RRTYPE_SOA, UINT32_MAX, soa, sizeof(soa) - 1);
    add(&a, MESSAGE_ADDITIONAL, RRTYPE_TXT, 100, "\0", 1);
    answer_cache_keep(answers, &cache, &a.ex, &nxdomain, t0_ms, INT64_MAX);
    assert_true(is_answered(&b, "www.Example.TEST", &terms, t0_ms + 999, &rcode));
    assert_int_equal(rcode, RRTYPE_RCODE_NXDOMAIN);
    assert_int_equal(b.ex.out.len, a.ex.out.len);
    assert_memory_equal(b.answer + MESSAGE_HEADER_LEN, a.answer + MESSAGE_HEADER_LEN,
                        a.ex.out.len - MESSAGE_HEADER_LEN);
    for (int i = 0; i < 4; i++)
        assert_int_equal(b.ex.out.cnt[i], a.ex.out.cnt[i]);
    /* in another case: the question is the client's, the rest is the same */
    assert_true(is_answered(&b, "WWW.example.test", &terms, t0_ms + 99999, &rcode));
    size_t begin_at = MESSAGE_HEADER_LEN + a.ex.query.question_len, at = begin_at;
    const uint32_t ttls[] = {300 - 99, 200 - 99, UINT32_MAX - 99, 100 - 99};
    for (size_t i = 0; i < ARRAY_LEN(ttls); i++) {
        struct cursor c = cursor_over(b.answer, b.ex.out.len);
        uint8_t owner[DNAME_MAX];
        size_t len;
        c.pos = at;
        assert_int_equal(dname_parse(&c, owner, &len), ERR_OK);
        assert_true(dname_is_equal(owner, message_qname(&b.ex.query)));
        assert_int_equal(util_get_u32(b.answer + c.pos + 4), ttls[i]);
        at = c.pos + 10 + util_get_u16(b.answer + c.pos + 8);
    }
    assert_int_equal(at, b.ex.out.len);
}

/* An answer is for one name in any case, one type and one value of DO, with or without EDNS. */
static void test_the_key_of_an_answer(void **state)
{
    static struct asked a;
    const struct terms edns = {.has_edns = true}, with_do = {.has_edns = true, .is_do = true},
                       aaaa = {.type = RRTYPE_AAAA};
    unsigned rcode;
    (void)state;
    keep("a.test", 1, 60);
    assert_true(is_kept("A.TEST", t0_ms));
    assert_true(is_answered(&a, "a.test", &edns, t0_ms, &rcode));
    assert_false(is_answered(&a, "a.test", &with_do, t0_ms, &rcode));
    assert_false(is_answered(&a, "a.test", &aaaa, t0_ms, &rcode));
    assert_false(is_kept("b.test", t0_ms));
    assert_false(is_kept("a.a.test", t0_ms));
    assert_false(is_kept("test", t0_ms));
    keep("a.test", 2, 60); /* replaces the first */
    assert_true(is_answered(&a, "a.test", NULL, t0_ms, &rcode));
    assert_int_equal(last_octet(&a), 2);
}

/* An answer is used until its smallest TTL runs out, or `until_ms`.  It is not used if the wall
 * clock was set back to before it was kept. */
static void test_expiry(void **state)
{
    static struct asked a;
    unsigned rcode;
    (void)state;
    keep("a.test", 1, 10);
    assert_true(is_answered(&a, "a.test", NULL, t0_ms + 9999, &rcode));
    assert_int_equal(first_ttl(&a), 1);
    assert_false(is_kept("a.test", t0_ms + 10000));
    assert_false(is_kept("a.test", t0_ms)); /* it was dropped */
    keep("a.test", 1, 10);
    assert_false(is_kept("a.test", t0_ms - 1));
    for (int64_t until_ms = t0_ms + 4000; until_ms >= t0_ms - 4000; until_ms -= 4000) {
        begin(&a, "b.test", NULL);
        add(&a, MESSAGE_ANSWER, RRTYPE_A, 10, "\300\0\2\1", 4);
        answer_cache_keep(answers, &cache, &a.ex, &noerror, t0_ms, until_ms);
        bool is_later = until_ms > t0_ms;
        assert_int_equal(is_kept("b.test", t0_ms), is_later);
        assert_int_equal(is_kept("b.test", t0_ms + 3999), is_later);
        assert_false(is_kept("b.test", t0_ms + 4000));
    }
    keep("zero.test", 1, 0);
    assert_false(is_kept("zero.test", t0_ms));
}

/* A new version of any entry that an answer was made of drops the answer. */
static void test_new_entries_drop_an_answer(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CACHE_USED_MAX; i++) {
        cache.used = (struct cache_used){CACHE_USED_MAX, {1, 2, 3, 1ULL << 40 | 4}};
        keep("a.test", 1, 60);
        versions.slots[5]++; /* of an entry that the answer does not depend on */
        assert_true(is_kept("a.test", t0_ms));
        versions.slots[cache.used.hashes[i] % CACHE_STORE_SLOTS]++;
        assert_false(is_kept("a.test", t0_ms));
        versions.slots[cache.used.hashes[i] % CACHE_STORE_SLOTS]--;
        assert_false(is_kept("a.test", t0_ms)); /* it was dropped */
    }
}

/* Answers that are not popular, depend on too much or may be outdated are not kept. */
static void test_answers_that_are_not_kept(void **state)
{
    static struct asked a;
    (void)state;
    cache.used.cnt = 0;
    keep("a.test", 1, 60);
    assert_false(is_kept("a.test", t0_ms));
    cache.used.cnt = CACHE_USED_MAX + 1; /* too many entries */
    keep("a.test", 1, 60);
    assert_false(is_kept("a.test", t0_ms));
    cache.used.cnt = 1;
    popularity = 1;
    keep("a.test", 1, 60);
    assert_false(is_kept("a.test", t0_ms));
    popularity = 2;
    versions.epoch = 1; /* an entry was written after this turn began to read */
    keep("a.test", 1, 60);
    assert_false(is_kept("a.test", t0_ms));
    store.epoch = 1;
    begin(&a, "a.test", NULL); /* no records */
    answer_cache_keep(answers, &cache, &a.ex, &noerror, t0_ms, INT64_MAX);
    assert_false(is_kept("a.test", t0_ms));
    keep("a.test", 1, 60);
    assert_true(is_kept("a.test", t0_ms));
    /* an answer that is not kept replaces nothing */
    popularity = 0;
    keep("a.test", 2, 60);
    assert_true(is_kept("a.test", t0_ms));
}

/* At most 24 records, and about one kilobyte with the data kept beside the answer. */
static void test_the_largest_answer(void **state)
{
    static struct asked a;
    static uint8_t octets[1100];
    size_t largest = 0;
    (void)state;
    for (unsigned cnt = 1; cnt <= 30; cnt++) {
        begin(&a, "a.test", NULL);
        for (unsigned i = 0; i < cnt; i++)
            add(&a, MESSAGE_ANSWER, RRTYPE_A, 60, "\300\0\2\1", 4);
        answer_cache_clear(answers);
        answer_cache_keep(answers, &cache, &a.ex, &noerror, t0_ms, INT64_MAX);
        assert_int_equal(is_kept("a.test", t0_ms), cnt <= 24);
    }
    for (size_t len = 1; len < sizeof(octets); len++) {
        begin(&a, "a.test", NULL);
        add(&a, MESSAGE_ANSWER, 65280, 60, octets, len);
        answer_cache_clear(answers);
        answer_cache_keep(answers, &cache, &a.ex, &noerror, t0_ms, INT64_MAX);
        if (is_kept("a.test", t0_ms)) {
            assert_int_equal(largest, len - 1); /* every smaller size was kept */
            largest = len;
        }
    }
    assert_in_range(largest, 800, 1024);
}

/* Eight answers of any size in neighbouring slots do not overwrite each other. */
static void test_answers_side_by_side(void **state)
{
    static struct asked a;
    static uint8_t octets[1000];
    const struct terms terms = {.type = 65280};
    unsigned rcode, kept = 0;
    (void)state;
    answer_cache_free(&answers);
    assert_int_equal(answer_cache_new(0, &answers), ERR_OK);
    for (size_t len = 1; len < sizeof(octets); len++) {
        answer_cache_clear(answers);
        for (unsigned i = 0; i < 2 * WAYS; i++) {
            char name[20];
            bool is_writing = i < WAYS;
            snprintf(name, sizeof(name), "n%u.test", i % WAYS);
            memset(octets, 'a' + (int)(i % WAYS), len);
            if (is_writing) {
                begin(&a, name, &terms);
                add(&a, MESSAGE_ANSWER, 65280, 60, octets, len);
                answer_cache_keep(answers, &cache, &a.ex, &noerror, t0_ms, INT64_MAX);
            } else if (is_answered(&a, name, &terms, t0_ms, &rcode)) {
                assert_memory_equal(a.answer + a.ex.out.len - len, octets, len);
                kept++;
            }
        }
        assert_int_equal(kept % WAYS, 0);
    }
    assert_true(kept > 800 * WAYS);
}

/* A name of 255 octets, in either case. */
static void test_the_longest_name(void **state)
{
    static struct asked a, b;
    static uint8_t octets[500] = {1, 2, 3};
    char text[300] = "";
    const struct terms terms = {.type = 65280};
    unsigned rcode;
    (void)state;
    for (int i = 0; i < 127; i++)
        strcat(text, "A.");
    begin(&a, text, &terms);
    add(&a, MESSAGE_ANSWER, 65280, 60, octets, sizeof(octets));
    answer_cache_keep(answers, &cache, &a.ex, &noerror, t0_ms, INT64_MAX);
    text[4] = 'a';
    assert_true(is_answered(&b, text, &terms, t0_ms, &rcode));
    assert_memory_equal(b.answer + b.ex.out.len - sizeof(octets), octets, sizeof(octets));
    text[4] = 'b';
    assert_false(is_answered(&b, text, &terms, t0_ms, &rcode));
}

/* An answer that does not fit the client's message is not written, not even in part. */
static void test_small_messages(void **state)
{
    static struct asked a;
    unsigned rcode;
    (void)state;
    keep("a.test", 1, 60);
    begin(&a, "a.test", NULL);
    size_t question = a.ex.out.len;
    for (size_t limit = question; limit <= question + 17; limit++) {
        const struct terms terms = {.limit = limit};
        bool fits = limit >= question + 16; /* a pointer, 10 octets, an address */
        memset(a.answer, 0xee, sizeof(a.answer));
        assert_int_equal(is_answered(&a, "a.test", &terms, t0_ms, &rcode), fits);
        assert_int_equal(a.ex.out.len, question + (fits ? 16 : 0));
        assert_int_equal(a.ex.out.cnt[MESSAGE_ANSWER], fits);
        assert_int_equal(a.answer[question + (fits ? 16 : 0)], 0xee);
    }
}

/* One hit in 64 is passed on to the cache, which counts the use. */
static void test_some_hits_are_passed_on(void **state)
{
    struct asked a;
    struct answer_cache_header header;
    unsigned hits = 0;
    (void)state;
    keep("a.test", 1, 60);
    for (unsigned i = 0; i < 100 * SAMPLE; i++) {
        begin(&a, "a.test", NULL);
        hits += answer_cache_answer(answers, &versions, &a.ex, t0_ms, &header);
    }
    assert_int_equal(hits, 100 * (SAMPLE - 1));
}

static void test_clearing(void **state)
{
    static struct asked a;
    (void)state;
    keep("a.test", 1, 60);
    begin(&a, "b.test", NULL); /* a long answer */
    add(&a, MESSAGE_ANSWER, RRTYPE_A, 60, "\300\0\2\1", 4);
    for (unsigned i = 0; i < 20; i++)
        add(&a, MESSAGE_ANSWER, RRTYPE_A, 60, "\300\0\2\1", 4);
    answer_cache_keep(answers, &cache, &a.ex, &noerror, t0_ms, INT64_MAX);
    assert_true(is_kept("a.test", t0_ms) && is_kept("b.test", t0_ms));
    answer_cache_clear(answers);
    assert_false(is_kept("a.test", t0_ms) || is_kept("b.test", t0_ms));
}

/* The smallest table has one line of eight answers.  An answer in use is not evicted, however
 * many others are added. */
static void test_answers_in_use_stay(void **state)
{
    char name[20];
    unsigned kept = 0;
    (void)state;
    answer_cache_free(&answers);
    assert_int_equal(answer_cache_new(0, &answers), ERR_OK);
    for (unsigned i = 0; i < WAYS; i++) {
        snprintf(name, sizeof(name), "n%u.test", i);
        keep(name, (uint8_t)i, 60);
    }
    for (unsigned i = 0; i < WAYS; i++) {
        snprintf(name, sizeof(name), "n%u.test", i);
        assert_true(is_kept(name, t0_ms));
    }
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "x%u.test", i);
        keep(name, (uint8_t)i, 60);
        assert_true(is_kept("n3.test", t0_ms)); /* marks it as used */
    }
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "x%u.test", i);
        kept += is_kept(name, t0_ms);
    }
    assert_int_equal(kept, WAYS - 1);
    keep("n3.test", 77, 60); /* a new version of an answer takes its slot */
    assert_true(is_kept("x999.test", t0_ms));
}

/* Of thousands of names each has its own answer. */
static void test_many_names(void **state)
{
    enum { NAMES = 5000 };
    static struct asked asked[16];
    unsigned kept = 0;
    (void)state;
    for (unsigned i = 0; i < NAMES; i++) {
        char name[20];
        snprintf(name, sizeof(name), "n%u.test", i);
        keep(name, (uint8_t)(i % 251), 60);
    }
    for (unsigned i = 0; i < NAMES; i++) {
        char name[20];
        unsigned rcode;
        struct asked *a = &asked[i % ARRAY_LEN(asked)];
        snprintf(name, sizeof(name), "n%u.test", i);
        if (!is_answered(a, name, NULL, t0_ms, &rcode))
            continue;
        assert_int_equal(last_octet(a), i % 251);
        kept++;
    }
    assert_true(kept > NAMES / 2);
    /* probing changes nothing */
    struct exchange *batch[ARRAY_LEN(asked)];
    for (size_t i = 0; i < ARRAY_LEN(asked); i++)
        batch[i] = &asked[i].ex;
    answer_cache_probe(answers, batch, ARRAY_LEN(batch));
    answer_cache_probe(answers, batch, 0);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FRESH(test_an_empty_cache),
        FRESH(test_answers_are_returned_as_written),
        FRESH(test_the_key_of_an_answer),
        FRESH(test_expiry),
        FRESH(test_new_entries_drop_an_answer),
        FRESH(test_answers_that_are_not_kept),
        FRESH(test_the_largest_answer),
        FRESH(test_answers_side_by_side),
        FRESH(test_the_longest_name),
        FRESH(test_small_messages),
        FRESH(test_some_hits_are_passed_on),
        FRESH(test_clearing),
        FRESH(test_answers_in_use_stay),
        FRESH(test_many_names),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
