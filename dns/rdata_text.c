/* Prints the fields that dns/rrtype.def lists for a type.  The RDATA has been checked, but not
 * all valid RDATA has a presentation format. */
#define _GNU_SOURCE
#include "dns/rdata_text.h"

#include <arpa/inet.h>
#include <ldns/ldns.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <time.h>

#include "dns/svcparam.h"

enum { BASE64_PART = 48 }; /* octets per call: a multiple of 3, which needs no padding */

/* The text so far.  Lifetime: the call. */
struct rdata_printer {
    char *out;
    size_t size;
    size_t len;
    bool is_full;
};

static void add_text(struct rdata_printer *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void add_text(struct rdata_printer *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(t->out + t->len, t->size - t->len, fmt, args);
    va_end(args);
    if (len < 0 || (size_t)len >= t->size - t->len) {
        t->is_full = true;
        t->len = t->size - 1;
    } else {
        t->len += (size_t)len;
    }
}

/* Add one octet of quoted text. */
static void add_octet(struct rdata_printer *t, uint8_t octet)
{
    if (octet == '"' || octet == '\\')
        add_text(t, "\\%c", octet);
    else if (octet < ' ' || octet > '~')
        add_text(t, "\\%03u", octet);
    else
        add_text(t, "%c", octet);
}

static void add_quoted(struct rdata_printer *t, const uint8_t *at, size_t len)
{
    add_text(t, "\"");
    for (size_t i = 0; i < len && !t->is_full; i++)
        add_octet(t, at[i]);
    add_text(t, "\"");
}

static void add_number(struct rdata_printer *t, const uint8_t *at, size_t len)
{
    unsigned long long number = 0;
    for (size_t i = 0; i < len; i++)
        number = number << 8 | at[i];
    add_text(t, "%llu", number);
}

static void add_address(struct rdata_printer *t, int family, const uint8_t *at)
{
    char text[INET6_ADDRSTRLEN];
    add_text(t, "%s", inet_ntop(family, at, text, sizeof(text)));
}

static void add_bitmap(struct rdata_printer *t, const uint8_t *at, size_t len)
{
    const char *gap = "";
    for (size_t pos = 0; pos + 2 < len; pos += 2U + at[pos + 1])
        for (unsigned bit = 0; bit < 8U * at[pos + 1]; bit++)
            if (at[pos + 2 + bit / 8] & (0x80 >> bit % 8)) {
                char name[RRTYPE_NAME_MAX];
                rrtype_print((uint16_t)((unsigned)at[pos] << 8 | bit), name);
                add_text(t, "%s%s", gap, name);
                gap = " ";
            }
}

static void add_hex(struct rdata_printer *t, const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len && !t->is_full; i++)
        add_text(t, "%02x", at[i]);
}

static void add_strings(struct rdata_printer *t, const uint8_t *at, size_t len)
{
    for (size_t pos = 0; pos < len; pos += 1U + at[pos]) {
        if (pos > 0)
            add_text(t, " ");
        add_quoted(t, at + pos + 1, at[pos]);
    }
}

/* ---- fields ---- */

/* Each printer consumes its field.  False: the field has no presentation format, so that the
 * whole RDATA is printed in the generic format (RFC 3597 5). */

static bool print_number(struct rdata_printer *t, struct cursor *c, size_t len)
{
    const uint8_t *at = cursor_bytes(c, len);

    if (at)
        add_number(t, at, len);
    return at;
}

static bool print_address(struct rdata_printer *t, struct cursor *c, int family)
{
    const uint8_t *at = cursor_bytes(c, family == AF_INET ? 4 : 16);

    if (at)
        add_address(t, family, at);
    return at;
}

static bool print_name_field(struct rdata_printer *t, struct cursor *c)
{
    char name[DNAME_TEXT_MAX];
    const uint8_t *at = c->data + c->pos;
    size_t len = dname_check(at, cursor_left(c));

    if (len == 0)
        return false;
    cursor_bytes(c, len);
    dname_text_print(at, name);
    add_text(t, "%s", name);
    return true;
}

static bool print_soa_numbers(struct rdata_printer *t, struct cursor *c)
{
    for (int i = 0; i < 5; i++) {
        if (i > 0)
            add_text(t, " ");
        if (!print_number(t, c, 4))
            return false;
    }
    return true;
}

static bool print_type(struct rdata_printer *t, struct cursor *c)
{
    char name[RRTYPE_NAME_MAX];

    rrtype_print(cursor_u16(c), name);
    add_text(t, "%s", name);
    return !cursor_failed(c);
}

/* Print the rest of the RDATA, which must not be empty. */
static bool print_rest(struct rdata_printer *t, struct cursor *c,
                       void (*print)(struct rdata_printer *t, const uint8_t *at, size_t len))
{
    size_t len = cursor_left(c);

    if (len > 0)
        print(t, cursor_bytes(c, len), len);
    return len > 0;
}

/* A character-string. */
static bool print_string(struct rdata_printer *t, struct cursor *c)
{
    size_t len = cursor_u8(c);
    const uint8_t *at = cursor_bytes(c, len);

    if (at)
        add_quoted(t, at, len);
    return at;
}

static void add_base64(struct rdata_printer *t, const uint8_t *at, size_t len)
{
    uint8_t out[4 * BASE64_PART / 3 + 1];

    for (size_t pos = 0; pos < len && !t->is_full; pos += BASE64_PART) {
        int cnt = EVP_EncodeBlock(out, at + pos, (int)util_min(len - pos, BASE64_PART));
        add_text(t, "%.*s", cnt, (const char *)out);
    }
}

/* RFC 4034 3.2 */
static bool print_time(struct rdata_printer *t, struct cursor *c)
{
    time_t seconds = cursor_u32(c);
    char out[20];
    struct tm tm;

    if (cursor_failed(c) || !gmtime_r(&seconds, &tm))
        return false;
    strftime(out, sizeof(out), "%Y%m%d%H%M%S", &tm);
    add_text(t, "%s", out);
    return true;
}

static bool print_salt(struct rdata_printer *t, struct cursor *c)
{
    size_t len = cursor_u8(c);
    const uint8_t *at = cursor_bytes(c, len);

    if (!at)
        return false;
    add_hex(t, at, len);
    if (len == 0)
        add_text(t, "-");
    return true;
}

static bool print_hash(struct rdata_printer *t, struct cursor *c)
{
    char out[2 * UINT8_MAX];
    size_t len = cursor_u8(c);
    const uint8_t *at = cursor_bytes(c, len);

    if (!at || ldns_b32_ntop_extended_hex(at, len, out, sizeof(out)) <= 0)
        return false;
    out[strcspn(out, "=")] = '\0';
    add_text(t, "%s", out);
    return true;
}

/* Print `cnt` groups of `octets` octets each in hexadecimal. */
static bool print_groups(struct rdata_printer *t, struct cursor *c, size_t cnt, size_t octets,
                         char separator)
{
    for (size_t i = 0; i < cnt; i++) {
        const uint8_t *at = cursor_bytes(c, octets);
        if (!at)
            return false;
        if (i > 0)
            add_text(t, "%c", separator);
        add_hex(t, at, octets);
    }
    return true;
}

/* Letters and digits only (RFC 8659 4.1). */
static bool print_tag(struct rdata_printer *t, struct cursor *c)
{
    size_t len = cursor_u8(c);
    const uint8_t *at = cursor_bytes(c, len);

    for (size_t i = 0; at && i < len; i++) {
        uint8_t letter = util_lower(at[i]);
        if ((letter < 'a' || letter > 'z') && !util_is_digit((char)letter))
            return false;
    }
    if (at)
        add_text(t, "%.*s", (int)len, (const char *)at);
    return at && len > 0;
}

static bool print_atm(struct rdata_printer *t, struct cursor *c)
{
    unsigned format = cursor_u8(c);
    size_t len = cursor_left(c);
    const uint8_t *at = cursor_bytes(c, len);

    if (!at || len == 0 || format > 1)
        return false;
    for (size_t i = 0; format == 1 && i < len; i++)
        if (!util_is_digit((char)at[i]))
            return false;
    if (format == 1)
        add_text(t, "+%.*s", (int)len, (const char *)at);
    else
        add_hex(t, at, len);
    return true;
}

static bool print_nsap(struct rdata_printer *t, struct cursor *c)
{
    add_text(t, "0x");
    return print_rest(t, c, add_hex);
}

/* Thousandths of a second of arc, with 2^31 as zero (RFC 1876 2). */
static bool print_angle(struct rdata_printer *t, struct cursor *c, uint32_t max,
                        const char *letters)
{
    uint32_t value = cursor_u32(c), middle = 1U << 31;
    bool is_up = value >= middle;
    uint32_t size = is_up ? value - middle : middle - value;

    if (size > max * 3600000U)
        return false;
    add_text(t, "%u %u %u.%03u %c ", size / 3600000, size / 60000 % 60, size / 1000 % 60,
             size % 1000, letters[is_up ? 0 : 1]);
    return true;
}

/* Centimetres as a digit and a power of ten (RFC 1876 2). */
static bool print_size(struct rdata_printer *t, uint8_t octet)
{
    unsigned digit = octet >> 4, power = octet & 15;
    uint64_t value = digit;

    if (digit > 9 || power > 9)
        return false;
    while (power-- > 0)
        value *= 10;
    add_text(t, " %llu.%02llum", (unsigned long long)value / 100,
             (unsigned long long)value % 100);
    return true;
}

static bool print_location(struct rdata_printer *t, struct cursor *c)
{
    const uint8_t *head = cursor_bytes(c, 4);

    if (!head || head[0] != 0 || !print_angle(t, c, 90, "NS") || !print_angle(t, c, 180, "EW"))
        return false;
    int64_t height = (int64_t)cursor_u32(c) - 10000000; /* centimetres */
    uint64_t size = (uint64_t)(height < 0 ? -height : height);
    add_text(t, "%s%llu.%02llum", height < 0 ? "-" : "", (unsigned long long)size / 100,
             (unsigned long long)size % 100);
    return !cursor_failed(c) && print_size(t, head[1]) && print_size(t, head[2]) &&
           print_size(t, head[3]);
}

/* RFC 3123 5 */
static bool print_apl_prefixes(struct rdata_printer *t, struct cursor *c)
{
    while (cursor_more(c)) {
        uint8_t octets[16] = {0};
        unsigned family = cursor_u16(c), prefix = cursor_u8(c), flags = cursor_u8(c);
        size_t len = flags & 0x7f;
        const uint8_t *at = cursor_bytes(c, len);
        if (!at || (family != 1 && family != 2) || len > (family == 1 ? 4U : 16U) ||
            (len > 0 && at[len - 1] == 0))
            return false;
        memcpy(octets, at, len);
        add_text(t, "%s%u:", flags & 0x80 ? "!" : "", family);
        add_address(t, family == 1 ? AF_INET : AF_INET6, octets);
        add_text(t, "/%u%s", prefix, cursor_more(c) ? " " : "");
    }
    return true;
}

/* Add an item of a quoted list (RFC 9460 A.1). */
static void add_item(struct rdata_printer *t, const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (at[i] == ',')
            add_text(t, "\\\\,");
        else if (at[i] == '\\')
            add_text(t, "\\\\\\\\");
        else
            add_octet(t, at[i]);
}

static void add_key(struct rdata_printer *t, uint16_t key)
{
    const char *name = svcparam_key_name(key);

    if (name)
        add_text(t, "%s", name);
    else
        add_text(t, "key%u", key);
}

static void add_value(struct rdata_printer *t, uint16_t key, const uint8_t *at, size_t len)
{
    switch (key) {
    case SVCPARAM_MANDATORY:
        for (size_t i = 0; i < len; i += 2) {
            add_text(t, "%s", i > 0 ? "," : "");
            add_key(t, util_get_u16(at + i));
        }
        break;
    case SVCPARAM_ALPN:
        add_text(t, "\"");
        for (size_t i = 0; i < len; i += 1U + at[i]) {
            add_text(t, "%s", i > 0 ? "," : "");
            add_item(t, at + i + 1, at[i]);
        }
        add_text(t, "\"");
        break;
    case SVCPARAM_PORT: add_number(t, at, len); break;
    case SVCPARAM_ECH: add_base64(t, at, len); break;
    case SVCPARAM_IPV4HINT:
    case SVCPARAM_IPV6HINT:
        for (size_t i = 0, step = key == SVCPARAM_IPV4HINT ? 4 : 16; i < len; i += step) {
            add_text(t, "%s", i > 0 ? "," : "");
            add_address(t, step == 4 ? AF_INET : AF_INET6, at + i);
        }
        break;
    default: add_quoted(t, at, len);
    }
}

/* RFC 9460 2.1 */
static bool print_svcparams(struct rdata_printer *t, struct cursor *c)
{
    while (cursor_more(c)) {
        uint16_t key = cursor_u16(c);
        size_t len = cursor_u16(c);
        const uint8_t *at = cursor_bytes(c, len);
        if (!at || !svcparam_is_valid(key, at, len))
            return false;
        add_key(t, key);
        if (len > 0) {
            add_text(t, "=");
            add_value(t, key, at, len);
        }
        add_text(t, "%s", cursor_more(c) ? " " : "");
    }
    return true;
}

/* A protocol and ports, by number (RFC 1035 3.4.2) */
static bool print_services(struct rdata_printer *t, struct cursor *c)
{
    unsigned protocol = cursor_u8(c);
    size_t len = cursor_left(c);
    const uint8_t *map = cursor_bytes(c, len);

    if (!map || len == 0 || len > (UINT16_MAX + 1) / 8 || map[len - 1] == 0)
        return false;
    add_text(t, "%u", protocol);
    for (size_t port = 0; port < 8 * len; port++)
        if (map[port / 8] & (0x80 >> port % 8))
            add_text(t, " %zu", port);
    return true;
}

static bool print_gateway_address(struct rdata_printer *t, struct cursor *c, unsigned kind)
{
    switch (kind) {
    case 0: add_text(t, "."); return true;
    case 1: return print_address(t, c, AF_INET);
    case 2: return print_address(t, c, AF_INET6);
    case 3: return print_name_field(t, c);
    default: return false;
    }
}

/* RFC 4025 3.1 */
static bool print_gateway(struct rdata_printer *t, struct cursor *c)
{
    unsigned kind = cursor_u8(c), algorithm = cursor_u8(c);

    add_text(t, "%u %u ", kind, algorithm);
    if (!print_gateway_address(t, c, kind))
        return false;
    if (cursor_more(c)) {
        add_text(t, " ");
        print_rest(t, c, add_base64);
    }
    return true;
}

/* RFC 8777 4.3 */
static bool print_relay(struct rdata_printer *t, struct cursor *c)
{
    unsigned octet = cursor_u8(c);

    add_text(t, "%u %u ", octet >> 7, octet & 0x7f);
    return print_gateway_address(t, c, octet & 0x7f);
}

/* RFC 8005 6 */
static bool print_hip(struct rdata_printer *t, struct cursor *c)
{
    size_t tag_len = cursor_u8(c);
    unsigned algorithm = cursor_u8(c);
    size_t key_len = cursor_u16(c);
    const uint8_t *tag = cursor_bytes(c, tag_len), *key = cursor_bytes(c, key_len);

    if (!tag || !key)
        return false;
    add_text(t, "%u ", algorithm);
    add_hex(t, tag, tag_len);
    add_text(t, " ");
    add_base64(t, key, key_len);
    while (cursor_more(c)) {
        add_text(t, " ");
        if (!print_name_field(t, c))
            return false;
    }
    return true;
}

/* RFC 9859 2.1 */
static bool print_scheme(struct rdata_printer *t, struct cursor *c)
{
    unsigned scheme = cursor_u8(c);

    if (scheme == 1)
        add_text(t, "NOTIFY");
    else
        add_text(t, "%u", scheme);
    return !cursor_failed(c);
}

/* Print the field that a letter of dns/rrtype.def describes. */
static bool print_rdata_field(struct rdata_printer *t, struct cursor *c, char field)
{
    switch (field) {
    case '1':
    case 'g':
    case 'u':
    case 'x':
    case 'M': return print_number(t, c, 1);
    case '2':
    case 'f':
    case 'c': return print_number(t, c, 2);
    case '4': return print_number(t, c, 4);
    case 'A': return print_address(t, c, AF_INET);
    case '6': return print_address(t, c, AF_INET6);
    case 'n': return print_name_field(t, c);
    case 'Z': return print_soa_numbers(t, c);
    case 'y': return print_type(t, c);
    case 'b': return !cursor_more(c) || print_rest(t, c, add_bitmap);
    case 's': return print_string(t, c);
    case 't': return print_rest(t, c, add_strings);
    case 'l':
        add_quoted(t, c->data + c->pos, cursor_left(c));
        return cursor_bytes(c, cursor_left(c));
    case 'h': return print_rest(t, c, add_hex);
    case 'k': return print_rest(t, c, add_base64);
    case 'o':
    case 'K': return !cursor_more(c) || print_rest(t, c, add_base64);
    case 'd': return print_time(t, c);
    case 'a': return print_salt(t, c);
    case 'H': return print_hash(t, c);
    case 'e': return print_groups(t, c, 6, 1, '-');
    case 'E': return print_groups(t, c, 8, 1, '-');
    case 'i': return print_groups(t, c, 4, 2, ':');
    case 'G': return print_tag(t, c);
    case 'm': return print_atm(t, c);
    case 'N': return print_nsap(t, c);
    case 'L': return print_location(t, c);
    case 'p': return print_apl_prefixes(t, c);
    case 'v': return print_svcparams(t, c);
    case 'w': return print_services(t, c);
    case 'Y': return print_gateway(t, c);
    case 'J': return print_relay(t, c);
    case 'I': return print_hip(t, c);
    case 'S': return print_scheme(t, c);
    default:
        must(false); /* a letter in dns/rrtype.def that has no case here */
        return false;
    }
}

static bool print_by_row(struct rdata_printer *t, uint16_t type, const uint8_t *rdata,
                         size_t len)
{
    const struct rrtype_row *row = rrtype_find(type);
    struct cursor c = cursor_over(rdata, len);

    if (!row || !row->text || !*row->text)
        return false;
    for (const char *field = row->text; *field; field++) {
        size_t before = t->len;
        if (field > row->text)
            add_text(t, " ");
        size_t begin = t->len;
        if (!print_rdata_field(t, &c, *field))
            return false;
        if (t->len == begin) { /* an empty field needs no space before it */
            t->len = before;
            t->out[before] = '\0';
        }
    }
    return !cursor_failed(&c) && !cursor_more(&c);
}

static struct rdata_printer print_any(uint16_t type, const uint8_t *rdata, size_t len,
                                      char *out, size_t size)
{
    struct rdata_printer t = {.out = out, .size = size};

    *out = '\0';
    if (rdata_check(type, rdata, len) != ERR_OK || !print_by_row(&t, type, rdata, len)) {
        t = (struct rdata_printer){.out = out, .size = size};
        add_text(&t, "\\# %zu ", len);
        add_hex(&t, rdata, len);
    }
    return t;
}

void rdata_text_print(uint16_t type, const uint8_t *rdata, size_t len, char out[RDATA_TEXT_MAX])
{
    if (print_any(type, rdata, len, out, RDATA_TEXT_MAX).is_full)
        memcpy(out + RDATA_TEXT_MAX - 4, "...", 4);
}

size_t rdata_text_print_whole(uint16_t type, const uint8_t *rdata, size_t len, char *out,
                              size_t size)
{
    struct rdata_printer t = print_any(type, rdata, len, out, size);
    return t.is_full ? 0 : t.len;
}
