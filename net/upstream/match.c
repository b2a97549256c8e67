/* What is easiest to forge is compared first: a sender that does not even spoof the source
 * learns nothing about the rest.  All that has to be guessed is in the first fragment of a
 * datagram, so a reply large enough to have been fragmented is rejected; queries advertise a
 * size that avoids fragments. */
#include "net/upstream/match.h"

static bool has_same_question(const struct match *m, const struct message *reply,
                              bool *is_case_same)
{
    const uint8_t *asked = m->wire + MESSAGE_HEADER_LEN,
                  *got = reply->wire + MESSAGE_HEADER_LEN;

    if (!reply->has_question || reply->question_len != m->question_len ||
        !util_is_same(asked, got, m->question_len - 4) ||
        memcmp(asked + m->question_len - 4, got + m->question_len - 4, 4) != 0)
        return false;
    *is_case_same = memcmp(asked, got, m->question_len) == 0;
    return true;
}

/* RFC 7873 5.3: the reply has to have the client cookie; a missing one is accepted from a
 * server that never sent one. */
static bool has_right_cookie(const struct match *m, const struct message *reply)
{
    if (!m->client_cookie)
        return true;
    if (!reply->has_edns || reply->edns.cookie_len == 0)
        return !m->needs_cookie;
    return memcmp(reply->edns.cookie, m->client_cookie, COOKIE_CLIENT_LEN) == 0;
}

/* Over TCP FORMERR and NOTIMP may have no question: old servers omit it if they cannot read the
 * query. */
static bool may_lack_question(const struct match *m, const struct message *reply)
{
    unsigned rcode = reply->flags & 15;
    return m->is_tcp && reply->cnt[MESSAGE_QUESTION] == 0 &&
           (rcode == RRTYPE_RCODE_FORMERR || rcode == RRTYPE_RCODE_NOTIMP);
}

enum match_verdict match_reply(struct match *m, const struct addr *from, uint8_t *wire,
                               size_t len, struct message *reply)
{
    bool is_case_same = true;

    if (m->checks_source && !addr_is_equal(&m->to, from))
        return MATCH_SOURCE;
    enum message_state state = message_parse(wire, len, reply);
    if (state == MESSAGE_SHORT || !(reply->flags & MESSAGE_QR) ||
        message_opcode(reply) != RRTYPE_OPCODE_QUERY)
        return MATCH_NO_REPLY;
    if (m->checks_id && reply->id != util_get_u16(m->wire))
        return MATCH_ID;
    if (m->checks_question && !has_same_question(m, reply, &is_case_same) &&
        !may_lack_question(m, reply))
        return MATCH_QUESTION;
    m->is_case_preserved = is_case_same;
    if (m->checks_case && !is_case_same)
        return MATCH_CASE;
    if (!m->is_tcp && len > m->udp_size)
        return MATCH_LARGE;
    if (state != MESSAGE_WHOLE && state != MESSAGE_TRAILING)
        return MATCH_MALFORMED;
    m->has_trailing = state == MESSAGE_TRAILING;
    m->lacks_cookie = !reply->has_edns || reply->edns.cookie_len == 0;
    if (m->checks_cookie && !m->is_tcp && !has_right_cookie(m, reply))
        return MATCH_COOKIE;
    if (m->name && reply->has_question && reply->question_len == m->question_len)
        memcpy(wire + MESSAGE_HEADER_LEN, m->name, m->question_len - 4);
    return MATCH_OK;
}
