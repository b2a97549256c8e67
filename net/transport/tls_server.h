/* net/transport/tls_server.h | the certificates of the daemon, and the keys of its session
 * tickets
 *
 * Certificates and keys are loaded together.  Open connections keep those that they began with;
 * new ones get the newest.  All workers share the keys that seal tickets; they are in memory
 * only.
 *
 * Owner:    the daemon.
 * Thread:   new, reload and free from the main thread, everything else from any.
 */
#pragma once

#include "base/addr.h"
#include "base/fault.h"

struct tls_server;
struct ssl_ctx_st;

enum {
    TLS_SERVER_CERTIFICATES_MAX = 16,
    TLS_SERVER_NAME_MAX = 254,
    TLS_SERVER_ADDRS_MAX = 16,
    /* How long a key seals tickets; it opens them for twice as long again. */
    TLS_SERVER_TICKET_S = 3600,
};

/* The PEM files of a certificate with its chain, and of its key.  Lifetime: the
 * configuration's. */
struct tls_server_files {
    const char *certificate, *key;
};

/* What status and DDR (RFC 9462) report of a certificate. */
struct tls_server_certificate {
    char file[256], key[256];                /* their paths, shortened if they are longer */
    bool is_key_exposed;                     /* any user may read the key */
    char name[TLS_SERVER_NAME_MAX];          /* the first host name in it, or "" */
    struct addr addrs[TLS_SERVER_ADDRS_MAX]; /* the addresses in it, with port 0 */
    size_t addr_cnt;
    int64_t not_before_ms, not_after_ms; /* wall clock */
};

/* Protocol names as ALPN sends them (RFC 7301 3.1): each follows its length.  Static; the app
 * data of each SSL. */
struct tls_server_alpn {
    const char *at;
    size_t len;
};

struct tls_server_counts {
    uint64_t handshakes, resumed, failed;
};

/* Load `cnt` certificates; the first is for clients that send no SNI or a name that none has.
 * On error `fault` says what is wrong: ERR_CONFIG, ERR_DENIED (this user may not
 * read a file), ERR_ABSENT, ERR_NOMEM. */
MUST_USE enum err tls_server_new(const struct tls_server_files *files, size_t cnt,
                                 struct tls_server **out, struct fault *fault);

/* Free *server and set it to NULL; it may be NULL already.  Open connections keep what they
 * need. */
void tls_server_free(struct tls_server **server);

/* What a reload did. */
enum tls_server_change {
    TLS_SERVER_UNCHANGED,
    TLS_SERVER_LOADED, /* new connections get the certificates just loaded */
    /* Reported once: this user may not read the file in `fault`, so a renewed one is missed. */
    TLS_SERVER_UNREADABLE,
    /* The files changed and are wrong (`fault`); the previous certificates stay in use. */
    TLS_SERVER_REJECTED,
};

/* Load files that have changed.  Wrong files are reported by the next call, if they are still
 * the same: two files are never written at once. */
enum tls_server_change tls_server_reload_changed(struct tls_server *server,
                                                 struct fault *fault);

/* Load these files now, changed or not.  TLS_SERVER_UNCHANGED if this user may not read one:
 * the reader of the configuration has reported it. */
enum tls_server_change tls_server_reload(struct tls_server *server,
                                         const struct tls_server_files *files, size_t cnt,
                                         struct fault *fault);

/* Get the certificate of index `i`.  False if there are fewer. */
bool tls_server_certificate(struct tls_server *server, size_t i,
                            struct tls_server_certificate *out);

/* For net/transport/tls: return a reference to the newest context.  Caller must call
 * SSL_CTX_free. */
struct ssl_ctx_st *tls_server_context(struct tls_server *server);

/* Count a finished or failed handshake. */
void tls_server_count(struct tls_server *server, bool is_done, bool is_resumed);

/* Return the counts since the start. */
struct tls_server_counts tls_server_counts(const struct tls_server *server);
