/* rootline explain: the story comes from the daemon as JSON; here it is shown. */
#include <errno.h>

#include "tools/ask.h"
#include "tools/cmd.h"
#include "tools/pcap.h"
#include "tools/tree.h"

const char cmd_explain_usage[] =
    "usage: rootline explain NAME [TYPE] [--no-cache] [--as ADDR] [--json | --dot]\n"
    "                        [--pcap FILE] [--socket PATH]\n"
    "       rootline explain --last NAME [--json] [--socket PATH]\n"
    "  --no-cache    ask anew, without what the cache knows\n"
    "  --as ADDR     as this client would be answered\n"
    "  --dot         a drawing for dot(1): rootline explain NAME --dot | dot -Tsvg\n"
    "  --pcap FILE   the packets too, for Wireshark\n"
    "  --last        what already happened to that name\n";

static void print_attempts(struct terminal *p, const struct json *finished)
{
    const struct json *attempts = json_find(finished, "attempts");

    for (size_t i = 0; i < json_count(attempts); i++) {
        const struct json *a = json_at(attempts, i);
        bool is_last = i + 1 == json_count(attempts);
        terminal_node(
            p, is_last, TERMINAL_PLAIN, json_get_text(a, "transport", ""),
            "%.*s, for %s: %s (%lld ms)", (int)strcspn(json_get_text(a, "server", ""), "@"),
            json_get_text(a, "server", ""), json_get_text(a, "zone", ""),
            json_get_text(a, "result", ""), (long long)json_get_number(a, "rtt-ms", 0));
    }
}

static void print_last(const struct json *result)
{
    const struct json *list = json_find(result, "finished");
    struct terminal p;

    terminal_init(&p);
    if (json_count(list) == 0)
        printf("%s was not looked up lately: what came out of the cache is not noted.\n",
               json_get_text(result, "name", ""));
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *one = json_at(list, i);
        const char *cause = json_get_text(one, "cause", "");
        terminal_print(&p, TERMINAL_BOLD, "%s %s", json_get_text(one, "name", ""),
                       json_get_text(one, "type", ""));
        printf(" at %s: %s%s%s, %lld question%s, %lld ms\n", json_get_text(one, "time", ""),
               json_get_text(one, "outcome", ""), *cause ? ", " : "", cause,
               (long long)json_get_number(one, "questions", 0),
               json_get_number(one, "questions", 0) == 1 ? "" : "s",
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

/* What the user wants to see.  Lifetime: the call. */
struct wish {
    bool is_json, is_dot;
    const char *pcap;
};

static int show(const struct json *tree, const struct wish *wish)
{
    const char *rcode = json_get_text(json_find(tree, "answer"), "rcode", "");
    struct terminal p;

    if (wish->pcap) {
        enum err err = pcap_write(wish->pcap, tree);
        if (err) {
            fprintf(stderr, "rootline: %s: %s\n", wish->pcap,
                    err == ERR_IO ? strerror(errno) : err_name(err));
            return CMD_WRONG;
        }
    }
    if (wish->is_json) {
        cmd_print_json(tree);
    } else if (wish->is_dot) {
        tree_print_dot(stdout, tree);
    } else {
        terminal_init(&p);
        tree_print(&p, tree);
    }
    return strcmp(rcode, "NOERROR") == 0 || strcmp(rcode, "NXDOMAIN") == 0 ? CMD_DONE
                                                                           : CMD_WRONG;
}

int cmd_explain(int argc, char **argv)
{
    struct wish wish = {.is_json = cmd_take_flag(&argc, argv, "--json"),
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
        return argc == 1 ? explain_last(argv[0], path, wish.is_json)
                         : cmd_wrong_usage(cmd_explain_usage);
    struct json *request = json_new_object();
    json_put_text(request, "command", "explain");
    json_put_text(request, "name", argv[0]);
    json_put_text(request, "type", argc == 2 ? argv[1] : "A");
    json_put_bool(request, "no-cache", is_fresh);
    json_put_bool(request, "packets", wish.pcap != NULL);
    if (as)
        json_put_text(request, "as", as);
    int status = ask_daemon(path, ASK_RESOLVER, request, &result);
    if (status == CMD_DONE)
        status = show(json_find(result, "tree"), &wish);
    if (json_find(result, "remark"))
        fprintf(stderr, "rootline: %s\n", json_get_text(result, "remark", ""));
    json_free(&result);
    return status;
}
