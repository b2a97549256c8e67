/* tests/unit/zones.h | zones from text for unit tests */
#pragma once

#include "unit.h"

#include "authd/load/zonefile.h"

#define ZONES_HEAD \
    "$ORIGIN example.\n$TTL 3600\n@ SOA ns host 1 2 3 4 300\n@ NS ns\nns A 192.0.2.1\n"

/* Load a zone from `text`; return it, or NULL after errors.  *report gets the findings as text;
 * caller frees both. */
static inline struct zone *zones_read(const char *origin, const char *text, char **report)
{
    uint8_t name[DNAME_MAX];
    struct zone *zone = NULL;
    struct diag diag;
    size_t len;

    diag_init(&diag);
    enum err err =
        zonefile_parse(unit_name(origin, name), "z", text, strlen(text), NULL, &diag, &zone);
    FILE *stream = open_memstream(report, &len);
    diag_print(&diag, stream, false);
    fclose(stream);
    assert_int_equal(err == ERR_OK, diag.error_cnt == 0);
    assert_int_equal(err == ERR_OK, zone != NULL);
    diag_fini(&diag);
    return zone;
}

/* Load a zone from `text` without errors, and return it; caller frees it. */
static inline struct zone *zones_open(const char *origin, const char *text)
{
    char *report = NULL;
    struct zone *zone = zones_read(origin, text, &report);

    if (!zone)
        fail_msg("%s", report);
    free(report);
    return zone;
}
