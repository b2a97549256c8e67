/* There are few objects, one for each set of terms that a configuration has ever had.  They are
 * kept until the process ends, so that connections and resolutions that outlive a reload need
 * no references. */
#include "net/transport/tls_client.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>

enum { PIN_TEXT_LEN = 44 };

/* Lifetime: process. */
struct tls_client {
    struct tls_client *next;
    char *name, *ca_file;
    uint8_t pins[TLS_CLIENT_PINS_MAX][TLS_CLIENT_PIN_LEN];
    size_t pin_cnt;
    pthread_mutex_t lock; /* protects the following members */
    SSL_CTX *context;
    SSL_SESSION *session;
    _Atomic unsigned generation; /* written under the lock, read without it */
};

static struct tls_client *tls_clients; /* of the main thread */

static const unsigned char client_alpn[] = "\3dot";

static enum err read_pin(const char *text, uint8_t out[TLS_CLIENT_PIN_LEN])
{
    uint8_t octets[PIN_TEXT_LEN / 4 * 3];

    if (strncmp(text, "sha256//", 8) == 0) /* the notation of curl */
        text += 8;
    if (strlen(text) != PIN_TEXT_LEN || text[PIN_TEXT_LEN - 1] != '=' ||
        EVP_DecodeBlock(octets, (const unsigned char *)text, PIN_TEXT_LEN) !=
            (int)sizeof(octets))
        return ERR_FORMAT;
    memcpy(out, octets, TLS_CLIENT_PIN_LEN);
    return ERR_OK;
}

/* Keep a session ticket of the server for the next connection. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_client *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION *old = NULL;

    pthread_mutex_lock(&c->lock);
    /* a ticket of an older context may have been issued to other CAs */
    bool is_current = SSL_get_SSL_CTX(ssl) == c->context;
    if (is_current) {
        old = c->session;
        c->session = session;
    }
    pthread_mutex_unlock(&c->lock);
    SSL_SESSION_free(old);
    return is_current; /* 1: OpenSSL must not free it */
}

/* OpenSSL parses the extensions of a certificate at first use; do it here, before all threads
 * do it at once. */
static void parse_extensions(SSL_CTX *x)
{
    STACK_OF(X509_OBJECT) *trusted = X509_STORE_get0_objects(SSL_CTX_get_cert_store(x));

    for (int i = 0; i < sk_X509_OBJECT_num(trusted); i++) {
        X509 *certificate = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(trusted, i));
        if (certificate)
            (void)X509_check_purpose(certificate, -1, 0); /* fails again at its use */
    }
}

/* Continue the handshake whatever the certificate is: verify_server of tls.c ends the
 * connection afterwards, with the reason.  Without memory OpenSSL does not call this, and the
 * handshake fails. */
static int verify_certificate(X509_STORE_CTX *x, void *nothing)
{
    (void)nothing;
    /* verify_server of tls.c reads the result */
    if (X509_verify_cert(x) != 1 && X509_STORE_CTX_get_error(x) == X509_V_OK)
        X509_STORE_CTX_set_error(x, X509_V_ERR_UNSPECIFIED);
    return 1;
}

static enum err make_client_context(struct tls_client *c, SSL_CTX **out, struct fault *fault)
{
    SSL_CTX *x = SSL_CTX_new(TLS_client_method());
    bool is_read = x && (*c->ca_file ? SSL_CTX_load_verify_file(x, c->ca_file) == 1
                                     : SSL_CTX_set_default_verify_paths(x) == 1);

    bool is_set = is_read && SSL_CTX_set_min_proto_version(x, TLS1_2_VERSION) == 1 &&
                  SSL_CTX_set_alpn_protos(x, client_alpn, sizeof(client_alpn) - 1) == 0 &&
                  SSL_CTX_set_app_data(x, c) == 1;
    ERR_clear_error();
    if (!is_set) {
        SSL_CTX_free(x);
        if (is_read)
            return fault_name(fault, ERR_NOMEM);
        return fault_set(fault, x ? ERR_CONFIG : ERR_NOMEM, "%s: %s",
                         *c->ca_file ? c->ca_file : "the system's certificates",
                         x ? "no certificate in it, or no permission to read it"
                           : "out of memory");
    }
    parse_extensions(x);
    SSL_CTX_set_verify(x, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(x, verify_certificate, NULL);
    SSL_CTX_set_options(x, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(x, keep_session);
    *out = x;
    return ERR_OK;
}

static bool has_same_pins(const struct tls_client *c, uint8_t pins[][TLS_CLIENT_PIN_LEN],
                          size_t cnt)
{
    return c->pin_cnt == cnt && memcmp(c->pins, pins, cnt * TLS_CLIENT_PIN_LEN) == 0;
}

/* True if the names are equal; `text` may have a trailing dot. */
static bool is_same_name(const char *name, const char *text)
{
    size_t len = strlen(text);
    return strncmp(name, text, strlen(name)) == 0 &&
           strspn(text + strlen(name), ".") == len - strlen(name);
}

static struct tls_client *find_client_terms(const struct tls_client_terms *terms,
                                            uint8_t pins[][TLS_CLIENT_PIN_LEN])
{
    for (struct tls_client *c = tls_clients; c; c = c->next)
        if (is_same_name(c->name, terms->name) && strcmp(c->ca_file, terms->ca_file) == 0 &&
            has_same_pins(c, pins, terms->pin_cnt))
            return c;
    return NULL;
}

static struct tls_client *add_client(const struct tls_client_terms *terms,
                                     uint8_t pins[][TLS_CLIENT_PIN_LEN])
{
    struct tls_client *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->name = strdup(terms->name);
    c->ca_file = strdup(terms->ca_file);
    if (!c->name || !c->ca_file) {
        free(c->name);
        free(c->ca_file);
        free(c);
        return NULL;
    }
    size_t name_len = strlen(c->name);
    if (name_len > 0 && c->name[name_len - 1] == '.')
        c->name[name_len - 1] = 0; /* names in certificates have none */
    c->pin_cnt = terms->pin_cnt;
    memcpy(c->pins, pins, terms->pin_cnt * TLS_CLIENT_PIN_LEN);
    pthread_mutex_init(&c->lock, NULL);
    c->next = tls_clients;
    tls_clients = c;
    return c;
}

enum err tls_client_get(const struct tls_client_terms *terms, struct tls_client **out,
                        struct fault *fault)
{
    uint8_t pins[TLS_CLIENT_PINS_MAX][TLS_CLIENT_PIN_LEN] = {0};
    SSL_CTX *context = NULL;

    if (terms->pin_cnt > TLS_CLIENT_PINS_MAX)
        return fault_set(fault, ERR_LIMIT, "more than %d pins", TLS_CLIENT_PINS_MAX);
    for (size_t i = 0; i < terms->pin_cnt; i++)
        if (read_pin(terms->pins[i], pins[i]) != ERR_OK)
            return fault_set(
                fault, ERR_FORMAT,
                "\"%s\" is not a pin: expected 44 characters, the base64 of a SHA-256 hash",
                terms->pins[i]);
    struct tls_client *c = find_client_terms(terms, pins);
    if (!c)
        c = add_client(terms, pins);
    enum err err = c ? make_client_context(c, &context, fault) : fault_name(fault, ERR_NOMEM);
    if (err)
        return err;
    pthread_mutex_lock(&c->lock);
    SSL_CTX *old = c->context;
    SSL_SESSION *session = c->session;
    c->context = context;
    c->session = NULL;
    atomic_fetch_add_explicit(&c->generation, 1, memory_order_release);
    pthread_mutex_unlock(&c->lock);
    SSL_CTX_free(old);
    SSL_SESSION_free(session);
    *out = c;
    return ERR_OK;
}

unsigned tls_client_generation(const struct tls_client *c)
{
    return atomic_load_explicit(&c->generation, memory_order_acquire);
}

const char *tls_client_name(const struct tls_client *c) { return c->name; }

bool tls_client_has_pins(const struct tls_client *c) { return c->pin_cnt > 0; }

bool tls_client_matches_pin(const struct tls_client *c, const uint8_t pin[TLS_CLIENT_PIN_LEN])
{
    for (size_t i = 0; i < c->pin_cnt; i++)
        if (memcmp(c->pins[i], pin, TLS_CLIENT_PIN_LEN) == 0)
            return true;
    return false;
}

struct ssl_ctx_st *tls_client_context(struct tls_client *c)
{
    pthread_mutex_lock(&c->lock);
    SSL_CTX *context = c->context;
    must(SSL_CTX_up_ref(context) == 1);
    pthread_mutex_unlock(&c->lock);
    return context;
}

struct ssl_session_st *tls_client_take_session(struct tls_client *c)
{
    pthread_mutex_lock(&c->lock);
    SSL_SESSION *session = c->session;
    c->session = NULL;
    pthread_mutex_unlock(&c->lock);
    return session;
}
