/* Signatures of one RRset: each rule, each published fault, and the work they cost. */
#include "signed.h"

#include "resolver/validate/sigcheck.h"

static struct arena arena;
static struct signed_key zone_key;

static int start(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    zone_key = signed_make_key(DNSKEY_ED25519, DNSKEY_ZONE);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    signed_free_key(&zone_key);
    arena_fini(&arena);
    return 0;
}

static struct keyset *trusted(const char *zone, const struct signed_key *const *keys,
                              size_t cnt)
{
    struct keyset *out = NULL;
    struct signed_set *set = signed_keys(&arena, zone, keys, cnt);
    assert_int_equal(keyset_new(set->owner, set->set, &out), ERR_OK);
    keyset_trust_all(out);
    return out;
}

static const struct signed_key *const only_key[] = {&zone_key};

/* What a check is made with, and what came of it. */
struct checked {
    struct rules rules;
    struct rules_work work;
    struct sigcheck_found found;
    struct verdict verdict;
};

static struct checked start_check(void)
{
    return (struct checked){.rules = rules_defaults(SIGNED_NOW), .work = rules_work_defaults()};
}

static void check(struct checked *c, const struct signed_set *s, struct keyset *keys)
{
    struct sigcheck in = {.owner = s->owner, .set = s->set, .keys = keys, .rules = &c->rules};
    c->verdict = sigcheck_rrset(&in, &c->work, &arena, &c->found);
}

/* Sign `text` as told with the key of example., and return the verdict's reason. */
static enum verdict_reason reason_of(const char *text, const struct signed_as *as)
{
    struct keyset *keys = trusted("example.", only_key, 1);
    struct checked c = start_check();
    struct signed_set *s = signed_read(&arena, text);
    char sentence[VERDICT_TEXT_MAX];

    signed_sign(&arena, s, &zone_key, as);
    check(&c, s, keys);
    assert_int_equal(c.verdict.status == VERDICT_SECURE, c.verdict.reason == VERDICT_NONE);
    assert_int_not_equal(c.verdict.status, VERDICT_UNKNOWN);
    verdict_print(&c.verdict, sentence);
    assert_int_equal(*sentence == '\0', c.verdict.reason == VERDICT_NONE);
    keyset_free(&keys);
    return c.verdict.reason;
}

#define WWW "www.example. A 192.0.2.1\nwww.example. A 192.0.2.2\n"

static void good_signatures_are_secure(void **state)
{
    static const uint8_t algorithms[] = {
        DNSKEY_RSASHA1,   DNSKEY_RSASHA1_NSEC3, DNSKEY_RSASHA256, DNSKEY_RSASHA512,
        DNSKEY_ECDSAP256, DNSKEY_ECDSAP384,     DNSKEY_ED25519,   DNSKEY_ED448};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        struct signed_key key = signed_make_key(algorithms[i], DNSKEY_ZONE);
        const struct signed_key *list[] = {&key};
        struct keyset *keys = trusted("eXample.", list, 1);
        struct checked c = start_check();
        struct signed_set *s = signed_read(&arena, "wWw.Example. MX 1 Mail.Example.\n");
        signed_sign(&arena, s, &key, &(struct signed_as){.signer = "exAmple."});
        c.rules.accepts_sha1 = true;
        check(&c, s, keys);
        assert_int_equal(c.verdict.status, VERDICT_SECURE);
        assert_int_equal(c.found.tag, key.tag);
        assert_int_equal(c.found.algorithm, algorithms[i]);
        assert_false(c.found.is_wildcard);
        assert_int_equal(c.work.verified, 1);
        c.rules.accepts_sha1 = false;
        check(&c, s, keys);
        assert_int_equal(c.verdict.reason, algorithms[i] <= DNSKEY_RSASHA1_NSEC3
                                               ? VERDICT_SIGNATURE_ALGORITHM
                                               : VERDICT_NONE);
        keyset_free(&keys);
        signed_free_key(&key);
    }
}

/* RFC 4035 5.3.1, before any arithmetic. */
static void fields_are_checked(void **state)
{
    static const struct {
        struct signed_as as;
        enum verdict_reason reason;
    } rows[] = {
        {{.signer = "example."}, VERDICT_NONE},
        {{.signer = "."}, VERDICT_FOREIGN_SIGNER},
        {{.signer = "www.example."}, VERDICT_FOREIGN_SIGNER},
        {{.signer = "example.", .labels = 3}, VERDICT_SIGNATURE_LABELS},
        {{.signer = "example.", .labels = -1},
         VERDICT_SIGNATURE_LABELS},                          /* below the signer's */
        {{.signer = "example.", .labels = 1}, VERDICT_NONE}, /* a wildcard of the zone */
        {{.signer = "example.", .tag = 1}, VERDICT_NO_KEY},
        {{.signer = "example.", .algorithm = 8}, VERDICT_NO_KEY},
        {{.signer = "example.", .algorithm = 99}, VERDICT_SIGNATURE_ALGORITHM},
        {{.signer = "example.", .algorithm = 252}, VERDICT_SIGNATURE_ALGORITHM},
        {{.signer = "example.", .algorithm = 254}, VERDICT_SIGNATURE_ALGORITHM},
        {{.signer = "example.", .algorithm = 256}, VERDICT_SIGNATURE_ALGORITHM}, /* 0 */
        {{.signer = "example.", .algorithm = 253}, VERDICT_SIGNATURE_ALGORITHM},
        {{.signer = "example.", .algorithm = 255}, VERDICT_SIGNATURE_ALGORITHM},
        {{.signer = "example.", .expiration = SIGNED_NOW - 301}, VERDICT_EXPIRED},
        {{.signer = "example.", .expiration = SIGNED_NOW - 300}, VERDICT_NONE},
        {{.signer = "example.", .inception = SIGNED_NOW + 301}, VERDICT_EARLY},
        {{.signer = "example.", .inception = SIGNED_NOW + 300}, VERDICT_NONE},
        {{.signer = "example.", .inception = SIGNED_NOW + 2, .expiration = SIGNED_NOW + 1},
         VERDICT_EXPIRED_BEFORE_VALID},
        {{.signer = "example.", .is_wrong = true}, VERDICT_WRONG_SIGNATURE},
        {{.signer = "example.", .owner = "ftp.example."}, VERDICT_WRONG_SIGNATURE},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (reason_of(WWW, &rows[i].as) != rows[i].reason)
            fail_msg("row %zu", i);
    assert_int_equal(reason_of("other. A 192.0.2.1", &rows[0].as), VERDICT_FOREIGN_SIGNER);
    assert_int_equal(reason_of("example. DS 1 13 2 aa", &rows[0].as), VERDICT_DS_AT_APEX);
    assert_int_equal(reason_of("a.example. DS 1 13 2 aa", &rows[0].as), VERDICT_NONE);
    assert_int_equal(reason_of("*.example. A 192.0.2.1", &rows[0].as), VERDICT_NONE);
}

/* Types that no wildcard stands for: an NSEC that was expanded would deny its owner's types. */
static void some_types_are_no_wildcards(void **state)
{
    static const struct signed_as as = {.signer = "example.", .labels = 1};
    (void)state;
    assert_int_equal(reason_of("a.example. NSEC b.example. A", &as), VERDICT_WILDCARD);
    assert_int_equal(reason_of("a.example. DS 1 13 2 aa", &as), VERDICT_WILDCARD);
    assert_int_equal(reason_of("a.example. DNSKEY 256 3 15 aaaa", &as), VERDICT_WILDCARD);
    assert_int_equal(reason_of("a.example. SOA . . 1 2 3 4 5", &as), VERDICT_WILDCARD);
    assert_int_equal(reason_of("a.example. DNAME example.net.", &as), VERDICT_WILDCARD);
    assert_int_equal(reason_of("0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example. NSEC3 1 0 0 - "
                               "2t7b4g4vsa5smi47k61mv5bv1a22bojr A",
                               &as),
                     VERDICT_WILDCARD);
    assert_int_equal(reason_of("a.example. TXT x", &as), VERDICT_NONE);
}

static void a_wildcard_tells_its_encloser(void **state)
{
    struct keyset *keys = trusted("example.", only_key, 1);
    struct checked c = start_check();
    struct signed_set *s = signed_read(&arena, "x.y.Sub.example. A 192.0.2.1\n");
    (void)state;
    signed_sign(&arena, s, &zone_key, &(struct signed_as){.signer = "example.", .labels = 2});
    check(&c, s, keys);
    assert_int_equal(c.verdict.status, VERDICT_SECURE);
    assert_true(c.found.is_wildcard);
    assert_int_equal(c.found.encloser_labels, 2);
    keyset_free(&keys);
}

/* RFC 4035 5.3.3. */
static void the_ttl_is_capped(void **state)
{
    struct keyset *keys = trusted("example.", only_key, 1);
    static const struct {
        uint32_t ttl, original_ttl, expiration, capped;
    } rows[] = {{3600, 3600, 0, 3600},       {3600, 60, 0, 60},
                {60, 3600, 0, 60},           {3600, 3600, SIGNED_NOW + 100, 100},
                {3600, 3600, SIGNED_NOW, 0}, {3600, 3600, SIGNED_NOW - 10, 0}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct checked c = start_check();
        struct signed_set *s = signed_read(&arena, WWW);
        s->set->ttl = rows[i].ttl;
        signed_sign(&arena, s, &zone_key,
                    &(struct signed_as){.signer = "example.",
                                        .original_ttl = rows[i].original_ttl,
                                        .expiration = rows[i].expiration});
        check(&c, s, keys);
        assert_int_equal(c.verdict.status, VERDICT_SECURE);
        assert_int_equal(c.found.ttl, rows[i].capped);
    }
    keyset_free(&keys);
}

/* A wrong clock: only the time window is not looked at. */
static void time_can_be_skipped(void **state)
{
    struct keyset *keys = trusted("example.", only_key, 1);
    struct checked c = start_check();
    struct signed_set *s = signed_read(&arena, WWW);
    (void)state;
    signed_sign(&arena, s, &zone_key,
                &(struct signed_as){.signer = "example.", .expiration = SIGNED_NOW - 80000});
    c.rules.skips_time = true;
    check(&c, s, keys);
    assert_int_equal(c.verdict.status, VERDICT_SECURE);
    assert_int_equal(c.found.ttl, 3600);
    c.rules.skips_time = false;
    check(&c, s, keys);
    assert_int_equal(c.verdict.reason, VERDICT_EXPIRED);
    assert_int_equal(c.verdict.expiration_s, SIGNED_NOW - 80000);
    assert_int_equal(verdict_ede(c.verdict.reason), 7);
    keyset_free(&keys);
}

/* Times are serial numbers (RFC 4034 3.1.5): 2106 is not the end. */
static void times_wrap_around(void **state)
{
    struct keyset *keys = trusted("example.", only_key, 1);
    struct checked c = start_check();
    struct signed_set *s = signed_read(&arena, WWW);
    (void)state;
    signed_sign(&arena, s, &zone_key,
                &(struct signed_as){
                    .signer = "example.", .inception = UINT32_MAX - 500, .expiration = 1000});
    c.rules.now_s = UINT32_MAX - 5;
    check(&c, s, keys);
    assert_int_equal(c.verdict.status, VERDICT_SECURE);
    assert_int_equal(c.found.ttl, 1006);
    c.rules.now_s = 1400;
    check(&c, s, keys);
    assert_int_equal(c.verdict.reason, VERDICT_EXPIRED);
    c.rules.now_s = UINT32_MAX - 1000;
    check(&c, s, keys);
    assert_int_equal(c.verdict.reason, VERDICT_EARLY);
    keyset_free(&keys);
}

static void no_signature_is_bogus(void **state)
{
    struct keyset *keys = trusted("example.", only_key, 1);
    struct checked c = start_check();
    struct signed_set *s = signed_read(&arena, WWW);
    char text[VERDICT_TEXT_MAX];
    (void)state;
    check(&c, s, keys);
    assert_int_equal(c.verdict.status, VERDICT_BOGUS);
    assert_int_equal(c.verdict.reason, VERDICT_UNSIGNED);
    assert_int_equal(verdict_ede(c.verdict.reason), 10);
    verdict_print(&c.verdict, text);
    assert_non_null(strstr(text, "www.example. A"));
    /* one that covers another type */
    struct signed_set *other = signed_read(&arena, "www.example. AAAA ::1");
    signed_sign(&arena, other, &zone_key, &(struct signed_as){.signer = "example."});
    signed_sign(&arena, s, &zone_key, &(struct signed_as){.signer = "example."});
    struct rrset *sigs = (struct rrset *)(void *)((uint8_t *)s->set + rrset_stride(s->set));
    memcpy(sigs, rrset_next(other->set), sizeof(*sigs) + rrset_next(other->set)->size);
    check(&c, s, keys);
    assert_int_equal(c.verdict.reason, VERDICT_UNSIGNED);
    keyset_free(&keys);
}

static void keys_have_to_be_zone_keys(void **state)
{
    static const struct {
        uint16_t flags;
        uint8_t protocol;
        enum verdict_reason reason;
        int ede;
    } rows[] = {{DNSKEY_ZONE, 3, VERDICT_NONE, -1},
                {DNSKEY_ZONE | DNSKEY_ENTRY, 3, VERDICT_NONE, -1},
                {0, 3, VERDICT_NOT_ZONE_KEY, 11},
                {DNSKEY_ENTRY, 3, VERDICT_NOT_ZONE_KEY, 11},
                {DNSKEY_ZONE, 2, VERDICT_NOT_ZONE_KEY, 11},
                {DNSKEY_ZONE | DNSKEY_REVOKE, 3, VERDICT_REVOKED_KEY, 9}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct signed_key key = signed_make_key(DNSKEY_ED25519, rows[i].flags);
        const struct signed_key *list[] = {&key};
        struct checked c = start_check();
        struct signed_set *s = signed_read(&arena, WWW);
        key.rdata[2] = rows[i].protocol;
        signed_set_flags(&key, rows[i].flags);
        struct keyset *keys = trusted("example.", list, 1);
        signed_sign(&arena, s, &key, &(struct signed_as){.signer = "example."});
        check(&c, s, keys);
        assert_int_equal(c.verdict.reason, rows[i].reason);
        assert_int_equal(verdict_ede(c.verdict.reason), rows[i].ede);
        /* RFC 5011 2.1: a revoked key still signs its own revocation */
        struct sigcheck in = {
            .owner = s->owner, .set = s->set, .keys = keys, .rules = &c.rules};
        struct verdict v = sigcheck_by_key(&in, 0, &c.work, &arena, &c.found);
        assert_int_equal(v.status, VERDICT_SECURE);
        keyset_free(&keys);
        signed_free_key(&key);
    }
}

/* Two keys of one tag: the second one is tried, and the failure counts. */
static void tags_may_be_shared(void **state)
{
    struct signed_key twin = zone_key;
    const struct signed_key *list[] = {&twin, &zone_key};
    struct signed_set *s = signed_read(&arena, WWW);
    (void)state;
    /* octets at even distance can be exchanged without a change of the tag */
    for (size_t i = 4; i + 2 < twin.rdata_len; i++) {
        memcpy(twin.rdata, zone_key.rdata, sizeof(twin.rdata));
        twin.rdata[i] = zone_key.rdata[i + 2];
        twin.rdata[i + 2] = zone_key.rdata[i];
        if (memcmp(twin.rdata, zone_key.rdata, twin.rdata_len) < 0)
            break;
    }
    assert_int_equal(dnskey_read(twin.rdata, twin.rdata_len).tag, zone_key.tag);
    struct keyset *keys = trusted("example.", list, 2);
    struct checked c = start_check();
    signed_sign(&arena, s, &zone_key, &(struct signed_as){.signer = "example."});
    check(&c, s, keys);
    assert_int_equal(c.verdict.status, VERDICT_SECURE);
    assert_int_equal(c.work.verifications_left, RULES_VERIFICATIONS - 2);
    assert_int_equal(c.work.failures_left, RULES_FAILURES - 1);
    keyset_free(&keys);
}

/* SigJam: many signatures of one key.  The allowance bounds all of them. */
static void work_is_bounded(void **state)
{
    struct signed_set *s = signed_read(&arena, WWW);
    (void)state;
    for (unsigned i = 0; i < 20; i++)
        signed_sign(&arena, s, &zone_key,
                    &(struct signed_as){.signer = "example.",
                                        .is_wrong = true,
                                        .expiration = SIGNED_NOW + 1000 + i});
    struct keyset *keys = trusted("example.", only_key, 1);
    struct checked c = start_check();
    check(&c, s, keys);
    assert_int_equal(c.verdict.status, VERDICT_UNKNOWN);
    assert_int_equal(c.verdict.reason, VERDICT_WORK);
    assert_int_equal(c.work.verifications_left, RULES_VERIFICATIONS - RULES_FAILURES);
    /* with any number of failures allowed, the signatures of one RRset are bounded */
    c.work = (struct rules_work){.verifications_left = 100, .failures_left = 100};
    check(&c, s, keys);
    assert_int_equal(c.verdict.reason, VERDICT_WRONG_SIGNATURE);
    assert_int_equal(c.work.verifications_left, 100 - SIGCHECK_SIGNATURES_MAX);
    /* without work left nothing is bogus */
    struct signed_set *good = signed_read(&arena, WWW);
    signed_sign(&arena, good, &zone_key, &(struct signed_as){.signer = "example."});
    c.work = (struct rules_work){.verifications_left = 0, .failures_left = 1};
    check(&c, good, keys);
    assert_int_equal(c.verdict.status, VERDICT_UNKNOWN);
    keyset_free(&keys);
}

/* What takes longer counts for more: P-384, and salts that make SHA-1 hash more blocks. */
static void work_has_prices(void **state)
{
    static const struct {
        uint8_t salt_len;
        uint16_t price;
    } salts[] = {{0, 1}, {35, 1}, {36, 2}, {99, 2}, {100, 3}, {255, 5}};
    struct rules_work work = rules_work_defaults();
    (void)state;
    assert_true(rules_spend_verification(&work, DNSKEY_ECDSAP256));
    assert_true(rules_spend_verification(&work, DNSKEY_RSASHA256));
    assert_int_equal(work.verifications_left, RULES_VERIFICATIONS - 2);
    assert_true(rules_spend_verification(&work, DNSKEY_ECDSAP384));
    assert_int_equal(work.verifications_left, RULES_VERIFICATIONS - 4);
    assert_int_equal(work.verified, 3);
    assert_int_equal(work.verified_time, 2 + RULES_SLICE);
    work.verifications_left = 1;
    assert_false(rules_spend_verification(&work, DNSKEY_ECDSAP384));
    assert_true(rules_spend_verification(&work, DNSKEY_ECDSAP256));
    assert_int_equal(work.verified, 4);
    for (size_t i = 0; i < ARRAY_LEN(salts); i++) {
        work = rules_work_defaults();
        assert_true(rules_spend_hash(&work, salts[i].salt_len));
        assert_int_equal(RULES_HASHES - work.hashes_left, salts[i].price);
        assert_int_equal(work.hashed, 1);
    }
    work.hashes_left = 4;
    assert_false(rules_spend_hash(&work, 255));
    assert_int_equal(work.hashes_left, 4);
}

/* Write rdata that differs from the zone key and has its tag: number `n` of many. */
static void make_twin(struct signed_key *twin, unsigned n)
{
    *twin = zone_key;
    for (unsigned bit = 0; bit < 7; bit++)
        if (n >> bit & 1) { /* the sum of 16-bit words stays */
            uint8_t *pair = twin->rdata + 4 + 4 * bit;
            uint8_t low = pair[1];
            pair[1] = pair[3];
            pair[3] = low;
        }
}

/* KeyTrap (CVE-2023-50387): many keys of one tag. */
static void keys_of_one_tag_are_bounded(void **state)
{
    enum { KEYS = 60 };
    struct signed_key *twins = arena_alloc(&arena, KEYS * sizeof(*twins));
    const struct signed_key *list[KEYS];
    struct signed_set *s = signed_read(&arena, WWW);
    struct checked c = start_check();
    (void)state;
    for (unsigned i = 0; i < KEYS; i++) {
        make_twin(&twins[i], i + 1);
        assert_int_equal(dnskey_read(twins[i].rdata, twins[i].rdata_len).tag, zone_key.tag);
        list[i] = &twins[i];
    }
    struct keyset *keys = trusted("example.", list, KEYS);
    signed_sign(&arena, s, &zone_key, &(struct signed_as){.signer = "example."});
    check(&c, s, keys);
    assert_int_equal(c.verdict.reason, VERDICT_WORK);
    c.work = (struct rules_work){.verifications_left = 100, .failures_left = 100};
    check(&c, s, keys);
    assert_in_range(c.verdict.reason, VERDICT_BROKEN_KEY, VERDICT_WRONG_SIGNATURE);
    assert_int_equal(c.work.verifications_left, 100 - KEYSET_TRIES_MAX);
    c = start_check();
    c.work = rules_work_unlimited();
    c.rules.tries_all = true; /* laboratory */
    check(&c, s, keys);
    assert_int_equal(c.work.verifications_left,
                     rules_work_unlimited().verifications_left - KEYS);
    keyset_free(&keys);
}

/* Cheap faults cost nothing, however many there are. */
static void cheap_faults_are_free(void **state)
{
    struct keyset *keys = trusted("example.", only_key, 1);
    struct checked c = start_check();
    struct signed_set *s = signed_read(&arena, WWW);
    (void)state;
    for (unsigned i = 0; i < 50; i++)
        signed_sign(
            &arena, s, &zone_key,
            &(struct signed_as){.signer = "example.", .expiration = SIGNED_NOW - 400 - i});
    check(&c, s, keys);
    assert_int_equal(c.verdict.reason, VERDICT_EXPIRED);
    assert_int_equal(c.work.verifications_left, RULES_VERIFICATIONS);
    signed_sign(&arena, s, &zone_key, &(struct signed_as){.signer = "example."});
    check(&c, s, keys);
    assert_int_equal(c.verdict.status, VERDICT_SECURE);
    keyset_free(&keys);
}

/* Keys that are no keys: a point off the curve, an exponent and a modulus beyond reason. */
static void malformed_keys_are_no_keys(void **state)
{
    static const struct {
        uint8_t algorithm;
        size_t len, exponent_len;
    } rows[] = {{DNSKEY_ECDSAP256, 64, 0},  {DNSKEY_ECDSAP256, 63, 0},
                {DNSKEY_ED25519, 31, 0},    {DNSKEY_RSASHA256, 300, 9},
                {DNSKEY_RSASHA256, 590, 3}, {DNSKEY_RSASHA256, 20, 3},
                {DNSKEY_RSASHA256, 1, 255}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct signed_key broken = {.algorithm = rows[i].algorithm,
                                    .rdata = {1, 0, 3, rows[i].algorithm},
                                    .rdata_len = 4 + rows[i].len};
        const struct signed_key *list[] = {&broken};
        struct signed_set *s = signed_read(&arena, WWW);
        struct checked c = start_check();
        memset(broken.rdata + 4, 0x55, rows[i].len);
        if (rows[i].exponent_len)
            broken.rdata[4] = (uint8_t)rows[i].exponent_len;
        signed_set_flags(&broken, DNSKEY_ZONE);
        struct keyset *keys = trusted("example.", list, 1);
        signed_sign(&arena, s, &zone_key,
                    &(struct signed_as){.signer = "example.",
                                        .tag = broken.tag,
                                        .algorithm = broken.algorithm});
        check(&c, s, keys);
        assert_int_equal(c.verdict.reason, VERDICT_BROKEN_KEY);
        assert_int_equal(c.work.failures_left, RULES_FAILURES - 1);
        keyset_free(&keys);
    }
}

/* Owners of 255 octets, and RRsets larger than fit the stack. */
static void long_names_and_sets_are_checked(void **state)
{
    char text[600 * 64], *at = text, label[64];
    struct keyset *keys = trusted("example.", only_key, 1);
    (void)state;
    memset(label, 'a', 63);
    label[63] = '\0';
    snprintf(text, sizeof(text), "%s.%s.%s.%.53s.example. A 192.0.2.1", label, label, label,
             label);
    struct signed_set *s = signed_read(&arena, text);
    assert_int_equal(dname_len(s->owner), DNAME_MAX);
    struct checked c = start_check();
    signed_sign(&arena, s, &zone_key, &(struct signed_as){.signer = "example."});
    check(&c, s, keys);
    assert_int_equal(c.verdict.status, VERDICT_SECURE);
    for (unsigned i = 0; i < 600; i++)
        at += sprintf(at, "many.example. A 10.0.%u.%u\n", i / 256, i % 256);
    s = signed_read(&arena, text);
    signed_sign(&arena, s, &zone_key, &(struct signed_as){.signer = "example."});
    check(&c, s, keys);
    assert_int_equal(c.verdict.status, VERDICT_SECURE);
    keyset_free(&keys);
}

/* Without memory nothing is said of the data. */
static void no_memory_is_not_bogus(void **state)
{
    char text[100 * 40], *at = text;
    struct keyset *keys = trusted("example.", only_key, 1);
    struct checked c = start_check();
    struct arena small;
    (void)state;
    for (unsigned i = 0; i < 100; i++)
        at += sprintf(at, "many.example. A 10.0.0.%u\n", i);
    struct signed_set *s = signed_read(&arena, text);
    signed_sign(&arena, s, &zone_key, &(struct signed_as){.signer = "example."});
    arena_init(&small, 16);
    struct sigcheck in = {.owner = s->owner, .set = s->set, .keys = keys, .rules = &c.rules};
    struct verdict v = sigcheck_rrset(&in, &c.work, &small, &c.found);
    assert_int_equal(v.status, VERDICT_UNKNOWN);
    assert_int_equal(v.reason, VERDICT_MEMORY);
    assert_int_equal(c.work.failures_left, RULES_FAILURES);
    arena_fini(&small);
    keyset_free(&keys);
}

static void too_many_keys_are_no_key_set(void **state)
{
    struct signed_key *many = arena_alloc(&arena, (KEYSET_MAX + 1) * sizeof(*many));
    const struct signed_key *list[KEYSET_MAX + 1];
    struct keyset *keys = NULL;
    (void)state;
    for (unsigned i = 0; i <= KEYSET_MAX; i++) {
        many[i] = zone_key;
        many[i].rdata[5] = (uint8_t)i;
        list[i] = &many[i];
    }
    struct signed_set *set = signed_keys(&arena, "example.", list, KEYSET_MAX + 1);
    assert_int_equal(keyset_new(set->owner, set->set, &keys), ERR_LIMIT);
    assert_null(keys);
}

static void every_reason_has_a_row(void **state)
{
    char text[VERDICT_TEXT_MAX];
    uint8_t longest[DNAME_MAX];
    (void)state;
    memset(longest, '\1', sizeof(longest));
    longest[0] = longest[64] = longest[128] = 63;
    longest[192] = 61;
    longest[254] = 0;
    assert_int_equal(dname_check(longest, sizeof(longest)), DNAME_MAX);
    for (unsigned i = 0; i < VERDICT_REASONS; i++) {
        struct verdict v = {.reason = (enum verdict_reason)i, .zone = longest, .name = longest};
        assert_non_null(verdict_reason_name(v.reason));
        assert_in_range(verdict_ede(v.reason) + 1, 0, EDNS_EDE_NEGATIVE_ANCHOR + 1);
        verdict_print(&v, text);
        assert_null(strchr(text, '%'));
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(verdict_reason_name(v.reason),
                                    verdict_reason_name((enum verdict_reason)j));
    }
}

/* What was verified once is not verified again; what differs in anything is. */
static void signatures_are_remembered(void **state)
{
    struct keyset *keys = trusted("example.", only_key, 1);
    struct sigmemo *memo = sigmemo_new();
    struct checked c = start_check();
    struct signed_set *s = signed_read(&arena, WWW);
    (void)state;
    signed_sign(&arena, s, &zone_key, &(struct signed_as){.signer = "example."});
    struct sigcheck in = {
        .owner = s->owner, .set = s->set, .keys = keys, .rules = &c.rules, .memo = memo};
    for (int i = 0; i < 3; i++) {
        c.verdict = sigcheck_rrset(&in, &c.work, &arena, &c.found);
        assert_int_equal(c.verdict.status, VERDICT_SECURE);
        assert_int_equal(c.work.verifications_left, RULES_VERIFICATIONS - 1);
    }
    c.rules.now_s += 10 * 86400; /* times are checked each time */
    c.verdict = sigcheck_rrset(&in, &c.work, &arena, &c.found);
    assert_int_equal(c.verdict.reason, VERDICT_EXPIRED);
    c.rules.now_s -= 10 * 86400;
    s->set->data[s->set->size - 1] ^= 1; /* an address */
    c.verdict = sigcheck_rrset(&in, &c.work, &arena, &c.found);
    assert_int_equal(c.verdict.reason, VERDICT_WRONG_SIGNATURE);
    s->set->data[s->set->size - 1] ^= 1;
    uint8_t other[DNAME_MAX];
    in.owner = unit_name("w2w.example.", other);
    c.verdict = sigcheck_rrset(&in, &c.work, &arena, &c.found);
    assert_int_equal(c.verdict.reason, VERDICT_WRONG_SIGNATURE);
    sigmemo_free(&memo);
    keyset_free(&keys);
}

/* Another one has spent of the same allowance meanwhile: nothing is left, and not a lot. */
static void test_allowance_does_not_wrap(void **state)
{
    struct rules_work left = {.verifications_left = 1, .failures_left = 2, .hashes_left = 3};
    const struct rules_work before = {.verifications_left = 5,
                                      .failures_left = 5,
                                      .hashes_left = 5},
                            after = {
                                .verifications_left = 2, .failures_left = 2, .hashes_left = 2};

    (void)state;
    rules_work_take(&left, &before, &after);
    assert_int_equal(left.verifications_left, 0);
    assert_int_equal(left.failures_left, 0);
    assert_int_equal(left.hashes_left, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allowance_does_not_wrap),
        cmocka_unit_test(good_signatures_are_secure),
        cmocka_unit_test(fields_are_checked),
        cmocka_unit_test(some_types_are_no_wildcards),
        cmocka_unit_test(a_wildcard_tells_its_encloser),
        cmocka_unit_test(the_ttl_is_capped),
        cmocka_unit_test(time_can_be_skipped),
        cmocka_unit_test(times_wrap_around),
        cmocka_unit_test(no_signature_is_bogus),
        cmocka_unit_test(keys_have_to_be_zone_keys),
        cmocka_unit_test(tags_may_be_shared),
        cmocka_unit_test(work_is_bounded),
        cmocka_unit_test(keys_of_one_tag_are_bounded),
        cmocka_unit_test(cheap_faults_are_free),
        cmocka_unit_test(malformed_keys_are_no_keys),
        cmocka_unit_test(long_names_and_sets_are_checked),
        cmocka_unit_test(no_memory_is_not_bogus),
        cmocka_unit_test(too_many_keys_are_no_key_set),
        cmocka_unit_test(every_reason_has_a_row),
        cmocka_unit_test(signatures_are_remembered),
        cmocka_unit_test(work_has_prices),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
