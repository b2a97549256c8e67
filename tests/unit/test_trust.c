/* Anchors, and the step from a DS or an anchor to the keys of a zone. */
#include "signed.h"

#include <openssl/sha.h>

#include "dns/bitmap.h"
#include "dns/ds.h"
#include "resolver/validate/anchor.h"
#include "resolver/validate/trust.h"

static struct arena arena;
static struct signed_key entry_key, zone_key;

/* Make a key with another tag than 1, which the DS records of the tests name. */
static struct signed_key make_key(uint8_t algorithm, uint16_t flags)
{
    struct signed_key key = signed_make_key(algorithm, flags);

    while (key.tag == 1) {
        signed_free_key(&key);
        key = signed_make_key(algorithm, flags);
    }
    return key;
}

static int start(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    entry_key = make_key(DNSKEY_ECDSAP256, DNSKEY_ZONE | DNSKEY_ENTRY);
    zone_key = make_key(DNSKEY_ED25519, DNSKEY_ZONE);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    signed_free_key(&entry_key);
    signed_free_key(&zone_key);
    arena_fini(&arena);
    return 0;
}

/* ---- anchors ---- */

static enum err read_anchors(struct anchor_set *set, const char *text, size_t *errors)
{
    struct diag diag;
    diag_init(&diag);
    enum err err = anchor_read(set, "anchors", text, strlen(text), &diag);
    *errors = diag.error_cnt;
    assert_int_equal(err == ERR_CONFIG, diag.error_cnt > 0);
    diag_fini(&diag);
    return err;
}

static void the_root_is_built_in(void **state)
{
    struct anchor_set set = {.cnt = 0}, file = {.cnt = 0};
    uint8_t name[DNAME_MAX];
    char path[4096], text[8192];
    size_t errors;
    (void)state;
    assert_int_equal(read_anchors(&set, anchor_root_text, &errors), ERR_OK);
    snprintf(path, sizeof(path), "%s/zones/root.key", getenv("ROOTLINE_SOURCE"));
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    text[fread(text, 1, sizeof(text) - 1, in)] = '\0';
    fclose(in);
    assert_int_equal(read_anchors(&file, text, &errors), ERR_OK);
    const struct anchor *a = anchor_find(&set, unit_name("www.example.", name));
    const struct anchor *b = anchor_find(&file, name);
    assert_non_null(a);
    assert_int_equal(*a->zone, 0);
    assert_int_equal(a->ds->cnt, 2);
    assert_null(a->keys);
    assert_int_equal(a->ds->size, b->ds->size);
    assert_memory_equal(a->ds->data, b->ds->data, b->ds->size);
    anchor_fini(&set);
    anchor_fini(&file);
}

/* The two KSKs of the root as IANA publishes them: their digests are those of the anchor. */
#define KSK_2017                                                                           \
    ". DNSKEY 257 3 8 AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/"          \
    "4RgWOq7HrxRixHlFlExOLAJr5emLvN7SWXgnLh4+B5xQlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n9" \
    "WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8efS3rCj/"                                           \
    "EWgvIWgb9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Apxz7LjVc1uTIdsIXxuOLYA4/"  \
    "ilBmSVIzuDWfdRUfhHdY6+cn8HFRm+2hM8AnXGXws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU="
#define KSK_2024                                                                            \
    ". DNSKEY 257 3 8 AwEAAa96jeuknZlaeSrvyAJj6ZHv28hhOKkx3rLGXVaC6rXTsDc449/"              \
    "cidltpkyGwCJNnOAlFNKF2jBosZBU5eeHspaQWOmOElZsjICMQMC3aeHbGiShvZsx4wMYSjH8e7Vrhbu6irw"  \
    "CzVBApESjbUdpWWmEnhathWu1jo+siFUiRAAxm9qyJNg/"                                         \
    "wOZqqzL/dL/"                                                                           \
    "q8PkcRU5oUKEpUge71M3ej2/7CPqpdVwuMoTvoB+ZOT4YeGyxMvHmbrxlFzGOHOijtzN+u1TQNatX2XBuzZNQ" \
    "1K+s2CXkPIZo7s6JgZyvaBevYtxPvYLw4z9mR7K2vaF18UYH9Z9GNUUeayffKC73PYc="

static void digests_are_those_of_iana(void **state)
{
    static const char *const keys[] = {KSK_2017, KSK_2024};
    static const uint16_t tags[] = {20326, 38696};
    struct anchor_set set = {.cnt = 0};
    static const uint8_t root[] = {0};
    size_t errors, pos = 0;
    (void)state;
    assert_int_equal(read_anchors(&set, anchor_root_text, &errors), ERR_OK);
    for (size_t i = 0; i < 2; i++) {
        struct rrset_record r = rrset_at(set.anchors[0].ds, pos, &pos);
        struct ds ds = ds_read(r.rdata, r.len);
        struct rrset_record key = rrset_first(signed_read(&arena, keys[i])->set);
        assert_int_equal(ds.tag, tags[i]);
        assert_int_equal(dnskey_read(key.rdata, key.len).tag, tags[i]);
        assert_int_equal(ds_match(&ds, root, key.rdata, key.len), ERR_OK);
    }
    anchor_fini(&set);
}

static void the_closest_anchor_is_found(void **state)
{
    static const struct {
        const char *name, *zone;
    } rows[] = {{".", NULL},
                {"www.test.", NULL},
                {"example.", "example."},
                {"A.example.", "example."},
                {"Sub.Example.", "sub.example."},
                {"x.y.sub.example.", "sub.example."},
                {"sub.example.test.", NULL}};
    struct anchor_set set = {.cnt = 0};
    uint8_t name[DNAME_MAX], zone[DNAME_MAX];
    size_t errors;
    (void)state;
    assert_int_equal(read_anchors(&set,
                                  "; a comment\n\nexample. DS 1 13 2 aaaa\n"
                                  "SUB.example. IN DNSKEY 257 3 13 aaaa\n"
                                  "sub.example. DS 2 13 2 aaaa ; and one more\r\n"
                                  "example. DS 1 13 2 AAAA\n"
                                  "example. DS 3 13 2 aaaa",
                                  &errors),
                     ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct anchor *a = anchor_find(&set, unit_name(rows[i].name, name));
        assert_int_equal(a != NULL, rows[i].zone != NULL);
        if (a)
            assert_true(dname_is_equal(a->zone, unit_name(rows[i].zone, zone)));
    }
    const struct anchor *a = anchor_find(&set, unit_name("example.", name));
    assert_int_equal(a->ds->cnt, 2);
    a = anchor_find(&set, unit_name("sub.example.", name));
    assert_non_null(a->ds);
    assert_non_null(a->keys);
    anchor_fini(&set);
    assert_null(anchor_find(&set, name));
}

static void wrong_anchors_are_reported(void **state)
{
    static const char *const lines[] = {
        "example. A 192.0.2.1",          "example. DS 1 13 2",
        "example. CH DS 1 13 2 aa",      "example. DNSKEY 0 3 13 aaaa",
        "example. DNSKEY 256 2 13 aaaa", "example. DNSKEY 385 3 13 aaaa",
        "exa..mple. DS 1 13 2 aa",       "DS"};
    struct anchor_set set = {.cnt = 0};
    size_t errors;
    char text[64 * 400], *at = text;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        assert_int_equal(read_anchors(&set, lines[i], &errors), ERR_CONFIG);
        assert_int_equal(errors, 1);
    }
    assert_int_equal(set.cnt, 0);
    for (unsigned i = 0; i <= ANCHOR_RECORDS_MAX; i++)
        at += sprintf(at, "example. DS %u 13 2 aa\n", i);
    assert_int_equal(read_anchors(&set, text, &errors), ERR_CONFIG);
    assert_int_equal(errors, 1);
    assert_int_equal(set.anchors[0].ds->cnt, ANCHOR_RECORDS_MAX);
    at = text;
    for (unsigned i = 0; i <= ANCHOR_ZONES_MAX; i++)
        at += sprintf(at, "z%u. DS 1 13 2 aa\n", i);
    assert_int_equal(read_anchors(&set, text, &errors), ERR_CONFIG);
    assert_int_equal(errors, 2);
    assert_int_equal(set.cnt, ANCHOR_ZONES_MAX);
    anchor_fini(&set);
}

/* ---- DS and keys ---- */

/* What a zone publishes, and what came of it. */
struct chain {
    char ds[4096];
    const struct signed_key *keys[8], *signers[8];
    size_t key_cnt, signer_cnt;
    struct signed_as as;
    const char *anchor_keys;
    bool accepts_sha1, has_no_keys;
    struct rules_work work;
    struct verdict verdict;
    unsigned trusted_cnt;
};

static void follow(struct chain *c)
{
    struct rules rules = rules_defaults(SIGNED_NOW);
    struct keyset *keys = NULL;
    struct sigcheck_found found;
    struct signed_set *set = signed_keys(&arena, "example.", c->keys, c->key_cnt);
    struct signed_as as = c->as;
    char text[VERDICT_TEXT_MAX];

    as.signer = "example.";
    rules.accepts_sha1 = c->accepts_sha1;
    for (size_t i = 0; i < c->signer_cnt; i++)
        signed_sign(&arena, set, c->signers[i], &as);
    struct trust in = {.zone = set->owner,
                       .ds = c->ds[1] ? signed_read(&arena, c->ds + 1)->set : NULL,
                       .anchor_keys =
                           c->anchor_keys ? signed_read(&arena, c->anchor_keys)->set : NULL,
                       .keys = c->has_no_keys ? NULL : set->set,
                       .rules = &rules};
    c->work = rules_work_defaults();
    c->verdict = trust_make_keys(&in, &c->work, &arena, &keys, &found);
    assert_int_equal(c->verdict.status == VERDICT_SECURE, keys != NULL);
    struct verdict weighed = trust_weigh(&in);
    assert_int_equal(weighed.status == VERDICT_INSECURE, c->verdict.status == VERDICT_INSECURE);
    assert_int_equal(weighed.status == VERDICT_SECURE, weighed.reason == VERDICT_NONE);
    c->trusted_cnt = 0;
    for (unsigned i = 0; keys && i < keys->cnt; i++)
        c->trusted_cnt += keys->keys[i].is_trusted;
    keyset_free(&keys);
    verdict_print(&c->verdict, text);
    assert_int_equal(*text == '\0', c->verdict.reason == VERDICT_NONE);
    assert_null(strchr(text, '?'));
}

static struct chain start_chain(void)
{
    return (struct chain){.keys = {&entry_key, &zone_key},
                          .key_cnt = 2,
                          .signers = {&entry_key},
                          .signer_cnt = 1};
}

static void a_ds_makes_keys_trusted(void **state)
{
    static const unsigned digest_types[] = {1, 2, 4};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(digest_types); i++) {
        struct chain c = start_chain();
        signed_print_ds(c.ds + 1, "example.", &entry_key, digest_types[i], false);
        follow(&c);
        assert_int_equal(c.verdict.status, VERDICT_SECURE);
        assert_int_equal(c.trusted_cnt, 2);
        assert_int_equal(c.work.verifications_left, RULES_VERIFICATIONS - 1);
    }
}

static void a_wrong_ds_is_bogus(void **state)
{
    struct chain c = start_chain();
    char text[VERDICT_TEXT_MAX], wanted[200];
    (void)state;
    signed_print_ds(c.ds + 1, "example.", &entry_key, 2, true);
    follow(&c);
    assert_int_equal(c.verdict.reason, VERDICT_DS_MISMATCH);
    assert_int_equal(c.verdict.tag, entry_key.tag);
    verdict_print(&c.verdict, text);
    snprintf(
        wanted, sizeof(wanted),
        "the trust anchor of example. names key %u (ECDSAP256SHA256), but example. publishes "
        "a key %u with another SHA-256 digest",
        entry_key.tag, entry_key.tag);
    assert_string_equal(text, wanted);

    struct signed_key other = signed_make_key(DNSKEY_ECDSAP256, DNSKEY_ZONE | DNSKEY_ENTRY);
    signed_print_ds(c.ds + 1, "example.", &other, 2, false);
    follow(&c);
    assert_int_equal(c.verdict.reason, VERDICT_DS_NO_KEY);
    assert_int_equal(c.verdict.tag, other.tag);
    assert_int_equal(c.verdict.other_tag, entry_key.tag);
    assert_int_equal(verdict_ede(c.verdict.reason), 9);
    verdict_print(&c.verdict, text);
    snprintf(wanted, sizeof(wanted), "example. publishes %u", entry_key.tag);
    assert_non_null(strstr(text, wanted));
    /* one good path is enough */
    signed_print_ds(signed_print_ds(c.ds + 1, "example.", &other, 2, false), "example.",
                    &entry_key, 2, false);
    follow(&c);
    assert_int_equal(c.verdict.status, VERDICT_SECURE);
    signed_free_key(&other);
}

static void the_ds_key_has_to_sign(void **state)
{
    struct chain c = start_chain();
    (void)state;
    signed_print_ds(c.ds + 1, "example.", &entry_key, 2, false);
    c.signers[0] = &zone_key;
    follow(&c);
    assert_int_equal(c.verdict.reason, VERDICT_KEYS_UNSIGNED);
    assert_int_equal(c.verdict.tag, entry_key.tag);
    assert_int_equal(verdict_ede(c.verdict.reason), 10);
    c.signer_cnt = 0;
    follow(&c);
    assert_int_equal(c.verdict.reason, VERDICT_UNSIGNED);
    c.signer_cnt = 1;
    c.signers[0] = &entry_key;
    c.as.is_wrong = true;
    follow(&c);
    assert_int_equal(c.verdict.reason, VERDICT_WRONG_SIGNATURE);
    c.as = (struct signed_as){.expiration = SIGNED_NOW - 1000};
    follow(&c);
    assert_int_equal(c.verdict.reason, VERDICT_EXPIRED);
    c.has_no_keys = true;
    follow(&c);
    assert_int_equal(c.verdict.reason, VERDICT_KEYS_MISSING);
}

/* Insecure only when the DS RRset says so (RFC 4035 5.2): no downgrade. */
static void unsupported_is_insecure(void **state)
{
    static const struct {
        const char *ds;
        enum verdict_status status;
        enum verdict_reason reason;
        int ede;
    } rows[] = {
        {"example. DS 1 255 2 aa", VERDICT_INSECURE, VERDICT_DS_ALGORITHM, 1},
        {"example. DS 1 0 2 aa", VERDICT_INSECURE, VERDICT_DS_ALGORITHM, 1},
        {"example. DS 1 252 2 aa\nexample. DS 1 254 2 aa", VERDICT_INSECURE,
         VERDICT_DS_ALGORITHM, 1},
        {"example. DS 1 253 2 aa\nexample. DS 1 12 2 aa", VERDICT_INSECURE,
         VERDICT_DS_ALGORITHM, 1},
        {"example. DS 1 13 3 aa", VERDICT_INSECURE, VERDICT_DS_DIGEST, 2},
        {"example. DS 1 13 99 aa\nexample. DS 1 255 2 aa", VERDICT_INSECURE, VERDICT_DS_DIGEST,
         2},
        {"example. DS 1 255 2 aa\nexample. DS 1 13 2 aa", VERDICT_BOGUS, VERDICT_DS_NO_KEY, 9},
        {"example. DS 1 13 2 aa", VERDICT_BOGUS, VERDICT_DS_NO_KEY, 9}, /* a wrong length */
        {"example. DS 1 5 2 aa", VERDICT_INSECURE, VERDICT_DS_ALGORITHM, 1},
        {"example. DS 1 7 1 aa", VERDICT_INSECURE, VERDICT_DS_ALGORITHM, 1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct chain c = start_chain();
        strcpy(c.ds + 1, rows[i].ds);
        follow(&c);
        assert_int_equal(c.verdict.status, rows[i].status);
        assert_int_equal(c.verdict.reason, rows[i].reason);
        assert_int_equal(verdict_ede(c.verdict.reason), rows[i].ede);
    }
    /* RFC 9905 by one switch */
    struct chain c = start_chain();
    strcpy(c.ds + 1, "example. DS 1 5 2 aa");
    c.accepts_sha1 = true;
    follow(&c);
    assert_int_equal(c.verdict.reason, VERDICT_DS_NO_KEY);
}

/* Keys of unsupported algorithms beside: what the DS promises has to be there. */
static void stripped_keys_are_bogus(void **state)
{
    struct signed_key odd = {
        .algorithm = 255, .rdata = {1, 1, 3, 255, 1, 2, 3}, .rdata_len = 7};
    struct chain c = start_chain();
    (void)state;
    signed_set_flags(&odd, 257);
    signed_print_ds(signed_print_ds(c.ds + 1, "example.", &entry_key, 2, false), "example.",
                    &odd, 2, false);
    c.keys[2] = &odd;
    c.key_cnt = 3;
    follow(&c);
    assert_int_equal(c.verdict.status, VERDICT_SECURE);
    c.keys[0] = &odd;
    c.key_cnt = 1;
    c.signers[0] = &zone_key;
    follow(&c);
    assert_int_equal(c.verdict.status, VERDICT_BOGUS);
    assert_int_equal(c.verdict.reason, VERDICT_DS_NO_KEY);
}

/* RFC 4509 3: SHA-1 does not count beside SHA-2, unless that cannot be followed. */
static void weak_digests_are_ignored(void **state)
{
    struct chain c = start_chain();
    (void)state;
    signed_print_ds(signed_print_ds(c.ds + 1, "example.", &entry_key, 1, false), "example.",
                    &entry_key, 2, true);
    follow(&c);
    assert_int_equal(c.verdict.reason, VERDICT_DS_MISMATCH);
    signed_print_ds(signed_print_ds(c.ds + 1, "example.", &entry_key, 1, true), "example.",
                    &entry_key, 2, false);
    follow(&c);
    assert_int_equal(c.verdict.status, VERDICT_SECURE);
    char *end = signed_print_ds(c.ds + 1, "example.", &entry_key, 1, false);
    strcpy(end, "\nexample. DS 1 255 2 aa");
    follow(&c);
    assert_int_equal(c.verdict.status, VERDICT_SECURE);
}

static void revoked_and_other_keys_are_no_entry(void **state)
{
    static const struct {
        uint16_t flags;
        enum verdict_reason reason;
    } rows[] = {{DNSKEY_ZONE | DNSKEY_ENTRY | DNSKEY_REVOKE, VERDICT_REVOKED_KEY},
                {DNSKEY_ENTRY, VERDICT_NOT_ZONE_KEY},
                {DNSKEY_ZONE, VERDICT_NONE}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct signed_key key = entry_key;
        struct chain c = start_chain();
        signed_set_flags(&key, rows[i].flags);
        c.keys[0] = c.signers[0] = &key;
        signed_print_ds(c.ds + 1, "example.", &key, 2, false);
        follow(&c);
        assert_int_equal(c.verdict.reason, rows[i].reason);
    }
}

static void many_ds_are_bounded(void **state)
{
    struct chain c = start_chain();
    char *at = c.ds + 1;
    (void)state;
    for (unsigned i = 0; i < TRUST_DS_MAX; i++)
        at += sprintf(at, "example. DS 0 13 2 %04x\n", i);
    /* the good one comes last in canonical order unless its tag is 0 */
    assert_int_not_equal(entry_key.tag, 0);
    signed_print_ds(at - 1, "example.", &entry_key, 2, false);
    follow(&c);
    assert_int_equal(c.verdict.status, VERDICT_BOGUS);
    memmove(c.ds + 1, strchr(c.ds + 1, '\n') + 1, strlen(strchr(c.ds + 1, '\n')));
    follow(&c);
    assert_int_equal(c.verdict.status, VERDICT_SECURE);
}

static void anchor_keys_make_keys_trusted(void **state)
{
    char text[1024], *at = text;
    struct chain c = start_chain();
    (void)state;
    at += sprintf(at, "example. TYPE48 \\# %zu ", entry_key.rdata_len);
    for (size_t i = 0; i < entry_key.rdata_len; i++)
        at += sprintf(at, "%02x", entry_key.rdata[i]);
    c.anchor_keys = text;
    follow(&c);
    assert_int_equal(c.verdict.status, VERDICT_SECURE);
    assert_int_equal(c.trusted_cnt, 2);
    /* a revoked key is another RDATA, so the anchor ends */
    struct signed_key revoked = entry_key;
    signed_set_flags(&revoked, DNSKEY_ZONE | DNSKEY_ENTRY | DNSKEY_REVOKE);
    c.keys[0] = c.signers[0] = &revoked;
    follow(&c);
    assert_int_equal(c.verdict.reason, VERDICT_DS_NO_KEY);
    /* a DS beside the key is a second path */
    c = start_chain();
    c.anchor_keys = "example. DNSKEY 257 3 13 aaaa";
    follow(&c);
    assert_int_equal(c.verdict.reason, VERDICT_DS_NO_KEY);
    signed_print_ds(c.ds + 1, "example.", &entry_key, 2, false);
    follow(&c);
    assert_int_equal(c.verdict.status, VERDICT_SECURE);
    c.ds[1] = '\0';
    c.anchor_keys = "example. DNSKEY 257 3 200 aaaa";
    follow(&c);
    assert_int_equal(c.verdict.reason, VERDICT_DS_ALGORITHM);
    c.anchor_keys = NULL;
    follow(&c);
    assert_int_equal(c.verdict.status, VERDICT_INSECURE);
    assert_int_equal(c.verdict.reason, VERDICT_NO_DS);
}

/* ---- type bitmaps ---- */

static void bitmaps_are_read(void **state)
{
    static const struct {
        const char *text;
        uint16_t types[6];
        unsigned cnt;
    } rows[] = {{"a. NSEC b.", {0}, 0},
                {"a. NSEC b. A NS SOA RRSIG", {1, 2, 6, 46}, 4},
                {"a. NSEC b. TYPE255 TYPE256 CAA TYPE65535", {255, 256, 257, 65535}, 4},
                {"a. NSEC b. TYPE512 TYPE1234", {512, 1234}, 2}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rrset_record r = rrset_first(signed_read(&arena, rows[i].text)->set);
        const uint8_t *bitmap = r.rdata + 3;
        size_t len = r.len - 3U;
        unsigned cnt = 0;
        for (int type = -1; (type = bitmap_next(bitmap, len, type)) >= 0; cnt++)
            assert_int_equal(type, rows[i].types[cnt]);
        assert_int_equal(cnt, rows[i].cnt);
        for (unsigned type = 0, n = 0; type <= UINT16_MAX; type++) {
            bool is_there = n < cnt && rows[i].types[n] == type;
            assert_int_equal(bitmap_has(bitmap, len, (uint16_t)type), is_there);
            n += is_there;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_root_is_built_in),
        cmocka_unit_test(digests_are_those_of_iana),
        cmocka_unit_test(the_closest_anchor_is_found),
        cmocka_unit_test(wrong_anchors_are_reported),
        cmocka_unit_test(a_ds_makes_keys_trusted),
        cmocka_unit_test(a_wrong_ds_is_bogus),
        cmocka_unit_test(the_ds_key_has_to_sign),
        cmocka_unit_test(unsupported_is_insecure),
        cmocka_unit_test(stripped_keys_are_bogus),
        cmocka_unit_test(weak_digests_are_ignored),
        cmocka_unit_test(revoked_and_other_keys_are_no_entry),
        cmocka_unit_test(many_ds_are_bounded),
        cmocka_unit_test(anchor_keys_make_keys_trusted),
        cmocka_unit_test(bitmaps_are_read),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
