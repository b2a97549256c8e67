/* net/transport/tls.h | TLS as a transformer of octets (RFC 8446, RFC 5246)
 *
 * Sealed octets in, plain octets out, and the other way round; no sockets.  Whoever has the
 * sockets sends what these calls append to `out`.
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
    TLS_MEMORY =
        40000, /* octets that conn_limit counts for what OpenSSL allocates per connection */
};

enum tls_state {
    TLS_OPENING, /* the handshake wants more octets */
    TLS_OPEN,
    TLS_ENDED,  /* the other side has said that nothing more comes */
    TLS_BROKEN, /* and there may be an alert in `out` */
};

/* Wait for a client to begin.  ERR_NOMEM. */
MUST_USE enum err tls_accept(struct tls_server *server, const struct tls_server_alpn *offered,
                             struct tls **out);

/* Begin as a client: tls_read without octets makes the first ones.  Nothing is written or read
 * before the other end has proven who it is.  ERR_NOMEM. */
MUST_USE enum err tls_connect(struct tls_client *client, struct tls **out);

/* Why the other end is not believed; "" when that is not what broke it.  Static. */
const char *tls_distrust(const struct tls *tls);

/* Free it.  Clears the pointer; NULL inside is fine. */
void tls_free(struct tls **tls);

/* Here are `len` sealed octets: lent until tls_read has said that it wants more (`*got` is 0).
 */
void tls_feed(struct tls *tls, const uint8_t *sealed, size_t len);

/* Go on with them: *got plain octets, at most `size`.  Again, until there are none. */
enum tls_state tls_read(struct tls *tls, uint8_t *plain, size_t size, size_t *got,
                        struct buffer *out);

/* Seal; false: it is broken. */
MUST_USE bool tls_write(struct tls *tls, const uint8_t *plain, size_t len, struct buffer *out);

/* Say that nothing more comes. */
void tls_end(struct tls *tls, struct buffer *out);

/* It is idle: give back what OpenSSL holds for records. */
void tls_rest(struct tls *tls);

enum tls_state tls_state(const struct tls *tls);

/* Whether this protocol was agreed on; "" whether none was. */
bool tls_speaks(const struct tls *tls, const char *protocol);
