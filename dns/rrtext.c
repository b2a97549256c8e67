/* ldns reads one field a call, so a fault still has its column; handing it whole records
 * (ldns_rr_new_frm_str) would lose that and read owner and TTL a second time. */
#include "dns/rrtext.h"

#include <arpa/inet.h>
#include <ldns/ldns.h>
#include <stdarg.h>

/* Lifetime: one rrtext_read. */
struct reading {
    const struct rrtext_token *tokens;
    size_t cnt;
    size_t next; /* the token to read */
    const uint8_t *origin;
    struct rrtext_scratch *scratch;
    uint8_t *out;
    size_t len;
    struct rrtext_fault *fault;
};

static enum err fail(struct reading *r, size_t token, size_t offset, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static enum err fail(struct reading *r, size_t token, size_t offset, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->fault->why, sizeof(r->fault->why), fmt, args);
    va_end(args);
    r->fault->token = token;
    r->fault->offset = offset;
    return ERR_FORMAT;
}

static const struct rrtext_token *take(struct reading *r)
{
    return r->next < r->cnt ? &r->tokens[r->next++] : NULL;
}

static enum err put(struct reading *r, const void *bytes, size_t len)
{
    if (len > RDATA_MAX - r->len)
        return fail(r, r->next ? r->next - 1 : 0, 0, "the RDATA is longer than 65535 octets");
    memcpy(r->out + r->len, bytes, len);
    r->len += len;
    return ERR_OK;
}

static enum err read_name(struct reading *r)
{
    const struct rrtext_token *token = take(r);
    uint8_t name[DNAME_MAX];
    const char *why = "expected a name";
    size_t len, where = 0;

    if (!token)
        return fail(r, r->cnt, 0, "expected a name");
    if (dname_text_read(token->text, token->len, r->origin, name, &len, &why, &where) != ERR_OK)
        return fail(r, r->next - 1, where, "%s", why);
    return put(r, name, len);
}

/* An unsigned decimal of at most `max`, written in `octets` octets. */
static enum err read_number(struct reading *r, uint64_t max, size_t octets, const char *what)
{
    const struct rrtext_token *token = take(r);
    uint64_t value = 0;

    if (!token)
        return fail(r, r->cnt, 0, "expected %s, 0 to %llu", what, (unsigned long long)max);
    for (size_t i = 0; i < token->len; i++) {
        if (!util_is_digit(token->text[i]))
            return fail(r, r->next - 1, i, "expected %s, a number from 0 to %llu", what,
                        (unsigned long long)max);
        value = value * 10 + (uint64_t)(token->text[i] - '0');
        if (value > max)
            return fail(r, r->next - 1, 0, "%s is larger than %llu", what,
                        (unsigned long long)max);
    }
    if (token->len == 0)
        return fail(r, r->next - 1, 0, "expected %s", what);
    uint8_t bytes[4];
    util_put_u32(bytes, (uint32_t)value);
    return put(r, bytes + 4 - octets, octets);
}

enum err rrtext_read_ttl(const char *text, size_t len, uint32_t *ttl)
{
    static const struct {
        char unit;
        uint32_t seconds;
    } units[] = {
        {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800},
    };
    uint64_t sum = 0, value = 0;
    bool has_digit = false;

    if (len == 0 || !util_is_digit(text[0]))
        return ERR_FORMAT;
    for (size_t i = 0; i < len; i++) {
        if (util_is_digit(text[i])) {
            value = value * 10 + (uint64_t)(text[i] - '0');
            has_digit = true;
        } else {
            size_t u = 0;
            while (u < ARRAY_LEN(units) && units[u].unit != (char)util_lower((uint8_t)text[i]))
                u++;
            if (u == ARRAY_LEN(units) || !has_digit)
                return ERR_FORMAT;
            sum += value * units[u].seconds;
            value = 0;
            has_digit = false;
        }
        if (value > UINT32_MAX || sum > UINT32_MAX)
            return ERR_FORMAT;
    }
    sum += value;
    if (sum > INT32_MAX)
        return ERR_FORMAT;
    *ttl = (uint32_t)sum;
    return ERR_OK;
}

static enum err read_ttl(struct reading *r, const char *what)
{
    const struct rrtext_token *token = take(r);
    uint32_t ttl;
    uint8_t bytes[4];

    if (!token)
        return fail(r, r->cnt, 0, "expected %s", what);
    if (rrtext_read_ttl(token->text, token->len, &ttl) != ERR_OK)
        return fail(r, r->next - 1, 0,
                    "expected %s: seconds up to 2147483647, or a time such as 1h30m", what);
    util_put_u32(bytes, ttl);
    return put(r, bytes, 4);
}

static enum err read_address(struct reading *r, int family)
{
    const struct rrtext_token *token = take(r);
    char text[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    const char *what = family == AF_INET ? "an IPv4 address such as 192.0.2.1"
                                         : "an IPv6 address such as 2001:db8::1";

    if (!token)
        return fail(r, r->cnt, 0, "expected %s", what);
    if (token->len >= sizeof(text))
        return fail(r, r->next - 1, 0, "expected %s", what);
    memcpy(text, token->text, token->len);
    text[token->len] = '\0';
    if (inet_pton(family, text, bytes) != 1)
        return fail(r, r->next - 1, 0, "expected %s", what);
    return put(r, bytes, family == AF_INET ? 4 : 16);
}

static enum err read_string(struct reading *r)
{
    const struct rrtext_token *token = take(r);
    uint8_t string[256];
    size_t len = 0;

    if (!token)
        return fail(r, r->cnt, 0, "expected text");
    for (size_t i = 0; i < token->len; i++) {
        uint8_t byte = (uint8_t)token->text[i];
        if (len == 255)
            return fail(r, r->next - 1, i,
                        "a string is longer than 255 octets; split it into several");
        if (byte == '\\') {
            size_t used = dname_text_escape(token->text + i + 1, token->len - i - 1, &byte);
            if (used == 0)
                return fail(r, r->next - 1, i,
                            "expected \\DDD with DDD up to 255, or \\ and one character");
            i += used;
        }
        string[++len] = byte;
    }
    string[0] = (uint8_t)len;
    return put(r, string, len + 1);
}

static enum err read_soa(struct reading *r)
{
    static const char *const times[] = {"the refresh time", "the retry time", "the expire time",
                                        "the negative TTL (minimum)"};
    enum err err = read_name(r);
    if (!err)
        err = read_name(r);
    if (!err)
        err = read_number(r, UINT32_MAX, 4, "the serial");
    for (size_t i = 0; i < ARRAY_LEN(times) && !err; i++)
        err = read_ttl(r, times[i]);
    return err;
}

/* ---- ldns ---- */

/* Fields that take all that is left when they are the last one. */
static bool takes_rest(ldns_rdf_type field)
{
    switch (field) {
    case LDNS_RDF_TYPE_B64:
    case LDNS_RDF_TYPE_HEX:
    case LDNS_RDF_TYPE_NSEC:
    case LDNS_RDF_TYPE_LOC:
    case LDNS_RDF_TYPE_WKS:
    case LDNS_RDF_TYPE_IPSECKEY:
    case LDNS_RDF_TYPE_SVCPARAMS:
    case LDNS_RDF_TYPE_ATMA:
    case LDNS_RDF_TYPE_NSAP: return true;
    default: return false;
    }
}

static const char *field_name(ldns_rdf_type field)
{
    switch (field) {
    case LDNS_RDF_TYPE_INT8: return "a number from 0 to 255";
    case LDNS_RDF_TYPE_INT16: return "a number from 0 to 65535";
    case LDNS_RDF_TYPE_INT32: return "a number from 0 to 4294967295";
    case LDNS_RDF_TYPE_A: return "an IPv4 address";
    case LDNS_RDF_TYPE_AAAA: return "an IPv6 address";
    case LDNS_RDF_TYPE_STR:
    case LDNS_RDF_TYPE_LONG_STR: return "text";
    case LDNS_RDF_TYPE_B64: return "base64";
    case LDNS_RDF_TYPE_HEX: return "hexadecimal digits";
    case LDNS_RDF_TYPE_NSEC:
    case LDNS_RDF_TYPE_TYPE: return "record types";
    case LDNS_RDF_TYPE_ALG: return "a DNSSEC algorithm";
    case LDNS_RDF_TYPE_CERT_ALG: return "a certificate type";
    case LDNS_RDF_TYPE_TIME: return "a time as YYYYMMDDHHMMSS";
    case LDNS_RDF_TYPE_LOC: return "a location such as 52 22 23.000 N 4 53 32.000 E 2m";
    case LDNS_RDF_TYPE_APL: return "prefixes such as 1:192.0.2.0/24";
    case LDNS_RDF_TYPE_IPSECKEY: return "precedence, gateway type, algorithm, gateway and key";
    case LDNS_RDF_TYPE_HIP: return "algorithm, host identity tag and key";
    case LDNS_RDF_TYPE_NSEC3_SALT: return "a salt in hexadecimal, or -";
    case LDNS_RDF_TYPE_NSEC3_NEXT_OWNER: return "a hash in base32";
    case LDNS_RDF_TYPE_EUI48: return "six octets such as 00-00-5e-00-53-2a";
    case LDNS_RDF_TYPE_EUI64: return "eight octets such as 00-00-5e-ef-10-00-00-2a";
    case LDNS_RDF_TYPE_ILNP64: return "four groups such as 0014:4fff:ff20:ee64";
    case LDNS_RDF_TYPE_TAG: return "a tag of letters and digits";
    case LDNS_RDF_TYPE_SVCPARAMS: return "parameters such as alpn=h2 port=443";
    default: return "another value";
    }
}

/* The next `cnt` tokens as one string with `separator` between them. */
static enum err join(struct reading *r, size_t cnt, const char *separator)
{
    char *text = r->scratch->text;
    size_t at = 0, size = sizeof(r->scratch->text);

    for (size_t i = 0; i < cnt; i++) {
        const struct rrtext_token *token = take(r);
        size_t gap = i ? strlen(separator) : 0;
        if (token->len + gap >= size - at)
            return fail(r, r->next - 1, 0, "the RDATA is too long");
        memcpy(text + at, separator, gap);
        memcpy(text + at + gap, token->text, token->len);
        at += gap + token->len;
    }
    text[at] = '\0';
    if (memchr(text, '\0', at))
        return fail(r, r->next - 1, 0, "a NUL byte");
    return ERR_OK;
}

static enum err put_rdf(struct reading *r, size_t first, ldns_rdf_type field)
{
    ldns_rdf *rdf = ldns_rdf_new_frm_str(field, r->scratch->text);
    if (!rdf)
        return fail(r, first, 0, "expected %s", field_name(field));
    enum err err = put(r, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
    ldns_rdf_deep_free(rdf);
    return err;
}

static enum err read_field(struct reading *r, ldns_rdf_type field, bool is_last)
{
    size_t first = r->next, left = r->cnt - r->next;
    size_t want = takes_rest(field) && is_last ? left : field == LDNS_RDF_TYPE_HIP ? 3 : 1;

    if (left < want || left == 0)
        return fail(r, r->cnt, 0, "expected %s", field_name(field));
    if (field == LDNS_RDF_TYPE_DNAME)
        return read_name(r);
    bool is_packed = field == LDNS_RDF_TYPE_B64 || field == LDNS_RDF_TYPE_HEX ||
                     field == LDNS_RDF_TYPE_ATMA || field == LDNS_RDF_TYPE_NSAP;
    enum err err = join(r, want, is_packed ? "" : " ");
    return err ? err : put_rdf(r, first, field);
}

/* A relative gateway name inside IPSECKEY would be read by ldns without the origin. */
static enum err read_ipseckey(struct reading *r)
{
    char absolute[DNAME_TEXT_MAX];
    uint8_t name[DNAME_MAX];
    size_t len, where = 0;
    const char *why = "";

    if (r->cnt < 4)
        return fail(r, r->cnt, 0, "expected %s", field_name(LDNS_RDF_TYPE_IPSECKEY));
    struct rrtext_token tokens[4] = {r->tokens[0], r->tokens[1], r->tokens[2], r->tokens[3]};
    if (tokens[1].len == 1 && tokens[1].text[0] == '3') {
        if (dname_text_read(tokens[3].text, tokens[3].len, r->origin, name, &len, &why,
                            &where) != ERR_OK)
            return fail(r, 3, where, "%s", why);
        dname_text_print(name, absolute);
        tokens[3] = (struct rrtext_token){.text = absolute, .len = strlen(absolute)};
    }
    char *text = r->scratch->text;
    size_t at = 0;
    for (size_t i = 0; i < r->cnt; i++) {
        const struct rrtext_token *token = i < 4 ? &tokens[i] : &r->tokens[i];
        if (token->len + 2 >= sizeof(r->scratch->text) - at)
            return fail(r, i, 0, "the RDATA is too long");
        memcpy(text + at, token->text, token->len);
        at += token->len;
        if (i < 4) /* the key may be split into several words */
            text[at++] = ' ';
    }
    text[at] = '\0';
    r->next = r->cnt;
    return put_rdf(r, 0, LDNS_RDF_TYPE_IPSECKEY);
}

static enum err read_by_ldns(struct reading *r, uint16_t type)
{
    const ldns_rr_descriptor *desc = ldns_rr_descript(type);
    char name[RRTYPE_NAME_MAX];

    rrtype_print(type, name);
    if (!desc || ldns_rr_descriptor_field_type(desc, 0) == LDNS_RDF_TYPE_UNKNOWN || type == 10)
        return fail(r, 0, 0, "%s is only read in the form \\# LENGTH HEX (RFC 3597)", name);
    if (ldns_rr_descriptor_field_type(desc, 0) == LDNS_RDF_TYPE_IPSECKEY)
        return read_ipseckey(r);
    size_t min = ldns_rr_descriptor_minimum(desc), max = ldns_rr_descriptor_maximum(desc);
    for (size_t i = 0; i < max; i++) {
        if (i >= min && r->next >= r->cnt)
            break;
        ldns_rdf_type field = ldns_rr_descriptor_field_type(desc, i);
        enum err err =
            field == LDNS_RDF_TYPE_UNKNOWN
                ? fail(r, r->next, 0, "%s is only read in the form \\# LENGTH HEX", name)
                : read_field(r, field, i + 1 == max);
        if (err)
            return err;
    }
    return ERR_OK;
}

/* ---- the whole ---- */

static int hex_value(char c)
{
    if (util_is_digit(c))
        return c - '0';
    c = (char)util_lower((uint8_t)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3597 5: \# LENGTH HEX... */
static enum err read_generic(struct reading *r, uint16_t type)
{
    uint8_t length[2];
    size_t digits = 0;
    uint8_t byte = 0;

    r->next = 1;
    enum err err = read_number(r, RDATA_MAX, 2, "the length of the RDATA");
    if (err)
        return err;
    memcpy(length, r->out, 2);
    r->len = 0;
    for (const struct rrtext_token *token; (token = take(r));) {
        for (size_t i = 0; i < token->len; i++) {
            int value = hex_value(token->text[i]);
            if (value < 0)
                return fail(r, r->next - 1, i, "expected hexadecimal digits");
            byte = (uint8_t)((byte << 4) | value);
            if (++digits % 2 == 0 && (err = put(r, &byte, 1)) != ERR_OK)
                return err;
        }
    }
    if (digits % 2 || r->len != util_get_u16(length))
        return fail(r, 1, 0, "the length says %u octets, the digits are %zu",
                    util_get_u16(length), digits / 2);
    if (rdata_check(type, r->out, r->len) != ERR_OK)
        return fail(r, 0, 0, "these octets are no RDATA of this type");
    return ERR_OK;
}

static enum err read_known(struct reading *r, uint16_t type)
{
    const char *shape = rrtype_shape(type);
    enum err err;

    switch (type) {
    case RRTYPE_A: return read_address(r, AF_INET);
    case RRTYPE_AAAA: return read_address(r, AF_INET6);
    case RRTYPE_SOA: return read_soa(r);
    case RRTYPE_MX:
        err = read_number(r, UINT16_MAX, 2, "the preference");
        return err ? err : read_name(r);
    default: break;
    }
    if (shape && strlen(shape) == 1 && strchr("NLP", shape[0]))
        return read_name(r);
    if (shape && strcmp(shape, "t") == 0) {
        do
            err = read_string(r);
        while (!err && r->next < r->cnt);
        return err;
    }
    return read_by_ldns(r, type);
}

enum err rrtext_read(uint16_t type, const struct rrtext_token *tokens, size_t cnt,
                     const uint8_t *origin, struct rrtext_scratch *scratch,
                     uint8_t out[RDATA_MAX], size_t *out_len, struct rrtext_fault *fault)
{
    struct reading r = {.tokens = tokens,
                        .cnt = cnt,
                        .origin = origin,
                        .scratch = scratch,
                        .out = out,
                        .fault = fault};
    bool is_generic = cnt > 0 && !tokens[0].is_quoted && tokens[0].len == 2 &&
                      memcmp(tokens[0].text, "\\#", 2) == 0;

    enum err err = is_generic ? read_generic(&r, type) : read_known(&r, type);
    if (err)
        return err;
    if (r.next < cnt)
        return fail(&r, r.next, 0, "one word too many: the record is complete before it");
    if (rdata_check(type, out, r.len) != ERR_OK)
        return fail(&r, 0, 0, "this is no valid RDATA of this type");
    *out_len = r.len;
    return ERR_OK;
}
