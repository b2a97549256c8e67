/* Validation inside the engine: signed zones on a stage, one fault at a time. */
#include "tests/unit/world.h"

#include "dns/ds.h"
#include "resolver/cache/cache_denial.h"
#include "resolver/iterate/wording.h"
#include "tests/unit/signed.h"

/* . and test. are signed; below are signed.test. (secure), plain.test. (without DS), and zones
 * without a delegation of their own server: near.test. (secure) and bare.test. (without DS) on
 * the server of test. */
enum { FLOOD = 200 }; /* records of an attack */

#define AFTER_BUILD_MS INT64_C(4000000000000) /* in the year 2096 */

enum zone { ROOT_ZONE, TEST_ZONE, SIGNED_ZONE, NEAR_ZONE, ZONES };

static const char *const zone_names[ZONES] = {".", "test.", "signed.test.", "near.test."};
static struct signed_key keys[ZONES];
static struct arena arena;

/* What is wrong; NULL: nothing. */
static const char *fault = "";
static const char *bad_server = ""; /* only this server has the fault; "": all have it */
static const char *at_server;

static bool has_fault(const char *name)
{
    return strcmp(fault, name) == 0 && (!*bad_server || strcmp(bad_server, at_server) == 0);
}

static uint32_t now_s(void) { return (uint32_t)(now_wall_ms() / 1000); }

/* Add the RRSIG as it is, because there is no text for it, or broken in one of several ways. */
static void add_rrsig(enum message_section section, const uint8_t *owner,
                      const struct rrset_record *sig, unsigned broken)
{
    size_t owner_len = dname_len(owner);
    uint8_t *p = reply.wire + reply.len;

    memcpy(p, owner, owner_len);
    util_put_u16(p + owner_len, RRTYPE_RRSIG);
    util_put_u16(p + owner_len + 2, RRTYPE_CLASS_IN);
    util_put_u32(p + owner_len + 4, 3600);
    util_put_u16(p + owner_len + 8, sig->len);
    memcpy(p + owner_len + 10, sig->rdata, sig->len);
    p[owner_len + 10 + sig->len - 40] ^= (uint8_t)broken;
    reply.len += owner_len + 10 + sig->len;
    reply.cnt[section]++;
}

/* Add the lines of one RRset, and its signature by the zone. */
static void add_signed(enum message_section section, enum zone zone,
                       const struct signed_as *how, const char *text)
{
    struct signed_as as = how ? *how : (struct signed_as){0};
    struct signed_set *set = signed_read(&arena, text);

    if (!as.signer)
        as.signer = zone_names[zone];
    if (!as.inception)
        as.inception = now_s() - 3600;
    if (!as.expiration)
        as.expiration = now_s() + 86400;
    signed_sign(&arena, set, &keys[zone], &as);
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        add(section, "%.*s", (int)len, line);
        line += len + (line[len] == '\n');
    }
    if (has_fault("stripped"))
        return;
    struct rrset_record sig = rrset_first(rrset_signatures(set->set));
    for (unsigned i = 0; has_fault("many-signatures") && i < FLOOD; i++)
        add_rrsig(section, set->owner, &sig, i + 1);
    add_rrsig(section, set->owner, &sig, 0);
}

static void print_ds(enum zone zone, char *out, size_t size)
{
    uint8_t octets[DNAME_MAX + 600], digest[32];
    const struct signed_key *key = &keys[zone];

    size_t len = dname_len(unit_name(zone_names[zone], octets));
    memcpy(octets + len, key->rdata, key->rdata_len);
    assert_int_equal(EVP_Digest(octets, len + key->rdata_len, digest, NULL, EVP_sha256(), NULL),
                     1);
    bool is_signed_zone = zone == SIGNED_ZONE;
    size_t at =
        (size_t)snprintf(out, size, "%s 3600 DS %u %u %u ", zone_names[zone], key->tag,
                         is_signed_zone && has_fault("ds-algorithm") ? 250 : key->algorithm,
                         is_signed_zone && has_fault("ds-digest") ? 250 : 2);
    for (size_t i = 0; i < sizeof(digest); i++)
        at += (size_t)snprintf(out + at, size - at, "%02x", digest[i]);
}

static void add_ds(enum message_section section, enum zone zone, enum zone parent)
{
    char text[300];
    print_ds(zone, text, sizeof(text));
    add_signed(section, parent, NULL, text);
}

static void add_keys(enum zone zone)
{
    char text[1200];
    size_t at = (size_t)snprintf(text, sizeof(text), "%s 3600 DNSKEY 257 3 %u ",
                                 zone_names[zone], keys[zone].algorithm);
    EVP_EncodeBlock((uint8_t *)text + at, keys[zone].rdata + 4, (int)keys[zone].rdata_len - 4);
    add_signed(MESSAGE_ANSWER, zone, NULL, text);
}

static void add_soa(enum zone zone)
{
    char text[100];
    snprintf(text, sizeof(text), "%s 300 SOA a. b. 1 2 3 4 300", zone_names[zone]);
    add_signed(MESSAGE_AUTHORITY, zone, NULL, text);
}

/* A referral; the parent denies a DS, or has it. */
static void refer(enum zone zone, enum zone parent, const char *server, const char *address)
{
    delegate(zone_names[zone], server, NULL);
    if (!has_fault("no-ds-in-referral"))
        add_ds(MESSAGE_AUTHORITY, zone, parent);
    add(MESSAGE_ADDITIONAL, "%s 3600 A %s", server, address);
}

static bool serve_root(const char *name, uint16_t type)
{
    if (strcmp(name, ".") == 0 && type == RRTYPE_DNSKEY)
        add_keys(ROOT_ZONE);
    else if (ends_in(name, "test.") && !(strcmp(name, "test.") == 0 && type == RRTYPE_DS))
        refer(TEST_ZONE, ROOT_ZONE, "ns.test.", "192.0.2.2");
    else if (strcmp(name, "test.") == 0)
        add_ds(MESSAGE_ANSWER, TEST_ZONE, ROOT_ZONE);
    else
        return false;
    return true;
}

/* Add an A record of a signed name, with the fault. */
static void add_address(enum zone zone, const char *name)
{
    struct signed_as as = {.is_wrong = has_fault("wrong-signature")};
    char text[DNAME_TEXT_MAX + 40];

    if (has_fault("expired"))
        as.expiration = now_s() - 1000;
    if (has_fault("high-ttl"))
        as.original_ttl = 60;
    snprintf(text, sizeof(text), "%s %u A %s", name, has_fault("high-ttl") ? 60 : 3600, GOOD);
    if (has_fault("unsigned") || has_fault("no-keys-unsigned"))
        add(MESSAGE_ANSWER, "%s", text);
    else
        add_signed(MESSAGE_ANSWER, zone, &as, text);
}

/* Denials that prove nothing, each with a signature that holds (CVE-2026-11605). */
static void add_padding(enum zone zone)
{
    char text[200];

    for (unsigned i = 0; i < FLOOD / 4; i++) {
        snprintf(text, sizeof(text), "p%u.%s 300 NSEC q%u.%s A RRSIG NSEC", i, zone_names[zone],
                 i, zone_names[zone]);
        add_signed(MESSAGE_AUTHORITY, zone, NULL, text);
    }
}

/* NSEC3 records of a zone with many iterations (CVE-2023-50868). */
static void add_costly_hashes(enum zone zone, unsigned cnt)
{
    char text[300];

    for (unsigned i = 0; i < cnt; i++) {
        snprintf(text, sizeof(text),
                 "%032u.%s 300 NSEC3 1 0 2500 aabb 0123456789abcdefghijklmnopqrstuv A RRSIG", i,
                 zone_names[zone]);
        add_signed(MESSAGE_AUTHORITY, zone, NULL, text);
    }
}

static void deny(enum zone zone, const char *nsec)
{
    struct signed_as as = {.is_wrong = has_fault("wrong-nsec")};

    add_soa(zone);
    if (has_fault("padded"))
        add_padding(zone);
    if (has_fault("costly-hashes") || has_fault("costly-hash")) {
        add_costly_hashes(zone, has_fault("costly-hash") ? 1 : 8);
        return;
    }
    if (!has_fault("no-proof"))
        add_signed(MESSAGE_AUTHORITY, zone, &as, nsec);
}

static bool serve_near(const char *name, uint16_t type)
{
    if (type == RRTYPE_DNSKEY)
        add_keys(NEAR_ZONE);
    else if (strcmp(name, "www.near.test.") == 0 && type == RRTYPE_A)
        add_address(NEAR_ZONE, name);
    else if (strcmp(name, "www.near.test.") == 0)
        deny(NEAR_ZONE, "www.near.test. 300 NSEC near.test. A RRSIG NSEC");
    else
        deny(NEAR_ZONE, "near.test. 300 NSEC www.near.test. SOA NS RRSIG NSEC DNSKEY");
    return true;
}

static bool serve_test(const char *name, uint16_t type)
{
    bool is_ds = type == RRTYPE_DS;

    if (strcmp(name, "test.") == 0 && type == RRTYPE_DNSKEY)
        return strncmp(fault, "no-keys", 7) != 0 && (add_keys(TEST_ZONE), true);
    if (strcmp(name, "signed.test.") == 0 && is_ds)
        add_ds(MESSAGE_ANSWER, SIGNED_ZONE, TEST_ZONE);
    else if (strcmp(name, "near.test.") == 0 && is_ds)
        add_ds(MESSAGE_ANSWER, NEAR_ZONE, TEST_ZONE);
    else if (is_ds && (strcmp(name, "plain.test.") == 0 || strcmp(name, "bare.test.") == 0))
        deny(TEST_ZONE, strcmp(name, "plain.test.") == 0
                            ? "plain.test. 300 NSEC signed.test. NS RRSIG NSEC"
                            : "bare.test. 300 NSEC near.test. NS RRSIG NSEC");
    else if (ends_in(name, "signed.test."))
        refer(SIGNED_ZONE, TEST_ZONE, "ns.signed.test.", "192.0.2.3");
    else if (ends_in(name, "plain.test.")) {
        delegate("plain.test.", "ns.plain.test.", NULL);
        add_signed(MESSAGE_AUTHORITY, TEST_ZONE, NULL,
                   "plain.test. 300 NSEC signed.test. NS RRSIG NSEC");
        add(MESSAGE_ADDITIONAL, "ns.plain.test. 3600 A 192.0.2.4");
    } else if (ends_in(name, "near.test."))
        return serve_near(name, type);
    else if (strcmp(name, "hop.test.") == 0) {
        add_signed(MESSAGE_ANSWER, TEST_ZONE, NULL, "hop.test. 3600 CNAME www.bare.test.");
        add_signed(MESSAGE_AUTHORITY, TEST_ZONE,
                   &(struct signed_as){.is_wrong = has_fault("wrong-beside")},
                   "bare.test. 300 NSEC near.test. NS RRSIG NSEC");
    } else if (ends_in(name, "bare.test.") && type == RRTYPE_A)
        add(MESSAGE_ANSWER, "%s 3600 A %s", name, GOOD);
    else if (ends_in(name, "bare.test."))
        add(MESSAGE_AUTHORITY, "bare.test. 300 SOA a. b. 1 2 3 4 300");
    else if (strcmp(name, "ent.test.") == 0) { /* a name is below it, but the RCODE denies it */
        reply.flags |= RRTYPE_RCODE_NXDOMAIN;
        deny(TEST_ZONE, "bare.test. 300 NSEC x.ent.test. NS RRSIG NSEC");
    } else if (strcmp(name, "www.test.") == 0 && type == RRTYPE_A)
        add_address(TEST_ZONE, name);
    else if (strcmp(name, "empty.test.") == 0)
        reply.flags = MESSAGE_QR;
    else if (strcmp(name, "www.test.") == 0)
        deny(TEST_ZONE, "www.test. 300 NSEC test. A RRSIG NSEC");
    else {
        reply.flags |= RRTYPE_RCODE_NXDOMAIN;
        deny(TEST_ZONE, has_fault("wrong-proof")
                            ? "signed.test. 300 NSEC www.test. NS DS RRSIG NSEC"
                            : "test. 300 NSEC bare.test. SOA NS RRSIG NSEC DNSKEY");
    }
    return true;
}

/* wc.signed.test. has a wildcard CNAME, tree.signed.test. a DNAME. */
static bool serve_aliases(const char *name)
{
    char text[2 * DNAME_TEXT_MAX];

    if (ends_in(name, "tree.signed.test.") && name[1] == '.') {
        add_signed(MESSAGE_ANSWER, SIGNED_ZONE, NULL, "tree.signed.test. 3600 DNAME test.");
        add(MESSAGE_ANSWER, "%s 3600 CNAME %.1s.test.", name, name);
        return true;
    }
    if (!ends_in(name, "wc.signed.test.") || name[1] != '.')
        return false;
    snprintf(text, sizeof(text), "%s 3600 CNAME www.signed.test.", name);
    add_signed(MESSAGE_ANSWER, SIGNED_ZONE,
               &(struct signed_as){.owner = "*.wc.signed.test.", .labels = 3}, text);
    add_signed(MESSAGE_AUTHORITY, SIGNED_ZONE, NULL,
               "*.wc.signed.test. 300 NSEC www.signed.test. CNAME RRSIG NSEC");
    add_signed(MESSAGE_AUTHORITY, SIGNED_ZONE, NULL,
               "signed.test. 300 NSEC alias.signed.test. SOA NS RRSIG NSEC DNSKEY");
    return true;
}

static bool serve_signed(const char *name, uint16_t type)
{
    if (strcmp(fault, "unsigned") == 0 && *bad_server && type == RRTYPE_DS) {
        reply.flags |= RRTYPE_RCODE_SERVFAIL;
        return true;
    }
    if (serve_aliases(name))
        return true;
    if (strcmp(name, "signed.test.") == 0 && type == RRTYPE_DNSKEY)
        add_keys(SIGNED_ZONE);
    else if (strcmp(name, "alias.signed.test.") == 0 && type == RRTYPE_A)
        add_signed(MESSAGE_ANSWER, SIGNED_ZONE, NULL,
                   "alias.signed.test. 3600 CNAME www.plain.test.");
    else if (strcmp(name, "chain.signed.test.") == 0 && type == RRTYPE_A) {
        add_signed(MESSAGE_ANSWER, SIGNED_ZONE, NULL,
                   "chain.signed.test. 3600 CNAME www.signed.test.");
        add_address(SIGNED_ZONE, "www.signed.test.");
    } else if (strcmp(name, "wild.signed.test.") == 0) {
        deny(SIGNED_ZONE, "alias.signed.test. 300 NSEC *.wild.signed.test. CNAME RRSIG NSEC");
    } else if (ends_in(name, "wild.signed.test.") && type == RRTYPE_A) {
        char text[DNAME_TEXT_MAX + 40];
        snprintf(text, sizeof(text), "%s 3600 A %s", name, GOOD);
        add_signed(MESSAGE_ANSWER, SIGNED_ZONE,
                   &(struct signed_as){.owner = "*.wild.signed.test.", .labels = 3}, text);
        if (!has_fault("no-proof"))
            add_signed(MESSAGE_AUTHORITY, SIGNED_ZONE, NULL,
                       "*.wild.signed.test. 300 NSEC www.signed.test. A RRSIG NSEC");
    } else if ((strcmp(name, "www.signed.test.") == 0 ||
                strncmp(name, "root-key-sentinel", 17) == 0) &&
               type == RRTYPE_A) {
        add_address(SIGNED_ZONE, name);
    } else if (strncmp(name, "root-key-sentinel", 17) == 0) {
        char text[DNAME_TEXT_MAX + 60];
        snprintf(text, sizeof(text), "%s 300 NSEC www.signed.test. A RRSIG NSEC", name);
        deny(SIGNED_ZONE, text);
    } else if (strcmp(name, "www.signed.test.") == 0) {
        deny(SIGNED_ZONE, "www.signed.test. 300 NSEC signed.test. A RRSIG NSEC");
    } else {
        if (strcmp(name, "aa.signed.test.") == 0)
            reply.flags |= RRTYPE_RCODE_NXDOMAIN;
        deny(SIGNED_ZONE, "signed.test. 300 NSEC alias.signed.test. SOA NS RRSIG NSEC DNSKEY");
    }
    return true;
}

static bool signed_world(const char *server, const char *name, uint16_t type)
{
    at_server = server;
    if (has_fault("silent"))
        return false;
    if (strcmp(server, "192.0.2.1") == 0)
        return serve_root(name, type);
    if (strcmp(server, "192.0.2.2") == 0)
        return serve_test(name, type);
    if (strcmp(server, "192.0.2.3") == 0 || strcmp(server, "192.0.2.5") == 0)
        return serve_signed(name, type);
    if (strcmp(server, "192.0.2.4") == 0 && type == RRTYPE_A)
        add(MESSAGE_ANSWER, "%s 3600 A %s", name, GOOD);
    else if (strcmp(server, "192.0.2.4") == 0)
        add(MESSAGE_AUTHORITY, "plain.test. 300 SOA a. b. 1 2 3 4 300");
    else
        return false;
    return true;
}

/* ---- queries ---- */

static void add_anchor(enum zone zone)
{
    struct rrline *line = malloc(sizeof(*line));
    struct fault reason;
    char text[300];

    print_ds(zone, text, sizeof(text));
    assert_int_equal(anchor_add(&stage.policy->anchors, text, strlen(text), line, &reason),
                     ERR_OK);
    free(line);
}

static void start(const char *with_fault)
{
    fault = with_fault;
    bad_server = "";
    arena_init(&arena, 0);
    open_stage();
    add_anchor(ROOT_ZONE);
}

static void open_sealed(void)
{
    policy_seal_trust(stage.policy);
    stage_open(&stage, 7);
}

static void finish(void)
{
    stage_fini(&stage);
    arena_fini(&arena);
}

/* Query with flags, and DO, and let the servers reply as this function says. */
static void query_with(servers reply_as, const char *name, uint16_t type, uint16_t flags)
{
    uint8_t wire[QUERY_MAX], dname[DNAME_MAX];
    struct query q = {.id = 1,
                      .flags = (uint16_t)(MESSAGE_RD | flags),
                      .name = unit_name(name, dname),
                      .type = type,
                      .has_edns = true,
                      .is_do = true,
                      .udp_size = 4096};
    stage_ask(&stage, wire, query_write(&q, wire), NULL);
    run(reply_as);
}

static void query(const char *name, uint16_t type, uint16_t flags)
{
    query_with(signed_world, name, type, flags);
}

static bool is_ad(void)
{
    return util_get_u16(stage.answers[stage.answer_cnt - 1].wire + 2) & MESSAGE_AD;
}

/* Return the EDE text of the last answer. */
static const char *ede_text(void)
{
    const struct stage_answer *a = &stage.answers[stage.answer_cnt - 1];
    static char text[WORDING_TEXT_MAX + 1];

    text[0] = '\0';
    for (size_t i = MESSAGE_HEADER_LEN; i + 6 < a->len; i++) /* the option: 15, length, code */
        if (util_get_u16(a->wire + i) == 15 && i + 4 + util_get_u16(a->wire + i + 2) <= a->len)
            snprintf(text, sizeof(text), "%.*s", util_get_u16(a->wire + i + 2) - 2,
                     (const char *)a->wire + i + 6);
    return text;
}

static void expect_secure(const char *name)
{
    query(name, RRTYPE_A, 0);
    if (rcode() != RRTYPE_RCODE_NOERROR || !is_ad() || !has_address(GOOD))
        fail_msg("%s: RCODE %u, AD %d, %s", name, rcode(), is_ad(), ede_text());
}

static void expect_insecure(const char *name)
{
    query(name, RRTYPE_A, 0);
    if (rcode() != RRTYPE_RCODE_NOERROR || is_ad() || !has_address(GOOD))
        fail_msg("%s: RCODE %u, AD %d, %s", name, rcode(), is_ad(), ede_text());
}

static void expect_bogus(const char *name, const char *why)
{
    query(name, RRTYPE_A, 0);
    if (rcode() != RRTYPE_RCODE_SERVFAIL || is_ad() || has_address(GOOD) || !explains(why))
        fail_msg("%s: RCODE %u, AD %d, without \"%s\": %s", name, rcode(), is_ad(), why,
                 ede_text());
}

/* ---- tests ---- */

static void test_secure(void **state)
{
    (void)state;
    start("");
    open_sealed();
    expect_secure("www.test.");
    expect_secure("www.signed.test.");
    expect_secure("chain.signed.test.");
    expect_secure("a.wild.signed.test.");
    finish();
}

static void test_negative(void **state)
{
    (void)state;
    start("");
    open_sealed();
    query("an.test.", RRTYPE_A, 0);
    assert_int_equal(rcode(), RRTYPE_RCODE_NXDOMAIN);
    assert_true(is_ad());
    query("www.test.", RRTYPE_MX, 0);
    assert_int_equal(rcode(), RRTYPE_RCODE_NOERROR);
    assert_true(is_ad());
    query("plain.test.", RRTYPE_DS, 0);
    assert_int_equal(rcode(), RRTYPE_RCODE_NOERROR);
    assert_true(is_ad());
    unsigned before = asked_cnt;
    query("an.test.", RRTYPE_A, 0); /* from the cache, with its proof */
    assert_true(is_ad() && asked_cnt == before && explains("bare"));
    finish();
}

static void test_insecure(void **state)
{
    (void)state;
    start("");
    open_sealed();
    expect_insecure("www.plain.test.");
    expect_insecure("alias.signed.test."); /* secure CNAME, insecure address */
    finish();
}

/* Zones whose parent has the same server: there is no referral. */
static void test_hidden_cuts(void **state)
{
    (void)state;
    start("");
    open_sealed();
    expect_secure("www.near.test.");
    expect_insecure("www.bare.test.");
    finish();
    start("unsigned");
    open_sealed();
    expect_bogus("www.near.test.", "no signature");
    finish();
}

static bool silent(const char *server, const char *name, uint16_t type)
{
    (void)server;
    (void)name;
    (void)type;
    return false;
}

/* An answer tells why it could not be validated: from the servers, the cache, the answer cache,
 * and stale. */
static void test_why_insecure(void **state)
{
    static const struct {
        const char *fault, *name;
        uint16_t type;
        unsigned rcode;
        const char *why;
    } rows[] = {
        {"ds-algorithm", "www.signed.test.", RRTYPE_A, RRTYPE_RCODE_NOERROR,
         "no DS has a supported alg"},
        {"ds-algorithm", "www.signed.test.", RRTYPE_TXT, RRTYPE_RCODE_NOERROR,
         "no DS has a supported alg"},
        {"ds-digest", "www.signed.test.", RRTYPE_A, RRTYPE_RCODE_NOERROR,
         "no DS has a supported digest"},
        {"costly-hash", "an.test.", RRTYPE_A, RRTYPE_RCODE_NXDOMAIN, "too many iterations"},
        {"costly-hash", "www.bare.test.", RRTYPE_A, RRTYPE_RCODE_NOERROR,
         "too many iterations"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        start(rows[i].fault);
        open_sealed();
        for (int round = 0; round < 8; round++) {
            query(rows[i].name, rows[i].type, 0);
            if (rcode() != rows[i].rcode || is_ad() || !explains(rows[i].why))
                fail_msg("%s, round %d: RCODE %u, %s", rows[i].name, round, rcode(),
                         ede_text());
        }
        assert_true(stage.engine->counts.answer_cache > 2);
        now_advance(4000000);
        query_with(silent, rows[i].name, rows[i].type, 0);
        if (rcode() != rows[i].rcode || !explains("it expired") || !explains(rows[i].why))
            fail_msg("%s, stale: RCODE %u, %s", rows[i].name, rcode(), ede_text());
        finish();
    }
    start(""); /* a zone without a DS needs no explanation */
    open_sealed();
    expect_insecure("www.plain.test.");
    assert_string_equal(ede_text(), "");
    finish();
}

static void test_faults(void **state)
{
    static const struct {
        const char *fault, *name, *why;
    } faults[] = {
        {"wrong-signature", "www.signed.test.", "does not match"},
        {"expired", "www.signed.test.", "expired on"},
        {"unsigned", "www.signed.test.", "no signature"},
        {"unsigned", "www.test.", "no signature"},
        {"stripped", "www.signed.test.", "no signature"},
        {"no-proof", "a.wild.signed.test.", "no NSEC"},
        {"no-proof", "an.test.", "no NSEC"},
        {"wrong-nsec", "an.test.", "NSEC by test."},
        {"wrong-proof", "an.test.", "do not prove"},
        {"no-keys", "www.test.", ""},
        {"", "empty.test.", "no NSEC"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        start(faults[i].fault);
        open_sealed();
        expect_bogus(faults[i].name, faults[i].why);
        finish();
    }
}

/* A bogus answer reaches clients that ask for it, and no others. */
static void test_checking_disabled(void **state)
{
    (void)state;
    start("wrong-signature");
    open_sealed();
    query("www.signed.test.", RRTYPE_A, MESSAGE_CD);
    assert_int_equal(rcode(), RRTYPE_RCODE_NOERROR);
    assert_true(has_address(GOOD) && !is_ad());
    expect_bogus("www.signed.test.", "does not match");
    query("www.signed.test.", RRTYPE_A, MESSAGE_CD);
    assert_true(has_address(GOOD) && !is_ad());
    expect_bogus("www.signed.test.", "does not match");
    fault = "";
    now_advance(400000);
    expect_secure("www.signed.test.");
    query("www.signed.test.", RRTYPE_A, MESSAGE_CD);
    assert_true(has_address(GOOD) && !is_ad());
    finish();
}

/* One server of two has wrong data, more of it too than is verified in one reply. */
static void test_another_server(void **state)
{
    const char *const addresses[] = {"192.0.2.3", "192.0.2.5"};
    const char *const faults[] = {"wrong-signature", "many-signatures"};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        start(faults[i / 2]);
        put_zone(stage.policy, "signed.test.", DELEGATION_STUB, addresses, 2);
        open_sealed();
        bad_server = addresses[i % 2];
        expect_secure("www.signed.test.");
        finish();
    }
}

static unsigned bad_cnt;

static bool count_bad(const char *server, const char *name, uint16_t type)
{
    bad_cnt += strcmp(server, bad_server) == 0;
    return signed_world(server, name, type);
}

/* A server whose reply did not validate is asked last from then on: before, it is asked for the
 * keys, a name, and a DS at most. */
static void test_bogus_server_is_last(void **state)
{
    const char *const addresses[] = {"192.0.2.3", "192.0.2.5"};
    unsigned all_cnt = 0;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        start("wrong-signature");
        put_zone(stage.policy, "signed.test.", DELEGATION_STUB, addresses, 2);
        open_sealed();
        bad_server = addresses[i];
        bad_cnt = 0;
        for (unsigned n = 0; n < 20; n++) {
            char name[DNAME_TEXT_MAX];
            snprintf(name, sizeof(name), "root-key-sentinel%u.signed.test.", n);
            query_with(count_bad, name, RRTYPE_A, 0);
            assert_true(rcode() == RRTYPE_RCODE_NOERROR && is_ad());
        }
        assert_in_range(bad_cnt, 0, 3);
        all_cnt += bad_cnt;
        finish();
    }
    assert_true(all_cnt > 0);
}

/* All servers send floods of wrong signatures: each gets its turn, for two verifications. */
static void test_wrong_signatures_are_bounded(void **state)
{
    const char *const addresses[] = {"192.0.2.3", "192.0.2.5"};

    (void)state;
    start("");
    put_zone(stage.policy, "signed.test.", DELEGATION_STUB, addresses, 2);
    open_sealed();
    query("signed.test.", RRTYPE_DNSKEY, 0);
    uint64_t before = stage.engine->counts.verified;
    fault = "many-signatures";
    query("www.signed.test.", RRTYPE_A, 0);
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    assert_int_equal(stage.engine->counts.verified - before, 2 * RULES_FAILURES);
    finish();
}

/* One server of two drops signatures, and no server tells whether there is a DS. */
static void test_unsigned_server(void **state)
{
    const char *const addresses[] = {"192.0.2.3", "192.0.2.5"};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        start("unsigned");
        put_zone(stage.policy, "signed.test.", DELEGATION_STUB, addresses, 2);
        open_sealed();
        bad_server = addresses[i];
        expect_secure("www.signed.test.");
        finish();
    }
}

static void test_referral_without_ds(void **state)
{
    (void)state;
    start("no-ds-in-referral");
    open_sealed();
    expect_secure("www.signed.test.");
    finish();
}

/* The denial of an empty non-terminal is wrong, but there is no DS. */
static void test_denied_ent(void **state)
{
    (void)state;
    start("");
    stage.policy->is_aggressive = false;
    open_sealed();
    query("ent.test.", RRTYPE_DS, 0);
    if (rcode() != RRTYPE_RCODE_NOERROR || !is_ad())
        fail_msg("RCODE %u: %s", rcode(), ede_text());
    query("ent.test.", RRTYPE_TXT, 0);
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    finish();
}

/* Return the section of the first record of that type in the last answer; -1: none. */
static int section_of(uint16_t type)
{
    const struct stage_answer *a = &stage.answers[stage.answer_cnt - 1];
    struct message m;
    struct message_record r;

    assert_int_equal(message_parse(a->wire, a->len, &m), MESSAGE_WHOLE);
    struct message_walk walk = message_walk(&m);
    while (message_next(&walk, &r))
        if (r.type == type)
            return (int)r.section;
    return -1;
}

/* Proofs follow the whole chain; those that a client's validator may want too. */
static void test_wildcard_cname(void **state)
{
    (void)state;
    start("");
    open_sealed();
    expect_secure("a.wc.signed.test.");
    assert_int_equal(section_of(RRTYPE_CNAME), MESSAGE_ANSWER);
    assert_int_equal(section_of(RRTYPE_A), MESSAGE_ANSWER);
    assert_int_equal(section_of(RRTYPE_NSEC), MESSAGE_AUTHORITY);
    assert_true(explains("\5alias\6signed\4test")); /* the next name of the NSEC in addition */
    finish();
}

static void test_secure_dname(void **state)
{
    (void)state;
    start("");
    open_sealed();
    for (const char *name = "ab"; *name; name++) {
        char text[30];
        unsigned before = asked_cnt;
        snprintf(text, sizeof(text), "%c.tree.signed.test.", *name);
        query(text, RRTYPE_CNAME, 0);
        assert_true(rcode() == RRTYPE_RCODE_NOERROR && is_ad());
        assert_int_equal(section_of(RRTYPE_DNAME), MESSAGE_ANSWER);
        assert_int_equal(section_of(RRTYPE_CNAME), MESSAGE_ANSWER);
        assert_true(*name == 'a' || asked_cnt == before);
    }
    finish();
}

static bool saw_deep;

static bool note_deep(const char *server, const char *name, uint16_t type)
{
    saw_deep |= strcmp(name, "deep.an.test.") == 0;
    return signed_world(server, name, type);
}

/* A proof that a minimised name does not exist is enough; the RCODE is not. */
static void test_minimised_nxdomain(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        start(i == 0 ? "" : "no-proof");
        open_sealed();
        saw_deep = false;
        ask("deep.an.test.");
        run(note_deep);
        assert_int_equal(rcode(), i == 0 ? RRTYPE_RCODE_NXDOMAIN : RRTYPE_RCODE_SERVFAIL);
        assert_int_equal(saw_deep, i == 1);
        finish();
    }
}

/* Local data below the root do not turn its failures into NODATA. */
static void test_failure_of_root(void **state)
{
    (void)state;
    start("silent");
    assert_int_equal(local_add_builtin(&stage.policy->local, &stage.policy->arena), ERR_OK);
    open_sealed();
    for (unsigned i = 0; i < 2; i++) {
        query(".", RRTYPE_SOA, 0);
        assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
        assert_false(is_ad());
    }
    finish();
}

/* Return the code of the EDE in the last answer; -1: none. */
static int ede_code(void)
{
    const struct stage_answer *a = &stage.answers[stage.answer_cnt - 1];

    for (size_t i = MESSAGE_HEADER_LEN; i + 6 < a->len; i++)
        if (util_get_u16(a->wire + i) == 15 && i + 4 + util_get_u16(a->wire + i + 2) <= a->len)
            return util_get_u16(a->wire + i + 4);
    return -1;
}

static bool saw_ds;

static bool note_ds(const char *server, const char *name, uint16_t type)
{
    saw_ds |= type == RRTYPE_DS;
    return signed_world(server, name, type);
}

/* Without keys no server is asked for a DS, which could not be validated. */
static void test_missing_keys(void **state)
{
    const char *const faults[] = {"no-keys", "no-keys-unsigned"};

    (void)state;
    for (unsigned i = 0; i < 4; i++) { /* the second time from the cache */
        if (i % 2 == 0) {
            start(faults[i / 2]);
            open_sealed();
            saw_ds = false;
        }
        ask("www.test.");
        run(note_ds);
        assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
        assert_int_equal(ede_code(), EDNS_EDE_DNSKEY_MISSING);
        assert_false(saw_ds);
        if (i % 2 == 1)
            finish();
    }
}

/* A proof beside a CNAME that its target is in an insecure zone: the DS is not looked up,
 * unless the proof is wrong, and the client gets the proof. */
static void test_proof_beside_cname(void **state)
{
    const char *const faults[] = {"", "wrong-beside", ""};

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(faults); i++) {
        start(faults[i]);
        stage.policy->is_aggressive = i < 2;
        open_sealed();
        query("www.test.", RRTYPE_A, 0); /* the keys are known */
        saw_ds = false;
        query_with(note_ds, "hop.test.", RRTYPE_A, 0);
        if (rcode() != RRTYPE_RCODE_NOERROR || is_ad() || !has_address(GOOD))
            fail_msg("%u: RCODE %u: %s", i, rcode(), ede_text());
        assert_int_equal(saw_ds, i > 0);
        assert_int_equal(section_of(RRTYPE_NSEC), i == 1 ? -1 : (int)MESSAGE_AUTHORITY);
        query("www.bare.test.", RRTYPE_A, 0);
        assert_false(is_ad());
        finish();
    }
}

static void test_negative_anchor_and_island(void **state)
{
    struct fault reason;

    (void)state;
    start("wrong-signature");
    assert_int_equal(nta_add(&stage.policy->ntas, "signed.test", &reason), ERR_OK);
    open_sealed();
    for (int i = 0; i < 2; i++) { /* from servers, and from the cache */
        expect_insecure("www.signed.test.");
        assert_non_null(strstr(ede_text(), "has a negative trust anchor for signed.test."));
    }
    expect_bogus("www.test.", "does not match");
    finish();
    start("");
    anchor_fini(&stage.policy->anchors);
    add_anchor(SIGNED_ZONE);
    open_sealed();
    expect_insecure("www.test.");
    expect_secure("www.signed.test.");
    finish();
}

static void add_local(const char *text)
{
    assert_int_equal(rrline_read(text, strlen(text), root, 3600, &rr), ERR_OK);
    struct local_record record = {rr.owner, rr.rdata, rr.type, (uint16_t)rr.rdata_len, rr.ttl};
    assert_int_equal(local_add(&stage.policy->local, &record, &stage.policy->arena, NULL),
                     ERR_OK);
}

/* A negative trust anchor is no reason for what local data answer. */
static void test_negative_anchor_and_local_data(void **state)
{
    static const struct {
        const char *name;
        bool is_local;
    } rows[] = {
        {"own.signed.test.", true},  {"x.tree.signed.test.", true},
        {"www.signed.test.", false}, {"leads.signed.test.", false},   /* to www.signed.test. */
        {"leads.elsewhere.", false}, {"inwards.signed.test.", true}}; /* to a local name */

    (void)state;
    start("");
    assert_int_equal(nta_add(&stage.policy->ntas, "signed.test", NULL), ERR_OK);
    add_local("own.signed.test. A " GOOD);
    add_local("tree.signed.test. DNAME local.");
    add_local("x.local. A " GOOD);
    add_local("leads.signed.test. CNAME www.signed.test.");
    add_local("leads.elsewhere. CNAME www.signed.test.");
    add_local("inwards.signed.test. CNAME own.signed.test.");
    open_sealed();
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect_insecure(rows[i].name);
        if ((ede_code() == EDNS_EDE_NEGATIVE_ANCHOR) == rows[i].is_local)
            fail_msg("%s: EDE %d, %s", rows[i].name, ede_code(), ede_text());
    }
    query("own.signed.test.", RRTYPE_TXT, 0);
    assert_int_equal(ede_code(), -1);
    finish();
}

/* A stub zone that the public tree does not have; one that it has, and signed. */
static void test_configured_zones(void **state)
{
    const char *const plain[] = {"192.0.2.4"}, *const own[] = {"192.0.2.3"};

    (void)state;
    start("");
    put_zone(stage.policy, "an.test.", DELEGATION_STUB, plain, 1);
    put_zone(stage.policy, "far.am.test.", DELEGATION_STUB, plain, 1);
    put_zone(stage.policy, "signed.test.", DELEGATION_STUB, own, 1);
    open_sealed();
    expect_insecure("www.an.test.");
    expect_insecure("www.far.am.test.");
    expect_secure("www.signed.test.");
    finish();
}

/* A forwarder that resolves, but drops all signatures. */
static bool stripping_forwarder(const char *server, const char *name, uint16_t type)
{
    (void)server;
    reply.flags = MESSAGE_QR | MESSAGE_RA;
    if (type == RRTYPE_A)
        add(MESSAGE_ANSWER, "%s 3600 A %s", name, GOOD);
    else
        add(MESSAGE_AUTHORITY, "test. 300 SOA a. b. 1 2 3 4 300");
    return true;
}

static void test_stripping_forwarder(void **state)
{
    const char *const addresses[] = {"192.0.2.77"};

    (void)state;
    start("");
    put_zone(stage.policy, ".", DELEGATION_FORWARD, addresses, 1);
    open_sealed();
    ask("www.signed.test.");
    run(stripping_forwarder);
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    assert_true(explains("the forwarder 192.0.2.77@53 sends no DNSSEC signatures"));
    finish();
}

/* A clock before the build: nothing is too old or too young, and nothing is secure. */
static void test_wrong_clock(void **state)
{
    (void)state;
    start("expired");
    open_sealed();
    stage.engine->oldest_ms = now_wall_ms() + 86400000;
    expect_insecure("www.signed.test.");
    assert_true(explains("clock of this resolver is wrong"));
    now_advance(3700000); /* after an hour it counts again */
    expect_bogus("www.signed.test.", "expired on");
    finish();
}

/* What was validated with a wrong clock is validated again when it is right. */
static void test_corrected_clock(void **state)
{
    (void)state;
    start("expired");
    open_sealed();
    stage.engine->oldest_ms = now_wall_ms() + 60000;
    res_serve_adopt(stage.serve, stage.policy);
    for (int i = 0; i < 5; i++)
        expect_insecure("www.signed.test.");
    now_advance(60000);
    res_serve_adopt(stage.serve, stage.policy);
    assert_false(engine_is_clock_wrong(stage.engine));
    expect_bogus("www.signed.test.", "expired on");
    finish();
}

/* The cache knows what two earlier boots agree on: a third that shows an earlier time is wrong,
 * and says so until its first hour is over.  One boot alone is not believed. */
static void test_clock_before_the_cache(void **state)
{
    (void)state;
    start("expired");
    now_freeze(AFTER_BUILD_MS);
    open_sealed();
    struct engine *engine = stage.engine;
    struct cache_store *store = engine->cache.store;
    engine_learn_clock(engine, "third");
    assert_false(engine_is_clock_wrong(engine));
    cache_clock_put(store, "first", AFTER_BUILD_MS + 86400000);
    engine_learn_clock(engine, "third");
    assert_false(engine_is_clock_wrong(engine));
    cache_clock_put(store, "second", AFTER_BUILD_MS + 7200000);
    engine_learn_clock(engine, "third");
    assert_int_equal(engine->oldest_ms, AFTER_BUILD_MS + 7200000);
    res_serve_adopt(stage.serve, stage.policy);
    expect_insecure("www.signed.test.");
    assert_true(explains("clock of this resolver is wrong"));
    engine_note_clock(engine); /* not yet */
    engine_learn_clock(engine, "fourth");
    assert_int_equal(engine->oldest_ms, AFTER_BUILD_MS + 7200000);
    now_advance(3600000);
    engine_note_clock(engine);
    engine_learn_clock(engine,
                       "fifth"); /* the fourth has an earlier time, and is one of three */
    assert_int_equal(engine->oldest_ms, AFTER_BUILD_MS + 7200000);
    res_serve_adopt(stage.serve, stage.policy);
    expect_bogus("www.signed.test.", "expired on");
    now_freeze(AFTER_BUILD_MS - 1000000000000); /* before the build, whatever the cache says */
    engine_learn_clock(engine, "sixth");
    assert_true(engine_is_clock_wrong(engine));
    finish();
}

/* A minimised name that does not exist: the full name is answered, to clients of all kinds. */
static void test_absent_above(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        start("");
        stage.policy->is_aggressive = i & 1;
        open_sealed();
        query("a.b.an.test.", RRTYPE_A, i & 2 ? MESSAGE_CD : 0);
        assert_int_equal(rcode(), RRTYPE_RCODE_NXDOMAIN);
        unsigned before = asked_cnt;
        query("a.b.an.test.", RRTYPE_A, 0);
        assert_int_equal(rcode(), RRTYPE_RCODE_NXDOMAIN);
        assert_true(is_ad());
        assert_int_equal(asked_cnt, before);
        finish();
    }
}

/* Cache an NSEC as if it had come with a denial of the zone. */
static void cache_nsec(enum zone zone, const char *text)
{
    uint8_t name[DNAME_MAX];
    struct signed_set *set = signed_read(&arena, text);
    struct signed_as as = {
        .signer = zone_names[zone], .inception = now_s() - 3600, .expiration = now_s() + 86400};
    signed_sign(&arena, set, &keys[zone], &as);
    struct cache_proof denial = {.owner = set->owner, .set = set->set};
    struct cache_denial_source source = {.zone = unit_name(zone_names[zone], name),
                                         .denials = &denial,
                                         .cnt = 1,
                                         .now_ms = now_wall_ms()};
    struct cache_store *store = stage.engine->cache.store;
    cache_denial_put(&stage.engine->cache, &source, &arena);
    while (!store->sync(store)) /* as at the end of a turn */
        ;
}

enum { DENIALS = 150 };

/* The denials that cache_denial_show gave: their owners, the last first. */
struct shown_denials {
    unsigned cnt;
    uint8_t owners[DENIALS][DNAME_MAX];
};

static void keep_denial(void *data, const struct cache_denial_zone *zone,
                        const struct cache_denial *denial)
{
    struct shown_denials *shown = data;

    assert_int_equal(zone->labels, 2);
    assert_true(denial->expire_ms == now_wall_ms() + 300000 && shown->cnt < DENIALS);
    memcpy(shown->owners[shown->cnt++], denial->proof.owner, dname_len(denial->proof.owner));
}

/* Return how many denials are shown of a name, and how many are left out. */
static unsigned show_denials(const char *text, struct shown_denials *shown, size_t *omitted)
{
    uint8_t dname[DNAME_MAX];
    struct cache_name name;

    shown->cnt = 0;
    cache_name_init(&name, unit_name(text, dname));
    *omitted = cache_denial_show(&stage.engine->cache, &name, &arena, keep_denial, shown);
    return shown->cnt;
}

/* `cache show` lists the last denials of a zone in their order, and those that say something of
 * a name. */
static void test_shown_denials(void **state)
{
    static struct shown_denials shown;
    size_t omitted;
    char text[100];

    (void)state;
    start("");
    open_sealed();
    assert_int_equal(show_denials("signed.test.", &shown, &omitted), 0);
    for (unsigned i = 0; i < DENIALS;
         i++) { /* every second span is known; the last goes round */
        snprintf(text, sizeof(text),
                 "n%03u.signed.test. 300 NSEC n%03ux.signed.test. A RRSIG NSEC", i, i);
        if (i == DENIALS - 1)
            snprintf(text, sizeof(text),
                     "n%03u.signed.test. 300 NSEC signed.test. A RRSIG NSEC", i);
        cache_nsec(SIGNED_ZONE, text);
    }
    assert_int_equal(show_denials("signed.test.", &shown, &omitted), CACHE_DENIAL_SHOWN_MAX);
    assert_int_equal(omitted, DENIALS - CACHE_DENIAL_SHOWN_MAX);
    assert_memory_equal(shown.owners[0], "\4n149", 5);
    for (unsigned i = 1; i < shown.cnt; i++)
        assert_true(dname_compare(shown.owners[i], shown.owners[i - 1]) < 0);
    assert_int_equal(show_denials("n007.signed.test.", &shown, &omitted),
                     1); /* it is the owner */
    assert_memory_equal(shown.owners[0], "\4n007", 5);
    assert_int_equal(show_denials("a.n007m.signed.test.", &shown, &omitted), 1);
    assert_int_equal(show_denials("n007x.signed.test.", &shown, &omitted),
                     0); /* the next name */
    assert_int_equal(show_denials("a.signed.test.", &shown, &omitted), 0);
    assert_int_equal(show_denials("zz.signed.test.", &shown, &omitted), 1);
    assert_memory_equal(shown.owners[0], "\4n149", 5);
    now_advance(300000);
    assert_int_equal(show_denials("signed.test.", &shown, &omitted), 0);
    assert_int_equal(show_denials("zz.signed.test.", &shown, &omitted), 0);
    finish();
}

static void expect_kept_denial(const char *name)
{
    unsigned before = asked_cnt;

    query(name, RRTYPE_A, 0);
    if (rcode() != RRTYPE_RCODE_NXDOMAIN || !is_ad() || !explains("from cached NSEC records") ||
        asked_cnt != before)
        fail_msg("%s: RCODE %u, AD %d, %u queries, %s", name, rcode(), is_ad(),
                 asked_cnt - before, ede_text());
}

/* A synthesised answer to a popular query is kept in the answer cache, until one of its proofs
 * is replaced or expires. */
static void test_kept_synthesised(void **state)
{
    const uint64_t *kept;
    char name[40];

    (void)state;
    start("");
    open_sealed();
    kept = &stage.engine->counts.answer_cache;
    query("an.test.", RRTYPE_A, 0);
    for (unsigned i = 0; i < 60; i++) { /* a flood: each name is asked twice */
        snprintf(name, sizeof(name), "a%02u.test.", i / 2);
        expect_kept_denial(name);
    }
    assert_int_equal(*kept, 0);
    for (unsigned i = 0; i < 8; i++)
        expect_kept_denial("am.test.");
    assert_true(*kept > 2);
    uint64_t before = *kept;
    cache_nsec(TEST_ZONE, "test. 300 NSEC am.test. SOA NS RRSIG NSEC DNSKEY");
    unsigned asked = asked_cnt;
    query("am.test.", RRTYPE_A, 0);
    assert_true(asked_cnt > asked && *kept == before);
    for (unsigned i = 0; i < 8; i++)
        expect_kept_denial("al.test.");
    assert_true(*kept > before);
    now_advance(299000);
    expect_kept_denial("al.test.");
    now_advance(1000);
    asked = asked_cnt;
    query("al.test.", RRTYPE_A, 0);
    assert_true(asked_cnt > asked);
    finish();
}

/* RFC 8509: names that ask for the trusted keys of the root. */
static void test_sentinel(void **state)
{
    static const struct {
        const char *what;
        bool is_other, fails;
    } rows[] = {
        {"is", false, false}, {"is", true, true}, {"not", false, true}, {"not", true, false}};

    (void)state;
    start("");
    open_sealed();
    for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) { /* the second time from the cache */
        char name[100];
        unsigned row = i % ARRAY_LEN(rows);
        snprintf(name, sizeof(name), "root-key-sentinel-%s-ta-%05u.signed.test.",
                 rows[row].what, (keys[ROOT_ZONE].tag + rows[row].is_other) & 0xffff);
        query(name, RRTYPE_A, 0);
        assert_int_equal(rcode(),
                         rows[row].fails ? RRTYPE_RCODE_SERVFAIL : RRTYPE_RCODE_NOERROR);
        assert_int_equal(is_ad(), !rows[row].fails);
        query(name, RRTYPE_A, MESSAGE_CD);
        assert_int_equal(rcode(), RRTYPE_RCODE_NOERROR);
    }
    finish();
}

static unsigned signal_cnt;

static bool count_signals(const char *server, const char *name, uint16_t type)
{
    char label[10];

    snprintf(label, sizeof(label), "_ta-%04x", keys[ROOT_ZONE].tag);
    signal_cnt += strncmp(name, label, strlen(label)) == 0 && type == 10;
    return signed_world(server, name, type);
}

/* RFC 8145: the root is told the tag of its key when its keys are fetched. */
static void test_signal(void **state)
{
    (void)state;
    start("");
    stage.policy->signals_anchors = true;
    open_sealed();
    signal_cnt = 0;
    ask("www.signed.test.");
    run(count_signals);
    assert_int_equal(rcode(), RRTYPE_RCODE_NOERROR);
    unsigned before = signal_cnt;
    assert_in_range(before, 1, 6); /* no server answers, so it is repeated */
    ask("www.test.");
    run(count_signals);
    assert_int_equal(signal_cnt, before);
    finish();
}

/* After their TTL, data are served in place of a bogus answer as long as their signatures hold;
 * without an answer also longer, but then without AD. */
static void test_stale_after_bogus(void **state)
{
    (void)state;
    start("");
    open_sealed();
    expect_secure("www.test.");
    fault = "wrong-signature";
    now_advance(3700 * 1000);
    for (unsigned i = 0; i < 2; i++) { /* the second time from the cached failure */
        unsigned before = asked_cnt;
        expect_secure("www.test.");
        assert_int_equal(ede_code(), EDNS_EDE_STALE);
        assert_true(i == 0 || asked_cnt == before);
    }
    now_advance(83000 * 1000);
    for (unsigned i = 0; i < 2; i++)
        expect_bogus("www.test.", "does not match");
    fault = "silent";
    now_advance(1000 * 1000);
    expect_insecure("www.test.");
    assert_int_equal(ede_code(), EDNS_EDE_STALE);
    finish();
}

static void test_wrong_anchor(void **state)
{
    struct signed_key key = keys[ROOT_ZONE];

    (void)state;
    start("");
    anchor_fini(&stage.policy->anchors);
    keys[ROOT_ZONE].rdata[10] ^= 1;
    add_anchor(ROOT_ZONE);
    keys[ROOT_ZONE] = key;
    open_sealed();
    expect_bogus("www.test.", "digest");
    finish();
}

/* An anchor whose algorithm is not supported: its zone is insecure. */
static void test_weak_anchor(void **state)
{
    uint8_t algorithm = keys[TEST_ZONE].algorithm;

    (void)state;
    start("");
    keys[TEST_ZONE].algorithm = 200;
    add_anchor(TEST_ZONE);
    keys[TEST_ZONE].algorithm = algorithm;
    open_sealed();
    unsigned before = asked_cnt;
    expect_insecure("www.test.");
    assert_in_range(asked_cnt - before, 1, 4); /* two referrals' servers, and early keys */
    finish();
}

static void test_ttl_is_capped(void **state)
{
    (void)state;
    start("high-ttl");
    open_sealed();
    expect_secure("www.test.");
    unsigned before = asked_cnt;
    now_advance(50000);
    expect_secure("www.test.");
    assert_int_equal(asked_cnt, before);
    now_advance(11000);
    expect_secure("www.test.");
    assert_int_equal(asked_cnt, before + 1);
    finish();
}

/* Equal queries of several clients wait together while the keys are fetched. */
static void test_merged(void **state)
{
    (void)state;
    start("");
    open_sealed();
    for (unsigned i = 0; i < 5; i++)
        ask_of(i, "www.signed.test.");
    run(signed_world);
    assert_int_equal(stage.answer_cnt, 5);
    /* three referrals and answers, and three times DNSKEY */
    assert_in_range(asked_cnt, 5, 8);
    finish();
}

/* Attacks on the work of a validator: the answer may fail, the work is bounded (docs/LIMITS.md
 * section 6), and other names are answered. */
static void test_costly_answers(void **state)
{
    static const struct {
        const char *fault, *name;
        unsigned rcode;
        unsigned verified_max; /* of the answer, its zone's keys and the chain above */
    } attacks[] = {
        {"many-signatures", "www.signed.test.", RRTYPE_RCODE_SERVFAIL,
         RULES_QUERY_VERIFICATIONS},
        {"padded", "an.test.", RRTYPE_RCODE_SERVFAIL, 32},
        {"costly-hashes", "an.test.", RRTYPE_RCODE_NXDOMAIN, 16},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(attacks); i++) {
        start("");
        open_sealed();
        expect_secure("www.test."); /* the chain is known, as at a resolver in use */
        uint64_t before = stage.engine->counts.verified;
        fault = attacks[i].fault;
        query(attacks[i].name, RRTYPE_A, 0);
        assert_int_equal(rcode(), attacks[i].rcode);
        assert_false(is_ad());
        assert_in_range(stage.engine->counts.verified - before, 0, attacks[i].verified_max);
        before = stage.engine->counts.verified;
        query(attacks[i].name, RRTYPE_A, 0); /* again: the failure is cached */
        assert_int_equal(stage.engine->counts.verified, before);
        fault = "";
        expect_secure("www.near.test.");
        finish();
    }
}

static void count_soa_verdicts(void *data, const struct trace_event *event)
{
    unsigned *cnt = data;
    *cnt += event->step == TRACE_STEP_VALIDATED && event->validated->type == RRTYPE_SOA;
}

/* A reply with many signatures is validated in slices, and other clients are answered between
 * them.  No signature is verified twice, and no verdict is traced twice. */
static void test_slices(void **state)
{
    unsigned slices = 1, soa_verdicts = 0;
    const struct trace_sink sink = {.note = count_soa_verdicts, .data = &soa_verdicts};

    (void)state;
    start("");
    open_sealed();
    expect_secure("www.test."); /* the chain is known */
    fault = "padded";
    stage.keeps_paused = true;
    size_t answer_cnt = stage.answer_cnt;
    uint64_t first = stage.engine->counts.verified;
    trace_listen(&stage.engine->listeners, &sink);
    query("an.test.", RRTYPE_A, 0);
    assert_int_equal(soa_verdicts, 1);
    assert_int_equal(stage.engine->counts.verified - first, RULES_SLICE);
    assert_true(res_serve_is_paused(stage.serve) && stage.answer_cnt == answer_cnt);
    fault = "";
    uint64_t of_others = stage.engine->counts.verified;
    expect_secure("www.signed.test.");
    of_others = stage.engine->counts.verified - of_others;
    assert_true(res_serve_is_paused(stage.serve));
    for (; res_serve_is_paused(stage.serve); slices++) {
        uint64_t before = stage.engine->counts.verified;
        res_serve_come_back(stage.serve);
        assert_in_range(stage.engine->counts.verified - before, 1, RULES_SLICE);
    }
    /* the SOA, and as many NSEC records as are kept */
    assert_int_equal(stage.engine->counts.verified - first - of_others, 1 + SCRUB_PROOFS_MAX);
    assert_int_equal(slices, (1 + SCRUB_PROOFS_MAX + RULES_SLICE - 1) / RULES_SLICE);
    assert_int_equal(soa_verdicts, 1);
    stage.keeps_paused = false;
    fault = "padded";
    run(signed_world);
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    finish();
}

/* A paused task ends with the engine. */
static void test_end_between_slices(void **state)
{
    (void)state;
    start("");
    open_sealed();
    expect_secure("www.test.");
    fault = "padded";
    stage.keeps_paused = true;
    query("an.test.", RRTYPE_A, 0);
    assert_true(res_serve_is_paused(stage.serve));
    finish();
}

/* The laboratory can take away the bounds on the work of a validator. */
static void test_unlimited_validation(void **state)
{
    uint64_t verified[2];

    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        start("");
        stage.policy->limits.validates_unlimited = !is_on;
        open_sealed();
        expect_secure("www.test.");
        const uint64_t before = stage.engine->counts.verified;
        fault = "many-signatures";
        query("www.signed.test.", RRTYPE_A, 0);
        assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
        verified[is_on] = stage.engine->counts.verified - before;
        finish();
    }
    print_message("verifications: %llu, without limits %llu\n", (unsigned long long)verified[1],
                  (unsigned long long)verified[0]);
    assert_true(verified[0] > verified[1]);
}

/* Without anchors nothing is validated, and nothing is asked for it. */
static void test_off(void **state)
{
    (void)state;
    start("wrong-signature");
    anchor_fini(&stage.policy->anchors);
    open_sealed();
    expect_insecure("www.signed.test.");
    assert_int_equal(stage.engine->counts.verified, 0);
    finish();
}

/* ---- aggressive use (RFC 8198) ---- */

/* Expect an answer that no server is asked for. */
static void expect_synthesised(const char *name, uint16_t type, unsigned wanted)
{
    unsigned before = asked_cnt;
    uint64_t counted = stage.engine->counts.aggressive;

    query(name, type, 0);
    if (rcode() != wanted || !is_ad() || asked_cnt != before ||
        stage.engine->counts.aggressive != counted + 1 || !explains("from cached NSEC"))
        fail_msg("%s: RCODE %u, AD %d, %u queries: %s", name, rcode(), is_ad(),
                 asked_cnt - before, ede_text());
}

/* Expect that a server is asked. */
static void expect_asked(const char *name, uint16_t type, uint16_t flags)
{
    unsigned before = asked_cnt;

    query(name, type, flags);
    if (asked_cnt == before || explains("from cached NSEC"))
        fail_msg("%s: %u queries: %s", name, asked_cnt - before, ede_text());
}

static void test_aggressive(void **state)
{
    (void)state;
    start("");
    open_sealed();
    query("an.test.", RRTYPE_A, 0); /* its NSEC leads from test. to bare.test. */
    expect_synthesised("am.test.", RRTYPE_AAAA, RRTYPE_RCODE_NXDOMAIN);
    assert_true(explains("bare"));
    expect_synthesised("deep.am.test.", RRTYPE_DS, RRTYPE_RCODE_NXDOMAIN);
    expect_synthesised("test.", RRTYPE_TXT, RRTYPE_RCODE_NOERROR);
    query("www.test.", RRTYPE_MX, 0);
    expect_synthesised("www.test.", RRTYPE_TXT, RRTYPE_RCODE_NOERROR);
    expect_synthesised("zz.www.test.", RRTYPE_A, RRTYPE_RCODE_NXDOMAIN);
    expect_secure("www.test.");
    /* behind the next name, and below a delegation */
    expect_asked("cc.test.", RRTYPE_A, 0);
    query("plain.test.", RRTYPE_DS, 0);
    expect_asked("am.plain.test.", RRTYPE_A, 0);
    expect_asked("plain.test.", RRTYPE_TXT, 0);
    /* names of NSEC records of other zones */
    expect_asked("aa.signed.test.", RRTYPE_A, 0);
    expect_synthesised("ab.signed.test.", RRTYPE_A, RRTYPE_RCODE_NXDOMAIN);
    finish();
}

static void test_aggressive_wildcard(void **state)
{
    (void)state;
    start("");
    open_sealed();
    expect_secure("a.wild.signed.test.");
    expect_synthesised("b.wild.signed.test.", RRTYPE_A, RRTYPE_RCODE_NOERROR);
    assert_true(has_address(GOOD));
    expect_synthesised("c.b.wild.signed.test.", RRTYPE_A, RRTYPE_RCODE_NOERROR);
    assert_true(has_address(GOOD));
    finish();
}

/* Clients that do not want validation get no synthesised answers, nor does a cache whose
 * denials have expired, were flushed, or were validated with other anchors. */
/* Data, or a delegation, that are cached contradict the denial. */
static void test_aggressive_contradicted(void **state)
{
    struct cache_origin origin = {.rank = CACHE_AUTH_ANSWER, .security = CACHE_INSECURE};
    struct delegation delegation;
    uint8_t dname[DNAME_MAX];
    struct addr server;

    (void)state;
    start("");
    open_sealed();
    query("an.test.", RRTYPE_A, 0);
    origin.now_ms = now_wall_ms();
    origin.route = stage.policy->route.hints.tag;
    struct signed_set *set = signed_read(&arena, "am.test. 300 A 192.0.2.9");
    assert_int_equal(cache_put(&stage.engine->cache, set->owner, set->set, &origin), ERR_OK);
    expect_asked("am.test.", RRTYPE_AAAA, 0);
    delegation_init(&delegation, unit_name("ao.test.", dname), DELEGATION_REFERRAL);
    assert_int_equal(addr_read("192.0.2.4", 53, &server), ERR_OK);
    delegation_add_addr(&delegation, delegation_add_server(&delegation, dname), &server);
    cache_put_delegation(&stage.engine->cache, &delegation, 300, INT64_MAX, &origin);
    expect_asked("x.ao.test.", RRTYPE_A, 0);
    expect_synthesised("ap.test.", RRTYPE_A, RRTYPE_RCODE_NXDOMAIN);
    finish();
}

static void test_aggressive_limits(void **state)
{
    struct cache_name name;
    uint8_t dname[DNAME_MAX];
    struct fault reason;

    (void)state;
    start("");
    open_sealed();
    query("an.test.", RRTYPE_A, 0);
    expect_asked("a1.test.", RRTYPE_A, MESSAGE_CD);
    expect_synthesised("a2.test.", RRTYPE_A, RRTYPE_RCODE_NXDOMAIN);
    cache_name_init(&name, unit_name("a3.test.", dname));
    cache_flush(&stage.engine->cache, &name);
    expect_asked("a3.test.", RRTYPE_A, 0);
    expect_synthesised("a4.test.", RRTYPE_A, RRTYPE_RCODE_NXDOMAIN);
    now_advance(301000); /* the TTL of the NSEC */
    expect_asked("a5.test.", RRTYPE_A, 0);
    expect_synthesised("a6.test.", RRTYPE_A, RRTYPE_RCODE_NXDOMAIN);
    assert_int_equal(nta_add(&stage.policy->ntas, "a7.test", &reason), ERR_OK);
    expect_asked("a7.test.", RRTYPE_A, 0);
    expect_synthesised("a8.test.", RRTYPE_A, RRTYPE_RCODE_NXDOMAIN);
    policy_seal_trust(stage.policy);
    engine_adopt(stage.engine, stage.policy);
    expect_asked("a9.test.", RRTYPE_A, 0);
    finish();
    start("");
    stage.policy->is_aggressive = false;
    open_sealed();
    query("an.test.", RRTYPE_A, 0);
    expect_asked("a1.test.", RRTYPE_A, 0);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aggressive),
        cmocka_unit_test(test_aggressive_wildcard),
        cmocka_unit_test(test_aggressive_contradicted),
        cmocka_unit_test(test_aggressive_limits),
        cmocka_unit_test(test_secure),
        cmocka_unit_test(test_negative),
        cmocka_unit_test(test_insecure),
        cmocka_unit_test(test_hidden_cuts),
        cmocka_unit_test(test_why_insecure),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_checking_disabled),
        cmocka_unit_test(test_another_server),
        cmocka_unit_test(test_wrong_signatures_are_bounded),
        cmocka_unit_test(test_bogus_server_is_last),
        cmocka_unit_test(test_unsigned_server),
        cmocka_unit_test(test_denied_ent),
        cmocka_unit_test(test_wildcard_cname),
        cmocka_unit_test(test_secure_dname),
        cmocka_unit_test(test_minimised_nxdomain),
        cmocka_unit_test(test_failure_of_root),
        cmocka_unit_test(test_missing_keys),
        cmocka_unit_test(test_proof_beside_cname),
        cmocka_unit_test(test_referral_without_ds),
        cmocka_unit_test(test_negative_anchor_and_island),
        cmocka_unit_test(test_negative_anchor_and_local_data),
        cmocka_unit_test(test_configured_zones),
        cmocka_unit_test(test_stripping_forwarder),
        cmocka_unit_test(test_wrong_clock),
        cmocka_unit_test(test_corrected_clock),
        cmocka_unit_test(test_clock_before_the_cache),
        cmocka_unit_test(test_absent_above),
        cmocka_unit_test(test_shown_denials),
        cmocka_unit_test(test_kept_synthesised),
        cmocka_unit_test(test_sentinel),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_stale_after_bogus),
        cmocka_unit_test(test_wrong_anchor),
        cmocka_unit_test(test_weak_anchor),
        cmocka_unit_test(test_ttl_is_capped),
        cmocka_unit_test(test_merged),
        cmocka_unit_test(test_costly_answers),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_end_between_slices),
        cmocka_unit_test(test_unlimited_validation),
        cmocka_unit_test(test_off),
    };

    hash_init();
    for (int i = 0; i < ZONES; i++)
        keys[i] = signed_make_key(DNSKEY_ECDSAP256, DNSKEY_ZONE | 1);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (int i = 0; i < ZONES; i++)
        signed_free_key(&keys[i]);
    return failed;
}
