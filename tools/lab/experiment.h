/* tools/lab/experiment.h | the experiments, and how they are run and judged
 *
 * Thread:   the only one.
 */
#pragma once

#include "tools/lab/trial.h"

/* An experiment: an attack that succeeds without some defences and fails with them. */
struct experiment {
    const char *name;    /* identifier */
    const char *what;    /* what the attacker does, a sentence without its period */
    const char *without; /* the defences that are taken away, identifiers separated by commas */
    bool needs_validation; /* DNSSEC is the defence: the resolver validates in any laboratory */
    const char *stopped;   /* what stops it, a sentence without its period */
    const char *counters[4]; /* of `rootline stats`: those that show the defence at work */
    void (*run)(struct trial *t);
};

extern const struct experiment *const experiment_list[];
extern const size_t experiment_cnt;

/* Return the experiment of this name; NULL: there is none. */
const struct experiment *experiment_find(const char *name);

/* What `rootline lab run` asks for. */
struct experiment_conf {
    const char *without; /* NULL: the experiment's own */
    uint64_t seed;
    bool tells, is_slow, is_each;
    bool stays;         /* run without the defences only, and leave the resolver so */
    const char *folder; /* for captures and the record; NULL: none */
};

/* Run an experiment in the laboratory that this process has entered: without defences, then
 * with them unless `stays`.  Print progress to stderr.  Return the record, which the caller
 * frees; its key "as-expected" has the verdict. */
struct json *experiment_run(const struct experiment *experiment, struct space *space,
                            const struct site *site, const struct experiment_conf *conf);

/* Print the record as a table. */
void experiment_print(const struct json *record);
