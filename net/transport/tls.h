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
    TLS_CONTROLS_MAX =
        32, /* consecutive messages without data; then the connection is closed */
};

enum tls_state {
    TLS_OPENING, /* the handshake needs more octets */
    TLS_OPEN,
    TLS_ENDED,  /* the peer has sent close_notify */
    TLS_BROKEN, /* failed; `out` may have an alert to be sent */
};

/* Where tls_pump puts octets.  Lifetime: the call. */
struct tls_sink {
    uint8_t *plain; /* room for `size` plain octets; `opened` may change both */
    size_t size;
    struct buffer *out; /* tls_pump appends records to be sent */
    /* Send `out` and consume `len` octets of `plain`; after the last step `len` is 0.  False:
     * stop. */
    bool (*opened)(struct tls_sink *sink, size_t len);
    void *data; /* of `opened` */
};

/* Create the server side of a connection.  ERR_NOMEM. */
MUST_USE enum err tls_accept(struct tls_server *server, const struct tls_server_alpn *offered,
                             struct tls **out);

/* Create the client side of a connection; tls_pump, without octets, begins the
 * handshake.  No data is written or read before the server is authenticated.  ERR_NOMEM. */
MUST_USE enum err tls_connect(struct tls_client *client, struct tls **out);

/* Return why the server was not authenticated, or "" if TLS did not fail for that.  Static. */
const char *tls_verify_error(const struct tls *tls);

/* Free *tls and set it to NULL; it may be NULL already. */
void tls_free(struct tls **tls);

/* Process `len` sealed octets of the peer in steps, and call sink->opened after each step.
 * `sealed` may be NULL if `len` is 0. False: `opened` stopped it, and the rest of the octets is
 * discarded. */
bool tls_pump(struct tls *tls, const uint8_t *sealed, size_t len, struct tls_sink *sink);

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
