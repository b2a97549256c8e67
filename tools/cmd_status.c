/* rootline status, stats, reload and log: the state of a daemon, for both daemons. */
#include <stdlib.h>

#include "net/daemon/daemon.h"
#include "net/request/exchange.h"
#include "resolver/iterate/engine.h"
#include "resolver/iterate/wording.h"
#include "tools/ask.h"
#include "tools/cmd.h"
#include "tools/terminal.h"

enum { MB = 1000000 };

const char cmd_status_usage[] =
    "usage: rootline status [--rejected] [--json] [--socket PATH]\n";
const char cmd_status_stats_usage[] = "usage: rootline stats [--json] [--socket PATH]\n";
const char cmd_status_reload_usage[] = "usage: rootline reload [--json] [--socket PATH]\n";
const char cmd_status_log_usage[] =
    "usage: rootline log --last [NUMBER] [--json] [--socket PATH]\n";

/* Send `request`, which is freed, to a daemon of that kind.  With --json set *is_json and print
 * the result.  Return as ask_daemon. */
static int run_request_of(enum ask_target target, int *argc, char **argv, const char *usage,
                          struct json *request, struct json **result, bool *is_json)
{
    *is_json = cmd_take_flag(argc, argv, "--json");
    const char *path = cmd_take_value(argc, argv, "--socket");

    if (*argc != 0) {
        json_free(&request);
        return cmd_wrong_usage(usage);
    }
    int status = ask_daemon(path, target, request, result);
    if (status == CMD_DONE && *is_json)
        cmd_print_json(*result);
    return status;
}

static int run_request(int *argc, char **argv, const char *usage, struct json *request,
                       struct json **result, bool *is_json)
{
    return run_request_of(ASK_ANY, argc, argv, usage, request, result, is_json);
}

static struct json *make_request(const char *command)
{
    struct json *request = json_new_object();
    json_put_text(request, "command", command);
    return request;
}

/* ---- status ---- */

static void print_uptime(struct terminal *p, const struct json *s)
{
    long long up = cmd_number(s, "uptime-s");
    terminal_row(p, "up", "%lld d %02lld:%02lld:%02lld, since %s", up / 86400, up / 3600 % 24,
                 up / 60 % 60, up % 60, cmd_text(s, "started"));
    long long refused = cmd_number(s, "reloads-refused");
    if (cmd_number(s, "reloads") > 0 || refused > 0)
        terminal_row(p, "reloads", "%lld, and %lld rejected", cmd_number(s, "reloads"),
                     refused);
}

static void print_listen(struct terminal *p, const struct json *s)
{
    bool is_first = true;

    for (size_t k = 0; k < EXCHANGE_STACK_CNT; k++) {
        const struct json *listen = json_find(s, exchange_stacks[k].key);
        for (size_t i = 0; i < json_count(listen); i++, is_first = false)
            terminal_row(p, is_first ? "listens on" : "", "%s (%s)",
                         json_text(json_at(listen, i)), exchange_stacks[k].name);
    }
}

static void print_connections(struct terminal *p, const struct json *s)
{
    const struct json *tls = json_find(s, "tls");
    const struct json *list = json_find(tls, "certificates");

    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *c = json_at(list, i);
        long long days = cmd_number(c, "days-left");
        terminal_row(p, i ? "" : "certificate", "%s for %s, %s %s (%lld days)",
                     cmd_text(c, "file"),
                     *cmd_text(c, "name") ? cmd_text(c, "name") : "no host name",
                     json_get_bool(c, "has-ended", false) ? "EXPIRED" : "until",
                     cmd_text(c, "until"), days);
    }
    const struct json *connections = json_find(s, "connections");
    if (cmd_number(connections, "open") > 0)
        terminal_row(p, "connections", "%lld open, %lld kB", cmd_number(connections, "open"),
                     cmd_number(connections, "memory") / 1000);
    if (tls)
        terminal_row(p, "handshakes", "%lld, %lld of them resumed; %lld failed",
                     cmd_number(tls, "handshakes"), cmd_number(tls, "resumed"),
                     cmd_number(tls, "failed"));
}

static void print_family(struct terminal *p, const struct json *families, const char *key,
                         const char *label)
{
    const struct json *family = json_find(families, key);
    if (family)
        terminal_row(p, label, "%s",
                     !json_get_bool(family, "used", false) ? "off"
                     : json_get_bool(family, "answers", false)
                         ? "in use"
                         : "DOWN: no server replies over it");
}

static void print_entropy(struct terminal *p, const struct json *entropy)
{
    if (!entropy)
        return;
    terminal_row(
        p, "entropy", "%lld.%lld bits of source port (%lld ports), %lld bits of ID%s%s",
        cmd_number(entropy, "port-decibits") / 10, cmd_number(entropy, "port-decibits") % 10,
        cmd_number(entropy, "ports"), cmd_number(entropy, "id-bits"),
        json_get_bool(entropy, "random-case", false) ? ", mixed case" : "",
        json_get_bool(entropy, "cookies", false) ? ", cookies" : "");
}

static void print_validation_status(struct terminal *p, const struct json *validation)
{
    if (validation)
        terminal_row(p, "validation", "%s%s",
                     json_get_bool(validation, "on", false) ? "on" : "off: no trust anchor",
                     json_get_bool(validation, "clock-is-wrong", false)
                         ? "; the clock is wrong, so times of signatures are not checked"
                         : "");
}

static void print_rejected(struct terminal *p, const struct json *reasons)
{
    const char *label = "rejected";

    for (size_t i = 0; i < json_count(reasons); i++) {
        const char *reason = json_key(reasons, i);
        const struct json *one = json_find(reasons, reason), *last = json_find(one, "last");
        terminal_row(p, label, "%lld: %s", cmd_number(one, "count"),
                     wording_text_of(&wording_rejections, reason));
        label = "";
        for (size_t n = 0; n < json_count(last); n++) {
            const struct json *item = json_at(last, n);
            terminal_row(p, "", "  %s from %s, query for %s", cmd_text(item, "time"),
                         cmd_text(item, "from"), cmd_text(item, "name"));
        }
    }
}

static void print_limits(struct terminal *p, const struct json *limits)
{
    const char *label = "limits reached";

    for (size_t i = 0; i < json_count(limits); i++) {
        const char *key = json_key(limits, i);
        if (cmd_number(limits, key) == 0)
            continue;
        terminal_row(p, label, "%s: %lld", key, cmd_number(limits, key));
        label = "";
    }
    if (*label)
        terminal_row(p, label, "none");
}

static void print_failed(struct terminal *p, const struct json *failed)
{
    for (size_t i = 0; i < json_count(failed); i++) {
        const struct json *one = json_at(failed, i);
        terminal_row(p, i ? "" : "recent failures", "%s %s %s: %s", cmd_text(one, "time"),
                     cmd_text(one, "name"), cmd_text(one, "type"),
                     failure_text_of(cmd_text(one, "failure")));
    }
}

static void print_tunnels(struct terminal *p, const struct json *tunnels)
{
    for (size_t i = 0; i < json_count(tunnels); i++) {
        const struct json *one = json_at(tunnels, i);
        terminal_row(p, i ? "" : "possible tunnels",
                     "%s %s sent %lld new names below %s within %lld s, %lld octets with their "
                     "replies",
                     cmd_text(one, "time"), cmd_text(one, "client"), cmd_number(one, "names"),
                     cmd_text(one, "zone"), cmd_number(one, "seconds"),
                     cmd_number(one, "octets"));
    }
}

static void print_defences_off(struct terminal *p, const struct json *off)
{
    for (size_t i = 0; i < json_count(off); i++)
        terminal_print(p, TERMINAL_RED, "%s%s",
                       i ? ", " : "DEFENCES OFF: ", json_text(json_at(off, i)));
    if (json_count(off) > 0)
        putchar('\n');
}

static void print_status(const struct json *s)
{
    const struct json *memory = json_find(s, "memory"), *cache = json_find(s, "cache");
    struct terminal p;

    terminal_init(&p);
    terminal_print(&p, TERMINAL_BOLD, "%s %s", cmd_text(s, "program"), cmd_text(s, "version"));
    printf(", pid %lld, %lld worker%s, %s\n", cmd_number(s, "pid"), cmd_number(s, "workers"),
           cmd_number(s, "workers") == 1 ? "" : "s", cmd_text(s, "configuration"));
    print_defences_off(&p, json_find(s, "defences-off"));
    print_uptime(&p, s);
    print_listen(&p, s);
    print_connections(&p, s);
    print_family(&p, json_find(s, "families"), "ipv4", "IPv4");
    print_family(&p, json_find(s, "families"), "ipv6", "IPv6");
    print_entropy(&p, json_find(s, "entropy"));
    print_validation_status(&p, json_find(s, "validation"));
    if (json_find(s, "queries"))
        terminal_row(&p, "queries",
                     "%lld, %lld from the cache; %lld resolutions in progress, %lld of them "
                     "wait to send a query",
                     cmd_number(s, "queries"), cmd_number(s, "cache-hits"),
                     cmd_number(s, "resolutions-in-progress"),
                     cmd_number(s, "waiting-for-place"));
    terminal_row(&p, "memory", "%.1f MB, %.1f MB of it mapped files",
                 (double)cmd_number(memory, "resident") / MB,
                 (double)cmd_number(memory, "files") / MB);
    if (cache && strcmp(cmd_text(cache, "store"), "file") == 0)
        terminal_row(&p, "cache", "%lld entries in %.1f of %.1f MB",
                     cmd_number(cache, "entries"), (double)cmd_number(cache, "used") / MB,
                     (double)cmd_number(cache, "size") / MB);
    else if (cache)
        terminal_row(&p, "cache", "in memory");
    print_limits(&p, json_find(s, "limits"));
    print_rejected(&p, json_find(s, "rejected-replies"));
    print_failed(&p, json_find(s, "recent-failures"));
    print_tunnels(&p, json_find(s, "recent-tunnels"));
}

/* ---- status --rejected ---- */

/* Print one side of a difference: "ID 4711", "the name www.EXAMPLE. and the type A". */
static void print_side(const struct json *side, char *out, size_t size)
{
    static const struct {
        const char *key, *text;
    } words[] = {{"address", ""},
                 {"id", "ID "},
                 {"response", "response "},
                 {"opcode", "opcode "},
                 {"questions", "number of questions "},
                 {"name", "name "},
                 {"owner", "owner "},
                 {"type", "type "},
                 {"cookie", "cookie "},
                 {"octets", "octets "},
                 {"zone", "owners in the zone "},
                 {"section", "section "},
                 {"records", "records "}};
    size_t len = 0;

    snprintf(out, size, "none");
    for (size_t i = 0; i < ARRAY_LEN(words) && len < size; i++) {
        const struct json *value = json_find(side, words[i].key);
        if (!value)
            continue;
        len += (size_t)snprintf(out + len, size - len, "%s%s", len ? ", " : "", words[i].text);
        if (len >= size)
            break;
        if (json_text(value))
            len += (size_t)snprintf(out + len, size - len, "%s", json_text(value));
        else if (strcmp(words[i].key, "response") == 0)
            len += (size_t)snprintf(out + len, size - len, "%s",
                                    json_get_bool(side, words[i].key, false) ? "yes" : "no");
        else
            len +=
                (size_t)snprintf(out + len, size - len, "%lld", cmd_number(side, words[i].key));
    }
}

static void print_rejected_reply(struct terminal *p, const struct json *one)
{
    char expected[TERMINAL_TEXT_MAX / 2], got[TERMINAL_TEXT_MAX / 2];

    print_side(json_find(one, "expected"), expected, sizeof(expected));
    print_side(json_find(one, "got"), got, sizeof(got));
    printf("  %s  from %s over %s, query for %s %s\n", cmd_text(one, "time"),
           cmd_text(one, "from"), strcmp(cmd_text(one, "transport"), "tcp") ? "UDP" : "TCP",
           cmd_text(one, "name"), cmd_text(one, "type"));
    if (json_count(json_find(one, "expected")) > 0)
        terminal_row(p, "      expected", "%s", expected);
    terminal_row(p, "      got", "%s", got);
}

static void print_ledger(const struct json *reasons)
{
    struct terminal p;

    terminal_init(&p);
    if (json_count(reasons) == 0)
        puts("No reply was rejected.");
    for (size_t i = 0; i < json_count(reasons); i++) {
        const char *reason = json_key(reasons, i);
        const struct json *one = json_find(reasons, reason), *last = json_find(one, "last");
        terminal_print(&p, TERMINAL_BOLD, "%s: %lld, %s", reason, cmd_number(one, "count"),
                       wording_text_of(&wording_rejections, reason));
        putchar('\n');
        terminal_row(&p, "", "%s", wording_text_of(&wording_lessons, reason));
        for (size_t n = 0; n < json_count(last); n++)
            print_rejected_reply(&p, json_at(last, n));
    }
}

int cmd_status(int argc, char **argv)
{
    bool is_ledger = cmd_take_flag(&argc, argv, "--rejected"), is_json;
    struct json *result = NULL;

    int status =
        run_request_of(is_ledger ? ASK_RESOLVER : ASK_ANY, &argc, argv, cmd_status_usage,
                       make_request(is_ledger ? "rejected" : "status"), &result, &is_json);
    if (status == CMD_DONE && !is_json)
        is_ledger ? print_ledger(result) : print_status(result);
    json_free(&result);
    return status;
}

/* Return what a counter counts; "" for one that this version does not know. */
static const char *counter_help(const char *id)
{
    for (size_t i = 0; i < daemon_counter_cnt; i++)
        if (strcmp(daemon_counters[i].id, id) == 0)
            return daemon_counters[i].help;
    for (size_t i = 0; i < ENGINE_COUNTERS; i++)
        if (strcmp(engine_counters[i].id, id) == 0)
            return engine_counters[i].help;
    return "";
}

int cmd_stats(int argc, char **argv)
{
    struct json *result = NULL;
    bool is_json;

    int status = run_request(&argc, argv, cmd_status_stats_usage, make_request("stats"),
                             &result, &is_json);
    if (status == CMD_DONE && !is_json)
        for (size_t i = 0; i < json_count(result); i++)
            printf("%-29s %12lld  %s\n", json_key(result, i),
                   cmd_number(result, json_key(result, i)), counter_help(json_key(result, i)));
    json_free(&result);
    return status;
}

/* ---- reload ---- */

static void print_findings(const struct json *findings)
{
    for (size_t i = 0; i < json_count(findings); i++) {
        const struct json *one = json_at(findings, i);
        fprintf(stderr, "%s:", cmd_text(one, "file"));
        if (cmd_number(one, "line") > 0)
            fprintf(stderr, "%lld:%lld:", cmd_number(one, "line"), cmd_number(one, "column"));
        fprintf(stderr, " %s: %s\n", cmd_text(one, "level"), cmd_text(one, "message"));
        if (*cmd_text(one, "help"))
            fprintf(stderr, "    = %s\n", cmd_text(one, "help"));
    }
}

static void print_reload(const struct json *result, bool is_accepted)
{
    print_findings(json_find(result, "findings"));
    if (is_accepted)
        puts(cmd_text(result, "summary"));
    else
        fprintf(stderr, "rootline: reload rejected; the previous configuration stays in use\n");
}

int cmd_reload(int argc, char **argv)
{
    struct json *result = NULL;
    bool is_json;

    int status = run_request(&argc, argv, cmd_status_reload_usage, make_request("reload"),
                             &result, &is_json);
    bool is_accepted = json_get_bool(result, "accepted", false);
    if (status == CMD_DONE && !is_json)
        print_reload(result, is_accepted);
    if (status == CMD_DONE && !is_accepted)
        status = CMD_WRONG;
    json_free(&result);
    return status;
}

/* ---- log ---- */

static void print_log_lines(const struct json *lines)
{
    struct terminal p;

    terminal_init(&p);
    for (size_t i = 0; i < json_count(lines); i++) {
        const struct json *one = json_at(lines, i);
        const char *level = cmd_text(one, "level");
        enum terminal_colour colour = strcmp(level, "error") == 0     ? TERMINAL_RED
                                      : strcmp(level, "warning") == 0 ? TERMINAL_YELLOW
                                                                      : TERMINAL_PLAIN;
        printf("%s ", cmd_text(one, "time"));
        terminal_print(&p, colour, "%-7s", level);
        printf(" %s\n", cmd_text(one, "message"));
    }
}

int cmd_log(int argc, char **argv)
{
    const char *last = NULL;
    struct json *request = make_request("log"), *result = NULL;
    bool is_json;

    for (int i = 0; i + 1 < argc && !last; i++) /* --last without a number: all lines */
        if (strcmp(argv[i], "--last") == 0 && argv[i + 1][0] != '-')
            last = cmd_take_value(&argc, argv, "--last");
    if (last && strspn(last, "0123456789") == strlen(last))
        json_put_number(request, "last", strtol(last, NULL, 10));
    else if (last)
        json_put_number(request, "last", 0); /* the daemon rejects 0 with a reason */
    else
        (void)cmd_take_flag(&argc, argv, "--last");
    int status = run_request(&argc, argv, cmd_status_log_usage, request, &result, &is_json);
    if (status == CMD_DONE && !is_json)
        print_log_lines(json_find(result, "lines"));
    json_free(&result);
    return status;
}
