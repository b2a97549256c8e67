/* The order matters: an RCODE first, then what answers, then what sends elsewhere, and only
 * then what is silent. */
#include "resolver/iterate/classify.h"

unsigned classify_rcode(const struct message *reply)
{
    unsigned rcode = reply->flags & 15U;
    return reply->has_edns ? rcode | (unsigned)reply->edns.ext_rcode << 4 : rcode;
}

/* An answer without AA from a server that offers recursion is out of a cache: it does not serve
 * the zone. */
static bool is_from_cache(const struct message *reply)
{
    return !(reply->flags & MESSAGE_AA) && (reply->flags & MESSAGE_RA);
}

/* Nothing but a header and the question, and not from a server that calls itself authoritative.
 */
static bool is_bare(const struct message *reply, const struct scrub *scrub)
{
    return !(reply->flags & MESSAGE_AA) && !scrub->soa && scrub->chain_cnt == 0;
}

static enum classify_kind classify_negative(const struct message *reply,
                                            const struct scrub *scrub, bool is_forward)
{
    if (scrub->delegation)
        return CLASSIFY_DELEGATION;
    if (scrub->soa || (reply->flags & MESSAGE_AA) || (is_forward && !scrub->has_other_ns))
        return CLASSIFY_NODATA;
    /* load balancers answer so for types they do not know, and broken servers for everything */
    if (!is_from_cache(reply) && !scrub->has_other_ns)
        return CLASSIFY_EMPTY;
    /* neither data nor a way on (RFC 8499: lame delegation) */
    return CLASSIFY_LAME;
}

enum classify_kind classify_reply(const struct message *reply, const struct scrub *scrub,
                                  const struct classify_terms *terms)
{
    unsigned rcode = classify_rcode(reply);
    bool is_dname =
        scrub->chain_cnt > 0 && scrub->chain[scrub->chain_cnt - 1].set->type == RRTYPE_DNAME;
    bool may_be_cached = terms->may_be_cached || terms->is_forward;

    switch (rcode) {
    case RRTYPE_RCODE_NOERROR: break;
    case RRTYPE_RCODE_NXDOMAIN:
        if (!scrub->soa && !may_be_cached && is_from_cache(reply))
            return CLASSIFY_LAME;
        return is_bare(reply, scrub) && !terms->is_forward ? CLASSIFY_EMPTY : CLASSIFY_NXDOMAIN;
    case RRTYPE_RCODE_YXDOMAIN: /* RFC 6672 2.2: the DNAME makes the name too long */
        return is_dname ? CLASSIFY_CHAIN : CLASSIFY_ERROR;
    case RRTYPE_RCODE_BADCOOKIE: return CLASSIFY_BAD_COOKIE;
    case RRTYPE_RCODE_FORMERR:
    case RRTYPE_RCODE_NOTIMP:
        /* RFC 6891 7: a server that knows EDNS answers with an OPT record; some (Microsoft DNS
         * of 2008, SonicWALL) reject every option nevertheless */
        if (reply->has_edns && terms->had_options)
            return CLASSIFY_NO_OPTIONS;
        return terms->had_edns ? CLASSIFY_NO_EDNS : CLASSIFY_ERROR;
    case RRTYPE_RCODE_BADVERS: return terms->had_edns ? CLASSIFY_NO_EDNS : CLASSIFY_ERROR;
    default: return CLASSIFY_ERROR;
    }
    if (scrub->chain_cnt == 0)
        return classify_negative(reply, scrub, terms->is_forward);
    if (!may_be_cached && is_from_cache(reply))
        return CLASSIFY_LAME;
    return scrub->is_answered ? CLASSIFY_ANSWER : CLASSIFY_CHAIN;
}
