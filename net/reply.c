/* Size rules: RFC 6891 6.2.5 and the 1232 octets of the 2020 flag day; below 512 means 512. */
#include "net/reply.h"

enum { UDP_MIN = 512 };

static size_t message_limit(const struct exchange *ex)
{
    if (ex->transport != EXCHANGE_UDP)
        return ex->size;
    size_t asked = ex->query.has_edns ? ex->query.edns.udp_size : UDP_MIN;
    return util_min(ex->size, util_min(ex->settings->udp_size, util_max(asked, UDP_MIN)));
}

/* The options that the answer has whatever it says; padding (RFC 8467) would be the last of
 * them, on encrypted transports only. */
static struct edns_answer fixed_options(const struct exchange *ex)
{
    struct edns_answer a = {.udp_size = ex->settings->udp_size,
                            .is_do = ex->query.edns.is_do, /* RFC 3225 3: DO comes back */
                            .nsid = ex->query.edns.has_nsid ? ex->settings->identity : "",
                            .ede = EDNS_EDE_NONE,
                            .ede_text = ""};

    if (ex->cookie != EXCHANGE_COOKIE_NONE) {
        a.client_cookie = ex->query.edns.cookie;
        memcpy(a.server_cookie, ex->server_cookie, sizeof(a.server_cookie));
    }
    if (ex->transport != EXCHANGE_UDP && ex->query.edns.has_keepalive)
        a.keepalive_ms = guard_idle_ms(ex->settings->guard); /* RFC 7828 3.3.2 */
    return a;
}

/* Whether fixed_options has more to say than the fixed part; nearly always it has not. */
static bool has_options(const struct exchange *ex)
{
    return ex->cookie != EXCHANGE_COOKIE_NONE || ex->query.edns.has_nsid ||
           ex->query.edns.has_keepalive;
}

void reply_begin(struct exchange *ex)
{
    size_t room = 0;

    ex->ede = EDNS_EDE_NONE;
    ex->ede_text = "";
    if (ex->query.has_edns && has_options(ex)) {
        struct edns_answer a = fixed_options(ex);
        room = edns_len(&a);
    } else if (ex->query.has_edns) {
        room = EDNS_FIXED_LEN;
    }
    builder_init(&ex->out, ex->buffer, message_limit(ex) - room);
    if (ex->query.has_question)
        builder_question(&ex->out, &ex->query, &ex->name);
}

void reply_explain(struct exchange *ex, enum edns_ede code, const char *text)
{
    ex->ede = (int)code;
    ex->ede_text = text;
}

static void put_opt(struct exchange *ex, unsigned rcode)
{
    struct edns_answer a = fixed_options(ex);
    size_t room = edns_len(&a) + ex->out.limit - ex->out.len;

    a.ext_rcode = (uint8_t)(rcode >> 4);
    a.ede = ex->ede;
    a.ede_text = ex->ede_text;
    if (edns_len(&a) > room) /* the answer matters more than why it is so */
        a.ede = EDNS_EDE_NONE;
    edns_write(ex->buffer + ex->out.len, &a);
    ex->out.len += edns_len(&a);
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
