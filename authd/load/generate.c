/* The expansion is text for the ordinary reader, so a template can make any record. */
#include "authd/load/generate.h"

#include <stdbool.h>

enum { GENERATE_WIDTH_MAX = 127 }; /* as in BIND */

static size_t read_range_number(const char *text, size_t len, uint32_t *out)
{
    uint64_t value = 0;
    size_t i = 0;
    for (; i < len && util_is_digit(text[i]); i++) {
        value = value * 10 + (uint64_t)(text[i] - '0');
        if (value > INT32_MAX)
            return 0;
    }
    *out = (uint32_t)value;
    return i;
}

enum err generate_read_range(const char *text, size_t len, struct generate_range *out)
{
    struct generate_range r = {.step = 1};
    size_t at = read_range_number(text, len, &r.start);

    if (at == 0 || at >= len || text[at] != '-')
        return ERR_FORMAT;
    size_t used = read_range_number(text + at + 1, len - at - 1, &r.stop);
    at += 1 + used;
    if (used == 0)
        return ERR_FORMAT;
    if (at < len) {
        if (text[at] != '/')
            return ERR_FORMAT;
        used = read_range_number(text + at + 1, len - at - 1, &r.step);
        if (used == 0 || at + 1 + used != len)
            return ERR_FORMAT;
    }
    if (r.stop < r.start || r.step == 0)
        return ERR_FORMAT;
    if ((r.stop - r.start) / r.step >= GENERATE_MAX)
        return ERR_LIMIT;
    *out = r;
    return ERR_OK;
}

static enum err append_text(char *out, size_t size, size_t *at, const char *text, size_t len)
{
    if (len >= size - *at)
        return ERR_SPACE;
    memcpy(out + *at, text, len);
    *at += len;
    return ERR_OK;
}

/* Write nibbles from the last to the first, separated by dots, as ip6.arpa has them.  As in
 * BIND, the width includes the dots, so an even width ends in a dot. */
static size_t print_nibbles(uint32_t value, unsigned width, bool is_upper, char *out,
                            size_t size)
{
    const char *digits = is_upper ? "0123456789ABCDEF" : "0123456789abcdef";
    size_t len = 0;
    do {
        out[len++] = digits[value & 15];
        value >>= 4;
        if (value || len < width)
            out[len++] = '.';
    } while ((value || len < width) && len + 3 < size);
    return len;
}

static size_t print_value(int64_t value, unsigned width, char base, char *out, size_t size)
{
    uint32_t v = (uint32_t)value;
    int len = 0;
    switch (base) {
    case 'o': len = snprintf(out, size, "%0*o", (int)width, v); break;
    case 'x': len = snprintf(out, size, "%0*x", (int)width, v); break;
    case 'X': len = snprintf(out, size, "%0*X", (int)width, v); break;
    case 'n':
    case 'N': return print_nibbles(v, width, base == 'N', out, size);
    default: len = snprintf(out, size, "%0*lld", (int)width, (long long)value);
    }
    return util_min((size_t)len, size - 1);
}

/* Read "{offset[,width[,base]]}" at `text`; return its bytes, 0 if it is malformed. */
static size_t read_braces(const char *text, size_t len, int64_t *offset, unsigned *width,
                          char *base)
{
    char inner[40];
    const char *end = memchr(text, '}', len);
    int used = 0;
    long long o = 0;
    unsigned w = 0;
    char b = 'd';

    if (!end || (size_t)(end - text) >= sizeof(inner))
        return 0;
    size_t inner_len = (size_t)(end - text) - 1;
    memcpy(inner, text + 1, inner_len);
    inner[inner_len] = '\0';
    int fields = sscanf(inner, "%11lld%n,%4u%n,%c%n", &o, &used, &w, &used, &b, &used);
    if (fields < 1 || (size_t)used != inner_len || w > GENERATE_WIDTH_MAX ||
        !strchr("doxXnN", b))
        return 0;
    *offset = o;
    *width = w;
    *base = b;
    return inner_len + 2;
}

enum err generate_expand(const char *template, size_t len, uint32_t value, char *out,
                         size_t size, size_t *at)
{
    char text[GENERATE_WIDTH_MAX + 20];
    enum err err = ERR_OK;

    for (size_t i = 0; i < len && !err; i++) {
        int64_t offset = 0;
        unsigned width = 0;
        char base = 'd';

        if (template[i] == '\\' && i + 1 < len) {
            bool is_dollar = template[i + 1] == '$';
            err = append_text(out, size, at, template + i + is_dollar, 2U - is_dollar);
            i++;
            continue;
        }
        if (template[i] != '$') {
            err = append_text(out, size, at, template + i, 1);
            continue;
        }
        if (i + 1 < len && template[i + 1] == '$') {
            err = append_text(out, size, at, "$", 1);
            i++;
            continue;
        }
        if (i + 1 < len && template[i + 1] == '{') {
            size_t used = read_braces(template + i + 1, len - i - 1, &offset, &width, &base);
            if (used == 0)
                return ERR_FORMAT;
            i += used;
        }
        if ((int64_t)value + offset < INT32_MIN || (int64_t)value + offset > INT32_MAX)
            return ERR_FORMAT;
        err =
            append_text(out, size, at, text,
                        print_value((int64_t)value + offset, width, base, text, sizeof(text)));
    }
    return err;
}
