/* net/transport/tls.h | a TLS connection (RFC 8446, RFC 5246) without sockets
 *
 * It opens sealed octets and seals plain octets.  Caller must send what the functions append to
 * `out`.
 *
 * Owner:    the connection.
 * Thread:   its worker.
 */
#pragma once

#include "net/transport/buffer.h"
#include "net/transport/tls_client.h"
#include "net/transport/tls_server.h"

struct tls;

enum {
    /* Octets that conn_limit counts for what OpenSSL allocates per connection. */
    TLS_MEMORY = 40000,
};

enum tls_state {
    TLS_OPENING, /* the handshake needs more octets */
    TLS_OPEN,
    TLS_ENDED,  /* the peer has sent close_notify */
    TLS_BROKEN, /* failed; `out` may have an alert to be sent */
};

/* Create the server side of a connection.  ERR_NOMEM. */
MUST_USE enum err tls_accept(struct tls_server *server, const struct tls_server_alpn *offered,
                             struct tls **out);

/* Create the client side of a connection; the first tls_read, without octets, begins the
 * handshake.  No data is written or read before the server is authenticated.  ERR_NOMEM. */
MUST_USE enum err tls_connect(struct tls_client *client, struct tls **out);

/* Return why the server was not authenticated, or "" if TLS did not fail for that.  Static. */
const char *tls_verify_error(const struct tls *tls);

/* Free *tls and set it to NULL; it may be NULL already. */
void tls_free(struct tls **tls);

/* Lend `len` sealed octets until tls_read returns none (*got is 0), which it must have done
 * before. */
void tls_feed(struct tls *tls, const uint8_t *sealed, size_t len);

/* Open octets: *got plain octets, at most `size`, or none.  Caller must repeat it until there
 * are none. */
enum tls_state tls_read(struct tls *tls, uint8_t *plain, size_t size, size_t *got,
                        struct buffer *out);

/* Seal `len` octets.  False: the connection has failed. */
MUST_USE bool tls_write(struct tls *tls, const uint8_t *plain, size_t len, struct buffer *out);

/* Append a close_notify. */
void tls_end(struct tls *tls, struct buffer *out);

/* Free OpenSSL's record buffers, because the connection is idle. */
void tls_release_buffers(struct tls *tls);

/* Return the state. */
enum tls_state tls_state(const struct tls *tls);

/* True if ALPN negotiated this protocol (RFC 7301); "": true if it negotiated none. */
bool tls_has_protocol(const struct tls *tls, const char *protocol);
