/* A set of certificates belongs to its SSL_CTX and is freed with the last connection that uses
 * it.  Each handshake chooses a certificate by the host name that the client sends. */
#include "net/transport/tls_server.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/file.h"
#include "base/now.h"

enum {
    PEM_MAX = 1 << 20,
    KEY_NAME_LEN = 16,
    TICKET_KEYS = 3, /* one that seals, and two that only open */
};

struct ticket_key {
    uint8_t name[KEY_NAME_LEN];
    uint8_t aes[32];
    uint8_t mac[32];
    int64_t since_ms; /* 0: no key */
};

struct loaded_certificate {
    X509 *certificate;
    EVP_PKEY *key;
    STACK_OF(X509) * chain;
    struct tls_server_certificate info;
};

/* Lifetime: the SSL_CTX's. */
struct set {
    struct loaded_certificate at[TLS_SERVER_CERTIFICATES_MAX];
    size_t cnt;
};

/* Lifetime: process. */
struct tls_server {
    pthread_mutex_t lock; /* protects the members up to `tickets` */
    SSL_CTX *context;
    struct ticket_key tickets[TICKET_KEYS];
    /* Copies.  Of the main thread, as the members below. */
    struct tls_server_files files[TLS_SERVER_CERTIFICATES_MAX];
    size_t file_cnt;
    struct file_stamp loaded_stamps[2 * TLS_SERVER_CERTIFICATES_MAX],
        rejected_stamps[2 * TLS_SERVER_CERTIFICATES_MAX];
    bool was_reported; /* files with the stamps `rejected_stamps` were reported as wrong */
    bool is_blind;     /* an unreadable file was reported */
    _Atomic uint64_t handshakes, resumed, failed;
};

static int set_index = -1; /* of the ex_data of an SSL_CTX; set before threads start */

/* ---- files ---- */

static int refuse_passphrase(char *out, int size, int is_writing, void *is_encrypted)
{
    (void)out;
    (void)size;
    (void)is_writing;
    *(bool *)is_encrypted = true;
    return -1;
}

static void free_loaded(struct loaded_certificate *l)
{
    X509_free(l->certificate);
    EVP_PKEY_free(l->key);
    sk_X509_pop_free(l->chain, X509_free);
    *l = (struct loaded_certificate){0};
}

/* *is_exposed: any user may read the file.  NULL for a file that is not secret. */
static enum err open_pem(const char *path, bool *is_exposed, char **text, BIO **bio,
                         struct fault *fault)
{
    size_t len;
    enum err err = is_exposed ? file_read_secret(path, PEM_MAX, text, &len, is_exposed)
                              : file_read(path, PEM_MAX, text, &len, NULL);

    if (err)
        return fault_set(fault, err, "%s: %s", path,
                         err == ERR_ABSENT || err == ERR_CONFIG ? file_problem(err)
                                                                : err_name(err));
    *bio = BIO_new_mem_buf(*text, (int)len);
    if (*bio)
        return ERR_OK;
    free(*text);
    return fault_set(fault, ERR_NOMEM, "%s: out of memory", path);
}

/* Read the certificate and the chain behind it. */
static enum err read_chain(const char *path, struct loaded_certificate *l, struct fault *fault)
{
    char *text;
    X509 *next;
    BIO *bio;

    enum err err = open_pem(path, NULL, &text, &bio, fault);
    if (err)
        return err;
    l->certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    l->chain = sk_X509_new_null();
    bool is_whole = l->certificate && l->chain;
    while (is_whole && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        is_whole = sk_X509_push(l->chain, next) > 0;
        if (!is_whole)
            X509_free(next);
    }
    unsigned long error = ERR_peek_last_error();
    bool is_cut = l->certificate && ERR_GET_REASON(error) != PEM_R_NO_START_LINE;
    ERR_clear_error();
    BIO_free(bio);
    free(text);
    if (l->certificate && !is_whole)
        return fault_set(fault, ERR_NOMEM, "%s: out of memory", path);
    if (!l->certificate)
        return fault_set(
            fault, ERR_CONFIG,
            "%s: no certificate in it; expected PEM, \"-----BEGIN CERTIFICATE-----\"", path);
    if (is_cut)
        return fault_set(fault, ERR_CONFIG, "%s: a certificate of its chain is damaged", path);
    return ERR_OK;
}

static enum err read_key(const char *path, struct loaded_certificate *l, struct fault *fault)
{
    bool is_encrypted = false;
    char *text;
    BIO *bio;

    enum err err = open_pem(path, &l->info.is_key_exposed, &text, &bio, fault);
    if (err)
        return err;
    l->key = PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, &is_encrypted);
    ERR_clear_error();
    BIO_free(bio);
    OPENSSL_cleanse(text, strlen(text));
    free(text);
    if (!l->key)
        return fault_set(
            fault, ERR_CONFIG, "%s: %s", path,
            is_encrypted
                ? "the key is encrypted; store it without a passphrase"
                : "no private key in it; expected PEM, \"-----BEGIN PRIVATE KEY-----\"");
    return ERR_OK;
}

static int64_t asn1_time_ms(const ASN1_TIME *at)
{
    struct tm tm;
    return ASN1_TIME_to_tm(at, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

/* True for letters, digits, hyphens, underscores and dots: names that clients may use for a
 * host. */
static bool is_host_name(const uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t c = util_lower(octets[i]);
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && !(c && strchr("-_.", c)))
            return false;
    }
    return true;
}

static void read_names(const X509 *certificate, struct tls_server_certificate *info)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS && name->type != GEN_IPADD)
            continue; /* not a string */
        int len = ASN1_STRING_length(name->d.ia5);
        const uint8_t *octets = ASN1_STRING_get0_data(name->d.ia5);
        if (name->type == GEN_DNS && !*info->name && len > 0 && len < TLS_SERVER_NAME_MAX &&
            is_host_name(octets, (size_t)len)) {
            memcpy(info->name, octets, (size_t)len);
            info->name[len] = 0;
        } else if (name->type == GEN_IPADD && len >= 0 &&
                   info->addr_cnt < TLS_SERVER_ADDRS_MAX &&
                   addr_from_bytes(octets, (size_t)len, 0, &info->addrs[info->addr_cnt]) ==
                       ERR_OK) {
            info->addr_cnt++;
        }
    }
    GENERAL_NAMES_free(names);
}

static enum err load_certificate(const struct tls_server_files *files,
                                 struct loaded_certificate *l, struct fault *fault)
{
    enum err err = read_chain(files->certificate, l, fault);

    if (!err)
        err = read_key(files->key, l, fault);
    if (err)
        return err;
    if (X509_check_private_key(l->certificate, l->key) != 1) {
        ERR_clear_error();
        return fault_set(fault, ERR_CONFIG,
                         "the key in %s does not match the certificate in %s", files->key,
                         files->certificate);
    }
    snprintf(l->info.file, sizeof(l->info.file), "%s", files->certificate);
    snprintf(l->info.key, sizeof(l->info.key), "%s", files->key);
    l->info.not_before_ms = asn1_time_ms(X509_get0_notBefore(l->certificate));
    l->info.not_after_ms = asn1_time_ms(X509_get0_notAfter(l->certificate));
    read_names(l->certificate, &l->info);
    return ERR_OK;
}

static void free_set(struct set *set)
{
    for (size_t i = 0; set && i < set->cnt; i++)
        free_loaded(&set->at[i]);
    free(set);
}

static enum err load_set(const struct tls_server_files *files, size_t cnt, struct set **out,
                         struct fault *fault)
{
    struct set *set = calloc(1, sizeof(*set));
    enum err err = set ? ERR_OK : fault_name(fault, ERR_NOMEM);

    for (size_t i = 0; i < cnt && !err; i++) {
        set->cnt++;
        err = load_certificate(&files[i], &set->at[i], fault);
    }
    if (err)
        free_set(set);
    else
        *out = set;
    return err;
}

/* ---- handshakes ---- */

/* RFC 6066 3: choose the certificate for the host name that the client sends. */
static int choose_certificate(SSL *ssl, void *nothing)
{
    const struct set *set = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), set_index);
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)nothing;
    if (!name || !set || X509_check_host(set->at[0].certificate, name, 0, 0, NULL) == 1)
        return 1;
    for (size_t i = 1; i < set->cnt; i++)
        if (X509_check_host(set->at[i].certificate, name, 0, 0, NULL) == 1)
            return SSL_use_cert_and_key(ssl, set->at[i].certificate, set->at[i].key,
                                        set->at[i].chain, 1);
    return 1;
}

/* RFC 7301 3.2: reject a client that offers none of our protocols, so that no attacker can
 * divert it to a server of another protocol. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *wanted, unsigned wanted_len, void *nothing)
{
    const struct tls_server_alpn *offered = SSL_get_app_data(ssl);
    unsigned char *found;

    (void)nothing;
    if (SSL_select_next_proto(&found, out_len, (const unsigned char *)offered->at,
                              (unsigned)offered->len, wanted,
                              wanted_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = found;
    return SSL_TLSEXT_ERR_OK;
}

/* Draw a new key if the sealing one is old.  Caller must hold the lock. */
static bool renew_ticket_key(struct tls_server *s, int64_t now_ms)
{
    struct ticket_key new = {.since_ms = now_ms};

    if (s->tickets[0].since_ms &&
        now_ms - s->tickets[0].since_ms < (int64_t)TLS_SERVER_TICKET_S * 1000)
        return true;
    if (RAND_bytes(new.name, sizeof(new.name)) != 1 ||
        RAND_priv_bytes(new.aes, sizeof(new.aes)) != 1 ||
        RAND_priv_bytes(new.mac, sizeof(new.mac)) != 1)
        return false;
    memmove(&s->tickets[1], &s->tickets[0], (TICKET_KEYS - 1) * sizeof(s->tickets[0]));
    s->tickets[0] = new;
    return true;
}

/* Find the key that seals (`name` is NULL) or the one of that name.  *is_newest: it is the key
 * that seals.  False if there is none. */
static bool find_ticket_key(struct tls_server *s, const uint8_t *name, struct ticket_key *out,
                            bool *is_newest)
{
    int64_t now_ms = (int64_t)now_mono_ms() + 1;
    bool is_there = false;

    pthread_mutex_lock(&s->lock);
    if (renew_ticket_key(s, now_ms)) {
        for (size_t i = 0; i < TICKET_KEYS && !is_there; i++) {
            const struct ticket_key *k = &s->tickets[i];
            bool is_young = k->since_ms && now_ms - k->since_ms < 3000LL * TLS_SERVER_TICKET_S;
            is_there = is_young && (!name || memcmp(k->name, name, KEY_NAME_LEN) == 0);
            if (is_there) {
                *out = *k;
                *is_newest = i == 0;
            }
        }
    }
    pthread_mutex_unlock(&s->lock);
    return is_there;
}

/* RFC 5077 4, RFC 8446 4.6.1.  With TLS 1.3 a ticket is used once (C.4), with 1.2 until its key
 * no longer seals. */
static int use_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv,
                          EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_sealing)
{
    struct tls_server *s = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_key key;
    bool is_newest;
    int done = -1;

    if (!find_ticket_key(s, is_sealing ? NULL : name, &key, &is_newest))
        return is_sealing ? -1 : 0;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac, sizeof(key.mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "sha256", 0),
        OSSL_PARAM_construct_end()};
    if (is_sealing) {
        memcpy(name, key.name, KEY_NAME_LEN);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
            EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.aes, iv) == 1 &&
            EVP_MAC_CTX_set_params(mac, params) == 1)
            done = 1;
    } else if (EVP_MAC_CTX_set_params(mac, params) == 1 &&
               EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.aes, iv) == 1) {
        /* 2: issue a new ticket */
        done = is_newest && SSL_version(ssl) == TLS1_2_VERSION ? 1 : 2;
    }
    OPENSSL_cleanse(&key, sizeof(key));
    return done;
}

static SSL_CTX *make_server_context(struct tls_server *s, struct set *set)
{
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());
    struct loaded_certificate *first = &set->at[0];

    if (!c || SSL_CTX_set_ex_data(c, set_index, set) != 1) {
        SSL_CTX_free(c);
        free_set(set);
        return NULL;
    }
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                               SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF); /* only tickets */
    SSL_CTX_set_timeout(c, 2L * TLS_SERVER_TICKET_S);
    SSL_CTX_set_cert_cb(c, choose_certificate, NULL);
    SSL_CTX_set_alpn_select_cb(c, choose_alpn, NULL);
    if (SSL_CTX_set_app_data(c, s) != 1 || SSL_CTX_set_num_tickets(c, 1) != 1 ||
        SSL_CTX_set_tlsext_ticket_key_evp_cb(c, use_ticket_key) != 1 ||
        SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set1_groups_list(c, "X25519:P-256:P-384") != 1 ||
        SSL_CTX_use_cert_and_key(c, first->certificate, first->key, first->chain, 1) != 1) {
        SSL_CTX_free(c);
        return NULL;
    }
    return c;
}

static void on_context_freed(void *context, void *set, CRYPTO_EX_DATA *data, int index,
                             long argl, void *argp)
{
    (void)context;
    (void)data;
    (void)index;
    (void)argl;
    (void)argp;
    free_set(set);
}

/* ---- loading ---- */

/* Get the stamps of all files.  Return the path of one that this user may not read, or NULL. */
static const char *stamp_files(const struct tls_server *s, struct file_stamp *stamps)
{
    const char *hidden = NULL;

    for (size_t i = 0; i < 2 * s->file_cnt; i++) {
        const char *path = i % 2 ? s->files[i / 2].key : s->files[i / 2].certificate;
        stamps[i] = (struct file_stamp){0};
        if (file_stat(path, &stamps[i]) == ERR_DENIED)
            hidden = path;
    }
    return hidden;
}

static bool is_same_stamps(const struct tls_server *s, const struct file_stamp *a,
                           const struct file_stamp *b)
{
    return memcmp(a, b, 2 * s->file_cnt * sizeof(*a)) == 0;
}

/* Load the files for new connections. */
static enum err load_context(struct tls_server *s, struct fault *fault)
{
    struct set *set;

    enum err err = load_set(s->files, s->file_cnt, &set, fault);
    if (err)
        return err;
    SSL_CTX *context = make_server_context(s, set);
    if (!context) {
        const char *reason = ERR_reason_error_string(ERR_peek_last_error());
        ERR_clear_error();
        return fault_set(fault, ERR_CONFIG, "%s: OpenSSL rejects the certificate: %s",
                         s->files[0].certificate, reason ? reason : "out of memory");
    }
    pthread_mutex_lock(&s->lock);
    SSL_CTX *old = s->context;
    s->context = context;
    pthread_mutex_unlock(&s->lock);
    SSL_CTX_free(old);
    return ERR_OK;
}

static void free_files(struct tls_server_files *files, size_t cnt)
{
    for (size_t i = 0; i < cnt; i++) {
        free((char *)(uintptr_t)files[i].certificate);
        free((char *)(uintptr_t)files[i].key);
    }
}

static bool copy_files(struct tls_server_files *to, const struct tls_server_files *files,
                       size_t cnt)
{
    bool is_whole = true;

    for (size_t i = 0; i < cnt; i++) {
        to[i].certificate = strdup(files[i].certificate);
        to[i].key = strdup(files[i].key);
        is_whole &= to[i].certificate && to[i].key;
    }
    return is_whole;
}

enum err tls_server_new(const struct tls_server_files *files, size_t cnt,
                        struct tls_server **out, struct fault *fault)
{
    must(cnt >= 1 && cnt <= TLS_SERVER_CERTIFICATES_MAX);
    struct tls_server *s = calloc(1, sizeof(*s));
    if (set_index < 0)
        set_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_context_freed);
    if (!s || set_index < 0) {
        free(s);
        return fault_name(fault, ERR_NOMEM);
    }
    pthread_mutex_init(&s->lock, NULL);
    s->file_cnt = cnt;
    enum err err = copy_files(s->files, files, cnt) ? ERR_OK : fault_name(fault, ERR_NOMEM);
    if (!err) {
        (void)stamp_files(s, s->loaded_stamps);
        err = load_context(s, fault);
    }
    if (err)
        tls_server_free(&s);
    else
        *out = s;
    return err;
}

void tls_server_free(struct tls_server **server)
{
    struct tls_server *s = *server;
    if (!s)
        return;
    SSL_CTX_free(s->context);
    free_files(s->files, s->file_cnt);
    pthread_mutex_destroy(&s->lock);
    OPENSSL_cleanse(s->tickets, sizeof(s->tickets));
    free(s);
    *server = NULL;
}

enum tls_server_change tls_server_reload_changed(struct tls_server *s, struct fault *fault)
{
    struct file_stamp now[2 * TLS_SERVER_CERTIFICATES_MAX];

    const char *hidden = stamp_files(s, now);
    if (hidden) {
        bool is_new = !s->is_blind;
        s->is_blind = true;
        fault_set(fault, ERR_DENIED, "%s", hidden);
        return is_new ? TLS_SERVER_UNREADABLE : TLS_SERVER_UNCHANGED;
    }
    s->is_blind = false;
    if (is_same_stamps(s, now, s->loaded_stamps))
        return TLS_SERVER_UNCHANGED;
    bool was_tried = is_same_stamps(s, now, s->rejected_stamps);
    if (was_tried && s->was_reported)
        return TLS_SERVER_UNCHANGED;
    if (load_context(s, fault) == ERR_OK) {
        memcpy(s->loaded_stamps, now, sizeof(now));
        return TLS_SERVER_LOADED;
    }
    memcpy(s->rejected_stamps, now, sizeof(now));
    s->was_reported = was_tried;
    return was_tried ? TLS_SERVER_REJECTED : TLS_SERVER_UNCHANGED;
}

enum tls_server_change tls_server_reload(struct tls_server *s,
                                         const struct tls_server_files *files, size_t cnt,
                                         struct fault *fault)
{
    struct tls_server_files before[TLS_SERVER_CERTIFICATES_MAX];
    struct tls_server_files now[TLS_SERVER_CERTIFICATES_MAX] = {0};
    struct file_stamp stamps[2 * TLS_SERVER_CERTIFICATES_MAX];
    size_t before_cnt = s->file_cnt;

    must(cnt >= 1 && cnt <= TLS_SERVER_CERTIFICATES_MAX);
    if (!copy_files(now, files, cnt)) {
        fault_name(fault, ERR_NOMEM);
        free_files(now, cnt);
        return TLS_SERVER_REJECTED;
    }
    memcpy(before, s->files, sizeof(before));
    memcpy(s->files, now, sizeof(now));
    s->file_cnt = cnt;
    (void)stamp_files(s, stamps);
    enum err err = load_context(s, fault);
    if (!err) {
        memcpy(s->loaded_stamps, stamps, sizeof(stamps));
        free_files(before, before_cnt);
        return TLS_SERVER_LOADED;
    }
    memcpy(s->files, before, sizeof(before));
    s->file_cnt = before_cnt;
    free_files(now, cnt);
    return err == ERR_DENIED ? TLS_SERVER_UNCHANGED : TLS_SERVER_REJECTED;
}

/* ---- queries ---- */

bool tls_server_certificate(struct tls_server *s, size_t i, struct tls_server_certificate *out)
{
    SSL_CTX *context = tls_server_context(s);
    const struct set *set = SSL_CTX_get_ex_data(context, set_index);
    bool is_there = i < set->cnt;

    if (is_there)
        *out = set->at[i].info;
    SSL_CTX_free(context);
    return is_there;
}

struct ssl_ctx_st *tls_server_context(struct tls_server *s)
{
    pthread_mutex_lock(&s->lock);
    SSL_CTX *context = s->context;
    must(SSL_CTX_up_ref(context) == 1);
    pthread_mutex_unlock(&s->lock);
    return context;
}

void tls_server_count(struct tls_server *s, bool is_done, bool is_resumed)
{
    atomic_fetch_add_explicit(is_done ? &s->handshakes : &s->failed, 1, memory_order_relaxed);
    if (is_resumed)
        atomic_fetch_add_explicit(&s->resumed, 1, memory_order_relaxed);
}

struct tls_server_counts tls_server_counts(const struct tls_server *s)
{
    return (struct tls_server_counts){
        .handshakes = atomic_load_explicit(&s->handshakes, memory_order_relaxed),
        .resumed = atomic_load_explicit(&s->resumed, memory_order_relaxed),
        .failed = atomic_load_explicit(&s->failed, memory_order_relaxed)};
}
