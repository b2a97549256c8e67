/* The NSEC or NSEC3 owners that prove an outcome: the zones and answers of appendices A and B
 * of RFC 4035 and RFC 5155, and more. */
#include "zones.h"

#include "authd/answer/proof.h"
#include "base/hash.h"

static struct zone *nsec, *nsec3;

/* RFC 4035 appendix A, without keys and signatures. */
static const char nsec_text[] =
    "$TTL 3600\n"
    "@ SOA ns1 bugs.x.w 1081539377 3600 300 3600000 3600\n@ NS ns1\n@ NS ns2\n@ MX 1 xx\n"
    "@ NSEC a NS SOA MX RRSIG NSEC DNSKEY\n"
    "a NS ns1.a\na NS ns2.a\na DS 57855 5 1 B6DCD485719ADCA18E5F3D48A2331627FDD3636B\n"
    "a NSEC ai NS DS RRSIG NSEC\nns1.a A 192.0.2.5\nns2.a A 192.0.2.6\n"
    "ai A 192.0.2.9\nai HINFO KLH-10 ITS\nai NSEC b A HINFO AAAA RRSIG NSEC\n"
    "b NS ns1.b\nb NS ns2.b\nb NSEC ns1 NS RRSIG NSEC\nns1.b A 192.0.2.7\nns2.b A 192.0.2.8\n"
    "ns1 A 192.0.2.1\nns1 NSEC ns2 A RRSIG NSEC\n"
    "ns2 A 192.0.2.2\nns2 NSEC *.w A RRSIG NSEC\n"
    "*.w MX 1 ai\n*.w NSEC x.w MX RRSIG NSEC\n"
    "x.w MX 1 xx\nx.w NSEC x.y.w MX RRSIG NSEC\n"
    "x.y.w MX 1 xx\nx.y.w NSEC xx MX RRSIG NSEC\n"
    "xx A 192.0.2.10\nxx HINFO KLH-10 TOPS-20\nxx NSEC @ A HINFO AAAA RRSIG NSEC\n";

/* RFC 5155 appendix A, without keys and signatures. */
#define NSEC3 " NSEC3 1 1 12 aabbccdd "
#define H_EXAMPLE "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"
#define H_NS1 "2t7b4g4vsa5smi47k61mv5bv1a22bojr"
#define H_XYW "2vptu5timamqttgl4luu9kg21e0aor3s"
#define H_A "35mthgpgcu1qg68fab165klnsnk3dpvl"
#define H_XW "b4um86eghhds6nea196smvmlo4ors995"
#define H_AI "gjeqe526plbf1g8mklp59enfd789njgi"
#define H_YW "ji6neoaepv8b5o6k4ev33abha8ht9fgc"
#define H_W "k8udemvp1j2f7eg6jebps17vp3n8i58h"
#define H_HASH "kohar7mbb8dc2ce8a9qvl8hon4k53uhi"
#define H_NS2 "q04jkcevqvmu85r014c7dkba38o0ji5r"
#define H_WILD "r53bq7cc2uvmubfu5ocmm6pers9tk9en"
#define H_XX "t644ebqk9bibcna874givr6joj62mlhv"
static const char nsec3_text[] =
    "$TTL 3600\n"
    "@ SOA ns1 bugs.x.w 1 3600 300 3600000 3600\n@ NS ns1\n@ NS ns2\n@ MX 1 xx\n"
    "@ NSEC3PARAM 1 0 12 aabbccdd\n"
    "a NS ns1.a\na NS ns2.a\na DS 58470 5 1 3079F1593EBAD6DC121E202A8B766A6A4837206C\n"
    "ns1.a A 192.0.2.5\nns2.a A 192.0.2.6\nai A 192.0.2.9\nai HINFO KLH-10 ITS\n"
    "c NS ns1.c\nc NS ns2.c\nns1.c A 192.0.2.7\nns2.c A 192.0.2.8\n"
    "ns1 A 192.0.2.1\nns2 A 192.0.2.2\n*.w MX 1 ai\nx.w MX 1 xx\nx.y.w MX 1 xx\n"
    "xx A 192.0.2.10\nxx HINFO KLH-10 TOPS-20\n" H_NS1 " A 192.0.2.127\n"
    /* clang-format off */
    H_EXAMPLE NSEC3 H_NS1 " MX DNSKEY NS SOA NSEC3PARAM RRSIG\n"
    H_NS1 NSEC3 H_XYW " A RRSIG\n"
    H_XYW NSEC3 H_A " MX RRSIG\n"
    H_A NSEC3 H_XW " NS DS RRSIG\n"
    H_XW NSEC3 H_AI " MX RRSIG\n"
    H_AI NSEC3 H_YW " A AAAA HINFO RRSIG\n"
    H_YW NSEC3 H_W "\n"
    H_W NSEC3 H_HASH "\n"
    H_HASH NSEC3 H_NS2 " A RRSIG\n"
    H_NS2 NSEC3 H_WILD " A RRSIG\n"
    H_WILD NSEC3 H_XX " MX RRSIG\n"
    H_XX NSEC3 H_EXAMPLE " A HINFO AAAA RRSIG\n";
/* clang-format on */

static int set_up(void **state)
{
    (void)state;
    nsec = zones_open("example.", nsec_text);
    nsec3 = zones_open("example.", nsec3_text);
    assert_int_equal(nsec->denial.kind, DENIAL_NSEC);
    assert_int_equal(nsec3->denial.kind, DENIAL_NSEC3);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    zone_unref(&nsec);
    zone_unref(&nsec3);
    return 0;
}

static void add_proof(struct proof *proof, const struct zone *zone, const char *text,
                      uint16_t type)
{
    uint8_t name[DNAME_MAX];
    struct dname_parts parts;

    dname_split(unit_name(text, name), &parts);
    struct outcome o = lookup_find(zone, &parts, type);
    proof_add(proof, zone, &parts, &o);
}

enum { OWNERS = 3 }; /* at most, of one proof */

struct expected {
    const char *name;
    enum rrtype type;
    const char *owners[OWNERS]; /* relative to example., in any order */
};

static bool has_owner(const struct proof *proof, const char *owner)
{
    uint8_t name[DNAME_MAX];
    char text[80];

    snprintf(text, sizeof(text), "%s%sexample.", owner, *owner ? "." : "");
    unit_name(text, name);
    for (unsigned i = 0; i < proof->cnt; i++)
        if (dname_is_equal(proof->nodes[i]->name, name))
            return true;
    return false;
}

static void expect(const struct zone *zone, const struct expected *cases, size_t cnt)
{
    for (size_t i = 0; i < cnt; i++) {
        struct proof proof = {.cnt = 0};
        unsigned owner_cnt = 0;
        add_proof(&proof, zone, cases[i].name, (uint16_t)cases[i].type);
        for (; owner_cnt < OWNERS && cases[i].owners[owner_cnt]; owner_cnt++)
            if (!has_owner(&proof, cases[i].owners[owner_cnt]))
                fail_msg("%s: no record of \"%s\"", cases[i].name, cases[i].owners[owner_cnt]);
        if (proof.cnt != owner_cnt)
            fail_msg("%s: %u records instead of %u", cases[i].name, proof.cnt, owner_cnt);
    }
}

static void test_nsec(void **state)
{
    static const struct expected cases[] = {
        {"x.w.example.", RRTYPE_MX, {NULL}},               /* RFC 4035 B.1: an answer */
        {"ml.example.", RRTYPE_A, {"b", ""}},              /* B.2: name error */
        {"ns1.example.", RRTYPE_MX, {"ns1"}},              /* B.3: NODATA */
        {"mc.a.example.", RRTYPE_MX, {NULL}},              /* B.4: referral to a signed zone */
        {"mc.b.example.", RRTYPE_MX, {"b"}},               /* B.5: to an unsigned zone */
        {"a.z.w.example.", RRTYPE_MX, {"x.y.w"}},          /* B.6: wildcard expansion */
        {"a.z.w.example.", RRTYPE_AAAA, {"x.y.w", "*.w"}}, /* B.7: wildcard NODATA */
        {"example.", RRTYPE_DS, {""}},                     /* B.8: DS of the child zone */
        /* more */
        {"MC.B.EXAMPLE.", RRTYPE_MX, {"b"}},
        {"b.example.", RRTYPE_DS, {"b"}},
        {"a.example.", RRTYPE_DS, {NULL}},
        {"y.w.example.", RRTYPE_A, {"x.w"}}, /* an empty non-terminal */
        {"w.example.",
         RRTYPE_A,
         {"ns2"}}, /* an empty non-terminal whose names begin with *.w */
        {"*.w.example.", RRTYPE_MX, {NULL}}, /* the asterisk label itself */
        {"*.w.example.", RRTYPE_A, {"*.w"}},
        {"x.x.w.example.",
         RRTYPE_MX,
         {"x.w"}},                             /* one record covers the name and the wildcard */
        {"aa.example.", RRTYPE_A, {"a", ""}},  /* after names below a zone cut */
        {"zz.example.", RRTYPE_A, {"xx", ""}}, /* after the last name */
    };
    (void)state;
    expect(nsec, cases, ARRAY_LEN(cases));
}

static void test_nsec3(void **state)
{
    static const struct expected cases[] = {
        {"x.w.example.", RRTYPE_MX, {NULL}},
        {"a.c.x.w.example.", RRTYPE_A, {H_EXAMPLE, H_XW, H_A}}, /* RFC 5155 B.1: name error */
        {"ns1.example.", RRTYPE_MX, {H_NS1}},                   /* B.2: NODATA */
        {"y.w.example.", RRTYPE_A, {H_YW}},             /* B.2.1: an empty non-terminal */
        {"mc.c.example.", RRTYPE_MX, {H_A, H_EXAMPLE}}, /* B.3: opted out, unsigned */
        {"a.z.w.example.", RRTYPE_MX, {H_NS2}},         /* B.4: wildcard expansion */
        {"a.z.w.example.", RRTYPE_AAAA, {H_W, H_NS2, H_WILD}}, /* B.5: wildcard NODATA */
        {"example.", RRTYPE_DS, {H_EXAMPLE}},                  /* B.6: DS of the child zone */
        /* more */
        {"A.C.X.W.EXAMPLE.", RRTYPE_A, {H_EXAMPLE, H_XW, H_A}},
        {"c.example.", RRTYPE_DS, {H_A, H_EXAMPLE}}, /* 7.2.4: no NSEC3 of its own */
        {"mc.a.example.", RRTYPE_MX, {NULL}},        /* the DS proves it */
        {"a.example.", RRTYPE_DS, {NULL}},
        {"*.w.example.", RRTYPE_A, {H_WILD}},
        {H_NS1 ".example.", RRTYPE_MX, {H_HASH}}, /* a hash that is a name (7.2.8) */
        {H_NS1 ".example.", RRTYPE_A, {NULL}},
    };
    (void)state;
    expect(nsec3, cases, ARRAY_LEN(cases));
}

/* An answer from a DNAME needs no proof (RFC 6672 5.3). */
static void test_dname_needs_no_proof(void **state)
{
    static const char *const names[] = {"x.d.example.", "x.y.d.example.", "d.example."};
    (void)state;
    struct zone *zone =
        zones_open("example.", ZONES_HEAD "d DNAME t\n@ NSEC d NS SOA NSEC\n"
                                          "d NSEC ns DNAME NSEC\nns NSEC @ A NSEC\n");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct proof proof = {.cnt = 0};
        add_proof(&proof, zone, names[i], RRTYPE_DNAME);
        assert_int_equal(proof.cnt, 0);
    }
    zone_unref(&zone);
}

static void test_zones_without_denial_prove_nothing(void **state)
{
    struct proof proof = {.cnt = 0};
    (void)state;
    struct zone *zone = zones_open("example.", ZONES_HEAD "*.w TXT t\ncut NS ns\n");
    add_proof(&proof, zone, "gone.example.", RRTYPE_A);
    add_proof(&proof, zone, "ns.example.", RRTYPE_MX);
    add_proof(&proof, zone, "x.w.example.", RRTYPE_TXT);
    add_proof(&proof, zone, "x.cut.example.", RRTYPE_A);
    assert_int_equal(proof.cnt, 0);
    zone_unref(&zone);
}

/* Several outcomes that need the same record add it once. */
static void test_each_owner_once(void **state)
{
    struct proof proof = {.cnt = 0};
    (void)state;
    for (int i = 0; i < 3; i++) {
        add_proof(&proof, nsec, "ml.example.", RRTYPE_A);
        add_proof(&proof, nsec, "b.example.", RRTYPE_DS);
    }
    assert_int_equal(proof.cnt, 2);
    proof.cnt = 0;
    for (int i = 0; i < 3; i++) {
        add_proof(&proof, nsec3, "a.c.x.w.example.", RRTYPE_A);
        add_proof(&proof, nsec3, "c.example.", RRTYPE_DS);
        add_proof(&proof, nsec3, "a.z.w.example.", RRTYPE_MX);
    }
    assert_int_equal(proof.cnt, 4);
}

/* At most PROOF_MAX owners are kept, and nothing is written beyond them. */
static void test_the_number_of_owners_is_limited(void **state)
{
    char *text, name[40];
    size_t len;
    struct {
        struct proof proof;
        const struct node *behind;
    } room = {.behind = NULL};
    (void)state;
    FILE *out = open_memstream(&text, &len);
    fputs(ZONES_HEAD "@ NSEC a00 NS SOA NSEC\nns NSEC @ A NSEC\n", out);
    for (int i = 0; i < PROOF_MAX + 5; i++)
        fprintf(out, "a%02d A 192.0.2.1\na%02d NSEC a%02d A NSEC\n", i, i, i + 1);
    fclose(out);
    struct zone *zone = zones_open("example.", text);
    free(text);
    for (int i = 0; i < PROOF_MAX + 5; i++) {
        snprintf(name, sizeof(name), "a%02d.example.", i);
        add_proof(&room.proof, zone, name, RRTYPE_MX);
        assert_int_equal(room.proof.cnt, util_min((size_t)i + 1, PROOF_MAX));
    }
    assert_null(room.behind);
    zone_unref(&zone);
}

/* Names of 255 octets: far below the closest encloser, and one label below it. */
static void test_longest_names(void **state)
{
    char head[300] = "", name[400], text[1200];
    size_t len = 0;
    (void)state;
    for (int i = 0; i < 123; i++) /* a. x 123, "example." 9 octets: 255 */
        len += (size_t)snprintf(head + len, sizeof(head) - len, "a.");
    snprintf(name, sizeof(name), "%sexample.", head);
    struct proof proof = {.cnt = 0};
    add_proof(&proof, nsec, name, RRTYPE_MX); /* below the cut a.example. */
    assert_int_equal(proof.cnt, 0);
    name[244] = 'x'; /* the label above "example." */
    add_proof(&proof, nsec, name, RRTYPE_MX);
    assert_int_equal(proof.cnt,
                     2); /* the NSEC of ns2 covers the name, that of the apex the wildcard */
    proof.cnt = 0;
    add_proof(&proof, nsec3, name, RRTYPE_MX);
    assert_in_range(proof.cnt, 2, 3);
    snprintf(text, sizeof(text),
             ZONES_HEAD "@ NSEC ns NS SOA NSEC\nns NSEC %sexample. A NSEC\n"
                        "%sexample. TXT t\n%sexample. NSEC @ TXT NSEC\n",
             head + 2, head + 2, head + 2);
    struct zone *zone = zones_open("example.", text);
    proof.cnt = 0;
    snprintf(name, sizeof(name), "b.%sexample.", head + 2);
    add_proof(&proof, zone, name, RRTYPE_TXT);
    assert_int_equal(proof.cnt,
                     1); /* the NSEC of the encloser covers the name and the wildcard */
    assert_int_equal(proof.nodes[0]->name_len, DNAME_MAX - 2);
    zone_unref(&zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nsec),
        cmocka_unit_test(test_nsec3),
        cmocka_unit_test(test_dname_needs_no_proof),
        cmocka_unit_test(test_zones_without_denial_prove_nothing),
        cmocka_unit_test(test_each_owner_once),
        cmocka_unit_test(test_the_number_of_owners_is_limited),
        cmocka_unit_test(test_longest_names),
    };
    hash_init();
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
