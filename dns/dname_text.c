/* Errors have the offset of the wrong byte, so that a caret can be printed under it. */
#include "dns/dname_text.h"

size_t dname_text_escape(const char *text, size_t len, uint8_t *byte)
{
    if (len == 0)
        return 0;
    if (!util_is_digit(text[0])) {
        *byte = (uint8_t)text[0];
        return 1;
    }
    if (len < 3 || !util_is_digit(text[1]) || !util_is_digit(text[2]))
        return 0;
    int value = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
    if (value > 255)
        return 0;
    *byte = (uint8_t)value;
    return 3;
}

/* Lifetime: one call. */
struct name_reader {
    uint8_t *out;
    size_t at;    /* where the next octet goes */
    size_t label; /* where the current label's length octet is */
    const char *why;
};

static bool add_label_octet(struct name_reader *r, uint8_t byte)
{
    if (r->at - r->label > DNAME_LABEL_MAX) {
        r->why = "a label is longer than 63 octets";
        return false;
    }
    if (r->at >= DNAME_MAX - 1) {
        r->why = "a name is longer than 255 octets";
        return false;
    }
    r->out[r->at++] = byte;
    return true;
}

static bool end_label(struct name_reader *r)
{
    if (r->at == r->label + 1) {
        r->why = "a label is empty";
        return false;
    }
    if (r->at > DNAME_MAX - 1) {
        r->why = "a name is longer than 255 octets";
        return false;
    }
    r->out[r->label] = (uint8_t)(r->at - r->label - 1);
    r->label = r->at++;
    return true;
}

static bool finish_name(struct name_reader *r, bool is_absolute, const uint8_t *origin,
                        size_t *wire_len)
{
    if (!is_absolute) {
        if (!end_label(r))
            return false;
        if (!origin) {
            r->why = "the name must end in a dot here";
            return false;
        }
        size_t origin_len = dname_len(origin);
        if (r->label + origin_len > DNAME_MAX) {
            r->why = "a name is longer than 255 octets once the origin is added";
            return false;
        }
        memcpy(r->out + r->label, origin, origin_len);
        *wire_len = r->label + origin_len;
        return true;
    }
    r->out[r->label] = 0;
    *wire_len = r->label + 1;
    return true;
}

static bool read_labels(struct name_reader *r, const char *text, size_t len, size_t *pos,
                        bool *is_absolute)
{
    for (; *pos < len; (*pos)++) {
        uint8_t byte = (uint8_t)text[*pos];
        if (byte == '.') {
            if (!end_label(r))
                return false;
            *is_absolute = *pos + 1 == len;
            continue;
        }
        if (byte == '\\') {
            size_t used = dname_text_escape(text + *pos + 1, len - *pos - 1, &byte);
            if (used == 0) {
                r->why = "expected \\DDD with DDD up to 255, or \\ and one character";
                return false;
            }
            *pos += used;
        }
        if (!add_label_octet(r, byte))
            return false;
    }
    return true;
}

enum err dname_text_read(const char *text, size_t len, const uint8_t *origin,
                         uint8_t out[DNAME_MAX], size_t *wire_len, struct fault *fault,
                         size_t *where)
{
    uint8_t name[DNAME_MAX + 1];
    struct name_reader r = {.out = name, .at = 1};
    bool is_absolute = false;
    size_t pos = 0;
    bool is_read;

    if (len == 1 && text[0] == '.') {
        out[0] = 0;
        *wire_len = 1;
        return ERR_OK;
    }
    if (len == 1 && text[0] == '@' && origin) {
        *wire_len = dname_len(origin);
        memcpy(out, origin, *wire_len);
        return ERR_OK;
    }
    if (len == 0) {
        r.why = "expected a name";
        is_read = false;
    } else {
        is_read = read_labels(&r, text, len, &pos, &is_absolute) &&
                  finish_name(&r, is_absolute, origin, wire_len);
    }
    if (is_read) {
        memcpy(out, name, *wire_len);
        return ERR_OK;
    }
    if (where)
        *where = pos < len ? pos : 0;
    return fault_set(fault, ERR_FORMAT, "%s", r.why);
}

void dname_text_print(const uint8_t *name, char out[DNAME_TEXT_MAX])
{
    char *p = out;
    if (*name == 0)
        *p++ = '.';
    for (; *name; name += *name + 1) {
        for (unsigned i = 1; i <= *name; i++) {
            uint8_t c = name[i];
            if (c <= 0x20 || c >= 0x7f)
                p += sprintf(p, "\\%03u", c);
            else {
                if (strchr(".\\\"();@$", c))
                    *p++ = '\\';
                *p++ = (char)c;
            }
        }
        *p++ = '.';
    }
    *p = '\0';
}
