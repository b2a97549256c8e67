/* Fields come from the walk of dns/rdata, so nothing is read twice and nothing unchecked.  Only types whose fields read the way their
 * shape says are on the list. */
#include "dns/rdata_text.h"

#include <arpa/inet.h>
#include <stdarg.h>

#include "dns/dname_text.h"

/* What is being printed.  Lifetime: the call. */
struct text {
    char *out;
    size_t len;
    bool is_full;
};

static void add(struct text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void add(struct text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(t->out + t->len, RDATA_TEXT_MAX - t->len, fmt, args);
    va_end(args);
    if (len < 0 || (size_t)len >= RDATA_TEXT_MAX - t->len) {
        t->is_full = true;
        t->len = RDATA_TEXT_MAX - 1;
    } else {
        t->len += (size_t)len;
    }
}

static bool is_plain(uint16_t type)
{
    static const uint16_t plain[] = {
        RRTYPE_A,     RRTYPE_NS, RRTYPE_CNAME, RRTYPE_SOA,  RRTYPE_PTR, RRTYPE_HINFO, RRTYPE_MX,
        RRTYPE_TXT,   RRTYPE_RP, RRTYPE_AFSDB, RRTYPE_AAAA, RRTYPE_SRV, RRTYPE_NAPTR, RRTYPE_KX,
        RRTYPE_DNAME, RRTYPE_DS, RRTYPE_NSEC,  RRTYPE_CDS,  RRTYPE_CAA};
    for (size_t i = 0; i < ARRAY_LEN(plain); i++)
        if (plain[i] == type)
            return true;
    return false;
}

static void add_quoted(struct text *t, const uint8_t *at, size_t len)
{
    add(t, "\"");
    for (size_t i = 0; i < len; i++)
        if (at[i] == '"' || at[i] == '\\')
            add(t, "\\%c", at[i]);
        else if (at[i] < ' ' || at[i] > '~')
            add(t, "\\%03u", at[i]);
        else
            add(t, "%c", at[i]);
    add(t, "\"");
}

static void add_number(struct text *t, const uint8_t *at, size_t len)
{
    unsigned long long number = 0;
    for (size_t i = 0; i < len; i++)
        number = number << 8 | at[i];
    add(t, "%llu", number);
}

static void add_address(struct text *t, int family, const uint8_t *at)
{
    char text[INET6_ADDRSTRLEN];
    add(t, "%s", inet_ntop(family, at, text, sizeof(text)));
}

static void add_bitmap(struct text *t, const uint8_t *at, size_t len)
{
    const char *gap = "";
    for (size_t pos = 0; pos + 2 < len; pos += 2U + at[pos + 1])
        for (unsigned bit = 0; bit < 8U * at[pos + 1]; bit++)
            if (at[pos + 2 + bit / 8] & (0x80 >> bit % 8)) {
                char name[RRTYPE_NAME_MAX];
                rrtype_print((uint16_t)((unsigned)at[pos] << 8 | bit), name);
                add(t, "%s%s", gap, name);
                gap = " ";
            }
}

static void add_hex(struct text *t, const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        add(t, "%02x", at[i]);
}

static void add_strings(struct text *t, const uint8_t *at, size_t len)
{
    for (size_t pos = 0; pos < len; pos += 1U + at[pos]) {
        if (pos > 0)
            add(t, " ");
        add_quoted(t, at + pos + 1, at[pos]);
    }
}

static void add_field(struct text *t, uint16_t type, const struct rdata_field *f)
{
    char name[DNAME_TEXT_MAX];

    switch (f->kind) {
    case 'N':
    case 'L':
    case 'P':
        dname_text_print(f->at, name);
        add(t, "%s", name);
        break;
    case 's':
    case 't': add_strings(t, f->at, f->len); break;
    case 'X': add_address(t, AF_INET6, f->at); break;
    case 'b': add_bitmap(t, f->at, f->len); break;
    case 'h': add(t, "%.*s", (int)f->len - 1, (const char *)f->at + 1); break;
    case 'r': add_quoted(t, f->at, f->len); break;
    case 'R': add_hex(t, f->at, f->len); break;
    default:
        if (type == RRTYPE_A)
            add_address(t, AF_INET, f->at);
        else
            add_number(t, f->at, f->len);
    }
}

/* A CAA's tag is the only word that is printed as it came. */
static bool has_odd_tag(uint16_t type, const struct rdata_field *f)
{
    for (size_t i = 1; type == RRTYPE_CAA && f->kind == 'h' && i < f->len; i++)
        if (f->at[i] <= ' ' || f->at[i] > '~')
            return true;
    return false;
}

static bool print_plain(struct text *t, uint16_t type, const uint8_t *rdata, size_t len)
{
    struct rdata_walk walk = rdata_walk(type, rdata, len);
    struct rdata_field field;

    for (bool is_first = true; rdata_next(&walk, &field); is_first = false) {
        if (has_odd_tag(type, &field))
            return false;
        if (!is_first)
            add(t, " ");
        add_field(t, type, &field);
    }
    return true;
}

void rdata_text_print(uint16_t type, const uint8_t *rdata, size_t len, char out[RDATA_TEXT_MAX])
{
    struct text t = {.out = out};

    *out = '\0';
    if (!is_plain(type) || rdata_check(type, rdata, len) != ERR_OK ||
        !print_plain(&t, type, rdata, len)) {
        t.len = 0;
        add(&t, "\\# %zu ", len);
        add_hex(&t, rdata, len);
    }
    if (t.is_full)
        memcpy(out + RDATA_TEXT_MAX - 4, "...", 4);
}
