/* OpenSSL reads from and writes to a BIO that is nothing but two pointers: memory BIOs of its
 * own would copy once more and never shrink.  Errors of OpenSSL are taken off its queue at
 * once: the next connection must not find them. */
#include "net/transport/tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>

/* Messages of TLS itself in a row that bring no octets: more come to keep us busy. */
enum { ASIDE_MAX = 32 };

/* Lifetime: the connection's. */
struct tls {
    SSL *ssl;
    enum tls_state state;
    struct tls_server *server; /* NULL: we are the client */
    struct tls_client *client;
    const char *distrust; /* "": none */
    const uint8_t *in;    /* sealed octets that have not been read; lent */
    size_t in_len;
    struct buffer *out; /* of the call that is under way */
    unsigned aside_cnt; /* KeyUpdates, tickets and alerts since the last octet */
};

static _Atomic(BIO_METHOD *) method; /* made by the first connection that has memory for it */

/* Clearing an empty queue costs more than looking at it. */
static void forget_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

static int bio_read(BIO *bio, char *to, size_t size, size_t *got)
{
    struct tls *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *got = util_min(size, t->in_len);
    if (*got == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(to, t->in, *got);
    t->in += *got;
    t->in_len -= *got;
    return 1;
}

static int bio_write(BIO *bio, const char *from, size_t len, size_t *put)
{
    struct tls *t = BIO_get_data(bio);

    *put = t->out && buffer_put(t->out, from, len) ? len : 0;
    return *put == len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

/* NULL without memory. */
static BIO_METHOD *make_method(void)
{
    BIO_METHOD *made = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "rootline"), *before = NULL;

    if (!made || BIO_meth_set_read_ex(made, bio_read) != 1 ||
        BIO_meth_set_write_ex(made, bio_write) != 1 || BIO_meth_set_ctrl(made, bio_ctrl) != 1 ||
        !atomic_compare_exchange_strong(&method, &before,
                                        made)) { /* another worker was first */
        BIO_meth_free(made);
        return before;
    }
    return made;
}

static BIO_METHOD *get_method(void)
{
    BIO_METHOD *made = atomic_load(&method);
    return made ? made : make_method();
}

/* It cannot be set up: there is no memory. */
static enum err give_up(struct tls *t)
{
    forget_errors();
    tls_free(&t);
    return ERR_NOMEM;
}

/* After the handshake, KeyUpdates (RFC 8446 4.6.3), tickets, and what we refuse with an alert
 * are counted; when it is too much OpenSSL gets nothing more to read. */
static void note_message(int is_written, int version, int type, const void *octets, size_t len,
                         SSL *ssl, void *data)
{
    struct tls *t = data;
    bool is_aside =
        t->state == TLS_OPEN && type == (is_written ? SSL3_RT_ALERT : SSL3_RT_HANDSHAKE);

    (void)version;
    (void)octets;
    (void)len;
    (void)ssl;
    if (is_aside && ++t->aside_cnt > ASIDE_MAX)
        t->in_len = 0;
}

static struct tls *new_tls(SSL_CTX *context)
{
    struct tls *t = calloc(1, sizeof(*t));
    BIO_METHOD *made = get_method();

    if (!t)
        return NULL;
    t->ssl = SSL_new(context);
    BIO *bio = t->ssl && made ? BIO_new(made) : NULL;
    if (!bio) {
        (void)give_up(t); /* the caller returns the error */
        return NULL;
    }
    t->distrust = "";
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_msg_callback(t->ssl, note_message);
    SSL_set_msg_callback_arg(t->ssl, t);
    return t;
}

enum err tls_accept(struct tls_server *server, const struct tls_server_alpn *offered,
                    struct tls **out)
{
    SSL_CTX *context = tls_server_context(server);
    struct tls *t = new_tls(context);

    SSL_CTX_free(context);
    if (!t)
        return ERR_NOMEM;
    if (SSL_set_app_data(t->ssl, (void *)(uintptr_t)offered) != 1) /* tls_server chooses */
        return give_up(t);
    t->server = server;
    SSL_set_accept_state(t->ssl);
    *out = t;
    return ERR_OK;
}

/* A host is told its name (SNI); an address is looked for in the certificate only (RFC 6066 3).
 */
static bool expect_name(SSL *ssl, const char *name)
{
    struct addr addr;

    if (addr_read(name, 0, &addr) == ERR_OK)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
}

enum err tls_connect(struct tls_client *client, struct tls **out)
{
    SSL_CTX *context = tls_client_context(client);
    struct tls *t = new_tls(context);
    const char *name = tls_client_name(client);

    SSL_CTX_free(context);
    if (!t)
        return ERR_NOMEM;
    t->client = client;
    SSL_set_connect_state(t->ssl);
    if (*name && !expect_name(t->ssl, name))
        return give_up(t);
    SSL_SESSION *session = tls_client_take_session(client);
    if (session)
        (void)SSL_set_session(t->ssl, session); /* without it the handshake is longer */
    SSL_SESSION_free(session);
    *out = t;
    return ERR_OK;
}

const char *tls_distrust(const struct tls *t) { return t->distrust; }

void tls_free(struct tls **tls)
{
    /* OpenSSL would take the ticket of a connection that just ends for a bad one */
    if (*tls && (*tls)->state != TLS_BROKEN && (*tls)->state != TLS_OPENING)
        SSL_set_shutdown((*tls)->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    if (*tls)
        SSL_free((*tls)->ssl);
    free(*tls);
    *tls = NULL;
}

void tls_feed(struct tls *t, const uint8_t *sealed, size_t len)
{
    must(t->in_len == 0);
    t->in = sealed;
    t->in_len = len;
}

/* What a call that did not succeed means for the connection. */
static enum tls_state judge(struct tls *t, int result)
{
    int error = SSL_get_error(t->ssl, result);

    forget_errors();
    if (error == SSL_ERROR_WANT_READ)
        return t->state;
    t->in_len = 0;
    return error == SSL_ERROR_ZERO_RETURN ? TLS_ENDED : TLS_BROKEN;
}

/* RFC 7858 4.2: the hash of the key is one that we know. */
static bool has_pin(const struct tls *t, const X509 *certificate)
{
    uint8_t *key = NULL, hash[EVP_MAX_MD_SIZE];
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key);
    bool is_right = len > 0 &&
                    EVP_Digest(key, (size_t)len, hash, NULL, EVP_sha256(), NULL) == 1 &&
                    tls_client_is_pin(t->client, hash);

    OPENSSL_free(key);
    return is_right;
}

/* OpenSSL forgets the name that it was told to expect when it has no memory to copy it. */
static bool has_name(X509 *certificate, const char *name)
{
    struct addr addr;

    if (addr_read(name, 0, &addr) == ERR_OK)
        return X509_check_ip_asc(certificate, name, 0) == 1;
    return X509_check_host(certificate, name, 0, 0, NULL) == 1;
}

/* Why the server is not the one that is wanted, "" when it is (RFC 8310 5). */
static const char *find_distrust(const struct tls *t)
{
    X509 *certificate = SSL_get0_peer_certificate(t->ssl);
    long verdict = SSL_get_verify_result(t->ssl);

    if (!certificate)
        return "it has no certificate";
    if (*tls_client_name(t->client) && verdict != X509_V_OK)
        return X509_verify_cert_error_string(verdict);
    if (*tls_client_name(t->client) && !has_name(certificate, tls_client_name(t->client)))
        return X509_verify_cert_error_string(X509_V_ERR_HOSTNAME_MISMATCH);
    /* what a ticket stands for was looked at when it was given */
    if (*tls_client_name(t->client) &&
        X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0)
        return X509_verify_cert_error_string(X509_V_ERR_CERT_HAS_EXPIRED);
    if (tls_client_has_pins(t->client) && !has_pin(t, certificate))
        return "its key is none of the pins";
    return "";
}

static void shake_hands(struct tls *t)
{
    forget_errors(); /* SSL_get_error believes whatever stands there */
    int result = SSL_do_handshake(t->ssl);

    t->state = result == 1 ? TLS_OPEN : judge(t, result);
    if (t->server && t->state != TLS_OPENING)
        tls_server_count(t->server, t->state == TLS_OPEN,
                         t->state == TLS_OPEN && SSL_session_reused(t->ssl));
    if (t->client && t->state == TLS_OPEN) {
        t->distrust = find_distrust(t);
        if (*t->distrust)
            t->state = TLS_BROKEN;
    }
}

enum tls_state tls_read(struct tls *t, uint8_t *plain, size_t size, size_t *got,
                        struct buffer *out)
{
    *got = 0;
    t->out = out;
    if (t->state == TLS_OPENING)
        shake_hands(t);
    /* asking OpenSSL in vain costs a buffer and a look through its errors */
    if (t->state == TLS_OPEN && (t->in_len > 0 || SSL_has_pending(t->ssl))) {
        forget_errors();
        int result = SSL_read_ex(t->ssl, plain, size, got);
        if (result != 1) {
            *got = 0;
            t->state = judge(t, result);
        }
        if (t->aside_cnt > ASIDE_MAX)
            t->state = TLS_BROKEN; /* octets are lost */
        else if (*got > 0)
            t->aside_cnt = 0;
    }
    t->out = NULL;
    return t->state;
}

bool tls_write(struct tls *t, const uint8_t *plain, size_t len, struct buffer *out)
{
    size_t put;

    if (t->state != TLS_OPEN && t->state != TLS_ENDED)
        return false;
    t->out = out;
    forget_errors();
    bool is_done = SSL_write_ex(t->ssl, plain, len, &put) == 1;
    t->out = NULL;
    if (!is_done) {
        forget_errors();
        t->state = TLS_BROKEN;
    }
    return is_done;
}

void tls_end(struct tls *t, struct buffer *out)
{
    if (t->state != TLS_OPEN && t->state != TLS_ENDED)
        return;
    t->out = out;
    (void)SSL_shutdown(t->ssl); /* without memory it ends without a word */
    forget_errors();
    t->out = NULL;
}

void tls_rest(struct tls *t)
{
    if (t->state == TLS_OPEN)
        (void)SSL_free_buffers(t->ssl); /* it refuses when there is something in them */
}

enum tls_state tls_state(const struct tls *t) { return t->state; }

bool tls_speaks(const struct tls *t, const char *protocol)
{
    const unsigned char *name;
    unsigned len;

    SSL_get0_alpn_selected(t->ssl, &name, &len);
    return len == strlen(protocol) && (len == 0 || memcmp(name, protocol, len) == 0);
}
