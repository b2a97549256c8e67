/* Only five decimal digits make a key tag: any other label is an ordinary name. */
#include "resolver/validate/sentinel.h"

#include "dns/rrtype.h"

enum { DIGITS = 5 };

/* Return the key tag behind `prefix` in the first label of `name`; -1 if it is no such label.
 */
static int read_sentinel_tag(const uint8_t *name, const char *prefix)
{
    size_t len = strlen(prefix);
    int tag = 0;

    if (name[0] != len + DIGITS || !util_is_same(name + 1, (const uint8_t *)prefix, len))
        return -1;
    for (size_t i = 0; i < DIGITS; i++) {
        char c = (char)name[1 + len + i];
        if (!util_is_digit(c))
            return -1;
        tag = tag * 10 + (c - '0');
    }
    return tag <= UINT16_MAX ? tag : -1;
}

static bool has_trusted_tag(const struct anchor *root, int tag)
{
    uint16_t tags[ANCHOR_TAGS_MAX];
    size_t cnt = root ? anchor_tags(root, tags) : 0;

    for (size_t i = 0; i < cnt; i++)
        if (tags[i] == tag)
            return true;
    return false;
}

bool sentinel_fails(const struct anchor *root, const uint8_t *name, uint16_t type)
{
    if (type != RRTYPE_A && type != RRTYPE_AAAA)
        return false;
    int is_ta = read_sentinel_tag(name, "root-key-sentinel-is-ta-");
    int not_ta = read_sentinel_tag(name, "root-key-sentinel-not-ta-");
    return (is_ta >= 0 && !has_trusted_tag(root, is_ta)) ||
           (not_ta >= 0 && has_trusted_tag(root, not_ta));
}
