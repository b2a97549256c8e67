/* The QNAME is not copied: as the first name of the message it has nothing to point back to, so
 * it is uncompressed or malformed. */
#include "dns/message.h"

static bool parse_question(struct cursor *c, struct message *m)
{
    size_t name_len = dname_check(c->data + c->pos, cursor_left(c));
    if (name_len == 0)
        return false;
    cursor_bytes(c, name_len);
    m->qtype = cursor_u16(c);
    m->qclass = cursor_u16(c);
    if (cursor_failed(c))
        return false;
    m->question_len = (uint16_t)(c->pos - MESSAGE_HEADER_LEN);
    return true;
}

static bool parse_questions(struct cursor *c, struct message *m)
{
    for (unsigned i = 0; i < m->cnt[MESSAGE_QUESTION]; i++)
        if (!parse_question(c, m))
            return false;
    m->has_question = m->cnt[MESSAGE_QUESTION] == 1;
    return true;
}

/* Step over an owner name without following its pointer: following long chains of pointers for
 * every record would be expensive. */
static bool skip_owner_name(struct cursor *c, bool *is_root)
{
    size_t start = c->pos, total = 0;
    for (;;) {
        size_t here = c->pos;
        uint8_t label = cursor_u8(c);
        if (label >= 0xc0) {
            size_t target = ((size_t)(label & 0x3f) << 8) | cursor_u8(c);
            *is_root = false;
            return !cursor_failed(c) && target < here && target >= MESSAGE_HEADER_LEN;
        }
        total += label + 1U;
        cursor_bytes(c, label);
        if (cursor_failed(c) || label > DNAME_LABEL_MAX || total > DNAME_MAX)
            return false;
        if (label == 0) {
            *is_root = c->pos == start + 1;
            return true;
        }
    }
}

static bool parse_opt(struct cursor *c, struct message *m, enum message_section section,
                      bool is_root)
{
    bool is_second = m->has_edns;
    if (edns_parse(c, &m->edns) != ERR_OK)
        return false;
    m->has_edns = true; /* even if malformed: the response must have one too (RFC 6891 7) */
    /* at most one, owned by the root, in the additional section (RFC 6891 6.1.1) */
    return section == MESSAGE_ADDITIONAL && is_root && !is_second && !m->edns.is_broken;
}

static bool parse_record(struct cursor *c, struct message *m, enum message_section section,
                         bool is_last)
{
    bool is_root;
    if (!skip_owner_name(c, &is_root))
        return false;
    uint16_t type = cursor_u16(c);
    if (type == RRTYPE_OPT)
        return parse_opt(c, m, section, is_root);
    if (type == RRTYPE_TSIG && (section != MESSAGE_ADDITIONAL || !is_last))
        return false; /* RFC 8945 5.1 */
    cursor_bytes(c, 6);
    cursor_bytes(c, cursor_u16(c));
    return !cursor_failed(c);
}

enum message_state message_parse(const uint8_t *wire, size_t len, struct message *out)
{
    struct cursor c = cursor_over(wire, len);

    memset(out, 0, offsetof(struct message, edns));
    out->wire = wire;
    out->len = len;
    out->id = cursor_u16(&c);
    out->flags = cursor_u16(&c);
    for (int i = 0; i < 4; i++)
        out->cnt[i] = cursor_u16(&c);
    if (cursor_failed(&c))
        return MESSAGE_SHORT;
    if (!parse_questions(&c, out))
        return MESSAGE_BROKEN;
    out->records_at = c.pos;
    for (int section = MESSAGE_ANSWER; section <= MESSAGE_ADDITIONAL; section++)
        for (unsigned i = out->cnt[section]; i > 0; i--)
            if (!parse_record(&c, out, (enum message_section)section, i == 1))
                return MESSAGE_BROKEN;
    if (out->cnt[MESSAGE_QUESTION] > 1) /* RFC 9619 */
        return MESSAGE_BROKEN;
    return cursor_more(&c) ? MESSAGE_TRAILING : MESSAGE_WHOLE;
}

struct message_walk message_walk(const struct message *m)
{
    struct message_walk walk = {.c = cursor_over(m->wire, m->len),
                                .section = MESSAGE_ANSWER,
                                .left = m->cnt[MESSAGE_ANSWER],
                                .message = m};
    walk.c.pos = m->records_at;
    return walk;
}

bool message_next(struct message_walk *walk, struct message_record *out)
{
    size_t owner_len;

    while (walk->left == 0) {
        if (walk->section == MESSAGE_ADDITIONAL)
            return false;
        walk->section++;
        walk->left = walk->message->cnt[walk->section];
    }
    walk->left--;
    if (dname_parse(&walk->c, out->owner, &owner_len) != ERR_OK)
        return false;
    out->section = walk->section;
    out->type = cursor_u16(&walk->c);
    out->class = cursor_u16(&walk->c);
    out->ttl = cursor_u32(&walk->c);
    out->rdata_len = cursor_u16(&walk->c);
    out->rdata = cursor_bytes(&walk->c, out->rdata_len);
    return !cursor_failed(&walk->c);
}
