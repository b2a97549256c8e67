/* TLS between our server and our client, in memory: how a server is authenticated, renewed
 * certificates, tickets, failing allocations, key updates. */
#include "unit.h"

#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include "net/transport/tls.h"

enum { PLAIN_MAX = 1 << 17 };

static char folder[] = "test_tls-XXXXXX"; /* below the working folder */
static struct tls_server *server;
static const struct tls_server_alpn dot = {"\3dot", 4};

static const char *path(const char *name)
{
    static char paths[4][300];
    static unsigned next;
    char *out = paths[next++ % 4];
    snprintf(out, sizeof(paths[0]), "%s/%s", folder, name);
    return out;
}

static void make_certificate(const char *names)
{
    char command[600];
    snprintf(command, sizeof(command), "%s certificate make %s --directory %s >/dev/null",
             ROOTLINE_COMMAND, names, folder);
    assert_int_equal(system(command), 0);
}

static int set_up(void **state)
{
    struct tls_server_files files;
    struct fault fault = {0};

    (void)state;
    assert_non_null(mkdtemp(folder));
    make_certificate("dns.test 127.0.0.1");
    files = (struct tls_server_files){path("cert.pem"), path("key.pem")};
    assert_int_equal(tls_server_new(&files, 1, &server, &fault), ERR_OK);
    return 0;
}

static int tear_down(void **state)
{
    char command[400];

    (void)state;
    tls_server_free(&server);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(access(folder, F_OK), -1);
    return 0;
}

static struct tls_client *make_client(const char *name, const char *pin)
{
    struct tls_client_terms terms = {
        .name = name, .pins = &pin, .pin_cnt = pin ? 1 : 0, .ca_file = path("ca.pem")};
    struct tls_client *client;
    struct fault fault;
    assert_int_equal(tls_client_get(&terms, &client, &fault), ERR_OK);
    return client;
}

/* Both ends of a connection and the octets between them. */
struct pair {
    struct tls *at[2];           /* client, server */
    struct buffer sent[2];       /* sent by each and not delivered yet */
    uint8_t plain[2][PLAIN_MAX]; /* received by each */
    size_t got[2];
    enum tls_state state[2];
};

static bool count_opened(struct tls_sink *sink, size_t len)
{
    size_t *got = sink->data;

    *got += len;
    sink->plain += len;
    sink->size -= len;
    return true;
}

/* Let one end process `len` octets. */
static void pump(struct pair *p, int to, const uint8_t *sealed, size_t len)
{
    struct tls_sink sink = {.plain = p->plain[to] + p->got[to],
                            .size = PLAIN_MAX - p->got[to],
                            .out = &p->sent[to],
                            .opened = count_opened,
                            .data = &p->got[to]};

    assert_true(tls_pump(p->at[to], sealed, len, &sink));
    p->state[to] = tls_state(p->at[to]);
}

static void pair_new(struct pair *p, struct tls_client *client)
{
    memset(p, 0, sizeof(*p));
    assert_int_equal(tls_connect(client, &p->at[0]), ERR_OK);
    assert_int_equal(tls_accept(server, &dot, &p->at[1]), ERR_OK);
    pump(p, 0, NULL, 0);
    assert_true(p->state[0] == TLS_OPENING && p->got[0] == 0 && p->sent[0].len > 0);
}

static void pair_free(struct pair *p)
{
    for (int i = 0; i < 2; i++) {
        tls_free(&p->at[i]);
        buffer_fini(&p->sent[i]);
    }
}

/* Deliver what was sent to `to`, in pieces.  False if there was nothing. */
static bool deliver(struct pair *p, int to, size_t piece)
{
    struct buffer sealed = p->sent[1 - to];
    p->sent[1 - to] = (struct buffer){0};
    bool had_octets = sealed.len > 0;

    for (size_t at = 0; at < sealed.len; at += piece)
        pump(p, to, sealed.at + at, util_min(piece, sealed.len - at));
    buffer_fini(&sealed);
    return had_octets;
}

static void deliver_all(struct pair *p, size_t piece)
{
    for (bool goes_on = true; goes_on;) {
        goes_on = deliver(p, 1, piece);
        goes_on |= deliver(p, 0, piece);
    }
}

static void test_octets_in_pieces(void **state)
{
    static uint8_t large[60000];
    static struct pair p;

    (void)state;
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (uint8_t)(i * 7);
    for (size_t piece = 1; piece < 20000; piece = piece * 5 + 1) {
        pair_new(&p, make_client("dns.test", NULL));
        deliver_all(&p, piece);
        assert_int_equal(p.state[0], TLS_OPEN);
        assert_int_equal(p.state[1], TLS_OPEN);
        assert_true(tls_has_protocol(p.at[0], "dot") && tls_has_protocol(p.at[1], "dot") &&
                    !tls_has_protocol(p.at[1], "do"));
        for (int from = 0; from < 2; from++) {
            assert_true(tls_write(p.at[from], large, sizeof(large), &p.sent[from]));
            assert_true(tls_write(p.at[from], large, 10, &p.sent[from]));
            tls_release_buffers(p.at[from]);
            deliver_all(&p, piece);
            assert_int_equal(p.got[1 - from], sizeof(large) + 10);
            assert_memory_equal(p.plain[1 - from], large, sizeof(large));
        }
        tls_end(p.at[0], &p.sent[0]);
        deliver_all(&p, piece);
        assert_int_equal(p.state[1], TLS_ENDED);
        assert_true(
            tls_write(p.at[1], large, 10, &p.sent[1])); /* half-closed: it may still answer */
        pair_free(&p);
    }
}

/* A changed octet of the handshake makes it fail or wait; both ends never open. */
static void test_changed_octets(void **state)
{
    static struct pair p;

    (void)state;
    for (size_t at = 0; at < 1500; at += 3) {
        pair_new(&p, make_client("dns.test", NULL));
        bool is_changed = at < p.sent[0].len;
        if (is_changed)
            p.sent[0].at[at] ^= 0x41;
        (void)deliver(&p, 1, PLAIN_MAX);
        if (!is_changed && at - 500 < p.sent[1].len && at >= 500) {
            p.sent[1].at[at - 500] ^= 0x41;
            is_changed = true;
        }
        (void)deliver(&p, 0, PLAIN_MAX);
        if (is_changed)
            assert_true(p.state[0] != TLS_OPEN || p.state[1] != TLS_OPEN);
        pair_free(&p);
    }
}

static void expect_verify_error(struct tls_client *client, const char *why)
{
    static struct pair p;

    for (int turn = 0; turn < 2; turn++) { /* there is no ticket for the second turn */
        pair_new(&p, client);
        deliver_all(&p, PLAIN_MAX);
        assert_int_equal(p.state[0], TLS_BROKEN);
        assert_non_null(strstr(tls_verify_error(p.at[0]), why));
        assert_false(tls_write(p.at[0], (const uint8_t *)"x", 1, &p.sent[0]));
        assert_int_equal(p.sent[0].len, 0);
        pair_free(&p);
    }
}

static void test_authentication(void **state)
{
    static const char zeros[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    struct tls_client_terms other_ca = {.name = "dns.test", .ca_file = ""};
    struct tls_client *client;
    struct fault fault;

    (void)state;
    expect_verify_error(make_client("other.test", NULL), "hostname mismatch");
    expect_verify_error(make_client("dns.test", zeros), "matches no pin");
    expect_verify_error(make_client("", zeros), "matches no pin");
    assert_int_equal(tls_client_get(&other_ca, &client, &fault), ERR_OK);
    expect_verify_error(client, "local issuer");
}

static void test_tickets(void **state)
{
    static struct pair p;
    struct tls_server_counts before = tls_server_counts(server), after;

    (void)state;
    struct tls_client *client = make_client("dns.test", NULL);
    for (int turn = 0; turn < 3; turn++) {
        pair_new(&p, client);
        deliver_all(&p, PLAIN_MAX);
        assert_int_equal(p.state[0], TLS_OPEN);
        pair_free(&p);
    }
    after = tls_server_counts(server);
    assert_int_equal(after.handshakes - before.handshakes, 3);
    assert_true(after.resumed - before.resumed >= 2);
}

/* After a renewal with a new key old tickets are useless, and the new certificate is verified.
 */
static void test_renewal(void **state)
{
    static struct pair old, new;
    struct tls_server_certificate before, after;
    struct fault fault;

    (void)state;
    pair_new(&old, make_client("dns.test", NULL));
    assert_int_equal(tls_server_reload_changed(server, &fault), TLS_SERVER_UNCHANGED);
    assert_true(tls_server_certificate(server, 0, &before) &&
                !tls_server_certificate(server, 1, &after));
    assert_string_equal(before.name, "dns.test");
    assert_int_equal(before.addr_cnt, 1);
    make_certificate("new.test 127.0.0.1 192.0.2.7 --days 30");
    assert_int_equal(tls_server_reload_changed(server, &fault), TLS_SERVER_LOADED);
    assert_int_equal(tls_server_reload_changed(server, &fault), TLS_SERVER_UNCHANGED);
    assert_true(tls_server_certificate(server, 0, &after));
    assert_string_equal(after.name, "new.test");
    assert_true(after.addr_cnt == 2 && after.not_after_ms < before.not_after_ms);
    deliver_all(&old, PLAIN_MAX); /* began with the old certificate */
    assert_int_equal(old.state[0], TLS_OPEN);
    pair_new(&new, make_client("new.test", NULL));
    deliver_all(&new, PLAIN_MAX);
    assert_int_equal(new.state[0], TLS_OPEN);
    pair_free(&old);
    pair_free(&new);
    expect_verify_error(make_client("dns.test", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
                        "hostname mismatch");
}

/* ---- without memory ---- */

static bool has_no_app_data;
static int fails_in; /* the allocation of OpenSSL that fails, counted down; 0: none */

int __real_SSL_set_ex_data(SSL *ssl, int index, void *data);
int __wrap_SSL_set_ex_data(SSL *ssl, int index, void *data);
int __wrap_SSL_set_ex_data(SSL *ssl, int index, void *data)
{
    return has_no_app_data ? 0 : __real_SSL_set_ex_data(ssl, index, data);
}

int __real_SSL_CTX_set_ex_data(SSL_CTX *context, int index, void *data);
int __wrap_SSL_CTX_set_ex_data(SSL_CTX *context, int index, void *data);
int __wrap_SSL_CTX_set_ex_data(SSL_CTX *context, int index, void *data)
{
    return has_no_app_data ? 0 : __real_SSL_CTX_set_ex_data(context, index, data);
}

static void *allocate(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails_in > 0 && --fails_in == 0 ? NULL : malloc(size);
}

static void *allocate_again(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails_in > 0 && --fails_in == 0 ? NULL : realloc(old, size);
}

static void release(void *old, const char *file, int line)
{
    (void)file;
    (void)line;
    free(old);
}

static void test_app_data_cannot_be_set(void **state)
{
    struct tls_client_terms terms = {.name = "elsewhere.test", .ca_file = path("ca.pem")};
    struct tls *untouched = (struct tls *)folder, *t = untouched;
    struct tls_client *client;
    struct fault fault = {0};

    (void)state;
    has_no_app_data = true;
    assert_int_equal(tls_accept(server, &dot, &t), ERR_NOMEM);
    assert_ptr_equal(t, untouched);
    assert_int_equal(tls_client_get(&terms, &client, &fault), ERR_NOMEM);
    assert_string_equal(fault.text, "out of memory");
    has_no_app_data = false;
}

/* Each allocation of a handshake fails once: no crash, and no server with a wrong name is
 * accepted. */
static void test_handshakes_without_memory(void **state)
{
    static struct pair p;
    struct tls_client *right = make_client("dns.test", NULL),
                      *wrong = make_client("other.test", NULL);
    unsigned failed = 0, tries = 0;

    (void)state;
    for (int n = 1, is_through = 0; !is_through; n++)
        for (int is_wrong = 0; is_wrong < 2; is_wrong++, tries++) {
            memset(&p, 0, sizeof(p));
            fails_in = n;
            if (tls_connect(is_wrong ? wrong : right, &p.at[0]) == ERR_OK &&
                tls_accept(server, &dot, &p.at[1]) == ERR_OK) {
                pump(&p, 0, NULL, 0);
                deliver_all(&p, PLAIN_MAX);
            }
            is_through = fails_in > 0; /* the handshake had fewer allocations */
            fails_in = 0;
            assert_true(!is_wrong || p.state[0] != TLS_OPEN || p.at[1] == NULL);
            failed += p.state[0] != TLS_OPEN;
            pair_free(&p);
        }
    assert_true(failed > 50 && tries > 200);
    for (int i = 0; i < 2;
         /* Handshakes work again; a ticket of a failed one may be useless. */
         i++) {
        pair_new(&p, right);
        deliver_all(&p, PLAIN_MAX);
        if (i == 0)
            pair_free(&p);
    }
    assert_true(p.state[0] == TLS_OPEN && p.state[1] == TLS_OPEN);
    pair_free(&p);
}

/* ---- messages without data ---- */

static void take_records(BIO *from, struct buffer *to)
{
    char octets[4096];
    int len;

    while ((len = BIO_read(from, octets, sizeof(octets))) > 0)
        assert_true(buffer_append(to, octets, (size_t)len));
}

static bool discard_opened(struct tls_sink *sink, size_t len)
{
    (void)sink;
    (void)len;
    return true;
}

/* A client made with OpenSSL's API that requests `updates` key updates before each octet of
 * data. */
static enum tls_state update_keys(int updates, int rounds)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    struct buffer sent = {0}, back = {0};
    struct tls *t;
    static uint8_t plain[PLAIN_MAX];
    struct tls_sink sink = {
        .plain = plain, .size = PLAIN_MAX, .out = &back, .opened = discard_opened};

    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    assert_int_equal(tls_accept(server, &dot, &t), ERR_OK);
    for (int i = 0; i < 6; i++) {
        (void)SSL_do_handshake(ssl);
        take_records(out, &sent);
        assert_true(tls_pump(t, sent.at, sent.len, &sink));
        BIO_write(in, back.at, (int)back.len);
        buffer_fini(&sent);
        buffer_fini(&back);
    }
    assert_int_equal(tls_state(t), TLS_OPEN);
    for (int i = 0; i < rounds && tls_state(t) == TLS_OPEN; i++) {
        for (int j = 0; j < updates; j++) {
            assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED), 1);
            (void)SSL_do_handshake(ssl);
        }
        assert_int_equal(SSL_write(ssl, "x", 1), 1);
        take_records(out, &sent);
        assert_true(tls_pump(t, sent.at, sent.len, &sink));
        assert_true(back.len <= 64 * 64);
        buffer_fini(&sent);
        buffer_fini(&back);
    }
    enum tls_state state = tls_state(t);
    tls_free(&t);
    SSL_free(ssl);
    SSL_CTX_free(context);
    return state;
}

static void test_endless_key_updates(void **state)
{
    (void)state;
    assert_int_equal(update_keys(20, 5), TLS_OPEN);
    assert_int_equal(update_keys(100, 1), TLS_BROKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_octets_in_pieces),
        cmocka_unit_test(test_changed_octets),
        cmocka_unit_test(test_authentication),
        cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_handshakes_without_memory), /* before the renewal */
        cmocka_unit_test(test_renewal),
        cmocka_unit_test(test_app_data_cannot_be_set),
        cmocka_unit_test(test_endless_key_updates),
    };
    CRYPTO_set_mem_functions(allocate, allocate_again, release);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
