/* A lookup reads the zone table, zone, page, bucket and node in turn.  auth_serve_probe takes
 * each of these steps for the whole batch before the next one, so that cache misses overlap. */
#include "authd/answer/auth_serve.h"

#include "authd/answer/respond.h"
#include "net/request/intake.h"
#include "net/request/reply.h"

/* Lifetime: worker. */
struct auth_serve {
    struct publish *publish;
    size_t worker;
    const struct zoneset *set; /* the version that this turn answers from */
};

void *auth_serve_new(struct publish *publish, size_t worker)
{
    struct auth_serve *engine = calloc(1, sizeof(*engine));
    if (engine)
        *engine = (struct auth_serve){.publish = publish, .worker = worker};
    return engine;
}

void auth_serve_free(void *engine) { free(engine); }

static void auth_serve_turn(void *data)
{
    struct auth_serve *engine = data;
    engine->set = publish_take(engine->publish, engine->worker);
}

static uint64_t qname_hash(const struct exchange *ex) { return ex->name.hash[ex->name.labels]; }

static void auth_serve_probe(void *data, struct exchange *const *batch, size_t cnt)
{
    const struct zoneset *set = ((const struct auth_serve *)data)->set;
    const struct zone *zones[INTAKE_BATCH_MAX];

    must(cnt <= INTAKE_BATCH_MAX);
    for (size_t i = 0; i < cnt; i++)
        zoneset_prefetch(set, &batch[i]->name);
    for (size_t i = 0; i < cnt; i++)
        zoneset_prefetch_zones(set, &batch[i]->name);
    for (size_t i = 0; i < cnt; i++) {
        batch[i]->probed = respond_choose_zone(set, &batch[i]->name, batch[i]->query.qtype);
        zones[i] = batch[i]->probed;
        if (zones[i] && !zones[i]->is_loaded)
            zones[i] = NULL;
        if (zones[i])
            index_prefetch_page(&zones[i]->index, qname_hash(batch[i]));
    }
    for (size_t i = 0; i < cnt; i++)
        if (zones[i])
            index_prefetch_bucket(&zones[i]->index, qname_hash(batch[i]));
    for (size_t i = 0; i < cnt; i++)
        if (zones[i])
            index_prefetch_node(&zones[i]->index, qname_hash(batch[i]));
}

static void auth_serve_query(void *data, struct exchange *ex)
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
    case RRTYPE_IXFR: /* no configuration allows a transfer yet */
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

const struct service auth_serve_service = {
    .probe = auth_serve_probe, .serve = auth_serve_query, .turn = auth_serve_turn};
