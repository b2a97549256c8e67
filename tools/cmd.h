/* tools/cmd.h | parts that the subcommands of `rootline` share
 *
 * Thread:   the only one.
 */
#pragma once

#include <stdbool.h>

#include "base/diag.h"
#include "dns/dname.h"

/* Exit statuses (rootline(1)). */
enum cmd_exit {
    CMD_DONE = 0,
    CMD_WRONG = 1,     /* a fault was found, or the daemon refused the request */
    CMD_USAGE = 2,     /* wrong usage */
    CMD_UNREACHED = 3, /* no daemon answered */
};

/* The usage of each subcommand: --help prints it to stdout, wrong usage to stderr. */
extern const char cmd_check_usage[], cmd_zone_usage[], cmd_certificate_usage[],
    cmd_explain_usage[], cmd_cache_usage[], cmd_status_usage[], cmd_status_stats_usage[],
    cmd_status_reload_usage[], cmd_status_log_usage[];

/* Print `usage` to stderr and return CMD_USAGE. */
int cmd_wrong_usage(const char *usage);

/* The subcommands.  Each gets the arguments after its name, may reorder them, and returns an
 * exit status. */

/* rootline check FILE [--deep] [--json] */
int cmd_check(int argc, char **argv);

/* rootline zone check | sign ... */
int cmd_zone(int argc, char **argv);

/* rootline zone sign ORIGIN FILE ...; the arguments after "sign". */
int cmd_zone_sign(int argc, char **argv);

/* Read the ORIGIN of `rootline zone`.  False: it is no name, which is reported. */
bool cmd_zone_read_origin(const char *text, uint8_t out[DNAME_MAX]);

/* Read an RFC 3339 time into seconds of wall time; NULL leaves *out_s unchanged.  False: it is
 * no time, which is reported. */
bool cmd_zone_read_time(const char *text, uint32_t *out_s);

/* True if the findings have the cause of the error: none has that of ERR_NOMEM or ERR_LIMIT,
 * and without memory no finding is kept. */
bool cmd_zone_is_cause_found(enum err err, const struct diag *diag);

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

/* rootline lab ... */
int cmd_lab(int argc, char **argv);

/* Remove `flag` from the arguments; true if it was there. */
bool cmd_take_flag(int *argc, char **argv, const char *flag);

/* Remove `flag` and the argument after it; return that argument, NULL without the flag.  A flag
 * at the end stays in place and makes the usage wrong. */
const char *cmd_take_value(int *argc, char **argv, const char *flag);

/* Return the text of a key of a result, borrowed; "" if it has none. */
const char *cmd_text(const struct json *from, const char *key);

/* Return the number of a key of a result; 0 if it has none. */
long long cmd_number(const struct json *from, const char *key);

/* Print `json` to stdout, indented. */
void cmd_print_json(const struct json *json);

/* Print the findings: as text to stderr, or as JSON to stdout. */
void cmd_report(const struct diag *diag, bool is_json);
