/* Each reason has a ring of its own, so a flood of one kind does not displace the others. */
#include "resolver/iterate/rejected.h"

struct rejected_item *rejected_note(struct rejected *rejected, enum rejected_reason reason,
                                    const struct match *match, const struct addr *from,
                                    int64_t now_ms)
{
    struct rejected_item *item =
        &rejected->last[reason][rejected->cnt[reason]++ % REJECTED_KEPT];
    const uint8_t *question = match->wire + MESSAGE_HEADER_LEN;

    memset(item, 0, sizeof(*item));
    item->when_ms = now_ms;
    item->from = *from;
    item->server = match->to;
    item->is_tcp = match->is_tcp;
    memcpy(item->name, question, match->question_len - 4);
    item->type = util_get_u16(question + match->question_len - 4);
    return item;
}

void rejected_note_reply(struct rejected *rejected, const struct match *match,
                         const struct out_rejected *reply, int64_t now_ms)
{
    struct rejected_item *item =
        rejected_note(rejected, (enum rejected_reason)reply->why, match, reply->from, now_ms);
    struct message m;

    item->id = util_get_u16(match->wire);
    item->octets = reply->len;
    item->octets_max = match->udp_size;
    if (match->client_cookie)
        memcpy(item->cookie, match->client_cookie, COOKIE_CLIENT_LEN);
    if (message_parse(reply->wire, reply->len, &m) == MESSAGE_SHORT)
        return;
    item->has_header = true;
    item->got_id = m.id;
    item->got_flags = m.flags;
    item->question_cnt = m.cnt[MESSAGE_QUESTION];
    item->has_question = m.has_question;
    if (m.has_question) {
        memcpy(item->got_name, message_qname(&m), m.question_len - 4);
        item->got_type = m.qtype;
    }
    item->has_cookie = m.has_edns && m.edns.cookie_len >= COOKIE_CLIENT_LEN;
    if (item->has_cookie)
        memcpy(item->got_cookie, m.edns.cookie, COOKIE_CLIENT_LEN);
}

const struct rejected_item *rejected_find(const struct rejected *rejected,
                                          enum rejected_reason reason, uint64_t back)
{
    uint64_t cnt = rejected->cnt[reason];
    return back < util_min(cnt, REJECTED_KEPT)
               ? &rejected->last[reason][(cnt - 1 - back) % REJECTED_KEPT]
               : NULL;
}
