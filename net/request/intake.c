/* The order of the checks is that of docs/ANSWERS.md: drops first, then NOTIMP, FORMERR,
 * BADVERS. */
#include "net/request/intake.h"

#include "base/now.h"
#include "net/request/chaos.h"
#include "net/request/reply.h"

/* RFC 7873 5.2: check the cookie, and prepare the one that the answer carries. */
static void check_query_cookie(struct exchange *ex)
{
    const struct edns *edns = &ex->query.edns;
    struct cookie_client client = {.cookie = edns->cookie};
    bool is_old = false;

    ex->cookie = EXCHANGE_COOKIE_NONE;
    if (!ex->query.has_edns || edns->is_broken || edns->cookie_len == 0)
        return;
    const uint8_t *server = edns->cookie + COOKIE_CLIENT_LEN;
    size_t len = edns->cookie_len - (size_t)COOKIE_CLIENT_LEN;
    uint32_t now_s = (uint32_t)(now_wall_ms() / 1000);
    client.address = addr_bytes(&ex->peer, &client.address_len);
    ex->cookie = EXCHANGE_COOKIE_NEW;
    if (cookie_check(ex->settings->cookies, &client, server, len, now_s, &is_old))
        ex->cookie = EXCHANGE_COOKIE_VALID;
    if (ex->cookie == EXCHANGE_COOKIE_VALID && !is_old)
        memcpy(ex->opt.server_cookie, server, COOKIE_SERVER_LEN);
    else
        cookie_make(ex->settings->cookies, &client, now_s, ex->opt.server_cookie);
}

/* True if the rate limit lets an answer through.  False: the query has been dropped, or the
 * client was asked to repeat it.  Only a source address that may be spoofed is limited. */
static bool pass_rate_limit(struct exchange *ex, enum message_state state, uint64_t now_us)
{
    if (now_us == 0 || !exchange_may_be_spoofed(ex))
        return true;
    enum rate_limit_verdict verdict =
        rate_limit_spend(ex->settings->rate_limit, &ex->peer, now_us, ex->turn);
    if (verdict == RATE_LIMIT_PASS)
        return true;
    /* only an ordinary query may be answered with a truncated NOERROR */
    bool is_plain = state == MESSAGE_WHOLE && ex->query.has_question &&
                    message_opcode(&ex->query) == RRTYPE_OPCODE_QUERY &&
                    !(ex->query.has_edns && ex->query.edns.version > 0);
    ex->opt.nsid = ""; /* keep the answer small */
    if (verdict == RATE_LIMIT_DROP || !is_plain)
        reply_drop(ex);
    else
        reply_ask_again(ex);
    return false;
}

/* RFC 7873 5.4: a query for a server cookie, with no question. */
static bool asks_for_cookie(const struct exchange *ex, enum message_state state)
{
    const struct message *q = &ex->query;
    return state == MESSAGE_WHOLE && ex->cookie != EXCHANGE_COOKIE_NONE &&
           q->cnt[MESSAGE_QUESTION] == 0 && q->cnt[MESSAGE_ANSWER] == 0 &&
           q->cnt[MESSAGE_AUTHORITY] == 0 && q->cnt[MESSAGE_ADDITIONAL] == 1;
}

/* True if the engine shall serve the query; otherwise it has been answered or dropped. `now_us`
 * is 0 if answers are not limited. */
static bool admit_query(struct exchange *ex, const uint8_t *wire, size_t len, uint64_t now_us)
{
    enum message_state state = message_parse(wire, len, &ex->query);

    ex->flags = 0;
    ex->reply_len = 0;
    ex->probed = NULL;
    /* A response is never answered: two servers could loop for ever (CVE-2024-2169). */
    if (state == MESSAGE_SHORT || (ex->query.flags & MESSAGE_QR)) {
        reply_drop(ex);
        return false;
    }
    if (ex->query.has_question)
        dname_split(message_qname(&ex->query), &ex->name);
    check_query_cookie(ex);
    reply_begin(ex);
    if (!pass_rate_limit(ex, state, now_us))
        return false;
    if (message_opcode(&ex->query) != RRTYPE_OPCODE_QUERY) {
        reply_explain(ex, EDNS_EDE_NOT_SUPPORTED, "");
        reply_send(ex, RRTYPE_RCODE_NOTIMP);
        return false;
    }
    bool is_broken =
        state != MESSAGE_WHOLE || (!ex->query.has_question && !asks_for_cookie(ex, state));
    if (is_broken) {
        reply_send(ex, RRTYPE_RCODE_FORMERR);
        return false;
    }
    if (ex->query.has_edns && ex->query.edns.version > 0) {
        reply_send(ex, RRTYPE_RCODE_BADVERS);
        return false;
    }
    if (!ex->query.has_question) { /* RFC 7873 5.4: BADCOOKIE for a wrong one */
        bool is_wrong = ex->query.edns.cookie_len > COOKIE_CLIENT_LEN &&
                        ex->cookie != EXCHANGE_COOKIE_VALID;
        reply_send(ex, is_wrong ? RRTYPE_RCODE_BADCOOKIE : RRTYPE_RCODE_NOERROR);
        return false;
    }
    return true;
}

void intake_batch(const struct service *service, void *engine, struct exchange *const *batch,
                  const uint8_t *const *wire, const size_t *len, size_t cnt)
{
    struct exchange *admitted[INTAKE_BATCH_MAX];
    size_t admitted_cnt = 0;

    must(cnt >= 1 && cnt <= INTAKE_BATCH_MAX);
    /* read the clock once per batch */
    uint64_t now_us = rate_limit_is_on(batch[0]->settings->rate_limit) ? now_mono_us() : 0;
    for (size_t i = 0; i < cnt; i++) {
        if (!admit_query(batch[i], wire[i], len[i], now_us))
            continue;
        if (batch[i]->query.qclass == RRTYPE_CLASS_CH)
            chaos_serve(service, engine, batch[i]);
        else
            admitted[admitted_cnt++] = batch[i];
    }
    if (service->probe && admitted_cnt > 0)
        service->probe(engine, admitted, admitted_cnt);
    for (size_t i = 0; i < admitted_cnt; i++)
        service->serve(engine, admitted[i]);
}
