/* rootline: the command.  One table of subcommands. */
#include "base/hash.h"
#include "tools/cmd.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage;
    const char *help;
} commands[] = {
    {"check", cmd_check, cmd_check_usage, "check FILE                 check a configuration"},
    {"zone", cmd_zone, cmd_zone_usage, "zone check ORIGIN FILE     check a zone file"},
    {"certificate", cmd_certificate, cmd_certificate_usage,
     "certificate make [NAME]... make a private CA and a server certificate for TLS and HTTPS"},
    {"explain", cmd_explain, cmd_explain_usage,
     "explain NAME [TYPE]        show how the resolver answers, step by step, and why"},
    {"cache", cmd_cache, cmd_cache_usage, "cache show | flush | stats look into the cache"},
    {"status", cmd_status, cmd_status_usage,
     "status                     show the daemon's state"},
    {"stats", cmd_stats, cmd_status_stats_usage,
     "stats                      show its counters"},
    {"reload", cmd_reload, cmd_status_reload_usage,
     "reload                     have it read its configuration again"},
    {"log", cmd_log, cmd_status_log_usage,
     "log --last [NUMBER]        show its last log lines"},
};

static int print_usage(FILE *out)
{
    fprintf(out, "usage: rootline COMMAND ...\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %s\n", commands[i].help);
    fprintf(out,
            "Each takes --json and --help.  Exit status: 0 right, 1 wrong, 2 wrong usage, 3 no "
            "daemon answers.\n");
    return out == stderr ? CMD_USAGE : CMD_DONE;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

static bool is_help(const char *arg)
{
    return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

/* Whether help is wanted, whatever else stands there. */
static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (is_help(argv[i]))
            return true;
    return false;
}

static int reject_command(const char *name)
{
    const char *names[ARRAY_LEN(commands) + 1] = {NULL};

    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        names[i] = commands[i].name;
    const char *near = diag_nearest(name, names);
    fprintf(stderr, "rootline: there is no command \"%s\"", name);
    if (near)
        fprintf(stderr, "; did you mean \"%s\"?", near);
    fputc('\n', stderr);
    return print_usage(stderr);
}

int main(int argc, char **argv)
{
    hash_init();
    if (argc < 2)
        return print_usage(stderr);
    bool is_asked = strcmp(argv[1], "help") == 0;
    if (is_help(argv[1]) || (is_asked && argc == 2))
        return print_usage(stdout);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("rootline %s\n", ROOTLINE_VERSION);
        return CMD_DONE;
    }
    const char *name = argv[is_asked ? 2 : 1];
    const struct command *command = find_command(name);
    if (!command)
        return reject_command(name);
    if (is_asked || wants_help(argc - 2, argv + 2)) {
        fputs(command->usage, stdout);
        return CMD_DONE;
    }
    return command->run(argc - 2, argv + 2);
}
