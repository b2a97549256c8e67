/* rootline: the command.  One table of subcommands. */
#include "base/hash.h"
#include "tools/cmd.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"check", cmd_check, "check FILE                 is this configuration right?"},
    {"zone", cmd_zone, "zone check ORIGIN FILE     can this zone file be served?"},
    {"certificate", cmd_certificate,
     "certificate make [NAME]... a private CA and a server certificate for TLS and HTTPS"},
    {"explain", cmd_explain,
     "explain NAME [TYPE]        how the resolver answers, step by step, and why so"},
    {"cache", cmd_cache, "cache show | flush | stats what the resolver remembers"},
    {"status", cmd_status, "status                     how a daemon is"},
    {"stats", cmd_stats, "stats                      what it has counted"},
    {"reload", cmd_reload, "reload                     have it read its configuration again"},
    {"log", cmd_log, "log --last [NUMBER]        its last lines"},
};

static int print_usage(FILE *out)
{
    fprintf(out, "usage: rootline COMMAND ...\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %s\n", commands[i].help);
    fprintf(out, "Each takes --json.  Exit status: 0 right, 1 wrong, 2 wrong usage, 3 no "
                 "daemon answers.\n");
    return out == stderr ? CMD_USAGE : CMD_DONE;
}

int main(int argc, char **argv)
{
    const char *names[ARRAY_LEN(commands) + 1] = {NULL};

    hash_init();
    if (argc < 2)
        return print_usage(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return print_usage(stdout);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        printf("rootline %s\n", ROOTLINE_VERSION);
        return CMD_DONE;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        names[i] = commands[i].name;
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    }
    const char *near = diag_nearest(argv[1], names);
    fprintf(stderr, "rootline: there is no command \"%s\"", argv[1]);
    if (near)
        fprintf(stderr, "; did you mean \"%s\"?", near);
    fputc('\n', stderr);
    return print_usage(stderr);
}
