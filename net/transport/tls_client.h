/* net/transport/tls_client.h | how the other end of a connection that we make proves who it is
 * (RFC 8310)
 *
 * By the name in its certificate and those who vouch for it, by its key (a pin, RFC 7858 4.2),
 * or by both.
 *
 * Owner:    the process: two configurations that want the same share one, and with it the
 * tickets of servers.
 * Thread:   get from the main thread, everything else from any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

struct tls_client;
struct ssl_ctx_st;
struct ssl_session_st;

enum { TLS_CLIENT_PINS_MAX = 4, TLS_CLIENT_PIN_LEN = 32 };

/* What is wanted; a name or a pin at least. */
struct tls_client_terms {
    const char *name;        /* "": the certificate need not be for any */
    const char *const *pins; /* base64 of the SHA-256 of the key (SubjectPublicKeyInfo) */
    size_t pin_cnt;
    const char *ca_file; /* who vouches for names; "": whom the system trusts */
};

/* The one that wants this; files are read anew.  ERR_FORMAT, ERR_LIMIT (pins), ERR_CONFIG (the
 * file), ERR_NOMEM: `why` (size octets) tells. */
MUST_USE enum err tls_client_get(const struct tls_client_terms *terms, struct tls_client **out,
                                 char *why, size_t size);

/* Its name, "" for none. */
const char *tls_client_name(const struct tls_client *client);

/* Whether pins are wanted, and whether this is one of them. */
bool tls_client_has_pins(const struct tls_client *client);
bool tls_client_is_pin(const struct tls_client *client, const uint8_t pin[TLS_CLIENT_PIN_LEN]);

/* Counts up each time that files were read anew: connections of before are not to be used for
 * new questions. */
unsigned tls_client_generation(const struct tls_client *client);

/* For net/transport/tls: a reference to its context, which SSL_CTX_free gives back. */
struct ssl_ctx_st *tls_client_context(struct tls_client *client);

/* For net/transport/tls: the newest ticket, which is used once (RFC 8446 C.4) and then the
 * caller's; NULL: none. */
struct ssl_session_st *tls_client_take_session(struct tls_client *client);
