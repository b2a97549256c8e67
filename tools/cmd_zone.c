/* rootline zone check: load a zone file with the loader of the daemon. */
#include "authd/load/zonefile.h"
#include "base/now.h"
#include "dns/dname_text.h"
#include "tools/cmd.h"

const char cmd_zone_usage[] =
    "usage: rootline zone check ORIGIN FILE [--crypto] [--at INSTANT] [--json]\n"
    "  --crypto      verify every signature, and report faults of DNSSEC as errors\n"
    "  --at INSTANT  check the validity of signatures at this time (now), "
    "such as 2026-01-31T08:00:00Z\n"
    "  --json        print the findings as JSON\n";

static void print_summary(const char *file, const struct zone *zone, const struct diag *diag)
{
    char name[DNAME_TEXT_MAX];
    dname_text_print(zone->name, name);
    printf("%s: ok, zone %s serial %u: %zu names, %zu records, %.1f MB", file, name,
           zone->serial, zone->node_cnt, zone->record_cnt, (double)zone->bytes / 1e6);
    if (diag->warning_cnt)
        printf(", %zu warning%s", diag->warning_cnt, diag->warning_cnt == 1 ? "" : "s");
    putchar('\n');
}

/* True if the findings have the cause of the error: none has that of ERR_NOMEM or ERR_LIMIT,
 * and without memory no finding is kept. */
static bool is_cause_found(enum err err, const struct diag *diag)
{
    return (err == ERR_FORMAT || err == ERR_IO) && diag->kept_cnt[DIAG_ERROR] > 0;
}

int cmd_zone(int argc, char **argv)
{
    static const uint8_t root[] = {0};
    bool is_json = cmd_take_flag(&argc, argv, "--json");
    uint8_t origin[DNAME_MAX];
    size_t origin_len;
    const char *why = "";
    struct zone *zone = NULL;
    struct diag diag;
    int64_t at_ms = now_wall_ms();
    struct zonefile_checks checks = {.has_crypto = cmd_take_flag(&argc, argv, "--crypto")};
    const char *at = cmd_take_value(&argc, argv, "--at");

    if (at && now_read(at, &at_ms) != ERR_OK) {
        fprintf(stderr, "rootline: \"%s\" is not a time such as 2026-01-31T08:00:00Z\n", at);
        return CMD_USAGE;
    }
    checks.now_s = (uint32_t)(at_ms / 1000);
    if (argc != 3 || strcmp(argv[0], "check") != 0)
        return cmd_wrong_usage(cmd_zone_usage);
    if (dname_text_read(argv[1], strlen(argv[1]), root, origin, &origin_len, &why, NULL) !=
        ERR_OK) {
        fprintf(stderr, "rootline: \"%s\" is not a domain name: %s\n", argv[1], why);
        return CMD_USAGE;
    }
    diag_init(&diag);
    enum err err = zonefile_load(origin, argv[2], &checks, &diag, &zone);
    cmd_report(&diag, is_json);
    if (!err && !is_json)
        print_summary(argv[2], zone, &diag);
    else if (err == ERR_FORMAT && !is_json)
        fprintf(stderr, "%s: %zu error%s\n", argv[2], diag.error_cnt,
                diag.error_cnt == 1 ? "" : "s");
    else if (err && (!is_json || !is_cause_found(err, &diag)))
        fprintf(stderr, "%s: %s\n", argv[2], err_name(err));
    zone_unref(&zone);
    diag_fini(&diag);
    return err ? CMD_WRONG : CMD_DONE;
}
