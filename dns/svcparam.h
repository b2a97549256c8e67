/* dns/svcparam.h | reader of SvcParams, the parameters of SVCB and HTTPS (RFC 9460 2.1)
 *
 * ldns 1.8.3 cannot be used: it splits values at escaped commas and reads addresses past the
 * end of its buffer.
 *
 * Owner:    values.
 * Thread:   any.
 */
#pragma once

#include "dns/dname_text.h"

enum { SVCPARAM_VALUE_MAX = 65535 };

/* The keys with a name and a value format (RFC 9460 14.3.2, 9461, 9540). */
enum svcparam_key {
    SVCPARAM_MANDATORY,
    SVCPARAM_ALPN,
    SVCPARAM_NO_DEFAULT_ALPN,
    SVCPARAM_PORT,
    SVCPARAM_IPV4HINT,
    SVCPARAM_ECH,
    SVCPARAM_IPV6HINT,
    SVCPARAM_DOHPATH,
    SVCPARAM_OHTTP,
};

/* A parameter in wire format. */
struct svcparam {
    uint16_t key;
    uint16_t len;
    uint8_t *value; /* in the caller's memory */
};

/* Read "key" or "key=value" of `len` bytes into *out; the value may be quoted.  Its octets are
 * written to `room`, of `size` octets.  ERR_FORMAT: *where is the offset of the wrong
 * byte, `fault` has the reason. */
MUST_USE enum err svcparam_read(const char *text, size_t len, uint8_t *room, size_t size,
                                struct svcparam *out, struct fault *fault, size_t *where);

/* Return the name of a key, NULL if it is written keyNNNNN. */
const char *svcparam_key_name(uint16_t key);

/* Return true if `len` octets are a valid value of the key.  Any value of a key without a name
 * is valid. */
bool svcparam_is_valid(uint16_t key, const uint8_t *value, size_t len);

/* Check that the parameters of one record are consistent (RFC 9460 7.1.1, 8).  Return NULL, or
 * the reason as a static sentence. */
const char *svcparam_check(const struct svcparam *params, size_t cnt);
