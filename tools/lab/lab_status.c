/* Servers on the left, users on the right, the network between them. */
#include "tools/lab/lab_status.h"

#include <string.h>

#include "tools/lab/topology.h"
#include "tools/terminal.h"

/* A link in a few letters: "15 ms", "15 ms loss 2%". */
static void print_link(const struct json *link, char *out, size_t size)
{
    const long long us = json_get_number(link, "delay-us", 0),
                    loss = json_get_number(link, "loss", 0);
    size_t len = (size_t)snprintf(out, size, "%lld.%lld ms", us / 1000, us / 100 % 10);

    if (loss > 0 && len < size)
        snprintf(out + len, size - len, " loss %lld.%lld%%", loss / 10000, loss / 1000 % 10);
}

static bool is_user(const struct topology_host *host)
{
    return strncmp(host->v4, "203.", 4) == 0;
}

/* Print the hosts of one side, each with its wire to the network. */
static void print_hosts(struct terminal *t, const struct json *hosts, bool is_right)
{
    const char *wire = t->has_lines ? "──" : "--", *bar = t->has_lines ? "│" : "|";
    char link[64];

    for (size_t i = 0; i < topology_host_cnt; i++) {
        const struct topology_host *host = &topology_hosts[i];
        const struct json *state = json_at(hosts, i);
        if (is_user(host) != is_right)
            continue;
        bool is_down =
            json_find(state, "daemon-runs") && !json_get_bool(state, "daemon-runs", false);
        print_link(json_find(state, "link"), link, sizeof(link));
        fprintf(t->out, "  %s%s ", bar, wire);
        terminal_print(t, TERMINAL_BOLD, "%-9s", host->name);
        fprintf(t->out, " %-14s %-9s %s", host->v4, link, host->what);
        if (is_down)
            terminal_print(t, TERMINAL_RED, "  ITS SERVER HAS STOPPED");
        fputc('\n', t->out);
    }
}

void lab_status_print(const struct json *status)
{
    const struct json *hosts = json_find(status, "hosts");
    const long long up_s = json_get_number(status, "up-s", 0),
                    slow = json_get_number(status, "slow", 1);
    const char *off = json_get_text(status, "defences-off-now", "none");
    const char *era = json_get_text(status, "era", "");
    struct terminal t;

    terminal_init(&t);
    const char *bar = t.has_lines ? "│" : "|", *top = t.has_lines ? "┌" : "+",
               *end = t.has_lines ? "└" : "+";
    terminal_print(&t, TERMINAL_BOLD, "laboratory \"%s\"", json_get_text(status, "name", ""));
    fprintf(t.out, ", up %lld:%02lld:%02lld%s%s\n", up_s / 3600, up_s / 60 % 60, up_s % 60,
            *era ? ", era " : "", era);
    if (strcmp(off, "none") != 0)
        terminal_print(&t, TERMINAL_RED, "DEFENCES OFF: %s\n", off);
    if (slow > 1)
        fprintf(t.out, "slow motion: every delay is %lld times as long\n", slow);
    if (!json_get_bool(status, "links-work", false))
        terminal_print(&t, TERMINAL_RED,
                       "THE LINKS HAVE STOPPED: rootline lab down, then up\n");
    fprintf(t.out, "\n  %s servers\n", top);
    print_hosts(&t, hosts, false);
    fprintf(t.out, "  %s\n  %s clients' network\n", bar, bar);
    print_hosts(&t, hosts, true);
    fprintf(t.out, "  %s (each link with its delay, one way)\n", end);
}
