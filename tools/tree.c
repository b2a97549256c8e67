/* Reads nothing but the JSON: whatever stands here stands there too. */
#include "tools/tree.h"

enum { SHORT_DATA = 120 };

static const char *get(const struct json *from, const char *key)
{
    return json_get_text(from, key, "");
}

/* An address without port 53, which is everybody's. */
static const char *plain(const char *address, char out[80])
{
    snprintf(out, 80, "%s", address);
    char *at = strchr(out, '@');
    if (at && strcmp(at, "@53") == 0)
        *at = '\0';
    return out;
}

static void print_steps(struct terminal *p, const struct json *steps, bool is_all);

/* ---- parts of a question ---- */

static void print_servers(struct terminal *p, bool is_last, const struct json *of)
{
    const struct json *servers = json_find(of, "servers");
    char text[TERMINAL_TEXT_MAX], room[80];

    for (size_t i = 0; i < json_count(servers); i++) {
        const struct json *server = json_at(servers, i), *all = json_find(server, "addresses");
        size_t len = (size_t)snprintf(text, sizeof(text), "%s", get(server, "name"));
        for (size_t n = 0; n < json_count(all) && len + 82 < sizeof(text); n++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, " %s",
                                    plain(json_text(json_at(all, n)), room));
        terminal_more(p, is_last, TERMINAL_PLAIN, "%s%s", text,
                      json_count(all) ? "" : " (no address is known yet)");
    }
}

static void print_record(struct terminal *p, bool is_last, const struct json *r)
{
    bool is_taken = json_get_bool(r, "taken", true);
    const char *data = get(r, "data");
    bool is_long = strlen(data) > SHORT_DATA;

    terminal_more(p, is_last, is_taken ? TERMINAL_GREEN : TERMINAL_RED, "%s %s %s %.*s%s",
                  is_taken ? "+" : "-", get(r, "owner"), get(r, "type"),
                  is_long ? SHORT_DATA : (int)strlen(data), data, is_long ? "..." : "");
    if (!is_taken)
        terminal_more(p, is_last, TERMINAL_DIM, "  not taken: %s", get(r, "reason"));
}

static void print_records(struct terminal *p, bool is_last, const struct json *ask)
{
    const struct json *records = json_find(ask, "records");
    size_t cnt = json_count(records), shown = cnt > 12 ? 8 : cnt;

    for (size_t i = 0; i < shown; i++)
        print_record(p, is_last, json_at(records, i));
    size_t more = cnt - shown + (size_t)json_get_number(ask, "more-records", 0);
    if (more > 0)
        terminal_more(p, is_last, TERMINAL_DIM, "  and %zu more (all are in --json)", more);
}

static void print_why(struct terminal *p, bool is_last, const struct json *ask)
{
    const struct json *why = json_find(ask, "why");
    double usual = json_get_real(why, "usual-ms", 0);
    long long of = json_get_number(why, "of", 0);
    char numbers[100] = "";

    if (of > 1)
        snprintf(numbers, sizeof(numbers), " (%lld of %lld addresses)",
                 (long long)json_get_number(why, "among", 0), of);
    size_t len = strlen(numbers);
    if (usual > 0)
        snprintf(numbers + len, sizeof(numbers) - len, ", usually %.2f ms", usual);
    terminal_more(p, is_last, TERMINAL_DIM, "%s%s", get(why, "reason"), numbers);
}

static const char *result_words(const struct json *ask, char out[400])
{
    const char *result = get(ask, "result"), *zone = get(json_find(ask, "leads-to"), "zone");

    if (!*result)
        snprintf(out, 400, "no reply yet when the answer was there");
    else if (strcmp(result, "delegation") == 0)
        snprintf(out, 400, "a delegation to %s", zone);
    else if (strcmp(result, "lame") == 0 || strcmp(result, "error") == 0)
        snprintf(out, 400, "%s, it says %s", result, get(ask, "rcode"));
    else
        snprintf(out, 400, "%s", result);
    return out;
}

static bool is_good(const struct json *ask)
{
    static const char *const good[] = {"answer",   "alias",      "no data",
                                       "NXDOMAIN", "delegation", "truncated"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (strcmp(get(ask, "result"), good[i]) == 0)
            return true;
    return false;
}

static void print_ask(struct terminal *p, bool is_last, const struct json *ask)
{
    const struct json *refused = json_find(ask, "refused");
    const char *transport = get(ask, "transport");
    bool is_tcp = strcmp(transport, "UDP") != 0;
    char room[80], words[400];

    terminal_node(p, is_last, TERMINAL_BOLD, "ask", "%s %s: %s %s%s%s", get(ask, "server-name"),
                  plain(get(ask, "server"), room), get(ask, "name"), get(ask, "type"),
                  is_tcp ? ", over " : "", is_tcp ? transport : "");
    if (!is_tcp)
        print_why(p, is_last, ask);
    for (size_t i = 0; i < json_count(refused); i++) {
        const struct json *one = json_at(refused, i);
        terminal_more(p, is_last, TERMINAL_RED, "! a reply from %s was not believed: %s",
                      plain(get(one, "from"), room), get(one, "reason"));
    }
    terminal_more(p, is_last, is_good(ask) ? TERMINAL_PLAIN : TERMINAL_YELLOW, "%.2f ms: %s",
                  json_get_real(ask, "rtt-ms", 0), result_words(ask, words));
    print_records(p, is_last, ask);
}

/* ---- steps ---- */

static void print_zone(struct terminal *p, bool is_last, const struct json *zone)
{
    char ttl[60] = "";

    if (json_find(zone, "ttl"))
        snprintf(ttl, sizeof(ttl), ", for another %lld s",
                 (long long)json_get_number(zone, "ttl", 0));
    terminal_node(p, is_last, TERMINAL_PLAIN, "zone", "%s, known from the %s%s",
                  get(zone, "zone"), get(zone, "from"), ttl);
    print_servers(p, is_last, zone);
}

static void print_cache(struct terminal *p, bool is_last, const struct json *step)
{
    const char *found = get(step, "found"), *server = get(step, "server");
    char room[80];

    if (strcmp(found, "nothing") == 0) {
        terminal_node(p, is_last, TERMINAL_DIM, "cache", "nothing of %s %s", get(step, "name"),
                      get(step, "type"));
        return;
    }
    terminal_node(
        p, is_last, TERMINAL_PLAIN, "cache", "%s %s: %s, %lld of %lld s left%s",
        get(step, "name"), get(step, "type"), found, (long long)json_get_number(step, "ttl", 0),
        (long long)json_get_number(step, "of", 0),
        json_get_bool(step, "stale", false) ? ", ended, but better than nothing" : "");
    if (json_get_bool(step, "new", false))
        terminal_more(p, is_last, TERMINAL_DIM, "learnt just now from %s", plain(server, room));
    else if (*server)
        terminal_more(p, is_last, TERMINAL_DIM, "learnt %lld s ago from %s, %s section, %s",
                      (long long)json_get_number(step, "age-s", 0), plain(server, room),
                      get(step, "section"), get(step, "trust"));
    if (*get(step, "text"))
        terminal_more(p, is_last, TERMINAL_YELLOW, "%s", get(step, "text"));
}

static void print_resolve(struct terminal *p, bool is_last, const struct json *step)
{
    const char *why = get(step, "why"), *outcome = get(step, "outcome");
    bool has_failed = strcmp(outcome, "failed") == 0;

    terminal_node(p, is_last, TERMINAL_BOLD, "find", "%s %s%s%s", get(step, "name"),
                  get(step, "type"), *why ? ", " : "", why);
    if (*get(step, "joined")) {
        terminal_more(p, is_last, TERMINAL_DIM, "%s", get(step, "joined"));
        if (!json_find(step, "steps"))
            return;
    }
    size_t mark = terminal_down(p, is_last);
    print_steps(p, json_find(step, "steps"), false);
    if (has_failed)
        terminal_node(p, true, TERMINAL_RED, "failed", "%s (%.1f ms)", get(step, "cause"),
                      json_get_real(step, "took-ms", 0));
    else if (*outcome)
        terminal_node(p, true, TERMINAL_GREEN, "done", "%.1f ms",
                      json_get_real(step, "took-ms", 0));
    else
        terminal_node(p, true, TERMINAL_DIM, "left",
                      "still under way when the answer was there");
    terminal_up(p, mark);
}

static void print_step(struct terminal *p, bool is_last, const struct json *step)
{
    const char *kind = get(step, "step");

    if (strcmp(kind, "ask") == 0)
        print_ask(p, is_last, step);
    else if (strcmp(kind, "zone") == 0)
        print_zone(p, is_last, step);
    else if (strcmp(kind, "cache") == 0)
        print_cache(p, is_last, step);
    else if (strcmp(kind, "resolve") == 0)
        print_resolve(p, is_last, step);
    else if (strcmp(kind, "local") == 0)
        terminal_node(p, is_last, TERMINAL_PLAIN, "local", "%s %s: %s, of this resolver's own",
                      get(step, "name"), get(step, "type"), get(step, "found"));
    else
        terminal_node(p, is_last, TERMINAL_YELLOW, "note", "%s", get(step, "what"));
}

/* `is_all`: nothing follows the last of them. */
static void print_steps(struct terminal *p, const struct json *steps, bool is_all)
{
    for (size_t i = 0; i < json_count(steps); i++)
        print_step(p, is_all && i + 1 == json_count(steps), json_at(steps, i));
}

/* ---- the whole ---- */

static void print_answer(struct terminal *p, const struct json *tree)
{
    const struct json *answer = json_find(tree, "answer"),
                      *records = json_find(answer, "records");
    const char *rcode = get(answer, "rcode"),
               *ede = get(json_find(answer, "extended-error"), "text");
    bool is_good_answer = strcmp(rcode, "NOERROR") == 0;
    size_t cnt = json_count(records), shown = cnt > 12 ? 8 : cnt;

    terminal_node(p, true, is_good_answer ? TERMINAL_GREEN : TERMINAL_RED, "answer",
                  "%s, %lld question%s to servers, %.1f ms", rcode,
                  (long long)json_get_number(tree, "questions", 0),
                  json_get_number(tree, "questions", 0) == 1 ? "" : "s",
                  json_get_real(tree, "took-ms", 0));
    for (size_t i = 0; i < shown; i++) {
        const struct json *r = json_at(records, i);
        const char *data = get(r, "data");
        bool is_long = strlen(data) > SHORT_DATA;
        terminal_more(p, true, TERMINAL_PLAIN, "%s %lld %s %.*s%s", get(r, "owner"),
                      (long long)json_get_number(r, "ttl", 0), get(r, "type"),
                      is_long ? SHORT_DATA : (int)strlen(data), data, is_long ? "..." : "");
    }
    if (cnt > shown)
        terminal_more(p, true, TERMINAL_DIM, "and %zu more", cnt - shown);
    if (*ede)
        terminal_more(
            p, true, TERMINAL_DIM, "extended error %lld: %s",
            (long long)json_get_number(json_find(answer, "extended-error"), "code", 0), ede);
}

void tree_print(struct terminal *p, const struct json *tree)
{
    const struct json *question = json_find(tree, "question"),
                      *cause = json_find(tree, "cause");

    terminal_print(p, TERMINAL_BOLD, "%s %s", get(question, "name"), get(question, "type"));
    fprintf(p->out, ", as %s would be answered\n", get(question, "client"));
    print_steps(p, json_find(tree, "steps"), false);
    if (json_find(tree, "more-steps"))
        terminal_node(p, false, TERMINAL_DIM, "...",
                      "%lld more parts are left out: the story is too long",
                      (long long)json_get_number(tree, "more-steps", 0));
    print_answer(p, tree);
    fputc('\n', p->out);
    terminal_paragraph(p, TERMINAL_BOLD, "Cause", get(cause, "text"));
    if (*get(cause, "advice"))
        terminal_paragraph(p, TERMINAL_BOLD, "To do", get(cause, "advice"));
}

/* ---- drawing ---- */

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
        if (strcmp(get(step, "step"), "resolve") == 0)
            draw_steps(out, json_find(step, "steps"), number);
        if (strcmp(get(step, "step"), "ask") != 0)
            continue;
        fprintf(out, "  resolver -> \"");
        print_quoted(out, get(step, "server"));
        fprintf(out, "\" [label=\"%u. ", ++*number);
        print_quoted(out, get(step, "name"));
        fputc(' ', out);
        print_quoted(out, get(step, "type"));
        fprintf(out, "\\n");
        print_quoted(out, result_words(step, words));
        fprintf(out, "\", color=%s];\n  \"", is_good(step) ? "forestgreen" : "red");
        print_quoted(out, get(step, "server"));
        fprintf(out, "\" [label=\"");
        print_quoted(out, get(step, "server-name"));
        fprintf(out, "\\n");
        print_quoted(out, get(step, "server"));
        fprintf(out, "\\nfor ");
        print_quoted(out, get(step, "zone"));
        fprintf(out, "\"];\n");
    }
}

void tree_print_dot(FILE *out, const struct json *tree)
{
    const struct json *question = json_find(tree, "question");
    unsigned number = 0;

    fprintf(out, "digraph tree {\n  rankdir=LR;\n  node [shape=box, fontname=sans];\n"
                 "  edge [fontname=sans, fontsize=10];\n  client -> resolver [label=\"");
    print_quoted(out, get(question, "name"));
    fputc(' ', out);
    print_quoted(out, get(question, "type"));
    fprintf(out, "\\n");
    print_quoted(out, get(json_find(tree, "answer"), "rcode"));
    fprintf(out, "\"];\n");
    draw_steps(out, json_find(tree, "steps"), &number);
    fprintf(out, "  label=\"");
    print_quoted(out, get(json_find(tree, "cause"), "text"));
    fprintf(out, "\";\n}\n");
}
