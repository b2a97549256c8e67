/* rootline explain: print the resolution tree that the daemon sends as JSON. */
#include <errno.h>

#include "resolver/iterate/wording.h"
#include "tools/ask.h"
#include "tools/cmd.h"
#include "tools/pcap.h"
#include "tools/tree.h"

const char cmd_explain_usage[] =
    "usage: rootline explain NAME [TYPE] [--no-cache] [--as ADDR] [--json | --dot]\n"
    "                        [--pcap FILE] [--socket PATH]\n"
    "       rootline explain --last NAME [--json] [--socket PATH]\n"
    "  --no-cache    resolve again, ignoring the cache\n"
    "  --as ADDR     explain the answer to the client with this address\n"
    "  --dot         print a graph for dot(1): rootline explain NAME --dot | dot -Tsvg\n"
    "  --pcap FILE   write the packets to FILE, for Wireshark\n"
    "  --last        show the last resolutions of NAME, without a query\n";

static void print_attempts(struct terminal *p, const struct json *finished)
{
    const struct json *attempts = json_find(finished, "attempts");

    for (size_t i = 0; i < json_count(attempts); i++) {
        const struct json *a = json_at(attempts, i);
        const char *server = cmd_text(a, "server"), *rcode = cmd_text(a, "rcode");
        terminal_node(p, i + 1 == json_count(attempts), TERMINAL_PLAIN,
                      wording_text_of(&wording_transports, cmd_text(a, "transport")),
                      "%.*s, for %s: %s%s%s (%lld ms)", (int)strcspn(server, "@"), server,
                      cmd_text(a, "zone"),
                      wording_text_of(&wording_outcomes, cmd_text(a, "result")),
                      *rcode ? " " : "", rcode, (long long)json_get_number(a, "rtt-ms", 0));
    }
}

static void print_last(const struct json *result)
{
    const struct json *list = json_find(result, "finished");
    struct terminal p;

    terminal_init(&p);
    if (json_count(list) == 0)
        printf("%s was not resolved recently; answers from the cache are not recorded.\n",
               cmd_text(result, "name"));
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *one = json_at(list, i);
        const char *failure = cmd_text(one, "failure");
        long long queries = json_get_number(one, "queries", 0);
        terminal_print(&p, TERMINAL_BOLD, "%s %s", cmd_text(one, "name"),
                       cmd_text(one, "type"));
        printf(" at %s: %s%s%s, %lld %s, %lld ms\n", cmd_text(one, "time"),
               cmd_text(one, "outcome"), *failure ? ", " : "", failure_text_of(failure),
               queries, queries == 1 ? "query" : "queries",
               (long long)json_get_number(one, "took-ms", 0));
        print_attempts(&p, one);
    }
}

static int explain_last(const char *name, const char *path, bool is_json)
{
    struct json *request = json_new_object(), *result = NULL;

    json_put_text(request, "command", "last");
    json_put_text(request, "name", name);
    int status = ask_daemon(path, ASK_RESOLVER, request, &result);
    if (status == CMD_DONE && is_json)
        cmd_print_json(result);
    else if (status == CMD_DONE)
        print_last(result);
    json_free(&result);
    return status;
}

/* The wanted forms of output.  Lifetime: the call. */
struct explain_output {
    bool is_json, is_dot;
    const char *pcap;
};

static int show_tree(const struct json *tree, const struct explain_output *output)
{
    const char *rcode = json_get_text(json_find(tree, "answer"), "rcode", "");
    struct terminal p;

    if (output->pcap) {
        enum err err = pcap_write(output->pcap, tree);
        if (err) {
            fprintf(stderr, "rootline: %s: %s\n", output->pcap,
                    err == ERR_IO       ? strerror(errno)
                    : err == ERR_FORMAT ? "not written: the daemon sent a malformed packet"
                                        : err_name(err));
            return CMD_WRONG;
        }
    }
    if (output->is_json) {
        cmd_print_json(tree);
    } else if (output->is_dot) {
        tree_print_dot(stdout, tree);
    } else {
        terminal_init(&p);
        tree_print(&p, tree);
    }
    return strcmp(rcode, "NOERROR") == 0 || strcmp(rcode, "NXDOMAIN") == 0 ? CMD_DONE
                                                                           : CMD_WRONG;
}

/* The alerts of the name's domain. */
static void print_tunnel_alerts(const struct json *alerts)
{
    for (size_t i = 0; i < json_count(alerts); i++) {
        const struct json *one = json_at(alerts, i);
        fprintf(stderr,
                "rootline: possible DNS tunnel at %s: %s sent %lld new names below %s within "
                "%lld s\n",
                json_get_text(one, "time", ""), json_get_text(one, "client", ""),
                (long long)json_get_number(one, "names", 0), json_get_text(one, "zone", ""),
                (long long)json_get_number(one, "seconds", 0));
    }
}

int cmd_explain(int argc, char **argv)
{
    struct explain_output output = {.is_json = cmd_take_flag(&argc, argv, "--json"),
                                    .is_dot = cmd_take_flag(&argc, argv, "--dot"),
                                    .pcap = cmd_take_value(&argc, argv, "--pcap")};
    bool is_fresh = cmd_take_flag(&argc, argv, "--no-cache"),
         is_last = cmd_take_flag(&argc, argv, "--last");
    const char *as = cmd_take_value(&argc, argv, "--as"),
               *path = cmd_take_value(&argc, argv, "--socket");
    struct json *result = NULL;

    if (argc < 1 || argc > 2 || argv[0][0] == '-' || (argc == 2 && argv[1][0] == '-'))
        return cmd_wrong_usage(cmd_explain_usage);
    if (is_last)
        return argc == 1 && !is_fresh && !as && !output.is_dot && !output.pcap
                   ? explain_last(argv[0], path, output.is_json)
                   : cmd_wrong_usage(cmd_explain_usage);
    struct json *request = json_new_object();
    json_put_text(request, "command", "explain");
    json_put_text(request, "name", argv[0]);
    json_put_text(request, "type", argc == 2 ? argv[1] : "A");
    json_put_bool(request, "no-cache", is_fresh);
    json_put_bool(request, "packets", output.pcap != NULL);
    if (as)
        json_put_text(request, "as", as);
    int status = ask_daemon(path, ASK_RESOLVER, request, &result);
    if (status == CMD_DONE)
        status = show_tree(json_find(result, "tree"), &output);
    if (json_find(result, "remark"))
        fprintf(stderr, "rootline: %s\n", cmd_text(result, "remark"));
    print_tunnel_alerts(json_find(result, "recent-tunnels"));
    json_free(&result);
    return status;
}
