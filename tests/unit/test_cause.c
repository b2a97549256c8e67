/* What is said of an answer: one story for each kind, and names of any length. */
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
    const char *why;
    assert_int_equal(dname_text_read(text, strlen(text), root, out, &len, &why, NULL), ERR_OK);
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

/* A failed resolution of `name` at the servers of `zone`, one address known. */
static struct cause_failure *fail_at(const char *name, const char *zone)
{
    struct cause_failure *f = &failures[facts.failure_cnt++];
    read_name(name, f->name);
    read_name(zone, f->zone);
    f->addr_cnt = f->server_cnt = 1;
    f->cause = "no server gave an answer";
    return f;
}

/* One question to 192.0.2.N, as a server of the zone. */
static void attempt(struct cause_failure *f, int n, enum trace_outcome outcome, unsigned rcode)
{
    char text[20];
    struct addr addr;
    snprintf(text, sizeof(text), "192.0.2.%d", n);
    assert_int_equal(addr_read(text, 53, &addr), ERR_OK);
    trace_begin(&f->attempts, &addr, dname_labels(f->zone), outcome == TRACE_TCP_REFUSED);
    trace_end(&f->attempts, outcome, rcode);
}

static void expect(const char *kind, const char *words)
{
    cause_find(&facts, &cause);
    assert_string_equal(cause.kind, kind);
    if (!strstr(cause.text, words))
        fail_msg("\"%s\" is not in: %s", words, cause.text);
    assert_null(strstr(cause.text, ".."));
}

static void answers(void **state)
{
    (void)state;
    begin(RRTYPE_RCODE_NOERROR);
    facts.answer_cnt = 1;
    facts.query_cnt = 1;
    expect("answered", "www.some.test has 1 A record. 1 question to servers led there.");
    assert_string_equal(cause.advice, "");
    facts.query_cnt = 0;
    facts.source.is_there = facts.source.is_local = true;
    expect("local", "This resolver knows it by itself");
    facts.source = (struct cause_source){.is_there = true, .is_stale = true, .age_s = 7300};
    expect("stale", "one that ended 2 hours ago is served");
    assert_string_not_equal(cause.advice, "");
    begin(RRTYPE_RCODE_NOERROR);
    expect("no-type", "www.some.test exists, but it has no A record");
    begin(RRTYPE_RCODE_NXDOMAIN);
    expect("no-name", "There is no name www.some.test.");
    read_name("other.test.", facts.chain[0]);
    facts.cname_cnt = 1;
    expect("alias-to-nowhere",
           "www.some.test is an alias of other.test, and there is no such name");
    begin(RRTYPE_RCODE_YXDOMAIN);
    expect("too-long", "longer than 255 octets");
    begin(RRTYPE_RCODE_REFUSED);
    facts.ede_text = "this address may not ask here (allow)";
    facts.ede = EDNS_EDE_PROHIBITED;
    expect("refused", "says REFUSED to 192.0.2.1: this address may not ask here (allow).");
    begin(RRTYPE_RCODE_NOTIMP);
    expect("other", "says NOTIMP to 192.0.2.1.");
}

static void failures_of_servers(void **state)
{
    struct cause_failure *f;
    (void)state;
    begin(RRTYPE_RCODE_SERVFAIL);
    f = fail_at("www.some.test.", "some.test.");
    attempt(f, 1, TRACE_TIMEOUT, 0);
    attempt(f, 1, TRACE_TIMEOUT, 0);
    expect("silent", "None of the servers of some.test answers: 192.0.2.1 timed out 2 times.");
    attempt(f, 2, TRACE_LAME, 0);
    expect("lame", "192.0.2.2 is lame; 192.0.2.1 timed out 2 times.");
    attempt(f, 3, TRACE_RCODE, RRTYPE_RCODE_SERVFAIL);
    expect("no-help", "None of the servers of some.test helped: ");
    static const struct {
        enum trace_outcome outcome;
        unsigned rcode;
        const char *kind, *words;
    } alone[] = {{TRACE_RCODE, RRTYPE_RCODE_REFUSED, "lame", "said REFUSED"},
                 {TRACE_RCODE, RRTYPE_RCODE_SERVFAIL, "server-failure", "said SERVFAIL"},
                 {TRACE_RCODE, RRTYPE_RCODE_NOTIMP, "no-help", "said NOTIMP"},
                 {TRACE_TCP_REFUSED, 0, "no-help", "refused TCP"},
                 {TRACE_UNREACHABLE, 0, "no-way", "unreachable"},
                 {TRACE_BROKEN, 0, "broken-replies", "sent a broken reply"}};
    for (size_t i = 0; i < ARRAY_LEN(alone); i++) {
        begin(RRTYPE_RCODE_SERVFAIL);
        f = fail_at("www.some.test.", "some.test.");
        attempt(f, 1, alone[i].outcome, alone[i].rcode);
        expect(alone[i].kind, alone[i].words);
    }
    /* a firewall that drops TCP */
    begin(RRTYPE_RCODE_SERVFAIL);
    f = fail_at("www.some.test.", "some.test.");
    attempt(f, 1, TRACE_TRUNCATED, 0);
    attempt(f, 1, TRACE_TCP_REFUSED, 0);
    expect("no-tcp", "does not fit a datagram, and the servers of some.test do not answer over "
                     "TCP: 192.0.2.1 refused TCP.");
    f->attempts.at[1].outcome = TRACE_TIMEOUT;
    expect("no-tcp", "192.0.2.1 timed out.");
    /* one address out of reach says nothing of the others */
    attempt(f, 2, TRACE_RCODE, RRTYPE_RCODE_SERVFAIL);
    f->attempts.at[0].outcome = TRACE_UNREACHABLE;
    expect("server-failure", "192.0.2.2 said SERVFAIL");
    /* what failed before a server answered was overcome: the question was another one */
    attempt(f, 1, TRACE_ANSWERED, 0);
    f->is_limited = true;
    f->cause = "an RRset has too many records (limit: rrset-records)";
    expect("limit", "an RRset has too many records (limit: rrset-records)");
    /* what was amiss further up has been overcome */
    begin(RRTYPE_RCODE_SERVFAIL);
    f = fail_at("www.some.test.", "test.");
    attempt(f, 8, TRACE_RCODE, RRTYPE_RCODE_SERVFAIL);
    read_name("some.test.", f->zone);
    attempt(f, 1, TRACE_TIMEOUT, 0);
    expect("silent", "192.0.2.1 timed out");
    assert_null(strstr(cause.text, "192.0.2.8"));
}

/* Servers that the configuration names are no delegation; time that went into silent servers is
 * theirs. */
static void failures_by_other_words(void **state)
{
    struct cause_failure *f;
    (void)state;
    begin(RRTYPE_RCODE_SERVFAIL);
    f = fail_at("www.some.test.", "some.test.");
    f->is_configured = true;
    attempt(f, 1, TRACE_RCODE, RRTYPE_RCODE_REFUSED);
    expect("lame", "The servers that the configuration names for some.test do not serve it: "
                   "192.0.2.1 said REFUSED.");
    begin(RRTYPE_RCODE_SERVFAIL);
    f = fail_at("ns.slow.test.", "slow.test.");
    attempt(f, 9, TRACE_TIMEOUT, 0);
    f = fail_at("www.some.test.", "some.test.");
    f->is_limited = true;
    f->addr_cnt = 0;
    f->cause = "the time for one question is up";
    expect("silent", "None of the servers of slow.test answers: 192.0.2.9 timed out. That kept "
                     "www.some.test");
    begin(RRTYPE_RCODE_SERVFAIL); /* five of six names are denied, the sixth leads to a server
                                     that refuses */
    f = fail_at("ns6.other.test.", "other.test.");
    attempt(f, 3, TRACE_RCODE, RRTYPE_RCODE_REFUSED);
    f = fail_at("www.some.test.", "some.test.");
    f->addr_cnt = 0;
    f->server_cnt = 6;
    f->denied_cnt = 5;
    for (unsigned i = 0; i < 5; i++)
        read_name("ns.gone.test.", f->denied[i]);
    expect("lame", "The delegation of other.test is lame");
    f->server_cnt = 5;
    facts.failures = f;
    facts.failure_cnt = 1;
    expect("no-server-names", "and 1 more do not exist or have no address");
    facts.type = RRTYPE_ANY;
    facts.rcode = RRTYPE_RCODE_NOERROR;
    expect("answered", "Questions of type ANY get one record");
}

static void failures_of_delegations(void **state)
{
    struct cause_failure *f;
    (void)state;
    begin(RRTYPE_RCODE_SERVFAIL);
    f = fail_at("ns.b.test.", "b.test.");
    f->is_loop = true;
    f->addr_cnt = 0;
    f = fail_at("www.some.test.", "some.test.");
    f->addr_cnt = 0;
    expect("circle", "The servers of b.test go round in a circle");
    assert_non_null(strstr(cause.text, "That kept www.some.test from being found."));
    begin(RRTYPE_RCODE_SERVFAIL);
    f = fail_at("www.some.test.", "some.test.");
    f->addr_cnt = 0;
    f->denied_cnt = 1;
    read_name("ns.gone.test.", f->denied[0]);
    expect("no-server-names", "cannot be found: ns.gone.test does not exist or has no address");
    f->denied_cnt = 0;
    f->addr_cnt = 1;
    f->is_forbidden = true;
    expect("forbidden", "only addresses that this resolver never asks");
    f->is_v6_only = true;
    expect("no-way", "IPv6 addresses only");
    begin(RRTYPE_RCODE_SERVFAIL);
    f = fail_at("www.some.test.", "some.test.");
    f->is_limited = true;
    f->cause = "100 questions to servers";
    expect("limit", "100 questions to servers");
    begin(RRTYPE_RCODE_SERVFAIL);
    facts.ede_text = "the chain of aliases is too long";
    expect("limit", "the chain of aliases is too long");
    begin(RRTYPE_RCODE_SERVFAIL);
    read_name("b.test.", facts.chain[0]);
    memcpy(facts.chain[1], asked, sizeof(asked));
    facts.cname_cnt = 2;
    expect("alias-circle", "www.some.test -> b.test -> www.some.test.");
}

static void failures_that_are_remembered(void **state)
{
    struct cause_failure *f;
    (void)state;
    begin(RRTYPE_RCODE_SERVFAIL);
    facts.is_remembered = true;
    facts.ede_text = "no server gave an answer";
    facts.failure = (struct cause_source){.is_there = true, .age_s = 3, .left_s = 2};
    expect("remembered", "It failed 3 seconds ago, which is remembered for another 2 seconds: "
                         "no server gave an answer.");
    f = fail_at("www.some.test.", "some.test.");
    attempt(f, 1, TRACE_TIMEOUT, 0);
    expect("silent", "for another 2 seconds. None of the servers of some.test answers");
    assert_non_null(strstr(cause.advice, "--no-cache"));
}

static void names_of_any_length_fit(void **state)
{
    (void)state;
    begin(RRTYPE_RCODE_SERVFAIL);
    for (size_t i = 0; i + 2 < DNAME_MAX; i += 64) { /* each octet is four when it is printed */
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
        cmocka_unit_test(answers),
        cmocka_unit_test(failures_of_servers),
        cmocka_unit_test(failures_by_other_words),
        cmocka_unit_test(failures_of_delegations),
        cmocka_unit_test(failures_that_are_remembered),
        cmocka_unit_test(names_of_any_length_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
