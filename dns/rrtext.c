/* Reads the fields that dns/rrtype.def lists for a type.  ldns decodes base64, base32, LOC and
 * mnemonics of algorithms, one field per call, so that an error has a column.
 * ldns_rr_new_frm_str, which reads whole records, has no columns and does not check numbers,
 * bitmaps and hexadecimal digits. */
#include "dns/rrtext.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ldns/ldns.h>
#include <netdb.h>
#include <stdarg.h>

#include "dns/svcparam.h"

enum { PARAMS_MAX = 64 };

/* Lifetime: one rrtext_read. */
struct rdata_reader {
    const struct rrtext_token *tokens;
    size_t cnt;
    size_t next; /* index of the next token */
    const uint8_t *origin;
    struct rrtext_scratch *scratch;
    uint8_t *out;
    size_t len;
    struct rrtext_fault *fault;
};

static enum err set_text_error(struct rdata_reader *r, size_t token, size_t offset,
                               const char *fmt, ...) PRINTF_LIKE(4, 5);

static enum err set_text_error(struct rdata_reader *r, size_t token, size_t offset,
                               const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fault_set_va(&r->fault->reason, ERR_FORMAT, fmt, args);
    va_end(args);
    r->fault->token = token;
    r->fault->offset = offset;
    return ERR_FORMAT;
}

static const struct rrtext_token *take_token(struct rdata_reader *r)
{
    return r->next < r->cnt ? &r->tokens[r->next++] : NULL;
}

static enum err write_octets(struct rdata_reader *r, const void *bytes, size_t len)
{
    if (len > RDATA_MAX - r->len)
        return set_text_error(r, r->next ? r->next - 1 : 0, 0,
                              "the RDATA is longer than 65535 octets");
    if (len)
        memcpy(r->out + r->len, bytes, len);
    r->len += len;
    return ERR_OK;
}

static enum err read_text_name(struct rdata_reader *r)
{
    const struct rrtext_token *token = take_token(r);
    uint8_t name[DNAME_MAX];
    size_t len;

    if (!token)
        return set_text_error(r, r->cnt, 0, "expected a name");
    if (dname_text_read(token->text, token->len, r->origin, name, &len, &r->fault->reason,
                        &r->fault->offset) != ERR_OK) {
        r->fault->token = r->next - 1;
        return ERR_FORMAT;
    }
    return write_octets(r, name, len);
}

/* Read an unsigned decimal of at most `max` and write it in `octets` octets.  `what` names it
 * in errors; "" if it has no name. */
static enum err read_text_number(struct rdata_reader *r, uint64_t max, size_t octets,
                                 const char *what)
{
    const struct rrtext_token *token = take_token(r);
    const char *comma = *what ? ", " : "";
    uint64_t value = 0;

    if (!token)
        return set_text_error(r, r->cnt, 0, "expected %s%sa number from 0 to %llu", what, comma,
                              (unsigned long long)max);
    for (size_t i = 0; i < token->len; i++) {
        if (!util_is_digit(token->text[i]))
            return set_text_error(r, r->next - 1, i, "expected %s%sa number from 0 to %llu",
                                  what, comma, (unsigned long long)max);
        value = value * 10 + (uint64_t)(token->text[i] - '0');
        if (value > max)
            return set_text_error(r, r->next - 1, 0, "%s is larger than %llu",
                                  *what ? what : "this number", (unsigned long long)max);
    }
    if (token->len == 0)
        return set_text_error(r, r->next - 1, 0, "expected %s%sa number from 0 to %llu", what,
                              comma, (unsigned long long)max);
    uint8_t bytes[4];
    util_put_u32(bytes, (uint32_t)value);
    return write_octets(r, bytes + 4 - octets, octets);
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
    if (sum > UINT32_MAX)
        return ERR_FORMAT;
    *ttl = (uint32_t)sum;
    return ERR_OK;
}

static enum err read_text_ttl(struct rdata_reader *r, const char *what)
{
    const struct rrtext_token *token = take_token(r);
    uint32_t ttl;
    uint8_t bytes[4];

    if (!token)
        return set_text_error(r, r->cnt, 0, "expected %s", what);
    if (rrtext_read_ttl(token->text, token->len, &ttl) != ERR_OK)
        return set_text_error(r, r->next - 1, 0,
                              "expected %s: seconds up to 4294967295, or a time such as 1h30m",
                              what);
    util_put_u32(bytes, ttl);
    return write_octets(r, bytes, 4);
}

static enum err read_text_address(struct rdata_reader *r, int family)
{
    const struct rrtext_token *token = take_token(r);
    char text[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    const char *what = family == AF_INET ? "an IPv4 address such as 192.0.2.1"
                                         : "an IPv6 address such as 2001:db8::1";

    if (!token)
        return set_text_error(r, r->cnt, 0, "expected %s", what);
    if (token->len >= sizeof(text))
        return set_text_error(r, r->next - 1, 0, "expected %s", what);
    memcpy(text, token->text, token->len);
    text[token->len] = '\0';
    if (inet_pton(family, text, bytes) != 1)
        return set_text_error(r, r->next - 1, 0, "expected %s", what);
    return write_octets(r, bytes, family == AF_INET ? 4 : 16);
}

static enum err read_text_string(struct rdata_reader *r)
{
    const struct rrtext_token *token = take_token(r);
    uint8_t string[256];
    size_t len = 0;

    if (!token)
        return set_text_error(r, r->cnt, 0, "expected text");
    for (size_t i = 0; i < token->len; i++) {
        uint8_t byte = (uint8_t)token->text[i];
        if (len == 255)
            return set_text_error(r, r->next - 1, i,
                                  "a string is longer than 255 octets; split it into several");
        if (byte == '\\') {
            size_t used = dname_text_escape(token->text + i + 1, token->len - i - 1, &byte);
            if (used == 0)
                return set_text_error(
                    r, r->next - 1, i,
                    "expected \\DDD with DDD up to 255, or \\ and one character");
            i += used;
        }
        string[++len] = byte;
    }
    string[0] = (uint8_t)len;
    return write_octets(r, string, len + 1);
}

/* Serial and times of a SOA. */
static enum err read_text_soa_numbers(struct rdata_reader *r)
{
    static const char *const times[] = {"the refresh time", "the retry time", "the expire time",
                                        "the negative TTL (minimum)"};
    enum err err = read_text_number(r, UINT32_MAX, 4, "the serial");

    for (size_t i = 0; i < ARRAY_LEN(times) && !err; i++)
        err = read_text_ttl(r, times[i]);
    return err;
}

static enum err read_text_strings(struct rdata_reader *r)
{
    enum err err;
    do
        err = read_text_string(r);
    while (!err && r->next < r->cnt);
    return err;
}

/* ---- fields that extend to the end of the record ---- */

static int hex_digit_value(char c)
{
    if (util_is_digit(c))
        return c - '0';
    c = (char)util_lower((uint8_t)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Read hexadecimal digits in `cnt` tokens; an octet may be split between two tokens. */
static enum err read_text_hex(struct rdata_reader *r, size_t cnt)
{
    size_t digits = 0;
    uint8_t byte = 0;

    for (; cnt > 0; cnt--) {
        const struct rrtext_token *token = take_token(r);
        for (size_t i = 0; i < token->len; i++) {
            int value = hex_digit_value(token->text[i]);
            if (value < 0)
                return set_text_error(r, r->next - 1, i, "expected hexadecimal digits");
            byte = (uint8_t)((byte << 4) | value);
            enum err err = ++digits % 2 == 0 ? write_octets(r, &byte, 1) : ERR_OK;
            if (err)
                return err;
        }
    }
    if (digits % 2)
        return set_text_error(r, r->next - 1, 0, "an odd number of hexadecimal digits");
    return ERR_OK;
}

static enum err read_text_type(struct rdata_reader *r)
{
    const struct rrtext_token *token = take_token(r);
    uint16_t type;
    uint8_t bytes[2];

    if (!token || rrtype_read(token->text, token->len, &type) != ERR_OK)
        return set_text_error(r, token ? r->next - 1 : r->cnt, 0, "expected a record type");
    util_put_u16(bytes, type);
    return write_octets(r, bytes, 2);
}

/* RFC 4034 4.1.2 */
static enum err read_text_bitmap(struct rdata_reader *r)
{
    uint8_t seen[256][32] = {{0}};
    uint16_t type;

    for (const struct rrtext_token *token; (token = take_token(r));) {
        if (rrtype_read(token->text, token->len, &type) != ERR_OK || type == 0)
            return set_text_error(r, r->next - 1, 0, "expected record types");
        seen[type >> 8][(type & 255) >> 3] |= (uint8_t)(0x80 >> (type & 7));
    }
    for (unsigned window = 0; window < 256; window++) {
        uint8_t head[2] = {(uint8_t)window, 32};
        while (head[1] > 0 && seen[window][head[1] - 1] == 0)
            head[1]--;
        if (head[1] == 0)
            continue;
        enum err err = write_octets(r, head, 2);
        if (!err)
            err = write_octets(r, seen[window], head[1]);
        if (err)
            return err;
    }
    return ERR_OK;
}

/* ---- fields that ldns decodes ---- */

/* Copy the next `cnt` tokens to the scratch text, with `separator` between them. */
static enum err join_tokens(struct rdata_reader *r, size_t cnt, const char *separator)
{
    char *text = r->scratch->text;
    size_t at = 0, size = sizeof(r->scratch->text), gap = strlen(separator);

    for (size_t i = 0; i < cnt; i++) {
        const struct rrtext_token *token = take_token(r);
        if (token->len + gap + 1 >= size - at)
            return set_text_error(r, r->next - 1, 0, "the RDATA is too long");
        if (memchr(token->text, '\0', token->len))
            return set_text_error(r, r->next - 1, 0, "the word has a NUL byte");
        if (i > 0) {
            memcpy(text + at, separator, gap);
            at += gap;
        }
        memcpy(text + at, token->text, token->len);
        at += token->len;
    }
    text[at] = '\0';
    return ERR_OK;
}

/* Let ldns read the scratch text as a field; `first` is the index of its first token, for
 * errors. */
static enum err write_ldns_field(struct rdata_reader *r, size_t first, ldns_rdf_type field,
                                 const char *what)
{
    errno = 0; /* some functions of ldns mistake an old errno for a failure of their own */
    ldns_rdf *rdf = *r->scratch->text ? ldns_rdf_new_frm_str(field, r->scratch->text) : NULL;
    if (!rdf)
        return set_text_error(r, first, 0, "expected %s", what);
    enum err err = write_octets(r, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
    ldns_rdf_deep_free(rdf);
    return err;
}

static enum err read_text_by_ldns(struct rdata_reader *r, size_t cnt, const char *separator,
                                  ldns_rdf_type field, const char *what)
{
    size_t first = r->next;
    if (r->cnt - r->next < cnt || cnt == 0)
        return set_text_error(r, r->cnt, 0, "expected %s", what);
    enum err err = join_tokens(r, cnt, separator);
    return err ? err : write_ldns_field(r, first, field, what);
}

static size_t tokens_left(const struct rdata_reader *r) { return r->cnt - r->next; }

static enum err read_text_base64(struct rdata_reader *r, size_t cnt)
{
    size_t len = 0;
    for (size_t i = 0; i < cnt; i++)
        len += r->tokens[r->next + i].len;
    if (len > (size_t)RDATA_MAX / 3 * 4) /* ldns counts octets in 16 bits */
        return set_text_error(r, r->next, 0, "the RDATA is longer than 65535 octets");
    return read_text_by_ldns(r, cnt, "", LDNS_RDF_TYPE_B64, "base64");
}

/* Read a number, or a mnemonic that ldns knows. */
static enum err read_text_code(struct rdata_reader *r, uint64_t max, size_t octets,
                               ldns_rdf_type field, const char *what)
{
    uint8_t first = 0;
    if (r->next < r->cnt && r->tokens[r->next].len > 0)
        first = util_lower((uint8_t)r->tokens[r->next].text[0]);
    if (first >= 'a' && first <= 'z') /* ldns truncates numbers that are too large */
        return read_text_by_ldns(r, 1, "", field, what);
    return read_text_number(r, max, octets, what);
}

/* YYYYMMDDHHMMSS, or seconds since 1970 (RFC 4034 3.2) */
static enum err read_text_time(struct rdata_reader *r)
{
    static const char what[] = "a time as YYYYMMDDHHMMSS or seconds since 1970";
    char text[15] = "";
    struct tm tm = {0};

    if (r->next < r->cnt && r->tokens[r->next].len != 14) {
        size_t at = r->len;
        enum err err = read_text_number(r, UINT32_MAX, 4, what);
        if (!err && util_get_u32(r->out + at) == 0)
            err = set_text_error(r, r->next - 1, 0, "expected %s, not 0", what);
        return err;
    }
    const struct rrtext_token *token = take_token(r);
    if (!token)
        return set_text_error(r, r->cnt, 0, "expected %s", what);
    memcpy(text, token->text, 14);
    if (strspn(text, "0123456789") != 14 ||
        sscanf(text, "%4d%2d%2d%2d%2d%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec) != 6)
        return set_text_error(r, r->next - 1, 0, "expected %s", what);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    struct tm asked = tm;
    time_t seconds = timegm(&tm); /* converts a day that does not exist to one that does */
    if (tm.tm_mday != asked.tm_mday || tm.tm_mon != asked.tm_mon ||
        tm.tm_hour != asked.tm_hour || tm.tm_min != asked.tm_min || tm.tm_sec != asked.tm_sec ||
        asked.tm_year < 70 || asked.tm_year > 8099)
        return set_text_error(r, r->next - 1, 0, "no such time exists");
    uint8_t bytes[4];
    util_put_u32(bytes, (uint32_t)seconds); /* modulo 2^32 (RFC 4034 3.1.5) */
    return write_octets(r, bytes, 4);
}

static enum err read_text_salt(struct rdata_reader *r)
{
    const struct rrtext_token *token = r->next < r->cnt ? &r->tokens[r->next] : NULL;
    size_t at = r->len;

    if (!token)
        return set_text_error(r, r->cnt, 0, "expected a salt in hexadecimal, or -");
    if (token->len > 2 * 255)
        return set_text_error(r, r->next, 0, "a salt is longer than 255 octets");
    enum err err = write_octets(r, "", 1);
    if (err)
        return err;
    if (token->len == 1 && token->text[0] == '-')
        r->next++;
    else
        err = read_text_hex(r, 1);
    r->out[at] = (uint8_t)(r->len - at - 1);
    return err;
}

static enum err read_text_base64_or_nothing(struct rdata_reader *r)
{
    return tokens_left(r) == 0 ? ERR_OK : read_text_base64(r, tokens_left(r));
}

/* Read the gateway of an IPSECKEY or the relay of an AMTRELAY: an address, a name, or "." for
 * none. */
static enum err read_text_gateway_address(struct rdata_reader *r, unsigned kind,
                                          const char *what)
{
    switch (kind) {
    case 0:
        if (r->next == r->cnt || r->tokens[r->next].len != 1 ||
            r->tokens[r->next].text[0] != '.')
            return set_text_error(r, r->next, 0, "expected . for no %s", what);
        r->next++;
        return ERR_OK;
    case 1: return read_text_address(r, AF_INET);
    case 2: return read_text_address(r, AF_INET6);
    default: return read_text_name(r);
    }
}

/* RFC 4025 3.1 */
static enum err read_text_gateway(struct rdata_reader *r)
{
    size_t kind_at = r->len;
    enum err err = read_text_number(r, 3, 1, "the gateway type");
    if (!err)
        err = read_text_number(r, UINT8_MAX, 1, "the algorithm");
    if (!err)
        err = read_text_gateway_address(r, r->out[kind_at], "gateway");
    return err ? err : read_text_base64_or_nothing(r);
}

/* Discovery-optional bit, relay type, relay (RFC 8777 4.3) */
static enum err read_text_relay(struct rdata_reader *r)
{
    size_t at = r->len;
    enum err err = read_text_number(r, 1, 1, "the discovery bit");
    if (!err)
        err = read_text_number(r, 3, 1, "the relay type");
    if (err)
        return err;
    unsigned kind = r->out[at + 1];
    r->out[at] = (uint8_t)((unsigned)r->out[at] << 7 | kind);
    r->len = at + 1; /* both share one octet */
    return read_text_gateway_address(r, kind, "relay");
}

/* Algorithm, host identity tag, key, rendezvous servers (RFC 8005 6) */
static enum err read_text_hip(struct rdata_reader *r)
{
    uint8_t algorithm;
    size_t start = r->len;
    enum err err = read_text_number(r, UINT8_MAX, 1, "the algorithm");
    if (err)
        return err;
    algorithm = r->out[start];
    r->len = start;
    err = write_octets(r, "\0\0\0\0", 4); /* the lengths follow when they are known */
    if (!err)
        err = tokens_left(r) > 0 ? read_text_hex(r, 1)
                                 : set_text_error(r, r->cnt, 0, "expected a host identity tag");
    size_t tag_len = r->len - start - 4;
    if (!err && tag_len > UINT8_MAX)
        err =
            set_text_error(r, r->next - 1, 0, "a host identity tag is longer than 255 octets");
    if (!err)
        err = read_text_base64(r, tokens_left(r) > 0 ? 1 : 0);
    if (err)
        return err;
    r->out[start] = (uint8_t)tag_len;
    r->out[start + 1] = algorithm;
    util_put_u16(r->out + start + 2, (uint16_t)(r->len - start - 4 - tag_len));
    while (tokens_left(r) > 0 && !err)
        err = read_text_name(r);
    return err;
}

/* Return true for degrees, minutes or seconds (RFC 1876 3) of at most `max`. */
static bool is_angle(const struct rrtext_token *token, bool has_decimals, double max)
{
    char text[16];
    if (token->len == 0 || token->len >= sizeof(text) || !util_is_digit(token->text[0]))
        return false;
    memcpy(text, token->text, token->len);
    text[token->len] = '\0';
    return strspn(text, has_decimals ? "0123456789." : "0123456789") == token->len &&
           strtod(text, NULL) <= max;
}

/* Read degrees, optional minutes and seconds, and a letter, and append all four to the scratch
 * text: if a field is missing, ldns uses the seconds of the previous angle. */
static enum err write_angle(struct rdata_reader *r, size_t *at, const char *letters,
                            unsigned max)
{
    size_t first = r->next, cnt = 0;

    for (; cnt < 3 && r->next < r->cnt; cnt++, r->next++) {
        const struct rrtext_token *token = &r->tokens[r->next];
        if (cnt > 0 && token->len == 1 && strchr(letters, token->text[0]))
            break;
        if (!is_angle(token, cnt == 2, cnt == 0 ? max : 59.9995))
            return set_text_error(r, r->next, 0, "expected a number from 0 to %u",
                                  cnt == 0 ? max : 59);
        *at += (size_t)sprintf(r->scratch->text + *at, "%.*s ", (int)token->len, token->text);
    }
    const struct rrtext_token *letter = r->next < r->cnt ? &r->tokens[r->next] : NULL;
    if (!letter || letter->len != 1 || !strchr(letters, letter->text[0]))
        return set_text_error(r, r->next, 0, "expected degrees, minutes, seconds and one of %s",
                              letters);
    bool is_most = !is_angle(&r->tokens[first], false, max - 1.0);
    for (size_t i = 1; i < cnt && is_most; i++)
        if (!is_angle(&r->tokens[first + i], true, 0.0))
            return set_text_error(r, first + i, 0, "an angle is larger than %u degrees", max);
    *at += (size_t)sprintf(r->scratch->text + *at, "%s%c ",
                           cnt == 1   ? "0 0 "
                           : cnt == 2 ? "0 "
                                      : "",
                           letter->text[0]);
    r->next++;
    return ERR_OK;
}

/* Return true for metres (RFC 1876 3): a number with at most two decimals, then perhaps "m". */
static bool is_metres(const struct rrtext_token *token, double min, double max)
{
    char text[20];
    if (token->len == 0 || token->len >= sizeof(text))
        return false;
    memcpy(text, token->text, token->len);
    text[token->len] = '\0';
    if (util_lower((uint8_t)text[token->len - 1]) == 'm')
        text[token->len - 1] = '\0';
    const char *p = text + (text[0] == '-');
    size_t whole = strspn(p, "0123456789");
    size_t part = p[whole] == '.' ? strspn(p + whole + 1, "0123456789") : 0;
    if (whole == 0 || part > 2 || p[whole + (p[whole] == '.') + part] != '\0')
        return false;
    double value = strtod(text, NULL);
    return value >= min && value <= max;
}

static enum err read_text_location(struct rdata_reader *r)
{
    size_t first = r->next, at = 0;
    enum err err = write_angle(r, &at, "NSns", 90);
    if (!err)
        err = write_angle(r, &at, "EWew", 180);
    if (err)
        return err;
    if (tokens_left(r) == 0 || tokens_left(r) > 4)
        return set_text_error(r, r->next, 0,
                              "expected an altitude, then optionally size and precisions");
    at--; /* ldns reads a trailing space as another field */
    for (size_t i = 0; tokens_left(r) > 0; r->next++, i++) {
        const struct rrtext_token *token = &r->tokens[r->next];
        if (!is_metres(token, i == 0 ? -100000.0 : 0.0, i == 0 ? 42849672.95 : 90000000.0))
            return set_text_error(r, r->next, 0, "expected metres, %s",
                                  i == 0 ? "-100000.00 to 42849672.95" : "0 to 90000000.00");
        at += (size_t)sprintf(r->scratch->text + at, " %.*s", (int)token->len, token->text);
    }
    return write_ldns_field(r, first, LDNS_RDF_TYPE_LOC,
                            "a location such as 52 22 23 N 4 53 32 E 2m");
}

/* Write the parameters in the order of their keys (RFC 9460 2.2). */
static enum err write_svcparams(struct rdata_reader *r, struct svcparam *params, size_t cnt)
{
    for (size_t i = 1; i < cnt; i++)
        for (size_t n = i; n > 0 && params[n - 1].key > params[n].key; n--) {
            struct svcparam higher = params[n - 1];
            params[n - 1] = params[n];
            params[n] = higher;
        }
    const char *missing = svcparam_check(params, cnt);
    if (missing)
        return set_text_error(r, r->cnt - cnt, 0, "%s", missing);
    for (size_t i = 0; i < cnt; i++) {
        uint8_t head[4];
        if (i > 0 && params[i].key == params[i - 1].key)
            return set_text_error(r, r->cnt - cnt, 0, "duplicate parameter key%u",
                                  params[i].key);
        util_put_u16(head, params[i].key);
        util_put_u16(head + 2, params[i].len);
        enum err err = write_octets(r, head, 4);
        if (!err)
            err = write_octets(r, params[i].value, params[i].len);
        if (err)
            return err;
    }
    return ERR_OK;
}

static enum err read_text_params(struct rdata_reader *r)
{
    struct svcparam params[PARAMS_MAX];
    uint8_t *room = (uint8_t *)r->scratch->text;
    size_t cnt = 0, used = 0;

    for (const struct rrtext_token *token; (token = take_token(r)); cnt++) {
        if (token->is_quoted && token > r->tokens &&
            token[-1].text + token[-1].len + 1 == token->text)
            return set_text_error(r, r->next - 1, 0,
                                  "a quote inside a word: put the whole value in quotes");
        if (cnt == PARAMS_MAX)
            return set_text_error(r, r->next - 1, 0, "more than %d parameters", PARAMS_MAX);
        if (svcparam_read(token->text, token->len, room + used, sizeof(r->scratch->text) - used,
                          &params[cnt], &r->fault->reason, &r->fault->offset) != ERR_OK) {
            r->fault->token = r->next - 1;
            return ERR_FORMAT;
        }
        used += params[cnt].len;
    }
    return cnt ? write_svcparams(r, params, cnt) : ERR_OK;
}

/* Write an APL item (RFC 3123 5), [!]family:address/prefix, without the trailing zeros of the
 * address. */
static bool write_apl_prefix(struct rdata_reader *r, const struct rrtext_token *token)
{
    char text[64];
    uint8_t item[4 + 16] = {0};
    bool is_negated = token->len > 0 && token->text[0] == '!';
    size_t len = token->len - is_negated;

    if (len >= sizeof(text) || memchr(token->text, '\0', token->len))
        return false;
    memcpy(text, token->text + is_negated, len);
    text[len] = '\0';
    char *slash = strchr(text, '/');
    size_t digits = slash ? strspn(slash + 1, "0123456789") : 0;
    if ((text[0] != '1' && text[0] != '2') || text[1] != ':' || digits < 1 || digits > 3 ||
        slash[1 + digits] != '\0')
        return false;
    *slash = '\0';
    bool is_v4 = text[0] == '1';
    int prefix = atoi(slash + 1);
    if (inet_pton(is_v4 ? AF_INET : AF_INET6, text + 2, item + 4) != 1 ||
        prefix > (is_v4 ? 32 : 128))
        return false;
    size_t used = is_v4 ? 4 : 16;
    while (used > 0 && item[4 + used - 1] == 0)
        used--;
    item[1] = is_v4 ? 1 : 2;
    item[2] = (uint8_t)prefix;
    item[3] = (uint8_t)((is_negated ? 0x80 : 0) | used);
    return write_octets(r, item, 4 + used) == ERR_OK;
}

static enum err read_text_prefixes(struct rdata_reader *r)
{
    for (const struct rrtext_token *token; (token = take_token(r));)
        if (!write_apl_prefix(r, token))
            return set_text_error(
                r, r->next - 1, 0,
                "expected prefixes such as 1:192.0.2.0/24 or !2:2001:db8::/32");
    return ERR_OK;
}

/* Read `cnt` groups of `min` to `max` hexadecimal digits and write `octets` octets for each. */
static enum err read_text_groups(struct rdata_reader *r, size_t cnt, size_t min, size_t max,
                                 char separator, size_t octets, const char *what)
{
    const struct rrtext_token *token = take_token(r);
    size_t at = 0;

    if (!token)
        return set_text_error(r, r->cnt, 0, "expected %s", what);
    for (size_t i = 0; i < cnt; i++) {
        uint8_t bytes[2];
        unsigned value = 0;
        size_t digits = 0;
        for (; at < token->len && hex_digit_value(token->text[at]) >= 0; at++, digits++)
            value = (value << 4 | (unsigned)hex_digit_value(token->text[at])) & 0xffff;
        bool is_last = i + 1 == cnt;
        if (digits < min || digits > max || (is_last ? at != token->len : at >= token->len) ||
            (!is_last && token->text[at++] != separator))
            return set_text_error(r, r->next - 1, 0, "expected %s", what);
        util_put_u16(bytes, (uint16_t)value);
        enum err err = write_octets(r, bytes + 2 - octets, octets);
        if (err)
            return err;
    }
    return ERR_OK;
}

/* 0x and hexadecimal digits, with dots anywhere between them (RFC 1706 7). */
static enum err read_text_nsap(struct rdata_reader *r)
{
    const struct rrtext_token *token = take_token(r);
    size_t digits = 0;
    uint8_t byte = 0;

    if (!token || token->len < 4 || token->text[0] != '0' ||
        util_lower((uint8_t)token->text[1]) != 'x')
        return set_text_error(r, token ? r->next - 1 : r->cnt, 0,
                              "expected 0x and hexadecimal digits");
    for (size_t i = 2; i < token->len; i++) {
        int value = hex_digit_value(token->text[i]);
        if (token->text[i] == '.')
            continue;
        if (value < 0)
            return set_text_error(r, r->next - 1, i, "expected hexadecimal digits");
        byte = (uint8_t)(byte << 4 | value);
        enum err err = ++digits % 2 == 0 ? write_octets(r, &byte, 1) : ERR_OK;
        if (err)
            return err;
    }
    return digits % 2 ? set_text_error(r, r->next - 1, 0, "an odd number of hexadecimal digits")
                      : ERR_OK;
}

/* Copy a word in lower case, for a lookup by the C library; "" if it is too long to
 * be found. */
static void copy_lower_word(const struct rrtext_token *token, char *out, size_t size)
{
    size_t len = token->len < size ? token->len : 0;
    for (size_t i = 0; i < len; i++)
        out[i] = (char)util_lower((uint8_t)token->text[i]);
    out[len] = '\0';
}

/* Return the word as a number of at most `max`, -1 if it is something else. */
static long read_plain_number(const char *word, long max)
{
    bool is_number = *word && strlen(word) <= 5 && word[strspn(word, "0123456789")] == '\0';
    long value = is_number ? strtol(word, NULL, 10) : -1;
    return value <= max ? value : -1;
}

/* A protocol and ports, each by name or number (RFC 1035 3.4.2).  The bitmap ends at the
 * highest port. */
static enum err read_text_services(struct rdata_reader *r)
{
    char protocol[16] = "", word[32];
    uint8_t map[(UINT16_MAX + 1) / 8] = {0};
    size_t used = 0;
    const struct rrtext_token *token = take_token(r);

    if (!token)
        return set_text_error(r, r->cnt, 0, "expected a protocol and services");
    copy_lower_word(token, protocol, sizeof(protocol));
    long number = read_plain_number(protocol, UINT8_MAX);
    const struct protoent *entry =
        number >= 0 ? getprotobynumber((int)number) : getprotobyname(protocol);
    if (number < 0 && !entry)
        return set_text_error(r, r->next - 1, 0, "expected a protocol such as tcp or 6");
    uint8_t octet = (uint8_t)(number >= 0 ? number : entry->p_proto);
    snprintf(protocol, sizeof(protocol), "%s", entry ? entry->p_name : "");
    if (r->next == r->cnt)
        return set_text_error(r, r->cnt, 0, "expected services such as smtp or 25");
    while ((token = take_token(r))) {
        copy_lower_word(token, word, sizeof(word));
        long port = read_plain_number(word, UINT16_MAX);
        const struct servent *service = port < 0 ? getservbyname(word, protocol) : NULL;
        if (port < 0 && !service)
            return set_text_error(r, r->next - 1, 0, "expected services such as smtp or 25");
        if (port < 0)
            port = ntohs((uint16_t)service->s_port);
        map[port / 8] |= (uint8_t)(0x80 >> port % 8);
        used = util_max(used, (size_t)port / 8 + 1);
    }
    enum err err = write_octets(r, &octet, 1);
    return err ? err : write_octets(r, map, used);
}

/* RFC 9859 2.1 */
static enum err read_text_scheme(struct rdata_reader *r)
{
    static const char name[] = "NOTIFY";
    const struct rrtext_token *token = r->next < r->cnt ? &r->tokens[r->next] : NULL;
    if (!token || token->len != strlen(name) || strncasecmp(token->text, name, token->len) != 0)
        return read_text_number(r, UINT8_MAX, 1, "a scheme such as NOTIFY");
    r->next++;
    return write_octets(r, "\1", 1);
}

/* The key may be missing only if the flags say "no key" (RFC 2535 3.1.2). */
static enum err read_text_key(struct rdata_reader *r)
{
    bool has_key = (r->out[0] & 0xc0) != 0xc0;
    return has_key || tokens_left(r) > 0 ? read_text_base64(r, tokens_left(r)) : ERR_OK;
}

/* An ATM address: "+" and E.164 digits, or an AESA in hexadecimal.  On the wire a format octet
 * comes first, which ldns omits. */
static enum err read_text_atm(struct rdata_reader *r)
{
    const struct rrtext_token *token = r->next < r->cnt ? &r->tokens[r->next] : NULL;
    bool is_e164 = token && token->len > 1 && token->text[0] == '+';

    if (!token)
        return set_text_error(r, r->cnt, 0, "expected +digits or hexadecimal digits");
    enum err err = write_octets(r, is_e164 ? "\1" : "\0", 1);
    if (!err && !is_e164)
        return read_text_hex(r, tokens_left(r));
    for (size_t i = 1; i < token->len && !err; i++)
        err = util_is_digit(token->text[i]) ? write_octets(r, token->text + i, 1)
                                            : set_text_error(r, r->next, i, "expected digits");
    r->next++;
    return err;
}

static enum err read_text_long_string(struct rdata_reader *r)
{
    const struct rrtext_token *token = take_token(r);
    if (!token)
        return set_text_error(r, r->cnt, 0, "expected text");
    for (size_t i = 0; i < token->len; i++) {
        uint8_t byte = (uint8_t)token->text[i];
        size_t used = 0;
        if (byte == '\\') {
            used = dname_text_escape(token->text + i + 1, token->len - i - 1, &byte);
            if (used == 0)
                return set_text_error(
                    r, r->next - 1, i,
                    "expected \\DDD with DDD up to 255, or \\ and one character");
        }
        enum err err = write_octets(r, &byte, 1);
        if (err)
            return err;
        i += used;
    }
    return ERR_OK;
}

static enum err read_text_field(struct rdata_reader *r, char field)
{
    switch (field) {
    case '1': return read_text_number(r, UINT8_MAX, 1, "");
    case '2': return read_text_number(r, UINT16_MAX, 2, "");
    case '4': return read_text_number(r, UINT32_MAX, 4, "");
    case 'f': return read_text_number(r, UINT16_MAX, 2, "the preference");
    case 'n': return read_text_name(r);
    case 'Z': return read_text_soa_numbers(r);
    case 's': return read_text_string(r);
    case 't': return read_text_strings(r);
    case 'l': return read_text_long_string(r);
    case 'A': return read_text_address(r, AF_INET);
    case '6': return read_text_address(r, AF_INET6);
    case 'y': return read_text_type(r);
    case 'g': return read_text_code(r, UINT8_MAX, 1, LDNS_RDF_TYPE_ALG, "a DNSSEC algorithm");
    case 'c':
        return read_text_code(r, UINT16_MAX, 2, LDNS_RDF_TYPE_CERT_ALG, "a certificate type");
    case 'u':
        return read_text_code(r, UINT8_MAX, 1, LDNS_RDF_TYPE_CERTIFICATE_USAGE, "a usage");
    case 'x': return read_text_code(r, UINT8_MAX, 1, LDNS_RDF_TYPE_SELECTOR, "a selector");
    case 'M':
        return read_text_code(r, UINT8_MAX, 1, LDNS_RDF_TYPE_MATCHING_TYPE, "a matching type");
    case 'd': return read_text_time(r);
    case 'h':
        return tokens_left(r) ? read_text_hex(r, tokens_left(r))
                              : set_text_error(r, r->cnt, 0, "expected hexadecimal digits");
    case 'k': return read_text_base64(r, tokens_left(r));
    case 'K': return read_text_key(r);
    case 'S': return read_text_scheme(r);
    case 'o': return read_text_base64_or_nothing(r);
    case 'b': return read_text_bitmap(r);
    case 'a': return read_text_salt(r);
    case 'H':
        return read_text_by_ldns(r, 1, "", LDNS_RDF_TYPE_NSEC3_NEXT_OWNER, "a hash in base32");
    case 'e':
        return read_text_groups(r, 6, 2, 2, '-', 1, "six octets such as 00-00-5e-00-53-2a");
    case 'E':
        return read_text_groups(r, 8, 2, 2, '-', 1,
                                "eight octets such as 00-00-5e-ef-10-00-00-2a");
    case 'i':
        return read_text_groups(r, 4, 1, 4, ':', 2, "four groups such as 0014:4fff:ff20:ee64");
    case 'G':
        return read_text_by_ldns(r, 1, "", LDNS_RDF_TYPE_TAG, "a tag of letters and digits");
    case 'm': return read_text_atm(r);
    case 'N': return read_text_nsap(r);
    case 'L': return read_text_location(r);
    case 'p': return read_text_prefixes(r);
    case 'v': return read_text_params(r);
    case 'w': return read_text_services(r);
    case 'Y': return read_text_gateway(r);
    case 'J': return read_text_relay(r);
    case 'I': return read_text_hip(r);
    default:
        must(false); /* a letter in dns/rrtype.def that has no case here */
        return ERR_FORMAT;
    }
}

static enum err read_rdata_by_row(struct rdata_reader *r, uint16_t type)
{
    const struct rrtype_row *row = rrtype_find(type);
    char name[RRTYPE_NAME_MAX];
    enum err err = ERR_OK;

    if (!row || !row->text || !*row->text) {
        rrtype_print(type, name);
        return set_text_error(r, 0, 0, "%s must be written as \\# LENGTH HEX (RFC 3597)", name);
    }
    for (const char *field = row->text; *field && !err; field++)
        err = read_text_field(r, *field);
    return err;
}

/* ---- RDATA ---- */

/* RFC 3597 5: \# LENGTH HEX... */
static enum err read_generic_rdata(struct rdata_reader *r, uint16_t type)
{
    uint8_t length[2];

    r->next = 1;
    enum err err = read_text_number(r, RDATA_MAX, 2, "the length of the RDATA");
    if (err)
        return err;
    memcpy(length, r->out, 2);
    r->len = 0;
    err = read_text_hex(r, tokens_left(r));
    if (err)
        return err;
    if (r->len != util_get_u16(length))
        return set_text_error(r, 1, 0, "the length is %u octets, but %zu follow",
                              util_get_u16(length), r->len);
    if (rdata_check(type, r->out, r->len) != ERR_OK)
        return set_text_error(r, 0, 0, "the octets are not valid RDATA of this type");
    return ERR_OK;
}

enum err rrtext_read(uint16_t type, const struct rrtext_token *tokens, size_t cnt,
                     const uint8_t *origin, struct rrtext_scratch *scratch,
                     uint8_t out[RDATA_MAX], size_t *out_len, struct rrtext_fault *fault)
{
    struct rdata_reader r = {.tokens = tokens,
                             .cnt = cnt,
                             .origin = origin,
                             .scratch = scratch,
                             .out = out,
                             .fault = fault};
    bool is_generic = cnt > 0 && !tokens[0].is_quoted && tokens[0].len == 2 &&
                      memcmp(tokens[0].text, "\\#", 2) == 0;

    enum err err = is_generic ? read_generic_rdata(&r, type) : read_rdata_by_row(&r, type);
    if (err)
        return err;
    if (r.next < cnt)
        return set_text_error(&r, r.next, 0, "one word too many: the record ends before it");
    if (rdata_check(type, out, r.len) != ERR_OK)
        return set_text_error(&r, 0, 0, "not valid RDATA of this type");
    *out_len = r.len;
    return ERR_OK;
}

bool rrtext_is_at_param(const struct rrtext_token *tokens, size_t cnt)
{
    uint16_t type;
    for (size_t i = 0; i + 2 < cnt; i++)
        if (rrtype_read(tokens[i].text, tokens[i].len, &type) == ERR_OK &&
            (type == RRTYPE_SVCB || type == RRTYPE_HTTPS))
            return true;
    return false;
}
