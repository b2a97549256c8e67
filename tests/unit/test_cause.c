/* The cause of an answer: its kind and the facts in its text, some whole texts, and names of
 * any length. */
#include "unit.h"

#include "dns/dname_text.h"
#include "dns/edns.h"
#include "dns/rrtype.h"
#include "resolver/explain/cause.h"

static struct cause_facts facts;
static struct cause_failure failures[CAUSE_FAILURES_MAX];
static struct cause cause;
static uint8_t asked[DNAME_MAX];

static void read_name(const char *text, uint8_t out[DNAME_MAX])
{
    static const uint8_t root[] = {0};
    size_t len;
    struct fault fault;
    assert_int_equal(dname_text_read(text, strlen(text), root, out, &len, &fault, NULL),
                     ERR_OK);
}

static void begin(unsigned rcode)
{
    memset(&facts, 0, sizeof(facts));
    memset(failures, 0, sizeof(failures));
    read_name("www.some.test.", asked);
    facts.name = asked;
    facts.type = RRTYPE_A;
    facts.rcode = rcode;
    facts.failures = failures;
    facts.ede_text = "";
    facts.ede = EDNS_EDE_NONE;
    strcpy(facts.client, "192.0.2.1");
}

/* Add a failed resolution of `name`, with one server of `zone` that has one address. */
static struct cause_failure *fail_at(const char *name, const char *zone)
{
    struct cause_failure *f = &failures[facts.failure_cnt++];
    read_name(name, f->name);
    read_name(zone, f->zone);
    f->addr_cnt = f->server_cnt = 1;
    f->failure = FAILURE_NO_ANSWER;
    return f;
}

/* Add an attempt at 192.0.2.N, a server of the zone. */
static void add_attempt(struct cause_failure *f, int n, enum trace_outcome outcome,
                        unsigned rcode)
{
    char text[20];
    struct addr addr;
    snprintf(text, sizeof(text), "192.0.2.%d", n);
    assert_int_equal(addr_read(text, 53, &addr), ERR_OK);
    trace_begin(&f->attempts, &addr, dname_labels(f->zone), outcome == TRACE_TCP_REFUSED);
    trace_end(&f->attempts, outcome, rcode);
}

/* Assert the kind.  `fact` is a name, an address or a number that the text has to contain. */
static void expect(enum cause_kind kind, const char *fact)
{
    cause_find(&facts, &cause);
    assert_string_equal(cause_id(cause.kind), cause_id(kind));
    if (!strstr(cause.text, fact))
        fail_msg("\"%s\" is not in: %s", fact, cause.text);
    assert_null(strstr(cause.text, ".."));
}

static void expect_text(const char *text, const char *advice)
{
    cause_find(&facts, &cause);
    assert_string_equal(cause.text, text);
    assert_string_equal(cause.advice, advice);
}

static void test_answers(void **state)
{
    (void)state;
    begin(RRTYPE_RCODE_NOERROR);
    facts.answer_cnt = 1;
    facts.query_cnt = 1;
    expect(CAUSE_ANSWERED, "www.some.test has 1 A record. It took 1 query");
    assert_string_equal(cause.advice, "");
    facts.query_cnt = 0;
    facts.source.is_there = facts.source.is_local = true;
    expect(CAUSE_LOCAL, "www.some.test has 1 A record.");
    facts.source = (struct cause_source){.is_there = true, .is_stale = true, .age_s = 7300};
    expect(CAUSE_STALE, "2 hours ago");
    assert_string_not_equal(cause.advice, "");
    begin(RRTYPE_RCODE_NOERROR);
    expect(CAUSE_NODATA, "www.some.test");
    begin(RRTYPE_RCODE_NXDOMAIN);
    expect(CAUSE_NXDOMAIN, "www.some.test");
    read_name("other.test.", facts.chain[0]);
    facts.cname_cnt = 1;
    expect(CAUSE_CNAME_TARGET, "other.test");
    begin(RRTYPE_RCODE_YXDOMAIN);
    expect(CAUSE_DNAME_TOO_LONG, "255");
    begin(RRTYPE_RCODE_REFUSED);
    facts.ede_text = "the client's address is not in `allow`";
    facts.ede = EDNS_EDE_PROHIBITED;
    expect(CAUSE_REFUSED, "192.0.2.1 with REFUSED: the client's address is not in `allow`.");
    begin(RRTYPE_RCODE_NOTIMP);
    expect(CAUSE_OTHER, "192.0.2.1 with NOTIMP.");
    begin(RRTYPE_RCODE_NOERROR);
    facts.type = RRTYPE_ANY;
    expect(CAUSE_ANSWERED, "www.some.test");
}

static void test_failed_servers(void **state)
{
    struct cause_failure *f;
    (void)state;
    begin(RRTYPE_RCODE_SERVFAIL);
    f = fail_at("www.some.test.", "some.test.");
    add_attempt(f, 1, TRACE_TIMEOUT, 0);
    add_attempt(f, 1, TRACE_TIMEOUT, 0);
    expect(CAUSE_SILENT, "some.test replies: 192.0.2.1 timed out 2 times.");
    add_attempt(f, 2, TRACE_LAME, 0);
    expect(CAUSE_LAME, "192.0.2.2 is lame; 192.0.2.1 timed out 2 times.");
    add_attempt(f, 3, TRACE_RCODE, RRTYPE_RCODE_SERVFAIL);
    expect(CAUSE_UNUSABLE, "192.0.2.3 said SERVFAIL");
    static const struct {
        enum trace_outcome outcome;
        unsigned rcode;
        enum cause_kind kind;
        const char *fact;
    } alone[] = {{TRACE_RCODE, RRTYPE_RCODE_REFUSED, CAUSE_LAME, "192.0.2.1 said REFUSED"},
                 {TRACE_RCODE, RRTYPE_RCODE_SERVFAIL, CAUSE_SERVER_FAILURE, "said SERVFAIL"},
                 {TRACE_RCODE, RRTYPE_RCODE_NOTIMP, CAUSE_UNUSABLE, "said NOTIMP"},
                 {TRACE_TCP_REFUSED, 0, CAUSE_UNUSABLE, "192.0.2.1 refused TCP"},
                 {TRACE_UNREACHABLE, 0, CAUSE_UNREACHABLE, "192.0.2.1 unreachable"},
                 {TRACE_BROKEN, 0, CAUSE_MALFORMED, "192.0.2.1 sent a malformed reply"}};
    for (size_t i = 0; i < ARRAY_LEN(alone); i++) {
        begin(RRTYPE_RCODE_SERVFAIL);
        f = fail_at("www.some.test.", "some.test.");
        add_attempt(f, 1, alone[i].outcome, alone[i].rcode);
        expect(alone[i].kind, alone[i].fact);
    }
    /* a firewall that drops TCP */
    begin(RRTYPE_RCODE_SERVFAIL);
    f = fail_at("www.some.test.", "some.test.");
    add_attempt(f, 1, TRACE_TRUNCATED, 0);
    add_attempt(f, 1, TRACE_TCP_REFUSED, 0);
    expect(CAUSE_NO_TCP, "192.0.2.1 refused TCP.");
    f->attempts.at[1].outcome = TRACE_TIMEOUT;
    expect(CAUSE_NO_TCP, "192.0.2.1 timed out.");
    /* if an address is unreachable, the others decide */
    add_attempt(f, 2, TRACE_RCODE, RRTYPE_RCODE_SERVFAIL);
    f->attempts.at[0].outcome = TRACE_UNREACHABLE;
    expect(CAUSE_SERVER_FAILURE, "192.0.2.2 said SERVFAIL");
    /* failures before the last successful reply do not count: it was another query */
    add_attempt(f, 1, TRACE_ANSWERED, 0);
    f->is_limited = true;
    f->failure = FAILURE_RRSET_RECORDS;
    expect(CAUSE_LIMIT, "limits.rrset-records");
    /* nor do failures at a zone above */
    begin(RRTYPE_RCODE_SERVFAIL);
    f = fail_at("www.some.test.", "test.");
    add_attempt(f, 8, TRACE_RCODE, RRTYPE_RCODE_SERVFAIL);
    read_name("some.test.", f->zone);
    add_attempt(f, 1, TRACE_TIMEOUT, 0);
    expect(CAUSE_SILENT, "192.0.2.1 timed out");
    assert_null(strstr(cause.text, "192.0.2.8"));
}

/* Configured servers are no delegation.  The cause of a spent budget is the silent servers that
 * it was spent on, and the cause of a failure is that of the lookup it depended on. */
static void test_root_causes(void **state)
{
    struct cause_failure *f;
    (void)state;
    begin(RRTYPE_RCODE_SERVFAIL);
    f = fail_at("www.some.test.", "some.test.");
    f->is_configured = true;
    add_attempt(f, 1, TRACE_RCODE, RRTYPE_RCODE_REFUSED);
    expect(CAUSE_LAME, "configured for some.test");
    begin(RRTYPE_RCODE_SERVFAIL);
    f = fail_at("ns.slow.test.", "slow.test.");
    add_attempt(f, 9, TRACE_TIMEOUT, 0);
    f = fail_at("www.some.test.", "some.test.");
    f->is_limited = true;
    f->addr_cnt = 0;
    f->failure = FAILURE_TIME;
    expect(CAUSE_SILENT, "192.0.2.9 timed out. Therefore www.some.test");
    /* five of six names do not exist, and the server of the sixth refuses */
    begin(RRTYPE_RCODE_SERVFAIL);
    f = fail_at("ns6.other.test.", "other.test.");
    add_attempt(f, 3, TRACE_RCODE, RRTYPE_RCODE_REFUSED);
    f = fail_at("www.some.test.", "some.test.");
    f->addr_cnt = 0;
    f->server_cnt = 6;
    f->denied_cnt = 5;
    for (unsigned i = 0; i < 5; i++)
        read_name("ns.gone.test.", f->denied[i]);
    expect(CAUSE_LAME, "other.test");
    f->server_cnt = 5;
    facts.failures = f;
    facts.failure_cnt = 1;
    expect(CAUSE_NO_SERVER_NAMES, "and 1 more");
}

static void test_failed_delegations(void **state)
{
    struct cause_failure *f;
    (void)state;
    begin(RRTYPE_RCODE_SERVFAIL);
    f = fail_at("ns.b.test.", "b.test.");
    f->is_loop = true;
    f->addr_cnt = 0;
    f = fail_at("www.some.test.", "some.test.");
    f->addr_cnt = 0;
    expect(CAUSE_DEPENDENCY_LOOP, "b.test");
    assert_non_null(strstr(cause.text, "Therefore www.some.test"));
    begin(RRTYPE_RCODE_SERVFAIL);
    f = fail_at("www.some.test.", "some.test.");
    f->addr_cnt = 0;
    f->denied_cnt = 1;
    read_name("ns.gone.test.", f->denied[0]);
    expect(CAUSE_NO_SERVER_NAMES, "ns.gone.test does not exist");
    f->denied_cnt = 0;
    f->addr_cnt = 1;
    f->is_forbidden = true;
    expect(CAUSE_FORBIDDEN, "some.test");
    f->is_v6_only = true;
    expect(CAUSE_UNREACHABLE, "IPv6");
    begin(RRTYPE_RCODE_SERVFAIL);
    f = fail_at("www.some.test.", "some.test.");
    f->is_limited = true;
    f->failure = FAILURE_QUERIES;
    expect(CAUSE_LIMIT, "limits.queries");
    begin(RRTYPE_RCODE_SERVFAIL);
    facts.ede_text = "the chain is too long";
    expect(CAUSE_LIMIT, "the chain is too long");
    begin(RRTYPE_RCODE_SERVFAIL);
    read_name("b.test.", facts.chain[0]);
    memcpy(facts.chain[1], asked, sizeof(asked));
    facts.cname_cnt = 2;
    expect(CAUSE_CNAME_LOOP, "www.some.test -> b.test -> www.some.test.");
}

static void test_cached_failures(void **state)
{
    struct cause_failure *f;
    (void)state;
    begin(RRTYPE_RCODE_SERVFAIL);
    facts.is_cached_failure = true;
    facts.ede_text = "no server gave an answer";
    facts.failure = (struct cause_source){.is_there = true, .age_s = 3, .left_s = 2};
    expect(CAUSE_CACHED_FAILURE, "3 seconds ago");
    f = fail_at("www.some.test.", "some.test.");
    add_attempt(f, 1, TRACE_TIMEOUT, 0);
    expect(CAUSE_SILENT, "another 2 seconds.");
    assert_non_null(strstr(cause.advice, "--no-cache"));
}

/* Validation: whether the answer was validated, the first broken link, and what to do. */
static void test_validation(void **state)
{
    static const struct {
        int ede;
        const char *advice;
    } rows[] = {{EDNS_EDE_SIGNATURE_EXPIRED, "clock"},
                {EDNS_EDE_NOT_YET_VALID, "clock"},
                {EDNS_EDE_DNSKEY_MISSING, "a key that the DS names"},
                {EDNS_EDE_RRSIGS_MISSING, "strips them"},
                {EDNS_EDE_NSEC_MISSING, "strips them"},
                {EDNS_EDE_BOGUS, "forged"}};
    struct cause_failure *f;
    (void)state;
    begin(RRTYPE_RCODE_NOERROR);
    facts.answer_cnt = 1;
    facts.security = SECURITY_SECURE;
    expect(CAUSE_ANSWERED, "It is secure");
    facts.security = SECURITY_INSECURE;
    strcpy(facts.security_why, "test. proves that the delegation some.test. has no DS");
    expect(CAUSE_ANSWERED,
           "not validated: test. proves that the delegation some.test. has no DS.");
    facts.security = SECURITY_NEGATIVE_ANCHOR;
    expect(CAUSE_ANSWERED, "It is insecure");
    facts.source.is_there = facts.source.is_local = true;
    cause_find(&facts, &cause);
    assert_null(strstr(cause.text, "secure"));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin(RRTYPE_RCODE_SERVFAIL);
        facts.ede = rows[i].ede;
        f = fail_at("www.some.test.", "some.test.");
        add_attempt(f, 1, TRACE_BOGUS, 0);
        f->failure = FAILURE_BOGUS;
        strcpy(f->text, "a link is broken");
        expect(CAUSE_BOGUS, "Validation failed: a link is broken.");
        assert_non_null(strstr(cause.advice, rows[i].advice));
        assert_non_null(strstr(cause.advice, "negative trust anchor"));
    }
    begin(
        RRTYPE_RCODE_SERVFAIL); /* the keys could not be looked up: that failure is the cause */
    f = fail_at("some.test.", "some.test.");
    add_attempt(f, 1, TRACE_TIMEOUT, 0);
    f = fail_at("www.some.test.", "some.test.");
    f->failure = FAILURE_UNVALIDATED;
    strcpy(f->text, "a link is missing");
    expect(CAUSE_SILENT, "192.0.2.1 timed out");
    facts.failures++;
    facts.failure_cnt--;
    expect(CAUSE_UNVALIDATED, "could not be followed: a link is missing.");
    begin(RRTYPE_RCODE_SERVFAIL);
    facts.is_cached_failure = true;
    facts.ede_text = "a link is broken";
    facts.ede = EDNS_EDE_CACHED_ERROR;
    facts.failure = (struct cause_source){.is_there = true,
                                          .age_s = 3,
                                          .left_s = 2,
                                          .is_bogus = true,
                                          .ede = EDNS_EDE_DNSKEY_MISSING};
    expect(CAUSE_BOGUS, "another 2 seconds. Validation failed: a link is broken.");
    assert_non_null(strstr(cause.advice, "a key that the DS names"));
    facts.failure.is_bogus = false;
    facts.failure.ede = EDNS_EDE_INDETERMINATE;
    expect(CAUSE_UNVALIDATED, "a link is broken.");
}

/* Whole texts and advice.  The other tests assert kinds and facts only. */
static void test_whole_texts(void **state)
{
    struct cause_failure *f;
    (void)state;
    begin(RRTYPE_RCODE_NOERROR);
    facts.answer_cnt = 2;
    facts.query_cnt = 3;
    assert_int_equal(addr_read("192.0.2.7", 53, &facts.last_server), ERR_OK);
    expect_text("www.some.test has 2 A records. It took 3 queries to servers, the last to "
                "192.0.2.7.",
                "");
    read_name("other.test.", facts.chain[0]);
    facts.cname_cnt = 1;
    facts.query_cnt = 0;
    facts.source = (struct cause_source){.is_there = true, .age_s = 5, .left_s = 60};
    facts.source.server = facts.last_server;
    expect_text("www.some.test is a CNAME for other.test, which has 2 A records. It was in the "
                "cache, received 5 seconds ago from 192.0.2.7; it expires in 60 seconds.",
                "");
    begin(RRTYPE_RCODE_NXDOMAIN);
    expect_text("The name www.some.test does not exist.",
                "Check the spelling. If the name was added a moment ago, the cache may still "
                "have the negative answer: rootline cache flush removes it.");
    begin(RRTYPE_RCODE_SERVFAIL);
    f = fail_at("www.some.test.", "some.test.");
    add_attempt(f, 1, TRACE_RCODE, RRTYPE_RCODE_REFUSED);
    expect_text(
        "The delegation of some.test is lame: the servers named by the parent zone do "
        "not serve it: 192.0.2.1 said REFUSED.",
        "The operator of the servers has to load the zone there, or the parent zone has "
        "to name other servers.");
    facts.is_cached_failure = true;
    facts.failure = (struct cause_source){.is_there = true, .age_s = 3, .left_s = 2};
    facts.failure_cnt = 0;
    facts.ede_text = "no server gave an answer";
    expect_text("It failed 3 seconds ago, and the failure is cached for another 2 seconds: no "
                "server gave an answer.",
                "Use --no-cache to resolve it again.");
}

static void test_names_of_any_length_fit(void **state)
{
    (void)state;
    begin(RRTYPE_RCODE_SERVFAIL);
    for (size_t i = 0; i + 2 < DNAME_MAX; i += 64) { /* each octet prints as four characters */
        size_t len = util_min(63, DNAME_MAX - 2 - i);
        asked[i] = (uint8_t)len;
        memset(asked + i + 1, 200, len);
        asked[i + len + 1] = 0;
    }
    assert_true(dname_check(asked, sizeof(asked)) > 250);
    for (unsigned n = 0; n < CAUSE_CHAIN_MAX; n++)
        memcpy(facts.chain[n], asked, sizeof(asked));
    facts.cname_cnt = CAUSE_CHAIN_MAX + 3;
    for (unsigned rcode = 0; rcode < 24; rcode++)
        for (unsigned cnt = 0; cnt < 2; cnt++) {
            facts.rcode = rcode;
            facts.answer_cnt = cnt;
            cause_find(&facts, &cause);
            assert_true(strlen(cause.text) < CAUSE_TEXT_MAX && *cause.text);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),         cmocka_unit_test(test_failed_servers),
        cmocka_unit_test(test_root_causes),     cmocka_unit_test(test_failed_delegations),
        cmocka_unit_test(test_cached_failures), cmocka_unit_test(test_validation),
        cmocka_unit_test(test_whole_texts),     cmocka_unit_test(test_names_of_any_length_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
