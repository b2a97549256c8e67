/* OpenSSL reads and writes through a BIO that has two pointers: its own memory BIOs would copy
 * once more and never shrink.  Errors are removed from OpenSSL's queue at once, so that no
 * other connection sees them. */
#include "net/transport/tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>

/* So many TLS messages in a row without data are an attack. */

/* Lifetime: the connection's. */
struct tls {
    SSL *ssl;
    enum tls_state state;
    struct tls_server *server; /* NULL: this is the client side */
    struct tls_client *client;
    const char *verify_error; /* "": authenticated, or not yet */
    const uint8_t *in;        /* lent sealed octets that were not read yet */
    size_t in_len;
    struct buffer *out;   /* of the current call */
    unsigned control_cnt; /* KeyUpdates, tickets and alerts since the last data */
};

static _Atomic(BIO_METHOD *) bio_method; /* created by the first connection */

/* Clearing an empty queue costs more than peeking at it. */
static void clear_tls_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

static int read_tls_bio(BIO *bio, char *to, size_t size, size_t *got)
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

static int write_tls_bio(BIO *bio, const char *from, size_t len, size_t *put)
{
    struct tls *t = BIO_get_data(bio);

    *put = t->out && buffer_append(t->out, from, len) ? len : 0;
    return *put == len;
}

static long control_tls_bio(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

/* Return the method of our BIOs, or NULL if there is no memory. */
static BIO_METHOD *make_bio_method(void)
{
    BIO_METHOD *made = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "rootline"), *before = NULL;

    if (!made || BIO_meth_set_read_ex(made, read_tls_bio) != 1 ||
        BIO_meth_set_write_ex(made, write_tls_bio) != 1 ||
        BIO_meth_set_ctrl(made, control_tls_bio) != 1 ||
        !atomic_compare_exchange_strong(&bio_method, &before,
                                        /* unless another worker was faster */
                                        made)) {
        BIO_meth_free(made);
        return before;
    }
    return made;
}

static BIO_METHOD *get_bio_method(void)
{
    BIO_METHOD *made = atomic_load(&bio_method);
    return made ? made : make_bio_method();
}

/* Free a connection for which there is no memory. */
static enum err free_failed_tls(struct tls *t)
{
    clear_tls_errors();
    tls_free(&t);
    return ERR_NOMEM;
}

/* Count KeyUpdates (RFC 8446 4.6.3) and tickets after the handshake, and alerts that we send.
 * Beyond the limit OpenSSL gets nothing more to read. */
static void note_tls_message(int is_written, int version, int type, const void *octets,
                             size_t len, SSL *ssl, void *data)
{
    struct tls *t = data;
    bool is_control =
        t->state == TLS_OPEN && type == (is_written ? SSL3_RT_ALERT : SSL3_RT_HANDSHAKE);

    (void)version;
    (void)octets;
    (void)len;
    (void)ssl;
    if (is_control && ++t->control_cnt > TLS_CONTROLS_MAX)
        t->in_len = 0;
}

static struct tls *create_tls(SSL_CTX *context)
{
    struct tls *t = calloc(1, sizeof(*t));
    BIO_METHOD *made = get_bio_method();

    if (!t)
        return NULL;
    t->ssl = SSL_new(context);
    BIO *bio = t->ssl && made ? BIO_new(made) : NULL;
    if (!bio) {
        (void)free_failed_tls(t); /* the caller returns the error */
        return NULL;
    }
    t->verify_error = "";
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_msg_callback(t->ssl, note_tls_message);
    SSL_set_msg_callback_arg(t->ssl, t);
    return t;
}

enum err tls_accept(struct tls_server *server, const struct tls_server_alpn *offered,
                    struct tls **out)
{
    SSL_CTX *context = tls_server_context(server);
    struct tls *t = create_tls(context);

    SSL_CTX_free(context);
    if (!t)
        return ERR_NOMEM;
    /* choose_alpn of tls_server.c reads it */
    if (SSL_set_app_data(t->ssl, (void *)(uintptr_t)offered) != 1)
        return free_failed_tls(t);
    t->server = server;
    SSL_set_accept_state(t->ssl);
    *out = t;
    return ERR_OK;
}

/* Set the name to verify.  A host name is also sent as SNI; an address is not (RFC 6066 3). */
static bool set_verified_name(SSL *ssl, const char *name)
{
    struct addr addr;

    if (addr_read(name, 0, &addr) == ERR_OK)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    return SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
}

enum err tls_connect(struct tls_client *client, struct tls **out)
{
    SSL_CTX *context = tls_client_context(client);
    struct tls *t = create_tls(context);
    const char *name = tls_client_name(client);

    SSL_CTX_free(context);
    if (!t)
        return ERR_NOMEM;
    t->client = client;
    SSL_set_connect_state(t->ssl);
    if (*name && !set_verified_name(t->ssl, name))
        return free_failed_tls(t);
    SSL_SESSION *session = tls_client_take_session(client);
    if (session)
        (void)SSL_set_session(t->ssl, session); /* without a session the handshake is longer */
    SSL_SESSION_free(session);
    *out = t;
    return ERR_OK;
}

const char *tls_verify_error(const struct tls *t) { return t->verify_error; }

void tls_free(struct tls **tls)
{
    /* without a shutdown OpenSSL would invalidate the session and its ticket */
    if (*tls && (*tls)->state != TLS_BROKEN && (*tls)->state != TLS_OPENING)
        SSL_set_shutdown((*tls)->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    if (*tls)
        SSL_free((*tls)->ssl);
    free(*tls);
    *tls = NULL;
}

/* Return the state after a call of OpenSSL that did not succeed. */
static enum tls_state classify_tls_error(struct tls *t, int result)
{
    int error = SSL_get_error(t->ssl, result);

    clear_tls_errors();
    if (error == SSL_ERROR_WANT_READ)
        return t->state;
    t->in_len = 0;
    return error == SSL_ERROR_ZERO_RETURN ? TLS_ENDED : TLS_BROKEN;
}

/* RFC 7858 4.2: true if the hash of the key is one of the pins. */
static bool matches_pin(const struct tls *t, const X509 *certificate)
{
    uint8_t *key = NULL, hash[EVP_MAX_MD_SIZE];
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &key);
    bool is_right = len > 0 &&
                    EVP_Digest(key, (size_t)len, hash, NULL, EVP_sha256(), NULL) == 1 &&
                    tls_client_matches_pin(t->client, hash);

    OPENSSL_free(key);
    return is_right;
}

/* Checked again because OpenSSL loses the name to verify when it has no memory to copy it. */
static bool matches_name(X509 *certificate, const char *name)
{
    struct addr addr;

    if (addr_read(name, 0, &addr) == ERR_OK)
        return X509_check_ip_asc(certificate, name, 0) == 1;
    return X509_check_host(certificate, name, 0, 0, NULL) == 1;
}

/* Return why the server is not authenticated, or "" (RFC 8310 5). */
static const char *verify_server(const struct tls *t)
{
    X509 *certificate = SSL_get0_peer_certificate(t->ssl);
    long verdict = SSL_get_verify_result(t->ssl);

    if (!certificate)
        return "the server sent no certificate";
    if (*tls_client_name(t->client) && verdict != X509_V_OK)
        return X509_verify_cert_error_string(verdict);
    if (*tls_client_name(t->client) && !matches_name(certificate, tls_client_name(t->client)))
        return X509_verify_cert_error_string(X509_V_ERR_HOSTNAME_MISMATCH);
    /* a resumed session was verified when its ticket was issued; the certificate may have
     * expired since */
    if (*tls_client_name(t->client) &&
        X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0)
        return X509_verify_cert_error_string(X509_V_ERR_CERT_HAS_EXPIRED);
    if (tls_client_has_pins(t->client) && !matches_pin(t, certificate))
        return "the server's key matches no pin";
    return "";
}

static void continue_handshake(struct tls *t)
{
    clear_tls_errors(); /* SSL_get_error reads the error queue */
    int result = SSL_do_handshake(t->ssl);

    t->state = result == 1 ? TLS_OPEN : classify_tls_error(t, result);
    if (t->server && t->state != TLS_OPENING)
        tls_server_count(t->server, t->state == TLS_OPEN,
                         t->state == TLS_OPEN && SSL_session_reused(t->ssl));
    if (t->client && t->state == TLS_OPEN) {
        t->verify_error = verify_server(t);
        if (*t->verify_error)
            t->state = TLS_BROKEN;
    }
}

/* Continue the handshake or open one record.  Return the number of plain octets. */
static size_t open_record(struct tls *t, const struct tls_sink *sink)
{
    size_t got = 0;

    t->out = sink->out;
    if (t->state == TLS_OPENING)
        continue_handshake(t);
    /* a read without data costs OpenSSL a buffer and a search of its errors */
    if (t->state == TLS_OPEN && (t->in_len > 0 || SSL_has_pending(t->ssl))) {
        clear_tls_errors();
        int result = SSL_read_ex(t->ssl, sink->plain, sink->size, &got);
        if (result != 1) {
            got = 0;
            t->state = classify_tls_error(t, result);
        }
        if (t->control_cnt > TLS_CONTROLS_MAX)
            t->state = TLS_BROKEN; /* note_tls_message discarded octets */
        else if (got > 0)
            t->control_cnt = 0;
    }
    t->out = NULL;
    return got;
}

bool tls_pump(struct tls *t, const uint8_t *sealed, size_t len, struct tls_sink *sink)
{
    bool goes_on;
    size_t got;

    t->in = sealed;
    t->in_len = len;
    do {
        got = open_record(t, sink);
        goes_on = sink->opened(sink, got);
    } while (goes_on && got > 0);
    t->in_len = 0;
    return goes_on;
}

bool tls_write(struct tls *t, const uint8_t *plain, size_t len, struct buffer *out)
{
    size_t put;

    if (t->state != TLS_OPEN && t->state != TLS_ENDED)
        return false;
    t->out = out;
    clear_tls_errors();
    bool is_done = SSL_write_ex(t->ssl, plain, len, &put) == 1;
    t->out = NULL;
    if (!is_done) {
        clear_tls_errors();
        t->state = TLS_BROKEN;
    }
    return is_done;
}

void tls_end(struct tls *t, struct buffer *out)
{
    if (t->state != TLS_OPEN && t->state != TLS_ENDED)
        return;
    t->out = out;
    (void)SSL_shutdown(t->ssl); /* without memory there is no close_notify */
    clear_tls_errors();
    t->out = NULL;
}

void tls_release_buffers(struct tls *t)
{
    if (t->state == TLS_OPEN)
        (void)SSL_free_buffers(t->ssl); /* fails if they have data */
}

enum tls_state tls_state(const struct tls *t) { return t->state; }

bool tls_has_protocol(const struct tls *t, const char *protocol)
{
    const unsigned char *name;
    unsigned len;

    SSL_get0_alpn_selected(t->ssl, &name, &len);
    return len == strlen(protocol) && (len == 0 || memcmp(name, protocol, len) == 0);
}
