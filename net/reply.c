/* Size rules: RFC 6891 6.2.5 and the 1232 octets of the 2020 flag day; below 512 means 512. */
#include "net/reply.h"

enum { UDP_MIN = 512 };

static size_t nsid_len(const struct exchange *ex)
{
    return ex->query.has_edns && ex->query.edns.has_nsid ? strlen(ex->settings->identity) : 0;
}

static size_t message_limit(const struct exchange *ex)
{
    if (ex->transport != EXCHANGE_UDP)
        return ex->size;
    size_t asked = ex->query.has_edns ? ex->query.edns.udp_size : UDP_MIN;
    return util_min(ex->size, util_min(ex->settings->udp_size, util_max(asked, UDP_MIN)));
}

void reply_begin(struct exchange *ex)
{
    size_t room = ex->query.has_edns ? edns_len(nsid_len(ex)) : 0;
    builder_init(&ex->out, ex->buffer, message_limit(ex) - room);
    if (ex->query.has_question)
        builder_question(&ex->out, &ex->query, &ex->name);
}

static void put_opt(struct exchange *ex, unsigned rcode)
{
    struct edns edns = {.udp_size = ex->settings->udp_size,
                        .ext_rcode = (uint8_t)(rcode >> 4),
                        .is_do = ex->query.edns.is_do}; /* RFC 3225 3: DO comes back */
    size_t nsid = nsid_len(ex);
    edns_write(ex->buffer + ex->out.len, &edns, ex->settings->identity, nsid);
    ex->out.len += edns_len(nsid);
    ex->out.cnt[MESSAGE_ADDITIONAL]++;
}

void reply_send(struct exchange *ex, unsigned rcode)
{
    const uint16_t kept =
        MESSAGE_RD | 0x7800; /* RD and the opcode come back; CD is cleared (RFC 4035 3.1.6) */
    uint8_t *header = ex->buffer;

    if (ex->query.has_edns)
        put_opt(ex, rcode);
    util_put_u16(header, ex->query.id);
    util_put_u16(header + 2,
                 (uint16_t)(MESSAGE_QR | (ex->query.flags & kept) | ex->flags | (rcode & 15)));
    for (int i = 0; i < 4; i++)
        util_put_u16(header + 4 + 2 * i, ex->out.cnt[i]);
    ex->reply_len = ex->out.len;
    ex->send(ex);
}

void reply_drop(struct exchange *ex)
{
    ex->reply_len = 0;
    ex->send(ex);
}

void reply_truncate(struct exchange *ex, const struct builder_mark *mark)
{
    builder_rollback(&ex->out, mark);
    ex->flags |= MESSAGE_TC;
}
