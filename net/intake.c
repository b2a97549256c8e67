/* The order of the tests is that of answers.md: silence first, then NOTIMP, FORMERR, BADVERS.
 */
#include "net/intake.h"

#include "net/chaos.h"
#include "net/reply.h"

/* Whether the engine shall see it; if not, it has been answered or dropped. */
static bool admit(struct exchange *ex, const uint8_t *wire, size_t len)
{
    enum message_state state = message_parse(wire, len, &ex->query);

    ex->flags = 0;
    ex->reply_len = 0;
    ex->probed = NULL;
    /* Never answer an answer: two servers would keep each other busy (CVE-2024-2169). */
    if (state == MESSAGE_SHORT || (ex->query.flags & MESSAGE_QR)) {
        reply_drop(ex);
        return false;
    }
    if (ex->query.has_question)
        dname_split(message_qname(&ex->query), &ex->name);
    reply_begin(ex);
    if (message_opcode(&ex->query) != RRTYPE_OPCODE_QUERY) {
        reply_send(ex, RRTYPE_RCODE_NOTIMP);
        return false;
    }
    if (state == MESSAGE_BROKEN || !ex->query.has_question) {
        reply_send(ex, RRTYPE_RCODE_FORMERR);
        return false;
    }
    if (ex->query.has_edns && ex->query.edns.version > 0) {
        reply_send(ex, RRTYPE_RCODE_BADVERS);
        return false;
    }
    if (ex->query.qclass == RRTYPE_CLASS_CH) {
        chaos_serve(ex);
        return false;
    }
    return true;
}

void intake_batch(const struct service *service, void *engine, struct exchange *const *batch,
                  const uint8_t *const *wire, const size_t *len, size_t cnt)
{
    struct exchange *admitted[INTAKE_BATCH_MAX];
    size_t admitted_cnt = 0;

    must(cnt <= INTAKE_BATCH_MAX);
    for (size_t i = 0; i < cnt; i++)
        if (admit(batch[i], wire[i], len[i]))
            admitted[admitted_cnt++] = batch[i];
    if (service->probe && admitted_cnt > 0)
        service->probe(engine, admitted, admitted_cnt);
    for (size_t i = 0; i < admitted_cnt; i++)
        service->serve(engine, admitted[i]);
}
