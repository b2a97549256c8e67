/* Latin, Greek, Cyrillic and Armenian letters are converted to lower case.  A name with
 * characters that IDNA maps in other ways is not printed. */
#include "dns/idn.h"

#include "dns/rrtype.h"

enum {
    BASE = 36,
    T_MIN = 1,
    T_MAX = 26,
    SKEW = 38,
    DAMP = 700,
    BIAS_FIRST = 72,
    N_FIRST = 128
};

bool idn_concerns(uint16_t type)
{
    switch (type) {
    case RRTYPE_NS:
    case RRTYPE_CNAME:
    case RRTYPE_DNAME:
    case RRTYPE_PTR:
    case RRTYPE_SOA:
    case RRTYPE_MX:
    case RRTYPE_SRV:
    case RRTYPE_RP:
    case RRTYPE_AFSDB:
    case RRTYPE_KX:
    case RRTYPE_SVCB:
    case RRTYPE_HTTPS: return true;
    }
    return false;
}

bool idn_is_raw(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] >= 0x80)
            return true;
    return false;
}

/* Read the code point at *pos and step over it.  0: it is invalid (overlong, a surrogate,
 * truncated) or a combining mark. */
static uint32_t read_code_point(const char *text, size_t len, size_t *pos)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char c = (unsigned char)text[*pos];
    size_t cnt = c < 0x80             ? 1
                 : (c & 0xe0) == 0xc0 ? 2
                 : (c & 0xf0) == 0xe0 ? 3
                 : (c & 0xf8) == 0xf0 ? 4
                                      : 0;
    uint32_t code = cnt == 1 ? c : c & (0x7fU >> cnt);

    if (cnt == 0 || cnt > len - *pos)
        return 0;
    for (size_t i = 1; i < cnt; i++) {
        if (((unsigned char)text[*pos + i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | ((unsigned char)text[*pos + i] & 0x3f);
    }
    *pos += cnt;
    bool is_bad =
        code > 0x10ffff || (code >= 0xd800 && code < 0xe000) || (cnt > 1 && code < least[cnt]);
    return is_bad || (code >= 0x300 && code < 0x370) ? 0 : code;
}

/* Return the code point in lower case, 0 if IDNA maps it in a way that this file does
 * not know. */
static uint32_t lower_code_point(uint32_t c)
{
    if (c < 0x80)
        return util_lower((uint8_t)c);
    if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) ||
        (c >= 0x410 && c <= 0x42f))
        return c + 0x20;
    if (c >= 0x400 && c <= 0x40f)
        return c + 0x50;
    bool is_odd_upper = (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e);
    if (c >= 0x100 && c <= 0x17e && c != 0x130 && c != 0x132 && c != 0x133 && c != 0x138 &&
        c != 0x149 && c != 0x178)
        return c + ((c & 1) == is_odd_upper ? 1 : 0);
    bool is_even_upper = (c >= 0x218 && c <= 0x233 && c != 0x220 && c != 0x221) ||
                         (c >= 0x460 && c <= 0x481) || (c >= 0x48a && c <= 0x4bf) ||
                         (c >= 0x4d0 && c <= 0x52f) || (c >= 0x1e00 && c <= 0x1eff);
    if (c >= 0x1e96 && c <= 0x1e9f)
        return 0;
    if (is_even_upper)
        return c | 1;
    if (c >= 0x1cd && c <= 0x1dc)
        return c + (c & 1);
    switch (c) {
    case 0x178: return 0xff;
    case 0x1a0:
    case 0x1af: return c + 1;
    case 0x1a1:
    case 0x1b0: return c;
    case 0x386: return 0x3ac;
    case 0x388:
    case 0x389:
    case 0x38a: return c + 37;
    case 0x38c: return 0x3cc;
    case 0x38e:
    case 0x38f: return c + 63;
    case 0x4c0: return 0x4cf;
    }
    if (c >= 0x531 && c <= 0x556)
        return c + 48;
    /* the rest of these blocks has capitals, ligatures and forms with other mappings
     * (UTS 46) */
    bool is_unknown = c == 0x130 || c == 0x132 || c == 0x133 || c == 0x149 ||
                      (c >= 0x17f && c <= 0x24f) || (c >= 0x10a0 && c <= 0x10ff) ||
                      (c >= 0x13a0 && c <= 0x13ff) || (c >= 0x1f00 && c <= 0x1fff) ||
                      (c >= 0x2c00 && c <= 0x2cff) || (c >= 0xa640 && c <= 0xa7ff) ||
                      (c >= 0xfb00 && c <= 0xfb17) || (c >= 0xff00 && c <= 0xffef) ||
                      (c >= 0x4c1 && c <= 0x4ce) || (c >= 0x10400 && c <= 0x1044f) ||
                      (c >= 0x1d400 && c <= 0x1d7ff) || (c >= 0x1e900 && c <= 0x1e943);
    return is_unknown ? 0 : c;
}

static uint32_t adapt_bias(uint32_t delta, uint32_t cnt, bool is_first)
{
    uint32_t k = 0;
    delta = is_first ? delta / DAMP : delta / 2;
    delta += delta / cnt;
    for (; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE)
        delta /= BASE - T_MIN;
    return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

static size_t write_variable_length(char *out, uint32_t q, uint32_t bias)
{
    size_t len = 0;
    for (uint32_t k = BASE;; k += BASE) {
        uint32_t t = k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
        uint32_t digit = q < t ? q : t + (q - t) % (BASE - t);
        out[len++] = (char)(digit < 26 ? 'a' + digit : '0' + digit - 26);
        if (q < t)
            return len;
        q = (q - t) / (BASE - t);
    }
}

/* Punycode (RFC 3492 6.3) over at most 63 code points.  Return the length of the label, 0 if it
 * is too long. */
static size_t write_a_label(const uint32_t *code, uint32_t cnt, char out[DNAME_LABEL_MAX + 1])
{
    char text[4 + DNAME_LABEL_MAX * 8];
    uint32_t n = N_FIRST, delta = 0, bias = BIAS_FIRST, done = 0;
    size_t len = 0;

    for (uint32_t i = 0; i < cnt; i++)
        if (code[i] < 0x80)
            text[4 + len++] = (char)code[i];
    uint32_t basic = done = (uint32_t)len;
    if (basic == cnt) { /* ASCII needs no encoding */
        memcpy(out, text + 4, len);
        return len;
    }
    memcpy(text, "xn--", 4);
    len += 4;
    if (basic > 0)
        text[len++] = '-';
    while (done < cnt) {
        uint32_t next = UINT32_MAX;
        for (uint32_t i = 0; i < cnt; i++)
            if (code[i] >= n && code[i] < next)
                next = code[i];
        delta += (next - n) * (done + 1); /* no overflow: 63 code points below 0x110000 */
        n = next;
        for (uint32_t i = 0; i < cnt; i++) {
            delta += code[i] < n;
            if (code[i] != n)
                continue;
            len += write_variable_length(text + len, delta, bias);
            bias = adapt_bias(delta, done + 1, done == basic);
            delta = 0;
            done++;
        }
        delta++;
        n++;
    }
    if (len > DNAME_LABEL_MAX)
        return 0;
    memcpy(out, text, len);
    return len;
}

void idn_print(const char *text, size_t len, char out[IDN_TEXT_MAX])
{
    uint32_t code[DNAME_LABEL_MAX];
    uint32_t cnt = 0;
    size_t at = 0, label;

    for (size_t pos = 0; pos <= len;) {
        bool is_end = pos == len || text[pos] == '.';
        if (is_end) {
            label = cnt > 0 ? write_a_label(code, cnt, out + at) : 0;
            if (cnt > 0 && label == 0)
                break;
            at += label;
            if (pos == len) {
                out[at] = '\0';
                return;
            }
            out[at++] = '.';
            cnt = 0;
            pos++;
            if (at + DNAME_LABEL_MAX + 2 > IDN_TEXT_MAX)
                break;
            continue;
        }
        uint32_t c = read_code_point(text, len, &pos);
        if (c == 0 || cnt == DNAME_LABEL_MAX)
            break;
        code[cnt] = lower_code_point(c);
        if (code[cnt++] == 0)
            break;
    }
    out[0] = '\0';
}
