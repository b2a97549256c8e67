/* Local data: special-use and locally served zones (RFC 6761, RFC 6303), records with wildcards
 * and zones of their own, hosts files. */
#include "tests/unit/unit.h"

#include "base/hash.h"
#include "dns/rrline.h"
#include "resolver/policy/local.h"

static const uint8_t root[] = {0};
static struct local local;
static struct arena arena;
static struct rrline line;
static struct diag diag;

static int set_up(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    diag_init(&diag);
    local = (struct local){.has_dname = false};
    return local_add_builtin(&local, &arena) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    local_fini(&local);
    arena_fini(&arena);
    diag_fini(&diag);
    return 0;
}

/* Add a record from text. */
static enum err try_add(const char *text, struct fault *fault)
{
    if (rrline_read(text, strlen(text), root, 3600, &line) != ERR_OK)
        fail_msg("%s: %s", text, line.fault.text);
    /* local_add must have copied the owner and the RDATA */
    struct local_record r = {line.owner, line.rdata, line.type, (uint16_t)line.rdata_len,
                             line.ttl};
    enum err err = local_add(&local, &r, &arena, fault);
    memset(line.owner, 0xff, sizeof(line.owner));
    memset(line.rdata, 0xff, line.rdata_len);
    return err;
}

static void add(const char *text)
{
    struct fault fault;
    assert_int_equal(try_add(text, &fault), ERR_OK);
}

static void expect_conflict(const char *text)
{
    struct fault fault = {0};
    assert_int_equal(try_add(text, &fault), ERR_FORMAT);
    assert_true(*fault.text);
}

static struct local_answer find(const char *text, uint16_t type)
{
    uint8_t name[DNAME_MAX];
    struct dname_parts parts;
    dname_split(unit_name(text, name), &parts);
    return local_find(&local, &parts, type);
}

/* Return true if this is the only record of the set. */
static bool is_record(const struct rrset *set, const char *text)
{
    if (rrline_read(text, strlen(text), root, 3600, &line) != ERR_OK)
        fail_msg("%s: %s", text, line.fault.text);
    return set->type == line.type && set->cnt == 1 && rrset_first(set).len == line.rdata_len &&
           memcmp(rrset_first(set).rdata, line.rdata, line.rdata_len) == 0;
}

struct expected {
    const char *name;
    enum rrtype type;
    enum local_kind kind;
};

static void expect(const struct expected *cases, size_t cnt)
{
    for (size_t i = 0; i < cnt; i++) {
        struct local_answer a = find(cases[i].name, (uint16_t)cases[i].type);
        if (a.kind != cases[i].kind)
            fail_msg("%s type %u: kind %d instead of %d", cases[i].name, cases[i].type, a.kind,
                     cases[i].kind);
        bool has_set = a.kind == LOCAL_DATA || a.kind == LOCAL_CNAME || a.kind == LOCAL_DNAME;
        assert_int_equal(a.set != NULL, has_set);
        bool is_negative = a.kind == LOCAL_NODATA || a.kind == LOCAL_NXDOMAIN;
        assert_int_equal(a.soa != NULL, is_negative);
    }
}

/* ---- built-in zones ---- */

static void test_special_names(void **state)
{
    static const struct expected cases[] = {
        {"localhost", RRTYPE_A, LOCAL_DATA}, /* RFC 6761 6.3 */
        {"LOCALHOST", RRTYPE_AAAA, LOCAL_DATA},
        {"a.b.localhost", RRTYPE_A, LOCAL_DATA},
        {"localhost", RRTYPE_MX, LOCAL_NODATA},
        {"a.localhost", RRTYPE_MX, LOCAL_NODATA},
        {"localhost", RRTYPE_SOA, LOCAL_DATA},
        {"localhost", RRTYPE_NS, LOCAL_DATA},
        {"test", RRTYPE_A, LOCAL_NODATA}, /* the apex exists, names below do not */
        {"test", RRTYPE_SOA, LOCAL_DATA},
        {"test", RRTYPE_NS, LOCAL_DATA},
        {"a.test", RRTYPE_A, LOCAL_NXDOMAIN},
        {"a.b.Test", RRTYPE_SOA, LOCAL_NXDOMAIN},
        {"x.onion", RRTYPE_A, LOCAL_NXDOMAIN},             /* RFC 7686 */
        {"x.invalid", RRTYPE_A, LOCAL_NXDOMAIN},           /* RFC 6761 6.4 */
        {"x.local", RRTYPE_A, LOCAL_NXDOMAIN},             /* RFC 6762 */
        {"x.home.arpa", RRTYPE_A, LOCAL_NXDOMAIN},         /* RFC 8375 */
        {"x.alt", RRTYPE_A, LOCAL_NXDOMAIN},               /* RFC 9476 */
        {"_dns.resolver.arpa", RRTYPE_SVCB, LOCAL_NODATA}, /* RFC 9462 */
        {"example.com", RRTYPE_A, LOCAL_NONE},
        {"testing", RRTYPE_A, LOCAL_NONE},
        {"a.mytest", RRTYPE_A, LOCAL_NONE},
        {"com", RRTYPE_A, LOCAL_NONE},
        {".", RRTYPE_NS, LOCAL_NONE},
        {"arpa", RRTYPE_A, LOCAL_NONE},
    };
    (void)state;
    expect(cases, ARRAY_LEN(cases));
    assert_true(is_record(find("localhost", RRTYPE_A).set, ". A 127.0.0.1"));
    assert_true(is_record(find("x.localhost", RRTYPE_AAAA).set, ". AAAA ::1"));
    /* a negative answer has a SOA, whose owner is the zone (RFC 6303 3) */
    struct local_answer a = find("x.y.test", RRTYPE_A);
    assert_memory_equal(a.zone, "\4test", 6);
    assert_int_equal(a.soa->type, RRTYPE_SOA);
    /* names above a built-in zone exist (RFC 8020) */
    assert_true(find("arpa", RRTYPE_A).has_below && !find("com", RRTYPE_A).has_below);
}

/* The borders of the ranges of RFC 6303 4, RFC 1918 and RFC 7793. */
static void test_reverse_zones(void **state)
{
    static const struct expected cases[] = {
        {"1.2.0.10.in-addr.arpa", RRTYPE_PTR, LOCAL_NXDOMAIN},
        {"10.in-addr.arpa", RRTYPE_PTR, LOCAL_NODATA},
        {"1.15.172.in-addr.arpa", RRTYPE_PTR, LOCAL_NONE},
        {"1.16.172.in-addr.arpa", RRTYPE_PTR, LOCAL_NXDOMAIN},
        {"1.31.172.in-addr.arpa", RRTYPE_PTR, LOCAL_NXDOMAIN},
        {"1.32.172.in-addr.arpa", RRTYPE_PTR, LOCAL_NONE},
        {"1.63.100.in-addr.arpa", RRTYPE_PTR, LOCAL_NONE},
        {"1.64.100.in-addr.arpa", RRTYPE_PTR, LOCAL_NXDOMAIN},
        {"1.127.100.in-addr.arpa", RRTYPE_PTR, LOCAL_NXDOMAIN},
        {"1.128.100.in-addr.arpa", RRTYPE_PTR, LOCAL_NONE},
        {"1.167.192.in-addr.arpa", RRTYPE_PTR, LOCAL_NONE},
        {"1.168.192.in-addr.arpa", RRTYPE_PTR, LOCAL_NXDOMAIN},
        {"1.0.0.127.in-addr.arpa", RRTYPE_PTR, LOCAL_DATA},
        {"2.0.0.127.in-addr.arpa", RRTYPE_PTR, LOCAL_NXDOMAIN},
        {"0.0.127.in-addr.arpa", RRTYPE_PTR, LOCAL_NODATA}, /* an empty non-terminal */
        {"x.d.f.ip6.arpa", RRTYPE_PTR, LOCAL_NXDOMAIN},
        {"x.c.f.ip6.arpa", RRTYPE_PTR, LOCAL_NONE},
        {"x.b.e.f.ip6.arpa", RRTYPE_PTR, LOCAL_NXDOMAIN},
        {"x.c.e.f.ip6.arpa", RRTYPE_PTR, LOCAL_NONE},
        {"8.8.8.8.in-addr.arpa", RRTYPE_PTR, LOCAL_NONE},
    };
    (void)state;
    expect(cases, ARRAY_LEN(cases));
    assert_true(is_record(find("1.0.0.127.in-addr.arpa", RRTYPE_PTR).set, ". PTR localhost."));
}

/* The parent, which is not local, is authoritative for the DS of a zone (RFC 4035 3.1.4.1). */
static void test_ds_is_the_parents(void **state)
{
    static const struct expected cases[] = {
        {"test", RRTYPE_DS, LOCAL_NONE},
        {"a.test", RRTYPE_DS, LOCAL_NXDOMAIN},
        {"corp.example", RRTYPE_DS, LOCAL_NONE},
        {"a.corp.example", RRTYPE_DS, LOCAL_NODATA},
        {"sub.corp.example", RRTYPE_DS, LOCAL_NODATA}, /* its parent is local too */
    };
    (void)state;
    add("corp.example. SOA ns.corp.example. a. 1 2 3 4 5");
    add("a.corp.example. A 192.0.2.1");
    add("sub.corp.example. SOA ns.corp.example. a. 1 2 3 4 5");
    expect(cases, ARRAY_LEN(cases));
}

/* Names at and below an exception are not local. */
static void test_exceptions(void **state)
{
    static const struct expected cases[] = {
        {"corp.test", RRTYPE_A, LOCAL_NONE},
        {"a.corp.test", RRTYPE_A, LOCAL_NONE},
        {"a.test", RRTYPE_A, LOCAL_NXDOMAIN},
        {"test", RRTYPE_A, LOCAL_NODATA},
        {"a.local", RRTYPE_A, LOCAL_NONE},
        {"local", RRTYPE_SOA, LOCAL_NONE},
        {"given.test", RRTYPE_MX, LOCAL_NODATA}, /* a zone of local data is not excepted */
        {"x.given.test", RRTYPE_A, LOCAL_NXDOMAIN},
        {"1.0.10.in-addr.arpa", RRTYPE_PTR, LOCAL_NONE},
        {"1.1.10.in-addr.arpa", RRTYPE_PTR, LOCAL_NXDOMAIN},
        {"ent.w.example", RRTYPE_A, LOCAL_NODATA},    /* the wildcard does not apply */
        {"ent.stub.w.example", RRTYPE_A, LOCAL_NONE}, /* nor below the exception */
    };
    static const char *const zones[] = {"Corp.TEST", "local", "given.test", "0.10.in-addr.arpa",
                                        "stub.w.example"};
    (void)state;
    add("given.test. SOA ns.test. a. 1 2 3 4 5");
    add("*.w.example. A 192.0.2.1");
    add("a.ent.w.example. A 192.0.2.1");
    add("a.ent.stub.w.example. A 192.0.2.1");
    for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
        uint8_t name[DNAME_MAX];
        assert_int_equal(local_except(&local, unit_name(zones[i], name), &arena), ERR_OK);
        memset(name, 0xff, sizeof(name));
    }
    expect(cases, ARRAY_LEN(cases));
    /* the order of the two calls does not count */
    local_fini(&local);
    local = (struct local){.has_dname = false};
    assert_int_equal(local_except(&local, (const uint8_t *)"\4test", &arena), ERR_OK);
    assert_int_equal(local_add_builtin(&local, &arena), ERR_OK);
    assert_int_equal(find("a.test", RRTYPE_A).kind, LOCAL_NONE);
}

/* ---- local data ---- */

static void test_data(void **state)
{
    static const struct expected cases[] = {
        {"www.example", RRTYPE_A, LOCAL_DATA},
        {"WWW.Example", RRTYPE_A, LOCAL_DATA},
        {"www.example", RRTYPE_AAAA, LOCAL_NODATA},
        {"a.www.example", RRTYPE_A, LOCAL_NONE}, /* only the name itself is local */
        {"example", RRTYPE_A, LOCAL_NONE},
        {"alias.example", RRTYPE_A, LOCAL_CNAME},
        {"alias.example", RRTYPE_CNAME, LOCAL_DATA},
        {"x.y.d.example", RRTYPE_A, LOCAL_DNAME},
        {"d.example", RRTYPE_DNAME, LOCAL_DATA},
        {"d.example", RRTYPE_A, LOCAL_NODATA},
        {"x.test", RRTYPE_A, LOCAL_DATA}, /* in a built-in zone */
        {"y.test", RRTYPE_A, LOCAL_NXDOMAIN},
        {"x.test", RRTYPE_TXT, LOCAL_NODATA},
        {"b.x.localhost", RRTYPE_A, LOCAL_DATA},
    };
    (void)state;
    add("WWW.example. A 192.0.2.1");
    add("alias.example. CNAME www.example.");
    add("d.example. DNAME t.example.");
    add("x.test. A 192.0.2.2");
    add("b.x.localhost. A 192.0.2.3");
    expect(cases, ARRAY_LEN(cases));
    assert_int_equal(find("x.y.d.example", RRTYPE_A).labels, 2);
    assert_true(is_record(find("b.x.localhost", RRTYPE_A).set, ". A 192.0.2.3"));
    assert_true(is_record(find("x.localhost", RRTYPE_A).set, ". A 127.0.0.1"));
    assert_true(find("example", RRTYPE_A).has_below);
    /* outside all zones the owner of the SOA is the query name */
    struct local_answer a = find("www.example", RRTYPE_AAAA);
    assert_true(a.soa && !a.zone);
}

/* A duplicate in any case changes nothing; the TTL of an RRset is the smallest of its records.
 */
static void test_duplicate_records(void **state)
{
    (void)state;
    add("a.example. 300 MX 1 mail.example.");
    add("a.example. 300 MX 1 MAIL.example.");
    add("A.EXAMPLE. 200 MX 1 mail.example.");
    const struct rrset *set = find("a.example", RRTYPE_MX).set;
    assert_true(set->cnt == 1 && set->ttl == 300);
    add("a.example. 100 MX 2 mail.example.");
    add("a.example. 400 MX 3 mail.example.");
    set = find("a.example", RRTYPE_MX).set;
    assert_true(set->cnt == 3 && set->ttl == 100);
    assert_true(rrset_check((const uint8_t *)set, rrset_stride(set)));
}

static void test_conflicts(void **state)
{
    (void)state;
    add("c.example. CNAME t.example.");
    add("c.example. CNAME T.example."); /* a duplicate */
    expect_conflict("c.example. CNAME other.example.");
    expect_conflict("c.example. A 192.0.2.1");
    add("a.example. A 192.0.2.1");
    expect_conflict("a.example. CNAME t.example.");
    add("d.example. DNAME t.example.");
    add("d.example. TXT beside");
    expect_conflict("d.example. DNAME other.example.");
    expect_conflict("x.y.d.example. A 192.0.2.1");
    assert_int_equal(find("x.y.d.example", RRTYPE_A).kind, LOCAL_DNAME);
    assert_int_equal(find("y.d.example", RRTYPE_A).kind, LOCAL_DNAME);
    add("a.b.example. A 192.0.2.1");
    expect_conflict("b.example. DNAME t.example.");
    add("z.example. SOA a. b. 1 2 3 4 5");
    add("z.example. SOA a. b. 1 2 3 4 5");
    expect_conflict("z.example. SOA a. b. 2 2 3 4 5");
}

/* A wildcard matches names whose closest encloser is its parent (RFC 4592). */
static void test_wildcards(void **state)
{
    static const struct expected cases[] = {
        {"x.w.example", RRTYPE_A, LOCAL_DATA},
        {"x.y.w.example", RRTYPE_A, LOCAL_DATA},
        {"x.W.EXAMPLE", RRTYPE_AAAA, LOCAL_NODATA},
        {"w.example", RRTYPE_A, LOCAL_NONE},
        {"*.w.example", RRTYPE_A, LOCAL_DATA},
        {"x.*.w.example", RRTYPE_A, LOCAL_NONE},
        {"own.w.example", RRTYPE_A, LOCAL_NODATA}, /* it exists */
        {"own.w.example", RRTYPE_TXT, LOCAL_DATA},
        {"x.own.w.example", RRTYPE_A, LOCAL_NONE},
        {"x.c.example", RRTYPE_A, LOCAL_CNAME},
        {"x.z.example", RRTYPE_A, LOCAL_DATA},
        {"z.example", RRTYPE_A, LOCAL_NODATA},
        {"ent.z.example", RRTYPE_A, LOCAL_NODATA}, /* an empty non-terminal */
        {"x.ent.z.example", RRTYPE_A, LOCAL_NXDOMAIN},
        {"x.v.z.example", RRTYPE_A,
         LOCAL_NODATA}, /* a wildcard that is an empty non-terminal (RFC 4592 2.2.2) */
        {"x.s.example", RRTYPE_A, LOCAL_DATA},
        {"ent.s.example", RRTYPE_A, LOCAL_NODATA}, /* outside a zone too */
    };
    (void)state;
    add("*.w.example. A 192.0.2.1");
    add("own.w.example. TXT t");
    add("*.c.example. CNAME t.example.");
    add("z.example. SOA a. b. 1 2 3 4 5");
    add("*.z.example. A 192.0.2.1");
    add("a.ent.z.example. A 192.0.2.1");
    add("a.*.v.z.example. A 192.0.2.1");
    add("*.s.example. A 192.0.2.1");
    add("a.ent.s.example. A 192.0.2.1");
    expect(cases, ARRAY_LEN(cases));
}

/* A SOA makes a zone: other names below it do not exist. */
static void test_zones_of_local_data(void **state)
{
    static const struct expected cases[] = {
        {"corp.example", RRTYPE_SOA, LOCAL_DATA},
        {"corp.example", RRTYPE_NS, LOCAL_NODATA},
        {"www.corp.example", RRTYPE_A, LOCAL_DATA},
        {"x.corp.example", RRTYPE_A, LOCAL_NXDOMAIN},
        {"b.corp.example", RRTYPE_A, LOCAL_NODATA},
        {"example", RRTYPE_A, LOCAL_NONE},
        {"big.example", RRTYPE_A, LOCAL_NODATA},
    };
    (void)state;
    add("corp.example. 3600 SOA ns.corp.example. a. 1 2 3 4 300");
    add("www.corp.example. A 192.0.2.1");
    add("a.b.corp.example. A 192.0.2.1");
    add("low.example. 60 SOA ns.corp.example. a. 1 2 3 4 300");
    add("big.example. 60 SOA ns.corp.example. a. 1 2 3 4 2147483648");
    expect(cases, ARRAY_LEN(cases));
    struct local_answer a = find("x.corp.example", RRTYPE_A);
    assert_memory_equal(a.zone, "\4corp\7example", 14);
    /* the smaller of TTL and MINIMUM (RFC 2308 3); more than 2^31 - 1 counts as 0 (RFC 2181 8)
     */
    assert_int_equal(a.soa->ttl, 300);
    assert_int_equal(find("corp.example", RRTYPE_SOA).set->ttl, 3600);
    assert_int_equal(find("x.low.example", RRTYPE_A).soa->ttl, 60);
    assert_int_equal(find("x.big.example", RRTYPE_A).soa->ttl, 0);
}

/* An RRset may fill a message; a further record is ERR_LIMIT, with a text for the first only.
 */
static void test_rrsets_that_fill_a_message(void **state)
{
    char text[60];
    struct fault fault = {0};
    unsigned cnt = 0;
    (void)state;
    for (;; cnt++) {
        snprintf(text, sizeof(text), "big.example. A 10.%u.%u.1", cnt / 250, cnt % 250);
        enum err err = try_add(text, &fault);
        if (err == ERR_LIMIT)
            break;
        assert_int_equal(err, ERR_OK);
    }
    assert_true(*fault.text);
    assert_int_equal(cnt, 65136 / 16); /* the octets left in a message, and 16 per record */
    assert_int_equal(try_add("big.example. A 192.0.2.1", &fault), ERR_LIMIT);
    assert_string_equal(fault.text, "");
    assert_int_equal(try_add("big.example. A 10.0.0.1", &fault), ERR_LIMIT);
    assert_int_equal(try_add("big.example. AAAA ::2", &fault), ERR_OK); /* another RRset */
    const struct rrset *set = find("big.example", RRTYPE_A).set;
    assert_int_equal(set->cnt, cnt);
    assert_true(rrset_check((const uint8_t *)set, rrset_stride(set)));
}

/* Names of 255 octets and of 127 labels, and a wildcard of that length. */
static void test_longest_names(void **state)
{
    char text[600] = "", record[700], below[620];
    (void)state;
    for (int i = 0; i < 123; i++)
        strcat(text, "a.");
    strcat(text, "example");
    snprintf(record, sizeof(record), "%s. A 192.0.2.1", text);
    add(record);
    assert_int_equal(find(text, RRTYPE_A).kind, LOCAL_DATA);
    text[0] = 'b';
    assert_int_equal(find(text, RRTYPE_A).kind, LOCAL_NONE);
    assert_int_equal(find(text + 2, RRTYPE_A).kind, LOCAL_NONE);
    assert_true(find(text + 2, RRTYPE_A).has_below);
    snprintf(record, sizeof(record), "*.%s. A 192.0.2.2", text + 4);
    add(record);
    snprintf(below, sizeof(below), "x.%s", text + 4);
    assert_int_equal(find(below, RRTYPE_A).kind, LOCAL_DATA);
    for (text[0] = '\0'; strlen(text) < 254;)
        strcat(text, "c.");
    snprintf(record, sizeof(record), "%s SOA a. b. 1 2 3 4 5", text); /* 127 labels */
    add(record);
    assert_int_equal(find(text, RRTYPE_A).kind, LOCAL_NODATA);
}

/* ---- hosts files ---- */

/* Read a hosts file and assert the number of warnings.  No NUL follows its octets. */
static void read_hosts(const char *text, size_t warning_cnt)
{
    size_t len = strlen(text), before = diag.warning_cnt;
    char *copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    assert_int_equal(local_add_hosts(&local, "hosts", copy, len, &diag, &arena), ERR_OK);
    free(copy);
    if (diag.warning_cnt - before != warning_cnt) {
        diag_print(&diag, stderr, false);
        fail_msg("%zu warnings instead of %zu", diag.warning_cnt - before, warning_cnt);
    }
    assert_int_equal(diag.error_cnt, 0);
}

static void test_hosts(void **state)
{
    static const struct expected cases[] = {
        {"one.example", RRTYPE_A, LOCAL_DATA},    {"uno.example", RRTYPE_A, LOCAL_DATA},
        {"ONE.example", RRTYPE_AAAA, LOCAL_DATA}, {"last.example", RRTYPE_A, LOCAL_DATA},
        {"no.example", RRTYPE_A, LOCAL_NONE},     {"nor.example", RRTYPE_A, LOCAL_NONE},
        {"tab.example", RRTYPE_A, LOCAL_DATA},    {"one.example", RRTYPE_MX, LOCAL_NODATA},
    };
    (void)state;
    read_hosts("# a comment\n\n   \t\r\n"
               "192.0.2.1 One.example uno.example # no.example\n"
               "2001:db8::1\tone.example#nor.example\r\n"
               " 192.0.2.2\ttab.example\n"
               "#192.0.2.3 no.example\n"
               "192.0.2.9 last.example",
               0);
    expect(cases, ARRAY_LEN(cases));
    assert_int_equal(find("one.example", RRTYPE_A).set->ttl, 300);
    /* the PTR record has the first name of the line */
    assert_true(
        is_record(find("1.2.0.192.in-addr.arpa", RRTYPE_PTR).set, ". PTR One.example."));
    assert_true(is_record(find("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0."
                               "2.ip6.arpa",
                               RRTYPE_PTR)
                              .set,
                          ". PTR one.example."));
    assert_true(
        is_record(find("9.2.0.192.in-addr.arpa", RRTYPE_PTR).set, ". PTR last.example."));
}

/* Reverse names with octets of one, two and three digits. */
static void test_reverse_names(void **state)
{
    (void)state;
    read_hosts("8.80.255.0 a.example\n100.10.9.200 b.example\n", 0);
    assert_true(find("0.255.80.8.in-addr.arpa", RRTYPE_PTR).kind == LOCAL_DATA);
    assert_true(find("200.9.10.100.in-addr.arpa", RRTYPE_PTR).kind == LOCAL_DATA);
}

static void test_invalid_hosts_lines(void **state)
{
    (void)state;
    read_hosts(
        "no-address a.example\n"                /* 1 */
        "192.0.2.256 a.example\n"               /* 2 */
        "fe80::1%eth0 a.example\n"              /* 3 */
        "192.0.2.1\n"                           /* 4: no name */
        "192.0.2.1 a..example good.example .\n" /* 5, 6 */
        "192.0.2.1 "
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
        "\n"                                                                      /* 7 */
        "192.0.2.1.192.0.2.1.192.0.2.1.192.0.2.1.192.0.2.1.192.0.2.1 a.example\n" /* 8 */
        "192.0.2.7 b\303\274cher.example\n", /* 9: UTF-8, added as it is */
        9);
    assert_int_equal(find("good.example", RRTYPE_A).kind, LOCAL_DATA);
    assert_int_equal(find("a.example", RRTYPE_A).kind, LOCAL_NONE);
    /* the PTR record has the first valid name of the line */
    assert_true(
        is_record(find("1.2.0.192.in-addr.arpa", RRTYPE_PTR).set, ". PTR good.example."));
    char octets[] = "192.0.2.1 a\0b.example\n\0\0\n192.0.2.2 end.example";
    assert_int_equal(
        local_add_hosts(&local, "hosts", octets, sizeof(octets) - 1, &diag, &arena), ERR_OK);
    assert_int_equal(find("end.example", RRTYPE_A).kind, LOCAL_DATA);
    read_hosts("", 0);
}

/* Blocklists: 0.0.0.0 and loopback addresses get no PTR record; "localhost" keeps both of its
 * addresses. */
static void test_blocklists(void **state)
{
    (void)state;
    read_hosts("127.0.0.1 localhost\n::1 localhost\n127.0.0.1 ad.example\n0.0.0.0 ad2.example "
               "ad3.example\n:: ad2.example\n0.0.0.0 ad2.example\n",
               0);
    assert_true(is_record(find("ad.example", RRTYPE_A).set, ". A 127.0.0.1"));
    assert_true(is_record(find("ad2.example", RRTYPE_A).set, ". A 0.0.0.0"));
    assert_true(is_record(find("ad3.example", RRTYPE_A).set, ". A 0.0.0.0"));
    assert_true(is_record(find("ad2.example", RRTYPE_AAAA).set, ". AAAA ::"));
    assert_true(is_record(find("1.0.0.127.in-addr.arpa", RRTYPE_PTR).set, ". PTR localhost."));
    assert_int_equal(find("0.0.0.0.in-addr.arpa", RRTYPE_PTR).kind, LOCAL_NXDOMAIN);
    assert_true(is_record(find("localhost", RRTYPE_A).set, ". A 127.0.0.1"));
    assert_true(is_record(find("localhost", RRTYPE_AAAA).set, ". AAAA ::1"));
}

/* One address on several lines: its PTR RRset has the first name of each, eight at most. */
static void test_many_names_of_one_address(void **state)
{
    char text[2000];
    size_t len = 0;
    (void)state;
    for (int i = 0; i < 20; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "192.0.2.1 n%d.example x%d.example\n", i, i);
    read_hosts(text, 0);
    const struct rrset *set = find("1.2.0.192.in-addr.arpa", RRTYPE_PTR).set;
    assert_int_equal(set->cnt, 8);
    /* names that share an RRset stay independent */
    read_hosts("192.0.2.2 n0.example\n", 0);
    assert_int_equal(find("n0.example", RRTYPE_A).set->cnt, 2);
    assert_int_equal(find("x0.example", RRTYPE_A).set->cnt, 1);
    assert_int_equal(find("n19.example", RRTYPE_A).set->cnt, 1);
}

/* A hosts file adds nothing below a DNAME or beside a CNAME of the local data. */
static void test_hosts_and_local_data(void **state)
{
    (void)state;
    add("d.example. DNAME t.example.");
    add("c.example. CNAME t.example.");
    add("2.0.192.in-addr.arpa. DNAME reverse.example.");
    read_hosts("192.0.2.1 x.d.example c.example ok.example\n", 2);
    assert_int_equal(find("x.d.example", RRTYPE_A).kind, LOCAL_DNAME);
    assert_int_equal(find("c.example", RRTYPE_A).kind, LOCAL_CNAME);
    assert_int_equal(find("ok.example", RRTYPE_A).kind, LOCAL_DATA);
    assert_int_equal(find("1.2.0.192.in-addr.arpa", RRTYPE_PTR).kind, LOCAL_DNAME);
}

/* ---- no memory ---- */

static void test_no_memory(void **state)
{
    struct fault fault;
    enum err err = ERR_NOMEM;
    unsigned failed_cnt = 0;
    (void)state;
    for (size_t cap = 1; err != ERR_OK; cap += 512) {
        struct local other = {.has_dname = false};
        struct arena small;
        arena_init(&small, cap);
        err = local_add_builtin(&other, &small);
        struct local_record r = {(const uint8_t *)"\1a\7example", (const uint8_t *)"\1\2\3\4",
                                 RRTYPE_A, 4, 60};
        if (!err)
            err = local_add(&other, &r, &small, &fault);
        if (!err)
            err = local_add_hosts(&other, "hosts", "192.0.2.1 b.example", 19, &diag, &small);
        assert_true(err == ERR_OK || err == ERR_NOMEM);
        failed_cnt += err != ERR_OK;
        local_fini(&other);
        arena_fini(&small);
    }
    assert_true(failed_cnt > 10);
}

int main(void)
{
#define FRESH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FRESH(test_special_names),
        FRESH(test_reverse_zones),
        FRESH(test_ds_is_the_parents),
        FRESH(test_exceptions),
        FRESH(test_data),
        FRESH(test_duplicate_records),
        FRESH(test_conflicts),
        FRESH(test_wildcards),
        FRESH(test_zones_of_local_data),
        FRESH(test_rrsets_that_fill_a_message),
        FRESH(test_longest_names),
        FRESH(test_hosts),
        FRESH(test_reverse_names),
        FRESH(test_invalid_hosts_lines),
        FRESH(test_blocklists),
        FRESH(test_many_names_of_one_address),
        FRESH(test_hosts_and_local_data),
        FRESH(test_no_memory),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
