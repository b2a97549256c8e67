/* Sorted by mnemonic, so that reading a zone file is a binary search; the few types that make
 * up most files are compared first. */
#include "dns/rrtype.h"

#include <stdio.h>
#include <strings.h>

struct row {
    const char *name;
    uint16_t type;
    const char *shape;
};

static const struct row rows[] = {
    {"A", 1, "4"},
    {"A6", 38, "R"},
    {"AAAA", 28, "X"},
    {"AFSDB", 18, "2L"},
    {"AMTRELAY", 260, "1m"},
    {"ANY", 255, ""},
    {"APL", 42, "a"},
    {"ATMA", 34, "1R"},
    {"AVC", 258, "t"},
    {"AXFR", 252, ""},
    {"CAA", 257, "1hr"},
    {"CDNSKEY", 60, "211r"},
    {"CDS", 59, "211R"},
    {"CERT", 37, "221R"},
    {"CNAME", 5, "N"},
    {"CSYNC", 62, "42b"},
    {"DHCID", 49, "R"},
    {"DLV", 32769, "211R"},
    {"DNAME", 39, "L"},
    {"DNSKEY", 48, "211R"},
    {"DOA", 259, "441sr"},
    {"DS", 43, "211R"},
    {"DSYNC", 66, "212P"},
    {"EID", 31, "R"},
    {"EUI48", 108, "24"},
    {"EUI64", 109, "8"},
    {"GID", 102, "r"},
    {"GPOS", 27, "sss"},
    {"HINFO", 13, "ss"},
    {"HIP", 55, "H"},
    {"HTTPS", 65, "2Pv"},
    {"IPSECKEY", 45, "1i"},
    {"ISDN", 20, "t"},
    {"IXFR", 251, ""},
    {"KEY", 25, "211r"},
    {"KX", 36, "2L"},
    {"L32", 105, "24"},
    {"L64", 106, "28"},
    {"LOC", 29, "1111444"},
    {"LP", 107, "2P"},
    {"MAILA", 254, ""},
    {"MAILB", 253, ""},
    {"MB", 7, "N"},
    {"MD", 3, "N"},
    {"MF", 4, "N"},
    {"MG", 8, "N"},
    {"MINFO", 14, "NN"},
    {"MR", 9, "N"},
    {"MX", 15, "2N"},
    {"NAPTR", 35, "22sssL"},
    {"NID", 104, "28"},
    {"NIMLOC", 32, "R"},
    {"NINFO", 56, "t"},
    {"NS", 2, "N"},
    {"NSAP", 22, "R"},
    {"NSAP-PTR", 23, "L"},
    {"NSEC", 47, "Pb"},
    {"NSEC3", 50, "112shb"},
    {"NSEC3PARAM", 51, "112s"},
    {"NULL", 10, "r"},
    {"NXNAME", 128, ""},
    {"NXT", 30, "LR"},
    {"OPENPGPKEY", 61, "R"},
    {"OPT", 41, ""},
    {"PTR", 12, "N"},
    {"PX", 26, "2LL"},
    {"RESINFO", 261, "t"},
    {"RKEY", 57, "211R"},
    {"RP", 17, "LL"},
    {"RRSIG", 46, "2114442LR"},
    {"RT", 21, "2L"},
    {"SIG", 24, "2114442LR"},
    {"SINK", 40, "111r"},
    {"SMIMEA", 53, "111R"},
    {"SOA", 6, "NN44444"},
    {"SPF", 99, "t"},
    {"SRV", 33, "222L"},
    {"SSHFP", 44, "11R"},
    {"SVCB", 64, "2Pv"},
    {"TA", 32768, "211R"},
    {"TALINK", 58, "PP"},
    {"TKEY", 249, ""},
    {"TLSA", 52, "111R"},
    {"TSIG", 250, ""},
    {"TXT", 16, "t"},
    {"UID", 101, "r"},
    {"UINFO", 100, "r"},
    {"UNSPEC", 103, "r"},
    {"URI", 256, "22r"},
    {"WALLET", 262, "t"},
    {"WKS", 11, "41r"},
    {"X25", 19, "s"},
    {"ZONEMD", 63, "411R"},
};

static const struct row *find_row(uint16_t type)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].type == type)
            return &rows[i];
    return NULL;
}

const char *rrtype_shape(uint16_t type)
{
    switch (type) { /* what nearly every zone and answer consists of */
    case RRTYPE_A: return "4";
    case RRTYPE_AAAA: return "X";
    case RRTYPE_NS:
    case RRTYPE_CNAME:
    case RRTYPE_PTR: return "N";
    case RRTYPE_MX: return "2N";
    case RRTYPE_TXT: return "t";
    case RRTYPE_DS: return "211R";
    case RRTYPE_RRSIG: return "2114442LR";
    case RRTYPE_NSEC: return "Pb";
    case RRTYPE_NSEC3: return "112shb";
    default: break;
    }
    const struct row *row = find_row(type);
    return row && !rrtype_is_meta(type) ? row->shape : NULL;
}

/* Order of `len` bytes, which may hold NUL, and a mnemonic. */
static int compare_name(const char *text, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    int order = strncasecmp(text, name, util_min(len, name_len));
    return order ? order : len < name_len ? -1 : len > name_len;
}

/* The number behind `prefix` ("TYPE", "CLASS"), or -1. */
static long read_generic(const char *prefix, const char *text, size_t len)
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
        int order = compare_name(text, len, rows[middle].name);
        if (order == 0) {
            *type = rows[middle].type;
            return ERR_OK;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    long value = read_generic("TYPE", text, len);
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
    const struct row *row = find_row(type);
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
        if (compare_name(text, len, names[i].name) == 0) {
            *class = names[i].class;
            return ERR_OK;
        }
    long value = read_generic("CLASS", text, len);
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

    /* Longest common start among the mnemonics of nearly the same length. */
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
