/* The rows are sorted by mnemonic, for binary search. */
#include "dns/rrtype.h"

#include <stdio.h>
#include <strings.h>

static const struct rrtype_row rows[] = {
#define RRTYPE_ROW(id, name, number, wire, text, target) \
    {(name), (number), (wire), (text), (target)},
#include "dns/rrtype.def"
#undef RRTYPE_ROW
};

/* Indices into `rows`. */
enum place {
#define RRTYPE_ROW(id, name, number, wire, text, target) PLACE_##id,
#include "dns/rrtype.def"
#undef RRTYPE_ROW
};

const struct rrtype_row *rrtype_find(uint16_t type)
{
    switch (type) {
#define RRTYPE_ROW(id, name, number, wire, text, target) \
    case RRTYPE_##id:                                    \
        return &rows[PLACE_##id];
#include "dns/rrtype.def"
#undef RRTYPE_ROW
    default: return NULL;
    }
}

/* Compare `len` bytes, which may include NUL, with a mnemonic. */
static int compare_mnemonic(const char *text, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    int order = strncasecmp(text, name, util_min(len, name_len));
    return order ? order : len < name_len ? -1 : len > name_len;
}

/* Return the number after `prefix` ("TYPE" or "CLASS"), -1 if the text is something else. */
static long parse_numbered_name(const char *prefix, const char *text, size_t len)
{
    size_t skip = strlen(prefix);
    long value = 0;
    if (len <= skip || len > skip + 5 || strncasecmp(text, prefix, skip) != 0)
        return -1;
    for (size_t i = skip; i < len; i++) {
        if (!util_is_digit(text[i]))
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value <= UINT16_MAX ? value : -1;
}

enum err rrtype_read(const char *text, size_t len, uint16_t *type)
{
    size_t low = 0, high = ARRAY_LEN(rows);

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare_mnemonic(text, len, rows[middle].name);
        if (order == 0) {
            *type = rows[middle].type;
            return ERR_OK;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    long value = parse_numbered_name("TYPE", text, len);
    if (value < 0)
        return ERR_FORMAT;
    *type = (uint16_t)value;
    return ERR_OK;
}

void rrtype_print_rcode(unsigned rcode, char out[RRTYPE_NAME_MAX])
{
    static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                        "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
                                        "NXRRSET", "NOTAUTH", "NOTZONE"};
    if (rcode < ARRAY_LEN(names))
        snprintf(out, RRTYPE_NAME_MAX, "%s", names[rcode]);
    else if (rcode == RRTYPE_RCODE_BADVERS || rcode == RRTYPE_RCODE_BADCOOKIE)
        snprintf(out, RRTYPE_NAME_MAX, "%s",
                 rcode == RRTYPE_RCODE_BADVERS ? "BADVERS" : "BADCOOKIE");
    else
        snprintf(out, RRTYPE_NAME_MAX, "RCODE%u", rcode % 65536);
}

void rrtype_print(uint16_t type, char out[RRTYPE_NAME_MAX])
{
    const struct rrtype_row *row = rrtype_find(type);
    if (row)
        snprintf(out, RRTYPE_NAME_MAX, "%s", row->name);
    else
        snprintf(out, RRTYPE_NAME_MAX, "TYPE%u", type);
}

enum err rrtype_read_class(const char *text, size_t len, uint16_t *class)
{
    static const struct {
        const char *name;
        uint16_t class;
    } names[] = {
        {"IN", RRTYPE_CLASS_IN},
        {"CH", RRTYPE_CLASS_CH},
        {"HS", RRTYPE_CLASS_HS},
        {"CS", 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (compare_mnemonic(text, len, names[i].name) == 0) {
            *class = names[i].class;
            return ERR_OK;
        }
    long value = parse_numbered_name("CLASS", text, len);
    if (value < 0)
        return ERR_FORMAT;
    *class = (uint16_t)value;
    return ERR_OK;
}

bool rrtype_is_meta(uint16_t type)
{
    return type == 0 || type == RRTYPE_OPT || (type >= 128 && type <= 255);
}

const char *rrtype_nearest(const char *text, size_t len)
{
    const char *best = NULL;
    size_t best_same = 1;

    /* the longest common prefix, among mnemonics of about the same length */
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t name_len = strlen(rows[i].name), same = 0;
        while (same < len && same < name_len &&
               util_lower((uint8_t)text[same]) == util_lower((uint8_t)rows[i].name[same]))
            same++;
        if (same > best_same && name_len <= len + 2 && len <= name_len + 2) {
            best_same = same;
            best = rows[i].name;
        }
    }
    return best;
}
