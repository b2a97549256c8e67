/* rootline cache: show, flush and count the cached data. */
#include "resolver/iterate/wording.h"
#include "tools/ask.h"
#include "tools/cmd.h"
#include "tools/terminal.h"

const char cmd_cache_usage[] =
    "usage: rootline cache show NAME [TYPE] [--json] [--socket PATH]\n"
    "       rootline cache flush NAME [--subtree] [--json] [--socket PATH]\n"
    "       rootline cache stats [--json] [--socket PATH]\n";

static const char *get(const struct json *from, const char *key)
{
    return json_get_text(from, key, "");
}

static long long number(const struct json *from, const char *key)
{
    return json_get_number(from, key, 0);
}

static void print_card(struct terminal *p, const char *name, const struct json *entry)
{
    const struct json *data = json_find(entry, "data");
    const char *from = get(entry, "from");

    terminal_print(p, TERMINAL_BOLD, "%s %s%s%s", name, get(entry, "type"),
                   *get(entry, "type") ? " " : "", get(entry, "kind"));
    fputc('\n', p->out);
    for (size_t i = 0; i < json_count(data); i++)
        terminal_row(p, i ? "" : "  data", "%s", json_text(json_at(data, i)));
    if (*get(entry, "text"))
        terminal_row(p, "  text", "%s", get(entry, "text"));
    if (*get(entry, "zone"))
        terminal_row(p, "  zone", "%s", get(entry, "zone"));
    if (json_get_bool(entry, "expired", false))
        terminal_row(p, "  time left", "none: expired %lld s ago, after %lld s",
                     number(entry, "expired-s-ago"), number(entry, "original-ttl"));
    else
        terminal_row(p, "  time left", "%lld of %lld s", number(entry, "ttl"),
                     number(entry, "original-ttl"));
    terminal_row(p, "  cached", "%s%s%.*s%s%s%s", get(entry, "cached"), *from ? " from " : "",
                 (int)strcspn(from, "@"), from, *from ? ", " : "", get(entry, "section"),
                 *from ? " section" : "");
    if (*get(entry, "rank"))
        terminal_row(p, "  rank", "%s, DNSSEC %s",
                     wording_text_of(&wording_ranks, get(entry, "rank")),
                     get(entry, "validation"));
    if (json_find(entry, "times"))
        terminal_row(p, "  failed", "%lld times in a row", number(entry, "times"));
    terminal_row(p, "  used", "%s%lld times lately",
                 number(entry, "uses") >= 15 ? "at least " : "about ", number(entry, "uses"));
    if (json_find(entry, "worker"))
        terminal_row(p, "  worker", "%lld", number(entry, "worker"));
}

static void print_cards(const struct json *result)
{
    const struct json *entries = json_find(result, "entries");
    struct terminal p;

    terminal_init(&p);
    if (json_count(entries) == 0)
        printf("The cache has no entry for %s\n", get(result, "name"));
    for (size_t i = 0; i < json_count(entries); i++)
        print_card(&p, get(result, "name"), json_at(entries, i));
}

static void print_stats(const struct json *s)
{
    struct terminal p;
    long long queries = number(s, "queries"), hits = number(s, "cache-hits");

    terminal_init(&p);
    if (strcmp(get(s, "store"), "file") == 0) {
        terminal_row(&p, "entries", "%lld in %.1f of %.1f MB", number(s, "entries"),
                     (double)number(s, "used") / 1e6, (double)number(s, "size") / 1e6);
        terminal_row(&p, "written",
                     "%lld in %lld transactions; %lld evicted, %lld dropped for lack of space, "
                     "%lld with a wrong checksum",
                     number(s, "written"), number(s, "transactions"), number(s, "evicted"),
                     number(s, "dropped"), number(s, "broken"));
    } else {
        terminal_row(&p, "store", "in memory, one cache per worker");
    }
    terminal_row(&p, "queries", "%lld, %lld cache hits (%.1f %%), %lld from the answer cache",
                 queries, hits, queries ? 100.0 * (double)hits / (double)queries : 0.0,
                 number(s, "answer-cache-hits"));
    terminal_row(&p, "stale", "%lld answers with expired data; %lld prefetches",
                 number(s, "stale-answers"), number(s, "prefetches"));
}

static void print_flushed(const struct json *result, bool is_subtree)
{
    long long cnt = number(result, "entries");
    printf("%lld entr%s of %s%s removed\n", cnt, cnt == 1 ? "y" : "ies", get(result, "name"),
           is_subtree ? " and below" : "");
}

static struct json *request_for(const char *verb, int argc, char **argv, bool is_subtree)
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
    int status =
        ask_daemon(path, ASK_RESOLVER, request_for(argv[0], argc, argv, is_subtree), &result);
    if (status == CMD_DONE && is_json)
        cmd_print_json(result);
    else if (status == CMD_DONE && is_show)
        print_cards(result);
    else if (status == CMD_DONE && is_flush)
        print_flushed(result, is_subtree);
    else if (status == CMD_DONE)
        print_stats(result);
    json_free(&result);
    return status;
}
