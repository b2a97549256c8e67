/* dns/svcparam.h | the parameters of SVCB and HTTPS from text (RFC 9460 2.1)
 *
 * ldns 1.8.3 splits values at escaped commas and reads addresses past its buffer, so these are
 * read here.
 *
 * Owner:    values.
 * Thread:   any.
 */
#pragma once

#include "dns/dname_text.h"

enum { SVCPARAM_VALUE_MAX = 65535 };

/* Keys that have a name and a format of their own (RFC 9460 14.3.2, 9461, 9540). */
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

/* One parameter in wire form. */
struct svcparam {
    uint16_t key;
    uint16_t len;
    uint8_t *value; /* in the caller's room */
};

/* Read "key" or "key=value" (quotes around the value are taken off) of `len` bytes into *out,
 * whose value is written to `room` of `size` octets.  ERR_FORMAT: *why is a static phrase and
 * *where the byte at fault. */
MUST_USE enum err svcparam_read(const char *text, size_t len, uint8_t *room, size_t size,
                                struct svcparam *out, const char **why, size_t *where);

/* The name of a key; NULL: it has none but keyNNNNN. */
const char *svcparam_key_name(uint16_t key);

/* Whether these octets are a value of that key; any are of one that has no name. */
bool svcparam_is_valid(uint16_t key, const uint8_t *value, size_t len);

/* Whether the parameters of one record go together (RFC 9460 7.1.1, 8): NULL, or what is wrong.
 */
const char *svcparam_check(const struct svcparam *params, size_t cnt);
