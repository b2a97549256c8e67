/* OpenSSL reads from and writes to a BIO that is nothing but two pointers: memory BIOs of its own would copy once more and never
 * shrink.  Errors of OpenSSL are taken off its queue at once: the next connection must not find them. */
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>

/* Lifetime: the connection's. */
struct tls {
    SSL *ssl;
    enum tls_state state;
    struct tls_server *server;
    const uint8_t *in; /* sealed octets that have not been read; lent */
    size_t in_len;
    struct buffer *out; /* of the call that is under way */
};

static BIO_METHOD *method;
static pthread_once_t once = PTHREAD_ONCE_INIT;

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

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "rootline");
    must(method && BIO_meth_set_read_ex(method, bio_read) == 1 &&
         BIO_meth_set_write_ex(method, bio_write) == 1 &&
         BIO_meth_set_ctrl(method, bio_ctrl) == 1);
}

static struct tls *new_tls(SSL_CTX *context)
{
    struct tls *t = calloc(1, sizeof(*t));
    BIO *bio;

    pthread_once(&once, make_method);
    if (!t)
        return NULL;
    t->ssl = SSL_new(context);
    bio = t->ssl ? BIO_new(method) : NULL;
    if (!bio) {
        ERR_clear_error();
        tls_free(&t);
        return NULL;
    }
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    return t;
}

enum err tls_accept(struct tls_server *server, const struct tls_server_alpn *offered,
                    struct tls **out)
{
    SSL_CTX *context = tls_server_context(server);
    struct tls *t = new_tls(context);

    if (t) {
        t->server = server;
        SSL_set_app_data(t->ssl, (void *)(uintptr_t)offered); /* tls_server chooses */
        SSL_set_accept_state(t->ssl);
        *out = t;
    }
    SSL_CTX_free(context);
    return t ? ERR_OK : ERR_NOMEM;
}

void tls_free(struct tls **tls)
{
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

    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ)
        return t->state;
    t->in_len = 0;
    return error == SSL_ERROR_ZERO_RETURN ? TLS_ENDED : TLS_BROKEN;
}

static void shake_hands(struct tls *t)
{
    int result = SSL_do_handshake(t->ssl);

    t->state = result == 1 ? TLS_OPEN : judge(t, result);
    if (t->server && t->state != TLS_OPENING)
        tls_server_count(t->server, t->state == TLS_OPEN,
                         t->state == TLS_OPEN && SSL_session_reused(t->ssl));
}

enum tls_state tls_read(struct tls *t, uint8_t *plain, size_t size, size_t *got,
                        struct buffer *out)
{
    *got = 0;
    t->out = out;
    if (t->state == TLS_OPENING)
        shake_hands(t);
    if (t->state == TLS_OPEN) {
        int result = SSL_read_ex(t->ssl, plain, size, got);
        if (result != 1) {
            *got = 0;
            t->state = judge(t, result);
        }
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
    bool is_done = SSL_write_ex(t->ssl, plain, len, &put) == 1;
    t->out = NULL;
    if (!is_done) {
        ERR_clear_error();
        t->state = TLS_BROKEN;
    }
    return is_done;
}

void tls_end(struct tls *t, struct buffer *out)
{
    if (t->state != TLS_OPEN && t->state != TLS_ENDED)
        return;
    t->out = out;
    (void)SSL_shutdown(t->ssl);
    ERR_clear_error();
    t->out = NULL;
}

enum tls_state tls_state(const struct tls *t) { return t->state; }

bool tls_speaks(const struct tls *t, const char *protocol)
{
    const unsigned char *name;
    unsigned len;

    SSL_get0_alpn_selected(t->ssl, &name, &len);
    return len == strlen(protocol) && (len == 0 || memcmp(name, protocol, len) == 0);
}
