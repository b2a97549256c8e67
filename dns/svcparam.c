/* A value passes two readers: the escapes of master files (RFC 1035 5.1), and for lists the
 * escapes of commas inside items (RFC 9460 A.1). */
#include "dns/svcparam.h"

#include <arpa/inet.h>
#include <ldns/ldns.h>
#include <strings.h>

static const char *const names[] = {"mandatory", "alpn",     "no-default-alpn",
                                    "port",      "ipv4hint", "ech",
                                    "ipv6hint",  "dohpath",  "ohttp"};

/* Lifetime: one parameter. */
struct reading {
    uint8_t *out;
    size_t len, size;
    const char *why;
};

static bool wrong(struct reading *r, const char *why)
{
    r->why = why;
    return false;
}

static bool put(struct reading *r, const void *bytes, size_t len)
{
    if (len > r->size - r->len)
        return wrong(r, "the value is too long");
    if (len)
        memcpy(r->out + r->len, bytes, len);
    r->len += len;
    return true;
}

static bool read_key(const char *text, size_t len, uint16_t *key, bool *is_number)
{
    *is_number = false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strlen(names[i]) == len && strncasecmp(names[i], text, len) == 0) {
            *key = (uint16_t)i;
            return true;
        }
    unsigned value = 0;
    if (len < 4 || len > 8 || strncasecmp(text, "key", 3) != 0)
        return false;
    for (size_t i = 3; i < len; i++) {
        if (!util_is_digit(text[i]))
            return false;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *key = (uint16_t)value;
    *is_number = true;
    return value <= UINT16_MAX;
}

/* The items of an unescaped list, each given to `take`. */
static bool read_list(struct reading *r, const uint8_t *list, size_t len,
                      bool (*take)(struct reading *r, const uint8_t *item, size_t len))
{
    uint8_t item[256];
    size_t item_len = 0;

    for (size_t i = 0; i <= len; i++) {
        if (i == len || list[i] == ',') {
            if (item_len == 0)
                return wrong(r, "an empty item in a list");
            if (!take(r, item, item_len))
                return false;
            item_len = 0;
            continue;
        }
        if (list[i] == '\\' && i + 1 < len)
            i++;
        if (item_len == 255)
            return wrong(r, "an item is longer than 255 octets");
        item[item_len++] = list[i];
    }
    return true;
}

static bool take_alpn(struct reading *r, const uint8_t *item, size_t len)
{
    uint8_t head = (uint8_t)len;
    return put(r, &head, 1) && put(r, item, len);
}

static bool take_address(struct reading *r, const uint8_t *item, size_t len, int family)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    if (len >= sizeof(text))
        return wrong(r, "expected addresses");
    memcpy(text, item, len);
    text[len] = '\0';
    if (inet_pton(family, text, bytes) != 1)
        return wrong(r,
                     family == AF_INET ? "expected IPv4 addresses" : "expected IPv6 addresses");
    return put(r, bytes, family == AF_INET ? 4 : 16);
}

static bool take_ipv4(struct reading *r, const uint8_t *item, size_t len)
{
    return take_address(r, item, len, AF_INET);
}

static bool take_ipv6(struct reading *r, const uint8_t *item, size_t len)
{
    return take_address(r, item, len, AF_INET6);
}

static bool take_key(struct reading *r, const uint8_t *item, size_t len)
{
    uint16_t key;
    bool is_number;
    uint8_t bytes[2];
    if (!read_key((const char *)item, len, &key, &is_number) || key == SVCPARAM_MANDATORY)
        return wrong(r, "expected names of parameters");
    for (size_t i = 0; i < r->len; i += 2)
        if (util_get_u16(r->out + i) == key)
            return wrong(r, "a parameter is named twice");
    util_put_u16(bytes, key);
    return put(r, bytes, 2);
}

/* RFC 9460 8: the keys of "mandatory" ascend. */
static void sort_keys(uint8_t *keys, size_t len)
{
    for (size_t i = 2; i < len; i += 2)
        for (size_t n = i; n > 0 && util_get_u16(keys + n - 2) > util_get_u16(keys + n);
             n -= 2) {
            uint16_t higher = util_get_u16(keys + n - 2);
            util_put_u16(keys + n - 2, util_get_u16(keys + n));
            util_put_u16(keys + n, higher);
        }
}

static bool read_port(struct reading *r, const uint8_t *text, size_t len)
{
    unsigned port = 0;
    uint8_t bytes[2];
    for (size_t i = 0; i < len; i++)
        port = len <= 5 && util_is_digit((char)text[i]) ? port * 10 + (unsigned)(text[i] - '0')
                                                        : 65536;
    if (len == 0 || port > 65535)
        return wrong(r, "expected a port from 0 to 65535");
    util_put_u16(bytes, (uint16_t)port);
    return put(r, bytes, 2);
}

static bool read_ech(struct reading *r, const uint8_t *text, size_t len)
{
    char copy[SVCPARAM_VALUE_MAX / 16];
    if (len >= sizeof(copy) || memchr(text, '\0', len))
        return wrong(r, "expected base64 of at most 3000 octets");
    memcpy(copy, text, len);
    copy[len] = '\0';
    ldns_rdf *rdf = ldns_rdf_new_frm_str(LDNS_RDF_TYPE_B64, copy);
    if (!rdf)
        return wrong(r, "expected base64");
    bool is_put = put(r, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
    ldns_rdf_deep_free(rdf);
    return is_put;
}

static bool read_value(struct reading *r, uint16_t key, const uint8_t *value, size_t len)
{
    bool is_empty_key = key == SVCPARAM_NO_DEFAULT_ALPN || key == SVCPARAM_OHTTP;
    if (is_empty_key)
        return len == 0 || wrong(r, "this parameter has no value");
    if (len == 0 && key <= SVCPARAM_DOHPATH)
        return wrong(r, "this parameter needs a value");
    switch (key) {
    case SVCPARAM_MANDATORY:
        if (!read_list(r, value, len, take_key))
            return false;
        sort_keys(r->out, r->len);
        return true;
    case SVCPARAM_ALPN: return read_list(r, value, len, take_alpn);
    case SVCPARAM_PORT: return read_port(r, value, len);
    case SVCPARAM_IPV4HINT: return read_list(r, value, len, take_ipv4);
    case SVCPARAM_ECH: return read_ech(r, value, len);
    case SVCPARAM_IPV6HINT: return read_list(r, value, len, take_ipv6);
    default: return put(r, value, len);
    }
}

const char *svcparam_key_name(uint16_t key)
{
    return key < ARRAY_LEN(names) ? names[key] : NULL;
}

bool svcparam_is_valid(uint16_t key, const uint8_t *value, size_t len)
{
    bool is_right;
    size_t pos = 0;

    switch (key) {
    case SVCPARAM_MANDATORY:
        is_right = len > 0 && len % 2 == 0 && util_get_u16(value) != SVCPARAM_MANDATORY;
        for (size_t i = 2; is_right && i < len; i += 2)
            is_right = util_get_u16(value + i - 2) < util_get_u16(value + i);
        return is_right;
    case SVCPARAM_ALPN:
        while (pos < len && value[pos] > 0)
            pos += 1U + value[pos];
        return len > 0 && pos == len;
    case SVCPARAM_NO_DEFAULT_ALPN:
    case SVCPARAM_OHTTP: return len == 0;
    case SVCPARAM_PORT: return len == 2;
    case SVCPARAM_IPV4HINT: return len > 0 && len % 4 == 0;
    case SVCPARAM_IPV6HINT: return len > 0 && len % 16 == 0;
    case SVCPARAM_ECH:
    case SVCPARAM_DOHPATH: return len > 0;
    default: return true;
    }
}

/* keyNNNNN=value gives the octets of the wire (RFC 9460 2.1), also of a key that has a name. */
static bool read_wire(struct reading *r, uint16_t key, const uint8_t *value, size_t len)
{
    return svcparam_is_valid(key, value, len)
               ? put(r, value, len)
               : wrong(r, "expected the octets of the wire behind a key that is given as a "
                          "number, such as key3=\\001\\187 for port=443 (RFC 9460 2.1)");
}

/* Take off the quotes and the escapes of master files. */
static bool unescape(struct reading *r, const char *text, size_t len, uint8_t *out, size_t size,
                     size_t *out_len)
{
    if (len > 0 && text[0] == '"') {
        text++;
        len -= len > 1 && text[len - 2] == '"' ? 2 : 1;
    }
    *out_len = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)text[i];
        if (byte == '\\') {
            size_t used = dname_text_escape(text + i + 1, len - i - 1, &byte);
            if (used == 0)
                return wrong(r, "expected \\DDD with DDD up to 255, or \\ and one character");
            i += used;
        }
        if (*out_len == size)
            return wrong(r, "the value is too long");
        out[(*out_len)++] = byte;
    }
    return true;
}

enum err svcparam_read(const char *text, size_t len, uint8_t *room, size_t size,
                       struct svcparam *out, const char **why, size_t *where)
{
    static const size_t value_max = SVCPARAM_VALUE_MAX / 8;
    uint8_t plain[SVCPARAM_VALUE_MAX / 8];
    size_t plain_len = 0;
    const char *equals = memchr(text, '=', len);
    size_t key_len = equals ? (size_t)(equals - text) : len;
    bool is_number = false;
    struct reading r = {.out = room, .size = util_min(size, SVCPARAM_VALUE_MAX)};

    *where = 0;
    if (!read_key(text, key_len, &out->key, &is_number)) {
        *why = "expected a parameter such as alpn=h2, port=443 or key65000=text";
        return ERR_FORMAT;
    }
    bool is_read =
        !equals || unescape(&r, equals + 1, len - key_len - 1, plain, value_max, &plain_len);
    if (!is_read || !(is_number ? read_wire(&r, out->key, plain, plain_len)
                                : read_value(&r, out->key, plain, plain_len))) {
        *why = r.why;
        *where = equals ? key_len + 1 : 0;
        return ERR_FORMAT;
    }
    out->value = room;
    out->len = (uint16_t)r.len;
    return ERR_OK;
}

static bool has_key(const struct svcparam *params, size_t cnt, uint16_t key)
{
    for (size_t i = 0; i < cnt; i++)
        if (params[i].key == key)
            return true;
    return false;
}

const char *svcparam_check(const struct svcparam *params, size_t cnt)
{
    if (has_key(params, cnt, SVCPARAM_NO_DEFAULT_ALPN) && !has_key(params, cnt, SVCPARAM_ALPN))
        return "no-default-alpn needs alpn beside it";
    for (size_t i = 0; i < cnt; i++)
        for (size_t n = 0; params[i].key == SVCPARAM_MANDATORY && n < params[i].len; n += 2)
            if (!has_key(params, cnt, util_get_u16(params[i].value + n)))
                return "mandatory names a parameter that is not there";
    return NULL;
}
