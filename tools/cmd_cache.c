/* rootline cache: show, flush and count cached data. */
#include "resolver/iterate/wording.h"
#include "tools/ask.h"
#include "tools/cmd.h"
#include "tools/terminal.h"
#include "tools/trust_chain.h"

const char cmd_cache_usage[] =
    "usage: rootline cache show NAME [TYPE] [--json] [--socket PATH]\n"
    "       rootline cache flush NAME [--subtree] [--json] [--socket PATH]\n"
    "       rootline cache stats [--json] [--socket PATH]\n";

static void print_cache_security(struct terminal *p, const struct json *entry)
{
    const struct json *sigs = json_find(entry, "signatures"),
                      *proofs = json_find(entry, "proofs");
    const char *label = "  proof";
    char text[TERMINAL_TEXT_MAX];

    terminal_row(p, "  DNSSEC", "%s",
                 wording_text_of(&wording_security, cmd_text(entry, "validation")));
    for (size_t i = 0; i < json_count(sigs); i++) {
        trust_chain_print_signature(json_at(sigs, i), text);
        terminal_row(p, i ? "" : "  signature", "%s", text);
    }
    for (size_t i = 0; i < json_count(proofs); i++)
        for (size_t n = 0; trust_chain_print_proof(json_at(proofs, i), n, text);
             n++, label = "")
            terminal_row(p, label, "%s", text);
}

static void print_cache_entry(struct terminal *p, const char *name, const struct json *entry)
{
    const struct json *data = json_find(entry, "data");
    const char *from = cmd_text(entry, "from");

    terminal_print(p, TERMINAL_BOLD, "%s %s%s%s", name, cmd_text(entry, "type"),
                   *cmd_text(entry, "type") ? " " : "", cmd_text(entry, "kind"));
    fputc('\n', p->out);
    for (size_t i = 0; i < json_count(data); i++)
        terminal_row(p, i ? "" : "  data", "%s", json_text(json_at(data, i)));
    if (*cmd_text(entry, "text"))
        terminal_row(p, "  text", "%s", cmd_text(entry, "text"));
    if (*cmd_text(entry, "zone"))
        terminal_row(p, "  zone", "%s", cmd_text(entry, "zone"));
    if (json_get_bool(entry, "expired", false))
        terminal_row(p, "  time left", "none: expired %lld s ago, after %lld s",
                     cmd_number(entry, "expired-s-ago"), cmd_number(entry, "original-ttl"));
    else
        terminal_row(p, "  time left", "%lld of %lld s", cmd_number(entry, "ttl"),
                     cmd_number(entry, "original-ttl"));
    terminal_row(p, "  cached", "%s%s%.*s%s%s%s", cmd_text(entry, "cached"),
                 *from ? " from " : "", (int)strcspn(from, "@"), from, *from ? ", " : "",
                 cmd_text(entry, "section"), *from ? " section" : "");
    if (*cmd_text(entry, "rank"))
        terminal_row(p, "  rank", "%s",
                     wording_text_of(&wording_ranks, cmd_text(entry, "rank")));
    if (strcmp(cmd_text(entry, "kind"), "delegation") != 0)
        print_cache_security(p, entry);
    if (json_find(entry, "times"))
        terminal_row(p, "  failed", "%lld times in a row", cmd_number(entry, "times"));
    terminal_row(p, "  used", "%s%lld times recently",
                 cmd_number(entry, "uses") >= 15 ? "at least " : "about ",
                 cmd_number(entry, "uses"));
    if (json_find(entry, "worker"))
        terminal_row(p, "  worker", "%lld", cmd_number(entry, "worker"));
}

/* Print the intervals of a zone in which nothing exists; the zone is named once. */
static void print_cache_denials(struct terminal *p, const struct json *result)
{
    const struct json *denials = json_find(result, "denials");
    const char *zone = "";

    for (size_t i = 0; i < json_count(denials); i++) {
        const struct json *denial = json_at(denials, i);
        if (strcmp(zone, cmd_text(denial, "zone")) != 0) {
            zone = cmd_text(denial, "zone");
            terminal_print(p, TERMINAL_BOLD, "denials of %s (RFC 8198)", zone);
            fputc('\n', p->out);
        }
        char label[20];
        snprintf(label, sizeof(label), "  %s", cmd_text(denial, "type"));
        terminal_row(p, label, "%s to %s; time left %lld of %lld s; used %s%lld times",
                     cmd_text(denial, "owner"), cmd_text(denial, "next"),
                     cmd_number(denial, "ttl"), cmd_number(denial, "original-ttl"),
                     cmd_number(denial, "uses") >= 15 ? "at least " : "about ",
                     cmd_number(denial, "uses"));
    }
    if (cmd_number(result, "denials-omitted") > 0)
        terminal_row(p, "  more", "about %lld before these; ask for a name to see its own",
                     cmd_number(result, "denials-omitted"));
}

static void print_cache_entries(const struct json *result)
{
    const struct json *entries = json_find(result, "entries");
    struct terminal p;

    terminal_init(&p);
    if (json_count(entries) == 0 && json_count(json_find(result, "denials")) == 0)
        printf("The cache has no entry for %s\n", cmd_text(result, "name"));
    for (size_t i = 0; i < json_count(entries); i++)
        print_cache_entry(&p, cmd_text(result, "name"), json_at(entries, i));
    print_cache_denials(&p, result);
}

static void print_cache_stats(const struct json *s)
{
    struct terminal p;
    long long queries = cmd_number(s, "queries"), hits = cmd_number(s, "cache-hits");

    terminal_init(&p);
    if (strcmp(cmd_text(s, "store"), "file") == 0) {
        terminal_row(&p, "entries", "%lld in %.1f of %.1f MB", cmd_number(s, "entries"),
                     (double)cmd_number(s, "used") / 1e6, (double)cmd_number(s, "size") / 1e6);
        terminal_row(&p, "written",
                     "%lld in %lld transactions; %lld evicted, %lld dropped for lack of space, "
                     "%lld with a wrong checksum",
                     cmd_number(s, "written"), cmd_number(s, "transactions"),
                     cmd_number(s, "evicted"), cmd_number(s, "dropped"),
                     cmd_number(s, "broken"));
    } else {
        terminal_row(&p, "store", "in memory, one cache per worker");
    }
    terminal_row(&p, "queries", "%lld, %lld cache hits (%.1f %%), %lld from the answer cache",
                 queries, hits, queries ? 100.0 * (double)hits / (double)queries : 0.0,
                 cmd_number(s, "answer-cache-hits"));
    terminal_row(&p, "aggressive", "%lld answers from NSEC and NSEC3 records of other names",
                 cmd_number(s, "aggressive-answers"));
    terminal_row(&p, "stale", "%lld answers with expired data; %lld prefetches",
                 cmd_number(s, "stale-answers"), cmd_number(s, "prefetches"));
}

static void print_flushed(const struct json *result, bool is_subtree)
{
    long long cnt = cmd_number(result, "entries");
    printf("%lld entr%s of %s%s removed\n", cnt, cnt == 1 ? "y" : "ies",
           cmd_text(result, "name"), is_subtree ? " and below" : "");
}

static struct json *make_cache_request(const char *verb, int argc, char **argv, bool is_subtree)
{
    struct json *request = json_new_object();
    char command[40];

    snprintf(command, sizeof(command), "cache-%s", verb);
    json_put_text(request, "command", command);
    if (argc > 1)
        json_put_text(request, "name", argv[1]);
    if (argc > 2)
        json_put_text(request, "type", argv[2]);
    if (is_subtree)
        json_put_bool(request, "subtree", true);
    return request;
}

int cmd_cache(int argc, char **argv)
{
    bool is_json = cmd_take_flag(&argc, argv, "--json"),
         is_subtree = cmd_take_flag(&argc, argv, "--subtree");
    const char *path = cmd_take_value(&argc, argv, "--socket");
    bool is_show = argc >= 2 && argc <= 3 && strcmp(argv[0], "show") == 0 && !is_subtree,
         is_flush = argc == 2 && strcmp(argv[0], "flush") == 0,
         is_stats = argc == 1 && strcmp(argv[0], "stats") == 0 && !is_subtree;
    struct json *result = NULL;

    for (int i = 1; i < argc; i++)
        if (argv[i][0] == '-')
            return cmd_wrong_usage(cmd_cache_usage);
    if (!is_show && !is_flush && !is_stats)
        return cmd_wrong_usage(cmd_cache_usage);
    int status = ask_daemon(path, ASK_RESOLVER,
                            make_cache_request(argv[0], argc, argv, is_subtree), &result);
    if (status == CMD_DONE && is_json)
        cmd_print_json(result);
    else if (status == CMD_DONE && is_show)
        print_cache_entries(result);
    else if (status == CMD_DONE && is_flush)
        print_flushed(result, is_subtree);
    else if (status == CMD_DONE)
        print_cache_stats(result);
    json_free(&result);
    return status;
}
