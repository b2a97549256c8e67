/* rootline zone check: load a zone file with the loader of the daemon.  The usage and the
 * arguments that zone check and zone sign share are here too. */
#include "authd/load/zonefile.h"
#include "base/now.h"
#include "dns/dname_text.h"
#include "tools/cmd.h"

const char cmd_zone_usage[] =
    "usage: rootline zone check ORIGIN FILE [--crypto] [--at INSTANT] [--json]\n"
    "  --crypto      verify every signature, and report faults of DNSSEC as errors\n"
    "  --at INSTANT  check the validity of signatures at this time (now), "
    "such as 2026-01-31T08:00:00Z\n"
    "  --json        print the findings as JSON\n"
    "\n"
    "usage: rootline zone sign ORIGIN FILE [--output FILE] [--overwrite] [--keys FOLDER]\n"
    "         [--algorithm NAME] [--split] [--nsec3 | --opt-out] [--zonemd] [--cds]\n"
    "         [--serial WORD] [--time INSTANT] [--inception INSTANT] [--expiration INSTANT]\n"
    "         [--json]\n"
    "  --output FILE         write the signed zone there (FILE.signed); - is stdout\n"
    "  --overwrite           the output may replace a file that was read\n"
    "  --keys FOLDER         the zone's keys in BIND's format (.); without any, make new ones\n"
    "  --algorithm NAME      of new keys: ECDSAP256SHA256 (the default), ED25519 or RSASHA256\n"
    "  --split               make a KSK and a ZSK, not one key for both\n"
    "  --nsec3               prove with NSEC3 what does not exist, not with NSEC\n"
    "  --opt-out             the same without unsigned delegations\n"
    "  --zonemd              add a digest of the zone (RFC 8976)\n"
    "  --cds                 add CDS and CDNSKEY for the parent zone (RFC 7344)\n"
    "  --serial WORD         keep (the default), increment, unixtime or date\n"
    "  --time INSTANT        sign as if it were this time (now)\n"
    "  --inception INSTANT   signatures are valid from then on (an hour before the time)\n"
    "  --expiration INSTANT  and until then (30 days after the time)\n"
    "  --json                print findings, keys and DS records as JSON\n";

bool cmd_zone_read_origin(const char *text, uint8_t out[DNAME_MAX])
{
    static const uint8_t root[] = {0};
    struct fault fault;
    size_t len;

    if (dname_text_read(text, strlen(text), root, out, &len, &fault, NULL) == ERR_OK)
        return true;
    fprintf(stderr, "rootline: \"%s\" is not a domain name: %s\n", text, fault.text);
    return false;
}

bool cmd_zone_read_time(const char *text, uint32_t *out_s)
{
    int64_t ms;

    if (!text)
        return true;
    if (now_read(text, &ms) != ERR_OK) {
        fprintf(stderr, "rootline: \"%s\" is not a time such as 2026-01-31T08:00:00Z\n", text);
        return false;
    }
    *out_s = (uint32_t)(ms / 1000);
    return true;
}

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

bool cmd_zone_is_cause_found(enum err err, const struct diag *diag)
{
    return (err == ERR_FORMAT || err == ERR_IO) && diag->kept_cnt[DIAG_ERROR] > 0;
}

/* The arguments are those after "check". */
static int run_zone_check(int argc, char **argv)
{
    bool is_json = cmd_take_flag(&argc, argv, "--json");
    uint8_t origin[DNAME_MAX];
    struct zone *zone = NULL;
    struct diag diag;
    struct zonefile_checks checks = {.now_s = (uint32_t)(now_wall_ms() / 1000),
                                     .has_crypto = cmd_take_flag(&argc, argv, "--crypto")};

    if (!cmd_zone_read_time(cmd_take_value(&argc, argv, "--at"), &checks.now_s))
        return CMD_USAGE;
    if (argc != 2)
        return cmd_wrong_usage(cmd_zone_usage);
    if (!cmd_zone_read_origin(argv[0], origin))
        return CMD_USAGE;
    const char *file = argv[1];
    diag_init(&diag);
    enum err err = zonefile_load(origin, file, &checks, &diag, &zone);
    cmd_report(&diag, is_json);
    if (!err && !is_json)
        print_summary(file, zone, &diag);
    else if (err == ERR_FORMAT && !is_json)
        fprintf(stderr, "%s: %zu error%s\n", file, diag.error_cnt,
                diag.error_cnt == 1 ? "" : "s");
    else if (err && (!is_json || !cmd_zone_is_cause_found(err, &diag)))
        fprintf(stderr, "%s: %s\n", file, err_name(err));
    zone_unref(&zone);
    diag_fini(&diag);
    return err ? CMD_WRONG : CMD_DONE;
}

int cmd_zone(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "check") == 0)
        return run_zone_check(argc - 1, argv + 1);
    if (argc > 0 && strcmp(argv[0], "sign") == 0)
        return cmd_zone_sign(argc - 1, argv + 1);
    return cmd_wrong_usage(cmd_zone_usage);
}
