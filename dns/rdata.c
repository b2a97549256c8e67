/* New types are where parsers most often fail (docs/LIMITS.md section 5).  Here a type is a
 * string of letters (dns/rrtype.def), and one switch checks all letters. */
#include "dns/rdata.h"

/* Types that are unknown or never zone data are opaque. */
static const char *describe_wire(uint16_t type)
{
    const struct rrtype_row *row = rrtype_find(type);
    return row && row->wire ? row->wire : "r";
}

struct rdata_walk rdata_walk(uint16_t type, const uint8_t *rdata, size_t len)
{
    return (struct rdata_walk){.wire = describe_wire(type), .c = cursor_over(rdata, len)};
}

static void skip_name_field(struct cursor *c)
{
    size_t len = dname_check(c->data + c->pos, cursor_left(c));
    if (len == 0 || c->failed)
        cursor_fail(c);
    else
        cursor_bytes(c, len);
}

static void skip_string_field(struct cursor *c) { cursor_bytes(c, cursor_u8(c)); }

/* Windows ascend and have 1 to 32 octets (RFC 4034 4.1.2). */
static void skip_bitmap(struct cursor *c)
{
    int last = -1;
    while (cursor_more(c)) {
        int window = cursor_u8(c);
        uint8_t len = cursor_u8(c);
        if (window <= last || len == 0 || len > 32)
            cursor_fail(c);
        last = window;
        cursor_bytes(c, len);
    }
}

/* Keys ascend (RFC 9460 2.2). */
static void skip_params(struct cursor *c)
{
    int last = -1;
    while (cursor_more(c)) {
        int key = cursor_u16(c);
        if (key <= last)
            cursor_fail(c);
        last = key;
        cursor_bytes(c, cursor_u16(c));
    }
}

/* A prefix of family 1 or 2 must fit an IPv4 or IPv6 address (RFC 3123 4). */
static void skip_prefixes(struct cursor *c)
{
    while (cursor_more(c)) {
        unsigned family = cursor_u16(c);
        unsigned prefix = cursor_u8(c);
        unsigned len = cursor_u8(c) & 0x7f;
        if ((family == 1 && (prefix > 32 || len > 4)) ||
            (family == 2 && (prefix > 128 || len > 16)))
            cursor_fail(c);
        cursor_bytes(c, len);
    }
}

/* The gateway of IPSECKEY or the relay of AMTRELAY: nothing, an address or a name. */
static void skip_gateway(struct cursor *c, unsigned kind)
{
    switch (kind) {
    case 0: break;
    case 1: cursor_bytes(c, 4); break;
    case 2: cursor_bytes(c, 16); break;
    case 3: skip_name_field(c); break;
    default: cursor_fail(c);
    }
}

static void skip_hip(struct cursor *c)
{
    size_t hit = cursor_u8(c);
    cursor_u8(c);
    size_t key = cursor_u16(c);
    if (hit == 0 || key == 0)
        cursor_fail(c);
    cursor_bytes(c, hit);
    cursor_bytes(c, key);
    while (cursor_more(c))
        skip_name_field(c);
}

static void skip_field(struct cursor *c, char kind)
{
    unsigned gateway;

    switch (kind) {
    case '1':
    case '2':
    case '4':
    case '8': cursor_bytes(c, (size_t)(kind - '0')); break;
    case 'X': cursor_bytes(c, 16); break;
    case 'N':
    case 'L':
    case 'P': skip_name_field(c); break;
    case 's': skip_string_field(c); break;
    case 't':
        do
            skip_string_field(c);
        while (cursor_more(c));
        break;
    case 'b': skip_bitmap(c); break;
    case 'v': skip_params(c); break;
    case 'h':
        if (cursor_more(c) && c->data[c->pos] == 0)
            cursor_fail(c);
        skip_string_field(c);
        break;
    case 'r': cursor_bytes(c, cursor_left(c)); break;
    case 'R':
        if (!cursor_more(c))
            cursor_fail(c);
        cursor_bytes(c, cursor_left(c));
        break;
    case 'a': skip_prefixes(c); break;
    case 'i':
        gateway = cursor_u8(c);
        cursor_u8(c);
        skip_gateway(c, gateway);
        cursor_bytes(c, cursor_left(c));
        break;
    case 'm': skip_gateway(c, cursor_u8(c) & 0x7f); break;
    case 'H': skip_hip(c); break;
    default: must(false); /* a letter in dns/rrtype.def that has no case here */
    }
}

bool rdata_next(struct rdata_walk *walk, struct rdata_field *field)
{
    if (*walk->wire == '\0' || walk->c.failed)
        return false;
    size_t start = walk->c.pos;
    field->kind = *walk->wire++;
    skip_field(&walk->c, field->kind);
    if (walk->c.failed)
        return false;
    field->at = walk->c.data + start;
    field->len = walk->c.pos - start;
    return true;
}

enum err rdata_check(uint16_t type, const uint8_t *rdata, size_t len)
{
    struct rdata_walk walk = rdata_walk(type, rdata, len);
    struct rdata_field field;

    while (rdata_next(&walk, &field))
        ;
    return cursor_failed(&walk.c) || cursor_more(&walk.c) || len > RDATA_MAX ? ERR_FORMAT
                                                                             : ERR_OK;
}

/* Copy one field of received RDATA that ends at `end`, decompressing a name, and return its
 * octets.  The caller has checked that `out` has room for a name and for the rest of
 * the RDATA. */
static size_t expand_field(struct cursor *c, size_t end, char kind, uint8_t *out)
{
    size_t len = 0, start = c->pos;

    if (kind == 'N' || kind == 'L' || kind == 'P') {
        uint8_t name[DNAME_MAX];
        if (dname_parse(c, name, &len) != ERR_OK || c->pos > end) {
            cursor_fail(c);
            return 0;
        }
        memcpy(out, name, len);
        return len;
    }
    struct cursor field = cursor_over(c->data, end);
    field.pos = start;
    skip_field(&field, kind);
    const uint8_t *from = cursor_failed(&field) ? NULL : cursor_bytes(c, field.pos - start);
    if (!from) {
        cursor_fail(c);
        return 0;
    }
    memcpy(out, from, field.pos - start);
    return field.pos - start;
}

enum err rdata_expand(uint16_t type, struct cursor *c, size_t len, uint8_t *out, size_t size,
                      size_t *out_len)
{
    const char *wire = describe_wire(type);
    size_t pos = 0, end = c->pos + len;

    if (cursor_left(c) < len || cursor_failed(c))
        return ERR_FORMAT;
    for (; *wire; wire++) {
        if (size - pos < util_max(DNAME_MAX, end - util_min(c->pos, end)))
            return ERR_FORMAT;
        pos += expand_field(c, end, *wire, out + pos);
        if (cursor_failed(c))
            return ERR_FORMAT;
    }
    if (c->pos != end)
        return ERR_FORMAT;
    *out_len = pos;
    return ERR_OK;
}

/* Up to the first difference both have the same fields at the same offsets, so that it is
 * enough to walk `a`. */
int rdata_compare(uint16_t type, const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    struct rdata_walk walk = rdata_walk(type, a, a_len);
    struct rdata_field field;
    size_t pos = 0;

    while (rdata_next(&walk, &field)) {
        bool is_folded = field.kind == 'N' || field.kind == 'L';
        for (size_t i = 0; i < field.len; i++, pos++) {
            if (pos >= b_len)
                return 1;
            int diff = is_folded ? util_lower(a[pos]) - util_lower(b[pos]) : a[pos] - b[pos];
            if (diff)
                return diff;
        }
    }
    return pos < b_len ? -1 : 0;
}

void rdata_canonical(uint16_t type, const uint8_t *rdata, size_t len, uint8_t *out)
{
    struct rdata_walk walk = rdata_walk(type, rdata, len);
    struct rdata_field field;

    memcpy(out, rdata, len);
    while (rdata_next(&walk, &field))
        if (field.kind == 'N' || field.kind == 'L')
            dname_lower(field.at, out + (field.at - rdata));
}

bool rdata_may_compress(uint16_t type)
{
    const struct rrtype_row *row = rrtype_find(type);
    return row && row->wire && strchr(row->wire, 'N');
}

const uint8_t *rdata_target(uint16_t type, const uint8_t *rdata)
{
    const struct rrtype_row *row = rrtype_find(type);
    return row && row->target > 0 ? rdata + row->target - 1 : NULL;
}
