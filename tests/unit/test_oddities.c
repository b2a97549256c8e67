/* Servers that are odd, old or half broken, but not hostile: names of their zones resolve with
 * a bounded number of queries, and what was found out about a server is remembered for a
 * quarter of an hour at most. */
#include "tests/unit/world.h"

#include "resolver/iterate/classify.h"

#define VICTIM_SERVER "192.0.2.3"

/* victim.example with a second server, ns2 at 192.0.2.5. */
static bool two_servers(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.2") == 0 && ends_in(name, "victim.example.")) {
        delegate("victim.example.", "ns.victim.example.", VICTIM_SERVER);
        add(MESSAGE_AUTHORITY, "victim.example. 3600 NS ns2.victim.example.");
        /* write the reply again: the records of a section must stand together */
        reply.len = MESSAGE_HEADER_LEN + reply.ask->match.question_len;
        memset(&reply.cnt[MESSAGE_ANSWER], 0, sizeof(reply.cnt) - sizeof(reply.cnt[0]));
        add(MESSAGE_AUTHORITY, "victim.example. 3600 NS ns.victim.example.");
        add(MESSAGE_AUTHORITY, "victim.example. 3600 NS ns2.victim.example.");
        add(MESSAGE_ADDITIONAL, "ns.victim.example. 3600 A 192.0.2.3");
        add(MESSAGE_ADDITIONAL, "ns2.victim.example. 3600 A 192.0.2.5");
        return true;
    }
    return world(strcmp(server, "192.0.2.5") == 0 ? VICTIM_SERVER : server, name, type);
}

static bool is_victim(const char *server) { return strcmp(server, VICTIM_SERVER) == 0; }

static void open_world(uint64_t seed)
{
    open_stage();
    stage_open(&stage, seed);
}

/* Resolve a name, and return how many queries to servers that took. */
static unsigned resolve(const char *name, servers with)
{
    unsigned before = asked_cnt;
    ask(name);
    run(with);
    return asked_cnt - before;
}

/* ---- EDNS (RFC 6891 7) ---- */

static unsigned rejecting_rcode;
static bool rejects_edns, is_signing;

static void put_opt(void)
{
    static const uint8_t opt[] = {0, 0, RRTYPE_OPT, 4, 0xd0, 0, 0, 0, 0, 0, 0};
    memcpy(reply.wire + reply.len, opt, sizeof(opt));
    reply.len += sizeof(opt);
    reply.cnt[MESSAGE_ADDITIONAL]++;
}

static bool has_opt(void)
{
    struct message m;
    assert_int_equal(message_parse(reply.ask->wire, reply.ask->len, &m), MESSAGE_WHOLE);
    return m.has_edns;
}

/* A server that rejects all EDNS options, or EDNS itself, in a reply that has an OPT record
 * nevertheless. */
static bool without_options(const char *server, const char *name, uint16_t type)
{
    bool is_rejected = reply.ask->match.client_cookie || (rejects_edns && has_opt());
    if (!is_victim(server) || !is_rejected || (is_signing && strncmp(name, "one.", 4) == 0)) {
        bool answers = world(server, name, type);
        if (answers && is_victim(server) && is_signing)
            add(MESSAGE_ANSWER,
                "%s 3600 RRSIG A 13 3 3600 20300101000000 20200101000000 1 victim.example. "
                "AAAA",
                name);
        return answers;
    }
    reply.flags = (uint16_t)(MESSAGE_QR | rejecting_rcode);
    put_opt();
    return true;
}

static void test_servers_without_edns_options(void **state)
{
    static const unsigned rcodes[] = {RRTYPE_RCODE_FORMERR, RRTYPE_RCODE_NOTIMP};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rcodes); i++)
        for (int all = 0; all < 2; all++) {
            rejecting_rcode = rcodes[i];
            rejects_edns = all;
            is_signing = false;
            open_world(7);
            resolve("www.victim.example", without_options);
            assert_true(has_address(GOOD));
            assert_int_equal(resolve("next.victim.example", without_options),
                             1); /* remembered */
            assert_true(has_address(GOOD));
            stage_fini(&stage);
        }
}

/* FORMERR from a server that has sent signatures does not switch EDNS off, because that would
 * switch signatures off. */
static void test_edns_of_signed_zones_stays(void **state)
{
    (void)state;
    rejecting_rcode = RRTYPE_RCODE_FORMERR;
    rejects_edns = is_signing = true;
    open_world(7);
    resolve("one.victim.example", without_options);
    assert_true(has_address(GOOD));
    resolve("www.victim.example", without_options);
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    /* a server without signatures and EDNS has replaced it: after a quarter of an hour, in
     * which it is queried all the time, EDNS may be switched off */
    is_signing = false;
    for (int minute = 0; minute < 20; minute += 5) {
        char name[40];
        now_advance(5 * 60000);
        snprintf(name, sizeof(name), "n%d.victim.example", minute);
        resolve(name, without_options);
    }
    resolve("mail.victim.example", without_options);
    assert_int_not_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    stage_fini(&stage);
}

/* EDNS stays on for a zone whose parent has a DS, too. */
static bool with_ds(const char *server, const char *name, uint16_t type)
{
    bool answers = without_options(server, name, type);
    if (answers && strcmp(server, "192.0.2.2") == 0 && reply.cnt[MESSAGE_ADDITIONAL]) {
        delegate("victim.example.", "ns.victim.example.", NULL);
        reply.len = MESSAGE_HEADER_LEN + reply.ask->match.question_len;
        memset(&reply.cnt[MESSAGE_ANSWER], 0, sizeof(reply.cnt) - sizeof(reply.cnt[0]));
        add(MESSAGE_AUTHORITY, "victim.example. 3600 NS ns.victim.example.");
        add(MESSAGE_AUTHORITY,
            "victim.example. 3600 DS 1 13 2 "
            "0000000000000000000000000000000000000000000000000000000000000000");
        add(MESSAGE_ADDITIONAL, "ns.victim.example. 3600 A 192.0.2.3");
    }
    return answers;
}

static void test_edns_below_a_ds_stays(void **state)
{
    (void)state;
    rejecting_rcode = RRTYPE_RCODE_FORMERR;
    rejects_edns = true;
    open_world(7);
    resolve("www.victim.example", with_ds);
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    resolve("next.victim.example", with_ds); /* the delegation comes from the cache */
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    rejects_edns = false; /* options may be switched off */
    resolve("last.victim.example", with_ds);
    assert_true(has_address(GOOD));
    stage_fini(&stage);
}

/* ---- mixed case ---- */

enum habit {
    HABIT_NODATA,
    HABIT_NXDOMAIN,
    HABIT_BARE_NXDOMAIN,
    HABIT_REFUSED,
    HABIT_SERVFAIL,
    HABIT_EMPTY,
    HABIT_SILENT,
    HABITS
};
static enum habit habit;
static unsigned mixed_cnt;

static bool is_mixed(const struct out_ask *a)
{
    return memcmp(a->wire + MESSAGE_HEADER_LEN, a->match.name, a->match.question_len - 4) != 0;
}

/* A server that knows names in lower case only. */
static bool lower_only(const char *server, const char *name, uint16_t type)
{
    if (!is_victim(server) || !is_mixed(reply.ask))
        return world(server, name, type);
    mixed_cnt++;
    switch (habit) {
    case HABIT_NXDOMAIN: reply.flags |= RRTYPE_RCODE_NXDOMAIN; /* fall through */
    case HABIT_NODATA:
        add(MESSAGE_AUTHORITY, "victim.example. 300 SOA a. b. 1 2 3 4 300");
        return true;
    case HABIT_BARE_NXDOMAIN: reply.flags = MESSAGE_QR | RRTYPE_RCODE_NXDOMAIN; return true;
    case HABIT_REFUSED: reply.flags = MESSAGE_QR | RRTYPE_RCODE_REFUSED; return true;
    case HABIT_SERVFAIL: reply.flags = MESSAGE_QR | RRTYPE_RCODE_SERVFAIL; return true;
    case HABIT_EMPTY: reply.flags = MESSAGE_QR; return true;
    case HABIT_SILENT:
    case HABITS: return false;
    }
    return false;
}

static void test_servers_that_know_lower_case_only(void **state)
{
    (void)state;
    for (habit = 0; habit < HABITS; habit++) {
        open_world(7);
        resolve("www.victim.example", lower_only);
        assert_true(has_address(GOOD));
        resolve("first.deep.victim.example", lower_only);
        assert_true(has_address(GOOD));
        mixed_cnt = 0; /* remembered */
        resolve("next.victim.example", lower_only);
        assert_true(has_address(GOOD));
        assert_int_equal(mixed_cnt, 0);
        stage_fini(&stage);
    }
}

/* With `case-exempt` no query in mixed case is sent at all. */
static void test_case_exempt(void **state)
{
    (void)state;
    uint8_t zone[DNAME_MAX];
    const uint8_t *zones[] = {unit_name("victim.example", zone)};
    struct addr_prefix prefix;

    assert_int_equal(addr_read_prefix("192.0.2.3/32", &prefix), ERR_OK);
    habit = HABIT_NXDOMAIN;
    for (int by_zone = 0; by_zone < 2; by_zone++) {
        open_stage();
        if (by_zone)
            stage.policy->case_exempt = (struct policy_exempt){.zones = zones, .zone_cnt = 1};
        else
            stage.policy->case_exempt.addrs = (struct addr_prefixes){&prefix, 1};
        stage_open(&stage, 7);
        mixed_cnt = 0;
        resolve("www.victim.example", lower_only);
        assert_true(has_address(GOOD));
        assert_int_equal(mixed_cnt, 0);
        stage_fini(&stage);
    }
}

static unsigned lower_cnt;

static void count_lower(struct stage *s, const struct out_ask *a)
{
    char text[ADDR_TEXT_MAX];
    (void)s;
    addr_print(&a->match.to, text);
    lower_cnt += strncmp(text, VICTIM_SERVER "@", 10) == 0 && !is_mixed(a);
}

/* A server that has answered a query in mixed case handles it: its negative answers need no
 * second query in lower case. */
static bool denies(const char *server, const char *name, uint16_t type)
{
    if (!is_victim(server) || strncmp(name, "no", 2) != 0)
        return world(server, name, type);
    reply.flags |= RRTYPE_RCODE_NXDOMAIN;
    add(MESSAGE_AUTHORITY, "victim.example. 300 SOA a. b. 1 2 3 4 300");
    return true;
}

static void test_case_is_trusted_once_handled(void **state)
{
    (void)state;
    for (int first = 0; first < 2; first++) {
        open_world(7);
        stage.asked = count_lower;
        if (first)
            resolve("www.victim.example", denies);
        lower_cnt = 0;
        for (int i = 0; i < 20; i++) {
            char name[60];
            snprintf(name, sizeof(name), "nothing%d.victim.example", i);
            resolve(name, denies);
            assert_int_equal(rcode(), RRTYPE_RCODE_NXDOMAIN);
        }
        assert_int_equal(lower_cnt, first ? 0 : 3);
        stage_fini(&stage);
    }
}

/* ---- cookies (RFC 7873 5.3) ---- */

static bool gives_cookies, has_tcp;

static bool some_cookies(const char *server, const char *name, uint16_t type)
{
    static const uint8_t head[] = {0, 0, RRTYPE_OPT, 4, 0xd0,        0, 0, 0,
                                   0, 0, 20,         0, EDNS_COOKIE, 0, 16};

    if (is_victim(server) && reply.ask->is_tcp && !has_tcp)
        return false;
    bool answers = world(server, name, type);
    if (answers && is_victim(server) && gives_cookies && reply.ask->match.client_cookie) {
        memcpy(reply.wire + reply.len, head, sizeof(head));
        memcpy(reply.wire + reply.len + sizeof(head), reply.ask->match.client_cookie,
               COOKIE_CLIENT_LEN);
        memset(reply.wire + reply.len + sizeof(head) + COOKIE_CLIENT_LEN, 7, 8);
        reply.len += sizeof(head) + 16;
        reply.cnt[MESSAGE_ADDITIONAL]++;
    }
    return answers;
}

static void test_a_cookie_once_and_never_again(void **state)
{
    (void)state;
    for (int tcp = 0; tcp < 2; tcp++) {
        has_tcp = tcp;
        gives_cookies = true;
        open_world(7);
        resolve("www.victim.example", some_cookies);
        gives_cookies = false;
        resolve("next.victim.example", some_cookies);
        assert_true(has_address(GOOD));
        assert_int_equal(resolve("last.victim.example", some_cookies), 1);
        assert_true(has_address(GOOD));
        /* some of the servers behind one address still send a cookie */
        gives_cookies = true;
        resolve("one.victim.example", some_cookies);
        gives_cookies = false;
        resolve("two.victim.example", some_cookies);
        assert_true(has_address(GOOD));
        stage_fini(&stage);
    }
}

/* A reply with a wrong cookie is rejected, unlike one without a cookie. */
static bool wrong_cookies(const char *server, const char *name, uint16_t type)
{
    bool answers = some_cookies(server, name, type);
    if (answers && is_victim(server) && !gives_cookies && !reply.ask->is_tcp) {
        gives_cookies = true;
        some_cookies(server, name, type);
        gives_cookies = false;
        reply.wire[reply.len - 16] ^= 1;
    }
    return answers;
}

static void test_a_wrong_cookie_stays_wrong(void **state)
{
    (void)state;
    has_tcp = false;
    gives_cookies = true;
    open_world(7);
    resolve("www.victim.example", some_cookies);
    gives_cookies = false;
    resolve("next.victim.example", wrong_cookies);
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    stage_fini(&stage);
}

/* ---- messages ---- */

static size_t trailing;

static bool with_trailing(const char *server, const char *name, uint16_t type)
{
    bool answers = world(server, name, type);
    if (answers) {
        memset(reply.wire + reply.len, trailing % 2 ? 0xff : 0, trailing);
        reply.len += trailing;
    }
    return answers;
}

static void test_octets_behind_the_end(void **state)
{
    static const size_t lens[] = {1, 24, 999};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        trailing = lens[i];
        open_world(7);
        assert_int_equal(resolve("www.victim.example", with_trailing), 3);
        assert_true(has_address(GOOD));
        assert_int_equal(stage.engine->counts.trailing, 3);
        stage_fini(&stage);
    }
}

/* ---- broken RDATA (RFC 2181 5) ---- */

static bool is_alone, breaks_both;
static uint16_t broken_type;
static char fault[2000]; /* what the trace says of the last broken reply */
static unsigned fault_cnt;

/* Shorten the RDATA of the last record to `len` octets. */
static void shorten(size_t len)
{
    size_t rdata_len = rr.rdata_len;
    reply.len -= rdata_len - len;
    util_put_u16(reply.wire + reply.len - len - 2, (uint16_t)len);
}

static bool broken(const char *server, const char *name, uint16_t type)
{
    if (!is_victim(server) && !(breaks_both && strcmp(server, "192.0.2.5") == 0))
        return two_servers(server, name, type);
    if (broken_type == RRTYPE_SOA) {
        add(MESSAGE_AUTHORITY, "victim.example. 300 SOA a. b. 1 2 3 4 300");
        shorten(9);
        return true;
    }
    if (!is_alone)
        add(MESSAGE_ANSWER, "%s 3600 A %s", name, GOOD);
    add(MESSAGE_ANSWER, "%s 3600 A %s", name, GOOD);
    if (broken_type == RRTYPE_RRSIG)
        add(MESSAGE_ANSWER,
            "%s 3600 RRSIG A 13 3 3600 20300101000000 20200101000000 1 victim.example. AAAA",
            name);
    shorten(broken_type == RRTYPE_RRSIG ? 19 : 3);
    return true;
}

static void note_fault(void *data, const struct trace_event *event)
{
    (void)data;
    if (event->step == TRACE_STEP_REPLY && event->reply.kind == CLASSIFY_UNREADABLE)
        fault_cnt += snprintf(fault, sizeof(fault), "%s", event->reply.broken) > 0;
}

static void test_broken_rdata_spoils_its_rrset(void **state)
{
    static const uint16_t types[] = {RRTYPE_A, RRTYPE_RRSIG, RRTYPE_SOA};
    struct trace_sink sink = {.note = note_fault};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        for (int alone = 0; alone < 2; alone++)
            for (unsigned seed = 1; seed < 12;
                 seed++) { /* some query the broken server first */
                broken_type = types[i];
                is_alone = alone;
                breaks_both = false;
                open_world(seed);
                trace_listen(&stage.engine->listeners, &sink);
                *fault = '\0';
                resolve("www.victim.example", broken);
                assert_int_equal(rcode(), RRTYPE_RCODE_NOERROR);
                assert_true(has_address(GOOD));
                if (*fault && broken_type == RRTYPE_A)
                    assert_non_null(
                        strstr(fault, alone ? "www.victim.example. A, record 1 at octet"
                                            : "www.victim.example. A, record 2 at octet"));
                trace_unlisten(&stage.engine->listeners, &sink);
                stage_fini(&stage);
                /* without another server there is no answer, not even a part of one */
                breaks_both = true;
                open_world(seed);
                resolve("www.victim.example", broken);
                assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
                assert_true(explains("sent a malformed reply"));
                stage_fini(&stage);
            }
    assert_true(fault_cnt > 0);
}

/* Broken records of a name above the query name do no harm. */
static bool broken_above(const char *server, const char *name, uint16_t type)
{
    if (!is_victim(server) || strcmp(name, "b.victim.example.") != 0)
        return world(server, name, type);
    add(MESSAGE_ANSWER, "%s 3600 A %s", name, GOOD);
    shorten(3);
    return true;
}

static void test_broken_rdata_of_a_name_above(void **state)
{
    (void)state;
    open_world(7);
    resolve("www.b.victim.example", broken_above);
    assert_true(has_address(GOOD));
    stage_fini(&stage);
}

/* Some servers send a CNAME more than once.  A few copies are tolerated, more are an attack. */
static unsigned copy_cnt;

static bool copied(const char *server, const char *name, uint16_t type)
{
    if (!is_victim(server) || strcmp(name, "www.victim.example.") != 0)
        return world(server, name, type);
    for (unsigned i = 0; i < copy_cnt; i++)
        add(MESSAGE_ANSWER, "%s 3600 CNAME b.victim.example.", name);
    return true;
}

static void test_copies_of_a_cname(void **state)
{
    (void)state;
    for (copy_cnt = SCRUB_COPIES_MAX; copy_cnt <= SCRUB_COPIES_MAX + 1; copy_cnt++) {
        open_world(7);
        resolve("www.victim.example", copied);
        assert_int_equal(rcode(), copy_cnt > SCRUB_COPIES_MAX ? RRTYPE_RCODE_SERVFAIL
                                                              : RRTYPE_RCODE_NOERROR);
        stage_fini(&stage);
    }
}

/* ---- NOERROR with nothing at all ---- */

static unsigned empty_cnt; /* servers that send empty replies: 1 or 2 */
static bool is_denying;    /* their RCODE is NXDOMAIN */

static bool empty(const char *server, const char *name, uint16_t type)
{
    if (!is_victim(server) && !(empty_cnt == 2 && strcmp(server, "192.0.2.5") == 0))
        return two_servers(server, name, type);
    reply.flags = MESSAGE_QR | (is_denying ? RRTYPE_RCODE_NXDOMAIN : 0);
    return true;
}

static void test_empty_answers(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed < 9; seed++) {
        empty_cnt = 1;
        open_world(seed);
        resolve("www.victim.example", empty);
        assert_true(has_address(GOOD));
        stage_fini(&stage);
        empty_cnt = 2; /* as load balancers reply for types they do not have */
        open_world(seed);
        assert_in_range(resolve("www.victim.example", empty), 4, 8);
        assert_int_equal(rcode(), RRTYPE_RCODE_NOERROR);
        assert_false(has_address(GOOD));
        assert_int_equal(resolve("www.victim.example", empty), 0); /* cached for a moment */
        stage_fini(&stage);
        is_denying = true;
        open_world(seed);
        resolve("www.victim.example", empty);
        assert_int_equal(rcode(), RRTYPE_RCODE_NXDOMAIN);
        stage_fini(&stage);
        is_denying = false;
    }
}

/* ---- server names that lead nowhere ---- */

static unsigned dead_names, all_names;
static bool good_is_v6_only, dead_are_empty;

/* many.victim.example has `all_names` servers without glue.  The first `dead_names` of them
 * have no address. */
static bool dead_servers(const char *server, const char *name, uint16_t type)
{
    if (is_victim(server) && ends_in(name, "many.victim.example.")) {
        reply.flags = MESSAGE_QR;
        for (unsigned i = 0; i < all_names; i++)
            add(MESSAGE_AUTHORITY, "many.victim.example. 3600 NS %s%u.victim.example.",
                i < dead_names ? "dead" : "good", i);
        return true;
    }
    if (is_victim(server) && strncmp(name, "dead", 4) == 0) {
        if (!dead_are_empty)
            reply.flags |= RRTYPE_RCODE_NXDOMAIN;
        add(MESSAGE_AUTHORITY, "victim.example. 300 SOA a. b. 1 2 3 4 300");
        return true;
    }
    if (is_victim(server) && strncmp(name, "good", 4) == 0) {
        if (type == RRTYPE_A && !good_is_v6_only)
            add(MESSAGE_ANSWER, "%s 3600 A 192.0.2.6", name);
        else if (type == RRTYPE_AAAA && good_is_v6_only)
            add(MESSAGE_ANSWER, "%s 3600 AAAA 2001:db8::6", name);
        else
            add(MESSAGE_AUTHORITY, "victim.example. 300 SOA a. b. 1 2 3 4 300");
        return true;
    }
    if (strcmp(server, "192.0.2.6") == 0 || strcmp(server, "2001:db8::6") == 0) {
        add(MESSAGE_ANSWER, "%s 3600 A %s", name, GOOD);
        return true;
    }
    return world(server, name, type);
}

/* The same with names of servers in zones whose servers are silent. */
static bool silent_names(const char *server, const char *name, uint16_t type)
{
    if (is_victim(server) && ends_in(name, "many.victim.example.")) {
        reply.flags = MESSAGE_QR;
        for (unsigned i = 0; i < dead_names; i++)
            add(MESSAGE_AUTHORITY, "many.victim.example. 3600 NS dns.s%u.example.", i);
        add(MESSAGE_AUTHORITY, "many.victim.example. 3600 NS good.victim.example.");
        return true;
    }
    for (unsigned i = 0; i < dead_names; i++) {
        char zone[30], at[30];
        snprintf(zone, sizeof(zone), "s%u.example.", i);
        snprintf(at, sizeof(at), "192.0.2.%u", 200 + i);
        if (strcmp(server, "192.0.2.2") == 0 && ends_in(name, zone)) {
            delegate(zone, "ns.s.example.", at);
            return true;
        }
        if (strcmp(server, at) == 0)
            return false;
    }
    return dead_servers(server, name, type);
}

static void test_a_good_server_behind_silent_names(void **state)
{
    (void)state;
    good_is_v6_only = dead_are_empty = false;
    for (dead_names = 1; dead_names < DELEGATION_SERVERS_MAX; dead_names++) {
        open_world(7);
        resolve("www.many.victim.example", silent_names);
        assert_true(has_address(GOOD));
        stage_fini(&stage);
    }
}

static void test_a_good_server_behind_dead_names(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++)
        for (unsigned dead = 1; dead < DELEGATION_SERVERS_MAX; dead++) {
            dead_names = dead;
            all_names = dead + 1;
            good_is_v6_only = variant & 1;
            dead_are_empty = variant & 2;
            open_stage();
            stage.policy->uses_v6 = true;
            stage_open(&stage, 7);
            resolve("www.many.victim.example", dead_servers);
            assert_true(has_address(GOOD));
            assert_int_equal(stage.engine->counts.limited, 0);
            stage_fini(&stage);
        }
    /* more servers than a delegation keeps: few of their lookups may fail, and the answer names
     * the limit */
    dead_names = all_names = 40;
    good_is_v6_only = dead_are_empty = false;
    open_world(7);
    resolve("www.many.victim.example", dead_servers);
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    assert_true(explains(failure_text(FAILURE_TARGETS)));
    assert_false(explains("has an address"));
    assert_in_range(asked_cnt, 5, 16);
    assert_int_equal(stage.engine->counts.limited, 1);
    stage_fini(&stage);
    /* it names the limit of lookups, too */
    dead_names = all_names = 13;
    open_stage();
    stage.policy->limits.lookups = 4;
    stage_open(&stage, 7);
    resolve("www.many.victim.example", dead_servers);
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    assert_true(explains(failure_text(FAILURE_LOOKUPS)));
    assert_int_equal(stage.engine->counts.limited, 1);
    stage_fini(&stage);
    /* below the limits it names the zone */
    dead_names = all_names = 2;
    open_world(7);
    resolve("www.many.victim.example", dead_servers);
    assert_true(explains("no server of the zone has an address; zone many.victim.example."));
    stage_fini(&stage);
}

/* ---- chains in one reply ---- */

static enum {
    CHAIN_WHOLE,
    CHAIN_NODATA,
    CHAIN_NXDOMAIN,
    CHAIN_OUT_OF_ZONE,
    CHAIN_BELOW_CUT,
    CHAIN_DNAME
} chain;

static bool chained(const char *server, const char *name, uint16_t type)
{
    if (!is_victim(server) ||
        (strncmp(name, "www.", 4) != 0 && !ends_in(name, "sub.victim.example.")))
        return world(server, name, type);
    if (ends_in(name, "sub.victim.example.")) {
        delegate("sub.victim.example.", "ns.sub.victim.example.", "192.0.2.4");
        return true;
    }
    if (chain == CHAIN_DNAME) {
        add(MESSAGE_ANSWER, "www.victim.example. 3600 CNAME a.old.victim.example.");
        add(MESSAGE_ANSWER, "old.victim.example. 3600 DNAME new.victim.example.");
        add(MESSAGE_ANSWER, "a.old.victim.example. 3600 CNAME a.new.victim.example.");
        add(MESSAGE_ANSWER, "a.new.victim.example. 3600 A %s", GOOD);
        return true;
    }
    add(MESSAGE_ANSWER, "www.victim.example. 3600 CNAME a.victim.example.");
    if (chain == CHAIN_OUT_OF_ZONE) {
        add(MESSAGE_ANSWER, "a.victim.example. 3600 CNAME www.evil.example.");
        add(MESSAGE_ANSWER, "www.evil.example. 3600 A %s", BAD);
        return true;
    }
    if (chain == CHAIN_BELOW_CUT) {
        add(MESSAGE_ANSWER, "a.victim.example. 3600 CNAME b.sub.victim.example.");
        add(MESSAGE_ANSWER, "b.sub.victim.example. 3600 A %s", BAD);
        return true;
    }
    add(MESSAGE_ANSWER, "a.victim.example. 3600 CNAME b.victim.example.");
    if (chain == CHAIN_WHOLE)
        add(MESSAGE_ANSWER, "b.victim.example. 3600 A %s", GOOD);
    else
        add(MESSAGE_AUTHORITY, "victim.example. 300 SOA a. b. 1 2 3 4 300");
    if (chain == CHAIN_NXDOMAIN)
        reply.flags |= RRTYPE_RCODE_NXDOMAIN;
    return true;
}

static bool chained_and_sub(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") == 0) {
        add(MESSAGE_ANSWER, "%s 3600 A %s", name, GOOD);
        return true;
    }
    return chained(server, name, type);
}

static void test_chains_within_the_zone(void **state)
{
    (void)state;
    open_world(7);
    resolve("one.victim.example", chained);
    chain = CHAIN_WHOLE;
    assert_int_equal(resolve("www.victim.example", chained), 1);
    assert_true(has_address(GOOD));
    assert_int_equal(resolve("b.victim.example", chained), 0);
    stage_fini(&stage);

    static const unsigned rcodes[] = {
        [CHAIN_NODATA] = RRTYPE_RCODE_NOERROR, [CHAIN_NXDOMAIN] = RRTYPE_RCODE_NXDOMAIN};
    for (chain = CHAIN_NODATA; chain <= CHAIN_NXDOMAIN; chain++) {
        open_world(7);
        resolve("one.victim.example", chained);
        assert_int_equal(resolve("www.victim.example", chained), 1);
        assert_int_equal(rcode(), rcodes[chain]);
        assert_false(has_address(GOOD));
        stage_fini(&stage);
    }

    chain = CHAIN_DNAME;
    open_world(7);
    resolve("one.victim.example", chained);
    resolve("www.victim.example", chained);
    assert_true(has_address(GOOD));
    stage_fini(&stage);

    /* the end of the chain is another zone's: its servers are queried */
    chain = CHAIN_OUT_OF_ZONE;
    open_world(7);
    resolve("www.victim.example", chained_and_sub);
    assert_true(has_address(GOOD));
    assert_false(has_address(BAD));
    stage_fini(&stage);

    /* the end of the chain is below a zone cut: if the delegation is cached, the child's
     * servers are queried */
    chain = CHAIN_BELOW_CUT;
    open_world(7);
    resolve("x.sub.victim.example", chained_and_sub);
    resolve("www.victim.example", chained_and_sub);
    assert_true(has_address(GOOD));
    assert_false(has_address(BAD));
    stage_fini(&stage);
}

/* ---- delegations that are out of date ---- */

/* The glue of victim.example's only server is out of date: the zone that its name is in has the
 * new address. */
static bool stale_glue(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.2") == 0 && ends_in(name, "victim.example.")) {
        delegate("victim.example.", "ns.other.example.", "192.0.2.77");
        return true;
    }
    if (strcmp(server, "192.0.2.2") == 0 && ends_in(name, "other.example.")) {
        delegate("other.example.", "dns.other.example.", "192.0.2.8");
        return true;
    }
    if (strcmp(server, "192.0.2.8") == 0) {
        if (strcmp(name, "ns.other.example.") == 0 && type == RRTYPE_A)
            add(MESSAGE_ANSWER, "ns.other.example. 3600 A " VICTIM_SERVER);
        else
            add(MESSAGE_AUTHORITY, "other.example. 300 SOA a. b. 1 2 3 4 300");
        return true;
    }
    return world(server, name, type);
}

/* The parent lists one server, which answers queries for the zone's NS records and their
 * addresses only.  Those name a second server. */
static unsigned ns_queries, second_queries;

static bool child_knows_better(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.5") == 0) {
        second_queries++;
        add(MESSAGE_ANSWER, "%s 3600 A %s", name, GOOD);
        return true;
    }
    if (!is_victim(server))
        return world(server, name, type);
    if (type == RRTYPE_NS && strcmp(name, "victim.example.") == 0) {
        ns_queries++;
        add(MESSAGE_ANSWER, "victim.example. 3600 NS ns.victim.example.");
        add(MESSAGE_ANSWER, "victim.example. 3600 NS ns2.victim.example.");
        return true;
    }
    if (strcmp(name, "ns2.victim.example.") == 0 && type == RRTYPE_A) {
        add(MESSAGE_ANSWER, "%s 3600 A 192.0.2.5", name);
        return true;
    }
    reply.flags = MESSAGE_QR | RRTYPE_RCODE_SERVFAIL;
    return true;
}

static void test_when_the_parent_is_out_of_date(void **state)
{
    (void)state;
    open_world(7);
    resolve("www.victim.example", stale_glue);
    assert_true(has_address(GOOD));
    stage_fini(&stage);

    ns_queries = second_queries = 0;
    open_world(7);
    resolve("www.victim.example", child_knows_better);
    assert_true(has_address(GOOD));
    assert_int_equal(ns_queries, 1);
    assert_in_range(asked_cnt, 5, 16);
    /* the next query goes to the delegation's server again */
    second_queries = 0;
    ask("next.victim.example");
    char first[ADDR_TEXT_MAX];
    addr_print(&stage.pending[0]->match.to, first);
    assert_string_equal(first, VICTIM_SERVER "@53");
    run(child_knows_better);
    assert_true(has_address(GOOD));
    stage_fini(&stage);
}

/* ---- zones that cannot be reached ---- */

/* cyc1.example and cyc2.example each have their only server in the other; TTLs may be 0. */
static unsigned loop_ttl;

static bool looping(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.2") != 0 ||
        (!ends_in(name, "cyc1.example.") && !ends_in(name, "cyc2.example.")))
        return world(server, name, type);
    bool is_first = ends_in(name, "cyc1.example.");
    reply.flags = MESSAGE_QR;
    add(MESSAGE_AUTHORITY, "cyc%d.example. %u NS ns.cyc%d.example.", is_first ? 1 : 2, loop_ttl,
        is_first ? 2 : 1);
    return true;
}

/* TsuNAME: 50 queries per second for 20 seconds cost at most one query to servers per second.
 */
static void test_loops_are_remembered(void **state)
{
    static const unsigned ttls[] = {3600, 1, 0};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ttls); i++) {
        loop_ttl = ttls[i];
        open_world(7);
        unsigned first = resolve("first.cyc1.example", looping);
        assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
        unsigned before = asked_cnt;
        for (int n = 0; n < 1000; n++) {
            char name[60];
            snprintf(name, sizeof(name), "n%d.cyc%d.example", n, n % 2 + 1);
            resolve(name, looping);
            assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
            assert_true(explains("cyc"));
            now_advance(20);
        }
        print_message("a loop with TTL %u: %u queries, then %u in 20 s\n", loop_ttl, first,
                      asked_cnt - before);
        assert_true(asked_cnt - before <= 20);
        stage_fini(&stage);
    }
}

/* ---- slow and dead servers ---- */

static unsigned slow_ms;  /* the round-trip time of victim.example's servers */
static unsigned slow_cnt; /* how many there are: 1 or 2 */

static bool slow(const char *server, const char *name, uint16_t type)
{
    bool is_second = strcmp(server, "192.0.2.5") == 0;
    if ((is_victim(server) || is_second) && reply.ask->timeout_ms < slow_ms)
        return false;
    return slow_cnt == 2 ? two_servers(server, name, type) : world(server, name, type);
}

/* A reply that takes up to two seconds arrives within the client's time, from one server or
 * from two. */
static void test_slow_servers_are_waited_for(void **state)
{
    static const unsigned delays[] = {300, 1000, 1500, 2000};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(delays); i++)
        for (slow_cnt = 1; slow_cnt <= 2; slow_cnt++)
            for (unsigned seed = 1; seed < 5; seed++) {
                slow_ms = delays[i];
                open_world(seed);
                uint64_t before = now_mono_ms();
                resolve("www.victim.example", slow);
                assert_true(has_address(GOOD));
                /* the query that was answered was sent in time for the reply */
                assert_in_range(now_mono_ms() - before, 0, 7000 - delays[i]);
                stage_fini(&stage);
            }
}

static bool slow_forwarder(const char *server, const char *name, uint16_t type)
{
    (void)server;
    (void)type;
    if (reply.ask->timeout_ms < slow_ms)
        return false;
    reply.flags = MESSAGE_QR | MESSAGE_RA;
    add(MESSAGE_ANSWER, "%s 3600 A %s", name, GOOD);
    return true;
}

static void test_slow_forwarders_are_waited_for(void **state)
{
    static const unsigned delays[] = {900, 1500, 2000, 4000};
    static const char *const forwarders[] = {"192.0.2.8", "192.0.2.9"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(delays); i++)
        for (unsigned cnt = 1; cnt <= 2; cnt++) {
            if (cnt == 2 && delays[i] > 2000) /* each of two gets half of the time */
                continue;
            slow_ms = delays[i];
            open_stage();
            put_zone(stage.policy, ".", DELEGATION_FORWARD, forwarders, cnt);
            stage_open(&stage, 7);
            resolve("www.victim.example", slow_forwarder);
            assert_true(has_address(GOOD));
            stage_fini(&stage);
        }
}

static unsigned dead_cnt; /* servers of victim.example that are silent: 1 or 2 */
static bool is_back;

static bool dead(const char *server, const char *name, uint16_t type)
{
    if (!is_back && (is_victim(server) || strcmp(server, "192.0.2.5") == 0))
        return false;
    return dead_cnt == 2 ? two_servers(server, name, type) : world(server, name, type);
}

/* A dead zone costs one timeout: further names fail at once, and a query now and then finds out
 * whether it is back. */
static void test_dead_zones_fail_fast(void **state)
{
    (void)state;
    for (dead_cnt = 1; dead_cnt <= 2; dead_cnt++) {
        char name[60];
        is_back = false;
        open_world(7);
        uint64_t before = now_mono_ms();
        resolve("first.victim.example", dead);
        assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
        assert_in_range(now_mono_ms() - before, 4000, 7000);
        for (int i = 0; i < 10; i++) {
            snprintf(name, sizeof(name), "n%d.victim.example", i);
            assert_int_equal(resolve(name, dead), 0);
            assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
            assert_true(explains(failure_text(FAILURE_SERVERS_SILENT)));
            assert_true(explains("; zone victim.example."));
        }
        now_advance(4001);
        unsigned asked = asked_cnt;
        for (int i = 0; i < 10; i++) {
            snprintf(name, sizeof(name), "m%d.victim.example", i);
            ask(name);
        }
        assert_in_range(asked_cnt - asked, 1, dead_cnt);
        run(dead);
        is_back = true;
        now_advance(32001);
        resolve("n0.victim.example", dead); /* the cached failure has expired */
        assert_true(has_address(GOOD));
        stage_fini(&stage);
    }
}

/* evil.example names the victim's server, which drops queries for zones it does not serve. */
static bool drops_others(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.2") == 0 && ends_in(name, "evil.example.")) {
        delegate("evil.example.", "ns.victim.example.", VICTIM_SERVER);
        return true;
    }
    return !(is_victim(server) && ends_in(name, "evil.example.")) && world(server, name, type);
}

static void test_a_server_is_dead_for_one_zone(void **state)
{
    (void)state;
    open_world(7);
    resolve("www.victim.example", drops_others);
    now_advance(60000); /* its last reply was long ago */
    for (int i = 0; i < 5; i++) {
        char name[60];
        snprintf(name, sizeof(name), "n%d.evil.example", i);
        resolve(name, drops_others);
        assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    }
    assert_int_equal(resolve("x.evil.example", drops_others), 0); /* dead for that zone */
    resolve("other.victim.example", drops_others);
    assert_true(has_address(GOOD));
    stage_fini(&stage);
}

/* Ten names that fail at one moment are one failure of their zone. */
static bool is_repaired;

static bool no_address(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.2") == 0 && ends_in(name, "shop.example.")) {
        delegate("shop.example.", "ns.victim.example.", NULL);
        return true;
    }
    if (!is_repaired && is_victim(server)) {
        reply.flags |= RRTYPE_RCODE_SERVFAIL;
        return true;
    }
    if (is_victim(server) && ends_in(name, "ns.victim.example.")) {
        add(MESSAGE_ANSWER, "%s 3600 A " VICTIM_SERVER, name);
        return true;
    }
    return world(server, name, type);
}

static void test_a_zone_is_down_once(void **state)
{
    (void)state;
    is_repaired = false;
    open_world(7);
    for (int i = 0; i < 10; i++) {
        char name[60];
        snprintf(name, sizeof(name), "n%d.shop.example", i);
        ask(name);
    }
    run(no_address);
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    is_repaired = true;
    now_advance(5500);
    resolve("late.shop.example", no_address);
    assert_int_equal(rcode(), RRTYPE_RCODE_NOERROR);
    stage_fini(&stage);
}

/* The address of the zone's server and that of the name have TTL 0. */
static bool moving(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.2") == 0 && ends_in(name, "moving.example.")) {
        delegate("moving.example.", "host.victim.example.", NULL);
        return true;
    }
    if (strcmp(server, "192.0.2.4") == 0) {
        add(MESSAGE_ANSWER, "%s 0 A %s", name, GOOD);
        return true;
    }
    if (strcmp(server, "192.0.2.3") == 0 && type == RRTYPE_A) {
        add(MESSAGE_ANSWER, "%s 0 A 192.0.2.4", name);
        return true;
    }
    return world(server, name, type);
}

/* Data with TTL 0 reach the query that waits for them, even if the wall clock is set back
 * before or between the replies. */
static void test_the_clock_is_set_back_meanwhile(void **state)
{
    static const char *const last[] = {"192.0.2.3", "192.0.2.4"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(last); i++) {
        struct addr at;
        open_stage();
        stage_open(&stage, 7);
        assert_int_equal(addr_read(last[i], 53, &at), ERR_OK);
        ask("www.moving.example");
        while (stage.pending_cnt > 0 && !addr_is_equal(&stage.pending[0]->match.to, &at))
            assert_true(answer(moving, 0));
        assert_int_equal(stage.pending_cnt, 1);
        now_set_wall(now_wall_ms() - 3600 * 1000);
        run(moving);
        assert_int_equal(rcode(), RRTYPE_RCODE_NOERROR);
        assert_true(has_address(GOOD));
        stage_fini(&stage);
    }
}

/* A server that drops queries of one type is not dead. */
static bool drops_txt(const char *server, const char *name, uint16_t type)
{
    return !(is_victim(server) && type == RRTYPE_TXT) && world(server, name, type);
}

static void test_a_server_that_drops_a_type_is_not_dead(void **state)
{
    (void)state;
    open_world(7);
    resolve("www.victim.example", drops_txt);
    for (int i = 0; i < 3; i++) {
        char name[60];
        snprintf(name, sizeof(name), "t%d.victim.example", i);
        ask_as(name, RRTYPE_TXT, NULL);
        run(drops_txt);
        assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
        snprintf(name, sizeof(name), "a%d.victim.example", i);
        resolve(name, drops_txt);
        assert_true(has_address(GOOD));
    }
    stage_fini(&stage);
}

/* ---- RRsets as large as a message ---- */

static unsigned records;
static bool is_text, is_backwards;

static bool large_set(const char *server, const char *name, uint16_t type)
{
    if (!is_victim(server) || strncmp(name, "large", 5) != 0)
        return world(server, name, type);
    for (unsigned i = 0; i < records; i++) {
        unsigned n = is_backwards ? records - 1 - i : i;
        if (is_text)
            add(MESSAGE_ANSWER, "l. 3600 TXT %0200u", n);
        else
            add(MESSAGE_ANSWER, "l. 3600 A 10.%u.%u.7", n / 256, n % 256);
        /* replace the owner by a pointer to the query name, which keeps the message small */
        size_t len = 2, rest = 10 + rr.rdata_len, at = reply.len - rest - 3;
        memmove(reply.wire + at + len, reply.wire + at + 3, rest);
        util_put_u16(reply.wire + at, 0xc00c);
        reply.len--;
    }
    return true;
}

/* No valid RRset is too large, up to the size of a message: it is answered when it arrives and
 * from the cache. */
static void test_large_rrsets_are_answered(void **state)
{
    static const unsigned cnts[] = {101, 500, 4000}, texts[] = {80, 300};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cnts) + ARRAY_LEN(texts); i++)
        for (int back = 0; back < 2; back++) {
            is_text = i >= ARRAY_LEN(cnts);
            records = is_text ? texts[i - ARRAY_LEN(cnts)] : cnts[i];
            is_backwards = back;
            open_world(7);
            resolve("one.victim.example", large_set);
            for (int again = 0; again < 2; again++) {
                ask_as("large.victim.example", is_text ? RRTYPE_TXT : RRTYPE_A, NULL);
                run(large_set);
                assert_int_equal(rcode(), RRTYPE_RCODE_NOERROR);
                /* the client queries over UDP */
                bool is_truncated = stage.answers[stage.answer_cnt - 1].wire[2] & 2;
                assert_int_equal(is_truncated, is_text || records > 250);
                stage_settle(&stage);
            }
            /* three queries for the zone, one over UDP, one over TCP; then it is cached */
            assert_int_equal(asked_cnt, 5);
            stage_fini(&stage);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers_without_edns_options),
        cmocka_unit_test(test_edns_of_signed_zones_stays),
        cmocka_unit_test(test_edns_below_a_ds_stays),
        cmocka_unit_test(test_servers_that_know_lower_case_only),
        cmocka_unit_test(test_case_exempt),
        cmocka_unit_test(test_case_is_trusted_once_handled),
        cmocka_unit_test(test_a_cookie_once_and_never_again),
        cmocka_unit_test(test_a_wrong_cookie_stays_wrong),
        cmocka_unit_test(test_octets_behind_the_end),
        cmocka_unit_test(test_broken_rdata_spoils_its_rrset),
        cmocka_unit_test(test_broken_rdata_of_a_name_above),
        cmocka_unit_test(test_copies_of_a_cname),
        cmocka_unit_test(test_empty_answers),
        cmocka_unit_test(test_a_good_server_behind_dead_names),
        cmocka_unit_test(test_a_good_server_behind_silent_names),
        cmocka_unit_test(test_chains_within_the_zone),
        cmocka_unit_test(test_when_the_parent_is_out_of_date),
        cmocka_unit_test(test_loops_are_remembered),
        cmocka_unit_test(test_slow_servers_are_waited_for),
        cmocka_unit_test(test_slow_forwarders_are_waited_for),
        cmocka_unit_test(test_dead_zones_fail_fast),
        cmocka_unit_test(test_a_server_is_dead_for_one_zone),
        cmocka_unit_test(test_a_zone_is_down_once),
        cmocka_unit_test(test_the_clock_is_set_back_meanwhile),
        cmocka_unit_test(test_a_server_that_drops_a_type_is_not_dead),
        cmocka_unit_test(test_large_rrsets_are_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
