/* Loading a zone file must give a zone or errors, and every name of the zone must be found. */
#define _GNU_SOURCE
#include "authd/load/zonefile.h"
#include <unistd.h>

#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Return true for $GENERATE ranges of more than three digits, which only take time. */
static bool is_long(const char *text, size_t size)
{
    const char *at = memmem(text, size, "$GENERATE", 9);
    unsigned digits = 0;
    for (; at && at < text + size && digits < 4; at++)
        digits = util_is_digit(*at) ? digits + 1 : 0;
    return digits >= 4 || memmem(text, size, "$generate", 9);
}

/* A folder with files to include.  $INCLUDE is relative to the zone file, which is passed off
 * as one in this folder. */
static char folder[] = "/tmp/rootline-fuzz-XXXXXX";
static char zone_path[sizeof(folder) + 8];

static void write_file(const char *name, const char *text)
{
    char path[sizeof(folder) + 16];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    must(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void remove_folder(void)
{
    static const char *const names[] = {"inc", "self", "deep"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[sizeof(folder) + 16];
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static void set_up(void)
{
    hash_init();
    must(mkdtemp(folder));
    snprintf(zone_path, sizeof(zone_path), "%s/fuzz", folder);
    write_file("inc", "i A 192.0.2.1\n$ORIGIN sub\n  TXT x\n");
    write_file("self", "$INCLUDE inc\n$INCLUDE self\n");
    write_file("deep", "@ SOA . . 1 2 3 4 5\n@ NS .\n$INCLUDE inc in\n$INCLUDE inc\n");
    atexit(remove_folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t origin[] = {7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0};
    struct zone *zone = NULL;
    struct diag diag;

    if (!*zone_path)
        set_up();
    if (is_long((const char *)data, size))
        return 0;
    diag_init(&diag);
    if (size == 0) { /* load files by name instead, one of which does not exist */
        static const char *const names[] = {"deep", "self", "absent", "."};
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            char path[sizeof(folder) + 16];
            snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
            must((zonefile_load(origin, path, NULL, &diag, &zone) == ERR_OK) ==
                 (i == 0 && diag.error_cnt == 0));
            zone_unref(&zone);
        }
        diag_fini(&diag);
        return 0;
    }
    enum err err =
        zonefile_parse(origin, zone_path, (const char *)data, size, NULL, &diag, &zone);
    must((err == ERR_OK) == (zone != NULL));
    must(err != ERR_FORMAT || diag.error_cnt > 0);
    for (size_t i = 0; zone && i < zone->chunk_cnt; i++)
        for (size_t n = 0; n < zone->chunks[i]->cnt; n++) {
            const struct node *node = zone->chunks[i]->node[n];
            const struct rrset *set = node_rrsets(node);
            must(zone_find_name(zone, dname_hash(node->name), node->name) == node);
            for (unsigned s = 0; s < node->rrset_cnt; s++, set = rrset_next(set))
                for (size_t pos = 0; pos < set->size;) {
                    struct rrset_record record = rrset_at(set, pos, &pos);
                    must(rdata_check(set->type, record.rdata, record.len) == ERR_OK);
                }
        }
    if (zone) { /* a zone that loads is checked as a signed zone too */
        static const struct zonefile_checks checks = {.now_s = 1700000000, .has_crypto = true};
        zone_unref(&zone);
        err =
            zonefile_parse(origin, zone_path, (const char *)data, size, &checks, &diag, &zone);
        must((err == ERR_OK) == (zone != NULL));
    }
    FILE *null = fopen("/dev/null", "w");
    diag_print(&diag, null, true);
    struct json *findings = diag_to_json(&diag);
    json_free(&findings);
    fclose(null);
    zone_unref(&zone);
    diag_fini(&diag);
    return 0;
}
