/* tools/lab/defence.h | the defences that an experiment takes away, and their eras
 *
 * Owner:    constant data; sets are values.
 * Thread:   any.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/util.h"

enum defence {
#define DEFENCE(symbol, ...) DEFENCE_##symbol,
#include "tools/lab/defence.def"
#undef DEFENCE
    DEFENCE_CNT
};

/* The map of the resolver's configuration in which a defence has its key. */
enum defence_section {
    DEFENCE_LAB,
    DEFENCE_RESOLVER,
    DEFENCE_LIMITS,
    DEFENCE_SERVER,
    DEFENCE_DETECTION,
    DEFENCE_OTHER
};

/* A row of defence.def. */
struct defence_row {
    const char *name; /* identifier */
    enum defence_section section;
    const char *off;  /* "key: value" */
    const char *what; /* a sentence without its period */
};

extern const struct defence_row defence_rows[DEFENCE_CNT];

/* Which defences are off. */
struct defence_set {
    bool is_off[DEFENCE_CNT];
};

/* A resolver of a time: what it did not do yet. */
struct defence_era {
    const char *name;
    const char *off;  /* identifiers separated by commas */
    const char *what; /* a sentence */
};

extern const struct defence_era defence_eras[];
extern const size_t defence_era_cnt;

/* Switch off the defences that `list` names, separated by commas; "all" is every one.  False:
 * *bad is the word that names none. */
MUST_USE bool defence_switch_off(struct defence_set *set, const char *list, char bad[64]);

/* Print "key: value, " for each defence of `section` that is off. */
void defence_print_keys(const struct defence_set *set, enum defence_section section, FILE *out);

/* Print the identifiers of what is off, separated by ", ", or "none". */
void defence_print_names(const struct defence_set *set, char *out, size_t size);
