/* One label: RFC 8145 5.1 has no form for more tags than fit, and no zone has so many keys. */
#include "resolver/validate/anchor_signal.h"

enum { LABEL_MAX = 63 };

enum err anchor_signal_name(const struct anchor *anchor, uint8_t out[DNAME_MAX])
{
    uint16_t tags[ANCHOR_TAGS_MAX];
    size_t cnt = util_min(anchor_tags(anchor, tags), ANCHOR_SIGNAL_MAX);
    char label[LABEL_MAX + 1] = "_ta";
    size_t len = 3, zone_len = dname_len(anchor->zone);

    for (size_t i = 0; i < cnt; i++)
        len += (size_t)snprintf(label + len, sizeof(label) - len, "-%04x", tags[i]);
    if (1 + len + zone_len > DNAME_MAX)
        return ERR_SPACE;
    out[0] = (uint8_t)len;
    memcpy(out + 1, label, len);
    memcpy(out + 1 + len, anchor->zone, zone_len);
    return ERR_OK;
}
