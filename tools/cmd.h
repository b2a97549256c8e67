/* tools/cmd.h | what the subcommands of `rootline` share
 *
 * Thread:   the only one.
 */
#pragma once

#include <stdbool.h>

#include "base/diag.h"

enum cmd_exit { CMD_DONE = 0, CMD_WRONG = 1, CMD_USAGE = 2, CMD_UNREACHED = 3 };

/* How each subcommand is used: what --help prints, and stderr after wrong usage. */
extern const char cmd_check_usage[], cmd_zone_usage[], cmd_certificate_usage[],
    cmd_explain_usage[], cmd_cache_usage[], cmd_status_usage[], cmd_status_stats_usage[],
    cmd_status_reload_usage[], cmd_status_log_usage[];

/* Print it on stderr, and return CMD_USAGE. */
int cmd_wrong_usage(const char *usage);

/* rootline check FILE [--deep] [--json] */
int cmd_check(int argc, char **argv);

/* rootline zone check ORIGIN FILE [--crypto] [--at INSTANT] [--json] */
int cmd_zone(int argc, char **argv);

/* rootline certificate make [NAME | ADDRESS ...] [--directory DIR] [--days N] [--json] */
int cmd_certificate(int argc, char **argv);

/* rootline explain NAME [TYPE] ... */
int cmd_explain(int argc, char **argv);

/* rootline cache show | flush | stats ... */
int cmd_cache(int argc, char **argv);

/* rootline status, stats, reload, log ... */
int cmd_status(int argc, char **argv);
int cmd_stats(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_log(int argc, char **argv);

/* Take `flag` out of the arguments; whether it was there. */
bool cmd_take_flag(int *argc, char **argv, const char *flag);

/* Take `flag` and the argument behind it out; that argument, or NULL without the flag.  A flag
 * without an argument stays, and is then one argument too many. */
const char *cmd_take_value(int *argc, char **argv, const char *flag);

/* Print it on stdout, with line breaks. */
void cmd_print_json(const struct json *json);

/* Show findings: for people on stderr, as JSON on stdout. */
void cmd_report(const struct diag *diag, bool is_json);
