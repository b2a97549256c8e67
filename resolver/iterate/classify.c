/* The order of the checks matters: the RCODE, then answers and chains, then referrals, then
 * negative and empty replies. */
#include "resolver/iterate/classify.h"

unsigned classify_rcode(const struct message *reply)
{
    unsigned rcode = reply->flags & 15U;
    return reply->has_edns ? rcode | (unsigned)reply->edns.ext_rcode << 4 : rcode;
}

/* A reply with RA and without AA comes from the cache of a resolver, which does not serve the
 * zone. */
static bool is_from_cache(const struct message *reply)
{
    return !(reply->flags & MESSAGE_AA) && (reply->flags & MESSAGE_RA);
}

static bool has_no_authority(const struct message *reply, const struct scrub *scrub)
{
    return !(reply->flags & MESSAGE_AA) && !scrub->soa && scrub->chain_cnt == 0 &&
           scrub->proof_cnt == 0;
}

static enum classify_kind classify_negative(const struct message *reply,
                                            const struct scrub *scrub, bool is_forward)
{
    if (scrub->delegation)
        return CLASSIFY_DELEGATION;
    if (scrub->soa || (reply->flags & MESSAGE_AA) || (is_forward && !scrub->has_other_ns))
        return CLASSIFY_NODATA;
    if (scrub->proof_cnt > 0 && !is_from_cache(reply) && !scrub->has_other_ns)
        return CLASSIFY_NODATA;
    /* load balancers send this for types that they do not know, broken servers for all */
    if (!is_from_cache(reply) && !scrub->has_other_ns)
        return CLASSIFY_EMPTY;
    /* neither data nor a referral downwards (RFC 9499: lame delegation) */
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
        return has_no_authority(reply, scrub) && !terms->is_forward ? CLASSIFY_EMPTY
                                                                    : CLASSIFY_NXDOMAIN;
    case RRTYPE_RCODE_YXDOMAIN: /* RFC 6672 2.2: the name that the DNAME makes is too long */
        return is_dname ? CLASSIFY_CHAIN : CLASSIFY_ERROR;
    case RRTYPE_RCODE_BADCOOKIE: return CLASSIFY_BAD_COOKIE;
    case RRTYPE_RCODE_FORMERR:
    case RRTYPE_RCODE_NOTIMP:
        /* RFC 6891 7: an OPT record in the reply shows that the server supports EDNS.  Some of
         * these reject every option nevertheless (Microsoft DNS of 2008, SonicWALL). */
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
