/* Lookup of a name and a type: the examples of RFC 4592 2.2.1, DNAME (RFC 6672), zone cuts, and
 * random zones against a plain implementation of RFC 1034 4.3.2. */
#include "zones.h"

#include "authd/answer/lookup.h"
#include "base/hash.h"
#include "base/rng.h"

/* The outcome that lookup_find must return. `node` and `encloser` are owner names, "" for NULL.
 */
struct expected {
    const char *name;
    enum rrtype type;
    enum outcome_kind kind;
    const char *node, *encloser;
    unsigned set; /* type of the set; 0: none */
    bool is_wildcard;
};

static void expect_node(const struct node *node, const char *owner)
{
    uint8_t name[DNAME_MAX];

    if (!*owner) {
        assert_null(node);
        return;
    }
    assert_non_null(node);
    assert_true(dname_is_equal(node->name, unit_name(owner, name)));
}

static void expect(const struct zone *zone, const struct expected *cases, size_t cnt)
{
    for (size_t i = 0; i < cnt; i++) {
        uint8_t name[DNAME_MAX];
        struct dname_parts parts;
        const struct expected *e = &cases[i];

        dname_split(unit_name(e->name, name), &parts);
        struct outcome o = lookup_find(zone, &parts, (uint16_t)e->type);
        if (o.kind != e->kind)
            fail_msg("%s type %u: outcome %d instead of %d", e->name, e->type, o.kind, e->kind);
        expect_node(o.node, e->node);
        expect_node(o.encloser, e->encloser);
        assert_int_equal(o.set ? o.set->type : 0, e->set);
        assert_int_equal(o.is_wildcard, e->is_wildcard);
    }
}

/* The zone of RFC 4592 2.2.1, its examples, and more. */
static void test_wildcards(void **state)
{
    static const struct expected cases[] = {
        {"host3.example.", RRTYPE_MX, OUTCOME_ANSWER, "*.example.", "example.", RRTYPE_MX,
         true},
        {"host3.example.", RRTYPE_A, OUTCOME_NODATA, "*.example.", "example.", 0, true},
        {"foo.bar.example.", RRTYPE_TXT, OUTCOME_ANSWER, "*.example.", "example.", RRTYPE_TXT,
         true},
        {"host1.example.", RRTYPE_MX, OUTCOME_NODATA, "host1.example.", "", 0, false},
        {"sub.*.example.", RRTYPE_MX, OUTCOME_NODATA, "sub.*.example.", "", 0, false},
        {"_telnet._tcp.host1.example.", RRTYPE_SRV, OUTCOME_NXDOMAIN, "", "_tcp.host1.example.",
         0, false},
        {"host.subdel.example.", RRTYPE_A, OUTCOME_REFERRAL, "subdel.example.", "", RRTYPE_NS,
         false},
        {"ghost.*.example.", RRTYPE_MX, OUTCOME_NXDOMAIN, "", "*.example.", 0, false},
        /* a query for the asterisk label matches it exactly (2.1.1) */
        {"*.example.", RRTYPE_TXT, OUTCOME_ANSWER, "*.example.", "", RRTYPE_TXT, false},
        {"*.example.", RRTYPE_A, OUTCOME_NODATA, "*.example.", "", 0, false},
        /* the wildcard does not apply to an empty non-terminal (2.2.2) */
        {"_tcp.host2.example.", RRTYPE_TXT, OUTCOME_NODATA, "_tcp.host2.example.", "", 0,
         false},
        {"host2.example.", RRTYPE_TXT, OUTCOME_NODATA, "host2.example.", "", 0, false},
        /* a wildcard that is an empty non-terminal: NODATA, not NXDOMAIN (2.2.2) */
        {"a.w.example.", RRTYPE_TXT, OUTCOME_NODATA, "*.w.example.", "w.example.", 0, true},
        {"a.w.example.", RRTYPE_ANY, OUTCOME_NODATA, "*.w.example.", "w.example.", 0, true},
        /* CNAME at a wildcard (RFC 4592 4.4) */
        {"x.c.example.", RRTYPE_A, OUTCOME_CNAME, "*.c.example.", "c.example.", RRTYPE_CNAME,
         true},
        {"x.c.example.", RRTYPE_CNAME, OUTCOME_ANSWER, "*.c.example.", "c.example.",
         RRTYPE_CNAME, true},
        {"y.x.C.exAmple.", RRTYPE_ANY, OUTCOME_ANSWER, "*.c.example.", "c.example.", 0, true},
    };
    (void)state;
    struct zone *zone = zones_open(
        "example.", ZONES_HEAD "* TXT wild\n* MX 10 host1\nsub.* TXT \"not a wildcard\"\n"
                               "host1 A 192.0.2.1\n_ssh._tcp.host1 SRV 0 0 22 host1\n"
                               "_ssh._tcp.host2 SRV 0 0 22 host1\nsubdel NS ns.example.com.\n"
                               "a.*.w TXT below\n*.c CNAME host1\n");
    expect(zone, cases, ARRAY_LEN(cases));
    zone_unref(&zone);
}

static void test_cuts(void **state)
{
    static const struct expected cases[] = {
        {"cut.example.", RRTYPE_A, OUTCOME_REFERRAL, "cut.example.", "", RRTYPE_NS, false},
        {"cut.example.", RRTYPE_NS, OUTCOME_REFERRAL, "cut.example.", "", RRTYPE_NS, false},
        {"cut.example.", RRTYPE_ANY, OUTCOME_REFERRAL, "cut.example.", "", RRTYPE_NS, false},
        {"CUT.EXAMPLE.", RRTYPE_SOA, OUTCOME_REFERRAL, "cut.example.", "", RRTYPE_NS, false},
        /* the parent is authoritative for the DS (RFC 4035 3.1.4.1) */
        {"cut.example.", RRTYPE_DS, OUTCOME_ANSWER, "cut.example.", "", RRTYPE_DS, false},
        {"bare.example.", RRTYPE_DS, OUTCOME_NODATA, "bare.example.", "", 0, false},
        {"a.cut.example.", RRTYPE_DS, OUTCOME_REFERRAL, "cut.example.", "", RRTYPE_NS, false},
        /* names below the cut are referred, glue or not */
        {"ns.cut.example.", RRTYPE_A, OUTCOME_REFERRAL, "cut.example.", "", RRTYPE_NS, false},
        {"ns.cut.example.", RRTYPE_DS, OUTCOME_REFERRAL, "cut.example.", "", RRTYPE_NS, false},
        {"x.ns.cut.example.", RRTYPE_A, OUTCOME_REFERRAL, "cut.example.", "", RRTYPE_NS, false},
        {"no.such.cut.example.", RRTYPE_A, OUTCOME_REFERRAL, "cut.example.", "", RRTYPE_NS,
         false},
        /* a wildcard does not apply below the cut */
        {"x.deep.example.", RRTYPE_A, OUTCOME_REFERRAL, "deep.example.", "", RRTYPE_NS, false},
        {"other.example.", RRTYPE_A, OUTCOME_ANSWER, "*.example.", "example.", RRTYPE_A, true},
        /* names above a cut are authoritative */
        {"y.example.", RRTYPE_A, OUTCOME_NODATA, "y.example.", "", 0, false},
        {"z.y.example.", RRTYPE_A, OUTCOME_REFERRAL, "z.y.example.", "", RRTYPE_NS, false},
        /* the NS of the apex are authoritative */
        {"example.", RRTYPE_NS, OUTCOME_ANSWER, "example.", "", RRTYPE_NS, false},
        {"eXAMPLE.", RRTYPE_DS, OUTCOME_NODATA, "example.", "", 0, false},
        {"example.", RRTYPE_ANY, OUTCOME_ANSWER, "example.", "", 0, false},
    };
    (void)state;
    struct zone *zone =
        zones_open("example.", ZONES_HEAD
                   "cut NS ns.cut\ncut DS 1 13 2 "
                   "0000000000000000000000000000000000000000000000000000000000000000\n"
                   "ns.cut A 192.0.2.2\nbare NS ns\n"
                   "deep NS ns\n* A 192.0.2.3\nz.y NS ns\n");
    expect(zone, cases, ARRAY_LEN(cases));
    zone_unref(&zone);
}

static void test_names_and_aliases(void **state)
{
    static const struct expected cases[] = {
        {"www.example.", RRTYPE_A, OUTCOME_CNAME, "www.example.", "", RRTYPE_CNAME, false},
        {"www.example.", RRTYPE_CNAME, OUTCOME_ANSWER, "www.example.", "", RRTYPE_CNAME, false},
        {"www.example.", RRTYPE_ANY, OUTCOME_ANSWER, "www.example.", "", 0, false},
        {"x.www.example.", RRTYPE_A, OUTCOME_NXDOMAIN, "", "www.example.", 0, false},
        {"ent.example.", RRTYPE_A, OUTCOME_NODATA, "ent.example.", "", 0, false},
        {"ent.example.", RRTYPE_ANY, OUTCOME_NODATA, "ent.example.", "", 0, false},
        {"c.b.ent.example.", RRTYPE_A, OUTCOME_NXDOMAIN, "", "b.ent.example.", 0, false},
        {"c.c.ent.example.", RRTYPE_A, OUTCOME_NXDOMAIN, "", "ent.example.", 0, false},
        {"gone.example.", RRTYPE_ANY, OUTCOME_NXDOMAIN, "", "example.", 0, false},
        /* a DNAME redirects the names below its owner, not the owner (RFC 6672 2.2, 2.3) */
        {"d.example.", RRTYPE_DNAME, OUTCOME_ANSWER, "d.example.", "", RRTYPE_DNAME, false},
        {"d.example.", RRTYPE_TXT, OUTCOME_ANSWER, "d.example.", "", RRTYPE_TXT, false},
        {"d.example.", RRTYPE_A, OUTCOME_NODATA, "d.example.", "", 0, false},
        {"x.d.example.", RRTYPE_A, OUTCOME_DNAME, "d.example.", "d.example.", RRTYPE_DNAME,
         false},
        {"x.y.D.example.", RRTYPE_DNAME, OUTCOME_DNAME, "d.example.", "d.example.",
         RRTYPE_DNAME, false},
        {"*.d.example.", RRTYPE_ANY, OUTCOME_DNAME, "d.example.", "d.example.", RRTYPE_DNAME,
         false},
        /* types that are not there */
        {"ns.example.", RRTYPE_RRSIG, OUTCOME_NODATA, "ns.example.", "", 0, false},
        {"ns.example.", 65280, OUTCOME_NODATA, "ns.example.", "", 0, false},
    };
    (void)state;
    struct zone *zone =
        zones_open("example.", ZONES_HEAD "www CNAME ns\na.b.ent TXT t\nd DNAME t\nd TXT t\n");
    expect(zone, cases, ARRAY_LEN(cases));
    zone_unref(&zone);
}

/* A name of 255 octets is found, and so is the closest encloser of one that does not exist. */
static void test_longest_names(void **state)
{
    char text[700], line[800];
    uint8_t name[DNAME_MAX];
    struct dname_parts parts;
    size_t len = 0;
    (void)state;
    for (int i = 0; i < 123; i++) /* a. x 123, "example." 9 octets: 255 */
        len += (size_t)snprintf(text + len, sizeof(text) - len, "a.");
    snprintf(line, sizeof(line), ZONES_HEAD "%sexample. TXT t\n", text);
    struct zone *zone = zones_open("example.", line);
    snprintf(line, sizeof(line), "%sexample.", text);
    assert_int_equal(dname_len(unit_name(line, name)), DNAME_MAX);
    dname_split(name, &parts);
    struct outcome o = lookup_find(zone, &parts, RRTYPE_TXT);
    assert_int_equal(o.kind, OUTCOME_ANSWER);
    assert_int_equal(o.node->labels, 124);
    line[0] = 'b';
    dname_split(unit_name(line, name), &parts);
    o = lookup_find(zone, &parts, RRTYPE_TXT);
    assert_int_equal(o.kind, OUTCOME_NXDOMAIN);
    assert_int_equal(o.encloser->labels, 123);
    line[sizeof("a.a.") - 1] = 'b'; /* another third label: the first three do not exist */
    dname_split(unit_name(line, name), &parts);
    o = lookup_find(zone, &parts, RRTYPE_TXT);
    assert_int_equal(o.encloser->labels, 121);
    zone_unref(&zone);
}

/* ---- random zones ---- */

/* Return the node of that name by comparing all names; NULL if there is none. */
static const struct node *find_by_comparing(const struct zone *zone, const uint8_t *name)
{
    for (size_t c = 0; c < zone->chunk_cnt; c++)
        for (size_t n = 0; n < zone->chunks[c]->cnt; n++)
            if (dname_is_equal(zone->chunks[c]->node[n]->name, name))
                return zone->chunks[c]->node[n];
    return NULL;
}

static void expect_data(const struct node *node, uint16_t type, struct outcome *o)
{
    o->node = node;
    o->set = node_find(node, type);
    o->kind = o->set ? OUTCOME_ANSWER : OUTCOME_NODATA;
    if (!o->set && (o->set = node_find(node, RRTYPE_CNAME)))
        o->kind = OUTCOME_CNAME;
}

/* Step 3 of RFC 1034 4.3.2, from the apex down, as RFC 4592 3.3 and RFC 6672 3.2 amend it. */
static struct outcome find_from_the_apex(const struct zone *zone, const uint8_t *name,
                                         uint16_t type)
{
    unsigned labels = dname_labels(name);
    const struct node *last = zone->apex;
    struct outcome o = {.kind = OUTCOME_NXDOMAIN};
    uint8_t wildcard[DNAME_MAX] = {1, '*'};

    for (unsigned n = zone->labels + 1U; n <= labels; n++) {
        const struct node *node = find_by_comparing(zone, dname_suffix(name, n));
        if (!node) {
            o.encloser = last;
            if ((o.set = node_find(last, RRTYPE_DNAME))) {
                o.kind = OUTCOME_DNAME;
                o.node = last;
                return o;
            }
            memcpy(wildcard + 2, last->name, last->name_len);
            node = find_by_comparing(zone, wildcard);
            o.is_wildcard = node;
            if (node)
                expect_data(node, type, &o);
            return o;
        }
        if (node_find(node, RRTYPE_NS) && !(n == labels && type == RRTYPE_DS))
            return (struct outcome){
                .kind = OUTCOME_REFERRAL, .node = node, .set = node_find(node, RRTYPE_NS)};
        last = node;
    }
    expect_data(last, type, &o);
    return o;
}

static void write_name(struct rng *rng, char *out)
{
    static const char *const labels[] = {"a", "b", "*", "A"};

    *out = '\0';
    for (unsigned n = 1 + rng_below(rng, 4); n > 0; n--) {
        strcat(out, labels[rng_below(rng, ARRAY_LEN(labels))]);
        strcat(out, ".");
    }
    strcat(out, "example.");
}

/* Make a zone of random records.  NULL if it breaks a rule, such as a CNAME beside other data.
 */
static struct zone *make_random(struct rng *rng)
{
    static const char *const data[] = {"A 192.0.2.1", "TXT t", "CNAME a.example.",
                                       "DNAME b.a.test.", "NS a.ns.test."};
    char *text, *report = NULL, name[60];
    size_t len;
    FILE *out = open_memstream(&text, &len);

    fputs(ZONES_HEAD, out);
    for (unsigned n = 1 + rng_below(rng, 6); n > 0; n--) {
        write_name(rng, name);
        fprintf(out, "%s %s\n", name, data[rng_below(rng, ARRAY_LEN(data))]);
    }
    fclose(out);
    struct zone *zone = zones_read("example.", text, &report);
    free(text);
    free(report);
    return zone;
}

static void test_random_zones(void **state)
{
    static const uint16_t types[] = {RRTYPE_A,     RRTYPE_TXT, RRTYPE_CNAME,
                                     RRTYPE_DNAME, RRTYPE_NS,  RRTYPE_DS};
    unsigned zone_cnt = 0, kinds[OUTCOME_REFERRAL + 1] = {0};
    struct rng rng;
    (void)state;
    rng_init_seeded(&rng, 16);
    for (unsigned i = 0; i < 3000; i++) {
        struct zone *zone = make_random(&rng);
        if (!zone)
            continue;
        zone_cnt++;
        for (unsigned k = 0; k < 40; k++) {
            uint8_t name[DNAME_MAX];
            char text[60];
            struct dname_parts parts;
            write_name(&rng, text);
            uint16_t type = types[rng_below(&rng, ARRAY_LEN(types))];
            dname_split(unit_name(text, name), &parts);
            struct outcome is = lookup_find(zone, &parts, type),
                           want = find_from_the_apex(zone, name, type);
            assert_int_equal(is.kind, want.kind);
            assert_ptr_equal(is.node, want.node);
            assert_ptr_equal(is.set, want.set);
            assert_ptr_equal(is.encloser, want.encloser);
            assert_int_equal(is.is_wildcard, want.is_wildcard);
            kinds[is.kind]++;
        }
        zone_unref(&zone);
    }
    print_message("%u zones\n", zone_cnt);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        assert_true(kinds[i] > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wildcards),         cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_names_and_aliases), cmocka_unit_test(test_longest_names),
        cmocka_unit_test(test_random_zones),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
