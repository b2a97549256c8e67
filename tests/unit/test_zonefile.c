/* Master files: the zones that they make, and the reports of their errors with places. */
#include "zones.h"

#include "base/hash.h"

static const struct node *node_at(const struct zone *zone, const uint8_t *name)
{
    return zone_find_name(zone, dname_hash(name), name);
}

static const struct rrset *find(const struct zone *zone, const char *name, uint16_t type)
{
    uint8_t wire[DNAME_MAX];
    const struct node *node = node_at(zone, unit_name(name, wire));
    return node ? node_find(node, type) : NULL;
}

static void expect_fault(const char *text, const char *expected)
{
    char *report;
    struct zone *zone = zones_read("example.", text, &report);
    if (zone || !strstr(report, expected))
        fail_msg("%s\nexpected: %s\ngot: %s", text, expected, zone ? "a zone" : report);
    free(report);
}

static struct zone *expect_zone(const char *text, const char *warning)
{
    char *report;
    struct zone *zone = zones_read("example.", text, &report);
    if (!zone || (warning ? !strstr(report, warning) : *report))
        fail_msg("%s\nexpected: %s\ngot: %s", text, warning ? warning : "no finding", report);
    free(report);
    return zone;
}

static void records_inherit_what_they_leave_out(void **state)
{
    (void)state;
    struct zone *zone =
        expect_zone("@ 7 SOA ns host ( 1 2 ; a comment with ( in it\n 3 4 300 )\n"
                    "\tNS ns\n"
                    "ns IN 60 A 192.0.2.1\n"
                    "   A 192.0.2.2\n"
                    "t 5 in TXT \"a;b\" c\\\"d \"e\"f\n"
                    "$TTL 1h\n"
                    "u TXT x\n"
                    "$ORIGIN sub\n"
                    "v 9 TXT x\n"
                    "w TXT x\n"
                    "$ORIGIN example.\n"
                    "( x ) TXT y\n",
                    NULL);
    assert_int_equal(find(zone, "example.", RRTYPE_SOA)->ttl, 7);
    assert_int_equal(find(zone, "example.", RRTYPE_NS)->ttl, 7);
    assert_int_equal(find(zone, "ns.example.", RRTYPE_A)->ttl, 60);
    assert_int_equal(find(zone, "ns.example.", RRTYPE_A)->cnt, 2);
    assert_memory_equal(rrset_first(find(zone, "t.example.", RRTYPE_TXT)).rdata,
                        "\3a;b\3c\"d\1e\1f", 12);
    assert_int_equal(find(zone, "u.example.", RRTYPE_TXT)->ttl, 3600);
    assert_int_equal(find(zone, "v.sub.example.", RRTYPE_TXT)->ttl, 9);
    assert_int_equal(find(zone, "w.sub.example.", RRTYPE_TXT)->ttl, 3600);
    assert_non_null(find(zone, "x.example.", RRTYPE_TXT));
    assert_int_equal(zone->negative_ttl, 7);
    zone_unref(&zone);
}

static void quotes_join_only_parameters(void **state)
{
    (void)state;
    struct zone *zone = expect_zone(
        ZONES_HEAD "a TXT k=\"v w\"\nb SVCB 1 . alpn=\"h2,h3\" key65000=\"a b\"\n", NULL);
    assert_memory_equal(rrset_first(find(zone, "a.example.", RRTYPE_TXT)).rdata, "\2k=\3v w",
                        7);
    assert_int_equal(rrset_first(find(zone, "b.example.", RRTYPE_SVCB)).len,
                     2 + 1 + 4 + 6 + 4 + 3);
    zone_unref(&zone);
}

/* A closing quote ends the value: a further parameter may follow, other text may not. */
static void a_quote_ends_a_parameter(void **state)
{
    static const char *const right[] = {"alpn=\"h2\"port=443", "alpn=\"h2\"port=\"443\"",
                                        "alpn=h2 port=443"};
    static const char *const wrong[] = {"alpn=\"h2\"h3", "alpn=\"h2\",h3",
                                        "alpn=h2\"port=443\"", "alpn=\"h2\"port=443\"x\""};
    char text[400];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(right); i++) {
        snprintf(text, sizeof(text), ZONES_HEAD "a SVCB 1 . %s\n", right[i]);
        struct zone *zone = expect_zone(text, NULL);
        assert_memory_equal(rrset_first(find(zone, "a.example.", RRTYPE_SVCB)).rdata,
                            "\0\1\0\0\1\0\3\2h2\0\3\0\2\1\273", 16);
        zone_unref(&zone);
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        snprintf(text, sizeof(text), ZONES_HEAD "a SVCB 1 . %s\n", wrong[i]);
        expect_fault(text, "error");
    }
}

static void missing_ttl_is_the_soa_minimum(void **state)
{
    (void)state;
    struct zone *zone = expect_zone("@ SOA ns host 1 2 3 4 300\n@ NS ns\nns A 192.0.2.1\n",
                                    "1:3: warning: no TTL in this record");
    assert_int_equal(find(zone, "ns.example.", RRTYPE_A)->ttl, 300);
    zone_unref(&zone);
}

static void generate_makes_records(void **state)
{
    (void)state;
    struct zone *zone =
        expect_zone(ZONES_HEAD "$GENERATE 1-3 h$ A 192.0.2.$\n"
                               "$GENERATE 0-20/10 x${1,3,d} TXT \"n $ ${0,2,x} \\$\"\n"
                               "$GENERATE 9-9 ${0,3,n}.r PTR h${-8}\n"
                               "$GENERATE 1-2 m$ MX \"5 h$\"\n",
                    NULL);
    assert_int_equal(rrset_first(find(zone, "h3.example.", RRTYPE_A)).rdata[3], 3);
    /* as in BIND, one quoted word after the type is all of the RDATA */
    assert_memory_equal(rrset_first(find(zone, "x011.example.", RRTYPE_TXT)).rdata,
                        "\1n\00210\0020a\1$", 10);
    assert_non_null(find(zone, "x021.example.", RRTYPE_TXT));
    assert_memory_equal(rrset_first(find(zone, "9.0.r.example.", RRTYPE_PTR)).rdata, "\2h1", 3);
    assert_memory_equal(rrset_first(find(zone, "m2.example.", RRTYPE_MX)).rdata, "\0\5\2h2", 5);
    zone_unref(&zone);
    /* the owner before $GENERATE is inherited after it, counters may be negative, and quotes
     * enclose the RDATA of any type */
    zone = expect_zone(
        ZONES_HEAD
        "q TXT a\n$GENERATE 1-2 g$ A 192.0.2.$\n TXT after\n"
        "$GENERATE 1-1 n${-3} TXT v${-3,3,d}\n$GENERATE 7-7 c$ CAA \"0 issue \\\"ca$\\\"\"\n"
        "$GENERATE 1-1 s$ SVCB \"1 . alpn=h$\"\n$GENERATE 5-5 w${0,60,d} A 192.0.2.1\n",
        NULL);
    assert_int_equal(find(zone, "q.example.", RRTYPE_TXT)->cnt, 2);
    assert_memory_equal(rrset_first(find(zone, "n-2.example.", RRTYPE_TXT)).rdata, "\4v-02", 5);
    assert_memory_equal(rrset_first(find(zone, "c7.example.", RRTYPE_CAA)).rdata,
                        "\0\5issueca7", 10);
    assert_memory_equal(rrset_first(find(zone, "s1.example.", RRTYPE_SVCB)).rdata,
                        "\0\1\0\0\1\0\3\2h1", 10);
    zone_unref(&zone);
    expect_fault(ZONES_HEAD "$GENERATE 3-1 h$ A 192.0.2.$\n", "6:11: error: expected a range");
    expect_fault(ZONES_HEAD "$GENERATE 0-2000000 h$ A 192.0.2.1\n",
                 "6:11: error: more than 1048576");
    expect_fault(ZONES_HEAD "$GENERATE 1-2 h${x} A 192.0.2.1\n", "6:15: error: expected $ or");
    expect_fault(ZONES_HEAD "$GENERATE 255-256 h$ A 192.0.2.$\n", "the generated record: h256");
}

static void every_fault_is_found_in_one_run(void **state)
{
    char *report;
    (void)state;
    assert_null(zones_read("example.",
                           ZONES_HEAD "a A 192.0.2.300\n"             /* 6 */
                                      "b.. A 192.0.2.1\n"             /* 7 */
                                      "c BADTYPE x\n"                 /* 8 */
                                      "d MX ten mail\n"               /* 9 */
                                      "e TXT \"open\n"                /* 10 */
                                      "f A 192.0.2.1 more\n"          /* 11 */
                                      "elsewhere.test. A 192.0.2.1\n" /* 12 */
                                      "g CH A 192.0.2.1\n"            /* 13 */
                                      "$TLT 5\n"                      /* 14 */
                                      "h OPT x\n"                     /* 15 */
                                      "i CNAME a\n"                   /* 16 */
                                      "i A 192.0.2.1\n"               /* 17 */
                                      "ok A 192.0.2.1\n",
                           &report));
    static const char *const expected[] = {
        "z:6:5: error: expected an IPv4 address",
        "z:7:3: error: a label is empty",
        "z:8:3: error: \"BADTYPE\" is not a record type",
        "z:9:6: error: expected the preference",
        "z:10:7: error: this quote",
        "z:11:15: error: one word too many",
        "z:12:1: error: elsewhere.test. is not in the zone",
        "z:13:3: error: only zones of class IN",
        "z:14:1: error: \"$TLT\" is not a directive\n    14 | $TLT 5\n       | ^\n       = did "
        "you mean $TTL?",
        "z:15:3: error: a zone cannot contain this type",
        "z:17:3: error: i.example. has a CNAME (line 16)",
    };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        if (!strstr(report, expected[i]))
            fail_msg("expected %s in\n%s", expected[i], report);
    assert_null(strstr(report, "ok"));
    free(report);
}

static void rules_of_the_whole_zone(void **state)
{
    static const struct {
        const char *text, *expected;
    } faults[] = {
        {"$TTL 1\n@ NS ns\n", "the zone has no SOA at example."},
        {"$TTL 1\n@ SOA ns host 1 2 3 4 5\nns A 192.0.2.1\n", "the zone has no NS at example."},
        {ZONES_HEAD "@ SOA ns host 2 2 3 4 300\n", "6:3: error: a second SOA"},
        {ZONES_HEAD "a SOA ns host 2 2 3 4 300\n", "6:3: error: a SOA below the apex"},
        {ZONES_HEAD "a CNAME b\na CNAME c\n", "a.example. has more than one CNAME"},
        {ZONES_HEAD "a DNAME b\na DNAME c\n", "a.example. has more than one DNAME"},
        {ZONES_HEAD "a DNAME b\nx.a A 192.0.2.1\n",
         "7:5: error: data below a.example., which has a DNAME (line 6)"},
        {ZONES_HEAD "a DNAME b\nh.a RRSIG A 13 3 1 20300101000000 20200101000000 1 e. AwEA\n",
         "data below a.example."},
        {ZONES_HEAD "a DNAME b\na CNAME c\n", "so it cannot have DNAME"},
        {ZONES_HEAD "$INCLUDE nowhere\n", "6:10: error: nowhere: there is no such file"},
        {ZONES_HEAD "$INCLUDE\n", "6:9: error: expected a file name"},
        {ZONES_HEAD "a A ( 192.0.2.1\n", "6:5: error: this parenthesis is never closed"},
        {ZONES_HEAD "a A 192.0.2.1 )\n", "6:15: error: a closing parenthesis"},
        {" A 192.0.2.1\n", "1:2: error: this line starts with white space"},
        {"$TTL 4294967296\n", "1:6: error: expected seconds up to"},
        {"a 99999999999 A 192.0.2.1\n", "1:3: error: expected a TTL"},
        {"a 5\n", "1:4: error: expected a record type"},
    };
    static const struct {
        const char *text, *expected;
    } warnings[] = {
        {ZONES_HEAD "@ SOA ns host 1 2 3 4 300\n", "6:3: warning: duplicate record"},
        {ZONES_HEAD "c NS ns.c\n",
         "6:3: warning: NS names ns.c.example., but its address (glue) is missing"},
        {ZONES_HEAD "@ NS ns2\n", "6:3: warning: NS names ns2.example., which has no address"},
        {ZONES_HEAD "c NS d\nd CNAME ns\n",
         "6:3: warning: NS names d.example., which is a CNAME"},
        {ZONES_HEAD "@ MX 1 d\nd CNAME ns\n",
         "6:3: warning: MX names d.example., which is a CNAME"},
        {ZONES_HEAD "$GENERATE 0-65535 big TXT \"t$\"\n",
         "the RRset exceeds the largest DNS message: answers will be truncated"},
        {ZONES_HEAD "c 2147483648 A 192.0.2.1\n",
         "6:3: warning: a TTL of 2147483648 seconds exceeds 2147483647 and counts as 0"},
        {ZONES_HEAD "$TTL 4294967295\n", "6:6: warning: a TTL of 4294967295 seconds"},
        {ZONES_HEAD "$TTL 3551w\n", "6:6: warning: a TTL of 2147644800 seconds"},
        {"$TTL 3600\n@ SOA ns host 1 2 3 4 4294967295\n@ NS ns\nns A 192.0.2.1\n",
         "the SOA's minimum exceeds 2147483647 and counts as 0"},
        {ZONES_HEAD "b\303\274cher A 192.0.2.1\n",
         "6:1: warning: the name is UTF-8; clients ask for xn--bcher-kva"},
        {ZONES_HEAD "m MX 1 b\303\274cher\n",
         "6:8: warning: the name is UTF-8; clients ask for xn--bcher-kva"},
        {ZONES_HEAD "*.w NS ns\n", "6:5: warning: *.w.example. is a wildcard with NS"},
        {ZONES_HEAD "*.w DNAME b\n", "6:5: warning: *.w.example. is a wildcard with DNAME"},
        {ZONES_HEAD "c 5 A 192.0.2.1\nc 6 A 192.0.2.2\n",
         "7:5: warning: the records of c.example. A have different TTLs"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++)
        expect_fault(faults[i].text, faults[i].expected);
    for (size_t i = 0; i < ARRAY_LEN(warnings); i++) {
        struct zone *zone = expect_zone(warnings[i].text, warnings[i].expected);
        zone_unref(&zone);
    }
}

static void errors_are_not_hidden_by_warnings(void **state)
{
    char *text = malloc(40000);
    (void)state;
    strcpy(text, ZONES_HEAD);
    for (int i = 0; i < 500; i++)
        strcat(text, "d A 192.0.2.1\n");
    strcat(text, "x CNAME y\nx A 192.0.2.3\n");
    expect_fault(text, "error: x.example. has a CNAME");
    free(text);
}

static void wildcards_have_addresses(void **state)
{
    (void)state;
    struct zone *zone = expect_zone(ZONES_HEAD "@ NS a.wild\n*.wild A 192.0.2.2\n", NULL);
    zone_unref(&zone);
    zone = expect_zone(ZONES_HEAD "@ NS a.b.wild\n*.wild A 192.0.2.2\nb.wild TXT x\n",
                       "has no address");
    zone_unref(&zone);
}

static void empty_nonterminals_and_order(void **state)
{
    (void)state;
    struct zone *zone = expect_zone(
        ZONES_HEAD "a.b.c A 192.0.2.1\n*.w A 192.0.2.1\nsub NS ns.sub\nns.sub A 192.0.2.2\n"
                   "x.y.sub TXT t\nd DNAME e\nB.c TXT t\n",
        NULL);
    uint8_t wire[DNAME_MAX];
    const struct node *node = node_at(zone, unit_name("c.example.", wire));
    assert_int_equal(node->rrset_cnt, 0);
    assert_int_equal(node_at(zone, unit_name("w.example.", wire))->flags, NODE_HAS_WILDCARD);
    assert_int_equal(node_at(zone, unit_name("d.example.", wire))->flags, NODE_HAS_DNAME);
    assert_int_equal(node_at(zone, unit_name("sub.example.", wire))->cut_labels, 2);
    assert_int_equal(node_at(zone, unit_name("y.sub.example.", wire))->cut_labels, 2);
    assert_true(node_is_cut(node_at(zone, unit_name("sub.example.", wire))));
    size_t seen = 0;
    const struct node *before = NULL;
    for (size_t i = 0; i < zone->chunk_cnt; i++)
        for (size_t n = 0; n < zone->chunks[i]->cnt; n++, seen++) {
            if (before)
                assert_true(dname_compare(before->name, zone->chunks[i]->node[n]->name) < 0);
            before = zone->chunks[i]->node[n];
        }
    assert_int_equal(seen, zone->node_cnt);
    zone_unref(&zone);
}

static void many_names_are_all_found(void **state)
{
    enum { NAMES = 60000 };
    char *text = NULL;
    size_t len;
    (void)state;
    FILE *stream = open_memstream(&text, &len);
    fputs(ZONES_HEAD, stream);
    for (int i = 0; i < NAMES; i++)
        fprintf(stream, "n%d.z%d A 192.0.2.1\n", (int)((i * 7919LL) % NAMES), i % 13);
    fclose(stream);
    struct zone *zone = expect_zone(text, NULL);
    free(text);
    for (int i = 0; i < NAMES; i++) {
        char name[40];
        snprintf(name, sizeof(name), "N%d.z%d.example.", (int)((i * 7919LL) % NAMES), i % 13);
        assert_non_null(find(zone, name, RRTYPE_A));
        snprintf(name, sizeof(name), "m%d.z%d.example.", i, i % 13);
        assert_null(find(zone, name, RRTYPE_A));
    }
    zone_unref(&zone);
}

static void owners_of_nsec3_are_no_names(void **state)
{
    (void)state;
    struct zone *zone = expect_zone(
        ZONES_HEAD
        "2vptu5timamqttgl4luu9kg21e0aor3s NSEC3 1 0 0 - 3vptu5timamqttgl4luu9kg21e0aor3s A\n",
        NULL);
    assert_null(find(zone, "2vptu5timamqttgl4luu9kg21e0aor3s.example.", RRTYPE_NSEC3));
    assert_int_equal(zone->denial.cnt, 0); /* no NSEC3PARAM names a chain */
    zone_unref(&zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_inherit_what_they_leave_out),
        cmocka_unit_test(quotes_join_only_parameters),
        cmocka_unit_test(a_quote_ends_a_parameter),
        cmocka_unit_test(missing_ttl_is_the_soa_minimum),
        cmocka_unit_test(generate_makes_records),
        cmocka_unit_test(every_fault_is_found_in_one_run),
        cmocka_unit_test(rules_of_the_whole_zone),
        cmocka_unit_test(errors_are_not_hidden_by_warnings),
        cmocka_unit_test(empty_nonterminals_and_order),
        cmocka_unit_test(wildcards_have_addresses),
        cmocka_unit_test(many_names_are_all_found),
        cmocka_unit_test(owners_of_nsec3_are_no_names),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
