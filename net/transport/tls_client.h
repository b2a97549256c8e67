/* net/transport/tls_client.h | how a server that we connect to is authenticated (RFC 8310)
 *
 * By its name in a certificate of a trusted CA, by its key (a pin, RFC 7858 4.2), or by both.
 *
 * Owner:    the process: configurations with equal terms share one object, and so the session
 * tickets of servers.
 * Thread:   get from the main thread, everything else from any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

struct tls_client;
struct ssl_ctx_st;
struct ssl_session_st;

enum { TLS_CLIENT_PINS_MAX = 4, TLS_CLIENT_PIN_LEN = 32 };

/* What authenticates the server: a name, pins, or both.  Lifetime: the call. */
struct tls_client_terms {
    const char *name;        /* "": any name */
    const char *const *pins; /* base64 of the SHA-256 of the server's SubjectPublicKeyInfo */
    size_t pin_cnt;
    const char *ca_file; /* the certificates of trusted CAs; "": the system's */
};

/* Find or create the object with these terms, and load ca_file again.  On error `fault` says
 * what is wrong: ERR_FORMAT or ERR_LIMIT (the pins), ERR_CONFIG (the file),
 * ERR_NOMEM. */
MUST_USE enum err tls_client_get(const struct tls_client_terms *terms, struct tls_client **out,
                                 struct fault *fault);

/* Return the name, or "". */
const char *tls_client_name(const struct tls_client *client);

/* Return whether there are pins, and whether this is one of them. */
bool tls_client_has_pins(const struct tls_client *client);
bool tls_client_matches_pin(const struct tls_client *client,
                            const uint8_t pin[TLS_CLIENT_PIN_LEN]);

/* Return a number that changes when ca_file is loaded: older connections must get no new
 * queries. */
unsigned tls_client_generation(const struct tls_client *client);

/* For net/transport/tls: return a reference to the context.  Caller must call SSL_CTX_free. */
struct ssl_ctx_st *tls_client_context(struct tls_client *client);

/* For net/transport/tls: take the newest session ticket, which is used once (RFC 8446 C.4), or
 * NULL.  Caller must call SSL_SESSION_free. */
struct ssl_session_st *tls_client_take_session(struct tls_client *client);
