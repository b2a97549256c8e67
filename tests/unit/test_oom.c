/* Each allocation made by reading configurations, loading zones, resolving, TLS, HTTP and the
 * control socket fails once.  The program must not crash or leak, must not take a partial
 * result for a complete one, and must succeed when the same call is repeated. */
#include "tests/unit/starve.h"
#include "tests/unit/world.h"

#include <fcntl.h>
#include <nghttp2/nghttp2.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "authd/answer/auth_serve.h"
#include "authd/auth_conf.h"
#include "authd/load/zonefile.h"
#include "authd/sign/zonesign.h"
#include "base/publish.h"
#include "net/request/intake.h"
#include "net/transport/doh.h"
#include "net/transport/h2.h"
#include "net/transport/http1.h"
#include "net/transport/tls.h"
#include "resolver/cache/cache_memory.h"
#include "resolver/iterate/wording.h"
#include "resolver/res_conf.h"
#include "resolver/res_control.h"

enum { ROOM = 1 << 16, TEXT_MAX = 1 << 16, LATER_MS = 60000 };

/* Below the working folder. */
static char folder[] = "rootline-oom-XXXXXX";
static char conf_path[200];

static void write_file(const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

/* ---- results as text ---- */

static char expected[TEXT_MAX], got[TEXT_MAX];
static size_t got_len;

static void add_text(const char *fmt, ...) PRINTF_LIKE(1, 2);

static void add_text(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    got_len += (size_t)vsnprintf(got + got_len, sizeof(got) - got_len, fmt, args);
    va_end(args);
    must(got_len < sizeof(got));
}

static void begin_text(void)
{
    got_len = 0;
    *got = '\0';
}

/* Check the text of a result.  The first one is that of a run without failures: it becomes the
 * expected text. */
static void check_text(void)
{
    if (!*expected)
        strcpy(expected, got);
    if (strcmp(expected, got) != 0)
        fprintf(stderr, "expected:\n%s\ngot:\n%s\n", expected, got);
    must(strcmp(expected, got) == 0);
}

static void add_addrs(const char *name, const struct conf_addrs *addrs)
{
    char text[ADDR_TEXT_MAX];
    add_text("%s:", name);
    for (size_t i = 0; i < addrs->cnt; i++) {
        addr_print(&addrs->at[i], text);
        add_text(" %s", text);
    }
    add_text("\n");
}

static void add_prefixes(const char *name, const struct addr_prefixes *all)
{
    char text[ADDR_TEXT_MAX];
    add_text("%s:", name);
    for (size_t i = 0; i < all->cnt; i++) {
        addr_print(&all->at[i].addr, text);
        add_text(" %s/%u", text, (unsigned)all->at[i].bits);
    }
    add_text("\n");
}

static void add_name(const uint8_t *name)
{
    char text[DNAME_TEXT_MAX];
    dname_text_print(name, text);
    add_text(" %s", text);
}

static void add_server(const struct server_conf *s)
{
    struct tls_server_files files[TLS_SERVER_CERTIFICATES_MAX];

    for (size_t i = 0; i < EXCHANGE_STACK_CNT; i++)
        add_addrs(exchange_stacks[i].key, &s->listen[i]);
    add_text("%s %s %s %s %s %s\n", s->https_path, s->tls_certificate, s->tls_key, s->control,
             s->identity, s->cookie_file);
    for (size_t i = 0; i < server_conf_certificates(s, files); i++)
        add_text("%s %s\n", files[i].certificate, files[i].key);
    add_text("certificate %s %zu\n", s->certificate.name, s->certificate.addr_cnt);
    add_prefixes("proxies", &s->trusted_proxies);
    add_prefixes("exempt", &s->rate_limit.exempt);
    add_text("%u %u %u %u %u\n", s->worker_cnt, s->udp_size, s->cookie_secret_cnt,
             (unsigned)s->log_level, (unsigned)s->log_format);
}

/* ---- configurations ---- */

#define SERVER_TEXT                                                                          \
    "server:\n  listen: [127.0.0.1@5300, \"::1@5300\"]\n  listen-http: [127.0.0.1@8000]\n  " \
    "https-path: /q\n"                                                                       \
    "  trusted-proxies: [127.0.0.0/8]\n  workers: 2\n  control: x.sock\n  identity: ns1\n  " \
    "udp-size: 1400\n"                                                                       \
    "  rate-limit: {per-second: 5, slip: 3, exempt: [10.0.0.0/8, 127.0.0.0/8]}\n  "          \
    "cookie-secrets: secrets\n  rotate-records: true\n"                                      \
    "log: {level: info, format: json}\n"

/* libyaml 0.2 leaks a list or map if the growth of its table of nodes fails right there, at a
 * power of two: if a new key causes that, another order or length avoids it. */
static const char resolver_text[] =
    SERVER_TEXT "allow: [127.0.0.0/8, \"::1/128\", 10.0.0.0/8]\n"
                "cache: {directory: cache, size: 64M, min-ttl: 1s, max-ttl: 1h, "
                "negative-max-ttl: 10m, serve-stale: 1h, prefetch: false}\n"
                "resolver:\n  root-hints: hints\n  qname-minimisation: true\n  case-exempt: "
                "[a.test, 192.0.2.1]\n"
                "  cookie-exempt: [b.test, c.test, 192.0.2.0/24]\n  edns-exempt: [d.test]\n  "
                "outgoing: [127.0.0.1]\n"
                "  outgoing-ports: [2000-3000, 4000]\n  outgoing-ports-except: [2500]\n  "
                "do-not-query: [192.0.2.128/25]\n  trust-anchor: [e.test DS 1 13 2 aa]\n  "
                "negative-trust-anchors: [f.test until 2040-01-01T00:00:00Z]\n"
                "limits: {fetches-per-zone: 100, queries: 50, time: 5s}\n"
                "stub-zones:\n  - {zone: stub.test, servers: [192.0.2.9, 192.0.2.10@5300]}\n"
                "forward-zones:\n  - {zone: forward.test, servers: [192.0.2.11]}\n"
                "local-data:\n  - a.local.test A 192.0.2.20\n  - a.local.test A 192.0.2.21\n  "
                "- b.local.test CNAME a.local.test\n"
                "  - c.local.test TXT \"some text\"\n  - \"*.w.local.test 60 MX 10 "
                "a.local.test\"\n  - d.local.test DNAME local.test\n"
                "hosts: hosts\n";

static const char tls_text[] =
    "server:\n  listen: [127.0.0.1@5300]\n  listen-tls: [127.0.0.1@8530]\n  listen-https: "
    "[127.0.0.1@4430]\n"
    "  tls-certificate: cert.pem\n  tls-key: key.pem\n  more-certificates: [{certificate: "
    "cert.pem, key: key.pem}]\n"
    "forward-zones:\n  - {zone: forward.test, servers: [192.0.2.11], tls: dns.test, tls-ca: "
    "ca.pem, tls-fallback: true}\n"
    "  - {zone: pinned.test, servers: [192.0.2.12], tls-ca: ca.pem, tls-pins: "
    "[AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=]}\n";

static const char auth_text[] = SERVER_TEXT
    "zones:\n  - {zone: plain.test, file: plain}\n  - {zone: made.test, file: made}\n"
    "  - {zone: nsec3.test, file: nsec3}\n  - {zone: nsec.test, file: nsec}\nzone-directory: "
    "zones\n";

static void add_local(const struct local *local, const char *text, uint16_t type)
{
    uint8_t wire[DNAME_MAX];
    struct dname_parts name;

    dname_split(unit_name(text, wire), &name);
    struct local_answer a = local_find(local, &name, type);
    add_text("%s %s %u\n", text, wording_id(&wording_local, a.kind), a.set ? a.set->cnt : 0);
}

static void add_exempt(const struct policy_exempt *exempt)
{
    add_prefixes("exempt", &exempt->addrs);
    for (size_t i = 0; i < exempt->zone_cnt; i++)
        add_name(exempt->zones[i]);
    add_text("\n");
}

static void add_delegation(const struct delegation *delegation)
{
    char text[ADDR_TEXT_MAX];

    add_name(delegation->zone);
    add_text(" %u %u %d %d:", delegation->source, delegation->server_cnt,
             delegation->tls != NULL, delegation->tls_falls_back);
    for (int i = 0; i < delegation->addr_cnt; i++) {
        addr_print(&delegation->addrs[i].addr, text);
        add_text(" %s", text);
    }
    add_text(" tag %u\n", delegation->tag);
}

static void add_resolver(const struct res_conf *c)
{
    static const char *const names[] = {"stub.test", "forward.test", "pinned.test",
                                        "other.test"};
    static const char *const locals[] = {"a.local.test",
                                         "b.local.test",
                                         "c.local.test",
                                         "x.w.local.test",
                                         "x.d.local.test",
                                         "one.hosts.test",
                                         "two.hosts.test",
                                         "localhost",
                                         "x.invalid",
                                         "1.0.0.127.in-addr.arpa",
                                         "7.2.0.192.in-addr.arpa",
                                         "10.in-addr.arpa"};
    const struct policy *p = c->policy;

    add_server(&c->server);
    add_prefixes("allow", &p->allow);
    add_prefixes("own exempt", &p->exempt);
    add_prefixes("not", &p->do_not_query);
    add_addrs("own", &p->own);
    add_addrs("outgoing", &c->outgoing);
    add_text("%s %llu %u %u %d\n", c->cache_directory, (unsigned long long)c->cache_size,
             p->ttls.max, p->limits.queries, p->is_prefetching);
    for (size_t i = 0; i < c->ports.cnt; i++)
        add_text("%u-%u ", c->ports.at[i].first, c->ports.at[i].last);
    for (size_t i = 0; i < c->ports_except.cnt; i++)
        add_text("not %u-%u ", c->ports_except.at[i].first, c->ports_except.at[i].last);
    add_exempt(&p->case_exempt);
    add_exempt(&p->cookie_exempt);
    add_exempt(&p->edns_exempt);
    add_exempt(&p->tunnel_exempt);
    add_delegation(&p->route.hints);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        uint8_t wire[DNAME_MAX];
        struct dname_parts name;
        dname_split(unit_name(names[i], wire), &name);
        add_delegation(route_find(&p->route, &name, dname_labels(wire)));
    }
    for (size_t i = 0; i < ARRAY_LEN(locals); i++) {
        add_local(&p->local, locals[i], RRTYPE_A);
        add_local(&p->local, locals[i], RRTYPE_PTR);
        add_local(&p->local, locals[i], RRTYPE_MX);
    }
}

static void read_resolver(bool is_starved)
{
    struct res_conf *conf = NULL;
    struct diag diag;

    diag_init(&diag);
    if (is_starved)
        starve_begin();
    enum err err = res_conf_read(conf_path, &diag, &conf);
    struct json *findings = diag_to_json(&diag);
    diag_log(&diag);
    if (is_starved)
        starve_end();
    must((err == ERR_OK) == (conf != NULL));
    if (!is_starved && err)
        diag_print(&diag, stderr, false);
    must(err == ERR_OK || (is_starved && starve_has_failed()));
    must(err != ERR_CONFIG || diag.error_cnt > 0);
    if (conf) {
        begin_text();
        add_resolver(conf);
        check_text();
    }
    json_free(&findings);
    res_conf_free(&conf);
    diag_fini(&diag);
}

static void read_resolver_twice(void)
{
    read_resolver(true);
    read_resolver(false);
}

static void test_resolver_configuration(void **state)
{
    (void)state;
    *expected = '\0';
    write_file("c.yaml", resolver_text);
    starve_each("configuration of the resolver", read_resolver_twice);
    *expected = '\0';
    write_file("c.yaml", tls_text);
    starve_each("configuration with TLS", read_resolver_twice);
}

/* ---- zones ---- */

#define ZONE_HEAD "$TTL 3600\n@ SOA ns host 1 2 3 4 300\n@ NS ns\nns A 192.0.2.1\n"

static const char plain_zone[] =
    ZONE_HEAD "www A 192.0.2.2\nwww A 192.0.2.3\nalias CNAME www\n*.w TXT wild\nd DNAME t\nx.t "
              "A 192.0.2.4\n"
              "sub NS ns.sub\nns.sub A 192.0.2.5\nmail MX 10 www\nh HTTPS 1 . alpn=h2\nloc LOC "
              "52 22 23.000 N 4 53 32.000 E -2.00m\n";
static const char made_zone[] =
    ZONE_HEAD "$INCLUDE part\n$GENERATE 1-200 g$ A 192.0.2.$\n$GENERATE 1-20 big TXT \"text $ "
              "of twenty\"\n";
static const char part_zone[] = "in A 192.0.2.7\n$INCLUDE deep sub\n";
static const char deep_zone[] = "deep A 192.0.2.8\n";
/* The only NSEC3 is that of the apex: it covers all other hashes. */
static const char nsec3_zone[] = ZONE_HEAD
    "@ RRSIG SOA 13 2 3600 20300101000000 20200101000000 1 nsec3.test. AAAA\n@ NSEC3PARAM 1 0 "
    "0 -\n"
    "@ DNSKEY 257 3 13 "
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n"
    "0madr2c2o78cqsoquiejtbeh6gfgb0ff NSEC3 1 0 0 - 0madr2c2o78cqsoquiejtbeh6gfgb0ff NS SOA "
    "NSEC3PARAM\n"
    "0madr2c2o78cqsoquiejtbeh6gfgb0ff RRSIG NSEC3 13 3 3600 20300101000000 20200101000000 1 "
    "nsec3.test. AAAA\n";

static const char nsec_zone[] =
    ZONE_HEAD "@ RRSIG SOA 13 2 3600 20300101000000 20200101000000 1 nsec.test. AAAA\n@ NSEC "
              "ns NS SOA RRSIG NSEC\n"
              "@ RRSIG NSEC 13 2 3600 20300101000000 20200101000000 1 nsec.test. AAAA\n"
              "ns RRSIG A 13 3 3600 20300101000000 20200101000000 1 nsec.test. AAAA\nns NSEC @ "
              "A RRSIG NSEC\n"
              "ns RRSIG NSEC 13 3 3600 20300101000000 20200101000000 1 nsec.test. AAAA\n";

static struct cookie_keys cookies;
static struct exchange_settings settings = {.identity = "id",
                                            .hostname = "host",
                                            .version = "v",
                                            .udp_size = 1232,
                                            .cookies = &cookies};

static void ignore(struct exchange *ex) { (void)ex; }

static void free_set(void *data)
{
    struct zoneset *set = data;
    zoneset_free(&set);
}

/* Add the answer of authd from these zones. */
static void add_answer(void *engine, const char *name, uint16_t type)
{
    static struct exchange ex;
    static uint8_t buffer[ROOM];
    uint8_t query[QUERY_MAX], dname[DNAME_MAX];
    struct query q = {.id = 7,
                      .name = unit_name(name, dname),
                      .type = type,
                      .has_edns = true,
                      .is_do = true,
                      .udp_size = 4096};
    size_t len = query_write(&q, query);
    struct exchange *batch[] = {&ex};
    const uint8_t *wires[] = {query};

    ex = (struct exchange){.settings = &settings,
                           .transport = EXCHANGE_TCP,
                           .buffer = buffer,
                           .size = sizeof(buffer),
                           .send = ignore};
    starve_pause();
    intake_batch(&auth_serve_service, engine, batch, wires, &len, 1);
    starve_resume();
    add_text("%s %u:", name, type);
    for (size_t i = 2; i < 12; i += 2)
        add_text(" %x", util_get_u16(buffer + i));
    add_text(" %zu\n", ex.reply_len);
}

/* Publish the zones, end the starved part and, if all zones were loaded, check the answers.
 * Frees `set`. */
static void serve(struct zoneset *set, bool is_starved, bool is_complete)
{
    static struct publish published;
    static const struct {
        const char *name;
        uint16_t type;
    } queries[] = {{"www.plain.test", RRTYPE_A},     {"alias.plain.test", RRTYPE_A},
                   {"a.w.plain.test", RRTYPE_TXT},   {"x.d.plain.test", RRTYPE_A},
                   {"y.sub.plain.test", RRTYPE_A},   {"mail.plain.test", RRTYPE_MX},
                   {"no.plain.test", RRTYPE_A},      {"h.plain.test", RRTYPE_HTTPS},
                   {"loc.plain.test", RRTYPE_LOC},   {"g200.made.test", RRTYPE_A},
                   {"big.made.test", RRTYPE_TXT},    {"in.made.test", RRTYPE_A},
                   {"deep.sub.made.test", RRTYPE_A}, {"nsec3.test", RRTYPE_SOA},
                   {"no.nsec3.test", RRTYPE_A},      {"no.nsec.test", RRTYPE_A},
                   {"x.listed.test", RRTYPE_A}};

    publish_init(&published, 1);
    enum err err = publish_put(&published, set, free_set);
    void *engine = err ? NULL : auth_serve_new(&published, 0);
    must(engine || (is_starved && starve_has_failed()));
    if (is_starved)
        starve_end();
    if (engine && is_complete) {
        auth_serve_service.turn(engine);
        begin_text();
        for (size_t i = 0; i < ARRAY_LEN(queries); i++)
            add_answer(engine, queries[i].name, queries[i].type);
        check_text();
    }
    if (engine)
        auth_serve_free(engine);
    publish_fini(&published);
    if (err)
        zoneset_free(&set);
}

static struct auth_conf *auth_conf;

static void read_auth(bool is_starved)
{
    struct auth_conf *conf = NULL;
    struct diag diag;

    diag_init(&diag);
    if (is_starved)
        starve_begin();
    enum err err = auth_conf_read(conf_path, &diag, &conf);
    if (!err)
        err = auth_conf_check(conf, false, &diag);
    if (is_starved)
        starve_end();
    if (!is_starved && err)
        diag_print(&diag, stderr, false);
    must(err == ERR_OK || (is_starved && starve_has_failed()));
    if (!err) {
        const struct auth_conf_zone *zones = conf->zones.items;
        begin_text();
        add_server(&conf->server);
        for (size_t i = 0; i < conf->zones.cnt; i++) {
            add_name(zones[i].name);
            add_text(" %s\n", zones[i].file);
        }
        add_text("%s\n", conf->directory);
        check_text();
    }
    auth_conf_free(&conf);
    diag_fini(&diag);
}

static void read_auth_twice(void)
{
    read_auth(true);
    read_auth(false);
}

static void test_auth_configuration(void **state)
{
    (void)state;
    *expected = '\0';
    write_file("c.yaml", auth_text);
    starve_each("configuration of authd", read_auth_twice);
}

static void load_and_serve(bool is_starved)
{
    struct zoneset *set = NULL;
    size_t failed_cnt = 0;

    if (is_starved)
        starve_begin();
    enum err err = auth_conf_load(auth_conf, NULL, &set, &failed_cnt);
    must((err == ERR_OK && failed_cnt == 0) || (is_starved && starve_has_failed()));
    if (!err)
        serve(set, is_starved, failed_cnt == 0);
    else
        starve_end();
}

static void load_zones(void)
{
    load_and_serve(true);
    load_and_serve(false);
}

static void check_zones(void)
{
    struct zonefile_checks checks = {.now_s = 1600000000, .has_crypto = true};
    static const char *const names[] = {"plain", "made", "nsec3", "nsec"};

    for (int is_starved = 1; is_starved >= 0; is_starved--) {
        if (is_starved)
            starve_begin();
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            uint8_t origin[DNAME_MAX];
            char path[300], text[100];
            struct zone *zone = NULL;
            struct diag diag;
            diag_init(&diag);
            snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
            snprintf(text, sizeof(text), "%s.test", names[i]);
            enum err err = zonefile_load(unit_name(text, origin), path, &checks, &diag, &zone);
            must((err == ERR_OK) == (zone != NULL));
            /* the signed zones have no real keys, so that they are rejected */
            must((err == ERR_OK) == (i < 2) || (is_starved && starve_has_failed()));
            must(err != ERR_FORMAT || diag.error_cnt > 0);
            if (!is_starved && i < 2 && err)
                diag_print(&diag, stderr, false);
            zone_unref(&zone);
            diag_fini(&diag);
        }
        if (is_starved)
            starve_end();
    }
}

/* Read a zone and its keys, and sign it. */
static enum err sign_plain_zone(const uint8_t *origin, struct diag *diag,
                                struct zonebuild *build, struct keydir *keys)
{
    char path[300], zone_keys[300];
    struct zonesign_result result;
    struct zonesign_conf conf = {.now_s = 1600000000,
                                 .inception = 1500000000,
                                 .expiration = 1700000000,
                                 .denial = ZONESIGN_NSEC3,
                                 .adds_zonemd = true,
                                 .adds_cds = true,
                                 .threads = 1};

    snprintf(path, sizeof(path), "%s/plain", folder);
    snprintf(zone_keys, sizeof(zone_keys), "%s/zone-keys", folder);
    enum err err = zonefile_read(origin, path, diag, build);
    if (!err)
        err = keydir_load(keys, zone_keys, origin, conf.now_s, diag);
    if (err)
        return err;
    keydir_choose_roles(keys);
    err = zonesign(build, keys, &conf, &result);
    must(err || result.signature_cnt > 10);
    return err;
}

static void sign_zones(void)
{
    for (int is_starved = 1; is_starved >= 0; is_starved--) {
        static struct keydir keys;
        struct zonebuild build = {.cnt = 0};
        uint8_t origin[DNAME_MAX];
        struct diag diag;
        keys.cnt = 0;
        diag_init(&diag);
        if (is_starved)
            starve_begin();
        enum err err = sign_plain_zone(unit_name("plain.test", origin), &diag, &build, &keys);
        must(err == ERR_OK || (is_starved && starve_has_failed()));
        must(err != ERR_FORMAT || diag.error_cnt > 0);
        keydir_fini(&keys);
        zonebuild_fini(&build);
        diag_fini(&diag);
        if (is_starved)
            starve_end();
    }
}

static void test_zones(void **state)
{
    struct diag diag;

    (void)state;
    *expected = '\0';
    write_file("c.yaml", auth_text);
    diag_init(&diag);
    assert_int_equal(auth_conf_read(conf_path, &diag, &auth_conf), ERR_OK);
    starve_each("loading zones", load_zones);
    starve_each("checking zones", check_zones);
    starve_each("signing a zone", sign_zones);
    starve_openssl(true);
    starve_each("signing a zone, OpenSSL too", sign_zones);
    starve_openssl(false);
    auth_conf_free(&auth_conf);
    diag_fini(&diag);
}

/* ---- resolving ---- */

/* Servers of test., zone.test. and other.; the address of the last one must be looked up. */
static bool servers_say(const char *server, const char *name, uint16_t type)
{
    bool is_other = ends_in(name, "other.");

    if (strcmp(server, "192.0.2.1") == 0) {
        if (is_other)
            delegate("other.", "ns.host.test.", NULL);
        else
            delegate("test.", "ns.test.", "192.0.2.2");
        return true;
    }
    if (strcmp(server, "192.0.2.2") == 0) {
        if (ends_in(name, "zone.test."))
            delegate("zone.test.", "ns.zone.test.", "192.0.2.3");
        else if (strcmp(name, "ns.host.test.") == 0 && type == RRTYPE_A)
            add(MESSAGE_ANSWER, "%s 3600 A 192.0.2.3", name);
        else
            add(MESSAGE_AUTHORITY, "test. 300 SOA a. b. 1 2 3 4 300");
        return true;
    }
    if (ends_in(name, "none.zone.test.")) {
        reply.flags |= RRTYPE_RCODE_NXDOMAIN;
        add(MESSAGE_AUTHORITY, "zone.test. 300 SOA a. b. 1 2 3 4 300");
    } else if (ends_in(name, "d.zone.test.") && strcmp(name, "d.zone.test.") != 0) {
        add(MESSAGE_ANSWER, "d.zone.test. 3600 DNAME other.");
        add(MESSAGE_ANSWER, "%s 3600 CNAME www.other.", name);
    } else if (strcmp(name, "alias.zone.test.") == 0) {
        add(MESSAGE_ANSWER, "alias.zone.test. 3600 CNAME www.other.");
    } else if (type != RRTYPE_A) {
        add(MESSAGE_AUTHORITY, "%s 300 SOA a. b. 1 2 3 4 300",
            is_other ? "other." : "zone.test.");
    } else if (strcmp(name, "large.zone.test.") == 0 && !reply.ask->is_tcp) {
        reply.flags |= MESSAGE_TC;
    } else {
        add(MESSAGE_ANSWER, "%s 3600 A %s", name, GOOD);
        for (int i = 1; i < 60 && strcmp(name, "large.zone.test.") == 0; i++)
            add(MESSAGE_ANSWER, "%s 3600 A 203.0.113.%d", name, i + 1);
    }
    return true;
}

static bool answer_unstarved(const char *server, const char *name, uint16_t type)
{
    starve_pause();
    bool is_answer = servers_say(server, name, type);
    starve_resume();
    return is_answer;
}

static const char *asked_name;

/* Check that there is one answer: the right one, or SERVFAIL if an allocation failed. */
static void expect_answer(bool is_starved)
{
    bool has_failed = is_starved && starve_has_failed();

    must(stage.answer_cnt == 1);
    if (has_failed && rcode() == RRTYPE_RCODE_SERVFAIL)
        return;
    if (ends_in(asked_name, "none.zone.test."))
        must(rcode() == RRTYPE_RCODE_NXDOMAIN);
    else
        must(rcode() == RRTYPE_RCODE_NOERROR && has_address(GOOD));
}

static void open_world(void)
{
    open_stage();
    stage.settings.udp_size = 4096;
    stage_open(&stage, 7);
}

static void close_world(void)
{
    must(stage.pending_cnt == 0 && stage.engine->task_cnt == 0);
    stage_fini(&stage);
}

static void resolve(void)
{
    open_world();
    starve_begin();
    ask(asked_name);
    run(answer_unstarved);
    starve_end();
    expect_answer(true);
    stage_forget(&stage);
    now_advance(LATER_MS); /* beyond the time that failures are cached */
    ask(asked_name);
    run(servers_say);
    expect_answer(false);
    close_world();
}

/* Answer from the cache while the data is fresh and after it has expired, when stale data may
 * be served. */
static void resolve_again(void)
{
    open_world();
    ask(asked_name);
    run(servers_say);
    stage_forget(&stage);
    for (int turn = 0; turn < 2; turn++) {
        starve_begin();
        ask(asked_name);
        run(answer_unstarved);
        starve_end();
        expect_answer(true);
        stage_forget(&stage);
        now_advance(3600000);
    }
    ask(asked_name);
    run(servers_say);
    expect_answer(false);
    close_world();
}

static void test_resolving(void **state)
{
    static const char *const names[] = {"www.zone.test.", "alias.zone.test.", "x.d.zone.test.",
                                        "large.zone.test.", "a.b.none.zone.test."};
    char title[100];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        asked_name = names[i];
        snprintf(title, sizeof(title), "resolving %s", names[i]);
        starve_each(title, resolve);
        snprintf(title, sizeof(title), "resolving %s again", names[i]);
        starve_each(title, resolve_again);
    }
}

/* Lifetime: a turn of `opening`. */
struct limits {
    struct rate_limit *answers;
    struct conn_limit *connections;
    struct quota *queries;
};

/* Make the engine of a worker and all that it needs. */
static enum err open_engine(struct res_serve **serve, struct cache_lmdb **disk,
                            struct limits *limits)
{
    struct rate_limit_conf answers = {.per_second = 50};
    struct conn_limit_conf connections = {
        .connections = 10, .connections_per_client = 10, .idle_ms = 1000};
    struct quota_limits quotas = {.per_zone = 200, .per_server = 400};
    struct cache_lmdb_conf conf = {
        .directory = getenv("STAGE_STORE"), .size = 8 << 20, .worker_cnt = 1};
    struct cache_store *store = NULL;
    struct engine *engine = NULL;
    struct fault fault;

    enum err err = rate_limit_new(&answers, &limits->answers);
    if (!err)
        err = conn_limit_new(&connections, 1, &limits->connections);
    if (!err)
        err = quota_new(&quotas, &limits->queries);
    if (!err && conf.directory)
        err = cache_lmdb_open(&conf, disk, &fault);
    if (!err)
        err = *disk ? cache_lmdb_view(*disk, &store) : cache_memory_new(8 << 20, &store);
    if (!err) {
        err = engine_new(&stage.out, store, limits->queries, &engine);
        if (err)
            store->free(&store);
    }
    if (!err) {
        *serve = res_serve_new(engine, 1 << 20);
        err = *serve ? ERR_OK : ERR_NOMEM;
        if (err)
            task_free_engine(&engine);
    }
    return err;
}

static void open_engine_twice(void)
{
    for (int turn = 0; turn < 2; turn++) {
        struct res_serve *serve = NULL;
        struct cache_lmdb *disk = NULL;
        struct limits limits = {0};
        if (turn == 0)
            starve_begin();
        enum err err = open_engine(&serve, &disk, &limits);
        if (turn == 0)
            starve_end();
        must(err == ERR_OK || (turn == 0 && starve_has_failed()));
        res_serve_free(&serve);
        cache_lmdb_free(&disk);
        quota_free(&limits.queries);
        conn_limit_free(&limits.connections);
        rate_limit_free(&limits.answers);
    }
}

static void test_opening(void **state)
{
    (void)state;
    starve_each("opening an engine", open_engine_twice);
}

/* ---- explain_twice ---- */

static struct json *tree;
static bool is_over;

static void on_tree(void *data, struct json *json, const struct cause *cause)
{
    (void)data;
    (void)cause;
    tree = json;
    is_over = true;
}

static void explain(struct res_explain *explain, bool is_starved)
{
    static const uint8_t name[] = "\5alias\4zone\4test";
    struct res_explain_ask ask_for = {.settings = &stage.settings,
                                      .name = name,
                                      .type = RRTYPE_A,
                                      .is_fresh = true,
                                      .has_packets = true,
                                      .done = on_tree};

    must(addr_read("127.0.0.1", 53, &ask_for.client) == ERR_OK);
    is_over = false;
    enum err err = res_explain_begin(explain, &ask_for);
    if (!err)
        run(is_starved ? answer_unstarved : servers_say);
    must(err == ERR_OK ? is_over : is_starved && starve_has_failed());
    char *text = json_write(tree, false);
    must((text && strstr(text, GOOD)) || (is_starved && starve_has_failed()));
    free(text);
    json_free(&tree);
}

static void explain_twice(void)
{
    struct res_explain *e;

    open_world();
    starve_begin();
    e = res_explain_new(stage.serve);
    if (e)
        explain(e, true);
    starve_end();
    now_advance(LATER_MS);
    if (!e)
        e = res_explain_new(stage.serve);
    explain(e, false);
    res_serve_close(stage.serve);
    res_explain_free(&e);
    close_world();
}

static void test_explaining(void **state)
{
    (void)state;
    starve_each("explaining", explain_twice);
}

/* ---- TLS ---- */

static struct tls_server *server;
static struct tls_client *client;
static struct tls_server_files files;

static const char *path_of(const char *name)
{
    static char paths[4][300];
    static unsigned next;
    char *out = paths[next++ % 4];
    snprintf(out, sizeof(paths[0]), "%s/%s", folder, name);
    return out;
}

/* Both ends of a connection, and the octets sent by each. */
struct pair {
    struct tls *at[2]; /* client, server */
    struct buffer sent[2];
    uint8_t plain[2][ROOM];
    size_t got[2];
};

static bool count_opened(struct tls_sink *sink, size_t len)
{
    size_t *sum = sink->data;

    *sum += len;
    sink->plain += len;
    sink->size -= len;
    return true;
}

static bool carry(struct pair *p, int to)
{
    struct buffer sealed = p->sent[1 - to];
    struct tls_sink sink = {.plain = p->plain[to] + p->got[to],
                            .size = ROOM - p->got[to],
                            .out = &p->sent[to],
                            .opened = count_opened,
                            .data = &p->got[to]};

    p->sent[1 - to] = (struct buffer){0};
    if (tls_state(p->at[to]) != TLS_BROKEN)
        (void)tls_pump(p->at[to], sealed.at, sealed.len, &sink);
    bool has_moved = sealed.len > 0;
    buffer_fini(&sealed);
    return has_moved;
}

static void settle(struct pair *p)
{
    for (bool goes_on = true; goes_on;) {
        goes_on = carry(p, 1);
        goes_on |= carry(p, 0);
    }
}

/* Do a handshake, send data both ways and close.  Return true if all data arrived. */
static bool talk(struct pair *p)
{
    static const struct tls_server_alpn dot = {"\3dot", 4};
    static uint8_t large[20000];
    bool is_written = true;

    memset(p, 0, sizeof(*p));
    if (tls_connect(client, &p->at[0]) != ERR_OK ||
        tls_accept(server, &dot, &p->at[1]) != ERR_OK)
        return false;
    (void)carry(p, 0);
    settle(p);
    for (int from = 0; from < 2; from++) {
        is_written &= tls_write(p->at[from], large, sizeof(large), &p->sent[from]);
        tls_release_buffers(p->at[from]);
        settle(p);
        is_written &= p->got[1 - from] == sizeof(large);
    }
    for (int from = 0; from < 2; from++)
        tls_end(p->at[from], &p->sent[from]);
    settle(p);
    return is_written;
}

static void talk_and_free(bool is_starved)
{
    static struct pair p;

    bool is_whole = talk(&p);
    for (int i = 0; i < 2; i++) {
        tls_free(&p.at[i]);
        buffer_fini(&p.sent[i]);
    }
    must(is_whole || (is_starved && starve_has_failed()));
}

static void talk_over_tls(void)
{
    starve_begin();
    talk_and_free(true);
    starve_end();
    talk_and_free(false); /* this one may reject the ticket of the failed connection */
    talk_and_free(false);
}

/* Read certificates, and the terms that a server must meet. */
static void read_certificates(void)
{
    struct tls_client_terms terms = {.name = "dns.test", .ca_file = path_of("ca.pem")};
    struct tls_server *fresh = NULL;
    struct tls_client *known;
    struct fault fault = {0};

    starve_begin();
    enum err err = tls_server_new(&files, 1, &fresh, &fault);
    must(err == ERR_OK || (starve_has_failed() && *fault.text));
    if (!err) {
        enum tls_server_change news = tls_server_reload(fresh, &files, 1, &fault);
        must(news == TLS_SERVER_LOADED || starve_has_failed());
    }
    starve_end();
    tls_server_free(&fresh);
    starve_begin();
    err = tls_client_get(&terms, &known, &fault);
    must(err == ERR_OK || (starve_has_failed() && *fault.text));
    starve_end();
    must(tls_client_get(&terms, &client, &fault) == ERR_OK);
    talk_and_free(false);
}

static void test_tls(void **state)
{
    (void)state;
    starve_each("a connection over TLS", talk_over_tls);
    starve_each("reading certificates", read_certificates);
    starve_openssl(true);
    starve_each("a connection over TLS, OpenSSL too", talk_over_tls);
    starve_each("reading certificates, OpenSSL too", read_certificates);
    starve_openssl(false);
}

/* ---- HTTP ---- */

static struct conn_limit *conn_limit;
static struct h2 *h2;
static uint8_t decoded[MESSAGE_MAX];
static bool is_broken;

/* Answer with the query itself, on the second stream with a large page. */
static void on_request(void *data, uint32_t stream, const struct http_request *request)
{
    static char page[40000];
    const uint8_t *wire;
    size_t len;

    (void)data;
    struct http_verdict verdict = doh_read(request, "/dns-query", decoded, &wire, &len);
    struct http_answer a = {
        .status = verdict.status, .why = verdict.why, .date = "Sun, 06 Nov 1994 08:49:37 GMT"};
    if (a.status == 200) {
        memset(page, 'x', sizeof(page));
        a.body = stream == 3 ? (struct http_text){page, sizeof(page)}
                             : (struct http_text){(const char *)wire, len};
        a.max_age_s = 60;
    }
    if (!h2_answer(h2, stream, &a))
        is_broken = true;
}

/* An nghttp2 client, whose own allocations do not fail. */
static struct browser {
    nghttp2_session *session;
    size_t octets, closed;
} browser;

static int on_browser_octets(nghttp2_session *session, uint8_t flags, int32_t id,
                             const uint8_t *octets, size_t len, void *data)
{
    (void)session, (void)flags, (void)id, (void)octets, (void)data;
    browser.octets += len;
    return 0;
}

static int on_browser_stream_closed(nghttp2_session *session, int32_t id, uint32_t code,
                                    void *data)
{
    (void)session, (void)id, (void)data;
    browser.closed += code == NGHTTP2_NO_ERROR;
    return 0;
}

#define FIELD(name, value)                                                          \
    {                                                                               \
        (uint8_t *)(name), (uint8_t *)(value), sizeof(name) - 1, sizeof(value) - 1, \
            NGHTTP2_NV_FLAG_NONE                                                    \
    }

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *data)
{
    (void)session, (void)id, (void)source, (void)data, (void)size;
    memcpy(to, "a message of a POST", 19);
    *flags = NGHTTP2_DATA_FLAG_EOF;
    return 19;
}

static void browser_ask(void)
{
    static const nghttp2_nv get[] = {FIELD(":method", "GET"), FIELD(":scheme", "https"),
                                     FIELD(":authority", "dns.test"),
                                     FIELD(":path", "/dns-query?dns=AAABAAABAAAAAAAAAAABAAE")};
    static const nghttp2_nv post[] = {
        FIELD(":method", "POST"), FIELD(":scheme", "https"), FIELD(":authority", "dns.test"),
        FIELD(":path", "/dns-query"), FIELD("content-type", "application/dns-message")};
    nghttp2_data_provider body = {.read_callback = read_body};

    must(nghttp2_submit_request(browser.session, NULL, get, ARRAY_LEN(get), NULL, NULL) > 0);
    must(nghttp2_submit_request(browser.session, NULL, get, ARRAY_LEN(get), NULL, NULL) > 0);
    must(nghttp2_submit_request(browser.session, NULL, post, ARRAY_LEN(post), &body, NULL) > 0);
}

static void browser_open(void)
{
    nghttp2_session_callbacks *calls;

    browser = (struct browser){0};
    must(nghttp2_session_callbacks_new(&calls) == 0);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_browser_octets);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_browser_stream_closed);
    must(nghttp2_session_client_new(&browser.session, calls, NULL) == 0);
    nghttp2_session_callbacks_del(calls);
    must(nghttp2_submit_settings(browser.session, NGHTTP2_FLAG_NONE, NULL, 0) == 0);
    browser_ask();
}

/* Exchange octets until neither end has more to send.  Return false if the server ends the
 * connection. */
static bool exchange_all(void)
{
    bool goes_on = true, has_moved = true;
    uint64_t now_ms = 1000000;

    while (has_moved && goes_on) {
        struct buffer out = {0};
        bool is_all = false;
        const uint8_t *octets;
        starve_pause();
        ssize_t len = nghttp2_session_mem_send(browser.session, &octets);
        starve_resume();
        must(len >= 0);
        if (len > 0)
            goes_on = h2_read(h2, octets, (size_t)len, true, now_ms);
        while (goes_on && !is_all)
            goes_on = h2_write(h2, &out, out.len + 1000, &is_all);
        has_moved = len > 0 || out.len > 0;
        starve_pause();
        if (goes_on && out.len > 0)
            must(nghttp2_session_mem_recv(browser.session, out.at, out.len) ==
                 (ssize_t)out.len);
        starve_resume();
        buffer_fini(&out);
    }
    return goes_on && !is_broken;
}

static void http2(void)
{
    for (int turn = 0; turn < 2; turn++) {
        starve_pause();
        browser_open();
        starve_resume();
        is_broken = false;
        if (turn == 0)
            starve_begin();
        enum err err = h2_new(conn_limit, on_request, NULL, &h2);
        bool goes_on = !err && exchange_all();
        if (goes_on)
            h2_end(h2);
        if (turn == 0)
            starve_end();
        must((turn == 0 && starve_has_failed()) ||
             (goes_on && browser.closed == 3 && browser.octets > 40000));
        if (goes_on && turn == 0) /* each request was answered or reset */
            must(h2_memory(h2) == 0);
        h2_free(&h2);
        nghttp2_session_del(browser.session);
        must(conn_limit_counts(conn_limit).memory == 0);
    }
}

static void http1(void)
{
    struct buffer out = {.conn_limit = conn_limit};
    struct http_answer a = {
        .status = 200, .body = {.at = "body", .len = 4}, .max_age_s = 60, .date = "x"};
    bool is_written;

    starve_begin();
    is_written = http1_print_continue(&out) &&
                 http1_print(&out, &a, (struct http1_form){.closes = false});
    must(is_written || starve_has_failed());
    starve_end();
    size_t before = out.len;
    must(http1_print(&out, &a, (struct http1_form){.closes = true}));
    must(out.len > before && memcmp(out.at + before, "HTTP/1.1 200", 12) == 0);
    buffer_fini(&out);
    must(conn_limit_counts(conn_limit).memory == 0);
}

static void test_http(void **state)
{
    static const struct conn_limit_conf limits = {.connections = 1, .memory = 1 << 30};

    (void)state;
    assert_int_equal(conn_limit_new(&limits, 1, &conn_limit), ERR_OK);
    starve_each("a session of HTTP/2", http2);
    starve_each("answers of HTTP/1.1", http1);
    conn_limit_free(&conn_limit);
}

/* ---- the control socket ---- */

static uv_loop_t loop;
static struct job_box home;
static struct ports *ports;
static struct control_command commands[8];
static const char *request;

static void ring(void *bell) { (void)bell; }

static void turn_loop(void)
{
    for (int i = 0; i < 10; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        job_run_all(&home, NULL);
    }
}

/* Send the request and read one line.  False: the connection was closed without an answer. */
static bool call(const char *path, char *answer, size_t size)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t len = 0;

    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    must(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    must(send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request));
    for (int i = 0; i < 100; i++) {
        turn_loop();
        ssize_t part = recv(fd, answer + len, size - 1 - len, MSG_DONTWAIT);
        if (part > 0)
            len += (size_t)part;
        if (part == 0 || (len > 0 && answer[len - 1] == '\n'))
            break;
    }
    answer[len] = '\0';
    close(fd);
    turn_loop();
    return len > 0;
}

static enum err open_control(const struct control_parts *parts, const char *path,
                             struct control **c, struct fault *fault)
{
    int fd = -1;
    enum err err = control_bind(path, "", &fd, fault);
    return err ? err : control_open(parts, path, fd, c);
}

static void control(void)
{
    static char answer[TEXT_MAX];
    struct res_control worker = {.ports = ports};
    struct control_parts parts = {.loop = &loop,
                                  .home = &home,
                                  .settings = &stage.settings,
                                  .commands = {commands, NULL},
                                  .data = &worker};
    struct control *c = NULL;
    const char *path = path_of("control.sock");
    struct fault fault = {0};

    open_world();
    asked_name = "www.zone.test.";
    ask(asked_name);
    run(servers_say);
    worker.serve = stage.serve;
    worker.tunnel = stage.tunnel;
    starve_begin();
    enum err err = open_control(&parts, path, &c, &fault);
    must(err == ERR_OK || starve_has_failed());
    if (!err) {
        bool is_answered = call(path, answer, sizeof(answer));
        must(starve_has_failed() || (is_answered && strncmp(answer, "{\"ok\":true", 10) == 0));
    }
    starve_end();
    if (err)
        must(open_control(&parts, path, &c, &fault) == ERR_OK);
    must(call(path, answer, sizeof(answer)) && strncmp(answer, "{\"ok\":true", 10) == 0);
    control_close(c);
    turn_loop();
    control_free(&c);
    close_world();
}

static void *uv_malloc(size_t size)
{
    starve_pause();
    void *at = malloc(size);
    starve_resume();
    return at;
}

static void *uv_calloc(size_t cnt, size_t size)
{
    starve_pause();
    void *at = calloc(cnt, size);
    starve_resume();
    return at;
}

/* libuv aborts if its table of descriptors cannot grow. */
static void *uv_realloc(void *old, size_t size)
{
    starve_pause();
    void *at = realloc(old, size);
    starve_resume();
    return at;
}

static void test_control(void **state)
{
    static const char *const requests[] = {
        "{\"command\":\"status\"}\n", "{\"command\":\"stats\"}\n",
        "{\"command\":\"cache-stats\"}\n",
        /* strings that end where jansson's buffer must grow */
        "{\"command\":\"cache-show\",\"name\":\"www.zone.test\",\"a\":\"fourteen "
        "chars\",\"b\":\"thirty characters in a string.\","
        "\"c\":\"thirteen char\\\"s\"}\n",
        "{\"command\":\"cache-flush\",\"name\":\"zone.test\"}\n",
        "{\"command\":\"last\",\"name\":\"www.zone.test\"}\n"};
    size_t cnt = 0;

    (void)state;
    for (const struct control_command *at = res_control_commands; at->name; at++)
        if (strcmp(at->name, "explain") != 0)
            commands[cnt++] = (struct control_command){.name = at->name, .begin = at->run};
    must(uv_replace_allocator(uv_malloc, uv_realloc, uv_calloc, free) == 0);
    must(ports_new(&(struct ports_terms){0}, &ports) == ERR_OK && uv_loop_init(&loop) == 0);
    job_box_init(&home, ring, NULL);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        char title[100];
        request = requests[i];
        snprintf(title, sizeof(title), "control %.*s", (int)strlen(request) - 1, request);
        starve_each(title, control);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    must(uv_loop_close(&loop) == 0);
    ports_free(&ports);
}

/* ---- setup and teardown ---- */

static int set_up(void **state)
{
    static const uint8_t secret[1][COOKIE_SECRET_LEN] = {"secret of a test"};
    static const struct conn_limit_conf limits = {.connections = 1};
    struct tls_client_terms terms = {.name = "dns.test"};
    char command[600];
    struct fault fault;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    hash_init();
    log_set(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    assert_non_null(mkdtemp(folder));
    snprintf(
        command, sizeof(command),
        "%s certificate make dns.test 127.0.0.1 --directory %s >/dev/null && mkdir %s/zones",
        ROOTLINE_COMMAND, folder, folder);
    assert_int_equal(system(command), 0);
    snprintf(conf_path, sizeof(conf_path), "%s/c.yaml", folder);
    write_file("secrets", "00112233445566778899aabbccddeeff\n");
    write_file("hints", ". NS a.root.\na.root. A 192.0.2.1\na.root. AAAA 2001:db8::1\n");
    write_file("hosts", "192.0.2.7 one.hosts.test two.hosts.test\n192.0.2.8 one.hosts.test\n");
    write_file("plain", plain_zone);
    write_file("made", made_zone);
    write_file("part", part_zone);
    write_file("deep", deep_zone);
    write_file("nsec3", nsec3_zone);
    write_file("nsec", nsec_zone);
    write_file("zones/listed.test.zone", plain_zone);
    snprintf(command, sizeof(command),
             "cd %s && mkdir zone-keys && %s zone sign plain.test plain --keys zone-keys "
             "--time 2020-01-01T00:00:00Z >/dev/null",
             folder, ROOTLINE_COMMAND);
    assert_int_equal(system(command), 0);
    cookie_set(&cookies, secret, 1);
    assert_int_equal(conn_limit_new(&limits, 1, &settings.conn_limit), ERR_OK);
    static char certificate[300], key[300];
    strcpy(certificate, path_of("cert.pem"));
    strcpy(key, path_of("key.pem"));
    files = (struct tls_server_files){certificate, key};
    assert_int_equal(tls_server_new(&files, 1, &server, &fault), ERR_OK);
    terms.ca_file = path_of("ca.pem");
    assert_int_equal(tls_client_get(&terms, &client, &fault), ERR_OK);
    starve_spare(&stage_takes_memory);
    return 0;
}

static int tear_down(void **state)
{
    char command[400];

    (void)state;
    tls_server_free(&server);
    conn_limit_free(&settings.conn_limit);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(access(folder, F_OK), -1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test_teardown(test_resolver_configuration, starve_teardown),
        cmocka_unit_test_teardown(test_auth_configuration, starve_teardown),
        cmocka_unit_test_teardown(test_zones, starve_teardown),
        cmocka_unit_test_teardown(test_tls, starve_teardown),
        cmocka_unit_test_teardown(test_http, starve_teardown),
        cmocka_unit_test_teardown(test_opening, starve_teardown),
        cmocka_unit_test_teardown(test_resolving, starve_teardown),
        cmocka_unit_test_teardown(test_explaining, starve_teardown),
        cmocka_unit_test_teardown(test_control, starve_teardown),
    };
    const struct CMUnitTest on_disk[] = {
        cmocka_unit_test_teardown(test_opening, starve_teardown),
        cmocka_unit_test_teardown(test_resolving, starve_teardown),
    };
    starve_init();
    return getenv("STAGE_STORE")
               ? cmocka_run_group_tests_name("oom on LMDB", on_disk, set_up, tear_down)
               : cmocka_run_group_tests_name("oom", all, set_up, tear_down);
}
