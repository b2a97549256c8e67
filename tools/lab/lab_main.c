/* The main file of rootline-lab: a table of its subcommands. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/now.h"
#include "tools/cmd.h"
#include "tools/lab/capture.h"
#include "tools/lab/forwarder.h"
#include "tools/lab/keeper.h"
#include "tools/lab/lab_run.h"
#include "tools/lab/lab_status.h"
#include "tools/lab/record.h"
#include "tools/lab/saved.h"
#include "tools/lab/site.h"

enum { END_WAIT_MS = 10000, SPAN_MAX = 10000000 };

static const char default_lab[] = "lab";

static int fail_lab(const char *why)
{
    fputs("rootline lab: ", stderr);
    for (; *why; why++) /* a name in a file may be meant for the terminal of the reader */
        fputc(iscntrl((unsigned char)*why) && *why != '\n' ? '?' : *why, stderr);
    fputc('\n', stderr);
    return CMD_WRONG;
}

/* Take --name from the arguments.  NULL: it is no name, which is reported. */
static const char *take_lab_name(int *argc, char **argv)
{
    const char *name = cmd_take_value(argc, argv, "--name");

    if (!name)
        return default_lab;
    if (*name && strlen(name) < SPACE_NAME_MAX &&
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name))
        return name;
    fail_lab("--name takes lower-case letters, digits and \"-\", at most 31");
    return NULL;
}

/* ---- up and down ---- */

static const struct defence_era *find_era(const char *name)
{
    for (size_t i = 0; i < defence_era_cnt; i++)
        if (strcmp(defence_eras[i].name, name) == 0)
            return &defence_eras[i];
    return NULL;
}

static const char up_usage[] =
    "usage: rootline lab up [--dnssec] [--era 1995|2008|2016|today] [--name NAME]\n"
    "         [--resolver rootline|unbound|named]\n";

/* Return SITE_RESOLVER_CNT if no resolver has this name. */
static enum site_resolver find_resolver(const char *name)
{
    size_t kind = 0;

    while (kind < SITE_RESOLVER_CNT && strcmp(site_resolvers[kind], name) != 0)
        kind++;
    return (enum site_resolver)kind;
}

static void print_hint(const char *command, const char *option, const char *rest,
                       const char *what)
{
    enum { HINT_WIDTH = 32 };
    char text[HINT_WIDTH + 2 * SPACE_NAME_MAX];

    snprintf(text, sizeof(text), "rootline lab %s%s%s", command, option, rest);
    printf("  %-*s  # %s\n", (int)(HINT_WIDTH + strlen(option)), text, what);
}

static void print_welcome(const char *name, const struct defence_era *era)
{
    const bool is_default = strcmp(name, default_lab) == 0;
    char option[SPACE_NAME_MAX + 16] = "";

    if (!is_default)
        snprintf(option, sizeof(option), " --name %s", name);
    if (era)
        printf("era %s: %s\n", era->name, era->what);
    printf("The laboratory \"%s\" is up: a root, two top-level domains, a bank, a shop, a mail "
           "domain,\na resolver, two clients and two attackers.  No packet can leave it.\n\n",
           name);
    print_hint("status", option, "", "the network");
    print_hint("shell", option, " alice",
               "a client: dig www.bank.com; curl http://www.bank.com");
    print_hint("capture", option, " resolver", "its packets, as they pass");
    print_hint("run", option, " --list", "the experiments");
    print_hint("run", option, " kaminsky", "an attack, without the defences and with them");
    print_hint("run", option, " kaminsky --stay", "without them only: then look from alice");
    print_hint("down", option, "", "the end; nothing is left");
}

static int lab_up(int argc, char **argv)
{
    static struct keeper_conf conf;
    struct fault fault;
    char bad[64];
    const bool is_validating = cmd_take_flag(&argc, argv, "--dnssec");
    const char *era_name = cmd_take_value(&argc, argv, "--era");
    const struct defence_era *era = era_name ? find_era(era_name) : NULL;

    const char *resolver = cmd_take_value(&argc, argv, "--resolver");

    conf.resolver = resolver ? find_resolver(resolver) : SITE_ROOTLINE;
    conf.name = take_lab_name(&argc, argv);
    if (argc != 0 || conf.resolver == SITE_RESOLVER_CNT || (era_name && !era))
        return cmd_wrong_usage(up_usage);
    if (!conf.name)
        return CMD_USAGE;
    conf.era = era_name;
    must(!era || defence_switch_off(&conf.off, era->off, bad));
    conf.off.is_off[DEFENCE_DNSSEC] = !is_validating;
    if (!keeper_start(&conf, &fault))
        return fail_lab(fault.text);
    print_welcome(conf.name, era);
    return CMD_DONE;
}

static int lab_down(int argc, char **argv)
{
    const char *name = take_lab_name(&argc, argv);
    struct space space;
    struct fault fault;

    if (argc != 0)
        return cmd_wrong_usage("usage: rootline lab down [--name NAME]\n");
    if (!name)
        return CMD_USAGE;
    if (!space_open(&space, name, &fault))
        return fail_lab(fault.text);
    /* the process is gone when the kernel has ended all of its PID namespace */
    struct pollfd end = {.fd = (int)syscall(SYS_pidfd_open, space.keeper, 0), .events = POLLIN};
    struct json *request = json_new_object();
    json_put_text(request, "command", "down");
    json_free(&(struct json *){
        space_request(&space, request, &fault)}); /* it ends without an answer */
    bool has_ended = end.fd < 0 || poll(&end, 1, END_WAIT_MS) == 1;
    if (end.fd >= 0)
        close(end.fd);
    space_close(&space);
    return has_ended ? CMD_DONE : fail_lab("its processes have not ended yet");
}

static int lab_status(int argc, char **argv)
{
    const bool is_json = cmd_take_flag(&argc, argv, "--json");
    const char *name = take_lab_name(&argc, argv);
    struct space space;
    struct fault fault;

    if (argc != 0)
        return cmd_wrong_usage("usage: rootline lab status [--name NAME] [--json]\n");
    if (!name)
        return CMD_USAGE;
    if (!space_open(&space, name, &fault))
        return fail_lab(fault.text);
    if (is_json)
        cmd_print_json(space.status);
    else
        lab_status_print(space.status);
    space_close(&space);
    return CMD_DONE;
}

static int lab_list(int argc, char **argv)
{
    (void)argv;
    if (argc != 0)
        return cmd_wrong_usage("usage: rootline lab list\n");
    struct json *list = space_list();
    for (size_t i = 0; i < json_count(list); i++)
        puts(json_text(json_at(list, i)));
    json_free(&list);
    return CMD_DONE;
}

/* ---- requests to the keeper ---- */

static int send_to_keeper(const char *name, struct json *request)
{
    struct space space;
    struct fault fault;

    if (!space_open(&space, name, &fault)) {
        json_free(&request);
        return fail_lab(fault.text);
    }
    struct json *answer = space_request(&space, request, &fault);
    space_close(&space);
    if (!answer)
        return fail_lab(fault.text);
    json_free(&answer);
    return CMD_DONE;
}

static int lab_reset(int argc, char **argv)
{
    const char *name = take_lab_name(&argc, argv);
    struct json *request = json_new_object();

    json_put_text(request, "command", "reset");
    if (argc == 0 && name)
        return send_to_keeper(name, request);
    json_free(&request);
    return name ? cmd_wrong_usage("usage: rootline lab reset [--name NAME]\n") : CMD_USAGE;
}

static const char link_usage[] =
    "usage: rootline lab link [HOST] [--delay MS] [--loss PERCENT] [--reordering PERCENT]\n"
    "         [--copies PERCENT] [--rate BITS-PER-SECOND] [--slow FACTOR] [--seed N] "
    "[--name NAME]\n";

/* Take a number from the arguments and put it, times `scale`, under `key`.  False: it is no
 * number from 0 to `max`. */
static bool take_number(int *argc, char **argv, const char *flag, double scale, double max,
                        struct json *to, const char *key)
{
    const char *text = cmd_take_value(argc, argv, flag);
    char *end;

    if (!text)
        return true;
    const double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0) || value > max)
        return false;
    json_put_number(to, key, (int64_t)(value * scale));
    return true;
}

static int lab_link(int argc, char **argv)
{
    const double percent = FORWARDER_PARTS / 100.0;
    struct json *request = json_new_object();
    const char *name = take_lab_name(&argc, argv);

    json_put_text(request, "command", "link");
    bool is_good =
        take_number(&argc, argv, "--delay", 1000, FORWARDER_DELAY_MAX_MS, request,
                    "delay-us") &&
        take_number(&argc, argv, "--loss", percent, 100, request, "loss") &&
        take_number(&argc, argv, "--reordering", percent, 100, request, "reordering") &&
        take_number(&argc, argv, "--copies", percent, 100, request, "copies") &&
        take_number(&argc, argv, "--rate", 1, 1e12, request, "rate") &&
        take_number(&argc, argv, "--slow", 1, FORWARDER_SLOW_MAX, request, "slow") &&
        take_number(&argc, argv, "--seed", 1, 1e15, request, "seed");
    if (is_good && name && argc <= 1 && json_count(request) > 1) {
        if (argc == 1)
            json_put_text(request, "host", argv[0]);
        return send_to_keeper(name, request);
    }
    json_free(&request);
    return cmd_wrong_usage(link_usage);
}

/* ---- inside ---- */

/* Continue on a host of the laboratory.  Return -1 there, else an exit status. */
static int go_to_host(const char *name, const char *host_name, struct space *space)
{
    const struct topology_host *host = topology_find(host_name);
    struct fault fault;

    if (!space_open(space, name, &fault))
        return fail_lab(fault.text);
    if (!host) {
        fprintf(stderr,
                "rootline lab: there is no host \"%s\"; `rootline lab status` has them\n",
                host_name);
        return CMD_USAGE;
    }
    if (!space_enter(space, &fault))
        return fail_lab(fault.text);
    char at[4096];
    const char *back = getcwd(at, sizeof(at));
    if (!space_enter_host(space->hosts[topology_index(host)])) {
        fault_set(&fault, ERR_DENIED, "cannot enter host %s: %s", host_name, strerror(errno));
        _exit(fail_lab(fault.text));
    }
    if (!back || chdir(back) != 0)
        (void)!chdir("/");
    return -1;
}

/* Let the shell find this build's `rootline`. */
static void add_to_path(void)
{
    static struct site site;
    struct fault fault;
    char path[2 * SITE_PATH_MAX];
    const char *old = getenv("PATH");

    if (!site_find(&site, &fault))
        return;
    snprintf(path, sizeof(path), "%s:%s", site.programs, old ? old : "/usr/bin:/bin");
    setenv("PATH", path, 1);
}

/* Remove from the environment what names servers outside: commands would try to reach them. */
static void forget_outside(void)
{
    static const char *const names[] = {"http_proxy",      "https_proxy",
                                        "ftp_proxy",       "all_proxy",
                                        "HTTP_PROXY",      "HTTPS_PROXY",
                                        "FTP_PROXY",       "ALL_PROXY",
                                        "ROOTLINE_SOCKET", "DBUS_SESSION_BUS_ADDRESS",
                                        "SSH_AUTH_SOCK"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unsetenv(names[i]);
    setenv("MOZ_NO_REMOTE", "1", 1); /* Firefox: not a window of the one that runs outside */
}

static int lab_shell(int argc, char **argv)
{
    const char *shell = getenv("SHELL");
    struct space space;
    char prompt[80];
    int options = argc > 0 && strcmp(argv[0], "--name") == 0 ? 2 : 0;

    if (argc < options + 1)
        return cmd_wrong_usage("usage: rootline lab shell [--name NAME] HOST [COMMAND...]\n");
    /* the options of the command are its own */
    const char *name = take_lab_name(&(int){options}, argv);
    if (!name)
        return CMD_USAGE;
    argc -= options;
    argv += options;
    int status = go_to_host(name, argv[0], &space);
    if (status >= 0)
        return status;
    add_to_path();
    forget_outside();
    if (strcmp(argv[0], "resolver") == 0 || site_is_server(topology_find(argv[0]))) {
        char path[SITE_PATH_MAX];
        snprintf(path, sizeof(path), "%s/%s/control.sock", space.folder, argv[0]);
        setenv("ROOTLINE_SOCKET", path, 1);
    }
    snprintf(prompt, sizeof(prompt), "%s$ ", argv[0]);
    setenv("PS1", prompt, 1);
    if (!space_confine())
        _exit(fail_lab("cannot give up the capabilities that lead out of the laboratory"));
    if (argc > 1)
        execvp(argv[1], argv + 1);
    else if (shell && strstr(shell, "bash"))
        execlp("bash", "bash", "--norc", NULL);
    else
        execlp("sh", "sh", NULL);
    fprintf(stderr, "rootline lab: cannot run %s: %s\n", argc > 1 ? argv[1] : "sh",
            strerror(errno));
    _exit(127);
}

static int lab_capture(int argc, char **argv)
{
    const char *name = take_lab_name(&argc, argv),
               *path = cmd_take_value(&argc, argv, "--file"),
               *packets = cmd_take_value(&argc, argv, "--packets");
    struct space space;
    FILE *file = NULL;

    long long cnt = -1; /* without end */
    char *end = NULL;
    if (packets)
        cnt = strtoll(packets, &end, 10);
    if (argc != 1 || (packets && (cnt < 1 || *end)))
        return cmd_wrong_usage("usage: rootline lab capture [--name NAME] [--file FILE.pcap] "
                               "[--packets N] HOST\n");
    if (!name)
        return CMD_USAGE;
    if (path && !(file = strcmp(path, "-") == 0 ? stdout : fopen(path, "we"))) {
        fprintf(stderr, "rootline lab: %s: %s\n", path, strerror(errno));
        return CMD_WRONG;
    }
    int status = go_to_host(name, argv[0], &space);
    if (status < 0)
        _exit(capture_run(capture_open(), file, cnt) ? CMD_DONE : CMD_WRONG);
    return status;
}

/* Enter the laboratory and call `handle` with the file that the arguments name. */
static int run_with_file(int argc, char **argv, const char *usage,
                         bool (*handle)(const struct space *space, const char *path,
                                        struct fault *fault))
{
    const char *name = take_lab_name(&argc, argv);
    struct space space;
    struct fault fault;

    if (argc != 1)
        return cmd_wrong_usage(usage);
    if (!name)
        return CMD_USAGE;
    if (!space_open(&space, name, &fault) || !space_enter(&space, &fault))
        return fail_lab(fault.text);
    exit(handle(&space, argv[0], &fault) ? CMD_DONE : fail_lab(fault.text));
}

static int lab_save(int argc, char **argv)
{
    return run_with_file(argc, argv, "usage: rootline lab save [--name NAME] FILE\n",
                         saved_write);
}

static int lab_load(int argc, char **argv)
{
    return run_with_file(argc, argv, "usage: rootline lab load [--name NAME] FILE\n",
                         saved_load);
}

static int lab_experiment(int argc, char **argv)
{
    const char *name = take_lab_name(&argc, argv);
    return name ? lab_run(name, argc, argv) : CMD_USAGE;
}

/* ---- time ---- */

/* Read a span such as "+2d" or "+90m", in seconds.  0: it is none. */
static int64_t read_span(const char *text)
{
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
    char *end;
    const long long number = *text == '+' ? strtoll(text + 1, &end, 10) : 0;

    if (number <= 0 || number > SPAN_MAX)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (end[0] == units[i].letter && end[1] == '\0')
            return number * units[i].seconds;
    return 0;
}

static int lab_time(int argc, char **argv)
{
    const char *name = take_lab_name(&argc, argv);
    const int64_t seconds = argc == 1 ? read_span(argv[0]) : 0;
    struct json *request;

    if (seconds == 0)
        return cmd_wrong_usage("usage: rootline lab time [--name NAME] +NUMBER(s|m|h|d|w)\n");
    if (!name)
        return CMD_USAGE;
    request = json_new_object();
    json_put_text(request, "command", "time");
    json_put_number(request, "add-s", seconds);
    return send_to_keeper(name, request);
}

/* ---- the table ---- */

static int lab_help(int argc, char **argv);

static const struct lab_command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help; /* NULL: the row before has it */
} lab_commands[] = {
    {"up", lab_up, "up [--dnssec] [--era ERA]  start a laboratory"},
    {"down", lab_down, "down                       end it; nothing is left"},
    {"status", lab_status, "status                     draw its network"},
    {"list", lab_list, "list                       your laboratories"},
    {"shell", lab_shell, "shell HOST [COMMAND]       a shell on a host"},
    {"capture", lab_capture, "capture HOST [--file F]    a host's packets"},
    {"run", lab_experiment,
     "run EXPERIMENT | --list    an attack, without defences and with them"},
    {"link", lab_link, "link HOST --delay MS ...   change a link; --slow FACTOR for all"},
    {"time", lab_time, "time +SPAN                 move the clocks of its daemons: +90m, +2d"},
    {"check", record_check, "check FILE.json...         check the records of experiments"},
    {"save", lab_save,
     "save FILE, load FILE       zones, keys, configurations, links and clock"},
    {"load", lab_load, NULL},
    {"reset", lab_reset, "reset                      zones, caches and links as at the start"},
    {"help", lab_help, "help                       this list"},
};

static int print_lab_commands(FILE *out)
{
    fprintf(out, "usage: rootline lab COMMAND [--name NAME] ...\n");
    for (size_t i = 0; i < ARRAY_LEN(lab_commands); i++)
        if (lab_commands[i].help)
            fprintf(out, "  %s\n", lab_commands[i].help);
    return out == stderr ? CMD_USAGE : CMD_DONE;
}

static int lab_help(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return print_lab_commands(stdout);
}

static bool asks_for_help(const char *arg)
{
    return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

int main(int argc, char **argv)
{
    hash_init();
    /* further behind, --help may belong to the command of a shell */
    if ((argc > 1 && asks_for_help(argv[1])) || (argc > 2 && asks_for_help(argv[2])))
        return print_lab_commands(stdout);
    for (size_t i = 0; argc > 1 && i < ARRAY_LEN(lab_commands); i++)
        if (strcmp(argv[1], lab_commands[i].name) == 0)
            return lab_commands[i].run(argc - 2, argv + 2);
    return print_lab_commands(stderr);
}
