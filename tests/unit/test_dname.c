/* Domain names: text, canonical order (ldns is the oracle), compression pointers, hashes. */
#include "unit.h"

#include <ldns/ldns.h>

#include "base/hash.h"
#include "dns/dname.h"

static void text_is_read_and_printed(void **state)
{
    static const struct {
        const char *text, *back;
    } valid[] = {
        {".", "."},
        {"example.org.", "example.org."},
        {"www", "www.origin.test."},
        {"@", "origin.test."},
        {"\\@", "\\@.origin.test."},
        {"a\\.b.c.", "a\\.b.c."},
        {"\\097.", "a."},
        {"\\000\\255.", "\\000\\255."},
        {"a\\032b.", "a\\032b."},
    };
    static const struct {
        const char *text;
        size_t where;
    } invalid[] = {{"", 0},       {"..", 0},    {".a", 0}, {"a..b.", 2},
                   {"\\256.", 0}, {"a\\25", 1}, {"a\\", 1}};
    uint8_t origin[DNAME_MAX], name[DNAME_MAX];
    char text[DNAME_TEXT_MAX];
    size_t len, where;
    struct fault fault;
    (void)state;
    unit_name("origin.test.", origin);
    for (size_t i = 0; i < ARRAY_LEN(valid); i++) {
        assert_int_equal(dname_text_read(valid[i].text, strlen(valid[i].text), origin, name,
                                         &len, NULL, NULL),
                         ERR_OK);
        assert_int_equal(len, dname_len(name));
        dname_text_print(name, text);
        assert_string_equal(text, valid[i].back);
    }
    for (size_t i = 0; i < ARRAY_LEN(invalid); i++) {
        assert_int_equal(dname_text_read(invalid[i].text, strlen(invalid[i].text), origin, name,
                                         &len, &fault, &where),
                         ERR_FORMAT);
        assert_int_equal(where, invalid[i].where);
        assert_true(strlen(fault.text) > 0);
    }
    assert_int_equal(dname_text_read("www", 3, NULL, name, &len, &fault, NULL), ERR_FORMAT);
}

static void length_limits_are_enforced(void **state)
{
    char text[600];
    uint8_t name[DNAME_MAX];
    const uint8_t root[] = {0};
    size_t len;
    (void)state;
    memset(text, 'a', sizeof(text));
    text[63] = '.';
    assert_int_equal(dname_text_read(text, 64, root, name, &len, NULL, NULL), ERR_OK);
    text[63] = 'a';
    text[64] = '.';
    assert_int_equal(dname_text_read(text, 65, root, name, &len, NULL, NULL), ERR_FORMAT);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 2 ? '.' : 'a';
    assert_int_equal(dname_text_read(text, 254, root, name, &len, NULL, NULL), ERR_OK);
    assert_int_equal(len, 255);
    assert_int_equal(dname_labels(name), 127);
    assert_int_equal(dname_text_read(text, 256, root, name, &len, NULL, NULL), ERR_FORMAT);
    assert_int_equal(dname_text_read(text, 253, root, name, &len, NULL, NULL), ERR_OK);
    assert_int_equal(len, 255);
}

/* Make a short random name from few letters, so that names often share labels and prefixes. */
static size_t random_name(uint8_t out[DNAME_MAX])
{
    static const uint8_t letters[] = {'a', 'A', 'b', 'Z', 0, 1, 2, 255, '*', '.'};
    size_t at = 0;
    for (int labels = rand() % 5; labels > 0; labels--) {
        uint8_t len = (uint8_t)(1 + rand() % 4);
        out[at++] = len;
        for (int i = 0; i < len; i++)
            out[at++] = letters[(size_t)rand() % sizeof(letters)];
    }
    out[at++] = 0;
    return at;
}

static int sign(int value) { return (value > 0) - (value < 0); }

static void order_is_canonical(void **state)
{
    uint8_t a[DNAME_MAX], b[DNAME_MAX], key_a[DNAME_KEY_MAX], key_b[DNAME_KEY_MAX];
    (void)state;
    for (int i = 0; i < 100000; i++) {
        size_t a_len = random_name(a), b_len = random_name(b);
        ldns_rdf *rdf_a = ldns_dname_new_frm_data((uint16_t)a_len, a);
        ldns_rdf *rdf_b = ldns_dname_new_frm_data((uint16_t)b_len, b);
        int oracle = sign(ldns_dname_compare(rdf_a, rdf_b));
        ldns_rdf_deep_free(rdf_a);
        ldns_rdf_deep_free(rdf_b);
        assert_int_equal(sign(dname_compare(a, b)), oracle);
        size_t ka = dname_key(a, key_a), kb = dname_key(b, key_b);
        int by_key = memcmp(key_a, key_b, ka < kb ? ka : kb);
        assert_int_equal(sign(by_key ? by_key : (int)ka - (int)kb), oracle);
        assert_int_equal(dname_is_equal(a, b), oracle == 0);
        assert_int_equal(dname_hash(a) == dname_hash(b), oracle == 0);
    }
}

static void parts_match_the_whole_name(void **state)
{
    uint8_t name[DNAME_MAX];
    struct dname_parts parts;
    (void)state;
    for (int i = 0; i < 10000; i++) {
        size_t len = random_name(name);
        dname_split(name, &parts);
        assert_int_equal(parts.len, len);
        assert_int_equal(parts.labels, dname_labels(name));
        for (unsigned n = 0; n <= parts.labels; n++) {
            assert_ptr_equal(dname_suffix(name, n), name + parts.at[n]);
            assert_true(parts.hash[n] == dname_hash(name + parts.at[n]));
            assert_true(dname_is_equal(parts.lower + parts.at[n], name + parts.at[n]));
            assert_true(dname_is_under(name, name + parts.at[n]));
        }
    }
}

static enum err parse_at(const char *bytes, size_t len, size_t pos, uint8_t out[DNAME_MAX],
                         size_t *out_len, size_t *end)
{
    struct cursor c = cursor_over(bytes, len);
    c.pos = pos;
    enum err err = dname_parse(&c, out, out_len);
    *end = c.pos;
    return err;
}

static void pointers_must_lead_backwards(void **state)
{
    /* a header of twelve octets, then names */
    static const char wire[] = "............\3www\0\1a\300\14\300\21\300\30\300\31";
    uint8_t name[DNAME_MAX];
    size_t len, end;
    (void)state;
    assert_int_equal(parse_at(wire, sizeof(wire) - 1, 17, name, &len, &end), ERR_OK);
    assert_memory_equal(name, "\1a\3www\0", 7);
    assert_int_equal(end, 21);
    assert_int_equal(parse_at(wire, sizeof(wire) - 1, 21, name, &len, &end), ERR_OK);
    assert_int_equal(len, 7);
    assert_int_equal(end, 23);
    assert_int_equal(parse_at(wire, sizeof(wire) - 1, 23, name, &len, &end),
                     ERR_FORMAT); /* forward */
    assert_int_equal(parse_at(wire, sizeof(wire) - 1, 25, name, &len, &end),
                     ERR_FORMAT); /* to itself */
    assert_int_equal(parse_at("............\300\0", 14, 12, name, &len, &end),
                     ERR_FORMAT); /* into the header */
    assert_int_equal(parse_at("............\3ww", 15, 12, name, &len, &end), ERR_FORMAT);
    assert_int_equal(parse_at("............\100", 13, 12, name, &len, &end), ERR_FORMAT);
    assert_int_equal(parse_at("............\300", 13, 12, name, &len, &end), ERR_FORMAT);
}

/* Pairs of names whose octets, loaded as words, differ in the length only. */
static void names_of_other_lengths_hash_differently(void **state)
{
    static const char *const pairs[][2] = {
        {"abcdefa.", "abcddefn."}, {"aaaa.", "aaaaa."}, {"aaa.", "aa."}, {"abab.", "ab."}};
    uint8_t a[DNAME_MAX], b[DNAME_MAX];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        assert_true(dname_hash(unit_name(pairs[i][0], a)) !=
                    dname_hash(unit_name(pairs[i][1], b)));
}

/* Two labels; more below registries such as co.uk and in the reverse trees. */
static void organisational_domains_are_guessed(void **state)
{
    static const struct {
        const char *name;
        unsigned labels;
    } cases[] = {
        {".", 0},
        {"org.", 1},
        {"example.org.", 2},
        {"a.b.c.example.org.", 2},
        {"co.uk.", 2},
        {"example.co.uk.", 3},
        {"www.EXAMPLE.CO.UK.", 3},
        {"www.example.com.au.", 3},
        {"x.example.or.jp.", 3},
        {"www.example.co.com.", 2}, /* not a country */
        {"www.example.gob.mx.", 3},
        {"r1.abc.de.", 2}, /* a short label below a country is no registry */
        {"r1.cox.uk.", 2},
        {"in-addr.arpa.", 2},
        {"10.in-addr.arpa.", 3},
        {"0.10.in-addr.arpa.", 4},
        {"4.3.2.10.in-addr.arpa.", 4},
        {"4.3.2.10.IN-ADDR.ARPA.", 4},
        {"ip6.arpa.", 2},
        {"8.b.d.0.1.0.0.2.ip6.arpa.", 10},
        {"1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", 10},
        {"x.home.arpa.", 2},
        {"x.in-addr.arpa.example.", 2},
    };
    uint8_t name[DNAME_MAX];
    struct dname_parts parts;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        dname_split(unit_name(cases[i].name, name), &parts);
        if (dname_org_labels(&parts) != cases[i].labels)
            fail_msg("%s: %u", cases[i].name, dname_org_labels(&parts));
    }
}

/* The table of RFC 6672 2.2 and more: labels below the owner stay, and keep their case. */
static void owner_is_substituted(void **state)
{
    static const struct {
        const char *name, *owner, *target, *result;
    } cases[] = {
        {"a.example.com.", "example.com.", "example.net.", "a.example.net."},
        {"a.b.example.com.", "example.com.", "example.net.", "a.b.example.net."},
        {"A.B.EXAMPLE.com.", "example.com.", "x.com.", "A.B.x.com."},
        {"foo.example.com.", "example.com.", ".", "foo."},
        {"a.b.", ".", "test.", "a.b.test."},
        {"a.x.test.", "x.test.", "x.x.test.", "a.x.x.test."},
    };
    uint8_t name[DNAME_MAX], owner[DNAME_MAX], target[DNAME_MAX], out[DNAME_MAX];
    char text[DNAME_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t len =
            dname_substitute(unit_name(cases[i].name, name), unit_name(cases[i].owner, owner),
                             unit_name(cases[i].target, target), out);
        assert_int_equal(len, dname_check(out, len));
        dname_text_print(out, text);
        assert_string_equal(text, cases[i].result);
    }
}

/* A result of 255 octets is a name; one of 256 is YXDOMAIN and writes nothing. */
static void substitution_keeps_the_limit(void **state)
{
    uint8_t name[DNAME_MAX], owner[DNAME_MAX], target[DNAME_MAX], out[DNAME_MAX];
    size_t at = 0;
    (void)state;
    for (unsigned i = 0; i < 3; i++, at += 64) {
        target[at] = 63;
        memset(target + at + 1, 'a', 63);
    }
    unit_name("example.com.", owner);
    target[at] = 59; /* the fourth label makes it a name of 253 octets */
    memset(target + at + 1, 'b', 59);
    target[at + 60] = 0;
    unit_name("a.example.com.", name);
    assert_int_equal(dname_substitute(name, owner, target, out), DNAME_MAX);
    assert_int_equal(dname_check(out, sizeof(out)), DNAME_MAX);
    memset(out, 0xee, sizeof(out));
    unit_name("ab.example.com.", name);
    assert_int_equal(dname_substitute(name, owner, target, out), 0);
    assert_int_equal(out[0], 0xee);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_other_lengths_hash_differently),
        cmocka_unit_test(text_is_read_and_printed),
        cmocka_unit_test(length_limits_are_enforced),
        cmocka_unit_test(order_is_canonical),
        cmocka_unit_test(parts_match_the_whole_name),
        cmocka_unit_test(pointers_must_lead_backwards),
        cmocka_unit_test(organisational_domains_are_guessed),
        cmocka_unit_test(owner_is_substituted),
        cmocka_unit_test(substitution_keeps_the_limit),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
