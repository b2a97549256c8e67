/* The only input is the JSON of docs/EXPLAIN.md.  wording.h has the texts for its identifiers.
 */
#include "tools/tree.h"

#include "resolver/iterate/classify.h"
#include "resolver/iterate/wording.h"
#include "tools/cmd.h"
#include "tools/trust_chain.h"

enum { SHORT_DATA = 120 };

/* Copy an address, without the port if that is 53. */
static const char *print_server_addr(const char *address, char out[80])
{
    snprintf(out, 80, "%s", address);
    char *at = strchr(out, '@');
    if (at && strcmp(at, "@53") == 0)
        *at = '\0';
    return out;
}

static void print_steps(struct terminal *p, const struct json *steps, bool is_all);

/* ---- parts of a query ---- */

static void print_servers(struct terminal *p, bool is_last, const struct json *of)
{
    const struct json *servers = json_find(of, "servers");
    char text[TERMINAL_TEXT_MAX], room[80];

    for (size_t i = 0; i < json_count(servers); i++) {
        const struct json *server = json_at(servers, i), *all = json_find(server, "addresses");
        size_t len = (size_t)snprintf(text, sizeof(text), "%s", cmd_text(server, "name"));
        for (size_t n = 0; n < json_count(all) && len + 82 < sizeof(text); n++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, " %s",
                                    print_server_addr(json_text(json_at(all, n)), room));
        terminal_more(p, is_last, TERMINAL_PLAIN, "%s%s", text,
                      json_count(all) ? "" : " (no address known yet)");
    }
}

static void print_record(struct terminal *p, bool is_last, const struct json *r)
{
    bool is_accepted = json_get_bool(r, "accepted", true);
    const char *data = cmd_text(r, "data");
    bool is_long = strlen(data) > SHORT_DATA;

    terminal_more(p, is_last, is_accepted ? TERMINAL_GREEN : TERMINAL_RED, "%s %s %s %.*s%s",
                  is_accepted ? "+" : "-", cmd_text(r, "owner"), cmd_text(r, "type"),
                  is_long ? SHORT_DATA : (int)strlen(data), data, is_long ? "..." : "");
    if (!is_accepted)
        terminal_more(p, is_last, TERMINAL_DIM, "  not accepted: %s",
                      wording_text_of(&wording_omissions, cmd_text(r, "reason")));
}

static void print_records(struct terminal *p, bool is_last, const struct json *query)
{
    const struct json *records = json_find(query, "records");
    size_t cnt = json_count(records), shown = cnt > 12 ? 8 : cnt;

    for (size_t i = 0; i < shown; i++)
        print_record(p, is_last, json_at(records, i));
    size_t more = cnt - shown + (size_t)json_get_number(query, "omitted-records", 0);
    if (more > 0)
        terminal_more(p, is_last, TERMINAL_DIM, "  and %zu more (--json shows all)", more);
}

static void print_choice(struct terminal *p, bool is_last, const struct json *query)
{
    const struct json *choice = json_find(query, "choice");
    double srtt = json_get_real(choice, "srtt-ms", 0);
    long long of = json_get_number(choice, "of", 0);
    char numbers[100] = "";

    if (of > 1)
        snprintf(numbers, sizeof(numbers), " (%lld of %lld addresses)",
                 (long long)json_get_number(choice, "among", 0), of);
    size_t len = strlen(numbers);
    if (srtt > 0)
        snprintf(numbers + len, sizeof(numbers) - len, ", usually %.2f ms", srtt);
    terminal_more(p, is_last, TERMINAL_DIM, "%s%s",
                  wording_text_of(&wording_picks, cmd_text(choice, "reason")), numbers);
}

/* Write the result of a query.  It is an identifier of wording_replies or wording_silences,
 * which have none in common. */
static const char *print_query_result(const struct json *query, char out[400])
{
    const char *result = cmd_text(query, "result"), *rcode = cmd_text(query, "rcode"),
               *detail = cmd_text(query, "detail"), *malformed = cmd_text(query, "malformed");
    const char *text = wording_text_of(&wording_replies, result);
    bool is_error = strcmp(result, wording_id(&wording_replies, CLASSIFY_ERROR)) == 0 ||
                    strcmp(result, wording_id(&wording_replies, CLASSIFY_LAME)) == 0;

    if (text == result)
        text = wording_text_of(&wording_silences, result);
    if (!*result)
        snprintf(out, 400, "no reply before the answer was complete");
    else if (strcmp(result, wording_id(&wording_replies, CLASSIFY_DELEGATION)) == 0)
        snprintf(out, 400, "referral to %s", cmd_text(json_find(query, "delegation"), "zone"));
    else
        snprintf(out, 400, "%s%s%s%s%s", text, is_error ? ", RCODE " : "",
                 is_error ? rcode : "", *detail || *malformed ? ": " : "",
                 *detail ? detail : malformed);
    return out;
}

static bool is_good_result(const struct json *query)
{
    static const enum classify_kind good[] = {CLASSIFY_ANSWER,     CLASSIFY_CHAIN,
                                              CLASSIFY_NODATA,     CLASSIFY_NXDOMAIN,
                                              CLASSIFY_DELEGATION, CLASSIFY_TRUNCATED};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (strcmp(cmd_text(query, "result"), wording_id(&wording_replies, good[i])) == 0)
            return true;
    return false;
}

static void print_query(struct terminal *p, bool is_last, const struct json *query)
{
    const struct json *rejected = json_find(query, "rejected");
    const char *transport = cmd_text(query, "transport");
    bool is_tcp = strcmp(transport, wording_id(&wording_transports, TRACE_UDP)) != 0;
    char room[80], words[400];

    terminal_node(p, is_last, TERMINAL_BOLD, "query", "%s %s: %s %s%s%s",
                  cmd_text(query, "server-name"),
                  print_server_addr(cmd_text(query, "server"), room), cmd_text(query, "name"),
                  cmd_text(query, "type"), is_tcp ? ", over " : "",
                  is_tcp ? wording_text_of(&wording_transports, transport) : "");
    if (!is_tcp)
        print_choice(p, is_last, query);
    for (size_t i = 0; i < json_count(rejected); i++) {
        const struct json *one = json_at(rejected, i);
        terminal_more(p, is_last, TERMINAL_RED, "! rejected a reply from %s: %s",
                      print_server_addr(cmd_text(one, "from"), room),
                      wording_text_of(&wording_rejections, cmd_text(one, "reason")));
    }
    terminal_more(p, is_last, is_good_result(query) ? TERMINAL_PLAIN : TERMINAL_YELLOW,
                  "%.2f ms: %s", json_get_real(query, "rtt-ms", 0),
                  print_query_result(query, words));
    print_records(p, is_last, query);
}

/* ---- keys, signatures and proofs ---- */

enum { SIGNATURES_SHOWN = 4 };

static void print_signatures(struct terminal *p, bool is_last, const char *before,
                             const struct json *of)
{
    const struct json *list = json_find(of, "signatures");
    char text[TERMINAL_TEXT_MAX];

    for (size_t i = 0; i < util_min(json_count(list), SIGNATURES_SHOWN); i++) {
        trust_chain_print_signature(json_at(list, i), text);
        terminal_more(p, is_last, TERMINAL_PLAIN, "%s%s", before, text);
    }
}

static void print_proofs(struct terminal *p, bool is_last, const struct json *of)
{
    const struct json *list = json_find(of, "proofs");
    char text[TERMINAL_TEXT_MAX];

    for (size_t i = 0; i < json_count(list); i++)
        for (size_t n = 0; trust_chain_print_proof(json_at(list, i), n, text); n++)
            terminal_more(p, is_last, TERMINAL_PLAIN, "%s", text);
}

static void print_keys(struct terminal *p, bool is_last, const char *before, const char *after,
                       const struct json *list)
{
    char text[TERMINAL_TEXT_MAX];

    for (size_t i = 0; i < json_count(list); i++) {
        trust_chain_print_key(json_at(list, i), text);
        terminal_more(p, is_last, TERMINAL_PLAIN, "%s%s%s%s", before, text,
                      *after ? " in " : "", after);
    }
}

/* ---- steps ---- */

static void print_zone(struct terminal *p, bool is_last, const struct json *zone)
{
    char ttl[60] = "";

    if (json_find(zone, "ttl"))
        snprintf(ttl, sizeof(ttl), ", expires in %lld s",
                 (long long)json_get_number(zone, "ttl", 0));
    terminal_node(p, is_last, TERMINAL_PLAIN, "zone", "%s, %s%s", cmd_text(zone, "zone"),
                  wording_text_of(&wording_sources, cmd_text(zone, "source")), ttl);
    print_servers(p, is_last, zone);
}

static void print_cache(struct terminal *p, bool is_last, const struct json *step)
{
    const char *found = cmd_text(step, "found"), *server = cmd_text(step, "server");
    char room[80];

    if (!json_find(step, "ttl")) {
        terminal_node(p, is_last, TERMINAL_DIM, "cache", "miss: %s %s", cmd_text(step, "name"),
                      cmd_text(step, "type"));
        return;
    }
    terminal_node(p, is_last, TERMINAL_PLAIN, "cache", "hit: %s %s, %s, TTL %lld of %lld s%s",
                  cmd_text(step, "name"), cmd_text(step, "type"),
                  wording_text_of(&wording_cached, found),
                  (long long)json_get_number(step, "ttl", 0),
                  (long long)json_get_number(step, "original-ttl", 0),
                  json_get_bool(step, "stale", false) ? ", expired (stale answer)" : "");
    if (json_get_bool(step, "synthesised", false))
        terminal_more(p, is_last, TERMINAL_DIM,
                      "made from NSEC records of other names, the oldest cached %lld s ago",
                      (long long)json_get_number(step, "age-s", 0));
    else if (json_get_bool(step, "new", false))
        terminal_more(p, is_last, TERMINAL_DIM, "cached just now from %s",
                      print_server_addr(server, room));
    else if (*server)
        terminal_more(p, is_last, TERMINAL_DIM, "cached %lld s ago from %s, %s section%s%s",
                      (long long)json_get_number(step, "age-s", 0),
                      print_server_addr(server, room), cmd_text(step, "section"),
                      *cmd_text(step, "rank") ? ", " : "",
                      wording_text_of(&wording_ranks, cmd_text(step, "rank")));
    if (*cmd_text(step, "text"))
        terminal_more(p, is_last, TERMINAL_YELLOW, "%s", cmd_text(step, "text"));
    const char *state = cmd_text(step, "validation");
    if (*state && strcmp(found, wording_id(&wording_cached, TRACE_CACHED_FAILURE)) != 0)
        terminal_more(p, is_last, trust_chain_colour(state), "%s",
                      wording_text_of(&wording_security, state));
    print_signatures(p, is_last, "", step);
    print_proofs(p, is_last, step);
}

/* What validation found of an RRset or a denial. */
static void print_validation(struct terminal *p, bool is_last, const struct json *step)
{
    const char *status = cmd_text(step, "status"), *text = cmd_text(step, "text");
    char signature[TERMINAL_TEXT_MAX] = "";
    bool is_denial = !*text && !json_find(step, "tag");

    if (is_denial)
        snprintf(signature, sizeof(signature), " (proved by %s)", cmd_text(step, "zone"));
    else if (!*text)
        snprintf(signature, sizeof(signature), " (key %lld of %s)",
                 (long long)json_get_number(step, "tag", 0), cmd_text(step, "zone"));
    terminal_node(p, is_last, trust_chain_colour(status), "dnssec", "%s%s%s%s is %s%s%s%s",
                  is_denial ? "the denial of " : "", cmd_text(step, "name"),
                  *cmd_text(step, "type") ? " " : "", cmd_text(step, "type"), status,
                  *text ? ": " : "", text, signature);
}

static void print_resolve(struct terminal *p, bool is_last, const struct json *step)
{
    const char *purpose = cmd_text(step, "purpose"), *outcome = cmd_text(step, "outcome");
    bool is_for_client = strcmp(purpose, wording_id(&wording_purposes, TRACE_FOR_CLIENT)) == 0;

    terminal_node(p, is_last, TERMINAL_BOLD, "resolve", "%s %s%s%s", cmd_text(step, "name"),
                  cmd_text(step, "type"), is_for_client ? "" : ", ",
                  is_for_client ? "" : wording_text_of(&wording_purposes, purpose));
    if (json_get_bool(step, "joined", false)) {
        terminal_more(p, is_last, TERMINAL_DIM, "already being resolved");
        if (!json_find(step, "steps"))
            return;
    }
    size_t mark = terminal_down(p, is_last);
    print_steps(p, json_find(step, "steps"), false);
    if (strcmp(outcome, wording_id(&wording_endings, TRACE_ENDED_FAILED)) == 0)
        terminal_node(p, true, TERMINAL_RED, "failed", "%s (%.1f ms)",
                      failure_text_of(cmd_text(step, "failure")),
                      json_get_real(step, "took-ms", 0));
    else if (!*outcome ||
             strcmp(outcome, wording_id(&wording_endings, TRACE_ENDED_UNFINISHED)) == 0)
        terminal_node(p, true, TERMINAL_DIM, "open", "unfinished when the answer was complete");
    else
        terminal_node(p, true, TERMINAL_GREEN, "done", "%.1f ms",
                      json_get_real(step, "took-ms", 0));
    terminal_up(p, mark);
}

static void print_note(struct terminal *p, bool is_last, const struct json *step)
{
    const char *failure = cmd_text(step, "failure");

    terminal_node(p, is_last, TERMINAL_YELLOW, "note", "%s",
                  *failure ? failure_text_of(failure)
                           : wording_text_of(&wording_notes, cmd_text(step, "note")));
}

static void print_step(struct terminal *p, bool is_last, const struct json *step)
{
    const char *kind = cmd_text(step, "step");

    if (strcmp(kind, "query") == 0)
        print_query(p, is_last, step);
    else if (strcmp(kind, "zone") == 0)
        print_zone(p, is_last, step);
    else if (strcmp(kind, "cache") == 0)
        print_cache(p, is_last, step);
    else if (strcmp(kind, "resolve") == 0)
        print_resolve(p, is_last, step);
    else if (strcmp(kind, "validation") == 0)
        print_validation(p, is_last, step);
    else if (strcmp(kind, "local") == 0)
        terminal_node(p, is_last, TERMINAL_PLAIN, "local", "%s %s: %s, local data",
                      cmd_text(step, "name"), cmd_text(step, "type"),
                      wording_text_of(&wording_local, cmd_text(step, "found")));
    else
        print_note(p, is_last, step);
}

/* Print the steps of a node.  `is_all`: no other node follows the last one. */
static void print_steps(struct terminal *p, const struct json *steps, bool is_all)
{
    for (size_t i = 0; i < json_count(steps); i++)
        print_step(p, is_all && i + 1 == json_count(steps), json_at(steps, i));
}

/* ---- the chain of trust ---- */

static void print_trust_zone(struct terminal *p, const struct json *zone)
{
    const struct json *ds = json_find(zone, "ds"), *keys = json_find(zone, "dnskey");
    const char *status = cmd_text(zone, "status"), *text = cmd_text(zone, "text");

    terminal_node(p, false, trust_chain_colour(status), "trust", "%s is %s%s%s",
                  cmd_text(zone, "zone"), status, *text ? ": " : "", text);
    print_keys(p, false, "trust anchor: ", "", json_find(zone, "anchor"));
    print_keys(p, false, "", cmd_text(zone, "parent"), json_find(ds, "records"));
    print_signatures(p, false, "DS ", ds);
    print_keys(p, false, "", "", json_find(keys, "records"));
    print_signatures(p, false, "DNSKEY ", keys);
    print_proofs(p, false, zone);
}

/* ---- the tree ---- */

static void print_answer(struct terminal *p, const struct json *tree)
{
    const struct json *answer = json_find(tree, "answer"),
                      *records = json_find(answer, "records");
    const char *rcode = cmd_text(answer, "rcode"),
               *ede = cmd_text(json_find(answer, "extended-error"), "text");
    bool is_good_answer = strcmp(rcode, "NOERROR") == 0;
    size_t cnt = json_count(records), shown = cnt > 12 ? 8 : cnt;

    terminal_node(p, true, is_good_answer ? TERMINAL_GREEN : TERMINAL_RED, "answer",
                  "%s, %lld %s to servers, %.1f ms", rcode,
                  (long long)json_get_number(tree, "queries", 0),
                  json_get_number(tree, "queries", 0) == 1 ? "query" : "queries",
                  json_get_real(tree, "took-ms", 0));
    for (size_t i = 0; i < shown; i++) {
        const struct json *r = json_at(records, i);
        const char *data = cmd_text(r, "data");
        bool is_long = strlen(data) > SHORT_DATA;
        terminal_more(p, true, TERMINAL_PLAIN, "%s %lld %s %.*s%s", cmd_text(r, "owner"),
                      (long long)json_get_number(r, "ttl", 0), cmd_text(r, "type"),
                      is_long ? SHORT_DATA : (int)strlen(data), data, is_long ? "..." : "");
    }
    if (cnt > shown)
        terminal_more(p, true, TERMINAL_DIM, "and %zu more", cnt - shown);
    if (*ede)
        terminal_more(
            p, true, TERMINAL_DIM, "EDE %lld: %s",
            (long long)json_get_number(json_find(answer, "extended-error"), "code", 0), ede);
}

void tree_print(struct terminal *p, const struct json *tree)
{
    const struct json *question = json_find(tree, "question"),
                      *cause = json_find(tree, "cause");

    terminal_print(p, TERMINAL_BOLD, "%s %s", cmd_text(question, "name"),
                   cmd_text(question, "type"));
    fprintf(p->out, ", answered for client %s\n", cmd_text(question, "client"));
    print_steps(p, json_find(tree, "steps"), false);
    const struct json *trust = json_find(tree, "trust");
    for (size_t i = 0; i < json_count(trust); i++)
        print_trust_zone(p, json_at(trust, i));
    if (json_find(tree, "omitted-steps"))
        terminal_node(p, false, TERMINAL_DIM, "...", "%lld more parts omitted",
                      (long long)json_get_number(tree, "omitted-steps", 0));
    print_answer(p, tree);
    fputc('\n', p->out);
    terminal_paragraph(p, TERMINAL_BOLD, "Cause", cmd_text(cause, "text"));
    if (*cmd_text(cause, "advice"))
        terminal_paragraph(p, TERMINAL_BOLD, "Advice", cmd_text(cause, "advice"));
}

/* ---- graph for dot(1) ---- */

static void print_quoted(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
}

static void draw_steps(FILE *out, const struct json *steps, unsigned *number)
{
    char words[400];

    for (size_t i = 0; i < json_count(steps); i++) {
        const struct json *step = json_at(steps, i);
        if (strcmp(cmd_text(step, "step"), "resolve") == 0)
            draw_steps(out, json_find(step, "steps"), number);
        if (strcmp(cmd_text(step, "step"), "query") != 0)
            continue;
        fprintf(out, "  resolver -> \"");
        print_quoted(out, cmd_text(step, "server"));
        fprintf(out, "\" [label=\"%u. ", ++*number);
        print_quoted(out, cmd_text(step, "name"));
        fputc(' ', out);
        print_quoted(out, cmd_text(step, "type"));
        fprintf(out, "\\n");
        print_quoted(out, print_query_result(step, words));
        fprintf(out, "\", color=%s];\n  \"", is_good_result(step) ? "forestgreen" : "red");
        print_quoted(out, cmd_text(step, "server"));
        fprintf(out, "\" [label=\"");
        print_quoted(out, cmd_text(step, "server-name"));
        fprintf(out, "\\n");
        print_quoted(out, cmd_text(step, "server"));
        fprintf(out, "\\nfor ");
        print_quoted(out, cmd_text(step, "zone"));
        fprintf(out, "\"];\n");
    }
}

void tree_print_dot(FILE *out, const struct json *tree)
{
    const struct json *question = json_find(tree, "question");
    unsigned number = 0;

    fprintf(out, "digraph tree {\n  rankdir=LR;\n  node [shape=box, fontname=sans];\n"
                 "  edge [fontname=sans, fontsize=10];\n  client -> resolver [label=\"");
    print_quoted(out, cmd_text(question, "name"));
    fputc(' ', out);
    print_quoted(out, cmd_text(question, "type"));
    fprintf(out, "\\n");
    print_quoted(out, cmd_text(json_find(tree, "answer"), "rcode"));
    fprintf(out, "\"];\n");
    draw_steps(out, json_find(tree, "steps"), &number);
    fprintf(out, "  label=\"");
    print_quoted(out, cmd_text(json_find(tree, "cause"), "text"));
    fprintf(out, "\";\n}\n");
}
