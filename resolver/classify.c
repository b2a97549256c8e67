/* The order matters: an RCODE first, then what answers, then what sends elsewhere, and only then what is silent. */
#include "resolver/classify.h"

unsigned classify_rcode(const struct message *reply)
{
    unsigned rcode = reply->flags & 15U;
    return reply->has_edns ? rcode | (unsigned)reply->edns.ext_rcode << 4 : rcode;
}

/* An answer without AA from a server that offers recursion is out of a cache: it does not serve the zone. */
static bool is_from_cache(const struct message *reply)
{
    return !(reply->flags & MESSAGE_AA) && (reply->flags & MESSAGE_RA);
}

static enum classify_kind classify_negative(const struct message *reply,
                                            const struct scrub *scrub, bool is_forward)
{
    if (scrub->delegation)
        return CLASSIFY_DELEGATION;
    if (scrub->soa || (reply->flags & MESSAGE_AA) || (is_forward && !scrub->has_other_ns))
        return CLASSIFY_NODATA;
    /* load balancers answer so for types they do not know */
    if (!is_from_cache(reply) && !scrub->has_other_ns)
        return CLASSIFY_NODATA;
    /* neither data nor a way on (RFC 8499: lame delegation) */
    return CLASSIFY_LAME;
}

enum classify_kind classify_reply(const struct message *reply, const struct scrub *scrub,
                                  bool had_edns, bool is_forward, bool may_be_cached)
{
    unsigned rcode = classify_rcode(reply);
    bool is_dname =
        scrub->chain_cnt > 0 && scrub->chain[scrub->chain_cnt - 1].set->type == RRTYPE_DNAME;

    may_be_cached |= is_forward;
    switch (rcode) {
    case RRTYPE_RCODE_NOERROR: break;
    case RRTYPE_RCODE_NXDOMAIN:
        return may_be_cached || !is_from_cache(reply) || scrub->soa ? CLASSIFY_NXDOMAIN
                                                                    : CLASSIFY_LAME;
    case RRTYPE_RCODE_YXDOMAIN: /* RFC 6672 2.2: the DNAME makes the name too long */
        return is_dname ? CLASSIFY_CHAIN : CLASSIFY_ERROR;
    case RRTYPE_RCODE_BADCOOKIE: return CLASSIFY_BAD_COOKIE;
    case RRTYPE_RCODE_FORMERR:
    case RRTYPE_RCODE_NOTIMP:
        /* RFC 6891 7: who knows EDNS answers with an OPT record */
        return had_edns && !reply->has_edns ? CLASSIFY_NO_EDNS : CLASSIFY_ERROR;
    case RRTYPE_RCODE_BADVERS: return had_edns ? CLASSIFY_NO_EDNS : CLASSIFY_ERROR;
    default: return CLASSIFY_ERROR;
    }
    if (scrub->chain_cnt == 0)
        return classify_negative(reply, scrub, is_forward);
    if (!may_be_cached && is_from_cache(reply))
        return CLASSIFY_LAME;
    return scrub->is_answered ? CLASSIFY_ANSWER : CLASSIFY_CHAIN;
}

const char *classify_name(enum classify_kind kind)
{
    static const char *const names[] = {
        [CLASSIFY_ANSWER] = "answer",         [CLASSIFY_CHAIN] = "alias",
        [CLASSIFY_NODATA] = "no data",        [CLASSIFY_NXDOMAIN] = "NXDOMAIN",
        [CLASSIFY_DELEGATION] = "delegation", [CLASSIFY_LAME] = "lame",
        [CLASSIFY_ERROR] = "error",           [CLASSIFY_NO_EDNS] = "no EDNS",
        [CLASSIFY_BAD_COOKIE] = "bad cookie"};
    return names[kind];
}
