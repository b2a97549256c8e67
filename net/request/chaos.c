/* These names answer without configuration, because students try them first.  Only id.server
 * needs it: the operator chooses the identity (RFC 4892 2.1). */
#include "net/request/chaos.h"

#include "net/request/reply.h"

static const char *find_chaos_text(const struct exchange *ex)
{
    static const char version_bind[] = "\7version\4bind",
                      version_server[] = "\7version\6server";
    static const char hostname_bind[] = "\10hostname\4bind", id_server[] = "\2id\6server";
    const struct exchange_settings *s = ex->settings;
    const uint8_t *name = message_qname(&ex->query);

    if (dname_is_equal(name, (const uint8_t *)version_bind) ||
        dname_is_equal(name, (const uint8_t *)version_server))
        return s->version;
    if (dname_is_equal(name, (const uint8_t *)hostname_bind))
        return *s->identity ? s->identity : s->hostname;
    if (dname_is_equal(name, (const uint8_t *)id_server) && *s->identity)
        return s->identity;
    return NULL;
}

void chaos_serve(const struct service *service, void *engine, struct exchange *ex)
{
    uint8_t rdata[256];
    const char *text = find_chaos_text(ex);
    struct builder_owner owner = {.at = MESSAGE_HEADER_LEN};

    if (!text && service->chaos && service->chaos(engine, ex))
        return;
    if (!text) {
        reply_send(ex, RRTYPE_RCODE_REFUSED);
        return;
    }
    ex->flags |= MESSAGE_AA;
    if (ex->query.qtype == RRTYPE_TXT || ex->query.qtype == RRTYPE_ANY) {
        size_t len = util_min(strlen(text), 255);
        rdata[0] = (uint8_t)len;
        memcpy(rdata + 1, text, len);
        if (builder_record(&ex->out, MESSAGE_ANSWER, owner, RRTYPE_TXT, RRTYPE_CLASS_CH, 0,
                           rdata, len + 1))
            ex->flags |= MESSAGE_TC;
    }
    reply_send(ex, RRTYPE_RCODE_NOERROR);
}
