/* Errors go to stderr, results to stdout.  Findings as JSON are a result. */
#include "tools/cmd.h"

#include <unistd.h>

int cmd_wrong_usage(const char *usage)
{
    fputs(usage, stderr);
    return CMD_USAGE;
}

bool cmd_take_flag(int *argc, char **argv, const char *flag)
{
    bool found = false;
    int kept = 0;
    for (int i = 0; i < *argc; i++)
        if (strcmp(argv[i], flag) == 0)
            found = true;
        else
            argv[kept++] = argv[i];
    *argc = kept;
    return found;
}

const char *cmd_take_value(int *argc, char **argv, const char *flag)
{
    for (int i = 0; i + 1 < *argc; i++)
        if (strcmp(argv[i], flag) == 0) {
            const char *value = argv[i + 1];
            for (int n = i; n + 2 < *argc; n++)
                argv[n] = argv[n + 2];
            *argc -= 2;
            return value;
        }
    return NULL;
}

const char *cmd_text(const struct json *from, const char *key)
{
    return json_get_text(from, key, "");
}

long long cmd_number(const struct json *from, const char *key)
{
    return json_get_number(from, key, 0);
}

void cmd_print_json(const struct json *json)
{
    char *text = json_write(json, true);
    if (text)
        puts(text);
    free(text);
}

void cmd_report(const struct diag *diag, bool is_json)
{
    if (!is_json) {
        diag_print(diag, stderr, isatty(STDERR_FILENO) && !getenv("NO_COLOR"));
        return;
    }
    struct json *list = diag_to_json(diag);
    cmd_print_json(list);
    json_free(&list);
}
