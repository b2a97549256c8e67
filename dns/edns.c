/* An option that is not known is skipped (RFC 6891 6.1.2); one that runs over the RDATA is
 * FORMERR. */
#include "dns/edns.h"

#include "dns/rrtype.h"

enum { EDNS_DO = 0x8000 };

static void read_option(struct cursor *opts, struct edns *e)
{
    uint16_t code = cursor_u16(opts);
    cursor_bytes(opts, cursor_u16(opts));
    if (code == EDNS_OPTION_NSID)
        e->has_nsid = true;
}

enum err edns_parse(struct cursor *c, struct edns *out)
{
    struct edns e = {0};
    unsigned options = 0;

    e.udp_size = cursor_u16(c);
    e.ext_rcode = cursor_u8(c);
    e.version = cursor_u8(c);
    e.is_do = cursor_u16(c) & EDNS_DO;
    struct cursor opts = cursor_sub(c, cursor_u16(c));
    while (cursor_more(&opts) && options++ < EDNS_OPTIONS_MAX)
        read_option(&opts, &e);
    if (cursor_failed(c))
        return ERR_FORMAT;
    e.is_broken = cursor_failed(&opts) || cursor_more(&opts);
    *out = e;
    return ERR_OK;
}

size_t edns_len(size_t nsid_len) { return EDNS_FIXED_LEN + (nsid_len ? 4 + nsid_len : 0); }

void edns_write(uint8_t *out, const struct edns *edns, const char *nsid, size_t nsid_len)
{
    out[0] = 0; /* the root owns it */
    util_put_u16(out + 1, RRTYPE_OPT);
    util_put_u16(out + 3, edns->udp_size);
    out[5] = edns->ext_rcode;
    out[6] = edns->version;
    util_put_u16(out + 7, edns->is_do ? EDNS_DO : 0);
    util_put_u16(out + 9, (uint16_t)(nsid_len ? 4 + nsid_len : 0));
    if (nsid_len) {
        util_put_u16(out + 11, EDNS_OPTION_NSID);
        util_put_u16(out + 13, (uint16_t)nsid_len);
        memcpy(out + 15, nsid, nsid_len);
    }
}
