/* The query takes the path of all queries - access list, limits, cache, task - so that the
 * explanation shows what a client would get. */
#include "resolver/explain/res_explain.h"

#include "base/now.h"
#include "dns/query.h"
#include "net/request/client.h"
#include "net/request/reply.h"
#include "resolver/iterate/task.h"

enum { REPLY_MAX = 65535, STRING_MAX = 255, WHY_TEXT_MAX = 2 * CAUSE_TEXT_MAX };

/* An explanation in progress.  Lifetime: until its answer has been sent. */
struct explanation {
    struct list link; /* explain->in_progress or explain->finished */
    struct res_explain *owner;
    struct exchange ex;
    struct explain *tree;
    bool is_chaos;
    void (*done)(void *data, struct json *tree, const struct cause *cause);
    void *data;
    uint8_t wire[QUERY_MAX];
    uint8_t reply[REPLY_MAX];
};

/* Lifetime: worker. */
struct res_explain {
    struct res_serve *serve;
    struct list in_progress;
    struct list finished;  /* to be freed later: their code may still be on the stack */
    size_t cnt, chaos_cnt; /* in progress */
};

struct res_explain *res_explain_new(struct res_serve *serve)
{
    struct res_explain *explain = calloc(1, sizeof(*explain));
    if (!explain)
        return NULL;
    explain->serve = serve;
    list_init(&explain->in_progress);
    list_init(&explain->finished);
    return explain;
}

static void free_explanation(struct explanation *a)
{
    list_remove(&a->link);
    explain_free(&a->tree);
    free(a);
}

static void free_finished(struct res_explain *explain)
{
    while (!list_is_empty(&explain->finished))
        free_explanation(container_of(explain->finished.next, struct explanation, link));
}

static void finish_explanation(struct exchange *ex)
{
    struct explanation *a = container_of(ex, struct explanation, ex);
    struct res_explain *owner = a->owner;
    struct cause cause;

    if (explain_has_tasks(a->tree))
        task_unlisten(res_serve_engine(owner->serve), explain_listeners(a->tree));
    struct json *tree = ex->reply_len > 0 ? explain_end(a->tree, ex, &cause) : NULL;
    list_remove(&a->link);
    list_add(&owner->finished, &a->link);
    owner->cnt--;
    owner->chaos_cnt -= a->is_chaos;
    a->done(a->data, tree, tree ? &cause : NULL);
}

static struct exchange *keep_exchange(struct exchange *ex)
{
    return ex; /* it lives until its answer is sent */
}

static struct explanation *new_explanation(struct res_explain *explain,
                                           const struct res_explain_ask *ask)
{
    struct engine *engine = res_serve_engine(explain->serve);
    struct explanation *a = calloc(1, sizeof(*a));
    struct query q = {.flags = MESSAGE_RD,
                      .name = ask->name,
                      .type = ask->type,
                      .has_edns = true,
                      .udp_size = ask->settings->udp_size};

    if (!a)
        return NULL;
    a->tree = explain_new(engine, ask->name, ask->type, &ask->client, ask->has_packets);
    if (!a->tree) {
        free(a);
        return NULL;
    }
    a->owner = explain;
    a->is_chaos = ask->is_chaos;
    a->done = ask->done;
    a->data = ask->data;
    a->ex = (struct exchange){.settings = ask->settings,
                              .transport = EXCHANGE_TCP,
                              .peer = ask->client,
                              .buffer = a->reply,
                              .size = sizeof(a->reply),
                              .send = finish_explanation,
                              .defer = keep_exchange};
    size_t len = query_write(&q, a->wire);
    must(message_parse(a->wire, len, &a->ex.query) == MESSAGE_WHOLE);
    dname_split(message_qname(&a->ex.query), &a->ex.name);
    reply_begin(&a->ex);
    list_init(&a->link);
    return a;
}

/* Count the explanations of class CH of this client. */
static size_t count_client_explanations(const struct res_explain *explain,
                                        const struct addr *client)
{
    size_t cnt = 0;

    list_for_each(const struct explanation, a, &explain->in_progress, link) {
        cnt += a->is_chaos && client_is_same(&a->ex.peer, client);
    }
    return cnt;
}

static bool may_begin_explanation(const struct res_explain *explain,
                                  const struct res_explain_ask *ask)
{
    if (explain->cnt >= RES_EXPLAIN_MAX)
        return false;
    return !ask->is_chaos ||
           (explain->chaos_cnt < RES_EXPLAIN_CHAOS_MAX &&
            count_client_explanations(explain, &ask->client) < RES_EXPLAIN_CLIENT_MAX);
}

enum err res_explain_begin(struct res_explain *explain, const struct res_explain_ask *ask)
{
    free_finished(explain);
    if (!may_begin_explanation(explain, ask))
        return ERR_LIMIT;
    struct explanation *a = new_explanation(explain, ask);
    if (!a)
        return ERR_NOMEM;
    list_add(&explain->in_progress, &a->link);
    explain->cnt++;
    explain->chaos_cnt += ask->is_chaos;
    struct res_serve_terms terms = {.listeners = explain_listeners(a->tree),
                                    .fresh_ms = ask->is_fresh ? now_wall_ms() : 0};
    res_serve_listen(explain->serve, &a->ex, &terms);
    return ERR_OK;
}

void res_explain_free(struct res_explain **explain)
{
    if (!*explain)
        return;
    free_finished(*explain);
    while (!list_is_empty(&(*explain)->in_progress))
        free_explanation(container_of((*explain)->in_progress.next, struct explanation, link));
    free(*explain);
    *explain = NULL;
}

/* ---- why.NAME ---- */

/* Answer with one TXT record of as many strings as needed. */
static void answer_text(struct exchange *ex, const char *text)
{
    uint8_t rdata[WHY_TEXT_MAX + WHY_TEXT_MAX / STRING_MAX + 2];
    size_t left = util_min(strlen(text), WHY_TEXT_MAX), len = 0;
    struct builder_owner owner = {.at = MESSAGE_HEADER_LEN};

    do {
        size_t part = util_min(left, STRING_MAX);
        rdata[len++] = (uint8_t)part;
        memcpy(rdata + len, text, part);
        len += part;
        text += part;
        left -= part;
    } while (left > 0);
    reply_begin(ex); /* other answers may have used its buffer meanwhile */
    ex->flags |= MESSAGE_AA;
    if (builder_record(&ex->out, MESSAGE_ANSWER, owner, RRTYPE_TXT, RRTYPE_CLASS_CH, 0, rdata,
                       len) != ERR_OK)
        ex->flags |= MESSAGE_TC;
    reply_send(ex, RRTYPE_RCODE_NOERROR);
}

static void answer_why(void *data, struct json *tree, const struct cause *cause)
{
    struct exchange *ex = data;
    char text[WHY_TEXT_MAX];

    json_free(&tree);
    if (!cause) {
        reply_drop(ex);
        return;
    }
    snprintf(text, sizeof(text), "%s%s%s", cause->text, *cause->advice ? " " : "",
             cause->advice);
    answer_text(ex, text);
}

bool res_explain_chaos(struct res_explain *explain, struct exchange *ex)
{
    static const uint8_t why[] = "\3why";
    const uint8_t *name = message_qname(&ex->query);
    const struct policy *policy = res_serve_engine(explain->serve)->policy;

    if (dname_labels(name) < 2 || !dname_is_same(name, why, 4) ||
        !addr_is_in(&policy->allow, &ex->peer) ||
        (ex->query.qtype != RRTYPE_TXT && ex->query.qtype != RRTYPE_ANY))
        return false;
    if (exchange_may_be_spoofed(ex)) { /* each explanation takes up one of a few for seconds */
        reply_ask_again(ex);
        return true;
    }
    struct exchange *deferred = ex->defer(ex);
    if (!deferred) {
        reply_send(ex, RRTYPE_RCODE_SERVFAIL);
        return true;
    }
    struct res_explain_ask ask = {.settings = deferred->settings,
                                  .name = message_qname(&deferred->query) + 4,
                                  .type = RRTYPE_A,
                                  .client = deferred->peer,
                                  .is_chaos = true,
                                  .done = answer_why,
                                  .data = deferred};
    if (res_explain_begin(explain, &ask) != ERR_OK) {
        reply_begin(deferred);
        reply_explain(deferred, EDNS_EDE_OTHER, "too many explanations are in progress");
        reply_send(deferred, RRTYPE_RCODE_SERVFAIL);
    }
    return true;
}
