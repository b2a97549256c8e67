/* A value is unescaped twice: as text of a zone file (RFC 1035 5.1), and in lists again for
 * commas inside items (RFC 9460 A.1). */
#include "dns/svcparam.h"

#include <arpa/inet.h>
#include <ldns/ldns.h>
#include <strings.h>

static const char *const names[] = {"mandatory", "alpn",     "no-default-alpn",
                                    "port",      "ipv4hint", "ech",
                                    "ipv6hint",  "dohpath",  "ohttp"};

/* Lifetime: one parameter. */
struct value_reader {
    uint8_t *out;
    size_t len, size;
    const char *why;
};

static bool set_value_error(struct value_reader *r, const char *why)
{
    r->why = why;
    return false;
}

static bool write_value(struct value_reader *r, const void *bytes, size_t len)
{
    if (len > r->size - r->len)
        return set_value_error(r, "the value is too long");
    if (len)
        memcpy(r->out + r->len, bytes, len);
    r->len += len;
    return true;
}

static bool read_param_key(const char *text, size_t len, uint16_t *key, bool *is_number)
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

/* Split an unescaped list and pass each item to `write_item`. */
static bool read_value_list(struct value_reader *r, const uint8_t *list, size_t len,
                            bool (*write_item)(struct value_reader *r, const uint8_t *item,
                                               size_t len))
{
    uint8_t item[256];
    size_t item_len = 0;

    for (size_t i = 0; i <= len; i++) {
        if (i == len || list[i] == ',') {
            if (item_len == 0)
                return set_value_error(r, "the list has an empty item");
            if (!write_item(r, item, item_len))
                return false;
            item_len = 0;
            continue;
        }
        if (list[i] == '\\' && i + 1 < len)
            i++;
        if (item_len == 255)
            return set_value_error(r, "an item is longer than 255 octets");
        item[item_len++] = list[i];
    }
    return true;
}

static bool write_alpn_item(struct value_reader *r, const uint8_t *item, size_t len)
{
    uint8_t head = (uint8_t)len;
    return write_value(r, &head, 1) && write_value(r, item, len);
}

static bool write_address_item(struct value_reader *r, const uint8_t *item, size_t len,
                               int family)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    if (len >= sizeof(text))
        return set_value_error(r, "expected addresses");
    memcpy(text, item, len);
    text[len] = '\0';
    if (inet_pton(family, text, bytes) != 1)
        return set_value_error(r, family == AF_INET ? "expected IPv4 addresses"
                                                    : "expected IPv6 addresses");
    return write_value(r, bytes, family == AF_INET ? 4 : 16);
}

static bool write_ipv4_item(struct value_reader *r, const uint8_t *item, size_t len)
{
    return write_address_item(r, item, len, AF_INET);
}

static bool write_ipv6_item(struct value_reader *r, const uint8_t *item, size_t len)
{
    return write_address_item(r, item, len, AF_INET6);
}

static bool write_key_item(struct value_reader *r, const uint8_t *item, size_t len)
{
    uint16_t key;
    bool is_number;
    uint8_t bytes[2];
    if (!read_param_key((const char *)item, len, &key, &is_number) || key == SVCPARAM_MANDATORY)
        return set_value_error(r, "expected parameter names");
    for (size_t i = 0; i < r->len; i += 2)
        if (util_get_u16(r->out + i) == key)
            return set_value_error(r, "duplicate parameter in the list");
    util_put_u16(bytes, key);
    return write_value(r, bytes, 2);
}

/* The keys of "mandatory" ascend (RFC 9460 8). */
static void sort_mandatory_keys(uint8_t *keys, size_t len)
{
    for (size_t i = 2; i < len; i += 2)
        for (size_t n = i; n > 0 && util_get_u16(keys + n - 2) > util_get_u16(keys + n);
             n -= 2) {
            uint16_t higher = util_get_u16(keys + n - 2);
            util_put_u16(keys + n - 2, util_get_u16(keys + n));
            util_put_u16(keys + n, higher);
        }
}

static bool read_port_value(struct value_reader *r, const uint8_t *text, size_t len)
{
    unsigned port = 0;
    uint8_t bytes[2];
    for (size_t i = 0; i < len; i++)
        port = len <= 5 && util_is_digit((char)text[i]) ? port * 10 + (unsigned)(text[i] - '0')
                                                        : 65536;
    if (len == 0 || port > 65535)
        return set_value_error(r, "expected a port from 0 to 65535");
    util_put_u16(bytes, (uint16_t)port);
    return write_value(r, bytes, 2);
}

static bool read_ech_value(struct value_reader *r, const uint8_t *text, size_t len)
{
    char copy[SVCPARAM_VALUE_MAX / 16];
    if (len >= sizeof(copy) || memchr(text, '\0', len))
        return set_value_error(r, "expected base64 of at most 3000 octets");
    memcpy(copy, text, len);
    copy[len] = '\0';
    ldns_rdf *rdf = ldns_rdf_new_frm_str(LDNS_RDF_TYPE_B64, copy);
    if (!rdf)
        return set_value_error(r, "expected base64");
    bool is_put = write_value(r, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
    ldns_rdf_deep_free(rdf);
    return is_put;
}

static bool read_named_value(struct value_reader *r, uint16_t key, const uint8_t *value,
                             size_t len)
{
    bool is_empty_key = key == SVCPARAM_NO_DEFAULT_ALPN || key == SVCPARAM_OHTTP;
    if (is_empty_key)
        return len == 0 || set_value_error(r, "this parameter takes no value");
    if (len == 0 && key <= SVCPARAM_DOHPATH)
        return set_value_error(r, "this parameter needs a value");
    switch (key) {
    case SVCPARAM_MANDATORY:
        if (!read_value_list(r, value, len, write_key_item))
            return false;
        sort_mandatory_keys(r->out, r->len);
        return true;
    case SVCPARAM_ALPN: return read_value_list(r, value, len, write_alpn_item);
    case SVCPARAM_PORT: return read_port_value(r, value, len);
    case SVCPARAM_IPV4HINT: return read_value_list(r, value, len, write_ipv4_item);
    case SVCPARAM_ECH: return read_ech_value(r, value, len);
    case SVCPARAM_IPV6HINT: return read_value_list(r, value, len, write_ipv6_item);
    default: return write_value(r, value, len);
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

/* The value of keyNNNNN is in wire format even if the key has a name (RFC 9460 2.1). */
static bool read_wire_value(struct value_reader *r, uint16_t key, const uint8_t *value,
                            size_t len)
{
    return svcparam_is_valid(key, value, len)
               ? write_value(r, value, len)
               : set_value_error(
                     r, "a key given as a number needs a value in wire format, such as "
                        "key3=\\001\\187 for port=443 (RFC 9460 2.1)");
}

/* Remove quotes and the escapes of zone files. */
static bool unescape_value(struct value_reader *r, const char *text, size_t len, uint8_t *out,
                           size_t size, size_t *out_len)
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
                return set_value_error(
                    r, "expected \\DDD with DDD up to 255, or \\ and one character");
            i += used;
        }
        if (*out_len == size)
            return set_value_error(r, "the value is too long");
        out[(*out_len)++] = byte;
    }
    return true;
}

enum err svcparam_read(const char *text, size_t len, uint8_t *room, size_t size,
                       struct svcparam *out, struct fault *fault, size_t *where)
{
    static const size_t value_max = SVCPARAM_VALUE_MAX / 8;
    uint8_t plain[SVCPARAM_VALUE_MAX / 8];
    size_t plain_len = 0;
    const char *equals = memchr(text, '=', len);
    size_t key_len = equals ? (size_t)(equals - text) : len;
    bool is_number = false;
    struct value_reader r = {.out = room, .size = util_min(size, SVCPARAM_VALUE_MAX)};

    *where = 0;
    if (!read_param_key(text, key_len, &out->key, &is_number))
        return fault_set(fault, ERR_FORMAT,
                         "expected a parameter such as alpn=h2, port=443 or key65000=text");
    bool is_read = !equals || unescape_value(&r, equals + 1, len - key_len - 1, plain,
                                             value_max, &plain_len);
    if (!is_read || !(is_number ? read_wire_value(&r, out->key, plain, plain_len)
                                : read_named_value(&r, out->key, plain, plain_len))) {
        *where = equals ? key_len + 1 : 0;
        return fault_set(fault, ERR_FORMAT, "%s", r.why);
    }
    out->value = room;
    out->len = (uint16_t)r.len;
    return ERR_OK;
}

static bool has_param(const struct svcparam *params, size_t cnt, uint16_t key)
{
    for (size_t i = 0; i < cnt; i++)
        if (params[i].key == key)
            return true;
    return false;
}

const char *svcparam_check(const struct svcparam *params, size_t cnt)
{
    if (has_param(params, cnt, SVCPARAM_NO_DEFAULT_ALPN) &&
        !has_param(params, cnt, SVCPARAM_ALPN))
        return "no-default-alpn requires alpn";
    for (size_t i = 0; i < cnt; i++)
        for (size_t n = 0; params[i].key == SVCPARAM_MANDATORY && n < params[i].len; n += 2)
            if (!has_param(params, cnt, util_get_u16(params[i].value + n)))
                return "mandatory lists a parameter that is missing";
    return NULL;
}
