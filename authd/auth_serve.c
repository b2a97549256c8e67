/* probe finds the zone and asks for the index line of every question of a batch before the
 * first one is answered, so that their cache misses overlap. */
#include "authd/auth_serve.h"

#include "authd/respond.h"
#include "net/reply.h"

/* Lifetime: worker. */
struct auth_serve {
    struct publish *publish;
    size_t worker;
    const struct zoneset *set; /* this turn's version */
};

void *auth_serve_new(struct publish *publish, size_t worker)
{
    struct auth_serve *engine = calloc(1, sizeof(*engine));
    if (engine)
        *engine = (struct auth_serve){.publish = publish, .worker = worker};
    return engine;
}

void auth_serve_free(void *engine) { free(engine); }

static void turn(void *data)
{
    struct auth_serve *engine = data;
    engine->set = publish_take(engine->publish, engine->worker);
}

static void probe(void *data, struct exchange *const *batch, size_t cnt)
{
    const struct auth_serve *engine = data;

    for (size_t i = 0; i < cnt; i++) {
        const struct dname_parts *name = &batch[i]->name;
        const struct zone *zone = respond_choose_zone(engine->set, name, batch[i]->query.qtype);
        batch[i]->probed = zone;
        if (zone && zone->is_loaded)
            index_prefetch(&zone->index, name->hash[name->labels]);
    }
}

static void serve(void *data, struct exchange *ex)
{
    const struct auth_serve *engine = data;
    const struct zone *zone = ex->probed;

    bool is_any_class = ex->query.qclass == RRTYPE_CLASS_ANY;

    if ((ex->query.qclass != RRTYPE_CLASS_IN && !is_any_class) || !zone) {
        reply_explain(ex, EDNS_EDE_NOT_AUTHORITATIVE, "");
        reply_send(ex, RRTYPE_RCODE_REFUSED);
        return;
    }
    switch (ex->query.qtype) {
    case RRTYPE_AXFR:
    case RRTYPE_IXFR: /* nobody is allowed to transfer yet */
        reply_explain(ex, EDNS_EDE_PROHIBITED, "transfers are not allowed");
        reply_send(ex, RRTYPE_RCODE_REFUSED);
        return;
    case RRTYPE_MAILA:
    case RRTYPE_MAILB: reply_send(ex, RRTYPE_RCODE_NOTIMP); return;
    case 0:
    case RRTYPE_OPT:
    case RRTYPE_TSIG:
    case RRTYPE_TKEY: reply_send(ex, RRTYPE_RCODE_FORMERR); return;
    default: break;
    }
    if (zone->is_loaded) {
        respond(ex, engine->set, zone);
    } else {
        reply_explain(ex, EDNS_EDE_INVALID_DATA, "the zone could not be loaded");
        reply_send(ex, RRTYPE_RCODE_SERVFAIL);
    }
}

const struct service auth_serve_service = {.probe = probe, .serve = serve, .turn = turn};
