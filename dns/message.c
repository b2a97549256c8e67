/* The question's name is kept where it stands: the first name of a message has nothing before
 * it to point at, so it is either plain or broken. */
#include "dns/message.h"

static bool read_question(struct cursor *c, struct message *m)
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
    m->has_question = true;
    return true;
}

/* Steps over the owner name; *is_root tells whether it is the root. */
static bool skip_owner(struct cursor *c, bool *is_root)
{
    uint8_t name[DNAME_MAX];
    size_t len;
    if (dname_parse(c, name, &len) != ERR_OK)
        return false;
    *is_root = len == 1;
    return true;
}

static bool read_opt(struct cursor *c, struct message *m, enum message_section section,
                     bool is_root)
{
    /* RFC 6891 6.1.1: at most one, owned by the root, in the additional section */
    if (section != MESSAGE_ADDITIONAL || !is_root || m->has_edns)
        return false;
    if (edns_parse(c, &m->edns) != ERR_OK)
        return false;
    m->has_edns = true;
    return true;
}

static bool read_record(struct cursor *c, struct message *m, enum message_section section,
                        bool is_last)
{
    bool is_root;
    if (!skip_owner(c, &is_root))
        return false;
    uint16_t type = cursor_u16(c);
    if (type == RRTYPE_OPT)
        return read_opt(c, m, section, is_root);
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
    if (out->cnt[MESSAGE_QUESTION] > 1)
        return MESSAGE_BROKEN; /* RFC 9619 */
    if (out->cnt[MESSAGE_QUESTION] == 1 && !read_question(&c, out))
        return MESSAGE_BROKEN;
    out->records_at = c.pos;
    for (int section = MESSAGE_ANSWER; section <= MESSAGE_ADDITIONAL; section++)
        for (unsigned i = out->cnt[section]; i > 0; i--)
            if (!read_record(&c, out, (enum message_section)section, i == 1))
                return MESSAGE_BROKEN;
    return cursor_more(&c) ? MESSAGE_BROKEN : MESSAGE_WHOLE;
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
