/* The main file of the command `rootline`: a table of its subcommands. */
#include "base/hash.h"
#include "tools/cmd.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage; /* NULL: another program, which answers --help itself */
    const char *help;
} commands[] = {
    {"check", cmd_check, cmd_check_usage, "check FILE                 check a configuration"},
    {"zone", cmd_zone, cmd_zone_usage, "zone check | sign ...      check or sign a zone file"},
    {"certificate", cmd_certificate, cmd_certificate_usage,
     "certificate make [NAME]... make a private CA and a server certificate"},
    {"explain", cmd_explain, cmd_explain_usage,
     "explain NAME [TYPE]        show the resolver's answer, its steps and its cause"},
    {"cache", cmd_cache, cmd_cache_usage,
     "cache show | flush | stats show or flush the resolver's cache"},
    {"status", cmd_status, cmd_status_usage,
     "status                     show the daemon's state"},
    {"stats", cmd_stats, cmd_status_stats_usage,
     "stats                      show the daemon's counters"},
    {"reload", cmd_reload, cmd_status_reload_usage,
     "reload                     make the daemon reload its configuration"},
    {"log", cmd_log, cmd_status_log_usage,
     "log --last [NUMBER]        show the daemon's last log lines"},
    {"lab", cmd_lab, NULL,
     "lab up | run | ...         a fenced Internet, and attacks on it as experiments"},
};

static int print_commands(FILE *out)
{
    fprintf(out, "usage: rootline COMMAND ...\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %s\n", commands[i].help);
    fprintf(
        out,
        "Every command takes --json and --help.\n"
        "Exit status: 0 success; 1 a fault was found, or the daemon refused; 2 wrong usage; "
        "3 no daemon answered.\n");
    return out == stderr ? CMD_USAGE : CMD_DONE;
}

static const struct command *find_subcommand(const char *name)
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

/* True if any argument asks for help: the others are not checked then. */
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
    fprintf(stderr, "rootline: unknown command \"%s\"", name);
    if (near)
        fprintf(stderr, "; did you mean \"%s\"?", near);
    fputc('\n', stderr);
    return print_commands(stderr);
}

int main(int argc, char **argv)
{
    hash_init();
    if (argc < 2)
        return print_commands(stderr);
    bool is_help_command = strcmp(argv[1], "help") == 0;
    if (is_help(argv[1]) || (is_help_command && argc == 2))
        return print_commands(stdout);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("rootline %s\n", ROOTLINE_VERSION);
        return CMD_DONE;
    }
    const char *name = argv[is_help_command ? 2 : 1];
    const struct command *command = find_subcommand(name);
    if (!command)
        return reject_command(name);
    if (!command->usage && is_help_command)
        return command->run(1, (char *[]){"--help", NULL});
    if (command->usage && (is_help_command || wants_help(argc - 2, argv + 2))) {
        fputs(command->usage, stdout);
        return CMD_DONE;
    }
    return command->run(argc - 2, argv + 2);
}
