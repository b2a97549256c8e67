/* Sizes over UDP: RFC 6891 6.2.5, where less than 512 means 512, and the configured maximum. */
#include "net/request/reply.h"

enum { UDP_MIN = 512, PADDING_BLOCK = 468 /* RFC 8467 4.1 */ };

static size_t message_limit(const struct exchange *ex)
{
    if (ex->transport != EXCHANGE_UDP)
        return ex->size;
    size_t asked = ex->query.has_edns ? ex->query.edns.udp_size : UDP_MIN;
    return util_min(ex->size, util_min(ex->settings->udp_size, util_max(asked, UDP_MIN)));
}

static bool is_encrypted(const struct exchange *ex)
{
    return ex->transport == EXCHANGE_TLS || ex->transport == EXCHANGE_HTTPS;
}

/* Set the parts of OPT that do not depend on the answer.  intake has set the server cookie. */
static void begin_opt(struct exchange *ex)
{
    const struct edns *asked = &ex->query.edns;
    bool has_idle_time = ex->transport == EXCHANGE_TCP || ex->transport == EXCHANGE_TLS;
    bool wants_keepalive = has_idle_time && asked->has_keepalive;

    ex->opt.udp_size = ex->settings->udp_size;
    ex->opt.is_do = asked->is_do; /* RFC 3225 3: copy DO */
    ex->opt.nsid = asked->has_nsid ? ex->settings->identity : "";
    ex->opt.client_cookie = ex->cookie != EXCHANGE_COOKIE_NONE ? asked->cookie : NULL;
    ex->opt.keepalive_ms =
        wants_keepalive ? conn_limit_idle_ms(ex->settings->conn_limit) : 0; /* RFC 7828 3.3.2 */
    ex->opt.ede = EDNS_EDE_NONE;
    ex->opt.notice = exchange_notice(ex->settings);
    ex->opt.is_padded = is_encrypted(ex) && asked->has_padding;
    ex->opt.padding_len = 0;
}

void reply_begin(struct exchange *ex)
{
    size_t room = 0;

    if (ex->query.has_edns) {
        begin_opt(ex);
        room = edns_len(&ex->opt);
    }
    builder_init(&ex->out, ex->buffer, message_limit(ex) - room);
    if (ex->query.has_question)
        builder_question(&ex->out, &ex->query, &ex->name);
}

void reply_explain(struct exchange *ex, enum edns_ede code, const char *text)
{
    ex->opt.ede = (int)code;
    ex->opt.ede_text = text;
}

/* RFC 8467 4.1: pad to a multiple of the block size, as far as there is room. */
static void pad_answer(struct exchange *ex)
{
    size_t bare = ex->out.len + edns_len(&ex->opt);
    size_t wanted = (bare + PADDING_BLOCK - 1) / PADDING_BLOCK * PADDING_BLOCK;

    ex->opt.padding_len = (uint16_t)(util_min(wanted, ex->size) - bare);
}

static void write_answer_opt(struct exchange *ex, unsigned rcode)
{
    struct edns_answer *opt = &ex->opt;
    size_t room = message_limit(ex) - ex->out.len;

    opt->ext_rcode = (uint8_t)(rcode >> 4);
    opt->notice = exchange_notice(ex->settings); /* that of the beginning may be freed */
    if (edns_len(opt) > room)                    /* the answer matters more than the reason */
        opt->ede = EDNS_EDE_NONE;
    if (edns_len(opt) > room) /* a longer one than that for which room was reserved */
        opt->notice = "";
    if (opt->is_padded)
        pad_answer(ex);
    edns_write(ex->buffer + ex->out.len, opt);
    ex->out.len += edns_len(opt);
    ex->out.cnt[MESSAGE_ADDITIONAL]++;
}

void reply_send(struct exchange *ex, unsigned rcode)
{
    const uint16_t copied =
        MESSAGE_RD | 0x7800; /* RD and the opcode; CD is cleared (RFC 4035 3.1.6) */
    uint8_t *header = ex->buffer;

    if (ex->query.has_edns)
        write_answer_opt(ex, rcode);
    util_put_u16(header, ex->query.id);
    util_put_u16(header + 2, (uint16_t)(MESSAGE_QR | (ex->query.flags & copied) | ex->flags |
                                        (rcode & 15)));
    for (int i = 0; i < 4; i++)
        util_put_u16(header + 4 + 2 * i, ex->out.cnt[i]);
    ex->reply_len = ex->out.len;
    ex->send(ex);
}

void reply_ask_again(struct exchange *ex)
{
    if (ex->cookie == EXCHANGE_COOKIE_NEW) {
        reply_send(ex, RRTYPE_RCODE_BADCOOKIE);
        return;
    }
    ex->flags |= MESSAGE_TC;
    reply_send(ex, RRTYPE_RCODE_NOERROR);
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
