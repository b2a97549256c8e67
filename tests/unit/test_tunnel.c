/* Which traffic is taken for a tunnel: generated traffic of each kind, from seeds, on a clock
 * that the traffic moves.  Labels, rates and replies are those that tools and services use. */
#include "unit.h"

#include "base/hash.h"
#include "base/rng.h"
#include "resolver/answer/tunnel.h"

enum { SEEDS = 5, MINUTE_MS = 60000, HOUR_MS = 3600000, TEXT_MAX = 512 };

static const char hex[] = "0123456789abcdef", base32[] = "abcdefghijklmnopqrstuvwxyz234567";

static struct {
    struct tunnel *tunnel;
    struct rng rng;
    uint64_t now_ms, start_ms;
    struct addr client;
    unsigned alerts;
    uint64_t alert_ms; /* of the first, since the start */
    struct tunnel_sum sum;
} traffic;

static void set_client(const char *text)
{
    assert_int_equal(addr_read(text, 1024, &traffic.client), ERR_OK);
}

static void begin(uint64_t seed)
{
    tunnel_free(&traffic.tunnel);
    assert_int_equal(tunnel_new(&traffic.tunnel), ERR_OK);
    rng_init_seeded(&traffic.rng, seed);
    traffic.start_ms = traffic.now_ms = seed * 12345678;
    traffic.alerts = 0;
    set_client("192.0.2.7");
}

static void note_alert(bool is_due, const struct tunnel_sum *sum)
{
    if (is_due && traffic.alerts++ == 0) {
        traffic.alert_ms = traffic.now_ms - traffic.start_ms;
        traffic.sum = *sum;
    }
}

static struct tunnel_flow measure(const char *text)
{
    uint8_t name[DNAME_MAX];
    struct dname_parts parts;

    dname_split(unit_name(text, name), &parts);
    return tunnel_measure(traffic.tunnel, &traffic.client, &parts);
}

/* Send a query that the cache cannot answer; it gets a reply of `octets`. */
static void send_query(const char *text, uint16_t type, size_t octets)
{
    struct tunnel_sum sum;
    const struct tunnel_flow flow = measure(text);

    if (flow.bits == 0)
        return;
    note_alert(tunnel_note_query(traffic.tunnel, &flow, traffic.now_ms, &sum), &sum);
    if (tunnel_is_payload(type))
        note_alert(tunnel_note_reply(traffic.tunnel, &flow, octets, traffic.now_ms, &sum),
                   &sum);
}

static unsigned draw(unsigned below) { return rng_u32(&traffic.rng) % below; }

static void pass(unsigned ms) { traffic.now_ms += ms; }

/* Pass one to twice `ms` less one, as independent queries do. */
static void pass_about(unsigned ms) { pass(1 + draw(2 * ms - 1)); }

static bool is_before(uint64_t ms) { return traffic.now_ms - traffic.start_ms < ms; }

/* Append `cnt` random letters of an alphabet, and a dot. */
static void add_label(char *text, const char *alphabet, size_t cnt)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < cnt; i++)
        text[len++] = alphabet[draw((unsigned)strlen(alphabet))];
    text[len++] = '.';
    text[len] = '\0';
}

static void add(char *text, const char *more) { strcat(text, more); }

/* ---- tunnels ---- */

/* A name full of base32, as iodine sends upstream: 100 octets and more. */
static void send_full_name(const char *zone, uint16_t type, size_t octets)
{
    char text[TEXT_MAX] = "";

    for (unsigned i = 0; i < 3; i++)
        add_label(text, base32, 57);
    add(text, zone);
    send_query(text, type, octets);
}

static void expect_alert_within(uint64_t ms)
{
    assert_int_not_equal(traffic.alerts, 0);
    if (traffic.alert_ms > ms)
        fail_msg("found after %llu ms", (unsigned long long)traffic.alert_ms);
}

static void test_a_file_that_leaves_in_names_is_found(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed);
        for (unsigned i = 0; i < 70; i++, pass(20))
            send_full_name("evil.attacker32.com", RRTYPE_A, 16);
        expect_alert_within(2000);
        assert_int_equal(traffic.alerts, 1);
        assert_in_range(traffic.sum.names, 40, 70);
        assert_in_range(traffic.sum.octets, 40 * 80, 70 * 107);
        assert_in_range(traffic.sum.seconds, 1, 2);
    }
}

static void test_a_slow_tunnel_is_found_within_a_minute(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed);
        while (is_before(MINUTE_MS)) {
            send_full_name("t.example.net", RRTYPE_A, 16);
            pass_about(700);
        }
        expect_alert_within(MINUTE_MS);
    }
}

/* dnscat2: hexadecimal labels, and replies that carry as much. */
static void test_a_shell_is_found(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed);
        for (unsigned i = 0; i < 60; i++, pass_about(500)) {
            char text[TEXT_MAX] = "";
            add_label(text, hex, 60);
            add_label(text, hex, 60);
            add(text, "c2.example.org");
            send_query(text, i % 2 ? RRTYPE_TXT : RRTYPE_MX, 120);
        }
        expect_alert_within(MINUTE_MS);
    }
}

/* iodine downstream: short names that ask for the next piece. */
static void test_a_download_is_found(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed);
        while (is_before(MINUTE_MS)) {
            char text[TEXT_MAX] = "";
            add_label(text, base32, 20);
            add(text, "t.example.net");
            send_query(text, RRTYPE_NULL, 1000);
            pass_about(20);
        }
        expect_alert_within(MINUTE_MS);
        assert_in_range(traffic.sum.octets, 14 * traffic.sum.names, 20 * traffic.sum.names);
    }
}

/* Labels of one letter do not hide what they spell. */
static void test_single_letters_are_found(void **state)
{
    (void)state;
    begin(1);
    while (is_before(MINUTE_MS)) {
        char text[TEXT_MAX] = "";
        for (unsigned i = 0; i < 110; i++)
            add_label(text, base32, 1);
        add(text, "t.example.net");
        send_query(text, RRTYPE_A, 16);
        pass_about(50);
    }
    expect_alert_within(MINUTE_MS);
}

/* The light flows of many others do not displace the heavy one. */
static void test_a_tunnel_is_found_behind_a_crowd(void **state)
{
    (void)state;
    begin(1);
    for (unsigned i = 0; i < 60; i++, pass(100)) {
        char client[40];
        set_client("192.0.2.7");
        send_full_name("evil.attacker32.com", RRTYPE_A, 16);
        for (unsigned n = 0; n < 2000; n++) {
            char text[TEXT_MAX] = "";
            snprintf(client, sizeof(client), "10.%u.%u.%u", draw(256), draw(256), draw(256));
            set_client(client);
            add_label(text, base32, 12);
            add_label(text, base32, 10);
            add(text, "net");
            send_query(text, RRTYPE_A, 16);
        }
    }
    assert_int_equal(traffic.alerts, 1);
    assert_in_range(traffic.sum.names, 40, 60);
}

static void test_an_alert_is_repeated_after_ten_minutes(void **state)
{
    (void)state;
    begin(1);
    while (is_before(HOUR_MS)) {
        send_full_name("evil.attacker32.com", RRTYPE_A, 16);
        pass(500);
    }
    assert_in_range(traffic.alerts, 5, 7);
}

/* An idle flow is forgotten, however long ago it was: here the time of a slot goes round. */
static void test_a_bucket_leaks(void **state)
{
    (void)state;
    begin(1);
    for (unsigned i = 0; i < 30; i++) {
        for (unsigned n = 0; n < 30; n++)
            send_full_name("evil.attacker32.com", RRTYPE_A, 16);
        pass(i % 2 ? 5 * MINUTE_MS : 50 * HOUR_MS);
    }
    assert_int_equal(traffic.alerts, 0);
    for (unsigned n = 0; n < 60; n++)
        send_full_name("evil.attacker32.com", RRTYPE_A, 16);
    assert_int_equal(traffic.alerts, 1);
}

/* Names that are sent again carry nothing, whatever their case. */
static void test_a_name_counts_once(void **state)
{
    char text[TEXT_MAX] = "";
    (void)state;
    begin(1);
    for (unsigned i = 0; i < 3; i++)
        add_label(text, base32, 57);
    add(text, "example.net");
    for (unsigned i = 0; i < 10000; i++) {
        for (char *c = text; *c; c++)
            if (draw(2) && (*c | 32) >= 'a' && (*c | 32) <= 'z')
                *c ^= 32;
        send_query(text, RRTYPE_TXT, 200);
    }
    assert_int_equal(traffic.alerts, 0);
}

/* ---- benign traffic ---- */

static void expect_silence(void (*generate)(void))
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed);
        generate();
        if (traffic.alerts)
            fail_msg("seed %u: alert after %llu ms, %u names, %u octets", (unsigned)seed,
                     (unsigned long long)traffic.alert_ms, traffic.sum.names,
                     traffic.sum.octets);
    }
}

/* Objects of a content network: short TTLs, so they are missed again and again, and each page
 * has some that are new. */
static void browse_content_network(void)
{
    static char names[3000][64];

    for (unsigned i = 0; i < 3000; i++) {
        names[i][0] = '\0';
        add_label(names[i], hex, 16);
        add(names[i], "edge.cdn-example.net");
    }
    while (is_before(2 * HOUR_MS)) {
        unsigned below = 1 + draw(3000);
        send_query(names[draw(below)], draw(2) ? RRTYPE_A : RRTYPE_AAAA, 32);
        pass_about(50);
    }
}

static void test_content_networks_are_silent(void **state)
{
    (void)state;
    expect_silence(browse_content_network);
}

/* Digests of files, each once: SHA-256 in two labels behind a header, and bursts while a folder
 * is scanned. */
static void look_up_digests(void)
{
    for (unsigned i = 0; is_before(2 * HOUR_MS); i++) {
        char text[TEXT_MAX] = "4-0-";
        add_label(text, hex, 6);
        add_label(text, hex, 32);
        add_label(text, hex, 32);
        add(text, "avqs.reputation.example");
        send_query(text, RRTYPE_A, 16);
        if (i % 700 < 200)
            pass_about(50);
        else
            pass_about(1100);
    }
}

/* MD5 digests with answers as text. */
static void look_up_short_digests(void)
{
    while (is_before(2 * HOUR_MS)) {
        char text[TEXT_MAX] = "";
        add_label(text, hex, 32);
        add(text, "malware.hash.example");
        send_query(text, RRTYPE_TXT, 30);
        pass_about(500);
    }
}

static void test_reputation_services_are_silent(void **state)
{
    (void)state;
    expect_silence(look_up_digests);
    expect_silence(look_up_short_digests);
}

/* A busy mail server: 500 addresses per second at one list, IPv6 too, and a label that says who
 * pays for them. */
static void look_up_senders(void)
{
    while (is_before(10 * MINUTE_MS)) {
        char text[TEXT_MAX] = "";
        if (draw(4) == 0)
            for (unsigned i = 0; i < 32; i++)
                add_label(text, hex, 1);
        else
            snprintf(text, sizeof(text), "%u.%u.%u.%u.", draw(256), draw(256), draw(256),
                     draw(256));
        add(text, "k3bqz7xw5mfa2nq6d4hyt5cuw4.zen.dq.blocklist.net");
        send_query(text, draw(20) ? RRTYPE_A : RRTYPE_TXT, 80);
        pass_about(2);
    }
}

/* Domains of links, and the keys of those that send through one big service. */
static void look_up_mail(void)
{
    while (is_before(HOUR_MS)) {
        char text[TEXT_MAX] = "";
        add_label(text, "aeiourstlnm", 4 + draw(12));
        add(text, draw(2) ? "com.multi.uribl.net" : "org._report._dmarc.reports.net");
        send_query(text, draw(2) ? RRTYPE_A : RRTYPE_TXT, 80);
        if (draw(10) == 0) {
            *text = '\0';
            add_label(text, base32, 32);
            add(text, "_domainkey.bulkmail.com");
            send_query(text, RRTYPE_TXT, 420);
        }
        pass_about(100);
    }
}

static void test_mail_servers_are_silent(void **state)
{
    (void)state;
    expect_silence(look_up_senders);
    expect_silence(look_up_mail);
}

/* A /16 and then some of a /32, as fast as possible. */
static void sweep_reverse_zones(void)
{
    char text[TEXT_MAX];

    for (unsigned i = 0; i < 1 << 16; i++) {
        snprintf(text, sizeof(text), "%u.%u.51.198.in-addr.arpa", i & 255, i >> 8);
        send_query(text, RRTYPE_PTR, 60);
        if (i % 4 == 0)
            pass(1);
    }
    for (unsigned i = 0; i < 50000; i++) {
        *text = '\0';
        for (unsigned n = 0; n < 24; n++)
            add_label(text, hex, 1);
        add(text, "8.b.d.0.1.0.0.2.ip6.arpa");
        send_query(text, RRTYPE_PTR, 60);
    }
}

static void test_sweeps_of_reverse_zones_are_silent(void **state)
{
    (void)state;
    expect_silence(sweep_reverse_zones);
}

/* A stub that validates asks for DS and DNSKEY at each label, with long replies; a mail client
 * of it for TLSA; and then it walks a zone of 500 names. */
static void validate_as_stub(void)
{
    static const uint16_t types[] = {RRTYPE_DNSKEY, RRTYPE_DS, RRTYPE_NSEC, RRTYPE_TLSA};

    while (is_before(HOUR_MS)) {
        char domain[64] = "", text[TEXT_MAX];
        add_label(domain, "abcdefghijklmnop", 5 + draw(10));
        for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
            snprintf(text, sizeof(text), "%s%scom",
                     types[i] == RRTYPE_TLSA ? "_25._tcp.mx." : "", domain);
            send_query(text, types[i], 900);
        }
        snprintf(text, sizeof(text), "www.%scom", domain);
        send_query(text, RRTYPE_A, 300);
        pass_about(200);
    }
    for (unsigned i = 0; i < 500; i++, pass_about(10)) {
        char text[TEXT_MAX] = "\\000.";
        add_label(text, "abcdefghijklmnop", 4 + draw(8));
        add(text, "walked.example");
        send_query(text, RRTYPE_NSEC, 300);
    }
}

static void test_validating_stubs_are_silent(void **state)
{
    (void)state;
    expect_silence(validate_as_stub);
}

/* A day: sites and their hosts, the caches of a video service, frames of advertisements with
 * random names, short names of an update service, a name that measures the network. */
static void browse_for_a_day(void)
{
    static const char *const hosts[] = {"www", "static", "img", "api", "accounts", "cdn2"};

    while (is_before(14 * (uint64_t)HOUR_MS)) {
        char text[TEXT_MAX] = "";
        switch (draw(20)) {
        case 0:
            add_label(text, hex, 32);
            add(text, "safeframe.syndication.com");
            break;
        case 1:
            snprintf(text, sizeof(text), "rr%u---sn-", 1 + draw(8));
            add_label(text, base32, 8);
            add(text, "videos.com");
            break;
        case 2:
            snprintf(text, sizeof(text), "internal-lb-%u.eu-central-1.elb.cloud.com",
                     draw(300) * 7919 + 1000000000);
            break;
        case 3:
            if (draw(50) == 0)
                for (unsigned i = 0; i < 2; i++)
                    add_label(text, base32, 50);
            add(text, "measure.dotnxdomain.net");
            break;
        default:
            snprintf(text, sizeof(text), "%s.site%u.com", hosts[draw(ARRAY_LEN(hosts))],
                     draw(draw(2) ? 20 : 2000));
        }
        send_query(text, draw(2) ? RRTYPE_A : RRTYPE_AAAA, 60);
        pass_about(draw(10) ? 100 : 5000);
    }
}

static void test_browsers_are_silent(void **state)
{
    (void)state;
    expect_silence(browse_for_a_day);
}

/* ---- the rest ---- */

static void test_information_of_names(void **state)
{
    static const struct {
        const char *name;
        unsigned least, most; /* bits */
    } cases[] = {
        {"example.com", 0, 0},
        {"www.example.com", 0, 0},
        {"aaaaaaaaaaaaaaaaaaaaaaaa.example.com", 0, 0},
        {"abab.example.com", 4, 4},
        {"abcdefghijklmnop.example.co.uk", 64, 64},
        {"abcdefghijklmnop.abcdefghijklmnop.example.com", 64, 64}, /* the second is known */
        {"1.2.3.4.5.6.7.8.example.com", 0, 0},
        {"0123456789abcdef0123456789abcdef.example.org", 128, 128},
        {"1.2.0.192.in-addr.arpa", 0, 0},
        {".", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin(1);
        const struct tunnel_flow flow = measure(cases[i].name);
        if (flow.bits < cases[i].least || flow.bits > cases[i].most)
            fail_msg("%s: %u bits", cases[i].name, flow.bits);
    }
}

/* What one client sends to one domain says nothing of others. */
static void test_flows_are_separate(void **state)
{
    struct tunnel_flow flows[4];

    (void)state;
    begin(1);
    flows[0] = measure("abcdefghijklmnop.example.com");
    set_client("192.0.2.8");
    flows[1] = measure("abcdefghijklmnop.example.com");
    flows[2] = measure("abcdefghijklmnop.example.net");
    flows[3] = measure("abcdefghijklmnop.other.example.net");
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(flows[i].bits, 64);
    assert_true(flows[0].key != flows[1].key && flows[1].key != flows[2].key);
    assert_true(flows[3].key == flows[2].key);
    assert_in_range(flows[3].bits, 8, 12); /* of "other" */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_that_leaves_in_names_is_found),
        cmocka_unit_test(test_a_slow_tunnel_is_found_within_a_minute),
        cmocka_unit_test(test_a_shell_is_found),
        cmocka_unit_test(test_a_download_is_found),
        cmocka_unit_test(test_single_letters_are_found),
        cmocka_unit_test(test_a_tunnel_is_found_behind_a_crowd),
        cmocka_unit_test(test_an_alert_is_repeated_after_ten_minutes),
        cmocka_unit_test(test_a_bucket_leaks),
        cmocka_unit_test(test_a_name_counts_once),
        cmocka_unit_test(test_content_networks_are_silent),
        cmocka_unit_test(test_reputation_services_are_silent),
        cmocka_unit_test(test_mail_servers_are_silent),
        cmocka_unit_test(test_sweeps_of_reverse_zones_are_silent),
        cmocka_unit_test(test_validating_stubs_are_silent),
        cmocka_unit_test(test_browsers_are_silent),
        cmocka_unit_test(test_information_of_names),
        cmocka_unit_test(test_flows_are_separate),
    };
    hash_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tunnel_free(&traffic.tunnel);
    return failed;
}
