/* net/transport/tls_server.h | the certificates of the daemon, and what all its TLS connections
 * share
 *
 * Certificates and keys are read together and taken together: connections that are open keep
 * those with which they began, new ones get the newest. Tickets are sealed with keys that all
 * workers share and that live in memory only.
 *
 * Owner:    the daemon.
 * Thread:   new, look, force and free from the main thread, everything else from any.
 */
#pragma once

#include "base/addr.h"

struct tls_server;
struct ssl_ctx_st;

enum {
    TLS_SERVER_CERTIFICATES_MAX = 16,
    TLS_SERVER_NAME_MAX = 254,
    TLS_SERVER_ADDRS_MAX = 16,
    TLS_SERVER_TICKET_S =
        3600, /* a key seals tickets for so long; they can be opened twice as long again */
};

/* A certificate, with the chain behind it, and its key; PEM.  Lifetime: the configuration's. */
struct tls_server_files {
    const char *certificate, *key;
};

/* What is to be known of a certificate.  A value. */
struct tls_server_certificate {
    char file[256], key[256];       /* their paths, cut if they are longer */
    bool is_key_exposed;            /* every user may read the key */
    char name[TLS_SERVER_NAME_MAX]; /* the first name of a host that it is for; "": none */
    struct addr addrs[TLS_SERVER_ADDRS_MAX]; /* addresses that it is for, port 0 */
    size_t addr_cnt;
    int64_t not_before_ms, not_after_ms; /* wall */
};

/* Protocols of RFC 7301, in its own form: a length and a name, one after the other.  Static;
 * the app data of each SSL. */
struct tls_server_alpn {
    const char *at;
    size_t len;
};

struct tls_server_counts {
    uint64_t handshakes, resumed, failed;
};

/* Read them; the first is for clients that name no host or one that none of them is for.
 * ERR_CONFIG, ERR_DENIED (this user may not read a file) and the like: `why` (size octets)
 * tells. */
MUST_USE enum err tls_server_new(const struct tls_server_files *files, size_t cnt,
                                 struct tls_server **out, char *why, size_t size);

/* Clears the pointer; NULL inside is fine.  Connections that are open keep what they need. */
void tls_server_free(struct tls_server **server);

enum tls_server_news {
    TLS_SERVER_SAME,
    TLS_SERVER_TAKEN,   /* new connections get the new certificates */
    TLS_SERVER_BLIND,   /* once: this user may not look at a file, so that a renewed one goes
                           unnoticed: `why` */
    TLS_SERVER_REFUSED, /* the files have changed and are wrong: `why`; what was there before is
                           used */
};

/* Look whether files have changed, and take them.  A file that is wrong has until the next look
 * to become right: two files are never written at once. */
enum tls_server_news tls_server_look(struct tls_server *server, char *why, size_t size);

/* The same whether they have changed or not, now; the paths may be others than before.  Files
 * that this user may not read are no news: whoever read the configuration has said so. */
enum tls_server_news tls_server_force(struct tls_server *server,
                                      const struct tls_server_files *files, size_t cnt,
                                      char *why, size_t size);

/* The certificate `i`; false: there are not so many. */
bool tls_server_certificate(struct tls_server *server, size_t i,
                            struct tls_server_certificate *out);

/* The newest context, for net/transport/tls: a reference that SSL_CTX_free gives back. */
struct ssl_ctx_st *tls_server_context(struct tls_server *server);

/* Count the end of a handshake. */
void tls_server_count(struct tls_server *server, bool is_done, bool is_resumed);
struct tls_server_counts tls_server_counts(const struct tls_server *server);
