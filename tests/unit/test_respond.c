/* Answers to queries in wire form, made without sockets and without allocations. */
#define _GNU_SOURCE
#include "zones.h"

#include <ldns/ldns.h>

#include "authd/answer/auth_serve.h"
#include "authd/zone/zoneset.h"
#include "base/hash.h"
#include "base/publish.h"
#include "net/request/intake.h"

/* Calls of malloc while `is_counting`, counted by wrappers that the linker inserts. */
static bool is_counting;
static size_t allocations;
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size)
{
    allocations += is_counting;
    return __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size)
{
    allocations += is_counting;
    return __real_calloc(count, size);
}
void *__wrap_realloc(void *old, size_t size)
{
    allocations += is_counting;
    return __real_realloc(old, size);
}

static struct publish published;
static void *engine;
static uint8_t buffer[65535];
static struct cookie_keys cookies;
static struct exchange_settings settings = {.identity = "id",
                                            .hostname = "host",
                                            .version = "v",
                                            .udp_size = 1232,
                                            .cookies = &cookies};
static struct exchange_settings rotating;
static bool was_sent;

static void note_reply(struct exchange *ex)
{
    (void)ex;
    was_sent = true;
}

static struct zoneset *served; /* published */

static void free_zoneset(void *data)
{
    struct zoneset *set = data;
    zoneset_free(&set);
}

static int start(void **state)
{
    static const char *const names[] = {"example.", "child.example.", "broken.", "nsec.",
                                        "nsec3."};
    static const char *const texts[] = {
        ZONES_HEAD "www CNAME web\nweb A 192.0.2.2\nweb A 192.0.2.3\n*.w TXT wild\nd DNAME "
                   "t\nx.t A 192.0.2.4\n"
                   "child NS ns.child\nchild DS 1 13 2 aa\nns.child A 192.0.2.5\nsub NS "
                   "ns.sub\nns.sub A 192.0.2.6\n"
                   "grow DNAME x.grow\ncg CNAME a.grow\npp DNAME x.qq\nqq DNAME y.pp\nd2 DNAME "
                   "e2\nx.e2 CNAME d2\nf DNAME @\n"
                   "r1 DNAME r2\na.r2 DNAME bb.r1\nx.bb.r2 A 192.0.2.44\n"
                   "long DNAME abcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz.long\n"
                   "l1 CNAME l2\nl2 CNAME l1\ndown CNAME www.child\nent.ent.x A 192.0.2.7\n"
                   "$GENERATE 1-60 big TXT \"text $ of sixty that do not fit\"\n",
        "$TTL 60\n@ SOA ns host 1 2 3 4 5\n@ NS ns\nns A 192.0.2.5\nwww A 192.0.2.8\n", NULL,
        "$TTL 60\n@ SOA ns host 1 2 3 4 5\n@ RRSIG SOA 13 1 60 20300101000000 20200101000000 1 "
        "nsec. AAAA\n@ NS ns\n"
        "@ NSEC ns NS SOA RRSIG NSEC\n@ RRSIG NSEC 13 1 60 20300101000000 20200101000000 1 "
        "nsec. AAAA\n"
        "ns A 192.0.2.5\nns RRSIG A 13 2 60 20300101000000 20200101000000 1 nsec. AAAA\nns "
        "NSEC *.w A RRSIG NSEC\n"
        "*.w A 192.0.2.6\n*.w NSEC @ A NSEC RRSIG\n*.w RRSIG A 13 2 60 20300101000000 "
        "20200101000000 1 nsec. AAAA\n",
        /* one NSEC3: it matches the apex and covers all other names */
        "$TTL 60\n@ SOA ns host 1 2 3 4 5\n@ NS ns\nns A 192.0.2.5\n@ NSEC3PARAM 1 0 0 -\n"
        "3rrjesemtuh627kgk4qgon0250128tou NSEC3 1 0 0 - 3rrjesemtuh627kgk4qgon0250128tou NS "
        "SOA NSEC3PARAM\n"
        "3rrjesemtuh627kgk4qgon0250128tou RRSIG NSEC3 13 2 60 20300101000000 20200101000000 1 "
        "nsec3. AAAA\n"};
    (void)state;
    assert_int_equal(zoneset_new(ARRAY_LEN(names), &served), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *report = NULL;
        uint8_t wire[DNAME_MAX];
        struct zone *zone = NULL;
        if (texts[i])
            zone = zones_read(names[i], texts[i], &report);
        else
            assert_int_equal(zone_new(unit_name(names[i], wire), &zone), ERR_OK);
        free(report);
        zoneset_put(served, zone);
    }
    publish_init(&published, 1);
    assert_int_equal(publish_put(&published, served, free_zoneset), ERR_OK);
    engine = auth_serve_new(&published, 0);
    auth_serve_service.turn(engine);
    static const uint8_t secret[1][COOKIE_SECRET_LEN] = {"secret of a test"};
    struct conn_limit_conf limits = {.connections = 1, .idle_ms = 10000};
    cookie_set(&cookies, secret, 1);
    assert_int_equal(conn_limit_new(&limits, 1, &settings.conn_limit), ERR_OK);
    rotating = settings;
    rotating.is_rotating = true;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    auth_serve_free(engine);
    publish_fini(&published);
    conn_limit_free(&settings.conn_limit);
    return 0;
}

static size_t exchange_octets(struct exchange *ex, const uint8_t *wire, size_t len)
{
    ex->buffer = buffer;
    ex->size = sizeof(buffer);
    ex->send = note_reply;
    was_sent = false;
    is_counting = true;
    intake_batch(&auth_serve_service, engine, &ex, &wire, &len, 1);
    is_counting = false;
    assert_true(was_sent);
    assert_int_equal(allocations, 0);
    return ex->reply_len;
}

static bool is_do; /* set DO in the next queries */

/* Send a query; return the answer as ldns prints it, which caller frees. */
static char *ask(const char *name, uint16_t type, enum exchange_transport transport,
                 bool is_rotated, unsigned turn)
{
    static struct exchange ex;
    uint8_t query[300] = "\0\7\1\20\0\1\0\0\0\0\0\0"; /* RD and CD */
    size_t len = dname_len(unit_name(name, query + 12));
    util_put_u16(query + 12 + len, type);
    util_put_u16(query + 14 + len, 1);
    if (is_do) { /* OPT with DO and a client cookie */
        memcpy(query + 16 + len, "\0\0\51\20\0\0\0\200\0\0\14\0\12\0\10cookie..", 23);
        query[11] = 1;
        len += 23;
    }
    ex.settings = is_rotated ? &rotating : &settings;
    ex.transport = transport;
    ex.turn = turn;
    size_t got = exchange_octets(&ex, query, 16 + len);
    ldns_pkt *packet = NULL;
    assert_int_equal(ldns_wire2pkt(&packet, buffer, got), LDNS_STATUS_OK);
    char *text = ldns_pkt2str(packet);
    ldns_pkt_free(packet);
    return text;
}

static void expect(const char *name, uint16_t type, const char *const *parts)
{
    char *text = ask(name, type, EXCHANGE_UDP, false, 0);
    const char *at = text;
    for (; *parts; parts++) {
        const char *found = strstr(at, *parts);
        if (!found)
            fail_msg("%s: expected %s in\n%s", name, *parts, text);
        at = found + strlen(*parts);
    }
    free(text);
}
#define EXPECT(name, type, ...) expect(name, type, (const char *const[]){__VA_ARGS__, NULL})

static void answers(void **state)
{
    (void)state;
    EXPECT("WEB.example.", RRTYPE_A, "rcode: NOERROR", "flags: qr aa rd ;", "WEB.example.",
           "ANSWER SECTION", "WEB.example.", "192.0.2.2", "192.0.2.3");
    EXPECT("www.example.", RRTYPE_A, "flags: qr aa", "CNAME\tweb.example.",
           "web.example.\t3600\tIN\tA\t192.0.2.2");
    EXPECT("www.example.", RRTYPE_CNAME, "CNAME\tweb.example.\n\n;; AUTHORITY");
    EXPECT("web.example.", RRTYPE_AAAA, "NOERROR", "ANSWER: 0", "AUTHORITY SECTION",
           "example.\t300\tIN\tSOA");
    EXPECT("nope.example.", RRTYPE_A, "rcode: NXDOMAIN", "ANSWER: 0", "example.\t300\tIN\tSOA");
    EXPECT("ent.x.example.", RRTYPE_A, "NOERROR", "ANSWER: 0", "SOA");
    EXPECT("any.name.w.example.", RRTYPE_TXT, "any.name.w.example.\t3600\tIN\tTXT\t\"wild\"");
    EXPECT("any.w.example.", RRTYPE_A, "NOERROR", "ANSWER: 0", "SOA");
    EXPECT("X.d.example.", RRTYPE_A, "d.example.\t3600\tIN\tDNAME\tt.example.",
           "X.d.example.\t3600\tIN\tCNAME\tX.t.example.", "192.0.2.4");
    /* a DNAME whose target is below itself is followed once (RFC 6672 2.2), and no record is in
     * an answer twice */
    EXPECT("a.grow.example.", RRTYPE_A, "NOERROR", "ANSWER: 2,",
           "a.grow.example.\t3600\tIN\tCNAME\ta.x.grow.example.");
    EXPECT("a.b.grow.example.", RRTYPE_A, "NOERROR", "ANSWER: 2,");
    EXPECT("cg.example.", RRTYPE_A, "NOERROR", "ANSWER: 3,");
    EXPECT("z.pp.example.", RRTYPE_A, "NOERROR", "ANSWER: 4,");
    EXPECT("a.long.example.", RRTYPE_A, "NOERROR", "ANSWER: 2,");
    EXPECT("x.d2.example.", RRTYPE_DNAME, "NOERROR", "ANSWER: 3,");
    EXPECT("q.f.f.example.", RRTYPE_A, "NXDOMAIN",
           "ANSWER: 3,"); /* this DNAME makes names shorter: no loop */
    EXPECT("x.a.r1.example.", RRTYPE_A, "NOERROR", "ANSWER: 6,",
           "192.0.2.44"); /* the DNAME r1 twice, for different labels: no loop */
    EXPECT("l1.example.", RRTYPE_A, "NOERROR", "ANSWER: 2", "l1.example.", "l2.example.");
    EXPECT("down.example.", RRTYPE_A, "CNAME\twww.child.example.",
           "www.child.example.\t60\tIN\tA\t192.0.2.8");
    EXPECT("example.", RRTYPE_NS, "NS\tns.example.", "ADDITIONAL SECTION", "192.0.2.1");
}

static void referrals(void **state)
{
    (void)state;
    EXPECT("host.sub.example.", RRTYPE_A, "flags: qr rd ;", "ANSWER: 0", "AUTHORITY SECTION",
           "sub.example.\t3600\tIN\tNS\tns.sub.example.", "192.0.2.6");
    EXPECT("sub.example.", RRTYPE_DS, "flags: qr aa rd ;", "SOA");
    EXPECT("child.example.", RRTYPE_DS, "flags: qr aa rd ;", "DS\t1 13 2 aa");
    EXPECT("child.example.", RRTYPE_SOA, "flags: qr aa rd ;", "child.example.\t60\tIN\tSOA");
    EXPECT("sub.example.", RRTYPE_NSEC, "flags: qr rd ;", "ANSWER: 0", "NS\tns.sub.example.");
}

static void refusals(void **state)
{
    (void)state;
    EXPECT("elsewhere.test.", RRTYPE_A, "rcode: REFUSED");
    EXPECT("a.broken.", RRTYPE_A, "rcode: SERVFAIL");
    EXPECT("example.", RRTYPE_AXFR, "rcode: REFUSED");
}

static void large_answers_are_truncated_over_udp_only(void **state)
{
    (void)state;
    EXPECT("big.example.", RRTYPE_TXT, "flags: qr aa tc rd", "ANSWER: 0");
    char *text = ask("big.example.", RRTYPE_TXT, EXCHANGE_TCP, false, 0);
    assert_non_null(strstr(text, "ANSWER: 60"));
    assert_null(strstr(text, " tc "));
    free(text);
}

static void records_rotate_when_asked_to(void **state)
{
    (void)state;
    for (unsigned turn = 0; turn < 4; turn++) {
        char *text = ask("web.example.", RRTYPE_A, EXCHANGE_UDP, true, turn);
        bool second_first = strstr(text, "192.0.2.3") < strstr(text, "192.0.2.2");
        assert_int_equal(second_first, turn % 2);
        free(text);
    }
}

static void any_gets_one_rrset_over_udp(void **state)
{
    (void)state;
    EXPECT("example.", RRTYPE_ANY, "ANSWER: 1,");
    char *text = ask("example.", RRTYPE_ANY, EXCHANGE_TCP, false, 0);
    assert_non_null(strstr(text, "ANSWER: 2,"));
    free(text);
    served->is_any_whole = true; /* laboratory */
    EXPECT("example.", RRTYPE_ANY, "ANSWER: 2,");
    served->is_any_whole = false;
}

static void do_gets_proofs(void **state)
{
    (void)state;
    is_do = false;
    EXPECT("nope.nsec.", RRTYPE_A, "NXDOMAIN", "AUTHORITY: 1,");
    is_do = true;
    EXPECT("nope.nsec.", RRTYPE_A, "NXDOMAIN", "nsec.\t5\tIN\tSOA", "nsec.\t5\tIN\tRRSIG\tSOA",
           "nsec.\t60\tIN\tNSEC\tns.nsec.", "RRSIG\tNSEC");
    EXPECT("ns.nsec.", RRTYPE_A, "NOERROR", "ANSWER: 2,", "192.0.2.5", "RRSIG\tA");
    EXPECT("x.w.nsec.", RRTYPE_A, "NOERROR", "192.0.2.6", "RRSIG\tA", "AUTHORITY SECTION",
           "*.w.nsec.\t60\tIN\tNSEC");
    EXPECT("x.w.nsec.", RRTYPE_MX, "NOERROR", "ANSWER: 0,", "SOA", "*.w.nsec.\t60\tIN\tNSEC");
    EXPECT("a.b.nsec3.", RRTYPE_A, "NXDOMAIN", "nsec3.\t5\tIN\tSOA",
           "3rrjesemtuh627kgk4qgon0250128tou.nsec3.\t60\tIN\tNSEC3", "RRSIG\tNSEC3");
    EXPECT("nsec3.", RRTYPE_TXT, "NOERROR", "NSEC3\t1 0 0");
    is_do = false;
}

static void random_octets_do_no_harm(void **state)
{
    static struct exchange ex;
    uint8_t query[80];
    (void)state;
    srand(7);
    ex.settings = &settings;
    for (int i = 0; i < 200000; i++) {
        memcpy(
            query,
            "\0\7\1\0\0\1\0\0\0\0\0\1\3www\7example\0\0\1\0\1\0\0\51\4\320\0\0\0\0\0\4\0\3\0\0",
            44);
        size_t len = 44;
        for (int n = rand() % 5; n > 0; n--)
            query[(size_t)rand() % len] = (uint8_t)rand();
        if (rand() % 4 == 0)
            len = (size_t)rand() % len;
        uint8_t *exact = malloc(len + 1);
        memcpy(exact, query, len);
        ex.transport = rand() % 2 ? EXCHANGE_UDP : EXCHANGE_TCP;
        size_t got = exchange_octets(&ex, exact, len);
        assert_true(len >= 12 || got == 0);
        if (got) {
            struct message m;
            assert_int_equal(message_parse(buffer, got, &m), MESSAGE_WHOLE);
            assert_true(m.flags & MESSAGE_QR);
            assert_false(exact[2] & 0x80);
        }
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(referrals),
        cmocka_unit_test(refusals),
        cmocka_unit_test(large_answers_are_truncated_over_udp_only),
        cmocka_unit_test(records_rotate_when_asked_to),
        cmocka_unit_test(any_gets_one_rrset_over_udp),
        cmocka_unit_test(do_gets_proofs),
        cmocka_unit_test(random_octets_do_no_harm),
    };
    hash_init();
    return cmocka_run_group_tests(tests, start, stop);
}
